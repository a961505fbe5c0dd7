//! Who may be in the guest while an image is written: nobody.
//!
//! A child of this process has none of its other threads: neither those that were inside, nor one that had closed the gate.
//! Each gate is set right when the child first uses it.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wayfarer_runtime::fork;
use wayfarer_runtime::threads::this_thread;

use super::futex;

/// Set while the gate is closed.
const CLOSED: u64 = 1 << 63;

/// The bits that count who is inside.
const COUNT: u64 = u32::MAX as u64;

/// Someone who has come in, and finds the gate closed, goes back. That takes no longer than this.
pub(crate) const GOING_BACK: Duration = Duration::from_millis(20);

/// Calls of the host go through it. Whoever takes an image closes it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// How many are inside, in which process, and whether it is closed.
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

/// The thread that forked this process, and what it was inside of.
static SURVIVOR: Survivor =
    Survivor { thread: AtomicUsize::new(0), inside: [const { AtomicPtr::new(null_mut()) }; 2] };

struct Survivor {
    thread: AtomicUsize,
    inside: [AtomicPtr<Gate>; 2],
}

/// The process, as a gate's state has it.
#[inline]
fn this_process() -> u64 {
    u64::from(fork::generation()) << 32 & !CLOSED
}

/// To be called in a process that was just forked: this thread, which forked it, is inside of these gates.
/// Async-signal-safe.
pub(crate) fn forked(inside: [*const Gate; 2]) {
    SURVIVOR.thread.store(this_thread(), Ordering::SeqCst);
    for (place, gate) in SURVIVOR.inside.iter().zip(inside) {
        place.store(gate.cast_mut(), Ordering::SeqCst);
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

    /// The state, of this process. No other can become of it while this thread is here.
    #[inline]
    fn state(&self) -> &AtomicU64 {
        if self.state.load(Ordering::Relaxed) & !COUNT & !CLOSED != this_process() {
            self.set_right();
        }
        &self.state
    }

    /// Takes over the state of the process that this one was forked from: only the thread that did so is left.
    #[cold]
    fn set_right(&self) {
        let own = SURVIVOR.inside.iter().filter(|gate| std::ptr::eq(gate.load(Ordering::SeqCst), self));
        let own = own.count() as u64;
        let closer = self.closer.load(Ordering::SeqCst);
        let kept = closer != 0 && closer == SURVIVOR.thread.load(Ordering::SeqCst);
        let right = this_process() | own | if kept { CLOSED } else { 0 };
        let take_over = |now: u64| (now & !COUNT & !CLOSED != this_process()).then_some(right);
        if let Ok(before) = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_over) {
            if before & COUNT > own {
                self.left_behind.store(true, Ordering::SeqCst);
            }
            if !kept {
                let _ = self.closer.compare_exchange(closer, 0, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
    }

    /// Whether the process was forked while another thread was inside: what that was doing is neither done nor in progress.
    pub(crate) fn left_behind(&self) -> bool {
        self.state();
        self.left_behind.load(Ordering::SeqCst)
    }

    /// Comes in; waits while the gate is closed, unless this thread closed it.
    #[inline]
    pub(crate) fn enter(&self) {
        self.enter_unless(|| false);
    }

    /// The same; who is `inside` already, as far as that can be told, does not wait: whoever has closed the gate waits for
    /// him.
    #[inline]
    fn enter_unless(&self, inside: impl Fn() -> bool) {
        if self.state().fetch_add(1, Ordering::SeqCst) & CLOSED != 0 {
            self.wait_outside(inside);
        }
    }

    #[cold]
    fn wait_outside(&self, inside: impl Fn() -> bool) {
        if self.closer.load(Ordering::SeqCst) == this_thread() || inside() {
            return;
        }
        loop {
            self.leave();
            self.wait_until_open();
            if self.state.fetch_add(1, Ordering::SeqCst) & CLOSED == 0 {
                return;
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
        if self.state().fetch_sub(1, Ordering::SeqCst) & CLOSED != 0 {
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
        struct Leave<'a>(&'a Gate);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }
        self.enter_unless(inside);
        let _leave = Leave(self);
        f()
    }

    /// Closes the gate if it is open and nobody is inside. Does not wait.
    pub(crate) fn close_if_empty(&self) -> Option<Closed<'_>> {
        let empty = this_process();
        self.state().compare_exchange(empty, empty | CLOSED, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        self.closer.store(this_thread(), Ordering::SeqCst);
        Some(Closed(self))
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> u64 {
        self.state().load(Ordering::SeqCst) & COUNT
    }

    /// Closes the gate, whoever is inside. `None`: it is closed.
    pub(crate) fn try_close(&self) -> Option<Closed<'_>> {
        if self.state().fetch_or(CLOSED, Ordering::SeqCst) & CLOSED != 0 {
            return None;
        }
        self.closer.store(this_thread(), Ordering::SeqCst);
        Some(Closed(self))
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
        let closed = loop {
            match self.try_close() {
                Some(closed) => break closed,
                None if self.closer.load(Ordering::SeqCst) == this_thread() => return None,
                None => self.wait_until_open(),
            }
        };
        closed.wait(Some(GOING_BACK), |inside| inside == own).then_some(closed)
    }
}

impl Closed<'_> {
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
        self.0.state().fetch_and(!CLOSED, Ordering::SeqCst);
        self.0.openings.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.0.openings);
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
