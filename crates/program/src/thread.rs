//! Threads of the host that are in a call of a guest's.

use std::cell::Cell;
use std::ptr::null;

use crate::driver::Driver;

thread_local! {
    /// What takes the checkpoints of the store that this thread is in a call of.
    static CALLED: Cell<*const Driver> = const { Cell::new(null()) };
}

/// A call of this store begins on this thread. What was there before, for [`leave`].
#[inline]
pub(crate) fn enter(driver: &Driver) -> *const Driver {
    CALLED.replace(driver)
}

/// It ends.
#[inline]
pub(crate) fn leave(outer: *const Driver) {
    CALLED.set(outer);
}

/// What takes the checkpoints of the store whose guest this thread has called, and is in; null: it is in none.
/// Async-signal-safe.
pub(crate) fn called_here() -> *const Driver {
    CALLED.get()
}
