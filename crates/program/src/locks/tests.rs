use super::record::{KindRecord, SlotRecord, WaitingRecord};
use super::*;
use std::time::{Duration, Instant};
use wayfarer_module::PointKind;
use wayfarer_runtime::threads::Registered;
use wayfarer_runtime::waits::{Kind, NotTaken, Waited};
use wayfarer_snapshot::view::{Entry, Frame, FuncId, Position, Thread, Wait, WaitPlace};

/// Threads of a program, and its locks.
struct Program {
    locks: Locks,
    control: Arc<Control>,
    threads: Vec<Registered>,
}

impl Program {
    fn new(threads: usize) -> Program {
        let control: Arc<Control> = Arc::default();
        let threads = (0..threads).map(|_| Registered::new(&control)).collect();
        Program { locks: Locks::default(), control, threads }
    }

    fn me(&self, thread: usize) -> &Arc<GuestThread> {
        self.threads[thread].thread()
    }

    fn mutex(&self, kind: Kind) -> u32 {
        self.locks.create(What::Mutex(kind)).unwrap()
    }

    /// Whether it has it; else it waits there.
    fn lock(&self, thread: usize, handle: u32) -> bool {
        let (number, slot, what) = self.locks.find(handle).unwrap();
        let What::Mutex(kind) = what else { panic!("{what:?}") };
        let note = Note::lock(number).bits();
        match slot.mutex.lock(self.locks.at(number), kind, self.me(thread).waiter(), note, || true) {
            Ok(_) => true,
            Err(NotTaken::Interrupted) => false,
            Err(why) => panic!("{why:?}"),
        }
    }

    fn unlock(&self, thread: usize, handle: u32) {
        let (number, slot, what) = self.locks.find(handle).unwrap();
        let What::Mutex(kind) = what else { panic!("{what:?}") };
        slot.mutex.unlock(self.locks.at(number), kind, self.me(thread).id()).unwrap();
    }

    fn wait(&self, thread: usize, condition: u32, mutex: u32, time: Option<Duration>) {
        let ((at, condition, _), (of, mutex, _)) =
            (self.locks.find(condition).unwrap(), self.locks.find(mutex).unwrap());
        let (me, deadline) = (self.me(thread).waiter(), time.map(|time| Instant::now() + time));
        let note = Note::condition(at, of).bits();
        condition.condition.queue_up(self.locks.at(at), me, deadline, note, (&mutex.mutex, of.into()));
    }

    fn signal(&self, condition: u32) {
        let (number, slot, _) = self.locks.find(condition).unwrap();
        self.locks.signal(number, slot, 1);
    }

    fn owner(&self, handle: u32) -> Option<u64> {
        self.locks.find(handle).unwrap().1.mutex.owner()
    }

    /// As a checkpoint finds them.
    fn stopped(&self, threads: std::ops::Range<usize>) -> Vec<Thread> {
        threads.map(|at| stopped(self.me(at))).collect()
    }

    /// The same in another process; threads go on in the other order.
    fn restored(record: &LocksRecord, count: usize) -> Program {
        let program = Program::new(count + 3);
        let threads: Vec<Thread> = (0..count as u32)
            .map(|tid| Thread {
                number: Thread::number_of_restored(tid),
                waits: None,
                ..stopped_before_call(tid)
            })
            .collect();
        program.locks.restore(record, &threads).unwrap();
        for (at, thread) in threads.iter().enumerate().rev() {
            program.locks.take_up(thread.number, program.me(at));
        }
        program
    }
}

fn stopped_before_call(tid: u32) -> Thread {
    let func = FuncId { instance: 0, func: 0 };
    let position = Position { kind: PointKind::BeforeCall, offset: 1 };
    let frame = Frame { func, position, locals: vec![], stack: vec![] };
    Thread { entry: Entry::Call, frames: vec![frame], tid, number: 0, watched: vec![], waits: None }
}

fn stopped(thread: &GuestThread) -> Thread {
    let waiter = thread.waiter();
    let waits = waiter.stands().then(|| Wait { waiter: waiter.id(), place: WaitPlace::Woken });
    Thread { number: thread.id(), waits, ..stopped_before_call(thread.id() as u32) }
}

/// Threads that stand in the queue of a lock.
fn queue(record: &LocksRecord, handle: u32) -> Vec<u32> {
    let slot = &record.slots[slots::slot_of(handle).unwrap() as usize];
    slot.queue.iter().map(|waiting| waiting.thread).collect()
}

#[test]
fn handles_are_the_smallest_that_are_free_and_each_is_one_object_s() {
    let locks = Locks::default();
    let handles: Vec<u32> = (0..4).map(|_| locks.create(What::Condition).unwrap()).collect();
    assert_eq!(handles, [1, 2, 3, 4]);
    locks.remove(3);
    locks.remove(2);
    assert!(locks.find(2).is_none());
    locks.remove(2);
    let again: Vec<u32> = (0..3).map(|_| locks.create(What::Condition).unwrap()).collect();
    assert_eq!(again, [2 | 1 << 20, 3 | 1 << 20, 5]);
    assert!(locks.find(2).is_none() && locks.find(again[0]).is_some());
    for _ in 0..2 * GENERATIONS {
        locks.remove(locks.create(What::Condition).unwrap());
    }
    assert_eq!(locks.state.lock().generations.len(), 6, "a slot is used again");
}

#[test]
fn who_has_what_and_who_waits_is_as_it_was() {
    let program = Program::new(9);
    let (normal, recursive) = (program.mutex(Kind::Normal), program.mutex(Kind::Recursive));
    let gone = program.mutex(Kind::ErrorCheck);
    let condition = program.locks.create(What::Condition).unwrap();
    program.locks.remove(gone);
    assert!(program.lock(0, normal) && program.lock(1, recursive) && program.lock(1, recursive));
    for thread in [3, 2] {
        assert!(!program.lock(thread, normal));
    }
    // Two wait for a condition; a third is signalled and stands in line.
    let minute = Duration::from_secs(60);
    let other = program.mutex(Kind::Normal);
    for (thread, mutex, time) in [(4, normal, None), (5, other, Some(minute)), (6, other, None)] {
        if mutex == other {
            assert!(program.lock(thread, mutex));
        }
        program.wait(thread, condition, mutex, time);
        if thread == 4 {
            // `wait` gave it to the first who waited: back to where it was.
            assert_eq!(program.owner(normal), Some(program.me(3).id()));
        }
    }
    program.signal(condition);
    let semaphore = program.locks.open(b"one", true, 0).unwrap();
    let (number, slot, _) = program.locks.find(semaphore).unwrap();
    let note = Note::semaphore(number).bits();
    let waited = slot.semaphore.wait(program.locks.at(number), program.me(7).waiter(), note, || true);
    assert_eq!(waited, Some(Waited::Interrupted));
    program.locks.open(b"two", true, 5).unwrap();
    assert_eq!(program.locks.create_key(77), Some(0));
    assert_eq!(program.locks.create_key(0), Some(1));
    program.me(8).specific().set(1, 1234);

    let mut threads = program.stopped(0..9);
    let record = program.locks.record(&program.control, &mut threads).unwrap().unwrap();
    assert!(threads.iter().all(|thread| thread.waits.is_none()), "their places are said here");
    assert_eq!((queue(&record, normal), queue(&record, condition)), (vec![2, 4], vec![5, 6]));
    assert_eq!(queue(&record, semaphore), [7]);
    // The first who waited was given the mutex, and has not noticed.
    assert_eq!(record.woken, [(3, Note::lock(0))]);
    let left = record.slots[3].queue[0].left.unwrap();
    assert!(left <= 60_000_000_000 && left > 30_000_000_000);

    let again = Program::restored(&record, 9);
    let mut same = again.locks.record(&again.control, &mut again.stopped(0..9)).unwrap().unwrap();
    let left_now = same.slots[3].queue[0].left.replace(left).unwrap();
    assert!(left_now <= left);
    assert_eq!(same, record);
    // They go on as they would have.
    assert_eq!(again.owner(normal), Some(again.me(3).id()));
    assert_eq!((again.owner(recursive), again.owner(other)), (Some(again.me(1).id()), None));
    for thread in [3, 2, 4] {
        let me = again.me(thread).waiter();
        assert_eq!(again.locks.queues.park(me, || false), Waited::Woken);
        assert_eq!(again.owner(normal), Some(me.id()));
        again.unlock(thread, normal);
    }
    assert_eq!(again.owner(normal), None);
    again.signal(condition);
    assert_eq!(again.owner(other), Some(again.me(5).id()));
    let (_, slot, _) = again.locks.find(semaphore).unwrap();
    slot.semaphore.post(again.locks.at(number)).unwrap();
    assert!(again.me(7).waiter().is_woken());
    assert_eq!(again.locks.open(b"two", false, 0), program.locks.open(b"two", false, 0));
    // What is made next is what would have been.
    assert_eq!(again.mutex(Kind::Normal), program.mutex(Kind::Normal));
    assert_eq!(again.me(8).specific().get(1), 1234);
    again.me(8).specific().set(0, 9);
    assert_eq!(again.locks.take_values(again.me(8)), [(77, 9)]);
    assert_eq!(again.me(8).specific().all(), []);
}

#[test]
fn who_has_not_gone_on_is_in_the_next_image_as_it_was() {
    let program = Program::new(3);
    let mutex = program.mutex(Kind::Normal);
    assert!(program.lock(0, mutex) && !program.lock(1, mutex) && !program.lock(2, mutex));
    program.locks.create_key(0);
    program.me(2).specific().set(0, 5);
    let mut threads = program.stopped(0..3);
    let record = program.locks.record(&program.control, &mut threads).unwrap().unwrap();
    let again = Program::new(0);
    threads.iter_mut().for_each(|thread| thread.number = Thread::number_of_restored(thread.tid));
    again.locks.restore(&record, &threads).unwrap();
    let same = again.locks.record(&again.control, &mut threads).unwrap().unwrap();
    assert_eq!(same, record);
    // One is given the mutex before he is there.
    let (number, slot, _) = again.locks.find(mutex).unwrap();
    slot.mutex.unlock(again.locks.at(number), Kind::Normal, 0).unwrap();
    let late = Registered::new(&again.control);
    again.locks.take_up(threads[1].number, late.thread());
    assert_eq!(again.owner(mutex), Some(late.thread().id()));
    assert_eq!(again.locks.queues.park(late.thread().waiter(), || false), Waited::Woken);
}

#[test]
fn who_waits_for_what_is_destroyed_comes_back_with_nothing() {
    let program = Program::new(3);
    let (mutex, condition) = (program.mutex(Kind::Normal), program.locks.create(What::Condition).unwrap());
    assert!(program.lock(0, mutex) && !program.lock(1, mutex));
    program.locks.remove(mutex);
    let note = Note::of(program.me(1).waiter().note()).unwrap();
    assert!(program.me(1).waiter().is_woken() && note.lost);
    let other = program.mutex(Kind::Normal);
    program.wait(2, condition, other, None);
    program.locks.remove(other);
    assert!(!program.me(2).waiter().is_woken(), "he waits for a signal");
    program.signal(condition);
    assert!(Note::of(program.me(2).waiter().note()).unwrap().lost);
    // That is so in an image, too.
    let record = program.locks.record(&program.control, &mut program.stopped(0..3)).unwrap().unwrap();
    assert_eq!(
        record.woken.iter().map(|(thread, note)| (*thread, note.lost)).collect::<Vec<_>>(),
        [(1, true), (2, true)]
    );
}

#[test]
fn semaphores_have_names_and_are_open_or_not() {
    let locks = Locks::default();
    assert_eq!(locks.open(b"a", false, 1), None);
    let handle = locks.open(b"a", true, 3).unwrap();
    assert_eq!(locks.open(b"a", false, 9), Some(handle));
    assert!(locks.close(handle) && !locks.close(handle));
    assert!(matches!(locks.find(handle), Some((_, _, What::Closed))));
    assert_eq!(locks.open(b"a", true, 9), Some(handle));
    assert_eq!(locks.find(handle).unwrap().1.semaphore.count(), 3, "it is the same one");
    assert!(locks.unlink(b"a") && !locks.unlink(b"a"));
    assert!(locks.find(handle).is_none());
    assert_ne!(locks.open(b"a", true, 0), Some(handle));
}

#[test]
fn keys_are_few_and_their_values_go_with_them() {
    let program = Program::new(2);
    let (locks, me) = (&program.locks, program.me(0));
    let keys: Vec<_> = (0..33).map(|key| locks.create_key(key)).collect();
    assert_eq!((keys[31], keys[32]), (Some(31), None));
    program.me(1).specific().set(31, 6);
    me.specific().set(4, 5);
    assert!(locks.delete_key(&program.control, 31) && !locks.delete_key(&program.control, 31));
    assert!(!locks.has_key(31) && !locks.has_key(32) && !locks.has_key(u32::MAX));
    assert_eq!(program.me(1).specific().all(), []);
    assert_eq!(locks.create_key(100), Some(31));
    assert_eq!(locks.take_values(me), [(4, 5)]);
}

#[test]
fn what_would_not_be_exact_is_refused_by_name() {
    let program = Program::new(2);
    let checked = program.mutex(Kind::ErrorCheck);
    assert!(program.lock(1, checked));
    let record = |threads| program.locks.record(&program.control, &mut program.stopped(threads));
    let why = record(0..1).unwrap_err();
    assert!(why.starts_with("errorcheck mutex 1 is owned by a thread that is in no call"), "{why}");
    program.unlock(1, checked);
    let normal = program.mutex(Kind::Normal);
    assert!(program.lock(1, normal));
    // Whoever gives a normal one back may.
    let record_of_normal = record(0..1).unwrap().unwrap();
    let owner = |record: &LocksRecord| match record.slots[1].object {
        Some(Object::Mutex { owner, .. }) => owner,
        _ => None,
    };
    assert_eq!(owner(&record_of_normal), Some(Owner::Outside));
    let again = Program::restored(&record_of_normal, 1);
    let same = again.locks.record(&again.control, &mut again.stopped(0..1)).unwrap().unwrap();
    assert_eq!(same, record_of_normal);
    again.unlock(0, normal);
    assert_eq!(again.owner(normal), None);
    assert!(!program.lock(0, normal));
    let why = record(1..2).unwrap_err();
    assert!(why.contains("in a call that is not the guest's"), "{why}");
    program.me(0).waiter().leave();
    program.locks.create_key(0);
    program.me(1).specific().set(0, 1);
    let why = record(0..1).unwrap_err();
    assert!(why.contains("values of pthread_setspecific"), "{why}");
}

/// A record that is good, and what is wrong with it once it was changed.
#[test]
fn records_that_cannot_be_are_refused() {
    let mutex = |owner| Object::Mutex { kind: KindRecord::Normal, owner, again: 0 };
    let slot = |object, queue| SlotRecord { generation: 0, object: Some(object), queue };
    let waits = |thread, note| WaitingRecord { thread, left: None, note };
    let semaphore = |name: &[u8], count| Object::Semaphore { name: name.to_vec(), open: true, count };
    let good = LocksRecord {
        slots: vec![
            slot(mutex(Some(Owner::Thread(0))), vec![waits(1, Note::lock(0))]),
            slot(Object::Condition, vec![WaitingRecord { left: Some(5), ..waits(2, Note::condition(1, 0)) }]),
            slot(semaphore(b"a", 0), vec![waits(3, Note::semaphore(2))]),
        ],
        keys: vec![(0, 1), (31, 0)],
        values: vec![(0, 31, 5)],
        woken: vec![(4, Note::lock(0))],
    };
    good.check().unwrap();
    let threads: Vec<Thread> = (0..5).map(stopped_before_call).collect();
    good.check_threads(&threads).unwrap();
    let bad = |why: &str, change: &dyn Fn(&mut LocksRecord)| {
        let mut record = good.clone();
        change(&mut record);
        let error = record.check().and_then(|()| record.check_threads(&threads)).expect_err(why);
        assert!(error.contains(why), "{error}, not {why}");
        assert!(Locks::default().restore(&record, &threads).is_err());
    };
    bad("was used 4096 times", &|r| r.slots[0].generation = 4096);
    bad("waits there for something else", &|r| r.slots[1].queue[0].note = Note::lock(1));
    bad("waits there for something else", &|r| r.slots[0].queue[0].note = Note::lock(1));
    bad("waits there for something else", &|r| r.slots[0].object = None);
    bad("waits there for something else", &|r| r.slots[0].queue[0].note.lost = true);
    bad("though its time is over", &|r| r.slots[1].queue[0].note.timed_out = true);
    bad("for so long at most", &|r| r.slots[0].queue[0].left = Some(1));
    bad("it is free, and awaited", &|r| r.slots[0].object = Some(mutex(None)));
    bad("not recursive", &|r| {
        let owner = Some(Owner::Thread(0));
        r.slots[0].object = Some(Object::Mutex { kind: KindRecord::ErrorCheck, owner, again: 1 });
    });
    bad("its owner is no thread", &|r| {
        let owner = Some(Owner::Outside);
        r.slots[0].object = Some(Object::Mutex { kind: KindRecord::Recursive, owner, again: 1 });
    });
    bad("its name cannot be", &|r| r.slots[2].object = Some(semaphore(b"a/b", 0)));
    bad("its name cannot be", &|r| r.slots.push(slot(semaphore(b"a", 0), vec![])));
    bad("a semaphore counts 1", &|r| r.slots[2].object = Some(semaphore(b"a", 1)));
    bad("waits for two locks", &|r| r.slots[2].queue[0].thread = 1);
    bad("waits for two locks", &|r| r.woken[0].0 = 1);
    bad("a lock that cannot be", &|r| r.woken[0].1.object = MOST);
    bad("keys are not in order", &|r| r.keys[1].0 = 0);
    bad("keys are not in order", &|r| r.keys[1].0 = 32);
    bad("under no key, or two under one", &|r| r.values[0].1 = 30);
    bad("under no key, or two under one", &|r| r.values.push((0, 31, 6)));
    bad("locks of thread 5, there are 5", &|r| r.slots[0].object = Some(mutex(Some(Owner::Thread(5)))));
    bad("locks of thread 5, there are 5", &|r| r.slots[0].queue[0].thread = 5);
    bad("locks of thread 9, there are 5", &|r| r.values[0].0 = 9);
    let mut elsewhere = threads.clone();
    elsewhere[1].frames[0].position.kind = PointKind::Loop;
    let error = good.check_threads(&elsewhere).unwrap_err();
    assert_eq!(error, "thread 1 waits for a lock, and does not stand before a call");
    // A cut or changed record is an error or another record, whatever it says.
    let bytes = wayfarer_snapshot::record::encode(&good).unwrap();
    for at in 0..bytes.len() {
        assert!(wayfarer_snapshot::record::decode::<LocksRecord>(&bytes[..at]).is_err());
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(record) = wayfarer_snapshot::record::decode::<LocksRecord>(&changed) {
                let locks = Locks::default();
                let restored = locks.restore(&record, &threads);
                assert_eq!(
                    restored.is_ok(),
                    record.check().and_then(|()| record.check_threads(&threads)).is_ok()
                );
            }
        }
    }
}

/// How many threads wait for each other in [`circle`].
pub(crate) const MUTEXES_IN_A_CIRCLE: usize = 3;

/// Threads 0 to 2 wait for each other, 3 for one of them, 4 for itself; 5 waits for a signal, 6 at a semaphore, 7 was woken.
pub(crate) fn circle() -> LocksRecord {
    let waits = |thread, note| WaitingRecord { thread, left: None, note };
    let slot = |object, queue| SlotRecord { generation: 0, object: Some(object), queue };
    let mutex = |owner| {
        let owner = Some(Owner::Thread(owner));
        Object::Mutex { kind: KindRecord::Normal, owner, again: 0 }
    };
    let late = WaitingRecord { left: Some(7_000_000), ..waits(5, Note::condition(4, 0)) };
    let semaphore = Object::Semaphore { name: b"a\"b".to_vec(), open: true, count: 0 };
    LocksRecord {
        slots: vec![
            slot(mutex(0), vec![waits(2, Note::lock(0)), waits(3, Note::lock(0))]),
            slot(mutex(1), vec![waits(0, Note::lock(1))]),
            slot(mutex(2), vec![waits(1, Note::lock(2))]),
            slot(mutex(4), vec![waits(4, Note::lock(3))]),
            slot(Object::Condition, vec![late]),
            slot(semaphore, vec![waits(6, Note::semaphore(5))]),
        ],
        woken: vec![(7, Note::lock(9))],
        ..LocksRecord::default()
    }
}
