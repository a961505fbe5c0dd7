//! The queues.

use crate::lock::{Guard, Lock};
use crate::sync::{AtomicUsize, Ordering};
use crate::waiter::{FREE, Home, QUEUED, Stand, WOKEN, Waited, Waiter};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A place in a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Whose it is: [`Waiter::id`].
    pub waiter: u64,
    /// How long it waits still; `None` for ever.
    pub left: Option<Duration>,
    /// What is noted of it: [`Waiter::note`].
    pub note: u64,
}

/// A place that is kept for somebody who comes later. He may be woken there before, and the time runs.
#[derive(Debug)]
pub struct Reserved(Arc<Waiter>);

impl Reserved {
    /// For somebody who was woken already. `waiter` is a number of his own, `note` what was noted of him.
    pub fn woken(waiter: u64, process: fn() -> u32, note: u64) -> Reserved {
        let waiter = Waiter::new(waiter, process);
        waiter.set_note(note);
        waiter.state.store(WOKEN, Ordering::SeqCst);
        Reserved(waiter)
    }

    /// As queues know him meanwhile.
    pub fn waiter(&self) -> &Waiter {
        &self.0
    }

    /// He is there: the place is now that of `waiter`, who is in no queue.
    pub fn take_over(self, waiter: &Arc<Waiter>) {
        match self.0.stand() {
            Some(stand) => stand.home.replace(&self.0, waiter),
            None => {
                waiter.set_note(self.0.note());
                waiter.state.store(self.0.state.load(Ordering::SeqCst), Ordering::SeqCst);
            }
        }
    }
}

impl Drop for Reserved {
    /// Whoever does not come has no place.
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[derive(Debug)]
struct Entry {
    waiter: Arc<Waiter>,
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Queue<S> {
    state: S,
    waiters: VecDeque<Entry>,
}

#[derive(Debug)]
struct Queues<S>(BTreeMap<u64, Queue<S>>);

impl<S> Default for Queues<S> {
    fn default() -> Self {
        Queues(BTreeMap::new())
    }
}

/// Queues by key, each with a state that is the user's. A queue that nobody is in, and whose state is what it was at first, is not
/// kept.
#[derive(Debug)]
pub struct WaitQueues<S: Send> {
    queues: Lock<Queues<S>>,
    /// How many are in a queue, or about to be: who finds none need not take the lock.
    waiting: AtomicUsize,
}

impl<S: Default + PartialEq + Send + 'static> WaitQueues<S> {
    /// Nobody waits. `process` as for [`Waiter::new`].
    pub fn new(process: fn() -> u32) -> Arc<WaitQueues<S>> {
        Arc::new(WaitQueues { queues: Lock::new(process), waiting: AtomicUsize::new(0) })
    }

    /// Looks at the queues and changes them, in one step. Who is woken starts when it is done.
    pub fn locked<R>(self: &Arc<Self>, change: impl FnOnce(&mut Locked<'_, S>) -> R) -> R {
        let mut locked = Locked { home: self, queues: self.queues.lock(), woken: Vec::new() };
        let result = change(&mut locked);
        let Locked { queues, woken, .. } = locked;
        drop(queues);
        for waiter in woken {
            waiter.tell();
        }
        result
    }

    /// Waits in the queue of `key`, for so long at most; unless `is_to_wait`, asked with the queues locked, says no: then `None`.
    /// A waiter that has kept its place there waits on, and nothing is asked.
    pub fn wait(
        self: &Arc<Self>,
        waiter: &Arc<Waiter>,
        key: u64,
        timeout: Option<Duration>,
        is_to_wait: impl FnOnce() -> bool,
        interrupted: impl Fn() -> bool,
    ) -> Option<Waited> {
        if !self.has_kept(waiter, key) {
            let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            // Before the value is looked at: see `wake`.
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let queued = self.locked(|queues| {
                let waits = is_to_wait();
                if waits {
                    queues.enqueue(key, waiter, deadline, 0);
                }
                waits
            });
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            if !queued {
                return None;
            }
        }
        Some(waiter.park(interrupted))
    }

    /// Waits where the waiter stands, after [`Locked::enqueue`].
    pub fn park(self: &Arc<Self>, waiter: &Waiter, interrupted: impl Fn() -> bool) -> Waited {
        waiter.park(interrupted)
    }

    /// Whether the waiter has a place in this queue, or was woken there; a place elsewhere it gives up.
    pub fn has_kept(self: &Arc<Self>, waiter: &Waiter, key: u64) -> bool {
        match waiter.stand() {
            // He may have been woken before he was there.
            None => waiter.stands(),
            Some(stand) if stand.key == key && std::ptr::eq(stand.home.address(), self.address()) => true,
            Some(_) => {
                waiter.leave();
                false
            }
        }
    }

    /// Wakes the first `count` in the queue of `key`; how many it woke.
    pub fn wake(self: &Arc<Self>, key: u64, count: u64) -> u64 {
        // Who is about to wait has said so before he looks at what this one has changed before; so if this one does not see
        // him, he sees that.
        crate::sync::fence();
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        self.locked(|queues| queues.wake(key, count))
    }

    /// All places, by key, first in the queue first.
    pub fn places(&self) -> Vec<(u64, Vec<Place>)> {
        let now = Instant::now();
        let place = |entry: &Entry| Place {
            waiter: entry.waiter.id(),
            left: entry.deadline.map(|deadline| deadline.saturating_duration_since(now)),
            note: entry.waiter.note(),
        };
        let queues = self.queues.lock();
        let places = queues.0.iter().map(|(key, queue)| (*key, queue.waiters.iter().map(place).collect()));
        places.filter(|(_, places): &(u64, Vec<Place>)| !places.is_empty()).collect()
    }

    /// Keeps the place at the end of the queue of `key` for somebody who comes later, as `place` says it. Its number is of his own.
    pub fn reserve(self: &Arc<Self>, key: u64, place: &Place) -> Reserved {
        let deadline = place.left.and_then(|left| Instant::now().checked_add(left));
        let waiter = Waiter::new(place.waiter, self.queues.here());
        self.locked(|queues| queues.enqueue(key, &waiter, deadline, place.note));
        Reserved(waiter)
    }
}

impl<S: Default + PartialEq + Send + 'static> Home for WaitQueues<S> {
    fn forget(&self, waiter: &Waiter) {
        let mut queues = self.queues.lock();
        // Where it stands by now: nobody moves it while the queues are locked.
        if waiter.state.load(Ordering::SeqCst) == QUEUED
            && let Some(stand) = waiter.stand()
        {
            self.take_out(&mut queues, stand.key, waiter);
        }
    }

    fn replace(&self, one: &Waiter, other: &Arc<Waiter>) {
        let mut queues = self.queues.lock();
        let Some(stand) = one.stand() else { return };
        for entry in queues.0.get_mut(&stand.key).into_iter().flat_map(|queue| &mut queue.waiters) {
            if std::ptr::eq(&*entry.waiter, one) {
                entry.waiter = other.clone();
            }
        }
        other.set_note(one.note());
        other.set_stand(Some(stand));
        other.state.store(one.state.swap(FREE, Ordering::SeqCst), Ordering::SeqCst);
        one.set_stand(None);
    }

    fn address(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }
}

impl<S: Default + PartialEq + Send + 'static> WaitQueues<S> {
    /// Takes a waiter out of its queue.
    fn take_out(&self, queues: &mut Queues<S>, key: u64, waiter: &Waiter) {
        if let Some(queue) = queues.0.get_mut(&key) {
            let before = queue.waiters.len();
            queue.waiters.retain(|entry| !std::ptr::eq(&*entry.waiter, waiter));
            self.waiting.fetch_sub(before - queue.waiters.len(), Ordering::SeqCst);
        }
        queues.tidy(key);
        waiter.state.store(FREE, Ordering::SeqCst);
    }
}

impl<S: Default + PartialEq> Queues<S> {
    /// Does not keep what is as if it had never been.
    fn tidy(&mut self, key: u64) {
        if self.0.get(&key).is_some_and(|q| q.waiters.is_empty() && q.state == S::default()) {
            self.0.remove(&key);
        }
    }
}

/// The queues, while nobody else looks at them.
pub struct Locked<'a, S: Send> {
    home: &'a Arc<WaitQueues<S>>,
    queues: Guard<'a, Queues<S>>,
    woken: Vec<Arc<Waiter>>,
}

impl<S: Default + PartialEq + Send + 'static> Locked<'_, S> {
    /// The state of a key.
    pub fn state(&self, key: u64) -> Option<&S> {
        self.queues.0.get(&key).map(|queue| &queue.state)
    }

    /// Sets the state of a key.
    pub fn set_state(&mut self, key: u64, state: S) {
        let default = || Queue { state: S::default(), waiters: VecDeque::new() };
        self.queues.0.entry(key).or_insert_with(default).state = state;
        self.queues.tidy(key);
    }

    /// Keys that have a state, or somebody in their queue.
    pub fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.queues.0.keys().copied()
    }

    /// How many are in a queue.
    pub fn waiting(&self, key: u64) -> usize {
        self.queues.0.get(&key).map_or(0, |queue| queue.waiters.len())
    }

    /// Who stands first in the queue of `key`.
    pub fn first(&self, key: u64) -> Option<&Arc<Waiter>> {
        Some(&self.queues.0.get(&key)?.waiters.front()?.waiter)
    }

    /// Puts a waiter, who is in no queue, at the end of one. His thread waits by [`WaitQueues::park`] then. `note` is what is to be
    /// known of it later; 0 for nothing.
    pub fn enqueue(&mut self, key: u64, waiter: &Arc<Waiter>, deadline: Option<Instant>, note: u64) {
        waiter.set_note(note);
        let home: Arc<dyn Home> = self.home.clone();
        waiter.set_stand(Some(Stand { home, key, deadline }));
        waiter.state.store(QUEUED, Ordering::SeqCst);
        self.home.waiting.fetch_add(1, Ordering::SeqCst);
        let default = || Queue { state: S::default(), waiters: VecDeque::new() };
        let queue = self.queues.0.entry(key).or_insert_with(default);
        queue.waiters.push_back(Entry { waiter: waiter.clone(), deadline });
    }

    /// Wakes the first in the queue of `key`: his number.
    pub fn wake_first(&mut self, key: u64) -> Option<u64> {
        self.wake_first_noting(key, |note| note)
    }

    /// The same; what is noted of him changes.
    pub fn wake_first_noting(&mut self, key: u64, noting: impl FnOnce(u64) -> u64) -> Option<u64> {
        let first = self.queues.0.get_mut(&key)?.waiters.pop_front()?;
        self.home.waiting.fetch_sub(1, Ordering::SeqCst);
        let id = first.waiter.id();
        first.waiter.set_note(noting(first.waiter.note()));
        first.waiter.state.store(WOKEN, Ordering::SeqCst);
        self.woken.push(first.waiter);
        self.queues.tidy(key);
        Some(id)
    }

    /// Wakes the first `count`; how many it woke.
    pub fn wake(&mut self, key: u64, count: u64) -> u64 {
        (0..count).take_while(|_| self.wake_first(key).is_some()).count() as u64
    }

    /// Has the first `count` in one queue stand at the end of another, without a limit of time there; how many. They are not woken.
    pub fn requeue(&mut self, from: u64, to: u64, count: u64) -> u64 {
        let mut moved = 0;
        while moved < count && from != to {
            let Some(Entry { waiter, .. }) =
                self.queues.0.get_mut(&from).and_then(|queue| queue.waiters.pop_front())
            else {
                break;
            };
            self.home.waiting.fetch_sub(1, Ordering::SeqCst);
            self.enqueue(to, &waiter, None, waiter.note());
            moved += 1;
        }
        self.queues.tidy(from);
        moved
    }
}
