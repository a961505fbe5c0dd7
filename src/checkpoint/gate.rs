//! Who may be in the guest while an image is written: nobody.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Set while the gate is closed; the other bits count who is inside.
const CLOSED: u64 = 1 << 63;

/// Someone who has come in, and finds the gate closed, goes back. That takes no longer than this.
const GOING_BACK: Duration = Duration::from_millis(20);

thread_local! {
    /// How many gates this thread holds closed. What it does meanwhile, it does for the image.
    static CLOSING: Cell<u32> = const { Cell::new(0) };
}

/// Calls of the host go through it. Whoever takes an image closes it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: AtomicU64,
    closing: Mutex<()>,
    lock: Mutex<()>,
    opened: Condvar,
}

/// A closed gate; it opens when this is dropped.
pub(crate) struct Closed<'a> {
    gate: &'a Gate,
    _closing: MutexGuard<'a, ()>,
}

impl Gate {
    /// A gate that is open.
    pub(crate) const fn new() -> Gate {
        Gate {
            state: AtomicU64::new(0),
            closing: Mutex::new(()),
            lock: Mutex::new(()),
            opened: Condvar::new(),
        }
    }

    /// Comes in; waits while the gate is closed, unless this thread closed it.
    #[inline]
    pub(crate) fn enter(&self) {
        if self.state.fetch_add(1, Ordering::SeqCst) & CLOSED != 0 {
            self.wait_outside();
        }
    }

    #[cold]
    fn wait_outside(&self) {
        if CLOSING.get() > 0 {
            return;
        }
        loop {
            self.state.fetch_sub(1, Ordering::SeqCst);
            let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            while self.state.load(Ordering::SeqCst) & CLOSED != 0 {
                lock = self.opened.wait(lock).unwrap_or_else(PoisonError::into_inner);
            }
            drop(lock);
            if self.state.fetch_add(1, Ordering::SeqCst) & CLOSED == 0 {
                return;
            }
        }
    }

    /// Goes out.
    #[inline]
    pub(crate) fn leave(&self) {
        self.state.fetch_sub(1, Ordering::SeqCst);
    }

    /// Comes in for as long as `f` runs.
    pub(crate) fn pass<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Leave<'a>(&'a Gate);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }
        self.enter();
        let _leave = Leave(self);
        f()
    }

    /// Closes the gate, if nobody is inside but the caller, who came in `own` times. `None`: somebody is.
    pub(crate) fn close(&self, own: u64) -> Option<Closed<'_>> {
        let closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.fetch_or(CLOSED, Ordering::SeqCst);
        CLOSING.set(CLOSING.get() + 1);
        let closed = Closed { gate: self, _closing: closing };
        let started = Instant::now();
        while self.state.load(Ordering::SeqCst) != CLOSED | own {
            if started.elapsed() > GOING_BACK {
                return None;
            }
            std::thread::yield_now();
        }
        Some(closed)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let _lock = self.gate.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.gate.state.fetch_and(!CLOSED, Ordering::SeqCst);
        CLOSING.set(CLOSING.get() - 1);
        self.gate.opened.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU32};

    #[test]
    fn it_is_closed_to_others_and_not_to_its_owner() {
        static GATE: Gate = Gate::new();
        static INSIDE: AtomicBool = AtomicBool::new(false);
        GATE.enter();
        let closed = GATE.close(1).unwrap();
        GATE.pass(|| ());
        let other = std::thread::spawn(|| GATE.pass(|| INSIDE.store(true, Ordering::SeqCst)));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!INSIDE.load(Ordering::SeqCst));
        drop(closed);
        other.join().unwrap();
        assert!(INSIDE.load(Ordering::SeqCst));
        GATE.leave();
    }

    #[test]
    fn it_does_not_close_on_somebody_inside() {
        let gate = Gate::new();
        gate.enter();
        gate.enter();
        assert!(gate.close(1).is_none());
        gate.leave();
        assert!(gate.close(1).is_some());
        gate.leave();
        assert!(gate.close(0).is_some());
    }

    #[test]
    fn never_both() {
        static GATE: Gate = Gate::new();
        static VISITORS: AtomicU32 = AtomicU32::new(0);
        static CLOSED_TIMES: AtomicU32 = AtomicU32::new(0);
        let threads: Vec<_> = (0..4)
            .map(|n| {
                std::thread::spawn(move || {
                    for _ in 0..2000 {
                        if n == 0 {
                            if let Some(_closed) = GATE.close(0) {
                                assert_eq!(VISITORS.load(Ordering::SeqCst), 0);
                                CLOSED_TIMES.fetch_add(1, Ordering::SeqCst);
                            }
                        } else {
                            GATE.pass(|| {
                                VISITORS.fetch_add(1, Ordering::SeqCst);
                                VISITORS.fetch_sub(1, Ordering::SeqCst);
                            });
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert!(CLOSED_TIMES.load(Ordering::SeqCst) > 0);
    }
}
