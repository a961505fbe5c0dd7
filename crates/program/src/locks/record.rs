//! What an image holds of a program's locks, and how they are made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wayfarer_module::PointKind;
use wayfarer_runtime::specific::KEYS;
use wayfarer_runtime::waits::{Kind, Place, Reserved, Semaphore};
use wayfarer_runtime::{Control, fork};
use wayfarer_snapshot::view::Thread;

use super::functions::is_name;
use super::slots::{GENERATIONS, MOST, What, handle};
use super::{Call, Locks, Note};

/// The number of a thread that owns a mutex, and is in no image: none has it.
const NOBODY_HERE: u64 = 1 << 61;

/// All of it. Threads are indices into the image's.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LocksRecord {
    /// Every slot that was ever used: which one is next depends on them.
    pub(crate) slots: Vec<SlotRecord>,
    /// Keys, and their destructors, ascending.
    pub(crate) keys: Vec<(u32, u32)>,
    /// Values under them: thread, key, value.
    pub(crate) values: Vec<(u32, u32, u32)>,
    /// Threads that were woken, and have not noticed yet.
    pub(crate) woken: Vec<(u32, Note)>,
}

/// A slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SlotRecord {
    /// How often it was used before.
    pub(crate) generation: u32,
    pub(crate) object: Option<Object>,
    /// Who waits in its queue, first in first out.
    pub(crate) queue: Vec<WaitingRecord>,
}

/// What is in a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Object {
    Mutex {
        kind: KindRecord,
        owner: Option<Owner>,
        /// How often its owner has taken it again.
        again: u32,
    },
    Condition,
    Semaphore {
        name: Vec<u8>,
        open: bool,
        count: u32,
    },
}

/// Kind of a mutex.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum KindRecord {
    Normal,
    Recursive,
    ErrorCheck,
}

impl KindRecord {
    fn of(kind: Kind) -> KindRecord {
        match kind {
            Kind::Normal => KindRecord::Normal,
            Kind::Recursive => KindRecord::Recursive,
            Kind::ErrorCheck => KindRecord::ErrorCheck,
        }
    }

    fn kind(self) -> Kind {
        match self {
            KindRecord::Normal => Kind::Normal,
            KindRecord::Recursive => Kind::Recursive,
            KindRecord::ErrorCheck => Kind::ErrorCheck,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            KindRecord::Normal => "normal",
            KindRecord::Recursive => "recursive",
            KindRecord::ErrorCheck => "errorcheck",
        }
    }
}

/// Who has a mutex.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Owner {
    Thread(u32),
    /// One that is in no call, or has ended. It makes no difference which, as the mutex is a normal one.
    Outside,
}

/// A thread in a queue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct WaitingRecord {
    pub(crate) thread: u32,
    /// How long it waits still (nanoseconds); `None` for ever.
    pub(crate) left: Option<u64>,
    pub(crate) note: Note,
}

/// What is known of a thread that is here.
struct Known {
    /// What was noted, if it was woken.
    woken: Option<Note>,
    values: Vec<(u32, u32)>,
}

impl Locks {
    /// What an image of these threads says of the locks, if there is anything to say. All threads must stand still. The places of
    /// those that wait for a lock are in here, and not with the threads any more.
    ///
    /// # Errors
    /// What would not be restored as it is, in words.
    pub(crate) fn record(
        &self,
        control: &Control,
        threads: &mut [Thread],
    ) -> Result<Option<LocksRecord>, String> {
        let state = self.state.lock();
        let indices: BTreeMap<u64, u32> = threads.iter().map(|thread| thread.number).zip(0..).collect();
        let mut known = BTreeMap::new();
        control.threads().visit(|thread| {
            let waiter = thread.waiter();
            let woken = Note::of(waiter.note()).filter(|_| waiter.is_woken());
            known.insert(thread.id(), Known { woken, values: thread.specific().all() });
        });
        for (&number, waiting) in &state.waiting {
            let waiter = waiting.waiter();
            let woken = Note::of(waiter.note()).filter(|_| waiter.is_woken());
            known.insert(number, Known { woken, values: Vec::new() });
        }
        for (&number, values) in &state.values {
            known.entry(number).or_insert(Known { woken: None, values: Vec::new() }).values = values.clone();
        }
        let mut record = LocksRecord::default();
        for (number, known) in &known {
            let index = indices.get(number).copied();
            match index {
                None if !known.values.is_empty() => {
                    return Err(
                        "a thread that is in no call of the host's has values of pthread_setspecific, \
                                which no thread of a restored program would have"
                            .to_owned(),
                    );
                }
                None => continue,
                Some(index) => {
                    record.values.extend(known.values.iter().map(|&(key, value)| (index, key, value)));
                    record.woken.extend(known.woken.map(|note| (index, note)));
                }
            }
        }
        record.values.sort_unstable();
        record.woken.sort_unstable_by_key(|&(thread, _)| thread);
        let mut queues: BTreeMap<u64, Vec<Place>> = self.queues.places().into_iter().collect();
        for (number, &generation) in (0..).zip(&state.generations) {
            let mut queue = Vec::new();
            for place in queues.remove(&u64::from(number)).unwrap_or_default() {
                let thread = indices.get(&place.waiter).copied();
                let (Some(thread), Some(note)) = (thread, Note::of(place.note)) else {
                    return Err("a thread waits for a lock of the guest's in a call that is not the guest's"
                        .to_owned());
                };
                let left = place.left.map(|left| left.as_nanos().try_into().unwrap_or(u64::MAX));
                queue.push(WaitingRecord { thread, left, note });
            }
            let object = self.object(number, handle(number, generation), &state.names, &indices)?;
            record.slots.push(SlotRecord { generation, object, queue });
        }
        let keys = (0..KEYS as u32).filter(|&key| self.has_key(key));
        record.keys = keys.map(|key| (key, state.destructors[key as usize])).collect();
        record.check()?;
        // Their places are said here.
        for index in record.threads_that_wait() {
            threads[index as usize].waits = None;
        }
        Ok((record != LocksRecord::default()).then_some(record))
    }

    fn object(
        &self,
        number: u32,
        handle: u32,
        names: &BTreeMap<Vec<u8>, u32>,
        threads: &BTreeMap<u64, u32>,
    ) -> Result<Option<Object>, String> {
        let Some((_, slot, what)) = self.find(handle) else { return Ok(None) };
        Ok(Some(match what {
            What::Mutex(kind) => {
                let owner = slot.mutex.owner().map(|number| match threads.get(&number) {
                    Some(&thread) => Owner::Thread(thread),
                    None => Owner::Outside,
                });
                let kind = KindRecord::of(kind);
                if owner == Some(Owner::Outside) && kind != KindRecord::Normal {
                    return Err(format!(
                        "{} mutex {handle} is owned by a thread that is in no call of the host's, and would be nobody's",
                        kind.name()
                    ));
                }
                Object::Mutex { kind, owner, again: slot.mutex.taken_again() }
            }
            What::Condition => Object::Condition,
            What::Semaphore | What::Closed => {
                let name = names.iter().find(|&(_, &of)| of == number);
                let (name, _) = name.ok_or_else(|| format!("semaphore {handle} has no name"))?;
                let open = what == What::Semaphore;
                Object::Semaphore { name: name.clone(), open, count: slot.semaphore.count() }
            }
        }))
    }

    /// Makes all as an image says it, in place of what there is, before any of its threads goes on.
    ///
    /// # Errors
    /// What does not fit to the threads.
    pub(crate) fn restore(&self, record: &LocksRecord, threads: &[Thread]) -> Result<(), String> {
        record.check()?;
        record.check_threads(threads)?;
        let number = |thread: u32| threads[thread as usize].number;
        let state = &mut *self.state.lock();
        for slot in (0..state.generations.len() as u32).filter_map(|slot| self.slots.get(slot)) {
            slot.empty();
        }
        state.generations.clear();
        state.free.clear();
        state.names.clear();
        for (at, SlotRecord { generation, object, queue }) in (0..).zip(&record.slots) {
            state.generations.push(*generation);
            let slot = self.slots.make(at).ok_or("too many locks")?;
            let awaited = !queue.is_empty();
            let what = match object {
                None => {
                    state.free.insert(at);
                    continue;
                }
                Some(Object::Mutex { kind, owner, again }) => {
                    let owner = owner.map(|owner| match owner {
                        Owner::Thread(thread) => number(thread),
                        Owner::Outside => NOBODY_HERE,
                    });
                    slot.mutex.set(owner, *again, awaited);
                    What::Mutex(kind.kind())
                }
                Some(Object::Condition) => {
                    slot.condition.set(queue.len() as u64);
                    What::Condition
                }
                Some(Object::Semaphore { name, open, count }) => {
                    slot.semaphore.set(*count, awaited);
                    state.names.insert(name.clone(), at);
                    if *open { What::Semaphore } else { What::Closed }
                }
            };
            for WaitingRecord { thread, left, note } in queue {
                let waiter = number(*thread);
                let left = left.map(Duration::from_nanos);
                let place = Place { waiter, left, note: note.bits() };
                state.waiting.insert(waiter, self.queues.reserve(at.into(), &place));
            }
            slot.fill(handle(at, *generation), what);
        }
        for &(thread, note) in &record.woken {
            let number = number(thread);
            state.waiting.insert(number, Reserved::woken(number, fork::generation, note.bits()));
        }
        state.destructors = [0; KEYS];
        let mut keys = 0;
        for &(key, destructor) in &record.keys {
            state.destructors[key as usize] = destructor;
            keys |= 1 << key;
        }
        self.keys.store(keys, std::sync::atomic::Ordering::SeqCst);
        state.values.clear();
        for &(thread, key, value) in &record.values {
            state.values.entry(number(thread)).or_default().push((key, value));
        }
        Ok(())
    }
}

impl LocksRecord {
    /// Threads that stand in a queue, or were woken there.
    fn threads_that_wait(&self) -> impl Iterator<Item = u32> + '_ {
        let queued = self.slots.iter().flat_map(|slot| &slot.queue).map(|waiting| waiting.thread);
        queued.chain(self.woken.iter().map(|&(thread, _)| thread))
    }

    /// What is in a slot, if it is a mutex.
    fn is_mutex(&self, slot: u32) -> bool {
        let object = self.slots.get(slot as usize).and_then(|slot| slot.object.as_ref());
        matches!(object, Some(Object::Mutex { .. }))
    }

    /// Whether it can be so.
    ///
    /// # Errors
    /// What cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.slots.len() > MOST as usize {
            return Err(format!("there are {} locks", self.slots.len()));
        }
        let mut names = BTreeSet::new();
        for (number, slot) in (0..).zip(&self.slots) {
            if slot.generation >= GENERATIONS {
                return Err(format!("slot {number} was used {} times", slot.generation));
            }
            self.check_slot(number, slot, &mut names)
                .map_err(|why| format!("lock {}: {why}", handle(number, slot.generation)))?;
        }
        let mut waiting = BTreeSet::new();
        if let Some(thread) = self.threads_that_wait().find(|&thread| !waiting.insert(thread)) {
            return Err(format!("thread {thread} waits for two locks"));
        }
        if self.woken.iter().any(|(_, note)| note.object >= MOST || note.mutex >= MOST) {
            return Err("a thread was woken at a lock that cannot be".to_owned());
        }
        let ascending = self.keys.windows(2).all(|two| two[0].0 < two[1].0);
        if !ascending || self.keys.iter().any(|&(key, _)| key >= KEYS as u32) {
            return Err("keys are not in order, or too large".to_owned());
        }
        let mut of_thread = BTreeSet::new();
        if self.values.iter().any(|&(thread, key, _)| {
            self.keys.binary_search_by_key(&key, |&(key, _)| key).is_err() || !of_thread.insert((thread, key))
        }) {
            return Err("a thread has a value under no key, or two under one".to_owned());
        }
        Ok(())
    }

    fn check_slot<'a>(
        &'a self,
        number: u32,
        slot: &'a SlotRecord,
        names: &mut BTreeSet<&'a [u8]>,
    ) -> Result<(), String> {
        let waits = !slot.queue.is_empty();
        let fits = |note: &Note| match (&slot.object, note.call) {
            (Some(Object::Mutex { .. }), Call::Lock) => note.object == number && note.mutex == number,
            // One who was signalled, or is late.
            (Some(Object::Mutex { .. }), Call::Condition) => note.mutex == number && note.object < MOST,
            (Some(Object::Condition), Call::Condition) => note.object == number && note.mutex < MOST,
            (Some(Object::Semaphore { .. }), Call::Semaphore) => note.object == number && note.mutex == 0,
            _ => false,
        };
        if slot.queue.iter().any(|waiting| waiting.note.lost || !fits(&waiting.note)) {
            return Err("a thread waits there for something else".to_owned());
        }
        let may_be_late = matches!(slot.object, Some(Object::Mutex { .. }));
        if slot.queue.iter().any(|waiting| waiting.note.timed_out && !may_be_late) {
            return Err("a thread waits there though its time is over".to_owned());
        }
        let has_limits = matches!(slot.object, Some(Object::Condition));
        if slot.queue.iter().any(|waiting| waiting.left.is_some()) && !has_limits {
            return Err("a thread waits there for so long at most".to_owned());
        }
        match &slot.object {
            Some(Object::Mutex { owner: None, again, .. }) if waits || *again > 0 => {
                Err("it is free, and awaited or taken again".to_owned())
            }
            Some(Object::Mutex { kind, again, .. }) if *again > 0 && *kind != KindRecord::Recursive => {
                Err("it is taken again, and not recursive".to_owned())
            }
            Some(Object::Mutex { kind, owner: Some(Owner::Outside), .. }) if *kind != KindRecord::Normal => {
                Err("its owner is no thread".to_owned())
            }
            Some(Object::Semaphore { name, count, .. }) => {
                if !is_name(name) || !names.insert(name) {
                    return Err("its name cannot be, or is another's".to_owned());
                }
                if *count > Semaphore::MAX || waits && *count > 0 {
                    return Err(format!("a semaphore counts {count}"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether it is of these threads: who waits stands before a call.
    pub(super) fn check_threads(&self, threads: &[Thread]) -> Result<(), String> {
        let owners = self.slots.iter().filter_map(|slot| match slot.object {
            Some(Object::Mutex { owner: Some(Owner::Thread(thread)), .. }) => Some(thread),
            _ => None,
        });
        let values = self.values.iter().map(|&(thread, ..)| thread);
        if let Some(thread) = owners
            .chain(values)
            .chain(self.threads_that_wait())
            .find(|&thread| thread as usize >= threads.len())
        {
            return Err(format!("locks of thread {thread}, there are {} threads", threads.len()));
        }
        for thread in self.threads_that_wait().map(|thread| &threads[thread as usize]) {
            let stands =
                |frame: &wayfarer_snapshot::view::Frame| frame.position.kind == PointKind::BeforeCall;
            if !thread.frames.last().is_some_and(stands) || thread.waits.is_some() {
                return Err(format!(
                    "thread {} waits for a lock, and does not stand before a call",
                    thread.tid
                ));
            }
        }
        // A thread that has been signalled gets a mutex, if there is still one.
        Ok(())
    }

    /// The mutex that a thread waits for, or will when it is signalled.
    pub(crate) fn mutex_of(&self, note: &Note) -> Option<u32> {
        (note.call != Call::Semaphore && self.is_mutex(note.mutex)).then_some(note.mutex)
    }
}
