//! Takes a store's checkpoints: when, of which threads, and what becomes of them. The images are `images`'s.

mod images;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use wayfarer_runtime::registry::Place;
use wayfarer_runtime::threads;
use wayfarer_runtime::{AfterCheckpoint, CaptureError, Checkpointer, Control, GuestThread, Store};
use wayfarer_snapshot::Reason;
use wayfarer_snapshot::view::Thread;

use super::gate::{Closed, GOING_BACK, Gate};
use super::group::{self, Group};
use super::guest_threads::GuestThreads;
use super::history::{History, Keep};
use super::lock::{Guard, Lock};
use super::meeting::{self, Arrival, Attendance, Meeting, Parked, Verdict};
use super::order::{Prepared, Request};
use super::policy::{Policy, Then};
use super::stacks::{self, Dumps};
use super::suspend::SUSPENDED_HERE;
use super::watcher::{self, Watch};
use super::{called, forks, host, leave};
use crate::embedder::Embedder;
use crate::kept::Kept;
use crate::locks::Locks;

/// Why there are no checkpoints of some code.
pub(crate) const NO_CHECKPOINTS: &str = "the module was compiled with --no-checkpoint, it cannot be stopped";

/// Why the environment's are of one thread only.
const SEVERAL: &str = "several threads of the host are running the guest";

/// Why the environment's are of a host that is in a call.
const OUTLIVED: &str =
    "threads of the guest run on, and none of the host's calls is in progress: only wayfarer.h restores that";

/// Why there are none of a guest that a child's parent was running in another thread.
const LEFT_BEHIND: &str = "another thread of the host was running the guest when this process was forked";

/// The checkpoints of one store.
pub(crate) struct Driver {
    embedder: Arc<dyn Embedder>,
    policy: Option<Policy>,
    /// Others that are checkpointed with it.
    group: Option<Arc<Group>>,
    /// What is kept of what the host does.
    keep: Keep,
    /// What it did.
    history: Arc<History>,
    /// Whether the code can be stopped at all.
    possible: AtomicBool,
    pub(crate) control: Arc<Control>,
    /// Orders of the API that wait for a stable point.
    requests: Lock<VecDeque<Request>>,
    /// Descriptors that stacks are to be written to.
    pub(crate) dumps: Dumps,
    /// Whether there are any of these.
    ordered: AtomicBool,
    /// Closed while an image is written; calls of the host's go through.
    pub(crate) gate: Gate,
    /// Where those come who are inside.
    pub(crate) meeting: Meeting,
    /// Those who stand still until the program is resumed.
    pub(crate) suspended: Lock<Option<Parked>>,
    /// Calls that were in progress, of a store that was restored; without those that the host has continued.
    kept: Lock<Kept>,
    /// Where app heaps are, by number of the instance, also of those whose parts have ended: their memories are larger by them.
    heaps: Lock<BTreeMap<u32, (u32, u32)>>,
    /// The guest's.
    pub(crate) locks: Locks,
    /// Threads that guests have started.
    pub(crate) guest_threads: GuestThreads,
    /// Whether the API was asked for checkpoints before, and may be again.
    was_asked: AtomicBool,
    /// An order that a signal handler may place.
    prepared: Lock<Option<Prepared>>,
    /// Whether it did.
    triggered: AtomicBool,
    /// Asks as the policy says.
    pub(crate) watch: Option<Watch>,
    /// Checkpoints taken so far, also before the program was restored. Changed while the gate is closed.
    sequence: AtomicU64,
    /// Where forks find it.
    place: OnceLock<Place<Driver>>,
}

impl Driver {
    /// The driver of a store, if an instance was made in it before.
    pub(crate) fn of(store: &Store) -> Option<Arc<Driver>> {
        store.companion()?.clone().downcast().ok()
    }

    /// A driver for a store. The policy's signal, timer and count are in effect from now on.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn new(
        store: &Arc<Store>,
        embedder: Arc<dyn Embedder>,
        policy: Option<Policy>,
        keep: Keep,
        sequence: u64,
    ) -> Result<Arc<Driver>, String> {
        let control = store.control().clone();
        let failed = |e| format!("checkpoints cannot be prepared: {e}");
        let watch = match &policy {
            Some(policy) => {
                control.enable_wake().map_err(failed)?;
                Some(Watch::new(&control, policy).map_err(failed)?)
            }
            None => None,
        };
        let group = policy.as_ref().map_or(Ok(None), group::join)?;
        let at = policy.as_ref().and_then(|policy| policy.at);
        let driver = Arc::new(Driver {
            history: Arc::new(History::new(keep, embedder.clone())),
            embedder,
            policy,
            group,
            keep,
            possible: AtomicBool::new(true),
            control,
            requests: Lock::default(),
            dumps: Dumps::default(),
            ordered: AtomicBool::new(false),
            gate: Gate::new(),
            meeting: Meeting::default(),
            suspended: Lock::default(),
            kept: Lock::default(),
            heaps: Lock::default(),
            locks: Locks::default(),
            guest_threads: GuestThreads::default(),
            was_asked: AtomicBool::new(false),
            prepared: Lock::new(None),
            triggered: AtomicBool::new(false),
            watch,
            sequence: AtomicU64::new(sequence),
            place: OnceLock::new(),
        });
        let _ = driver.place.set(forks::add(&driver));
        store.set_checkpointer(Some(Arc::new(Handle(Arc::downgrade(&driver)))));
        if let Some(at) = at {
            driver.control.checkpoint_at(at);
        }
        store.set_companion(driver.clone());
        Ok(driver)
    }

    /// Another module's code will run in the store.
    ///
    /// # Errors
    /// Text: it cannot be stopped, and there is a policy that may ask for that.
    pub(crate) fn add_code(&self, can_be_stopped: bool) -> Result<(), String> {
        if can_be_stopped {
            return Ok(());
        }
        self.possible.store(false, Ordering::Release);
        if self.policy.is_some() { Err(NO_CHECKPOINTS.to_owned()) } else { Ok(()) }
    }

    /// The program that it is part of.
    pub(crate) fn embedder(&self) -> &dyn Embedder {
        &*self.embedder
    }

    /// What the host has done with the store.
    #[inline]
    pub(crate) fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Orders a checkpoint at the next stable point.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn order(&self, request: Request) -> Result<(), String> {
        self.check_possible()?;
        self.enable_wake()?;
        self.requests.lock().push_back(request);
        self.was_asked.store(true, Ordering::Relaxed);
        self.place_order();
        Ok(())
    }

    /// Something was ordered. Async-signal-safe.
    pub(crate) fn place_order(&self) {
        self.ordered.store(true, Ordering::SeqCst);
        self.control.request_checkpoint();
    }

    /// Whether something was ordered, or triggered, and nobody has begun with it.
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered.load(Ordering::SeqCst) || self.triggered.load(Ordering::SeqCst)
    }

    /// Has those come who wait.
    pub(crate) fn enable_wake(&self) -> Result<(), String> {
        self.control.enable_wake().map_err(|e| format!("checkpoints cannot be prepared: {e}"))
    }

    /// Whether its code can be stopped.
    pub(crate) fn can_be_stopped(&self) -> bool {
        self.possible.load(Ordering::Acquire)
    }

    /// Code that cannot be stopped must not be asked to.
    pub(crate) fn check_possible(&self) -> Result<(), String> {
        if self.can_be_stopped() { Ok(()) } else { Err(NO_CHECKPOINTS.to_owned()) }
    }

    /// Calls that were in progress, of a store that was restored; without those that the host has continued.
    pub(crate) fn kept(&self) -> Guard<'_, Kept> {
        self.kept.lock()
    }

    /// Where app heaps are, by number of the instance, also of those whose parts have ended.
    pub(crate) fn heaps(&self) -> Guard<'_, BTreeMap<u32, (u32, u32)>> {
        self.heaps.lock()
    }

    /// Checkpoints taken so far.
    pub(crate) fn count(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    /// Keeps what a trigger orders: a function that makes the order.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn prepare(&self, order: Prepared) -> Result<(), String> {
        self.check_possible()?;
        self.enable_wake()?;
        self.was_asked.store(true, Ordering::Relaxed);
        *self.prepared.lock() = Some(order);
        Ok(())
    }

    /// Asks for the prepared checkpoint. Async-signal-safe.
    pub(crate) fn trigger(&self) {
        if self.possible.load(Ordering::Acquire) {
            self.triggered.store(true, Ordering::SeqCst);
            self.control.request_checkpoint();
        }
    }

    /// Nobody need serve what the policy asked for: it was done elsewhere.
    pub(crate) fn need_not_by_policy(&self) {
        if self.watch.as_ref().and_then(Watch::take).is_some() {
            self.control.settle_all();
            // The one request there is may have been the API's, too.
            if self.is_ordered() {
                self.control.request_checkpoint();
            }
        }
    }

    /// This thread is about to fork.
    pub(crate) fn before_fork(&self) {
        // First: who has it takes an image of the suspended program, and the others for that.
        self.suspended.before_fork();
        self.history.before_fork();
        self.prepared.before_fork();
        self.requests.before_fork();
        self.kept.before_fork();
        self.heaps.before_fork();
        self.locks.before_fork();
        self.guest_threads.before_fork();
    }

    /// It has, and this is the parent or the child. Async-signal-safe.
    pub(crate) fn after_fork(&self) {
        self.history.after_fork();
        self.prepared.after_fork();
        self.requests.after_fork();
        self.kept.after_fork();
        self.guest_threads.after_fork();
        self.heaps.after_fork();
        self.locks.after_fork();
        self.suspended.after_fork();
    }

    /// This process was just forked: only this thread's calls are in progress. How many of them have gone through the gate of
    /// all stores. Async-signal-safe.
    pub(crate) fn in_child(&self) -> u64 {
        let mut own = 0;
        self.control.threads().visit(|thread| own += u64::from(thread.is_inside_here()));
        self.gate.forked(own);
        self.meeting.forked();
        if self.policy.is_some() { own } else { 0 }
    }

    /// A call of the host's begins. Waits while an image is written, or the program is suspended.
    ///
    /// # Errors
    /// Text: this thread has suspended it.
    #[inline]
    pub(crate) fn begin_call(&self, thread: &GuestThread) -> Result<(), &'static str> {
        // In this order: whoever closes the gate, and finds one more inside, finds this thread, too.
        thread.enter();
        if self.gate.enter() && self.gate.is_suspended() {
            thread.leave();
            self.gate.leave();
            return Err(SUSPENDED_HERE);
        }
        if self.policy.is_some() {
            host::GATE.enter();
        }
        Ok(())
    }

    /// Whether a call by this thread would be refused.
    pub(crate) fn is_suspended_here(&self) -> bool {
        self.gate.is_suspended() && self.gate.is_own()
    }

    /// It ended; `leave` has its thread leave. Orders that came too late for it are served now.
    #[inline]
    pub(crate) fn end_call(&self, store: &Store, leave: impl FnOnce()) {
        if self.policy.is_some() {
            host::GATE.leave();
        }
        leave();
        self.gate.leave();
        if self.ordered.load(Ordering::SeqCst) {
            self.serve_idle(store);
        }
    }

    /// The host changes something of the guest's, outside of calls: not while an image is written. In a function of its own
    /// that the guest has called, it is inside, and is waited for.
    pub(crate) fn pass<T>(&self, f: impl FnOnce() -> T) -> T {
        self.gate.pass(|| self.thread_here().is_some(), || self.pass_all(f))
    }

    /// The same for an image that is of all stores.
    fn pass_all<T>(&self, f: impl FnOnce() -> T) -> T {
        if self.policy.is_some() { host::GATE.pass(threads::is_inside_any, f) } else { f() }
    }

    /// The number of the guest's thread that this one of the host's is in a call of.
    pub(crate) fn thread_here(&self) -> Option<u64> {
        let mut here = None;
        self.control.threads().visit(|thread| {
            if thread.is_inside_here() {
                here = Some(thread.id());
            }
        });
        here
    }

    /// Frees what nobody uses any more in a store. Not while somebody is inside: then it is left for later.
    pub(crate) fn collect_in(store: &Store) {
        match Driver::of(store) {
            Some(driver) => driver.collect(store),
            // SAFETY: no instance was ever made in the store, so nothing can run in it. It is used by one thread at a time, by
            // the API's contract, and that is here; what it has is kept by handles.
            None => drop(unsafe { store.collect(|_| ()) }),
        }
    }

    fn collect(&self, store: &Store) {
        let unused = match self.gate.close_if_empty() {
            // SAFETY: nobody is in the store, nor comes in: no guest runs, and nothing is just being made. Handles of the host's
            // keep what they refer to, and the host is in none of them but with what it has handles of.
            Some(_closed) => unsafe { store.take_unused_kept() },
            None => return,
        };
        // Their ends may call the host, and that this library.
        self.pass(|| drop(unused));
        if let Some(_closed) = self.gate.close_if_empty() {
            // SAFETY: as above.
            self.pass_all(|| unsafe { store.collect(|memory| self.history.forget_memory(memory)) });
            self.heaps().retain(|&number, _| store.instance_numbered(number).is_some());
        }
    }

    /// A call of the host's will begin. What a history, or an image, says of the store is of what is used by then: a host that
    /// is restored has freed the same when it comes there, whenever else it did.
    #[inline]
    pub(crate) fn collect_before_call(&self, store: &Store) {
        let compared = || self.history.keeps() || !self.history.is_caught_up();
        if store.has_unused() && (compared() || self.was_asked.load(Ordering::Relaxed)) {
            self.collect(store);
        }
    }

    /// Places an order and sees to it that it is served: by the guest at its next stable point, or here and now if no
    /// call is in progress.
    ///
    /// # Errors
    /// As [`Driver::order`].
    pub(crate) fn order_now(&self, store: &Store, request: Request) -> Result<(), String> {
        self.collect(store);
        self.check_possible()?;
        let Err(request) = self.take_suspended(store, request) else { return Ok(()) };
        self.order(request)?;
        self.serve_idle(store);
        Ok(())
    }

    /// Serves orders unless a call is in progress, which serves them itself.
    fn serve_idle(&self, store: &Store) {
        let Some(closed) = self.gate.close_on_all() else { return };
        // Who has come to a stable point is in the middle of a call, and serves. Others may be going back.
        closed.wait(Some(GOING_BACK), |inside| inside == 0 || self.meeting.arrived() > 0);
        if self.gate.inside() > 0 {
            return;
        }
        if self.ordered.swap(false, Ordering::SeqCst) {
            self.control.settle_all();
            let dumps = self.dumps.take();
            if !dumps.is_empty() {
                let text = stacks::text(store, self.meeting.take().parked(), None);
                dumps.iter().for_each(|&fd| drop(stacks::write(fd, &text)));
            }
            self.serve_orders(store, &self.unless_left_behind(Ok(Vec::new())));
            // The one request there is may have been the policy's, too, or a trigger's.
            if self.triggered.load(Ordering::SeqCst) || self.watch.as_ref().is_some_and(Watch::is_asked) {
                self.control.request_checkpoint();
            }
        }
    }

    /// Comes with a thread of the guest's that was asked to. `thread`: its stack, or why that cannot be had; there is none if
    /// the host itself waits in a host function. Whoever closes the gate serves what was asked for, with the stacks of
    /// all who have come; the others wait for him.
    pub(crate) fn serve(
        &self,
        store: &Store,
        thread: Result<Option<Thread>, CaptureError>,
    ) -> AfterCheckpoint {
        let id = self.thread_here().unwrap_or_default();
        let arrival = Arrival::new(id, thread.map_err(|why| why.to_string()));
        // SAFETY: this function does not return before there is a verdict.
        unsafe { self.meeting.arrive(&raw const arrival) };
        self.gate.tell();
        loop {
            let (seen, news) = (self.gate.openings(), self.control.news());
            match arrival.verdict() {
                Some(Verdict::Goes(after)) => return after,
                Some(Verdict::Again) => {
                    // SAFETY: as above.
                    unsafe { self.meeting.arrive(&raw const arrival) };
                    self.gate.tell();
                }
                None => {}
            }
            if self.gate.is_suspended() {
                // Who is to end ends, and so do all others.
                if !(self.control.is_to_end_here() && self.resume()) {
                    self.control.wait_for_news(news);
                }
                continue;
            }
            match self.gate.try_close() {
                Some(_closed) if arrival.verdict().is_some() => {}
                Some(closed) => self.serve_closed(store, closed),
                None => self.gate.wait_for_opening(seen),
            }
        }
    }

    /// Serves what is asked for, on the thread of a call: the API's orders, the prepared one, or the policy's.
    fn serve_closed(&self, store: &Store, closed: Closed<'_>) {
        let by_policy = self.asked_by_policy();
        // What the guest stands still for counts from here.
        let _turn = by_policy.map(|_| watcher::begin());
        let ordered = self.is_ordered();
        let mut all = match (ordered, by_policy) {
            (true, _) => self.gather(&closed),
            (false, Some(_)) if self.guest_threads.any() => self.gather(&closed),
            (false, Some(_)) => self.gather_alone(&closed),
            // It was served meanwhile, or nothing was to be done.
            (false, None) => Gathered { attendance: self.meeting.take(), missing: None },
        };
        let mut dumps = Vec::new();
        if ordered {
            // Not before: what is asked for from here on has a number of its own.
            self.ordered.store(false, Ordering::SeqCst);
            dumps = self.dumps.take();
        }
        let text =
            (!dumps.is_empty()).then(|| stacks::text(store, all.attendance.parked(), all.missing.as_deref()));
        let threads = match all.missing.take() {
            Some(why) => Err(why),
            None => self.unless_left_behind(all.attendance.stacks()),
        };
        if ordered {
            if self.triggered.swap(false, Ordering::SeqCst) {
                let prepared = self.prepared.lock();
                let order = prepared.as_ref().and_then(|prepared| prepared());
                self.requests.lock().extend(order);
            }
            if self.serve_orders(store, &threads) == AfterCheckpoint::Stop {
                all.attendance.stop();
            }
        }
        if let (Some(policy), Some(reason)) = (&self.policy, by_policy) {
            // Threads that the guest has started are the program's, not the host's.
            let started = all.attendance.parked().ids().filter(|&id| self.guest_threads.has(id)).count();
            let of_host = all.attendance.count() - started;
            let all_outside = host::GATE.close(all.attendance.count() as u64);
            let others = "another thread of the host is running a guest".to_owned();
            let ready = match (&all_outside, threads) {
                _ if of_host > 1 => Err(SEVERAL.to_owned()),
                _ if of_host == 0 => Err(OUTLIVED.to_owned()),
                (Some(_), _) if host::GATE.left_behind() => Err(LEFT_BEHIND.to_owned()),
                (Some(_), threads) => threads.map(|threads| self.guest_threads.with_waiting(threads)),
                (None, Err(why)) if why == SEVERAL => Err(why),
                (None, _) => Err(others),
            };
            let taken = match &self.group {
                None => {
                    ready.and_then(|threads| self.take_by_policy(store, &threads, &policy.path, reason, None))
                }
                Some(group) => self.take_in_group(group, store, policy, ready, reason),
            };
            match taken {
                Ok(_) if policy.then == Then::Exit => leave::end_process(),
                Ok(_) => called::warn(&*self.embedder),
                Err(why) => complain(&format!("no checkpoint taken: {why}")),
            }
            host::served(self);
        }
        // Before the gate opens: nobody tries to close it who has been served.
        drop(all);
        drop(closed);
        if let Some(text) = text {
            // Who cannot be written to does not read.
            dumps.iter().for_each(|&fd| drop(stacks::write(fd, &text)));
        }
    }

    /// Has all threads that are inside come, and waits for them.
    pub(crate) fn gather(&self, closed: &Closed<'_>) -> Gathered<'_> {
        let all_here = |inside: u64| inside <= self.meeting.arrived();
        let mut missing = None;
        if !all_here(self.gate.inside()) {
            let epoch = self.control.stop_others();
            if !closed.wait(Some(meeting::limit()), all_here) {
                missing = Some(self.missing());
            }
            // All have come, or nobody waits for them any more.
            self.control.settle(epoch);
        }
        Gathered { attendance: self.meeting.take(), missing }
    }

    /// The policy wants one thread, and waits for no other.
    fn gather_alone(&self, closed: &Closed<'_>) -> Gathered<'_> {
        let alone = closed.wait(Some(GOING_BACK), |inside| inside <= 1 || self.meeting.arrived() > 1);
        let attendance = self.meeting.take();
        let missing = (!alone || attendance.count() > 1).then(|| SEVERAL.to_owned());
        Gathered { attendance, missing }
    }

    /// Who does not come.
    fn missing(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        self.control.threads().visit(|thread| {
            if thread.is_inside() && !thread.is_inside_here() {
                // SAFETY: functions go with instances, which nobody ends while the gate is closed but who is inside himself,
                // and not the one that he is in.
                if let Some((module, name)) = unsafe { thread.host_name() } {
                    names.push(format!("{module}.{name}"));
                }
            }
        });
        names.dedup();
        let limit = meeting::limit();
        match &names[..] {
            [] => format!("a thread that runs the guest did not come to a stable point within {limit:?}"),
            names => format!(
                "a thread that runs the guest is in native function {}, and did not come back within {limit:?}",
                names.join(", ")
            ),
        }
    }

    /// The state of the guest's threads. A guest that another thread has left in the middle of a call has none.
    pub(crate) fn unless_left_behind(
        &self,
        threads: Result<Vec<Thread>, String>,
    ) -> Result<Vec<Thread>, String> {
        if self.gate.left_behind() { Err(LEFT_BEHIND.to_owned()) } else { threads }
    }

    /// Why the policy wants a checkpoint now, if it does.
    fn asked_by_policy(&self) -> Option<Reason> {
        let counted = self.control.take_counted();
        let asked = self.watch.as_ref().and_then(Watch::take);
        asked.or((counted && self.policy.is_some()).then_some(Reason::Count))
    }

    /// Serves the API's orders.
    fn serve_orders(&self, store: &Store, threads: &Result<Vec<Thread>, String>) -> AfterCheckpoint {
        let orders = std::mem::take(&mut *self.requests.lock());
        let mut after = AfterCheckpoint::Continue;
        for Request { image, then, done } in orders {
            let result = self.take_ordered(store, threads, &image);
            if result.is_ok() && then == AfterCheckpoint::Stop {
                after = AfterCheckpoint::Stop;
            }
            done(result);
        }
        after
    }
}

/// Those who have come to a checkpoint. They go on when this is dropped.
pub(crate) struct Gathered<'a> {
    pub(crate) attendance: Attendance<'a>,
    /// Why they are not all, if they are not.
    pub(crate) missing: Option<String>,
}

impl Drop for Driver {
    /// It goes with its store.
    fn drop(&mut self) {
        // As long as forks know of it: the history stays, also in children.
        self.history.store_gone();
        if let Some(place) = self.place.get() {
            // SAFETY: `new` has added it.
            unsafe { forks::remove(place) };
        }
    }
}

/// What the store knows a driver by.
struct Handle(Weak<Driver>);

impl Checkpointer for Handle {
    fn checkpoint(&self, store: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        match self.0.upgrade() {
            Some(driver) => driver.serve(store, thread.map(Some)),
            None => AfterCheckpoint::Continue,
        }
    }

    fn checkpoint_between_calls(&self, store: &Store) -> AfterCheckpoint {
        match self.0.upgrade() {
            Some(driver) => driver.serve(store, Ok(None)),
            None => AfterCheckpoint::Continue,
        }
    }
}

/// A line on stderr; what can't be printed is lost.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "wayfarer: {text}");
}
