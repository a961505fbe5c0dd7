//! Threads that guests have started: each runs in an instance of its own, beside that of the thread that the host calls (its root), over
//! the same shared memories, on a thread of this library's.
//!
//! - `spawn`: how they come to be, and what they do; `end`: how all of a root's end together
//! - `stack`: what C's code needs of memory in each
//! - `restored`: those of an image
//!
//! What is known of them is changed by threads that are in the guest, or pass the gate: while an image is written it stands still. A
//! thread's instance goes when the thread has ended, and while others run ([`wayfarer_runtime::beside`]).
//!
//! A child of this process has none of them, and forgets what it has of them: its gate knows that somebody was left behind.

mod end;
mod restored;
mod spawn;
mod stack;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use wayfarer_runtime::{ExecEnv, GuestThread, Instance, Trap, Used, fork, futex};
use wayfarer_snapshot::view::Thread;

pub(crate) use restored::{check, restore};
pub(crate) use spawn::PlainContext;
pub use spawn::{STACK, Spawned, set_limit};

use crate::instance::HostParts;
use crate::lock::{Guard, Lock};
use crate::meeting;
use spawn::Job;

/// Thread ids, as the wasi-threads proposal has them.
pub(crate) const TIDS: std::ops::RangeInclusive<u32> = 1..=0x1FFF_FFFF;

/// Name of the function that a thread begins with.
pub(crate) const START: &str = "wasi_thread_start";

/// What a guest's thread runs in: made by the embedder, as natives may ask it of this. When it is dropped the thread's parts go.
pub trait ThreadContext: Send {
    /// The thread's parts.
    fn parts(&self) -> &HostParts;

    /// The same, to be ended.
    fn parts_mut(&mut self) -> &mut HostParts;

    /// As those who ask something of the thread know it.
    fn thread(&self) -> Option<Arc<GuestThread>>;

    /// Runs the guest, on the thread that is to be the guest's.
    ///
    /// # Errors
    /// Why it cannot.
    fn run(&self, guest: &mut dyn FnMut(&mut ExecEnv)) -> Result<(), &'static str>;
}

/// How far a thread is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// It has not come in yet, or has not been started since it was restored.
    Begins,
    /// It is in the guest.
    Runs,
    /// It is out again, and only what it had is still to go.
    Ended,
    /// The host runs what it likes in it, on a thread of its own.
    OfHost,
}

/// A thread.
pub(crate) struct Entry {
    /// Its id; 0 for one of the host's.
    pub(crate) tid: u32,
    /// What it was started with.
    pub(crate) arg: u32,
    /// Number of the instance that it was started beside.
    pub(crate) root: u32,
    /// Number of its own instance, once that is made.
    pub(crate) instance: Option<u32>,
    /// As the gate knows it, once it is made.
    pub(crate) id: Option<u64>,
    /// As natives that wait in it are known ([`crate::blocking`]).
    pub(crate) wake: usize,
    pub(crate) phase: Phase,
    /// What it is to do, while nobody does it.
    job: Option<Job>,
    /// Where it is to go on, until it does: it may have been started, and not come in.
    pub(crate) stack: Option<Thread>,
}

/// An instance that no thread has any more, and that is not the last of the store.
struct Vacant {
    root: u32,
    instance: Used<Instance>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The process that all this is of.
    process: u32,
    pub(crate) threads: Vec<Entry>,
    vacant: Vec<Vacant>,
    /// Roots whose threads are ending, and why.
    ends: Vec<(u32, Trap)>,
}

/// The threads of a store's guests.
#[derive(Default)]
pub(crate) struct GuestThreads {
    state: Lock<State>,
    /// Whether there are any: looked at by calls.
    any: AtomicBool,
    /// Whether there are any that nobody has started yet.
    waiting: AtomicBool,
    /// Whether some are ending.
    ending: AtomicBool,
    /// Changes when one has gone: a futex.
    gone: AtomicU32,
}

impl GuestThreads {
    fn state(&self) -> Guard<'_, State> {
        let mut state = self.state.lock();
        let here = fork::generation();
        if state.process != here {
            // The parent's. What they have may be in use as far as anybody can tell.
            std::mem::forget(std::mem::take(&mut *state));
            state.process = here;
            self.note(&state);
        }
        state
    }

    /// Looks at them. Only in a closed gate they stand still.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state())
    }

    fn note(&self, state: &State) {
        self.any.store(!state.threads.is_empty(), Ordering::SeqCst);
        self.ending.store(!state.ends.is_empty(), Ordering::SeqCst);
        self.waiting.store(state.threads.iter().any(|entry| entry.job.is_some()), Ordering::SeqCst);
    }

    /// This thread is about to fork.
    pub(crate) fn before_fork(&self) {
        self.state.before_fork();
    }

    /// It has, and this is the parent or the child. Async-signal-safe.
    pub(crate) fn after_fork(&self) {
        self.state.after_fork();
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// Whether this is the id of a thread that the guest has started.
    pub(crate) fn is_of_guest(&self, tid: u32) -> bool {
        self.any() && self.state().entry(tid).is_some()
    }

    /// Whether the guest has started the thread that the gate knows by this.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.any() && self.state().threads.iter().any(|entry| entry.id == Some(id))
    }

    /// Waits until there are none of a root but the host's, and those of an image that nobody has started.
    fn wait_for_none(&self, root: u32) {
        loop {
            let seen = self.gone.load(Ordering::SeqCst);
            let is_one =
                |entry: &Entry| entry.root == root && entry.phase != Phase::OfHost && entry.job.is_none();
            if !self.state().threads.iter().any(is_one) {
                return;
            }
            futex::wait(&self.gone, seen, None);
        }
    }

    fn tell(&self) {
        self.gone.fetch_add(1, Ordering::SeqCst);
        futex::wake_all(&self.gone);
    }

    /// With the stacks of those of an image that have not come in yet, whether anybody has started them or not; each of all these with an
    /// id of its own. Only in a closed gate nobody comes in.
    pub(crate) fn with_waiting(&self, mut threads: Vec<Thread>) -> Vec<Thread> {
        if self.any() {
            threads.extend(self.state().threads.iter().filter_map(|entry| entry.stack.clone()));
        }
        meeting::give_ids(&mut threads);
        threads
    }
}

impl State {
    /// Why threads of a root are ending, if they are.
    fn end_of(&self, root: u32) -> Option<&Trap> {
        self.ends.iter().find(|(of, _)| *of == root).map(|(_, why)| why)
    }

    /// Whether some are ending.
    pub(crate) fn is_ending(&self) -> bool {
        !self.ends.is_empty() && self.threads.iter().any(|entry| self.end_of(entry.root).is_some())
    }

    fn entry(&mut self, tid: u32) -> Option<&mut Entry> {
        self.threads.iter_mut().find(|entry| entry.tid == tid && entry.phase != Phase::OfHost)
    }

    /// Numbers of instances that no thread has, each with that of its root.
    pub(crate) fn vacant(&self) -> impl Iterator<Item = (u32, u32)> {
        self.vacant.iter().map(|vacant| {
            // SAFETY: it is used, so it is there.
            (unsafe { &*vacant.instance.as_ptr() }.number(), vacant.root)
        })
    }
}

/// How a root's threads are known together.
pub(crate) fn group_of(root: u32) -> usize {
    root as usize + 1
}
