//! Requests to a running program: checkpoint, terminate. One word, read by every poll with a relaxed load; everything
//! else happens on the slow path.

use crate::limits::Limits;
use crate::wake::Wake;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use wayfarer_guest::Interrupt;

/// Take a checkpoint at the next stable point.
const CHECKPOINT: u32 = 1;
/// Trap with `terminated by user`.
const TERMINATE: u32 = 2;
/// Count polls down to a checkpoint.
const COUNT: u32 = 4;

/// What a poll that found the word armed has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PollAction {
    /// Nothing, go on.
    Continue,
    /// Capture the program here.
    Checkpoint,
    /// Trap.
    Terminate,
}

/// The requests to one store's threads. Shared with whoever may ask; asking is async-signal-safe.
#[derive(Debug, Default)]
pub struct Control {
    word: AtomicU32,
    countdown: AtomicU64,
    polls: AtomicU64,
    /// The count has come to its end.
    counted: AtomicBool,
    /// Shared by all who wait: one who finds it readable for another's sake looks at the word, and waits again.
    wake: Wake,
    limits: Limits,
}

impl Control {
    /// The word that engines poll: not zero means "take the slow path".
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Makes the descriptor that wakes blocked host calls, unless a waiting call already did.
    ///
    /// # Errors
    /// eventfd(2)'s.
    pub fn enable_wake(&self) -> std::io::Result<()> {
        self.wake.open(|| self.pending())
    }

    /// The words that compiled code polls.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether polls take the slow path.
    pub(crate) fn is_armed(&self) -> bool {
        self.word.load(Ordering::SeqCst) != 0
    }

    /// Polls take the slow path from now on.
    fn arm(&self, bit: u32) {
        self.word.fetch_or(bit, Ordering::SeqCst);
        self.limits.sync(|| self.is_armed());
    }

    /// A request was served, or is about to be; whether it was there. Of several who try, one has it.
    fn disarm(&self, bit: u32) -> bool {
        let was = self.word.fetch_and(!bit, Ordering::SeqCst);
        if was & !bit == 0 {
            self.limits.sync(|| self.is_armed());
        }
        was & bit != 0
    }

    /// Async-signal-safe, and leaves errno alone: the handler's caller may be about to read it.
    fn ask(&self, bit: u32) {
        // SAFETY: the address of this thread's errno, good while the thread lives.
        let errno = unsafe { &mut *libc::__errno_location() };
        let saved = *errno;
        self.arm(bit);
        // After the word: who is woken looks there.
        self.wake.raise();
        *errno = saved;
    }

    /// Asks for a checkpoint at the next stable point. Async-signal-safe.
    pub fn request_checkpoint(&self) {
        self.ask(CHECKPOINT);
    }

    /// Asks for a checkpoint at the `n`th poll from now (1 is the next one). 0 takes the request back.
    pub fn checkpoint_at(&self, n: u64) {
        self.countdown.store(n, Ordering::Release);
        if n == 0 {
            self.disarm(COUNT);
        } else {
            self.arm(COUNT);
        }
    }

    /// Whether a count has come to its end since this was asked last.
    pub fn take_counted(&self) -> bool {
        self.counted.swap(false, Ordering::AcqRel)
    }

    /// Asks all threads to trap with `terminated by user`. Async-signal-safe.
    pub fn request_terminate(&self) {
        self.ask(TERMINATE);
    }

    /// Takes a termination request back, so the program may be called again.
    pub fn clear_terminate(&self) {
        self.disarm(TERMINATE);
    }

    /// How many polls took the slow path so far: how far `checkpoint_at` has counted.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Decides what a poll does; called by engines when the word is not zero. A checkpoint request is taken: the caller
    /// must serve it.
    pub fn poll(&self) -> PollAction {
        let word = self.word.load(Ordering::Acquire);
        self.polls.fetch_add(1, Ordering::Relaxed);
        if word & TERMINATE != 0 {
            return PollAction::Terminate;
        }
        if word & COUNT != 0 && self.countdown.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.disarm(COUNT);
            self.counted.store(true, Ordering::Release);
            return PollAction::Checkpoint;
        }
        if word & CHECKPOINT != 0 && self.disarm(CHECKPOINT) {
            return PollAction::Checkpoint;
        }
        PollAction::Continue
    }

    /// Takes a checkpoint request back that is served otherwise: no guest runs that would poll.
    pub fn take_checkpoint_request(&self) {
        self.disarm(CHECKPOINT);
    }

    /// [`Interrupt::pending`], for those who wait for the descriptor without asking for it each time: while this is
    /// false, it is not readable for the sake of requests that were served.
    pub fn interrupted(&self) -> bool {
        self.pending() || {
            self.wake.ready(|| self.pending());
            self.pending()
        }
    }
}

impl Interrupt for Control {
    fn pending(&self) -> bool {
        self.word.load(Ordering::SeqCst) & (CHECKPOINT | TERMINATE) != 0
    }

    /// Made when a host call first waits. Without one (descriptors are short) the wait is not interrupted.
    fn wake_fd(&self) -> RawFd {
        let _ = self.enable_wake();
        self.wake.ready(|| self.pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// A guest that waits as WASI's calls do: whether it was woken, and by a request.
    fn wait(control: &Control, timeout: i32) -> Option<bool> {
        let mut fd = libc::pollfd { fd: control.wake_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open.
        let ready = unsafe { libc::poll(&raw mut fd, 1, timeout) };
        (ready > 0).then(|| control.pending())
    }

    #[test]
    fn a_wait_ends_by_a_request_that_was_made_before_it() {
        let control = Control::default();
        control.request_checkpoint();
        assert_eq!(wait(&control, 0), Some(true));
        // Not taken yet.
        assert_eq!(wait(&control, 0), Some(true));
        assert_eq!(control.poll(), PollAction::Checkpoint);
        assert_eq!(control.poll(), PollAction::Continue);
        assert_eq!(wait(&control, 0), None, "it was served");
        control.request_terminate();
        assert_eq!(wait(&control, 0), Some(true));
        control.clear_terminate();
        assert_eq!(wait(&control, 0), None);
    }

    #[test]
    fn the_descriptor_of_one_who_keeps_it_is_readable_for_requests_only() {
        let control = Control::default();
        let mut kept = libc::pollfd { fd: control.wake_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open.
        let mut readable = || unsafe { libc::poll(&raw mut kept, 1, 0) } > 0;
        assert!(!control.interrupted() && !readable());
        control.request_checkpoint();
        assert!(control.interrupted() && readable());
        control.poll();
        assert!(!control.interrupted() && !readable());
    }

    #[test]
    fn a_request_leaves_errno_alone() {
        let control = Control::default();
        control.enable_wake().unwrap();
        // SAFETY: this thread's own. The event's counter is full then: the next write fails.
        unsafe {
            let full = u64::MAX - 1;
            libc::write(control.wake_fd(), (&raw const full).cast(), 8);
            *libc::__errno_location() = libc::EXDEV;
            control.request_checkpoint();
            assert_eq!(*libc::__errno_location(), libc::EXDEV);
        }
        assert_eq!(wait(&control, 0), Some(true));
    }

    #[test]
    fn a_count_is_told_from_other_requests() {
        let control = Control::default();
        control.checkpoint_at(2);
        assert_eq!(control.poll(), PollAction::Continue);
        assert!(!control.take_counted());
        assert_eq!(control.poll(), PollAction::Checkpoint);
        assert!(control.take_counted() && !control.take_counted());
        control.request_checkpoint();
        assert_eq!(control.poll(), PollAction::Checkpoint);
        assert!(!control.take_counted());
    }

    /// Bursts of requests at a guest that waits. `WAYFARER_TEST_BURSTS` sets how many.
    #[test]
    fn no_request_is_lost_on_a_guest_that_waits() {
        let bursts =
            std::env::var("WAYFARER_TEST_BURSTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
        let control = std::sync::Arc::new(Control::default());
        // Serving a request takes a while in a store of many instances.
        let words = [const { AtomicU64::new(0) }; 50];
        let _limits = words.each_ref().map(|word| crate::limits::Limit::new(&control, word));
        let (served, done) = (AtomicU64::new(0), AtomicBool::new(false));
        let lost = std::thread::scope(|scope| {
            let guest = scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    // Long: whoever is not woken fails the test.
                    match wait(&control, 20_000) {
                        None => return control.pending(),
                        Some(_) if control.poll() == PollAction::Checkpoint => {
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                        Some(_) => {}
                    }
                }
                false
            });
            let mut random = 1u64;
            for _ in 0..bursts {
                for _ in 0..3 {
                    control.request_checkpoint();
                    // So that the next one meets the guest at any step of its waking up.
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (0..random >> 54).for_each(|_| std::hint::spin_loop());
                }
                let start = Instant::now();
                while control.pending() && !guest.is_finished() {
                    std::thread::yield_now();
                }
                assert!(start.elapsed() < Duration::from_secs(60));
                if guest.is_finished() {
                    break;
                }
            }
            done.store(true, Ordering::SeqCst);
            control.request_checkpoint();
            guest.join().unwrap()
        });
        assert!(!lost, "after {} checkpoints", served.load(Ordering::SeqCst));
        assert!(served.load(Ordering::SeqCst) >= bursts);
    }

    #[test]
    fn a_request_before_the_descriptor_is_there_wakes_all_the_same() {
        for _ in 0..2_000 {
            let control = Control::default();
            let woken = std::thread::scope(|scope| {
                let guest = scope.spawn(|| wait(&control, 20_000));
                control.request_checkpoint();
                guest.join().unwrap()
            });
            assert_eq!(woken, Some(true));
        }
    }

    #[test]
    fn a_child_has_a_descriptor_of_its_own() {
        let control = Control::default();
        let fd = control.wake_fd();
        // SAFETY: the child does nothing but what is async-signal-safe, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let before = wait(&control, 0);
            control.request_checkpoint();
            let good = before.is_none() && control.wake_fd() == fd && wait(&control, 0) == Some(true);
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        let mut status = 0;
        // SAFETY: a child that was not waited for.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(wait(&control, 0), None, "nobody asked the parent");
    }
}
