//! Threads of the host that are in a call of a guest's.

use std::cell::Cell;
use std::ptr::null;

use crate::driver::Driver;

thread_local! {
    /// What takes the checkpoints of the store that this thread is in a call of.
    static CALLED: Cell<*const Driver> = const { Cell::new(null()) };
}

/// This thread is in a call of a store's, until this is dropped.
pub(crate) struct Inside {
    outer: *const Driver,
}

impl Inside {
    /// A call of this store begins.
    #[inline]
    pub(crate) fn enter(driver: &Driver) -> Inside {
        Inside { outer: CALLED.replace(driver) }
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        CALLED.set(self.outer);
    }
}

/// What takes the checkpoints of the store whose guest this thread has called, and is in; null: it is in none.
/// Async-signal-safe.
pub(crate) fn called_here() -> *const Driver {
    CALLED.get()
}
