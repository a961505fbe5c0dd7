//! A lock that a child of this process finds free, and what it guards new: the threads that had it, and those that waited, the
//! child does not have.

use crate::raw_lock::RawLock;
use crate::sync::{AtomicU32, Ordering, yield_now};
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

/// Somebody is about to make the value new.
const RENEWED: u32 = u32::MAX;

/// Guards a value.
#[derive(Debug)]
pub(crate) struct Lock<T> {
    state: RawLock,
    /// The process that the value is of.
    process: AtomicU32,
    /// Which process this is.
    here: fn() -> u32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only used by who has the lock.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Lock<T> {}

/// The value, until this is dropped.
pub(crate) struct Guard<'a, T>(&'a Lock<T>);

impl<T: Default> Lock<T> {
    pub(crate) fn new(here: fn() -> u32) -> Lock<T> {
        Lock { state: RawLock::new(), process: AtomicU32::new(here()), here, value: UnsafeCell::default() }
    }

    /// What says which process this is.
    pub(crate) fn here(&self) -> fn() -> u32 {
        self.here
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let here = (self.here)();
        while self.process.load(Ordering::Acquire) != here {
            self.renew(here);
        }
        self.state.take();
        Guard(self)
    }

    /// This is a child of the process that the value was of.
    #[cold]
    fn renew(&self, here: u32) {
        let process = self.process.load(Ordering::Acquire);
        let mine = process != RENEWED
            && process != here
            && self.process.compare_exchange(process, RENEWED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if !mine {
            return yield_now();
        }
        // What was there may have been changed just when the process was forked: it is not even dropped.
        // SAFETY: nobody of this process has it before `process` says so.
        unsafe { std::ptr::write(self.value.get(), T::default()) };
        self.state.forget();
        self.process.store(here, Ordering::Release);
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this has the lock.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0.state.give_back();
    }
}
