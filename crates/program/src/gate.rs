//! Who may be in the guest while an image is written: nobody.
//!
//! A child of this process has none of its other threads: neither those that were inside, nor one that had closed the gate.
//! All gates are set right in it before it does anything ([`super::forks`]).

use std::cell::Cell;
use std::ptr::null;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wayfarer_runtime::futex;
use wayfarer_runtime::threads::this_thread;

/// Set while the gate is closed.
const CLOSED: u64 = 1 << 63;

/// The bits that count who is inside.
const COUNT: u64 = !CLOSED;

/// Set in who has closed the gate if it stays closed until it is told otherwise. In a child it is open: there is nobody to
/// tell.
const SUSPENDED: usize = 1 << (usize::BITS - 1);

/// Someone who has come in, and finds the gate closed, goes back. That takes no longer than this.
pub(crate) const GOING_BACK: Duration = Duration::from_millis(20);

/// Calls of the host go through it. Whoever takes an image closes it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// How many are inside, and whether it is closed.
    state: AtomicU64,
    /// The thread that has closed it; 0 for none. What it does meanwhile, it does for the image.
    closer: AtomicUsize,
    /// How often it was opened: a futex.
    openings: AtomicU32,
    /// Changes when somebody has gone out of the closed gate: a futex of who has closed it.
    news: AtomicU32,
    /// Whether somebody was inside whom this process does not have.
    left_behind: AtomicBool,
}

/// A closed gate; it opens when this is dropped.
pub(crate) struct Closed<'a>(&'a Gate);

/// A passage of this thread through a gate, and those that it is part of.
struct Passage<'a> {
    gate: &'a Gate,
    outer: *const Passage<'static>,
}

thread_local! {
    static PASSAGES: Cell<*const Passage<'static>> = const { Cell::new(null()) };
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        PASSAGES.set(self.outer);
        self.gate.leave();
    }
}

impl Gate {
    /// A gate that is open.
    pub(crate) const fn new() -> Gate {
        Gate {
            state: AtomicU64::new(0),
            closer: AtomicUsize::new(0),
            openings: AtomicU32::new(0),
            news: AtomicU32::new(0),
            left_behind: AtomicBool::new(false),
        }
    }

    /// This process was just forked by this thread, which has come in `calls` times to call the guest. Async-signal-safe.
    pub(crate) fn forked(&self, calls: u64) {
        let (mut own, mut at) = (calls, PASSAGES.get());
        // SAFETY: they are on this thread's stack, and each ends before the one that it is part of.
        while let Some(passage) = unsafe { at.as_ref() } {
            own += u64::from(std::ptr::eq(passage.gate, self));
            at = passage.outer;
        }
        let kept = self.closer.load(Ordering::SeqCst) == this_thread();
        let before = self.state.swap(own | if kept { CLOSED } else { 0 }, Ordering::SeqCst);
        if before & COUNT > own {
            self.left_behind.store(true, Ordering::SeqCst);
        }
        if !kept {
            self.closer.store(0, Ordering::SeqCst);
        }
    }

    /// Whether the process was forked while another thread was inside: what that was doing is neither done nor in progress.
    pub(crate) fn left_behind(&self) -> bool {
        self.left_behind.load(Ordering::SeqCst)
    }

    /// Comes in; waits while the gate is closed, unless this thread closed it. Whether it is closed.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        self.enter_unless(|| false)
    }

    /// The same; who is `inside` already, as far as that can be told, does not wait: whoever has closed the gate waits for
    /// him.
    #[inline]
    fn enter_unless(&self, inside: impl Fn() -> bool) -> bool {
        self.state.fetch_add(1, Ordering::SeqCst) & CLOSED != 0 && self.wait_outside(inside)
    }

    /// Whether this thread has closed the gate.
    pub(crate) fn is_own(&self) -> bool {
        self.closer.load(Ordering::SeqCst) & !SUSPENDED == this_thread()
    }

    #[cold]
    fn wait_outside(&self, inside: impl Fn() -> bool) -> bool {
        if self.is_own() || inside() {
            return true;
        }
        loop {
            self.leave();
            self.wait_until_open();
            if self.state.fetch_add(1, Ordering::SeqCst) & CLOSED == 0 {
                return false;
            }
        }
    }

    fn wait_until_open(&self) {
        loop {
            let seen = self.openings.load(Ordering::SeqCst);
            if self.state.load(Ordering::SeqCst) & CLOSED == 0 {
                return;
            }
            futex::wait(&self.openings, seen, None);
        }
    }

    /// Goes out.
    #[inline]
    pub(crate) fn leave(&self) {
        if self.state.fetch_sub(1, Ordering::SeqCst) & CLOSED != 0 {
            self.tell();
        }
    }

    /// Has who has closed the gate count again.
    #[cold]
    pub(crate) fn tell(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.news);
    }

    /// Comes in for as long as `f` runs. Who is `inside` already does not wait.
    pub(crate) fn pass<T>(&self, inside: impl Fn() -> bool, f: impl FnOnce() -> T) -> T {
        self.enter_unless(inside);
        let passage = Passage { gate: self, outer: PASSAGES.get() };
        PASSAGES.set((&raw const passage).cast());
        f()
    }

    /// Closes the gate if it is open and nobody is inside. Does not wait.
    pub(crate) fn close_if_empty(&self) -> Option<Closed<'_>> {
        self.state.compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        self.closer.store(this_thread(), Ordering::SeqCst);
        Some(Closed(self))
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> u64 {
        self.state.load(Ordering::SeqCst) & COUNT
    }

    /// Closes the gate, whoever is inside. `None`: it is closed.
    pub(crate) fn try_close(&self) -> Option<Closed<'_>> {
        if self.state.fetch_or(CLOSED, Ordering::SeqCst) & CLOSED != 0 {
            return None;
        }
        self.closer.store(this_thread(), Ordering::SeqCst);
        Some(Closed(self))
    }

    /// Has those look who wait for it to open.
    fn tell_all(&self) {
        self.openings.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.openings);
    }

    /// How often it was opened.
    pub(crate) fn openings(&self) -> u32 {
        self.openings.load(Ordering::SeqCst)
    }

    /// Waits until it was opened more often than this.
    pub(crate) fn wait_for_opening(&self, seen: u32) {
        futex::wait(&self.openings, seen, None);
    }

    /// Closes the gate, if nobody is inside but the caller, who came in `own` times. `None`: somebody is, or the caller has
    /// closed it.
    pub(crate) fn close(&self, own: u64) -> Option<Closed<'_>> {
        let closed = self.close_on_all()?;
        closed.wait(Some(GOING_BACK), |inside| inside == own).then_some(closed)
    }

    /// Closes the gate, whoever is inside; waits while another has closed it. `None`: the caller has.
    pub(crate) fn close_on_all(&self) -> Option<Closed<'_>> {
        loop {
            match self.try_close() {
                Some(closed) => return Some(closed),
                None if self.is_own() => return None,
                None => self.wait_until_open(),
            }
        }
    }

    /// Whether it is closed until [`Gate::resume`].
    pub(crate) fn is_suspended(&self) -> bool {
        self.closer.load(Ordering::SeqCst) & SUSPENDED != 0
    }

    /// Opens the gate, if [`Closed::suspend`] has left it closed.
    pub(crate) fn resume(&self) {
        if self.is_suspended() {
            drop(Closed(self));
        }
    }
}

impl Closed<'_> {
    /// Leaves it closed; those who wait for it to open look at it once more.
    pub(crate) fn suspend(self) {
        let gate = self.0;
        std::mem::forget(self);
        gate.closer.fetch_or(SUSPENDED, Ordering::SeqCst);
        gate.tell_all();
    }

    /// Waits until those who are inside are as many as `enough` wants, for so long at most. Whether they were.
    pub(crate) fn wait(&self, limit: Option<Duration>, enough: impl Fn(u64) -> bool) -> bool {
        let gate = self.0;
        let started = Instant::now();
        loop {
            let seen = gate.news.load(Ordering::SeqCst);
            if enough(gate.inside()) {
                return true;
            }
            let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            futex::wait(&gate.news, seen, left.map(|left| left.as_nanos() as u64));
        }
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.closer.store(0, Ordering::SeqCst);
        self.0.state.fetch_and(!CLOSED, Ordering::SeqCst);
        self.0.tell_all();
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
        GATE.pass(|| false, || ());
        let other = std::thread::spawn(|| GATE.pass(|| false, || INSIDE.store(true, Ordering::SeqCst)));
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
    fn it_closes_on_nobody_without_waiting() {
        let gate = Gate::new();
        gate.enter();
        assert!(gate.close_if_empty().is_none());
        gate.leave();
        let closed = gate.close_if_empty().unwrap();
        assert!(gate.close_if_empty().is_none());
        gate.pass(|| false, || assert!(gate.close_if_empty().is_none()));
        drop(closed);
        assert!(gate.close_if_empty().is_some());
    }

    #[test]
    fn a_suspended_one_is_open_to_who_closed_it_until_anybody_resumes_it() {
        static GATE: Gate = Gate::new();
        GATE.close_on_all().unwrap().suspend();
        assert!(GATE.enter() && GATE.is_suspended());
        GATE.leave();
        let other = std::thread::spawn(|| GATE.enter());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!other.is_finished());
        std::thread::spawn(|| GATE.resume()).join().unwrap();
        assert!(!other.join().unwrap() && !GATE.is_suspended());
        GATE.resume();
        assert!(GATE.close(0).is_none() && GATE.close(1).is_some());
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
                            GATE.pass(
                                || false,
                                || {
                                    VISITORS.fetch_add(1, Ordering::SeqCst);
                                    VISITORS.fetch_sub(1, Ordering::SeqCst);
                                },
                            );
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert!(CLOSED_TIMES.load(Ordering::SeqCst) > 0);
    }
}
