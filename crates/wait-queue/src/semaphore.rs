//! Semaphores: a word that counts, and a queue for those who wait for it to.
//!
//! Taking from one that is above zero, and posting while nobody waits, is one compare-and-exchange. While somebody is said to wait the
//! count is zero, and changes only with the queues locked: what is posted then is the first one's who waits.

use crate::mutex::At;
use crate::sync::{AtomicU64, Ordering};
use crate::waiter::{Waited, Waiter};
use std::sync::Arc;

/// Somebody waits; only beside a count of zero.
const AWAITED: u64 = 1 << 32;

/// The count goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow;

/// A semaphore. Whoever uses it says which queue is its own.
#[derive(Debug)]
pub struct Semaphore(AtomicU64);

impl Default for Semaphore {
    fn default() -> Semaphore {
        Semaphore(AtomicU64::new(0))
    }
}

impl Semaphore {
    /// The largest count.
    pub const MAX: u32 = i32::MAX as u32;

    /// What it counts.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst) as u32
    }

    /// Takes one, if there is one.
    pub fn try_wait(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word as u32 > 0 {
            // What was done before it was posted is seen by who takes it.
            match self.0.compare_exchange(word, word - 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes one for the thread of `me`, and waits until there is one: how the wait ended, or `None` if there was none.
    /// [`Waited::Interrupted`]: it keeps its place, with `note`.
    pub fn wait(
        &self,
        at: At<'_>,
        me: &Arc<Waiter>,
        note: u64,
        interrupted: impl Fn() -> bool,
    ) -> Option<Waited> {
        if self.try_wait() {
            return None;
        }
        let queued = at.queues.locked(|queues| {
            while self.0.compare_exchange(0, AWAITED, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                if self.try_wait() {
                    return false;
                }
                if self.0.load(Ordering::Relaxed) == AWAITED {
                    break;
                }
            }
            queues.enqueue(at.key, me, None, note);
            true
        });
        queued.then(|| at.queues.park(me, interrupted))
    }

    /// Gives one to the first who waits, or to whoever comes.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn post(&self, at: At<'_>) -> Result<(), Overflow> {
        loop {
            let word = self.0.load(Ordering::Relaxed);
            if word == AWAITED {
                if at.queues.locked(|queues| {
                    if self.0.load(Ordering::Relaxed) != AWAITED {
                        return false;
                    }
                    let one_more = queues.wake_first(at.key).is_none();
                    if queues.waiting(at.key) == 0 {
                        self.0.store(one_more.into(), Ordering::Release);
                    }
                    true
                }) {
                    return Ok(());
                }
                continue;
            }
            if word >= Self::MAX.into() {
                return Err(Overflow);
            }
            if self.0.compare_exchange(word, word + 1, Ordering::Release, Ordering::Relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    /// Makes it so, before anybody uses it: what it counts, and whether somebody waits, as nobody does for more than none.
    pub fn set(&self, count: u32, awaited: bool) {
        self.0.store(if awaited { AWAITED } else { count.into() }, Ordering::SeqCst);
    }
}
