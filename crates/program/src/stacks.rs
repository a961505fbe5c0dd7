//! Who calls whom, as text: of traps, and of threads that stand still.

use std::fmt::Write;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use wayfarer_module::Module;
use wayfarer_runtime::{MOST_TRACED, Store};
use wayfarer_snapshot::view::{Frame, Thread};

use super::meeting::Parked;

/// Longer lines are cut.
const LINE: usize = 255;

/// Who may have asked and not been served, at most.
const MOST: usize = 8;

const NOBODY: RawFd = -1;

/// Descriptors that somebody waits at.
pub(crate) struct Dumps([AtomicI32; MOST]);

impl Default for Dumps {
    fn default() -> Dumps {
        Dumps([const { AtomicI32::new(NOBODY) }; MOST])
    }
}

impl Dumps {
    /// Somebody waits there; false if too many do. Async-signal-safe.
    pub(crate) fn ask(&self, fd: RawFd) -> bool {
        let free = |place: &AtomicI32| {
            place.compare_exchange(NOBODY, fd, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        fd >= 0 && self.0.iter().any(free)
    }

    /// Who waits, and does no more.
    pub(crate) fn take(&self) -> Vec<RawFd> {
        let all = self.0.iter().map(|place| place.swap(NOBODY, Ordering::SeqCst));
        all.filter(|&fd| fd != NOBODY).collect()
    }
}

/// Writes all of a text. The descriptor is somebody else's, who is asked to let it open.
///
/// # Errors
/// write(2)'s.
pub(crate) fn write(fd: RawFd, text: &str) -> io::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        // SAFETY: bytes of a slice.
        match unsafe { libc::write(fd, left.as_ptr().cast(), left.len()) } {
            written @ 1.. => left = &left[written as usize..],
            0 => return Err(io::ErrorKind::WriteZero.into()),
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
    Ok(())
}

/// A line for the `n`th function of a stack, at this byte of the module.
pub fn add_line(text: &mut String, n: usize, offset: u32, module: &Module, func: u32) {
    let start = text.len();
    let _ = match module.func_name(func) {
        Some(name) => write!(text, "#{n:02}: 0x{offset:04x} - {name}"),
        None => write!(text, "#{n:02}: 0x{offset:04x} - $f{func}"),
    };
    if text.len() - start > LINE {
        let mut end = start + LINE - 4;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text.push('\n');
}

/// The stacks of all who stand still, in the order in which their threads were made, and who does not. The store's threads
/// stand still.
pub(crate) fn text(store: &Store, parked: &Parked, missing: Option<&str>) -> String {
    let mut text = String::new();
    for (id, stack) in parked.stacks() {
        let _ = match stack {
            Ok(Some(thread)) => {
                let _ = writeln!(text, "thread {id}:");
                add_frames(&mut text, store, thread);
                writeln!(text)
            }
            Ok(None) => {
                writeln!(text, "thread {id}: waits in a host function that the host itself has called\n")
            }
            Err(why) => writeln!(text, "thread {id}: {why}\n"),
        };
    }
    if let Some(why) = missing {
        let _ = writeln!(text, "{why}\n");
    }
    if text.is_empty() {
        text.push_str("no thread is in a call\n");
    }
    text
}

/// Innermost first.
fn add_frames(text: &mut String, store: &Store, thread: &Thread) {
    for (n, Frame { func, position, .. }) in thread.frames.iter().rev().enumerate() {
        if n == MOST_TRACED {
            text.push_str("...\n");
            return;
        }
        if let Some(instance) = store.instance(func.instance as usize) {
            let module = instance.module();
            let offset = (module.code_start as u32).wrapping_add(position.offset);
            add_line(text, n, offset, module, func.func);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_may_ask_and_all_are_served_once() {
        let dumps = Dumps::default();
        assert!(!dumps.ask(-1));
        assert!((0..MOST as RawFd).all(|fd| dumps.ask(fd)) && !dumps.ask(100));
        assert_eq!(dumps.take(), (0..MOST as RawFd).collect::<Vec<_>>());
        assert!(dumps.take().is_empty() && dumps.ask(7));
    }
}
