//! Where a store's threads come together for a checkpoint: each with its stack, or why that cannot be had.
//!
//! All who come put themselves into a list, which is on their own stacks, and whoever closes the gate first takes it. Nobody
//! goes before he was told what becomes of him. In a child of the process nobody is here: its parent's threads that were, it
//! does not have.

use std::cell::UnsafeCell;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use wayfarer_runtime::registry::{Place, Registry};
use wayfarer_runtime::{AfterCheckpoint, fork};
use wayfarer_snapshot::view::Thread;

/// The stack of a thread that stands still: none if no guest's code is on it.
pub(crate) type Stack = Result<Option<Thread>, String>;

/// How long a thread is waited for that does not come to a stable point, in milliseconds.
static LIMIT: AtomicU64 = AtomicU64::new(5000);

/// How long a thread is waited for that does not come to a stable point.
pub(crate) fn limit() -> Duration {
    Duration::from_millis(LIMIT.load(Ordering::Relaxed))
}

/// Sets how long a checkpoint waits for a thread that does not come to a stable point, in milliseconds.
pub fn set_limit(milliseconds: u64) {
    LIMIT.store(milliseconds, Ordering::Relaxed);
}

/// What becomes of who has come: nothing yet.
const WAITS: u32 = 0;
const GOES_ON: u32 = 1;
const STOPS: u32 = 2;

/// A thread that has come.
pub(crate) struct Arrival {
    /// Its number.
    id: u64,
    /// Its stack, until it is taken.
    stack: UnsafeCell<Option<Stack>>,
    next: UnsafeCell<*const Arrival>,
    verdict: AtomicU32,
}

impl Arrival {
    pub(crate) fn new(id: u64, stack: Stack) -> Arrival {
        Arrival {
            id,
            stack: UnsafeCell::new(Some(stack)),
            next: UnsafeCell::new(null()),
            verdict: AtomicU32::new(WAITS),
        }
    }

    /// What became of it, once that is decided.
    pub(crate) fn verdict(&self) -> Option<AfterCheckpoint> {
        match self.verdict.load(Ordering::SeqCst) {
            WAITS => None,
            STOPS => Some(AfterCheckpoint::Stop),
            _ => Some(AfterCheckpoint::Continue),
        }
    }
}

/// Those who have come to a store's checkpoint.
#[derive(Default)]
pub(crate) struct Meeting {
    /// The last who came, and was not taken.
    last: AtomicPtr<Arrival>,
    /// How many have come, and were not let go. For a moment it may be one too few, never one too many.
    arrived: AtomicI64,
}

/// All of the process, for its children.
static MEETINGS: Registry<Meeting> = Registry::new();

/// A meeting that children know of.
pub(crate) struct Known {
    meeting: Box<Meeting>,
    place: Place<Meeting>,
}

impl Known {
    pub(crate) fn new() -> Known {
        static NOTICED: AtomicBool = AtomicBool::new(false);
        // SAFETY: it does only what is allowed there, and is this library's.
        unsafe { fork::in_children(&NOTICED, in_child) };
        let meeting = Box::new(Meeting::default());
        // SAFETY: the box stays until this is dropped, which removes it.
        let place = unsafe { MEETINGS.add(&raw const *meeting) };
        Known { meeting, place }
    }
}

impl std::ops::Deref for Known {
    type Target = Meeting;

    fn deref(&self) -> &Meeting {
        &self.meeting
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        // SAFETY: `new` has added it.
        unsafe { MEETINGS.remove(&self.place) };
    }
}

/// In a process that was just forked. Only what is async-signal-safe.
unsafe extern "C" fn in_child() {
    MEETINGS.visit(|meeting| {
        meeting.last.store(null_mut(), Ordering::SeqCst);
        meeting.arrived.store(0, Ordering::SeqCst);
    });
}

impl Meeting {
    /// Another one has come.
    ///
    /// # Safety
    /// `arrival` must stay where it is until it has a verdict.
    pub(crate) unsafe fn arrive(&self, arrival: *const Arrival) {
        let mut last = self.last.load(Ordering::SeqCst);
        loop {
            // SAFETY: nobody else has it yet.
            unsafe { *(*arrival).next.get() = last };
            match self.last.compare_exchange(last, arrival.cast_mut(), Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break,
                Err(now) => last = now,
            }
        }
        self.arrived.fetch_add(1, Ordering::SeqCst);
    }

    /// How many have come, and were not let go.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::SeqCst).try_into().unwrap_or_default()
    }

    /// Those who have come so far, in the order of their numbers. Only who has closed the gate takes them.
    pub(crate) fn take(&self) -> Attendance<'_> {
        let (mut all, mut at) = (Vec::new(), self.last.swap(null_mut(), Ordering::SeqCst).cast_const());
        while !at.is_null() {
            all.push(at);
            // SAFETY: it stays until it has a verdict, and is only ours now.
            at = unsafe { *(*at).next.get() };
        }
        // SAFETY: as above.
        all.sort_by_key(|&arrival| unsafe { (*arrival).id });
        Attendance { meeting: self, process: fork::generation(), all, verdict: GOES_ON }
    }
}

/// Those who have come. When this is dropped they go on, or stop.
pub(crate) struct Attendance<'a> {
    meeting: &'a Meeting,
    /// The process in which they have come.
    process: u32,
    all: Vec<*const Arrival>,
    verdict: u32,
}

impl Attendance<'_> {
    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Their stacks, each with an id of its own: the one that it had, if no other has it.
    ///
    /// # Errors
    /// Why one cannot be had.
    pub(crate) fn stacks(&self) -> Result<Vec<Thread>, String> {
        // SAFETY: they stay until they have a verdict, and only who has closed the gate, and took them, looks at them.
        let stacks = self.all.iter().filter_map(|&arrival| unsafe { (*(*arrival).stack.get()).take() });
        let mut threads: Vec<Thread> = stacks.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        give_ids(&mut threads);
        Ok(threads)
    }

    /// They are to stop.
    pub(crate) fn stop(&mut self) {
        self.verdict = STOPS;
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if self.process == fork::generation() {
            self.meeting.arrived.fetch_sub(self.all.len() as i64, Ordering::SeqCst);
        }
        for &arrival in &self.all {
            // SAFETY: it stays until it has a verdict; from then on nobody here looks at it.
            unsafe { (*arrival).verdict.store(self.verdict, Ordering::SeqCst) };
        }
    }
}

/// Sees to it that no two threads have the same id.
pub(crate) fn give_ids(threads: &mut [Thread]) {
    for nth in 1..threads.len() {
        let (before, rest) = threads.split_at_mut(nth);
        let thread = &mut rest[0];
        if before.iter().any(|other| other.tid == thread.tid) {
            thread.tid = (0..).find(|id| before.iter().all(|other| other.tid != *id)).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_snapshot::view::Entry;

    fn thread(tid: u32) -> Thread {
        Thread { entry: Entry::Call, frames: Vec::new(), tid }
    }

    #[test]
    fn stacks_are_in_the_order_of_their_threads_and_have_ids_of_their_own() {
        let meeting = Meeting::default();
        let all =
            [(7, Ok(Some(thread(0)))), (3, Ok(Some(thread(0)))), (5, Ok(None)), (9, Ok(Some(thread(1))))]
                .map(|(id, stack)| Arrival::new(id, stack));
        // SAFETY: they stay until the end.
        all.iter().for_each(|arrival| unsafe { meeting.arrive(arrival) });
        assert_eq!(meeting.arrived(), 4);
        let mut attendance = meeting.take();
        assert_eq!(attendance.count(), 4);
        let tids: Vec<u32> = attendance.stacks().unwrap().iter().map(|thread| thread.tid).collect();
        assert_eq!(tids, [0, 1, 2]);
        assert!(all.iter().all(|arrival| arrival.verdict().is_none()));
        attendance.stop();
        drop(attendance);
        assert!(all.iter().all(|arrival| arrival.verdict() == Some(AfterCheckpoint::Stop)));
        assert_eq!(meeting.arrived(), 0);
    }

    #[test]
    fn one_who_cannot_be_captured_is_why_there_is_no_image() {
        let meeting = Meeting::default();
        let all = [Arrival::new(1, Ok(Some(thread(0)))), Arrival::new(2, Err("deep inside".to_owned()))];
        // SAFETY: they stay until the end.
        all.iter().for_each(|arrival| unsafe { meeting.arrive(arrival) });
        let attendance = meeting.take();
        assert_eq!(attendance.stacks().unwrap_err(), "deep inside");
        drop(attendance);
        assert!(all.iter().all(|arrival| arrival.verdict() == Some(AfterCheckpoint::Continue)));
    }
}
