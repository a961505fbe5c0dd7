//! Threads that wait and wake each other, in many orders of their steps: the code of this crate, compiled once more on atomics that
//! hand over to another thread at each access, and on a futex that loses nobody. Shuttle says so when all threads wait for ever.

// What is not used here is used by the library.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

#[path = "../../runtime/tests/model/orders.rs"]
mod orders;

#[path = "../src/lock.rs"]
mod lock;
#[path = "../src/queues.rs"]
mod queues;
#[path = "../src/raw_lock.rs"]
mod raw_lock;
#[path = "../src/waiter.rs"]
mod waiter;

/// What those are made of.
mod sync {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
    pub(crate) use shuttle::thread::yield_now;

    /// All of Shuttle's atomics are in one order.
    pub(crate) fn fence() {}
}

/// A word is looked at, and its waiter listed, in one step.
mod futex {
    use crate::sync::{AtomicU32, Ordering};
    use shuttle::sync::{Condvar, Mutex};

    shuttle::lazy_static! {
        static ref ALL: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    pub(crate) fn wait(word: &AtomicU32, seen: u32, nanoseconds: Option<u64>) {
        let guard = ALL.0.lock().unwrap();
        if word.load(Ordering::SeqCst) != seen {
            return;
        }
        if nanoseconds.is_some() {
            drop(guard);
            return shuttle::thread::yield_now();
        }
        // Woken for whichever word: it may return sooner.
        drop(ALL.1.wait(guard).unwrap());
    }

    pub(crate) fn wake_all(_: &AtomicU32) {
        let _guard = ALL.0.lock().unwrap();
        ALL.1.notify_all();
    }
}

use queues::WaitQueues;
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;
use sync::{AtomicBool, AtomicU32, Ordering};
use waiter::{Waited, Waiter};

const KEY: u64 = 64;

fn process() -> u32 {
    0
}

fn queues() -> Arc<WaitQueues<()>> {
    WaitQueues::new(process)
}

/// As a guest would: waits while a word is zero.
fn wait_for(queues: &Arc<WaitQueues<()>>, id: u64, word: &AtomicU32) -> Option<Waited> {
    let me = Waiter::new(id, process);
    queues.wait(&me, KEY, None, || word.load(Ordering::SeqCst) == 0, || false)
}

/// Whoever changes the word and wakes then is not missed, whether the waiter comes before, between or after.
fn no_wake_up_is_lost() {
    let (queues, word) = (queues(), Arc::new(AtomicU32::new(0)));
    let waiters: Vec<_> = (0..2)
        .map(|id| {
            let (queues, word) = (queues.clone(), word.clone());
            thread::spawn(move || wait_for(&queues, id, &word))
        })
        .collect();
    word.store(1, Ordering::SeqCst);
    let woken = queues.wake(KEY, u64::MAX);
    let waited: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
    assert_eq!(waited.iter().filter(|waited| **waited == Some(Waited::Woken)).count() as u64, woken);
    assert!(waited.iter().all(|waited| matches!(waited, None | Some(Waited::Woken))));
    assert_eq!(queues.places(), []);
}

/// One wake-up is one thread's.
fn no_wake_up_is_doubled() {
    let (queues, word) = (queues(), Arc::new(AtomicU32::new(0)));
    let waiters: Vec<_> = (0..3)
        .map(|id| {
            let (queues, word) = (queues.clone(), word.clone());
            thread::spawn(move || wait_for(&queues, id, &word))
        })
        .collect();
    let mut woken = queues.wake(KEY, 1);
    word.store(1, Ordering::SeqCst);
    woken += queues.wake(KEY, 1);
    woken += queues.wake(KEY, u64::MAX);
    let waited: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
    assert_eq!(waited.iter().filter(|waited| waited.is_some()).count() as u64, woken);
}

/// Who is interrupted, and comes again, was woken or will be, once.
fn an_interrupted_wait_goes_on() {
    let (queues, wanted, word) = (queues(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let me = Waiter::new(1, process);
    let waits = {
        let (queues, wanted, word, me) = (queues.clone(), wanted.clone(), word.clone(), me.clone());
        thread::spawn(move || {
            loop {
                let wanted = || wanted.swap(false, Ordering::SeqCst);
                match queues.wait(&me, KEY, None, || word.load(Ordering::SeqCst) == 0, wanted) {
                    Some(Waited::Interrupted) => {}
                    other => return other,
                }
            }
        })
    };
    let wakes = {
        let queues = queues.clone();
        thread::spawn(move || {
            word.store(1, Ordering::SeqCst);
            queues.wake(KEY, 1)
        })
    };
    wanted.store(true, Ordering::SeqCst);
    me.nudge();
    let woken = wakes.join().unwrap();
    let waited = waits.join().unwrap();
    assert_eq!(waited, (woken == 1).then_some(Waited::Woken));
    assert!(!me.stands());
}

/// A nudge is not missed, so whoever is wanted comes though nobody wakes him.
fn who_is_wanted_comes() {
    let (queues, wanted) = (queues(), Arc::new(AtomicBool::new(false)));
    let me = Waiter::new(1, process);
    let waits = {
        let (queues, wanted, me) = (queues.clone(), wanted.clone(), me.clone());
        thread::spawn(move || queues.wait(&me, KEY, None, || true, || wanted.load(Ordering::SeqCst)))
    };
    wanted.store(true, Ordering::SeqCst);
    me.nudge();
    assert_eq!(waits.join().unwrap(), Some(Waited::Interrupted));
    assert!(me.stands());
    me.leave();
    assert_eq!((queues.places(), me.stands()), (vec![], false));
}

/// The time is over, or somebody wakes him: not both, and not neither.
fn a_wait_ends_in_one_way() {
    let queues = queues();
    let waits = {
        let queues = queues.clone();
        thread::spawn(move || {
            queues.wait(&Waiter::new(1, process), KEY, Some(Duration::ZERO), || true, || false)
        })
    };
    let woken = queues.wake(KEY, 1);
    let waited = waits.join().unwrap();
    assert_eq!(waited, Some(if woken == 1 { Waited::Woken } else { Waited::TimedOut }));
    assert_eq!(queues.places(), []);
}

/// Who comes takes over the place that was kept for him, while others wake.
fn a_kept_place_is_woken_once() {
    let queues = queues();
    let reserved = queues.reserve(100, KEY, None);
    let comes = {
        let queues = queues.clone();
        thread::spawn(move || {
            let me = Waiter::new(1, process);
            reserved.take_over(&me);
            queues.wait(&me, KEY, None, || panic!("he has his place"), || false)
        })
    };
    assert_eq!(queues.wake(KEY, 2), 1);
    assert_eq!(comes.join().unwrap(), Some(Waited::Woken));
}

/// Two move to another queue, and are woken there.
fn who_is_moved_is_woken_where_he_is() {
    let (queues, word) = (queues(), Arc::new(AtomicU32::new(0)));
    let waits = {
        let (queues, word) = (queues.clone(), word.clone());
        thread::spawn(move || wait_for(&queues, 1, &word))
    };
    let moved = queues.locked(|queues| queues.requeue(KEY, KEY + 64, 1));
    word.store(1, Ordering::SeqCst);
    let woken = [queues.wake(KEY + 64, 1), queues.wake(KEY, 1)];
    let waited = waits.join().unwrap();
    assert_eq!(woken[0], moved);
    assert_eq!(waited.is_some(), woken[0] + woken[1] == 1);
}

fn main() {
    let checks: [(&str, fn()); 7] = [
        ("no_wake_up_is_lost", no_wake_up_is_lost),
        ("no_wake_up_is_doubled", no_wake_up_is_doubled),
        ("an_interrupted_wait_goes_on", an_interrupted_wait_goes_on),
        ("who_is_wanted_comes", who_is_wanted_comes),
        ("a_wait_ends_in_one_way", a_wait_ends_in_one_way),
        ("a_kept_place_is_woken_once", a_kept_place_is_woken_once),
        ("who_is_moved_is_woken_where_he_is", who_is_moved_is_woken_where_he_is),
    ];
    orders::try_all(&checks);
}
