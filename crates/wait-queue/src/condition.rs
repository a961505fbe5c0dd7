//! Condition variables: a queue for those who wait, each of whom has a mutex when he goes on.
//!
//! Who waits stands in the queue before he gives the mutex back, so nobody who takes the mutex after him signals in vain. Who is
//! signalled is moved to the queue of his mutex, or has it at once: he is not woken to wait for it.

use crate::mutex::{At, Mutex};
use crate::sync::{AtomicU64, Ordering};
use crate::waiter::Waiter;
use std::sync::Arc;
use std::time::Instant;

/// A condition variable. Whoever uses it says which queue is its own.
#[derive(Debug)]
pub struct Condition {
    /// How many wait, or have waited since somebody looked.
    waiting: AtomicU64,
}

impl Default for Condition {
    fn default() -> Condition {
        Condition { waiting: AtomicU64::new(0) }
    }
}

impl Condition {
    /// Gives the mutex back, which has the queue of `key` among the same queues, and has the thread of `me` stand in the queue, in one
    /// step. It waits by `park` of the queues then.
    pub fn queue_up(
        &self,
        at: At<'_>,
        me: &Arc<Waiter>,
        deadline: Option<Instant>,
        note: u64,
        (mutex, key): (&Mutex, u64),
    ) {
        at.queues.locked(|queues| {
            queues.enqueue(at.key, me, deadline, note);
            self.waiting.store(queues.waiting(at.key) as u64, Ordering::SeqCst);
            mutex.give_up(queues, key);
        });
    }

    /// Has the first `count` who wait go on, as soon as they have their mutexes. `mutex_of` says, by what is noted of somebody, which he
    /// waits with, and the key of its queue. If there is none, he is woken with `lost` noted of him.
    pub fn signal<'a>(
        &self,
        at: At<'_>,
        count: u64,
        lost: u64,
        mutex_of: impl Fn(u64) -> Option<(&'a Mutex, u64)>,
    ) {
        // Who waits has said so before he gave his mutex back: if that is how this thread knows of him, it sees that he waits.
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        at.queues.locked(|queues| {
            for _ in 0..count {
                let Some(note) = queues.first(at.key).map(|first| first.note()) else { break };
                match mutex_of(note) {
                    Some((mutex, key)) => mutex.receive(queues, at.key, key),
                    None => drop(queues.wake_first_noting(at.key, |note| note | lost)),
                }
            }
            self.waiting.store(queues.waiting(at.key) as u64, Ordering::SeqCst);
        });
    }

    /// So many wait, before anybody uses it.
    pub fn set(&self, waiting: u64) {
        self.waiting.store(waiting, Ordering::SeqCst);
    }
}
