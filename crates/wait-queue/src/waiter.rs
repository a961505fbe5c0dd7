//! A thread, as queues know it.

use crate::futex;
use crate::lock::Lock;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// In no queue.
pub(crate) const FREE: u32 = 0;
/// In one.
pub(crate) const QUEUED: u32 = 1;
/// It was, and was woken; it has not noticed yet.
pub(crate) const WOKEN: u32 = 2;

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// It was woken.
    Woken,
    /// The time was over. It is in no queue any more.
    TimedOut,
    /// It is wanted for something else, and keeps its place: see the crate's description.
    Interrupted,
}

/// Queues that a waiter may be in, whatever state they have.
pub(crate) trait Home: Send + Sync {
    /// Takes a waiter out of its queue.
    fn forget(&self, waiter: &Waiter);

    /// Gives the place of one waiter to another.
    fn replace(&self, one: &Waiter, other: &Arc<Waiter>);

    /// Which queues these are.
    fn address(&self) -> *const ();
}

/// Where a waiter stands, or was woken.
#[derive(Clone)]
pub(crate) struct Stand {
    pub(crate) home: Arc<dyn Home>,
    pub(crate) key: u64,
    pub(crate) deadline: Option<Instant>,
}

impl fmt::Debug for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stand({:#x}, until {:?})", self.key, self.deadline)
    }
}

/// A thread that may wait: in one queue at a time.
#[derive(Debug)]
pub struct Waiter {
    id: u64,
    /// From [`QUEUED`] to [`WOKEN`], and from and to [`FREE`], it is changed with the queues' lock held; but from [`WOKEN`] to
    /// [`FREE`] by the thread itself, for which nobody else looks.
    pub(crate) state: AtomicU32,
    /// Changes whenever there is something to look at: a futex.
    news: AtomicU32,
    /// Somebody may be waiting for news.
    parked: AtomicBool,
    /// What is known of what it waits for. It changes with the state, under the same rule.
    note: AtomicU64,
    /// Its thread's own.
    stand: Lock<Option<Stand>>,
}

impl Waiter {
    /// A thread with this number, in no queue. `process` says which process this is: in a child of the process that queues were
    /// made in they are empty.
    pub fn new(id: u64, process: fn() -> u32) -> Arc<Waiter> {
        Arc::new(Waiter {
            id,
            state: AtomicU32::new(FREE),
            news: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            note: AtomicU64::new(0),
            stand: Lock::new(process),
        })
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether it has a place in a queue, or was woken there and has not noticed yet.
    pub fn stands(&self) -> bool {
        self.state.load(Ordering::SeqCst) != FREE
    }

    /// Whether it was woken, and has not noticed yet.
    pub fn is_woken(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WOKEN
    }

    /// What was noted when it came into its queue, or was woken; 0 for nothing. It stays until it waits again.
    pub fn note(&self) -> u64 {
        self.note.load(Ordering::SeqCst)
    }

    /// Only who has the queues' lock notes something of somebody who stands there.
    pub(crate) fn set_note(&self, note: u64) {
        self.note.store(note, Ordering::SeqCst);
    }

    /// Has its thread look whether it is wanted for something else. Async-signal-safe, but for errno.
    pub fn nudge(&self) {
        // Whoever is about to wait has said so before he looks whether he is wanted.
        if self.parked.load(Ordering::SeqCst) {
            self.tell();
        }
    }

    /// There is something to look at.
    pub(crate) fn tell(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.news);
    }

    /// Gives its place up, or what it was woken for. Only its own thread does, or who has ended that.
    pub fn leave(&self) {
        if let Some(stand) = self.stand() {
            stand.home.forget(self);
        }
        self.set_stand(None);
        self.state.store(FREE, Ordering::SeqCst);
    }

    pub(crate) fn stand(&self) -> Option<Stand> {
        self.stand.lock().clone()
    }

    pub(crate) fn set_stand(&self, stand: Option<Stand>) {
        *self.stand.lock() = stand;
    }

    /// If it was woken, it is in no queue from now on.
    fn notice(&self) -> bool {
        let woken = self.state.load(Ordering::SeqCst) == WOKEN;
        if woken {
            self.set_stand(None);
            self.state.store(FREE, Ordering::SeqCst);
        }
        woken
    }

    /// Waits where it stands.
    pub(crate) fn park(&self, interrupted: impl Fn() -> bool) -> Waited {
        self.parked.store(true, Ordering::SeqCst);
        let waited = loop {
            let seen = self.news.load(Ordering::SeqCst);
            if self.notice() {
                break Waited::Woken;
            }
            // Looked at each time: it may be moved to another queue.
            let Some(stand) = self.stand() else { break Waited::Interrupted };
            let left = stand.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                stand.home.forget(self);
                // It may have been woken meanwhile.
                break match self.notice() {
                    true => Waited::Woken,
                    false => {
                        self.set_stand(None);
                        Waited::TimedOut
                    }
                };
            }
            if interrupted() {
                break Waited::Interrupted;
            }
            futex::wait(&self.news, seen, left.map(|left| left.as_nanos().try_into().unwrap_or(u64::MAX)));
        };
        self.parked.store(false, Ordering::SeqCst);
        waited
    }
}
