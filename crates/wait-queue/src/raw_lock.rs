//! A lock that is a word, and guards nothing by itself. Whoever makes a lock of it says what children of the process find.

use crate::futex;
use crate::sync::{AtomicU32, Ordering};

const FREE: u32 = 0;
const TAKEN: u32 = 1;
/// Taken, and somebody waits.
const AWAITED: u32 = 2;

/// A futex that one thread has at a time.
#[derive(Debug)]
pub struct RawLock(AtomicU32);

impl Default for RawLock {
    fn default() -> RawLock {
        RawLock::new()
    }
}

impl RawLock {
    /// Nobody has it.
    pub const fn new() -> RawLock {
        RawLock(AtomicU32::new(FREE))
    }

    /// Waits for it.
    pub fn take(&self) {
        if !self.try_take() {
            while self.0.swap(AWAITED, Ordering::Acquire) != FREE {
                futex::wait(&self.0, AWAITED, None);
            }
        }
    }

    /// Takes it, if nobody has it; whether it did.
    pub fn try_take(&self) -> bool {
        self.0.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Gives it to whoever comes. Async-signal-safe, but for errno.
    pub fn give_back(&self) {
        if self.0.swap(FREE, Ordering::Release) == AWAITED {
            futex::wake_all(&self.0);
        }
    }

    /// Nobody has it, nor waits: those who did are of another process.
    pub fn forget(&self) {
        self.0.store(FREE, Ordering::Relaxed);
    }

    /// Whether somebody has it, and nobody waits.
    pub fn is_taken_alone(&self) -> bool {
        self.0.load(Ordering::Relaxed) == TAKEN
    }
}
