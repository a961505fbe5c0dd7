//! The arrival of threads at requests, in many orders of their steps: the code of `control.rs` and `threads.rs`, compiled once more
//! on atomics that hand over to another thread at each access. No request is lost, none is seen twice, and in the end nothing is
//! armed. A program of its own, as the unit tests of these files are not meant for such atomics.

// What is not used here is used by the library.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

mod orders;

#[path = "../../src/control.rs"]
mod control;
#[path = "../../src/registry.rs"]
mod registry;
#[path = "../../src/specific.rs"]
mod specific;
#[path = "../../src/threads.rs"]
mod threads;

/// What those are made of.
mod sync {
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
    };

    pub fn this_thread() -> usize {
        usize::from(shuttle::current::me()) + 1
    }
}

/// One process.
mod fork {
    pub(crate) fn generation() -> u32 {
        0
    }

    pub(crate) fn notice() {}
}

/// No compiled code.
mod limits {
    #[derive(Debug, Default)]
    pub(crate) struct Limits;

    impl Limits {
        pub(crate) fn sync(&self, _: impl Fn() -> bool) {}
    }
}

/// Nobody waits.
mod wake {
    #[derive(Debug, Default)]
    pub(crate) struct Wake(());

    impl Wake {
        pub(crate) fn open(&self, _: impl Fn() -> bool) -> std::io::Result<()> {
            Ok(())
        }

        pub(crate) fn raise(&self) {}

        pub(crate) fn ready(&self, _: impl Fn() -> bool) -> i32 {
            -1
        }
    }
}

mod futex {
    pub(crate) fn wait(_: &crate::sync::AtomicU32, _: u32, _: Option<u64>) {}

    pub(crate) fn wake_all(_: &crate::sync::AtomicU32) {}
}

/// Nor in a queue.
mod waits {
    pub struct Waiter(());

    impl Waiter {
        pub(crate) fn new(_: u64, _: fn() -> u32) -> std::sync::Arc<Waiter> {
            std::sync::Arc::new(Waiter(()))
        }

        pub(crate) fn nudge(&self) {}

        pub(crate) fn leave(&self) {}
    }

    impl std::fmt::Debug for Waiter {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Waiter")
        }
    }
}

/// Nor calls the host.
mod func {
    pub struct Func {
        pub host: Option<HostFunc>,
    }

    pub struct HostFunc {
        pub name: (Box<str>, Box<str>),
    }
}

use control::{Control, PollAction};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use threads::{GuestThread, Registered};

/// A store's requests and two threads of its guest.
fn two() -> (Arc<Control>, [Arc<Registered>; 2]) {
    let control = Arc::new(Control::default());
    let threads = std::array::from_fn(|_| Arc::new(Registered::new(&control)));
    (control, threads)
}

fn is_armed(control: &Control) -> bool {
    control.word().load(Ordering::SeqCst) != 0
}

/// What a thread does at a stable point.
fn poll(control: &Control, thread: &GuestThread) -> PollAction {
    if is_armed(control) { control.poll(thread) } else { PollAction::Continue }
}

/// A call in which it polls so often: how many checkpoints it is asked for.
fn call(control: &Control, thread: &GuestThread, polls: usize) -> usize {
    thread.enter();
    let seen = (0..polls).filter(|_| poll(control, thread) == PollAction::Checkpoint).count();
    thread.leave();
    seen
}

/// What was seen by nobody is for the next who comes in; then nothing is left.
fn check_rest(control: &Control, threads: &[Arc<Registered>], seen: usize) {
    if seen == 0 {
        assert!(is_armed(control), "the request is lost");
        assert_eq!(call(control, threads[0].thread(), 2), 1);
    }
    assert!(!is_armed(control), "nobody has anything to do, and the word is armed");
}

fn a_request_is_seen_once_by_each_and_not_lost() {
    let (control, threads) = two();
    let calls = threads.clone().map(|registered| {
        let control = control.clone();
        shuttle::thread::spawn(move || call(&control, registered.thread(), 2))
    });
    control.request_checkpoint();
    let seen = calls.map(|call| call.join().unwrap());
    assert!(seen.iter().all(|&times| times <= 1));
    check_rest(&control, &threads, seen.iter().sum());
}

/// Whoever is inside when it comes, and stays, sees it.
fn who_stays_inside_sees_a_request() {
    let (control, threads) = two();
    let asks = control.clone();
    threads[0].thread().enter();
    let asks = shuttle::thread::spawn(move || asks.request_checkpoint());
    let (other, its) = (threads[1].clone(), control.clone());
    let other = shuttle::thread::spawn(move || call(&its, other.thread(), 1));
    asks.join().unwrap();
    other.join().unwrap();
    assert_eq!(poll(&control, threads[0].thread()), PollAction::Checkpoint);
    threads[0].thread().leave();
    assert!(!is_armed(&control));
}

/// Two who ask: neither's request is taken for the other's.
fn of_two_requests_the_later_is_seen_after_it_was_made() {
    let (control, threads) = two();
    let first = control.clone();
    threads[0].thread().enter();
    let first = shuttle::thread::spawn(move || first.request_checkpoint());
    let (other, its) = (threads[1].clone(), control.clone());
    let other = shuttle::thread::spawn(move || call(&its, other.thread(), 2));
    let early = poll(&control, threads[0].thread()) == PollAction::Checkpoint;
    control.request_checkpoint();
    // A poll may come too soon, while another thread takes the word back and finds that it must not.
    let soon = poll(&control, threads[0].thread()) == PollAction::Checkpoint;
    first.join().unwrap();
    assert!(other.join().unwrap() <= 2);
    let late = poll(&control, threads[0].thread()) == PollAction::Checkpoint;
    assert!(soon || late, "what was asked for last is lost");
    assert!(!(early && soon && late), "two requests were seen thrice");
    threads[0].thread().leave();
    assert!(!is_armed(&control));
}

/// Who asks the others says himself when nobody need come any more.
fn who_gathers_the_others_leaves_nothing_armed() {
    let (control, threads) = two();
    let (other, its) = (threads[1].clone(), control.clone());
    threads[0].thread().enter();
    let other = shuttle::thread::spawn(move || call(&its, other.thread(), 2));
    // As if it had been asked for by another at the same time.
    let asks = control.clone();
    let asks = shuttle::thread::spawn(move || asks.request_checkpoint());
    let epoch = control.stop_others();
    control.settle(epoch);
    asks.join().unwrap();
    let here = poll(&control, threads[0].thread()) == PollAction::Checkpoint;
    threads[0].thread().leave();
    let seen = other.join().unwrap() + usize::from(here);
    // If the other request came first, it was served by who gathers.
    if is_armed(&control) {
        assert_eq!(seen, 0);
        assert_eq!(call(&control, threads[0].thread(), 2), 1);
    }
    assert!(!is_armed(&control));
}

/// All who were inside end, though the first takes it back.
fn who_was_inside_ends_and_then_nothing_is_armed() {
    let (control, threads) = two();
    let inside = Arc::new(shuttle::sync::Barrier::new(3));
    let ends = threads.clone().map(|registered| {
        let (control, inside) = (control.clone(), inside.clone());
        shuttle::thread::spawn(move || {
            let thread = registered.thread();
            thread.enter();
            inside.wait();
            let mut ended = false;
            for _ in 0..100 {
                ended = poll(&control, thread) == PollAction::Terminate;
                if ended {
                    break;
                }
                shuttle::thread::yield_now();
            }
            thread.leave();
            control.clear_terminate();
            ended
        })
    });
    inside.wait();
    control.request_terminate();
    assert_eq!(ends.map(|end| end.join().unwrap()), [true; 2]);
    control.clear_terminate();
    assert!(!is_armed(&control));
    assert_eq!(call(&control, threads[0].thread(), 1), 0);
}

fn a_count_comes_to_its_end_once() {
    let (control, threads) = two();
    control.checkpoint_at(3);
    let calls = threads.clone().map(|registered| {
        let control = control.clone();
        shuttle::thread::spawn(move || call(&control, registered.thread(), 2))
    });
    let seen: usize = calls.map(|call| call.join().unwrap()).iter().sum();
    assert_eq!(seen, 1);
    assert!(control.take_counted() && !is_armed(&control));
}

fn main() {
    let checks: [(&str, fn()); 6] = [
        ("a_request_is_seen_once_by_each_and_not_lost", a_request_is_seen_once_by_each_and_not_lost),
        ("who_stays_inside_sees_a_request", who_stays_inside_sees_a_request),
        (
            "of_two_requests_the_later_is_seen_after_it_was_made",
            of_two_requests_the_later_is_seen_after_it_was_made,
        ),
        ("who_gathers_the_others_leaves_nothing_armed", who_gathers_the_others_leaves_nothing_armed),
        ("who_was_inside_ends_and_then_nothing_is_armed", who_was_inside_ends_and_then_nothing_is_armed),
        ("a_count_comes_to_its_end_once", a_count_comes_to_its_end_once),
    ];
    orders::try_all(&checks);
}
