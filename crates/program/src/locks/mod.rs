//! Mutexes, condition variables, named semaphores and thread-local keys of a program: what upstream's host pthread library keeps for
//! a guest. The guest has handles.
//!
//! - `slots`: where the objects are; `note`: what is known of who waits
//! - [`functions`]: the imports; `record`: what an image holds
//!
//! The objects themselves, and the queues, are `wayfarer_wait_queue`'s. A lock of this program's own is taken only where objects come
//! and go, and for names.

pub mod functions;
mod note;
mod record;
mod slots;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wayfarer_runtime::specific::KEYS;
use wayfarer_runtime::waits::{At, Reserved, WaitQueues, Waiter};
use wayfarer_runtime::{Control, GuestThread, fork};

use crate::lock::Lock;
pub(crate) use note::{Call, LOST, Note};
pub(crate) use record::{LocksRecord, Object, Owner};
pub(crate) use slots::handle;
use slots::{GENERATIONS, MOST, Slot, Slots, What};

/// All of a program.
#[derive(Debug)]
pub struct Locks {
    queues: Arc<WaitQueues<()>>,
    slots: Slots,
    /// Keys that there are: a bit each.
    keys: AtomicU32,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often each slot was used before.
    generations: Vec<u32>,
    /// Those in which there is nothing.
    free: BTreeSet<u32>,
    /// Semaphores, by name.
    names: BTreeMap<Vec<u8>, u32>,
    /// Functions that are called with a key's value when a thread ends, as indices in the guest's table; 0 for none.
    destructors: [u32; KEYS],
    /// Of threads of an image that nobody has gone on with, by their numbers.
    waiting: BTreeMap<u64, Reserved>,
    values: BTreeMap<u64, Vec<(u32, u32)>>,
}

impl Default for Locks {
    fn default() -> Locks {
        Locks {
            queues: WaitQueues::new(fork::generation),
            slots: Slots::default(),
            keys: AtomicU32::new(0),
            state: Lock::default(),
        }
    }
}

impl Locks {
    /// This thread is about to fork.
    pub(crate) fn before_fork(&self) {
        self.state.before_fork();
    }

    /// It has, and this is the parent or the child. Async-signal-safe.
    pub(crate) fn after_fork(&self) {
        self.state.after_fork();
    }

    /// Whether there was ever anything.
    pub(crate) fn is_used(&self) -> bool {
        self.keys.load(Ordering::Relaxed) != 0 || !self.state.lock().generations.is_empty()
    }

    /// The queue of a slot.
    fn at(&self, slot: u32) -> At<'_> {
        At { queues: &self.queues, key: slot.into() }
    }

    /// What a handle is of.
    fn find(&self, handle: u32) -> Option<(u32, &Slot, What)> {
        self.slots.find(handle)
    }

    /// Makes something: its handle. `None`: there are too many.
    fn create(&self, what: What) -> Option<u32> {
        self.create_in(&mut self.state.lock(), what, 0)
    }

    /// The smallest slot that is free is used, so it depends on nothing but what was made and destroyed before.
    fn create_in(&self, state: &mut State, what: What, count: u32) -> Option<u32> {
        let number = match state.free.pop_first() {
            Some(free) => free,
            None => {
                let new = u32::try_from(state.generations.len()).ok().filter(|&new| new < MOST)?;
                state.generations.push(0);
                new
            }
        };
        let slot = self.slots.make(number)?;
        slot.mutex.set(None, 0, false);
        slot.condition.set(0);
        slot.semaphore.set(count, false);
        let handle = handle(number, *state.generations.get(number as usize)?);
        slot.fill(handle, what);
        Some(handle)
    }

    /// Destroys what a handle is of. Whoever waits for it comes back, and has nothing.
    fn remove(&self, handle: u32) {
        self.remove_in(&mut self.state.lock(), handle);
    }

    fn remove_in(&self, state: &mut State, handle: u32) {
        let Some((number, slot, _)) = self.find(handle) else { return };
        slot.empty();
        let key = number.into();
        self.queues.locked(|queues| while queues.wake_first_noting(key, |note| note | LOST).is_some() {});
        if let Some(generation) = state.generations.get_mut(number as usize) {
            *generation = (*generation + 1) % GENERATIONS;
        }
        state.free.insert(number);
    }

    /// Has the first who wait for a condition variable go on: all of them, or one.
    fn signal(&self, slot: u32, object: &Slot, count: u64) {
        object.condition.signal(self.at(slot), count, LOST, |bits| {
            let mutex = Note::of(bits)?.mutex;
            let slot = self.slots.get(mutex)?;
            matches!(slot.what(), Some(What::Mutex(_))).then_some((&slot.mutex, mutex.into()))
        });
    }

    /// Opens a semaphore, or makes it: its handle.
    fn open(&self, name: &[u8], create: bool, count: u32) -> Option<u32> {
        let state = &mut *self.state.lock();
        if let Some(&number) = state.names.get(name) {
            let handle = handle(number, *state.generations.get(number as usize)?);
            self.slots.get(number)?.fill(handle, What::Semaphore);
            return Some(handle);
        }
        if !create {
            return None;
        }
        let handle = self.create_in(state, What::Semaphore, count)?;
        state.names.insert(name.to_vec(), slots::slot_of(handle)?);
        Some(handle)
    }

    /// Nobody has it open any more; false if it is no open semaphore. It keeps its count, until it is unlinked.
    fn close(&self, handle: u32) -> bool {
        let _state = self.state.lock();
        match self.find(handle) {
            Some((_, slot, What::Semaphore)) => {
                slot.fill(handle, What::Closed);
                true
            }
            _ => false,
        }
    }

    /// Removes a semaphore; false if there is none of this name.
    fn unlink(&self, name: &[u8]) -> bool {
        let state = &mut *self.state.lock();
        let Some(number) = state.names.remove(name) else { return false };
        if let Some(&generation) = state.generations.get(number as usize) {
            self.remove_in(state, handle(number, generation));
        }
        true
    }

    /// Whether there is such a key.
    fn has_key(&self, key: u32) -> bool {
        key < KEYS as u32 && self.keys.load(Ordering::Relaxed) & 1 << key != 0
    }

    /// Makes a key with this destructor. `None`: there are too many.
    fn create_key(&self, destructor: u32) -> Option<u32> {
        let mut state = self.state.lock();
        let key = (!self.keys.load(Ordering::Relaxed)).trailing_zeros();
        *state.destructors.get_mut(key as usize)? = destructor;
        self.keys.fetch_or(1 << key, Ordering::Relaxed);
        Some(key)
    }

    /// Deletes it, with the values that threads have under it; false if there is none.
    fn delete_key(&self, control: &Control, key: u32) -> bool {
        let mut state = self.state.lock();
        if !self.has_key(key) {
            return false;
        }
        self.keys.fetch_and(!(1 << key), Ordering::Relaxed);
        state.destructors[key as usize] = 0;
        state.values.values_mut().for_each(|values| values.retain(|&(of, _)| of != key));
        control.threads().visit(|thread| thread.specific().set(key as usize, 0));
        true
    }

    /// Takes the values of a thread that ends, each with the function that is called with it, if there is one: an index in the
    /// guest's table. Such a function may set values again.
    pub fn take_values(&self, thread: &GuestThread) -> Vec<(u32, u32)> {
        let state = self.state.lock();
        let all = thread.specific().all();
        all.iter().for_each(|&(key, _)| thread.specific().set(key as usize, 0));
        let with_destructor =
            |(key, value): (u32, u32)| (state.destructors.get(key as usize).copied().unwrap_or(0), value);
        all.into_iter().map(with_destructor).filter(|&(destructor, _)| destructor != 0).collect()
    }

    /// A thread of an image goes on as this one: what it had under its old number, it has.
    pub(crate) fn take_up(&self, number: u64, thread: &GuestThread) {
        let mut state = self.state.lock();
        // First: what is handed over from here on is handed to the new one.
        if let Some(waiting) = state.waiting.remove(&number) {
            waiting.take_over(thread.waiter());
        }
        let slots = state.generations.len() as u32;
        self.queues.locked(|_| {
            for slot in (0..slots).filter_map(|slot| self.slots.get(slot)) {
                slot.mutex.rename(number, thread.id());
            }
        });
        for (key, value) in state.values.remove(&number).unwrap_or_default() {
            thread.specific().set(key as usize, value);
        }
    }

    /// What a thread is in, that comes again after it was interrupted. A place that it has elsewhere it gives up.
    fn kept(&self, me: &Waiter, call: Call, object: Option<u32>) -> Option<Note> {
        if !me.stands() {
            return None;
        }
        let note = Note::of(me.note()).filter(|note| note.call == call && Some(note.object) == object);
        if note.is_none() {
            me.leave();
        }
        note
    }
}
