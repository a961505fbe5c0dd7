use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn process() -> u32 {
    0
}

fn waiter(id: u64) -> Arc<Waiter> {
    Waiter::new(id, process)
}

fn place(waiter: u64, left: Option<Duration>) -> Place {
    Place { waiter, left, note: 0 }
}

fn never() -> bool {
    false
}

/// Waits until so many are in a queue.
fn until_waiting(queues: &Arc<WaitQueues<()>>, key: u64, count: usize) {
    let start = Instant::now();
    while queues.locked(|queues| queues.waiting(key)) != count {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody comes");
        thread::yield_now();
    }
}

#[test]
fn who_came_first_is_woken_first() {
    let queues = WaitQueues::<()>::new(process);
    let woken = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for id in 0..8 {
            let (queues, woken) = (&queues, &woken);
            scope.spawn(move || {
                assert_eq!(queues.wait(&waiter(id), 7, None, || true, never), Some(Waited::Woken));
                woken.lock().unwrap().push(id);
            });
            until_waiting(queues, 7, id as usize + 1);
        }
        for expected in 1..=8 {
            assert_eq!(queues.wake(7, 1), 1);
            while woken.lock().unwrap().len() < expected {
                thread::yield_now();
            }
        }
    });
    assert_eq!(*woken.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(queues.wake(7, 1), 0);
    assert_eq!(queues.locked(|queues| queues.keys().count()), 0);
}

#[test]
fn waits_end_by_time_or_do_not_begin() {
    let queues = WaitQueues::<()>::new(process);
    let me = waiter(1);
    assert_eq!(queues.wait(&me, 1, None, || false, never), None);
    let start = Instant::now();
    let timeout = Duration::from_millis(30);
    assert_eq!(queues.wait(&me, 1, Some(timeout), || true, never), Some(Waited::TimedOut));
    assert!(start.elapsed() >= timeout);
    assert_eq!(queues.wait(&me, 1, Some(Duration::ZERO), || true, never), Some(Waited::TimedOut));
    assert!(!me.stands());
    assert_eq!(queues.places(), []);
    assert_eq!(queues.wake(1, u64::MAX), 0);
}

#[test]
fn who_is_interrupted_keeps_his_place_and_can_be_woken_there() {
    let queues = WaitQueues::<()>::new(process);
    let (first, second) = (waiter(1), waiter(2));
    let minute = Duration::from_secs(60);
    assert_eq!(queues.wait(&first, 5, Some(minute), || true, || true), Some(Waited::Interrupted));
    assert_eq!(queues.wait(&second, 5, None, || true, || true), Some(Waited::Interrupted));
    let places = queues.places();
    let [(5, ref queue)] = *places else { panic!("{places:?}") };
    assert_eq!([queue[0].waiter, queue[1].waiter], [1, 2]);
    assert!(queue[0].left.unwrap() <= minute && queue[0].left.unwrap() > minute / 2);
    assert_eq!(queue[1].left, None);
    // He comes again, and is still the first. Nothing is asked.
    let asked = || panic!("he has his place");
    assert_eq!(queues.wait(&first, 5, None, asked, || true), Some(Waited::Interrupted));
    assert_eq!(queues.wake(5, 1), 1);
    assert_eq!(queues.wait(&first, 5, None, asked, || true), Some(Waited::Woken));
    assert!(!first.stands() && second.stands());
    // The other is ended.
    second.leave();
    assert!(!second.stands());
    assert_eq!((queues.places(), queues.wake(5, 1)), (vec![], 0));
}

#[test]
fn a_place_elsewhere_is_given_up() {
    let (queues, others) = (WaitQueues::<()>::new(process), WaitQueues::<()>::new(process));
    let me = waiter(1);
    queues.wait(&me, 5, None, || true, || true);
    others.wait(&me, 5, None, || true, || true);
    assert_eq!((queues.places().len(), others.places().len()), (0, 1));
    others.wait(&me, 6, None, || true, || true);
    assert_eq!(others.places()[0].0, 6);
    assert_eq!(others.places().len(), 1);
}

#[test]
fn a_nudge_ends_a_wait_that_is_wanted_to_end() {
    let queues = WaitQueues::<()>::new(process);
    let (me, wanted) = (waiter(1), AtomicBool::new(false));
    thread::scope(|scope| {
        let waits = scope.spawn(|| queues.wait(&me, 1, None, || true, || wanted.load(Ordering::SeqCst)));
        until_waiting(&queues, 1, 1);
        // Nobody wants it to.
        me.nudge();
        thread::sleep(Duration::from_millis(20));
        assert!(!waits.is_finished());
        wanted.store(true, Ordering::SeqCst);
        me.nudge();
        assert_eq!(waits.join().unwrap(), Some(Waited::Interrupted));
    });
    assert!(me.stands());
}

/// A lock, as mutexes of a guest will be: its owner is the queue's state, and is handed over.
#[test]
fn an_owner_is_a_state() {
    let queues = WaitQueues::<Option<u64>>::new(process);
    let (counter, key) = (AtomicU32::new(0), 9);
    thread::scope(|scope| {
        for id in 0..4 {
            let (queues, counter) = (&queues, &counter);
            scope.spawn(move || {
                let me = waiter(id);
                for _ in 0..2000 {
                    let owned = queues.locked(|queues| match queues.state(key) {
                        Some(Some(_)) => {
                            queues.enqueue(key, &me, None, 0);
                            false
                        }
                        _ => {
                            queues.set_state(key, Some(id));
                            true
                        }
                    });
                    if !owned {
                        assert_eq!(queues.park(&me, never), Waited::Woken);
                    }
                    assert_eq!(queues.locked(|queues| queues.state(key).copied()), Some(Some(id)));
                    let count = counter.load(Ordering::Relaxed);
                    counter.store(count + 1, Ordering::Relaxed);
                    queues.locked(|queues| {
                        let next = queues.wake_first(key);
                        queues.set_state(key, next);
                    });
                }
            });
        }
    });
    assert_eq!(counter.load(Ordering::Relaxed), 8000);
    assert_eq!(queues.locked(|queues| queues.keys().count()), 0);
}

#[test]
fn who_is_moved_to_another_queue_is_woken_there() {
    let queues = WaitQueues::<()>::new(process);
    let minute = Duration::from_secs(60);
    thread::scope(|scope| {
        let waits: Vec<_> = (0..3)
            .map(|id| {
                let queues = &queues;
                let wait = move || queues.wait(&waiter(id), 1, Some(minute), || true, never);
                let thread = scope.spawn(wait);
                until_waiting(queues, 1, id as usize + 1);
                thread
            })
            .collect();
        assert_eq!(queues.locked(|queues| queues.requeue(1, 2, 2)), 2);
        let order: Vec<_> = queues.places().into_iter().map(|(k, q)| (k, q.len(), q[0].waiter)).collect();
        assert_eq!(order, [(1, 1, 2), (2, 2, 0)]);
        assert_eq!((queues.wake(2, 9), queues.wake(1, 9)), (2, 1));
        for wait in waits {
            assert_eq!(wait.join().unwrap(), Some(Waited::Woken));
        }
    });
}

#[test]
fn places_are_kept_for_those_who_are_not_there_yet() {
    let queues = WaitQueues::<()>::new(process);
    let reserve = |id| queues.reserve(3, &place(100 + id, Some(Duration::from_secs(60))));
    let mut reserved: Vec<_> = (0..4u64).map(reserve).collect();
    reserved.push(Reserved::woken(104, process, 0));
    assert_eq!(queues.places()[0].1.len(), 4);
    // Some are woken before they are there, and one never comes.
    assert_eq!(queues.wake(3, 2), 2);
    drop(reserved.remove(2));
    let come: Vec<_> = reserved
        .into_iter()
        .map(|reserved| {
            let me = waiter(7);
            reserved.take_over(&me);
            queues.wait(&me, 3, None, || panic!("he has his place"), || true)
        })
        .collect();
    let (woken, waits) = (Some(Waited::Woken), Some(Waited::Interrupted));
    assert_eq!(come, [woken, woken, waits, woken]);
    let places = queues.places();
    assert_eq!((places.len(), places[0].1.len(), places[0].1[0].waiter), (1, 1, 7));
}

#[test]
fn what_is_left_of_the_time_runs_for_who_is_not_there_yet() {
    let queues = WaitQueues::<()>::new(process);
    let reserved = queues.reserve(3, &place(1, Some(Duration::from_millis(50))));
    let (me, start) = (waiter(2), Instant::now());
    reserved.take_over(&me);
    let waited = queues.wait(&me, 3, Some(Duration::from_secs(3600)), || true, never);
    assert_eq!(waited, Some(Waited::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[test]
fn nobody_waits_in_a_child_of_the_process() {
    static GENERATION: AtomicU32 = AtomicU32::new(0);
    fn generation() -> u32 {
        GENERATION.load(Ordering::SeqCst)
    }
    let queues = WaitQueues::<Option<u64>>::new(generation);
    let me = Waiter::new(1, generation);
    queues.wait(&me, 1, None, || true, || true);
    queues.locked(|queues| {
        queues.set_state(2, Some(4));
        // As if the process were forked while a thread, which the child does not have, holds the lock.
        GENERATION.store(1, Ordering::SeqCst);
    });
    assert_eq!((queues.places(), queues.locked(|queues| queues.keys().count())), (vec![], 0));
    assert_eq!(
        queues.wait(&Waiter::new(2, generation), 1, None, || true, || true),
        Some(Waited::Interrupted)
    );
    assert_eq!(queues.wake(1, 9), 1);
}
