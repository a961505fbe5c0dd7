//! Mutexes: a word that says who has one, and a queue for those who wait.
//!
//! Taking one that is free, and giving it back while nobody waits, is one compare-and-exchange of the word. All else is decided with
//! the queues locked: that somebody waits is noted in the word before he stands in the queue, so whoever gives the mutex back finds
//! the note or leaves the word free, never neither. It is handed over: who is woken has it. So nobody who comes later gets it before
//! those who wait, and who has it next is data at any moment.

use crate::queues::{Locked, WaitQueues};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::waiter::{Waited, Waiter};
use std::sync::Arc;

/// Somebody waits; only in the word of a mutex that somebody has.
const AWAITED: u64 = 1;

/// What a mutex does when its owner takes it again, or another gives it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nobody asks: who takes it twice waits for himself, and whoever gives it back frees it.
    Normal,
    /// The owner may take it several times, and gives it back as often.
    Recursive,
    /// Both are errors.
    ErrorCheck,
}

/// Why somebody does not have a mutex.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotTaken {
    /// He is wanted for something else, and keeps his place in the queue.
    Interrupted,
    /// He has it already.
    Deadlock,
    /// He has taken it as often as can be counted.
    TooOften,
}

/// Who gives a mutex back does not have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotOwner;

/// A mutex. Whoever uses it says which queue is its own.
#[derive(Debug)]
pub struct Mutex {
    /// Who has it, and whether somebody waits: 0 if it is free.
    word: AtomicU64,
    /// How often its owner has taken it again. Only he changes it.
    again: AtomicU32,
}

impl Default for Mutex {
    fn default() -> Mutex {
        Mutex { word: AtomicU64::new(0), again: AtomicU32::new(0) }
    }
}

/// The queue of an object.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The queues.
    pub queues: &'a Arc<WaitQueues<()>>,
    /// The object's own.
    pub key: u64,
}

/// The word of a mutex that a thread of this number has, which is less than 2^62.
const fn taken_by(id: u64) -> u64 {
    (id + 1) << 1
}

impl Mutex {
    /// Who has it, by number.
    pub fn owner(&self) -> Option<u64> {
        (self.word.load(Ordering::SeqCst) >> 1).checked_sub(1)
    }

    /// How often its owner has taken it again.
    pub fn taken_again(&self) -> u32 {
        self.again.load(Ordering::SeqCst)
    }

    /// Takes it for the thread of `me`, and waits until it can be had; whether he had to. `note` is noted of him in the queue.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn lock(
        &self,
        at: At<'_>,
        kind: Kind,
        me: &Arc<Waiter>,
        note: u64,
        interrupted: impl Fn() -> bool,
    ) -> Result<bool, NotTaken> {
        if self.try_take(me.id()) {
            return Ok(false);
        }
        if kind != Kind::Normal && self.owner() == Some(me.id()) {
            return match kind {
                Kind::Recursive => self.take_again(),
                _ => Err(NotTaken::Deadlock),
            };
        }
        let queued = at.queues.locked(|queues| self.take_or_queue_up(queues, at.key, me, note));
        match queued.then(|| at.queues.park(me, interrupted)) {
            Some(Waited::Interrupted) => Err(NotTaken::Interrupted),
            waited => Ok(waited.is_some()),
        }
    }

    fn take_again(&self) -> Result<bool, NotTaken> {
        let again = self.again.load(Ordering::Relaxed).checked_add(1).ok_or(NotTaken::TooOften)?;
        self.again.store(again, Ordering::Relaxed);
        Ok(false)
    }

    /// Takes it if it is free.
    fn try_take(&self, id: u64) -> bool {
        // What its last owner did before he gave it back is seen by who takes it.
        self.word.compare_exchange(0, taken_by(id), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Notes that somebody waits, with the queues locked; false if it is free.
    fn note_awaited(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word == 0 {
                return false;
            }
            match self.word.compare_exchange(word, word | AWAITED, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Whether it had to queue up.
    fn take_or_queue_up(&self, queues: &mut Locked<'_, ()>, key: u64, me: &Arc<Waiter>, note: u64) -> bool {
        while !self.note_awaited() {
            if self.try_take(me.id()) {
                return false;
            }
        }
        queues.enqueue(key, me, None, note);
        true
    }

    /// Has the first in the queue of `from` take it, if it is free, and be woken; else he stands at the end of the queue of `key`, this
    /// mutex's.
    pub(crate) fn receive(&self, queues: &mut Locked<'_, ()>, from: u64, key: u64) {
        let Some(id) = queues.first(from).map(|first| first.id()) else { return };
        loop {
            if self.note_awaited() {
                queues.requeue(from, key, 1);
                return;
            }
            if self.try_take(id) {
                queues.wake_first(from);
                return;
            }
        }
    }

    /// Gives it back, by the thread of this number: to the first who waits, if anybody does.
    ///
    /// # Errors
    /// [`NotOwner`], never of a normal one.
    pub fn unlock(&self, at: At<'_>, kind: Kind, id: u64) -> Result<(), NotOwner> {
        if kind != Kind::Normal {
            if self.owner() != Some(id) {
                return Err(NotOwner);
            }
            let again = self.again.load(Ordering::Relaxed);
            if again > 0 {
                self.again.store(again - 1, Ordering::Relaxed);
                return Ok(());
            }
        }
        while !self.free() && !at.queues.locked(|queues| self.hand_over(queues, at.key)) {}
        Ok(())
    }

    /// Frees it, unless somebody waits.
    fn free(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word & AWAITED == 0
            && self.word.compare_exchange(word, 0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Gives it to the first who waits, with the queues locked; false if nobody is said to wait.
    fn hand_over(&self, queues: &mut Locked<'_, ()>, key: u64) -> bool {
        // While somebody is said to wait, the word changes only here.
        if self.word.load(Ordering::Relaxed) & AWAITED == 0 {
            return false;
        }
        let next = queues.first(key).map_or(0, |first| {
            let others = if queues.waiting(key) > 1 { AWAITED } else { 0 };
            taken_by(first.id()) | others
        });
        // Before he is woken: he may look at any moment.
        self.word.store(next, Ordering::Release);
        queues.wake_first(key);
        true
    }

    /// Gives it back with the queues locked, however often it was taken.
    pub(crate) fn give_up(&self, queues: &mut Locked<'_, ()>, key: u64) {
        self.again.store(0, Ordering::Relaxed);
        while !self.free() && !self.hand_over(queues, key) {}
    }

    /// Makes it so, before anybody uses it: who has it, by number, how often he has taken it again, and whether somebody waits.
    pub fn set(&self, owner: Option<u64>, again: u32, awaited: bool) {
        self.again.store(again, Ordering::SeqCst);
        let word = owner.map_or(0, |id| taken_by(id) | if awaited { AWAITED } else { 0 });
        self.word.store(word, Ordering::SeqCst);
    }

    /// If `one` has it, `other` has it from now on, who is the same thread under another number. With the queues locked.
    pub fn rename(&self, one: u64, other: u64) {
        let mut word = self.word.load(Ordering::SeqCst);
        while word & !AWAITED == taken_by(one) {
            let renamed = taken_by(other) | word & AWAITED;
            match self.word.compare_exchange(word, renamed, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}
