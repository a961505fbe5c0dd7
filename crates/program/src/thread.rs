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
    /// The thread's place for it, looked up once.
    place: *const Cell<*const Driver>,
    outer: *const Driver,
}

impl Inside {
    /// A call of this store begins.
    #[inline]
    pub(crate) fn enter(driver: &Driver) -> Inside {
        CALLED.with(|place| Inside { place, outer: place.replace(driver) })
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this thread's, as this does not go to another; without a destructor, it is there as long as the thread.
        unsafe { (*self.place).set(self.outer) };
    }
}

/// What takes the checkpoints of the store whose guest this thread has called, and is in; null: it is in none.
/// Async-signal-safe.
pub(crate) fn called_here() -> *const Driver {
    CALLED.get()
}
