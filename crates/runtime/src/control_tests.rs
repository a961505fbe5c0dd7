//! One thread and its requests; several in [`several`].

use super::*;
use crate::threads::Registered;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store's requests and a thread of its guest.
pub(super) fn one() -> (Arc<Control>, Registered) {
    let control = Arc::new(Control::default());
    let thread = Registered::new(&control);
    (control, thread)
}

/// A guest that waits as WASI's calls do: whether it was woken, and by a request.
pub(super) fn wait(thread: &GuestThread, timeout: i32) -> Option<bool> {
    let mut fd = libc::pollfd { fd: thread.wake_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which is open.
    let ready = unsafe { libc::poll(&raw mut fd, 1, timeout) };
    (ready > 0).then(|| thread.pending())
}

#[test]
fn a_wait_ends_by_a_request_that_was_made_before_it() {
    let (control, registered) = one();
    let thread = registered.thread();
    control.request_checkpoint();
    assert_eq!(wait(thread, 0), Some(true));
    // Not taken yet.
    assert_eq!(wait(thread, 0), Some(true));
    assert_eq!(control.poll(thread), PollAction::Checkpoint);
    assert_eq!(control.poll(thread), PollAction::Continue);
    assert_eq!(wait(thread, 0), None, "it was served");
    control.request_terminate();
    assert_eq!(wait(thread, 0), Some(true));
    control.clear_terminate();
    assert_eq!(wait(thread, 0), None);
}

#[test]
fn the_descriptor_of_one_who_keeps_it_is_readable_for_requests_only() {
    let (control, registered) = one();
    let thread = registered.thread();
    let mut kept =
        [thread.wake_fd(), control.wake_fd()].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: two descriptors, which are open.
    let mut readable = || unsafe { libc::poll(kept.as_mut_ptr(), 2, 0) };
    assert!(!thread.interrupted() && !control.interrupted() && readable() == 0);
    control.request_checkpoint();
    assert!(thread.interrupted() && control.interrupted() && readable() == 2);
    control.poll(thread);
    assert!(!thread.interrupted() && !control.interrupted() && readable() == 0);
}

#[test]
fn a_request_leaves_errno_alone() {
    let (control, registered) = one();
    control.enable_wake().unwrap();
    // SAFETY: this thread's own. The event's counter is full then: the next write fails.
    unsafe {
        let full = u64::MAX - 1;
        libc::write(registered.thread().wake_fd(), (&raw const full).cast(), 8);
        *libc::__errno_location() = libc::EXDEV;
        control.request_checkpoint();
        assert_eq!(*libc::__errno_location(), libc::EXDEV);
    }
    assert_eq!(wait(registered.thread(), 0), Some(true));
}

#[test]
fn a_count_is_told_from_other_requests() {
    let (control, registered) = one();
    let thread = registered.thread();
    control.checkpoint_at(2);
    assert_eq!(control.poll(thread), PollAction::Continue);
    assert!(!control.take_counted());
    assert_eq!(control.poll(thread), PollAction::Checkpoint);
    assert!(control.take_counted() && !control.take_counted() && !control.is_armed());
    control.request_checkpoint();
    assert_eq!(control.poll(thread), PollAction::Checkpoint);
    assert!(!control.take_counted());
}

/// Otherwise each poll would take the slow path from then on.
#[test]
fn who_asks_when_all_have_seen_it_already_leaves_nothing_armed() {
    let (control, registered) = one();
    let thread = registered.thread();
    thread.enter();
    control.request_checkpoint();
    // Another request has begun. It is seen together with the first, before who makes it goes on.
    control.epoch.fetch_add(1, Ordering::SeqCst);
    assert_eq!(control.poll(thread), PollAction::Checkpoint);
    control.arm_stop();
    assert!(!control.is_armed() && !thread.pending());
    // The like for counts and ends.
    thread.countdown.store(1, Ordering::SeqCst);
    control.arm(COUNT);
    assert_eq!(control.poll(thread), PollAction::Checkpoint);
    control.count();
    assert!(!control.is_armed());
    thread.leave();
}

/// Bursts of requests at a guest that waits. `WAYFARER_TEST_BURSTS` sets how many.
#[test]
fn no_request_is_lost_on_a_guest_that_waits() {
    let bursts = std::env::var("WAYFARER_TEST_BURSTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let (control, registered) = one();
    let thread = registered.thread();
    // Serving a request takes a while in a store of many instances.
    let words = [const { AtomicU64::new(0) }; 50];
    let _limits = words.each_ref().map(|word| crate::limits::Limit::new(&control, word));
    let (served, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let lost = std::thread::scope(|scope| {
        let guest = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                // Long: whoever is not woken fails the test.
                match wait(thread, 20_000) {
                    None => return thread.pending(),
                    Some(_) if control.poll(thread) == PollAction::Checkpoint => {
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
        let (control, registered) = one();
        let woken = std::thread::scope(|scope| {
            let guest = scope.spawn(|| wait(registered.thread(), 20_000));
            control.request_checkpoint();
            guest.join().unwrap()
        });
        assert_eq!(woken, Some(true));
    }
}

/// Forks, and lets `f` say in the child whether all is well.
pub(super) fn child(f: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child does nothing but what is async-signal-safe, and ends.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(i32::from(!f()));
        }
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0) == child && status == 0
    }
}

#[test]
fn a_child_has_a_descriptor_of_its_own() {
    let (control, registered) = one();
    let thread = registered.thread();
    let fd = thread.wake_fd();
    assert!(child(|| {
        let before = wait(thread, 0);
        control.request_checkpoint();
        before.is_none() && thread.wake_fd() == fd && wait(thread, 0) == Some(true)
    }));
    assert_eq!(wait(thread, 0), None, "nobody asked the parent");
}

#[path = "several_tests.rs"]
mod several;
