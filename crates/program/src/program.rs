//! A program: a store, with what takes its checkpoints.

use std::os::fd::RawFd;
use std::sync::Arc;

use wayfarer_runtime::{GuestThread, Store};
use wayfarer_snapshot::view::{Entry, Thread};

use crate::driver::Driver;
use crate::embedder::Embedder;
use crate::guest_threads::GuestThreads;
use crate::history::{History, Keep};
use crate::kept::{Kept, Taken};
use crate::lock::Guard;
use crate::locks::Locks;
use crate::order::{Prepared, Request};
use crate::policy::Policy;

/// A store and its checkpoints. There is one for each store; this is a handle.
#[derive(Clone)]
pub struct Program {
    store: Arc<Store>,
    driver: Arc<Driver>,
}

impl Program {
    /// The program of a store, if an instance was made in it before.
    pub fn of(store: &Arc<Store>) -> Option<Program> {
        Some(Program { driver: Driver::of(store)?, store: store.clone() })
    }

    /// A program for a store. The policy's signal, timer and count are in effect from now on.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn new(
        store: &Arc<Store>,
        embedder: Arc<dyn Embedder>,
        policy: Option<Policy>,
        keep: Keep,
        sequence: u64,
    ) -> Result<Program, String> {
        let driver = Driver::new(store, embedder, policy, keep, sequence)?;
        Ok(Program { driver, store: store.clone() })
    }

    /// Its store.
    #[inline]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The guest's mutexes, condition variables, semaphores and keys.
    #[inline]
    pub fn locks(&self) -> &Locks {
        &self.driver.locks
    }

    /// What the host has done with it.
    #[inline]
    pub(crate) fn history(&self) -> &Arc<History> {
        self.driver.history()
    }

    /// The program that it is part of.
    #[inline]
    pub fn embedder(&self) -> &dyn Embedder {
        self.driver.embedder()
    }

    /// Another module's code will run in the store.
    ///
    /// # Errors
    /// Text: it cannot be stopped, and there is a policy that may ask for that.
    pub(crate) fn add_code(&self, can_be_stopped: bool) -> Result<(), String> {
        self.driver.add_code(can_be_stopped)
    }

    /// The program is used for the first time: the host will use it in this place when it is started again.
    pub(crate) fn join(&self) {
        crate::host::join(&self.store, &self.driver, self.history());
    }

    /// A call of the host's begins on this thread. Waits while an image is written, or the program is suspended.
    ///
    /// # Errors
    /// Text: this thread has suspended it.
    #[inline]
    pub(crate) fn begin_call(&self, thread: &GuestThread) -> Result<InCall<'_>, &'static str> {
        self.driver.begin_call(thread)?;
        Ok(InCall { program: self })
    }

    /// A call of the host's will begin: frees what nobody uses any more, if somebody is going to compare what there is by then.
    #[inline]
    pub(crate) fn collect_before_call(&self) {
        self.driver.collect_before_call(&self.store);
    }

    /// Frees what nobody uses any more in a store, if that is enough to be worth looking for it, and nobody is inside.
    ///
    /// # Safety
    /// Who calls this has no reference or pointer to an object of the store that he uses afterwards, but to those that a
    /// `Used` keeps, and nobody is about to make something of the store's objects outside of [`Program::pass`].
    pub unsafe fn tidy(store: &Store) {
        if store.is_worth_collecting() {
            Driver::collect_in(store);
        }
    }

    /// The host changes something of the guest's, outside of calls: not while an image is written.
    pub fn pass<T>(&self, f: impl FnOnce() -> T) -> T {
        self.driver.pass(f)
    }

    /// Places an order and sees to it that it is served: by the guest at its next stable point, or here and now if no
    /// call is in progress.
    ///
    /// # Errors
    /// Text: code that cannot be stopped, or what the operating system refused.
    pub fn order(&self, request: Request) -> Result<(), String> {
        self.driver.order_now(&self.store, request)
    }

    /// Keeps what a trigger orders: a function that makes the order.
    ///
    /// # Errors
    /// As [`Program::order`].
    pub fn prepare(&self, order: Prepared) -> Result<(), String> {
        self.driver.prepare(order)
    }

    /// Asks for the prepared checkpoint. Async-signal-safe.
    pub fn trigger(&self) {
        self.driver.trigger();
    }

    /// Has all threads of the guest stand still: at stable points, or in host calls that will be made again. Calls of the host's
    /// wait from then on, until the program is resumed; one by the thread that has suspended it is refused. A checkpoint can be
    /// taken meanwhile.
    ///
    /// # Errors
    /// Text: a thread that did not come to a stable point within the stop limit, with the native function that it is in; the
    /// program is suspended, or runs on this thread; code that cannot be stopped.
    pub fn suspend(&self) -> Result<(), String> {
        self.driver.suspend()
    }

    /// Has them go on; on any thread. Whether it was suspended: a termination has ended that, too.
    pub fn resume_threads(&self) -> bool {
        self.driver.resume()
    }

    /// Whether calls by this thread are refused, as it has suspended the program.
    pub(crate) fn is_suspended_here(&self) -> bool {
        self.driver.is_suspended_here()
    }

    /// Writes to a descriptor what calls what in all threads of the guest, and who does not come to a stable point.
    ///
    /// # Errors
    /// Text: the program runs on this thread; code that cannot be stopped; what cannot be written.
    pub fn dump_stacks(&self, fd: RawFd) -> Result<(), String> {
        self.driver.dump_stacks(&self.store, fd)
    }

    /// Has that written by whoever comes to a stable point first, or is the next to call. False: too many have asked, or the
    /// code cannot be stopped. Async-signal-safe.
    pub fn request_stacks(&self, fd: RawFd) -> bool {
        self.driver.request_stacks(fd)
    }

    /// Why the call was made that is in progress and comes next, if memory is as it was; with its argument slots, which are
    /// where they belong.
    pub fn next_in_place(&self) -> Option<(Entry, Vec<u64>)> {
        self.history().next_in_place()
    }

    /// The call that is gone on with next, if one was in progress: its instance, by place in the store, and function index.
    pub fn call_in_progress(&self) -> Option<(u32, u32)> {
        self.history().pending_function().or_else(|| {
            let func = |thread: &Thread| thread.frames.first().map(|frame| frame.func);
            let func = self.kept_calls(self.first_kept()?, func).1??;
            Some((func.instance, func.func))
        })
    }

    /// An instance in this place of the store has its app heap there, and its memory had it even when it has ended.
    pub(crate) fn note_heap(&self, instance: u32, heap: (u32, u32)) {
        self.driver.heaps().insert(instance, heap);
    }

    /// Where the app heap is in the memory of the instance with this number.
    pub(crate) fn heap_of(&self, instance: u32) -> Option<(u32, u32)> {
        self.driver.heaps().get(&instance).copied()
    }

    /// An instance is gone, and what it had in memory.
    pub(crate) fn forget_heap(&self, instance: u32) {
        self.driver.heaps().remove(&instance);
    }

    /// The threads that its guests have started.
    #[inline]
    pub(crate) fn guest_threads(&self) -> &GuestThreads {
        &self.driver.guest_threads
    }

    /// Whether this thread of the host is in a call of the guest.
    pub(crate) fn is_running_here(&self) -> bool {
        self.driver.thread_here().is_some()
    }

    /// Keeps calls that were in progress until the host continues them.
    pub(crate) fn keep_calls<'a>(&self, calls: impl Iterator<Item = &'a Thread>) {
        self.kept().calls.extend(calls.cloned().map(Some));
    }

    /// Those calls.
    pub(crate) fn kept(&self) -> Guard<'_, Kept> {
        self.driver.kept()
    }

    /// How many were kept, and looks at this one of them, unless it was taken.
    pub fn kept_calls<T>(&self, nth: usize, look: impl FnOnce(&Thread) -> T) -> (usize, Option<T>) {
        let calls = &self.kept().calls;
        (calls.len(), calls.get(nth).and_then(Option::as_ref).map(look))
    }

    /// Which is the first that was not taken.
    pub(crate) fn first_kept(&self) -> Option<usize> {
        self.kept().calls.iter().position(Option::is_some)
    }

    /// Takes one of them, to continue it by [`HostParts::go_on`](crate::HostParts::go_on).
    /// `None` also if this thread has suspended the program: it could not be continued.
    pub fn take_call(&self, nth: usize) -> Option<Taken> {
        if self.is_suspended_here() {
            return None;
        }
        let mut kept = self.kept();
        let call = kept.calls.get_mut(nth)?.take()?;
        // From here on ids are those of threads that the guest starts.
        Some(kept.coming.add(Thread { tid: 0, ..call }))
    }

    /// Checkpoints taken so far, also before it was restored.
    pub fn count(&self) -> u64 {
        self.driver.count()
    }
}

/// A call that is in progress on this thread.
#[must_use]
pub(crate) struct InCall<'a> {
    program: &'a Program,
}

impl InCall<'_> {
    /// It ended; `leave` has the guest's thread leave. Orders that came too late for it are served now.
    #[inline]
    pub(crate) fn end(self, leave: impl FnOnce()) {
        let program = self.program;
        wayfarer_wasi::call_ended();
        program.driver.end_call(&program.store, leave);
    }
}
