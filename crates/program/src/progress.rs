//! Progress on a terminal, for what takes longer than a second.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use wayfarer_snapshot::Progress;

/// A line on stderr that says how far something is. It goes away in the end.
pub(crate) struct Shown {
    what: &'static str,
    started: Instant,
    last: Cell<Option<Instant>>,
    terminal: bool,
}

impl Shown {
    /// For something that begins now, of this name.
    pub(crate) fn new(what: &'static str) -> Shown {
        Shown {
            what,
            started: Instant::now(),
            last: Cell::new(None),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Shows how far it is, if that is due.
    pub(crate) fn show(&self, progress: Progress) {
        let due = match self.last.get() {
            None => self.started.elapsed() > Duration::from_secs(1),
            Some(last) => last.elapsed() > Duration::from_millis(100),
        };
        if self.terminal && due && progress.total > 0 {
            self.last.set(Some(Instant::now()));
            let percent = progress.done * 100 / progress.total;
            let total = progress.total >> 20;
            let _ = write!(std::io::stderr(), "\r{}: {percent:3} % of {total} MiB", self.what);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if self.last.get().is_some() {
            let _ = write!(std::io::stderr(), "\r{:40}\r", "");
        }
    }
}
