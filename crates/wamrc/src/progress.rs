//! A progress bar on standard error, if somebody is looking.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Columns of the bar itself.
const WIDTH: usize = 40;

/// The bar. Removed when dropped.
pub(crate) struct Bar {
    seen: bool,
    most: AtomicUsize,
    drawing: Mutex<()>,
}

impl Bar {
    /// A bar, drawn if standard error is a terminal.
    pub(crate) fn new() -> Bar {
        Bar { seen: std::io::stderr().is_terminal(), most: AtomicUsize::new(0), drawing: Mutex::new(()) }
    }

    /// So many of so many parts are done. From any thread, in any order.
    pub(crate) fn show(&self, done: usize, parts: usize) {
        if !self.seen {
            return;
        }
        let _drawing = self.drawing.lock();
        if self.most.fetch_max(done, Ordering::Relaxed) < done {
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{}", text(done, parts));
        }
    }
}

fn text(done: usize, parts: usize) -> String {
    let filled = WIDTH * done / parts.max(1);
    format!("[{}{}] {done}/{parts}", "#".repeat(filled), " ".repeat(WIDTH - filled.min(WIDTH)))
}

impl Drop for Bar {
    fn drop(&mut self) {
        if *self.most.get_mut() > 0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills() {
        assert_eq!(text(0, 4), format!("[{}] 0/4", " ".repeat(40)));
        assert_eq!(text(1, 4), format!("[{}{}] 1/4", "#".repeat(10), " ".repeat(30)));
        assert_eq!(text(4, 4), format!("[{}] 4/4", "#".repeat(40)));
    }
}
