//! A host that forks: what the child finds is of the thread that forked it, and nothing in it waits for another.

mod support;

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use support::{COUNTING, Guest, Running, Taken, Tick, image, module, order, runtime, silent};
use wayfarer_program::embedder::Plain;
use wayfarer_program::{Embedder, Program, Request};
use wayfarer_runtime::{AfterCheckpoint, Store};

fn plain() -> Arc<dyn Embedder> {
    Arc::new(Plain)
}

/// Whether a child has ended well.
fn is_well(pid: i32) -> bool {
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    unsafe { libc::waitpid(pid, &raw mut status, 0) == pid && status == 0 }
}

/// Forks. A child that waits for ever fails.
fn fork() -> i32 {
    // SAFETY: the child does what its parent could; what of that must not wait for its parent's threads is what is tested.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::alarm(60);
        }
        pid
    }
}

/// Ends a child.
fn end(well: bool) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(i32::from(!well)) }
}

thread_local! {
    static OUTER: OnceCell<Running> = const { OnceCell::new() };
    static INNER: OnceCell<Running> = const { OnceCell::new() };
}

/// Nobody takes an image of the outer store as if its call were not in progress, in either process.
#[test]
fn a_thread_that_is_in_two_stores_and_forks_is_in_both() {
    static CHILD: AtomicI32 = AtomicI32::new(-1);
    static ORDERED: OnceLock<Taken> = OnceLock::new();
    let module = module(COUNTING);
    let guest = |tick| Guest::new(&runtime(), &module, false, tempfile::tempfile().unwrap(), tick);
    let instance = |guest: &Guest| guest.instantiate(&Store::new(&guest.runtime), &plain()).unwrap();
    let outer: Tick = Arc::new(|_, i| {
        if i == 103 {
            INNER.with(|inner| inner.get().unwrap().call("count", &[110]).unwrap());
        }
    });
    let inner: Tick = Arc::new(|_, i| {
        if i == 105 {
            CHILD.store(fork(), Ordering::SeqCst);
            let outer = OUTER.with(|outer| outer.get().unwrap().parts.program().clone());
            let taken = order(&outer, AfterCheckpoint::Continue);
            assert!(taken.get().is_none() && ORDERED.set(taken).is_ok());
        }
    });
    let (outer, inner, undisturbed) = (guest(outer), guest(inner), guest(silent()));
    INNER.with(|place| assert!(place.set(instance(&inner)).is_ok()));
    OUTER.with(|place| assert!(place.set(instance(&outer)).is_ok()));
    let expected = instance(&undisturbed).call("count", &[110]).unwrap();

    OUTER.with(|running| {
        let running = running.get().unwrap();
        let check = || {
            let results = running.call("count", &[110]).unwrap();
            let child = CHILD.load(Ordering::SeqCst);
            let image = image(ORDERED.get().unwrap());
            let restored = undisturbed.restore(image, &plain()).unwrap();
            assert_eq!((restored.resume(), &results), (Ok(expected.clone()), &expected));
            // Nobody is inside now.
            let programs = [
                running.parts.program().clone(),
                INNER.with(|inner| inner.get().unwrap().parts.program().clone()),
            ];
            programs.iter().for_each(|program| drop(image_of(program)));
            child
        };
        let child = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        match child {
            // The child has only this thread: it does not come back to the others of its test program.
            Ok(0) => end(true),
            Err(_) if CHILD.load(Ordering::SeqCst) == 0 => end(false),
            child => assert!(is_well(child.unwrap())),
        }
    });
}

fn image_of(program: &Program) -> Vec<u8> {
    image(&order(program, AfterCheckpoint::Continue))
}

/// A lock that another thread has is not held in the child, nor is what it guards half done: here what a trigger orders.
#[test]
fn a_child_waits_for_no_lock_of_another_thread() {
    static ORDERS: AtomicBool = AtomicBool::new(false);
    let guest = Guest::new(&runtime(), &module(COUNTING), false, tempfile::tempfile().unwrap(), silent());
    let running = guest.instantiate(&Store::new(&guest.runtime), &plain()).unwrap();
    let program = running.parts.program().clone();
    let slowly = || -> Option<Request> {
        ORDERS.store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
        None
    };
    program.prepare(Box::new(slowly)).unwrap();
    let child = std::thread::scope(|scope| {
        let forks = scope.spawn(|| {
            while !ORDERS.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let child = fork();
            if child == 0 {
                end(program.prepare(Box::new(|| None)).is_ok());
            }
            child
        });
        program.trigger();
        running.call("count", &[10]).unwrap();
        forks.join().unwrap()
    });
    assert!(is_well(child));
}
