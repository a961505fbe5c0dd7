//! How fast one checkpoint may follow another: the guest gets at least as much time as the last one took.
//!
//! Times are nanoseconds of the monotonic clock, given by the caller. Signal handlers come here, so all are atomics.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

/// Stands for the end of a checkpoint that is still being taken.
const BUSY: u64 = u64::MAX;

/// The last checkpoint, and when there may be another.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time between two by the clock; 0 if there are none.
    every: AtomicU64,
    /// 0 before the first.
    ended: AtomicU64,
    took: AtomicU64,
    /// The process that a signal came to so early that it has to wait; 0 for none.
    held: AtomicI32,
}

/// Nanoseconds, more than five hundred years of them left out.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Pace {
    /// None was taken, and none is by the clock.
    pub(super) const fn new() -> Pace {
        Pace {
            every: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            took: AtomicU64::new(0),
            held: AtomicI32::new(0),
        }
    }

    /// Sets the time between two by the clock. If none was taken yet, it counts from `now`.
    pub(super) fn set_every(&self, every: Option<Duration>, now: u64) {
        self.every.store(every.map_or(0, nanoseconds), Ordering::SeqCst);
        let _ = self.ended.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn every(&self) -> u64 {
        self.every.load(Ordering::SeqCst)
    }

    /// Whether there are any by the clock.
    pub(super) fn is_timed(&self) -> bool {
        self.every() > 0
    }

    /// A checkpoint is being taken.
    pub(super) fn begin(&self) {
        self.ended.store(BUSY, Ordering::SeqCst);
    }

    /// It took from `began` to `now`. Whether that is more than what should lie between two.
    pub(super) fn end(&self, began: u64, now: u64) -> bool {
        let took = now.saturating_sub(began);
        self.took.store(took, Ordering::SeqCst);
        self.ended.store(now, Ordering::SeqCst);
        self.is_timed() && took > self.every()
    }

    /// Forgets everything, in a process that begins `now`. Whether a signal to it is held back.
    pub(super) fn restart(&self, process: i32, now: u64) -> bool {
        self.took.store(0, Ordering::SeqCst);
        self.ended.store(now, Ordering::SeqCst);
        self.held.swap(0, Ordering::SeqCst) == process
    }

    /// When a signal may be served.
    pub(super) fn free(&self) -> u64 {
        self.ended.load(Ordering::SeqCst).saturating_add(self.took.load(Ordering::SeqCst))
    }

    /// Holds a signal to this process back until then.
    pub(super) fn hold(&self, process: i32) {
        self.held.store(process, Ordering::SeqCst);
    }

    /// Whether a signal is held back, which it is not any longer.
    pub(super) fn release(&self) -> bool {
        self.held.swap(0, Ordering::SeqCst) != 0
    }

    /// When the next one has to be asked for, if no other comes before: by the clock, or for a signal that was held back.
    pub(super) fn due(&self) -> Option<u64> {
        let held = (self.held.load(Ordering::SeqCst) != 0).then(|| self.free());
        let timed = self.is_timed().then(|| {
            let ended = self.ended.load(Ordering::SeqCst);
            ended.saturating_add(self.every().max(self.took.load(Ordering::SeqCst)))
        });
        held.into_iter().chain(timed).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: i32 = 7;

    fn pace(every: Option<Duration>, now: u64) -> Pace {
        let pace = Pace::new();
        pace.set_every(every, now);
        pace
    }

    #[test]
    fn time_counts_from_the_end_of_the_last_one() {
        let pace = pace(Some(Duration::from_nanos(100)), 1000);
        assert_eq!(pace.due(), Some(1100));
        pace.begin();
        assert_eq!(pace.due(), Some(BUSY), "not while one is being taken");
        assert!(!pace.end(1100, 1130));
        assert_eq!(pace.due(), Some(1230));
        pace.begin();
        assert!(pace.end(1230, 1730), "longer than the time between two");
        assert_eq!(pace.due(), Some(2230), "the guest gets as long");
    }

    #[test]
    fn a_signal_is_free_after_as_long_as_the_last_one_took() {
        let pace = pace(None, 1000);
        assert_eq!((pace.free(), pace.due()), (1000, None));
        pace.begin();
        assert_eq!(pace.free(), BUSY);
        assert!(!pace.end(1000, 1300));
        assert_eq!((pace.free(), pace.due()), (1600, None));
        pace.hold(ME);
        assert_eq!(pace.due(), Some(1600));
        assert!(pace.release() && !pace.release());
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn a_held_signal_does_not_wait_for_the_clock() {
        let pace = pace(Some(Duration::from_nanos(1000)), 0);
        pace.begin();
        pace.end(0, 10);
        assert_eq!(pace.due(), Some(1010));
        pace.hold(ME);
        assert_eq!(pace.due(), Some(20));
    }

    #[test]
    fn a_child_starts_anew_and_keeps_only_what_it_was_asked_itself() {
        let pace = pace(Some(Duration::from_nanos(100)), 0);
        pace.begin();
        pace.hold(ME);
        assert!(!pace.restart(ME + 1, 500), "that was the parent's");
        assert_eq!(pace.due(), Some(600));
        pace.hold(ME + 1);
        assert!(pace.restart(ME + 1, 500));
    }
}
