//! Words that compiled code polls: each instance's stack limit, which a request replaces by all ones.

use crate::control::Control;
use crate::registry::{Place, Registry};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a word holds while a request is pending: no stack pointer is above it.
const REQUESTED: u64 = u64::MAX;

/// What a word holds without a request if nobody gave it a limit yet: every stack is above it.
const UNSET: u64 = 0;

/// Where a word is, and what it holds without a request.
#[derive(Debug)]
struct Word {
    word: *const AtomicU64,
    real: AtomicU64,
}

// SAFETY: an atomic, and a pointer to another.
unsafe impl Send for Word {}
// SAFETY: as above.
unsafe impl Sync for Word {}

impl Word {
    /// Has the word say what is so. Whoever changes what is so comes here afterwards, and nobody leaves before what he
    /// wrote last was still true: so the last who writes, whoever that is, writes the truth.
    fn sync(&self, armed: impl Fn() -> bool) {
        let truth = || if armed() { REQUESTED } else { self.real.load(Ordering::SeqCst) };
        let mut value = truth();
        loop {
            // SAFETY: the word stays for as long as `self` is in its registry, or its owner has it.
            unsafe { (*self.word).store(value, Ordering::SeqCst) };
            let now = truth();
            if now == value {
                break;
            }
            value = now;
        }
    }
}

/// The words of all instances of a store.
#[derive(Debug, Default)]
pub(crate) struct Limits(Registry<Word>);

impl Limits {
    /// Has every poll of compiled code see whether there is a request. Async-signal-safe.
    pub(crate) fn sync(&self, armed: impl Fn() -> bool) {
        self.0.visit(|word| word.sync(&armed));
    }
}

/// One instance's word, among those of its store.
#[derive(Debug)]
pub(crate) struct Limit {
    control: Arc<Control>,
    word: Box<Word>,
    place: Place<Word>,
}

impl Limit {
    /// `word` must stay where it is until this is dropped.
    pub(crate) fn new(control: &Arc<Control>, word: *const AtomicU64) -> Limit {
        let word = Box::new(Word { word, real: AtomicU64::new(UNSET) });
        // SAFETY: the box stays until this is dropped, which removes it.
        let place = unsafe { control.limits().0.add(&raw const *word) };
        Limit { control: control.clone(), word, place }
    }

    /// What the word holds without a request.
    pub(crate) fn get(&self) -> u64 {
        self.word.real.load(Ordering::Relaxed)
    }

    /// Sets what the word holds without a request. Only one thread at a time may.
    pub(crate) fn set(&self, limit: u64) {
        // Mostly it is the same thread again. Then the word is right: requests change it, and change it back to this.
        if self.word.real.load(Ordering::Relaxed) == limit {
            return;
        }
        self.word.real.store(limit, Ordering::SeqCst);
        self.word.sync(|| self.control.is_armed());
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // SAFETY: `new` has added it there.
        unsafe { self.control.limits().0.remove(&self.place) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::Registered;

    #[test]
    fn requests_reach_all_words_and_are_taken_back() {
        let control = Arc::new(Control::default());
        let guest = Registered::new(&control);
        let words = [const { AtomicU64::new(0) }; 3];
        let limits: Vec<Limit> = words.iter().map(|word| Limit::new(&control, word)).collect();
        limits.iter().zip([10, 20, 30]).for_each(|(limit, n)| limit.set(n));
        let now = || words.each_ref().map(|word| word.load(Ordering::Relaxed));
        assert_eq!(now(), [10, 20, 30]);
        control.request_checkpoint();
        assert_eq!(now(), [REQUESTED; 3]);
        limits[1].set(21);
        assert_eq!(now(), [REQUESTED; 3]);
        control.poll(guest.thread());
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
    }

    #[test]
    fn a_limit_that_is_set_while_requests_come_and_go_is_not_lost() {
        let control = Arc::new(Control::default());
        let guest = Registered::new(&control);
        let word = AtomicU64::new(0);
        let limit = Limit::new(&control, &word);
        let start = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    start.wait();
                    control.poll(guest.thread());
                    start.wait();
                }
            });
            scope.spawn(|| {
                for n in 1..=ROUNDS {
                    start.wait();
                    limit.set(n);
                    start.wait();
                }
            });
            for n in 1..=ROUNDS {
                control.request_checkpoint();
                start.wait();
                start.wait();
                assert_eq!(word.load(Ordering::Relaxed), n);
            }
        });
    }

    #[test]
    fn words_say_at_last_whether_there_is_a_request() {
        let control = Arc::new(Control::default());
        let guest = Registered::new(&control);
        let word = AtomicU64::new(0);
        let limit = Limit::new(&control, &word);
        limit.set(7);
        for _ in 0..ROUNDS / 10 {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..3).for_each(|_| control.request_checkpoint()));
                (0..2).for_each(|_| drop(scope.spawn(|| control.poll(guest.thread()))));
            });
            assert_eq!(word.load(Ordering::Relaxed), if control.is_armed() { REQUESTED } else { 7 });
        }
    }

    const ROUNDS: u64 = 50_000;
}
