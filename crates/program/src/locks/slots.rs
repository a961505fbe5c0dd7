//! Where a program's mutexes, condition variables and semaphores are: found by the handle that the guest has, without a lock.
//!
//! A slot stays where it is once it was made, and is used again. Its handle says which slot it is, and how often that was used
//! before: so one that was destroyed is not taken for what is there now.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use wayfarer_runtime::waits::{Condition, Kind, Mutex, Semaphore};

/// Bits of a handle that say which slot it is: its number, and one.
const SLOT_BITS: u32 = 20;

/// How many slots there may be.
pub(crate) const MOST: u32 = (1 << SLOT_BITS) - 1;

/// How often a slot is used before its handles come again.
pub(crate) const GENERATIONS: u32 = 1 << (32 - SLOT_BITS);

/// What is in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Mutex(Kind),
    Condition,
    Semaphore,
    /// A semaphore that nobody has open.
    Closed,
}

impl What {
    fn number(self) -> u64 {
        match self {
            What::Mutex(Kind::Normal) => 1,
            What::Mutex(Kind::Recursive) => 2,
            What::Mutex(Kind::ErrorCheck) => 3,
            What::Condition => 4,
            What::Semaphore => 5,
            What::Closed => 6,
        }
    }

    fn of(number: u64) -> Option<What> {
        Some(match number {
            1 => What::Mutex(Kind::Normal),
            2 => What::Mutex(Kind::Recursive),
            3 => What::Mutex(Kind::ErrorCheck),
            4 => What::Condition,
            5 => What::Semaphore,
            6 => What::Closed,
            _ => return None,
        })
    }
}

/// The handle of what is in a slot.
pub(crate) const fn handle(slot: u32, generation: u32) -> u32 {
    generation << SLOT_BITS | (slot + 1)
}

/// The slot of a handle.
pub(crate) fn slot_of(handle: u32) -> Option<u32> {
    (handle & MOST).checked_sub(1)
}

/// A place for an object of any kind.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Its handle, and above that what it is; 0 if there is nothing.
    is: AtomicU64,
    pub(crate) mutex: Mutex,
    pub(crate) condition: Condition,
    pub(crate) semaphore: Semaphore,
}

impl Slot {
    /// Something is in it from now on.
    pub(crate) fn fill(&self, handle: u32, what: What) {
        self.is.store(what.number() << 32 | u64::from(handle), Ordering::SeqCst);
    }

    /// Nothing is.
    pub(crate) fn empty(&self) {
        self.is.store(0, Ordering::SeqCst);
    }

    /// What is in it.
    pub(crate) fn what(&self) -> Option<What> {
        What::of(self.is.load(Ordering::SeqCst) >> 32)
    }
}

/// All slots, in pieces that become larger: the first has one, each other twice as many as the one before.
#[derive(Debug, Default)]
pub(crate) struct Slots([OnceLock<Box<[Slot]>>; SLOT_BITS as usize]);

impl Slots {
    /// The slot of this number, if it was made.
    pub(crate) fn get(&self, slot: u32) -> Option<&Slot> {
        let (piece, at) = Self::place(slot);
        self.0.get(piece)?.get()?.get(at)
    }

    /// The slot, which is made if there are that many.
    pub(crate) fn make(&self, slot: u32) -> Option<&Slot> {
        let (piece, at) = Self::place(slot);
        let all = self.0.get(piece)?.get_or_init(|| (0..1 << piece).map(|_| Slot::default()).collect());
        all.get(at)
    }

    fn place(slot: u32) -> (usize, usize) {
        let one_more = slot as usize + 1;
        let piece = one_more.ilog2() as usize;
        (piece, one_more - (1 << piece))
    }

    /// What a handle is of: the number of its slot, the slot, and what is in it.
    #[inline]
    pub(crate) fn find(&self, handle: u32) -> Option<(u32, &Slot, What)> {
        let number = slot_of(handle)?;
        let slot = self.get(number)?;
        let is = slot.is.load(Ordering::Acquire);
        (is as u32 == handle).then_some(())?;
        Some((number, slot, What::of(is >> 32)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_found_by_handle_as_long_as_it_is_theirs() {
        let slots = Slots::default();
        for number in [0, 1, 2, 6, 7, 1000, MOST - 1] {
            assert!(slots.get(number).is_none() || number == 2);
            let slot = slots.make(number).unwrap();
            slot.fill(handle(number, 3), What::Condition);
            let (found, at, what) = slots.find(handle(number, 3)).unwrap();
            assert_eq!((found, what), (number, What::Condition));
            assert!(std::ptr::eq(at, slot));
            assert!(slots.find(handle(number, 4)).is_none());
            slot.empty();
            assert!(slots.find(handle(number, 3)).is_none());
        }
        assert_eq!(handle(0, 0), 1);
        assert!(slots.find(0).is_none() && slots.make(MOST).is_none() && slots.find(u32::MAX).is_none());
    }

    #[test]
    fn what_a_slot_is_can_be_read() {
        let slot = Slot::default();
        assert_eq!(slot.what(), None);
        let mutexes = [Kind::Normal, Kind::Recursive, Kind::ErrorCheck].map(What::Mutex);
        for what in mutexes.into_iter().chain([What::Condition, What::Semaphore, What::Closed]) {
            slot.fill(u32::MAX, what);
            assert_eq!(slot.what(), Some(what));
        }
    }
}
