//! The guest's threads, as requests know them: who is in a call of the host's, which requests it has seen, and how it is
//! woken when it waits.
//!
//! Each environment is one, for as long as it belongs to a store. What is in here is written by the thread itself, or by
//! whoever asks, with atomics only: a signal handler may ask, and a child of the process takes over what it finds.

use crate::control::Control;
use crate::fork;
use crate::func::Func;
use crate::registry::{Place, Registry};
use crate::specific::Specific;
pub use crate::sync::this_thread;
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::waits::Waiter;
use crate::wake::Wake;
use std::os::fd::RawFd;
use std::ptr::null_mut;
use std::sync::Arc;
use wayfarer_guest::Interrupt;

/// All of the process, so that a child can tell which of them it does not have.
static ALL: Registry<GuestThread> = Registry::new();

/// Whether this thread is in a call of the host's, of any guest. Async-signal-safe.
pub fn is_inside_any() -> bool {
    let mut inside = false;
    ALL.visit(|thread| inside |= thread.is_inside_here());
    inside
}

/// Of a process that was just forked: only the calls of the thread that did so are still in progress. Async-signal-safe.
pub(crate) fn keep_own() {
    ALL.visit(|thread| {
        if thread.is_inside() && !thread.is_inside_here() {
            thread.call.fetch_add(1, Ordering::SeqCst);
        }
    });
}

/// A thread of a store's guest: an environment.
#[derive(Debug)]
pub struct GuestThread {
    control: Arc<Control>,
    /// In which order the store's were made.
    id: u64,
    /// Counts its calls of the host's, twice: odd while it is in one.
    call: AtomicU64,
    /// The thread of the host that is in that call.
    owner: AtomicUsize,
    /// The last request that it has seen.
    pub(crate) seen: AtomicU64,
    /// The call that is to end; 0 for none.
    pub(crate) terminated: AtomicU64,
    /// Polls until it is to be stopped; 0 if it is not.
    pub(crate) countdown: AtomicU64,
    /// The host function that it runs, or null.
    host: AtomicPtr<Func>,
    /// Which threads it belongs together with; 0 for none.
    group: AtomicUsize,
    wake: Wake,
    waiter: Arc<Waiter>,
    specific: Specific,
}

impl GuestThread {
    /// Its number: smaller if it was made earlier.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The requests to its store.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// A call of the host's begins, on this thread of the host. Whoever is to wait for all that are inside has to learn of
    /// this call only after this.
    #[inline]
    pub fn enter(&self) {
        self.owner.store(this_thread(), Ordering::Relaxed);
        self.call.store(self.call.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// It ended.
    #[inline]
    pub fn leave(&self) {
        self.call.store(self.call.load(Ordering::Relaxed) + 1, Ordering::Release);
        if self.control.is_armed() {
            self.control.left();
        }
    }

    /// Whether it is in a call of the host's.
    pub fn is_inside(&self) -> bool {
        self.call.load(Ordering::SeqCst) % 2 == 1
    }

    /// Whether it is, on this thread of the host.
    pub fn is_inside_here(&self) -> bool {
        self.is_inside() && self.is_here()
    }

    /// Counts its calls: odd while it is in one.
    #[cfg(test)]
    pub(crate) fn call(&self) -> u64 {
        self.call.load(Ordering::SeqCst)
    }

    /// Whether its last call was on this thread of the host.
    pub(crate) fn is_here(&self) -> bool {
        self.owner.load(Ordering::SeqCst) == this_thread()
    }

    /// Whether it is to end the call that it is in.
    pub(crate) fn is_to_end(&self) -> bool {
        let call = self.call.load(Ordering::SeqCst);
        call % 2 == 1 && self.terminated.load(Ordering::SeqCst) == call
    }

    /// Has it end the call that it is in; false if it is in none.
    pub(crate) fn end(&self) -> bool {
        let call = self.call.load(Ordering::SeqCst);
        if call % 2 == 1 {
            self.terminated.store(call, Ordering::SeqCst);
        }
        call % 2 == 1
    }

    /// Notes the host function that it runs, or that it runs none any more.
    #[inline]
    pub(crate) fn set_host(&self, func: *const Func) {
        self.host.store(func.cast_mut(), Ordering::Release);
    }

    /// Notes which threads it belongs together with, as the embedder counts them.
    #[inline]
    pub fn set_group(&self, group: usize) {
        if self.group.load(Ordering::Relaxed) != group {
            self.group.store(group, Ordering::SeqCst);
        }
    }

    /// Which threads it belongs together with; 0 for none.
    pub fn group(&self) -> usize {
        self.group.load(Ordering::SeqCst)
    }

    /// Import module and name of the host function that it runs.
    ///
    /// # Safety
    /// Functions that it may be running must not be freed meanwhile.
    pub unsafe fn host_name(&self) -> Option<(String, String)> {
        // SAFETY: as the caller promises.
        let host = unsafe { self.host.load(Ordering::Acquire).as_ref() }?.host.as_ref()?;
        Some((host.name.0.to_string(), host.name.1.to_string()))
    }

    /// Makes its descriptor if there is none.
    ///
    /// # Errors
    /// eventfd(2)'s.
    pub(crate) fn enable_wake(&self) -> std::io::Result<()> {
        self.wake.open(|| self.pending())
    }

    /// Ends its wait. Async-signal-safe, but for errno.
    pub(crate) fn raise(&self) {
        self.wake.raise();
        self.waiter.nudge();
    }

    /// As queues know it in which it waits for other threads.
    #[inline]
    pub fn waiter(&self) -> &Arc<Waiter> {
        &self.waiter
    }

    /// Values that it keeps under keys.
    #[inline]
    pub fn specific(&self) -> &Specific {
        &self.specific
    }

    /// [`Interrupt::pending`], for those who wait for the descriptor without asking for it each time: while this is false,
    /// it is not readable for the sake of requests that were served.
    pub fn interrupted(&self) -> bool {
        self.pending() || {
            self.wake.ready(|| self.pending());
            self.pending()
        }
    }

    /// Asks for a checkpoint at its own `n`th poll from now (1 is the next one), however often others poll. 0 takes the
    /// request back.
    pub fn checkpoint_at(&self, n: u64) {
        self.countdown.store(n, Ordering::SeqCst);
        self.control.count();
    }
}

impl Interrupt for GuestThread {
    fn pending(&self) -> bool {
        self.control.is_wanted(self)
    }

    /// Made when a host call first waits. Without one (descriptors are short) the wait is not interrupted.
    fn wake_fd(&self) -> RawFd {
        let _ = self.enable_wake();
        self.wake.ready(|| self.pending())
    }
}

/// A guest's thread, registered with its store for as long as this is there.
#[derive(Debug)]
pub struct Registered {
    thread: Arc<GuestThread>,
    place: Place<GuestThread>,
    of_all: Place<GuestThread>,
}

impl Registered {
    /// Another thread of a store's guest, in no call.
    pub fn new(control: &Arc<Control>) -> Registered {
        let id = control.next_id();
        let thread = Arc::new(GuestThread {
            control: control.clone(),
            id,
            call: AtomicU64::new(0),
            owner: AtomicUsize::new(0),
            seen: AtomicU64::new(0),
            terminated: AtomicU64::new(0),
            countdown: AtomicU64::new(0),
            host: AtomicPtr::new(null_mut()),
            group: AtomicUsize::new(0),
            wake: Wake::default(),
            waiter: Waiter::new(id, fork::generation),
            specific: Specific::default(),
        });
        // SAFETY: `self.thread` keeps it where it is, until it was removed.
        let (place, of_all) =
            unsafe { (control.threads().add(Arc::as_ptr(&thread)), ALL.add(Arc::as_ptr(&thread))) };
        if control.wakes_at_once() {
            // Descriptors are short: it is as if it had asked when it first waits.
            let _ = thread.enable_wake();
        }
        Registered { thread, place, of_all }
    }

    /// The thread.
    pub fn thread(&self) -> &Arc<GuestThread> {
        &self.thread
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: `new` has added it to both.
        unsafe {
            self.thread.control.threads().remove(&self.place);
            ALL.remove(&self.of_all);
        }
        self.thread.waiter.leave();
        self.thread.countdown.store(0, Ordering::SeqCst);
        if self.thread.control.is_armed() {
            self.thread.control.left();
        }
    }
}
