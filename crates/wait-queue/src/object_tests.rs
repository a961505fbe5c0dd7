use super::*;
use std::sync::Arc;
use std::sync::Mutex as Guard;
use std::thread;
use std::time::{Duration, Instant};

const MUTEX: u64 = 1;
const CONDITION: u64 = 2;
const SEMAPHORE: u64 = 3;
const LOST: u64 = 1 << 40;

fn waiter(id: u64) -> Arc<Waiter> {
    Waiter::new(id, || 0)
}

fn queues() -> Arc<WaitQueues<()>> {
    WaitQueues::new(|| 0)
}

fn at(queues: &Arc<WaitQueues<()>>, key: u64) -> At<'_> {
    At { queues, key }
}

/// Who stands where, by number.
fn order(queues: &Arc<WaitQueues<()>>) -> Vec<(u64, Vec<u64>)> {
    let of = |places: Vec<Place>| places.into_iter().map(|place| place.waiter).collect();
    queues.places().into_iter().map(|(key, places)| (key, of(places))).collect()
}

#[test]
fn a_mutex_is_handed_over_in_the_order_of_those_who_wait() {
    let (queues, mutex, woken) = (queues(), Mutex::default(), Guard::new(Vec::new()));
    let me = waiter(100);
    mutex.lock(at(&queues, MUTEX), Kind::Normal, &me, 1, || false).unwrap();
    thread::scope(|scope| {
        for id in 0..6 {
            let (queues, mutex, woken) = (&queues, &mutex, &woken);
            scope.spawn(move || {
                mutex.lock(at(queues, MUTEX), Kind::Normal, &waiter(id), 1, || false).unwrap();
                woken.lock().unwrap().push(id);
                mutex.unlock(at(queues, MUTEX), Kind::Normal, id).unwrap();
            });
            while order(queues).first().map_or(0, |(_, queue)| queue.len()) != id as usize + 1 {
                thread::yield_now();
            }
        }
        assert_eq!(mutex.owner(), Some(100));
        mutex.unlock(at(&queues, MUTEX), Kind::Normal, 100).unwrap();
        // Whoever comes now comes last, though nobody may have noticed yet.
        assert_eq!(mutex.lock(at(&queues, MUTEX), Kind::Normal, &me, 1, || false), Ok(true));
    });
    assert_eq!(*woken.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!((mutex.owner(), order(&queues)), (Some(100), vec![]));
}

#[test]
fn kinds_of_mutexes_differ_in_what_they_do_for_their_owner_and_for_others() {
    let (queues, me) = (queues(), waiter(4));
    let here = at(&queues, MUTEX);
    let lock = |mutex: &Mutex, kind| mutex.lock(here, kind, &me, 1, || true);
    let normal = Mutex::default();
    assert_eq!(lock(&normal, Kind::Normal), Ok(false));
    // He waits for himself.
    assert_eq!(lock(&normal, Kind::Normal), Err(NotTaken::Interrupted));
    assert_eq!(order(&queues), [(MUTEX, vec![4])]);
    me.leave();
    assert_eq!(normal.unlock(here, Kind::Normal, 5), Ok(()));
    assert_eq!(normal.owner(), None);
    assert_eq!(normal.unlock(here, Kind::Normal, 5), Ok(()));

    let checked = Mutex::default();
    assert_eq!(checked.unlock(here, Kind::ErrorCheck, 4), Err(NotOwner));
    assert_eq!(lock(&checked, Kind::ErrorCheck), Ok(false));
    assert_eq!(lock(&checked, Kind::ErrorCheck), Err(NotTaken::Deadlock));
    assert_eq!(checked.unlock(here, Kind::ErrorCheck, 5), Err(NotOwner));
    assert_eq!(checked.unlock(here, Kind::ErrorCheck, 4), Ok(()));

    let again = Mutex::default();
    (0..3).for_each(|_| assert_eq!(lock(&again, Kind::Recursive), Ok(false)));
    assert_eq!((again.owner(), again.taken_again()), (Some(4), 2));
    assert_eq!(again.unlock(here, Kind::Recursive, 5), Err(NotOwner));
    for left in [Some(4), Some(4), None] {
        assert_eq!(again.unlock(here, Kind::Recursive, 4), Ok(()));
        assert_eq!(again.owner(), left);
    }
    again.set(Some(4), u32::MAX, false);
    assert_eq!(lock(&again, Kind::Recursive), Err(NotTaken::TooOften));
}

#[test]
fn who_is_signalled_stands_in_line_for_the_mutex() {
    let (queues, mutex, condition) = (queues(), Mutex::default(), Condition::default());
    let waiters = [waiter(0), waiter(1), waiter(2), waiter(3)];
    let mutex_of = |note| (note == 7).then_some((&mutex, MUTEX));
    for (note, me) in [7, 7, 8, 7].into_iter().zip(&waiters) {
        mutex.lock(at(&queues, MUTEX), Kind::Normal, me, 1, || false).unwrap();
        let deadline = Some(Instant::now() + Duration::from_secs(60));
        condition.queue_up(at(&queues, CONDITION), me, deadline, note, (&mutex, MUTEX));
        assert_eq!(mutex.owner(), None);
    }
    assert_eq!(order(&queues), [(CONDITION, vec![0, 1, 2, 3])]);
    // The first has it at once, as it is free.
    condition.signal(at(&queues, CONDITION), 1, LOST, mutex_of);
    assert_eq!((mutex.owner(), waiters[0].is_woken()), (Some(0), true));
    // The others wait for it; one has no mutex to wait for.
    condition.signal(at(&queues, CONDITION), u64::MAX, LOST, mutex_of);
    assert_eq!(order(&queues), [(MUTEX, vec![1, 3])]);
    assert_eq!((waiters[2].is_woken(), waiters[2].note()), (true, 8 | LOST));
    // What was noted of them goes with them, but not their time.
    let places = queues.places();
    assert_eq!((places[0].1[0].note, places[0].1[0].left), (7, None));
    mutex.unlock(at(&queues, MUTEX), Kind::Normal, 0).unwrap();
    assert_eq!((mutex.owner(), waiters[1].is_woken()), (Some(1), true));
    assert_eq!(queues.park(&waiters[1], || false), Waited::Woken);
    condition.signal(at(&queues, CONDITION), 1, LOST, |_| panic!("nobody waits"));
}

#[test]
fn a_semaphore_is_for_those_who_wait_in_their_order() {
    let (queues, semaphore) = (queues(), Semaphore::default());
    let here = at(&queues, SEMAPHORE);
    assert!(!semaphore.try_wait());
    semaphore.set(1, false);
    assert_eq!(semaphore.wait(here, &waiter(9), 1, || panic!("there is one")), None);
    let waiters = [waiter(0), waiter(1), waiter(2)];
    for me in &waiters {
        assert_eq!(semaphore.wait(here, me, 1, || true), Some(Waited::Interrupted));
    }
    assert_eq!((order(&queues), semaphore.count()), (vec![(SEMAPHORE, vec![0, 1, 2])], 0));
    waiters[1].leave();
    (0..4).for_each(|_| semaphore.post(here).unwrap());
    assert_eq!((waiters[0].is_woken(), waiters[2].is_woken(), semaphore.count()), (true, true, 2));
    semaphore.set(Semaphore::MAX, false);
    assert_eq!(semaphore.post(here), Err(Overflow));
}

#[test]
fn an_owner_can_have_another_number() {
    let (queues, mutex) = (queues(), Mutex::default());
    let (me, other) = (waiter(3), waiter(4));
    mutex.lock(at(&queues, MUTEX), Kind::Normal, &me, 1, || false).unwrap();
    let _ = mutex.lock(at(&queues, MUTEX), Kind::Normal, &other, 1, || true);
    mutex.rename(2, 9);
    assert_eq!(mutex.owner(), Some(3));
    mutex.rename(3, 9);
    assert_eq!(mutex.owner(), Some(9));
    // It is known still that somebody waits.
    mutex.unlock(at(&queues, MUTEX), Kind::Normal, 9).unwrap();
    assert_eq!((mutex.owner(), other.is_woken()), (Some(4), true));
}
