//! Threads that wait and wake each other, in many orders of their steps: the code of this crate, compiled once more on atomics that
//! hand over to another thread at each access, and on a futex that loses nobody. Shuttle says so when all threads wait for ever.

// What is not used here is used by the library.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

#[path = "../../runtime/tests/model/orders.rs"]
mod orders;

#[path = "../src/condition.rs"]
mod condition;
#[path = "../src/lock.rs"]
mod lock;
#[path = "../src/mutex.rs"]
mod mutex;
#[path = "../src/queues.rs"]
mod queues;
#[path = "../src/raw_lock.rs"]
mod raw_lock;
#[path = "../src/semaphore.rs"]
mod semaphore;
#[path = "../src/waiter.rs"]
mod waiter;

/// What those are made of.
mod sync {
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
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

use condition::Condition;
use mutex::{At, Kind, Mutex, NotTaken};
use queues::{Place, WaitQueues};
use semaphore::Semaphore;
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
    let reserved = queues.reserve(KEY, &Place { waiter: 100, left: None, note: 0 });
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

/// What is guarded, and the queues.
struct Guarded {
    queues: Arc<WaitQueues<()>>,
    mutex: Mutex,
    condition: Condition,
    semaphore: Semaphore,
    /// How many are where one may be.
    inside: AtomicU32,
    /// What they wait for.
    ready: AtomicU32,
}

const MUTEX: u64 = 1;
const CONDITION: u64 = 2;
const SEMAPHORE: u64 = 3;

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded {
            queues: queues(),
            mutex: Mutex::default(),
            condition: Condition::default(),
            semaphore: Semaphore::default(),
            inside: AtomicU32::new(0),
            ready: AtomicU32::new(0),
        })
    }

    fn at(&self, key: u64) -> At<'_> {
        At { queues: &self.queues, key }
    }

    fn lock(&self, me: &Arc<Waiter>) {
        assert!(self.mutex.lock(self.at(MUTEX), Kind::Normal, me, 1, || false).is_ok());
        self.entered(me);
    }

    /// Whoever has the mutex is alone with it.
    fn entered(&self, me: &Waiter) {
        assert_eq!(self.mutex.owner(), Some(me.id()));
        assert_eq!(self.inside.fetch_add(1, Ordering::SeqCst), 0, "two have it");
    }

    fn unlock(&self, me: &Waiter) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(self.mutex.unlock(self.at(MUTEX), Kind::Normal, me.id()), Ok(()));
    }

    fn begin_to_wait(&self, me: &Arc<Waiter>) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.condition.queue_up(self.at(CONDITION), me, None, 7, (&self.mutex, MUTEX));
    }

    fn signal(&self, count: u64) {
        let mutex_of = |note| (note == 7).then_some((&self.mutex, MUTEX));
        self.condition.signal(self.at(CONDITION), count, 0, mutex_of);
    }

    fn spawn(
        self: &Arc<Self>,
        id: u64,
        f: impl FnOnce(&Guarded, &Arc<Waiter>) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let guarded = self.clone();
        thread::spawn(move || f(&guarded, &Waiter::new(id, process)))
    }

    /// Nobody has anything, nor waits.
    fn is_left_as_it_was(&self) {
        assert_eq!((self.mutex.owner(), self.queues.places()), (None, vec![]));
        assert_eq!(self.queues.wake(MUTEX, 1), 0);
    }
}

/// One at a time has it, and all get it.
fn a_mutex_is_one_thread_s() {
    let guarded = Guarded::new();
    let threads: Vec<_> = (0..3)
        .map(|id| {
            guarded.spawn(id, |guarded, me| {
                guarded.lock(me);
                guarded.unlock(me);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    guarded.is_left_as_it_was();
}

/// Who is wanted while he waits comes, keeps his place, and has the mutex when it is given back, once.
fn a_wait_for_a_mutex_is_interrupted_and_goes_on() {
    let guarded = Guarded::new();
    let (owner, me) = (Waiter::new(8, process), Waiter::new(9, process));
    guarded.lock(&owner);
    let wanted = Arc::new(AtomicBool::new(false));
    let waits = {
        let (guarded, wanted, me) = (guarded.clone(), wanted.clone(), me.clone());
        thread::spawn(move || {
            let is_wanted = || wanted.swap(false, Ordering::SeqCst);
            let mut taken = guarded.mutex.lock(guarded.at(MUTEX), Kind::Normal, &me, 1, is_wanted);
            while taken == Err(NotTaken::Interrupted) {
                taken = match guarded.queues.park(&me, is_wanted) {
                    Waited::Interrupted => Err(NotTaken::Interrupted),
                    _ => Ok(true),
                };
            }
            guarded.entered(&me);
            guarded.unlock(&me);
        })
    };
    wanted.store(true, Ordering::SeqCst);
    me.nudge();
    guarded.unlock(&owner);
    waits.join().unwrap();
    guarded.is_left_as_it_was();
}

/// Who gives up his place is not waited for.
fn a_mutex_goes_past_who_has_left() {
    let guarded = Guarded::new();
    let (owner, gone) = (Waiter::new(8, process), Waiter::new(9, process));
    guarded.lock(&owner);
    let interrupted = guarded.mutex.lock(guarded.at(MUTEX), Kind::Normal, &gone, 1, || true);
    assert_eq!(interrupted, Err(NotTaken::Interrupted));
    let waits = guarded.spawn(1, |guarded, me| {
        guarded.lock(me);
        guarded.unlock(me);
    });
    let leaves = thread::spawn(move || {
        // If it was handed over to him already, he is who has it.
        gone.leave();
        gone
    });
    let gone = leaves.join().unwrap();
    guarded.unlock(&owner);
    waits.join().unwrap();
    assert!(!gone.stands());
    guarded.is_left_as_it_was();
}

/// Two wait until something is so; whoever makes it so signals each of them once.
fn no_signal_is_lost() {
    let guarded = Guarded::new();
    let waits: Vec<_> = (0..2)
        .map(|id| {
            guarded.spawn(id, |guarded, me| {
                guarded.lock(me);
                while guarded.ready.load(Ordering::SeqCst) == 0 {
                    guarded.begin_to_wait(me);
                    assert_eq!(guarded.queues.park(me, || false), Waited::Woken);
                    guarded.entered(me);
                }
                guarded.ready.fetch_sub(1, Ordering::SeqCst);
                guarded.unlock(me);
            })
        })
        .collect();
    let signals = guarded.spawn(5, |guarded, me| {
        for _ in 0..2 {
            guarded.lock(me);
            guarded.ready.fetch_add(1, Ordering::SeqCst);
            guarded.unlock(me);
            guarded.signal(1);
        }
    });
    signals.join().unwrap();
    waits.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(guarded.ready.load(Ordering::SeqCst), 0);
    guarded.is_left_as_it_was();
}

/// All who wait go on, one at a time.
fn a_broadcast_is_for_all() {
    let guarded = Guarded::new();
    let waits: Vec<_> = (0..2)
        .map(|id| {
            guarded.spawn(id, |guarded, me| {
                guarded.lock(me);
                while guarded.ready.load(Ordering::SeqCst) == 0 {
                    guarded.begin_to_wait(me);
                    assert_eq!(guarded.queues.park(me, || false), Waited::Woken);
                    guarded.entered(me);
                }
                guarded.unlock(me);
            })
        })
        .collect();
    let me = Waiter::new(5, process);
    guarded.lock(&me);
    guarded.ready.store(1, Ordering::SeqCst);
    guarded.signal(u64::MAX);
    guarded.unlock(&me);
    waits.into_iter().for_each(|thread| thread.join().unwrap());
    guarded.is_left_as_it_was();
}

/// A time that is over and a signal: one of them ends the wait, and the mutex is had in both cases.
fn a_timed_wait_ends_in_one_way() {
    let guarded = Guarded::new();
    let waits = guarded.spawn(1, |guarded, me| {
        guarded.lock(me);
        guarded.inside.fetch_sub(1, Ordering::SeqCst);
        let deadline = Some(std::time::Instant::now());
        guarded.condition.queue_up(guarded.at(CONDITION), me, deadline, 7, (&guarded.mutex, MUTEX));
        match guarded.queues.park(me, || false) {
            Waited::TimedOut => guarded.lock(me),
            _ => guarded.entered(me),
        }
        guarded.unlock(me);
    });
    let others = guarded.spawn(2, |guarded, me| {
        guarded.lock(me);
        guarded.signal(1);
        guarded.unlock(me);
    });
    waits.join().unwrap();
    others.join().unwrap();
    guarded.is_left_as_it_was();
}

/// As many go on as was posted.
fn what_is_posted_is_taken_once() {
    let guarded = Guarded::new();
    let waits: Vec<_> = (0..2)
        .map(|id| {
            guarded.spawn(id, |guarded, me| {
                let waited = guarded.semaphore.wait(guarded.at(SEMAPHORE), me, 1, || false);
                assert!(matches!(waited, None | Some(Waited::Woken)));
            })
        })
        .collect();
    let posts =
        guarded.spawn(5, |guarded, _| assert_eq!(guarded.semaphore.post(guarded.at(SEMAPHORE)), Ok(())));
    assert_eq!(guarded.semaphore.post(guarded.at(SEMAPHORE)), Ok(()));
    assert_eq!(guarded.semaphore.post(guarded.at(SEMAPHORE)), Ok(()));
    posts.join().unwrap();
    waits.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((guarded.semaphore.count(), guarded.queues.places()), (1, vec![]));
    assert!(guarded.semaphore.try_wait() && !guarded.semaphore.try_wait());
}

fn main() {
    let checks: [(&str, fn()); 14] = [
        ("no_wake_up_is_lost", no_wake_up_is_lost),
        ("no_wake_up_is_doubled", no_wake_up_is_doubled),
        ("an_interrupted_wait_goes_on", an_interrupted_wait_goes_on),
        ("who_is_wanted_comes", who_is_wanted_comes),
        ("a_wait_ends_in_one_way", a_wait_ends_in_one_way),
        ("a_kept_place_is_woken_once", a_kept_place_is_woken_once),
        ("who_is_moved_is_woken_where_he_is", who_is_moved_is_woken_where_he_is),
        ("a_mutex_is_one_thread_s", a_mutex_is_one_thread_s),
        ("a_wait_for_a_mutex_is_interrupted_and_goes_on", a_wait_for_a_mutex_is_interrupted_and_goes_on),
        ("a_mutex_goes_past_who_has_left", a_mutex_goes_past_who_has_left),
        ("no_signal_is_lost", no_signal_is_lost),
        ("a_broadcast_is_for_all", a_broadcast_is_for_all),
        ("a_timed_wait_ends_in_one_way", a_timed_wait_ends_in_one_way),
        ("what_is_posted_is_taken_once", what_is_posted_is_taken_once),
    ];
    orders::try_all(&checks);
}
