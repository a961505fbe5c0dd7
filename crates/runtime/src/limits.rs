//! Words that compiled code polls: each instance's stack limit, which a request replaces by all ones.

use crate::control::Control;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// What a word holds while a request is pending: no stack pointer is above it.
const REQUESTED: u64 = u64::MAX;

/// What a cell says that nobody gave a limit yet: every stack is above it.
const UNSET: u64 = 0;

/// Where a word is, and what it holds without a request.
#[derive(Debug)]
pub(crate) struct Cell {
    /// The word; null if the cell is not in use.
    word: AtomicPtr<AtomicU64>,
    real: AtomicU64,
    /// How many are writing to the word just now.
    busy: AtomicU32,
    next: *const Cell,
}

impl Cell {
    fn write(&self, value: impl Fn(&Cell) -> u64) {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let word = self.word.load(Ordering::SeqCst);
        if !word.is_null() {
            // SAFETY: whoever takes the word away first clears `word`, then waits until nobody is busy.
            unsafe { (*word).store(value(self), Ordering::SeqCst) };
        }
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The words of all instances of a store. A list that only grows, so that a signal handler may walk it.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    first: AtomicPtr<Cell>,
}

impl Limits {
    fn cells(&self) -> impl Iterator<Item = &Cell> {
        let mut at: *const Cell = self.first.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: cells are only freed with the list.
            let cell = unsafe { at.as_ref() }?;
            at = cell.next;
            Some(cell)
        })
    }

    /// Has every poll of compiled code see a request. Async-signal-safe.
    pub(crate) fn request(&self) {
        self.cells().for_each(|cell| cell.write(|_| REQUESTED));
    }

    /// The requests were served.
    pub(crate) fn relax(&self) {
        self.cells().for_each(|cell| cell.write(|cell| cell.real.load(Ordering::SeqCst)));
    }

    fn add(&self, word: *const AtomicU64) -> *const Cell {
        for cell in self.cells() {
            let free = ptr::null_mut();
            if cell.word.compare_exchange(free, word.cast_mut(), Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                cell.real.store(UNSET, Ordering::SeqCst);
                return cell;
            }
        }
        let cell = Box::into_raw(Box::new(Cell {
            word: AtomicPtr::new(word.cast_mut()),
            real: AtomicU64::new(UNSET),
            busy: AtomicU32::new(0),
            next: ptr::null(),
        }));
        let mut next = self.first.load(Ordering::Acquire);
        loop {
            // SAFETY: the cell is not in the list yet.
            unsafe { (*cell).next = next };
            match self.first.compare_exchange(next, cell, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return cell,
                Err(now) => next = now,
            }
        }
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        let mut at = *self.first.get_mut();
        while !at.is_null() {
            // SAFETY: made by `Box::into_raw`, and nobody has the list any more.
            let cell = unsafe { Box::from_raw(at) };
            at = cell.next.cast_mut();
        }
    }
}

// SAFETY: cells are atomics, and `next` never changes once a cell is in the list.
unsafe impl Send for Limits {}
// SAFETY: as above.
unsafe impl Sync for Limits {}

/// One instance's word, among those of its store.
#[derive(Debug)]
pub(crate) struct Limit {
    control: Arc<Control>,
    cell: *const Cell,
}

impl Limit {
    /// `word` must stay where it is until this is dropped.
    pub(crate) fn new(control: &Arc<Control>, word: *const AtomicU64) -> Limit {
        Limit { control: control.clone(), cell: control.limits().add(word) }
    }

    /// What the word holds without a request.
    pub(crate) fn get(&self) -> u64 {
        // SAFETY: cells live as long as `control`.
        unsafe { &*self.cell }.real.load(Ordering::Relaxed)
    }

    /// Sets what the word holds without a request. Only one thread at a time may.
    pub(crate) fn set(&self, limit: u64) {
        // SAFETY: cells live as long as `control`.
        let cell = unsafe { &*self.cell };
        // Mostly it is the same thread again. Then the word is right: requests change it, and change it back to this.
        if cell.real.load(Ordering::Relaxed) == limit {
            return;
        }
        cell.real.store(limit, Ordering::SeqCst);
        cell.write(|_| limit);
        // A request that came in between may have been overwritten.
        fence(Ordering::SeqCst);
        if self.control.is_armed() {
            cell.write(|_| REQUESTED);
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // SAFETY: as above.
        let cell = unsafe { &*self.cell };
        cell.word.store(ptr::null_mut(), Ordering::SeqCst);
        while cell.busy.load(Ordering::SeqCst) != 0 {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_reach_all_words_and_are_taken_back() {
        let control = Arc::new(Control::default());
        let words = [const { AtomicU64::new(0) }; 3];
        let limits: Vec<Limit> = words.iter().map(|word| Limit::new(&control, word)).collect();
        limits.iter().zip([10, 20, 30]).for_each(|(limit, n)| limit.set(n));
        let now = || words.each_ref().map(|word| word.load(Ordering::Relaxed));
        assert_eq!(now(), [10, 20, 30]);
        control.request_checkpoint();
        assert_eq!(now(), [REQUESTED; 3]);
        limits[1].set(21);
        assert_eq!(now(), [REQUESTED; 3]);
        control.poll();
        assert_eq!(now(), [10, 21, 30]);
        drop(limits);
        control.request_terminate();
        assert_eq!(now(), [10, 21, 30]);
    }

    #[test]
    fn a_cell_is_used_again() {
        let control = Arc::new(Control::default());
        let word = AtomicU64::new(0);
        for _ in 0..1000 {
            word.store(0, Ordering::Relaxed);
            let limit = Limit::new(&control, &word);
            for _ in 0..2 {
                limit.set(1);
                assert_eq!(word.load(Ordering::Relaxed), 1);
            }
        }
        assert_eq!(control.limits().cells().count(), 1);
    }
}
