//! A lock that a child of this process finds free, and what it guards whole: who forks has it meanwhile.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wayfarer_runtime::RawLock;
use wayfarer_runtime::threads::this_thread;

/// Guards a value. Its users need not care for forks.
#[derive(Debug, Default)]
pub(crate) struct Lock<T> {
    state: RawLock,
    /// The thread that has it; 0 for none.
    holder: AtomicUsize,
    /// Whether it is held for the sake of a fork.
    for_fork: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only used by who has the lock.
unsafe impl<T: Send> Sync for Lock<T> {}

/// The value, until this is dropped.
pub(crate) struct Guard<'a, T>(&'a Lock<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock {
            state: RawLock::new(),
            holder: AtomicUsize::new(0),
            for_fork: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.take();
        Guard(self)
    }

    /// The lock, if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.state.try_take().then(|| {
            self.holder.store(this_thread(), Ordering::Relaxed);
            Guard(self)
        })
    }

    fn take(&self) {
        self.state.take();
        self.holder.store(this_thread(), Ordering::Relaxed);
    }

    fn give_back(&self) {
        self.holder.store(0, Ordering::Relaxed);
        self.state.give_back();
    }

    /// Whether this thread has it.
    pub(crate) fn is_held_here(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == this_thread()
    }

    /// This thread is about to fork: takes the lock, unless it has it, and will go on with it in both processes.
    pub(crate) fn before_fork(&self) {
        if !self.is_held_here() {
            self.take();
            self.for_fork.store(true, Ordering::Relaxed);
        }
    }

    /// It has, and this is the parent or the child. Async-signal-safe.
    pub(crate) fn after_fork(&self) {
        if self.for_fork.swap(false, Ordering::Relaxed) {
            self.give_back();
        }
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
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_value() {
        static COUNT: Lock<u64> = Lock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| *COUNT.lock() += 1));
            }
        });
        assert_eq!(*COUNT.lock(), 20_000);
        let held = COUNT.lock();
        assert!(COUNT.try_lock().is_none());
        drop(held);
        assert_eq!(COUNT.try_lock().map(|count| *count), Some(20_000));
    }

    #[test]
    fn who_forks_has_it_meanwhile_or_had_it_before() {
        let lock = Lock::new(1);
        lock.before_fork();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| *lock.lock());
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!other.is_finished());
            lock.after_fork();
            assert_eq!(other.join().unwrap(), 1);
        });
        let mut held = lock.lock();
        lock.before_fork();
        lock.after_fork();
        *held = 2;
        assert!(lock.state.is_taken_alone(), "it is still held");
        drop(held);
        assert_eq!(*lock.lock(), 2);
    }
}
