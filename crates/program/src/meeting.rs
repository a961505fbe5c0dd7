//! Where a store's threads come together for a checkpoint: each with its stack, or why that cannot be had.
//!
//! All who come put themselves into a list, which is on their own stacks, and whoever closes the gate first takes it. Nobody
//! goes before he was told what becomes of him. In a child of the process nobody is here: its parent's threads that were, it
//! does not have.

use std::cell::UnsafeCell;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use wayfarer_runtime::{AfterCheckpoint, fork};
use wayfarer_snapshot::view::Thread;

use super::config;

/// The stack of a thread that stands still: none if no guest's code is on it.
pub(crate) type Stack = Result<Option<Thread>, String>;

/// How long a thread is waited for that does not come to a stable point, in milliseconds, if the host has said it.
static LIMIT: AtomicU64 = AtomicU64::new(UNSAID);
const UNSAID: u64 = u64::MAX;

/// Otherwise, and if the settings do not say it either.
const DEFAULT_LIMIT: Duration = Duration::from_secs(5);

/// How long a thread is waited for that does not come to a stable point.
pub(crate) fn limit() -> Duration {
    match LIMIT.load(Ordering::Relaxed) {
        UNSAID => config::in_force().ok().and_then(|settings| settings.stop_limit).unwrap_or(DEFAULT_LIMIT),
        milliseconds => Duration::from_millis(milliseconds),
    }
}

/// Sets how long a checkpoint waits for a thread that does not come to a stable point, in milliseconds.
pub fn set_limit(milliseconds: u64) {
    LIMIT.store(milliseconds.min(UNSAID - 1), Ordering::Relaxed);
}

/// What becomes of who has come: nothing yet.
const WAITS: u32 = 0;
const GOES_ON: u32 = 1;
const STOPS: u32 = 2;
/// It comes again.
const AGAIN: u32 = 3;

/// What becomes of who has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It goes on, or stops.
    Goes(AfterCheckpoint),
    /// It was not asked for what it came for: it comes once more, from where it is.
    Again,
}

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

    /// What becomes of it, once that is decided.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match self.verdict.load(Ordering::SeqCst) {
            WAITS => None,
            AGAIN => Some(Verdict::Again),
            STOPS => Some(Verdict::Goes(AfterCheckpoint::Stop)),
            _ => Some(Verdict::Goes(AfterCheckpoint::Continue)),
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

impl Meeting {
    /// This process was just forked: nobody is here. Async-signal-safe.
    pub(crate) fn forked(&self) {
        self.last.store(null_mut(), Ordering::SeqCst);
        self.arrived.store(0, Ordering::SeqCst);
    }

    /// Another one has come.
    ///
    /// # Safety
    /// `arrival` must stay where it is until it has a verdict.
    pub(crate) unsafe fn arrive(&self, arrival: *const Arrival) {
        // SAFETY: nobody else has it yet.
        unsafe { (*arrival).verdict.store(WAITS, Ordering::SeqCst) };
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
        let parked = Parked { process: fork::generation(), all, verdict: GOES_ON };
        Attendance { meeting: self, parked }
    }

    /// Those who were left waiting.
    pub(crate) fn attendance(&self, parked: Parked) -> Attendance<'_> {
        Attendance { meeting: self, parked }
    }
}

/// Those who have come, and wait. Their stacks are looked at by one thread at a time.
pub(crate) struct Parked {
    /// The process in which they have come.
    process: u32,
    all: Vec<*const Arrival>,
    verdict: u32,
}

// SAFETY: arrivals stay where they are until they have a verdict, and who comes does not look at his stack meanwhile.
unsafe impl Send for Parked {}

impl Parked {
    /// Whether they have come in this very process.
    pub(crate) fn is_here(&self) -> bool {
        self.process == fork::generation()
    }

    /// Their numbers and stacks, to be looked at.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = (u64, &Stack)> {
        // SAFETY: they stay until they have a verdict, and only who has this looks at them.
        let look = |&arrival: &*const Arrival| unsafe { ((*arrival).id, &*(*arrival).stack.get()) };
        self.all.iter().map(look).filter_map(|(id, stack)| Some((id, stack.as_ref()?)))
    }

    /// Their numbers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> {
        // SAFETY: they stay until they have a verdict.
        self.all.iter().map(|&arrival| unsafe { (*arrival).id })
    }

    /// They are to stop.
    pub(crate) fn stop(&mut self) {
        self.verdict = STOPS;
    }
}

/// Those who have come. When this is dropped they go on, or stop, or come again.
pub(crate) struct Attendance<'a> {
    meeting: &'a Meeting,
    parked: Parked,
}

impl Attendance<'_> {
    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.parked.all.len()
    }

    /// Who they are.
    pub(crate) fn parked(&self) -> &Parked {
        &self.parked
    }

    /// Their stacks, each with an id of its own: the one that it had, if no other has it.
    ///
    /// # Errors
    /// Why one cannot be had.
    pub(crate) fn stacks(&self) -> Result<Vec<Thread>, String> {
        // SAFETY: they stay until they have a verdict, and only who has closed the gate, and took them, looks at them.
        together(self.parked.all.iter().filter_map(|&arrival| unsafe { (*(*arrival).stack.get()).take() }))
    }

    /// They are to stop.
    pub(crate) fn stop(&mut self) {
        self.parked.stop();
    }

    /// They are to come once more.
    pub(crate) fn again(&mut self) {
        self.parked.verdict = AGAIN;
    }

    /// Leaves them waiting.
    pub(crate) fn park(mut self) -> Parked {
        // What is dropped has nobody.
        let nobody = Parked { all: Vec::new(), ..self.parked };
        std::mem::replace(&mut self.parked, nobody)
    }
}

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if self.parked.is_here() {
            self.meeting.arrived.fetch_sub(self.parked.all.len() as i64, Ordering::SeqCst);
        }
        for &arrival in &self.parked.all {
            // SAFETY: it stays until it has a verdict; from then on nobody here looks at it.
            unsafe { (*arrival).verdict.store(self.parked.verdict, Ordering::SeqCst) };
        }
    }
}

/// Stacks of threads, each with an id of its own.
///
/// # Errors
/// Why one cannot be had.
pub(crate) fn together(stacks: impl Iterator<Item = Stack>) -> Result<Vec<Thread>, String> {
    let mut threads: Vec<Thread> = stacks.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    give_ids(&mut threads);
    Ok(threads)
}

/// Sees to it that no two threads have the same id. Those that the guest has started keep theirs; others have 0.
pub(crate) fn give_ids(threads: &mut [Thread]) {
    for nth in 1..threads.len() {
        if threads[..nth].iter().any(|other| other.tid == threads[nth].tid) {
            let free = |id: &u32| threads.iter().all(|other| other.tid != *id);
            threads[nth].tid = (0..).find(free).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_snapshot::view::Entry;

    fn thread(tid: u32) -> Thread {
        Thread { entry: Entry::Call, frames: Vec::new(), tid, watched: Vec::new(), number: 0, waits: None }
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
        // The guest has started the last one.
        assert_eq!(tids, [0, 2, 1]);
        assert!(all.iter().all(|arrival| arrival.verdict().is_none()));
        attendance.stop();
        drop(attendance);
        assert!(all.iter().all(|arrival| arrival.verdict() == Some(Verdict::Goes(AfterCheckpoint::Stop))));
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
        assert!(
            all.iter().all(|arrival| arrival.verdict() == Some(Verdict::Goes(AfterCheckpoint::Continue)))
        );
    }
}
