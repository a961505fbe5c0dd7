//! Takes a store's checkpoints: gathers what an image holds, writes it where it was asked for, and says what happened.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use wayfarer_runtime::threads;
use wayfarer_runtime::{AfterCheckpoint, CaptureError, Checkpointer, Control, GuestThread, Store, fork};
use wayfarer_snapshot::view::{HostSection, Thread};
use wayfarer_snapshot::{
    Compression, Info, Progress, Reason, SaveError, Stats, WriteOptions, save_to_fd, save_to_path,
    write_image,
};

use super::gate::{Closed, Gate};
use super::history::{History, Keep};
use super::meeting::{self, Arrival, Attendance, Known};
use super::policy::{Policy, Then};
use super::progress::Shown;
use super::record::HostRecord;
use super::resources::{self, Saving};
use super::watcher::{self, Watch};
use super::{called, config, host, leave, thread};
use crate::embedder::Embedder;
use crate::instance::HostParts;

/// Where an image goes.
#[derive(Debug)]
pub enum Target {
    /// A file, replaced as a whole.
    Path(PathBuf),
    /// A descriptor, from where it is.
    Fd(OwnedFd),
    /// Memory.
    Buffer,
}

/// What became of a checkpoint.
#[derive(Debug)]
pub struct Report {
    /// What was written.
    pub stats: Stats,
    /// How long the program stood still.
    pub paused: Duration,
    /// The image, if it was to go to memory.
    pub image: Option<Vec<u8>>,
}

/// What is called when a checkpoint was taken or failed, on the thread that took it.
pub type Done = Box<dyn FnOnce(Result<Report, String>) + Send>;

/// Makes an order, each time one is triggered.
pub type Prepared = Box<dyn Fn() -> Option<Request> + Send>;

/// An order to take a checkpoint.
pub struct Request {
    /// Where the image goes.
    pub target: Target,
    /// How its pages are compressed.
    pub compression: Compression,
    /// Why it is taken.
    pub reason: Reason,
    /// What becomes of the program.
    pub then: AfterCheckpoint,
    /// Who is told.
    pub done: Done,
}

/// Why there are no checkpoints of some code.
pub(crate) const NO_CHECKPOINTS: &str = "the module was compiled with --no-checkpoint, it cannot be stopped";

/// Why the environment's are of one thread only.
const SEVERAL: &str = "several threads of the host are running the guest";

/// Why there are none of a guest that a child's parent was running in another thread.
const LEFT_BEHIND: &str = "another thread of the host was running the guest when this process was forked";

/// Has children know where the thread is that forked them.
fn notice_forks() {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    fork::notice();
    // SAFETY: it does only what is allowed there, and is this library's.
    unsafe { fork::in_children(&NOTICED, in_child) };
}

/// In a process that was just forked. Only what is async-signal-safe.
unsafe extern "C" fn in_child() {
    // SAFETY: a thread in a call of a driver's store keeps it.
    let driver = unsafe { thread::called_here().as_ref() };
    let inside = driver.map(|driver| &raw const driver.gate).unwrap_or(std::ptr::null());
    let by_policy = driver.is_some_and(|driver| driver.policy.is_some());
    super::gate::forked([inside, if by_policy { &raw const host::GATE } else { std::ptr::null() }]);
}

/// The checkpoints of one store.
pub(crate) struct Driver {
    embedder: Arc<dyn Embedder>,
    policy: Option<Policy>,
    /// What is kept of what the host does.
    keep: Keep,
    /// What it did.
    history: Arc<History>,
    /// Whether the code can be stopped at all.
    possible: AtomicBool,
    control: Arc<Control>,
    /// Orders of the API that wait for a stable point.
    requests: Mutex<VecDeque<Request>>,
    /// Whether there are any.
    ordered: AtomicBool,
    /// Closed while an image is written; calls of the host's go through.
    gate: Gate,
    /// Where those come who are inside.
    meeting: Known,
    /// Calls that were in progress, of a store that was restored; without those that the host has continued.
    calls: Mutex<Vec<Option<Thread>>>,
    /// Where app heaps are, by number of the instance, also of those whose parts have ended: their memories are larger by them.
    heaps: Mutex<BTreeMap<u32, (u32, u32)>>,
    /// Whether the API was asked for checkpoints before, and may be again.
    was_asked: AtomicBool,
    /// An order that a signal handler may place.
    prepared: Mutex<Option<Prepared>>,
    /// Whether it did.
    triggered: AtomicBool,
    /// Asks as the policy says.
    watch: Option<Watch>,
    /// Checkpoints taken so far, also before the program was restored.
    sequence: Mutex<u64>,
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
        notice_forks();
        let control = store.control().clone();
        let failed = |e| format!("checkpoints cannot be prepared: {e}");
        let watch = match &policy {
            Some(policy) => {
                control.enable_wake().map_err(failed)?;
                Some(Watch::new(&control, policy).map_err(failed)?)
            }
            None => None,
        };
        let at = policy.as_ref().and_then(|policy| policy.at);
        let driver = Arc::new(Driver {
            history: Arc::new(History::new(keep, embedder.clone())),
            embedder,
            policy,
            keep,
            possible: AtomicBool::new(true),
            control,
            requests: Mutex::default(),
            ordered: AtomicBool::new(false),
            gate: Gate::new(),
            meeting: Known::new(),
            calls: Mutex::default(),
            heaps: Mutex::default(),
            was_asked: AtomicBool::new(false),
            prepared: Mutex::new(None),
            triggered: AtomicBool::new(false),
            watch,
            sequence: Mutex::new(sequence),
        });
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
        self.control.enable_wake().map_err(|e| format!("checkpoints cannot be prepared: {e}"))?;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(request);
        self.was_asked.store(true, Ordering::Relaxed);
        self.ordered.store(true, Ordering::SeqCst);
        self.control.request_checkpoint();
        Ok(())
    }

    /// Code that cannot be stopped must not be asked to.
    fn check_possible(&self) -> Result<(), String> {
        if self.possible.load(Ordering::Acquire) { Ok(()) } else { Err(NO_CHECKPOINTS.to_owned()) }
    }

    /// Calls that were in progress, of a store that was restored; without those that the host has continued.
    pub(crate) fn calls(&self) -> std::sync::MutexGuard<'_, Vec<Option<Thread>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where app heaps are, by number of the instance, also of those whose parts have ended.
    pub(crate) fn heaps(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, (u32, u32)>> {
        self.heaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checkpoints taken so far.
    pub(crate) fn count(&self) -> u64 {
        *self.sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a trigger orders: a function that makes the order.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn prepare(&self, order: Prepared) -> Result<(), String> {
        self.check_possible()?;
        self.control.enable_wake().map_err(|e| format!("checkpoints cannot be prepared: {e}"))?;
        self.was_asked.store(true, Ordering::Relaxed);
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
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
            if self.ordered.load(Ordering::SeqCst) || self.triggered.load(Ordering::SeqCst) {
                self.control.request_checkpoint();
            }
        }
    }

    /// A call of the host's begins. Waits while an image is written.
    #[inline]
    pub(crate) fn begin_call(&self, thread: &GuestThread) {
        // In this order: whoever closes the gate, and finds one more inside, finds this thread, too.
        thread.enter();
        self.gate.enter();
        if self.policy.is_some() {
            host::GATE.enter();
        }
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
    fn thread_here(&self) -> Option<u64> {
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
        self.order(request)?;
        self.serve_idle(store);
        Ok(())
    }

    /// Serves orders unless a call is in progress, which serves them itself.
    fn serve_idle(&self, store: &Store) {
        let Some(_closed) = self.gate.close(0) else { return };
        if self.ordered.swap(false, Ordering::SeqCst) {
            self.control.settle_all();
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
            let seen = self.gate.openings();
            if let Some(after) = arrival.verdict() {
                return after;
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
        let ordered = self.ordered.load(Ordering::SeqCst) || self.triggered.load(Ordering::SeqCst);
        let mut all = match (ordered, by_policy) {
            (true, _) => self.gather(&closed),
            (false, Some(_)) => self.gather_alone(&closed),
            // It was served meanwhile, or nothing was to be done.
            (false, None) => Gathered { attendance: self.meeting.take(), missing: None },
        };
        let threads = match all.missing.take() {
            Some(why) => Err(why),
            None => self.unless_left_behind(all.attendance.stacks()),
        };
        if ordered {
            // Not before: what is asked for from here on has a number of its own.
            self.ordered.store(false, Ordering::SeqCst);
            if self.triggered.swap(false, Ordering::SeqCst) {
                let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
                let order = prepared.as_ref().and_then(|prepared| prepared());
                self.requests.lock().unwrap_or_else(PoisonError::into_inner).extend(order);
            }
            if self.serve_orders(store, &threads) == AfterCheckpoint::Stop {
                all.attendance.stop();
            }
        }
        if let (Some(policy), Some(reason)) = (&self.policy, by_policy) {
            let all_outside = host::GATE.close(1);
            let others = "another thread of the host is running a guest".to_owned();
            let taken = match (&all_outside, threads) {
                _ if all.attendance.count() > 1 => Err(SEVERAL.to_owned()),
                (Some(_), _) if host::GATE.left_behind() => Err(LEFT_BEHIND.to_owned()),
                (Some(_), threads) => {
                    threads.and_then(|threads| self.take_by_policy(store, &threads, policy, reason))
                }
                (None, Err(why)) if why == SEVERAL => Err(why),
                (None, _) => Err(others),
            };
            match taken {
                Ok(_) if policy.then == Then::Exit => leave::end_process(),
                Ok(_) => warn_of_natives(&*self.embedder),
                Err(why) => complain(&format!("no checkpoint taken: {why}")),
            }
            host::served(self);
        }
        // Before the gate opens: nobody tries to close it who has been served.
        drop(all);
        drop(closed);
    }

    /// Has all threads that are inside come, and waits for them.
    fn gather(&self, closed: &Closed<'_>) -> Gathered<'_> {
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
        let alone =
            closed.wait(Some(super::gate::GOING_BACK), |inside| inside <= 1 || self.meeting.arrived() > 1);
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
    fn unless_left_behind(&self, threads: Result<Vec<Thread>, String>) -> Result<Vec<Thread>, String> {
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
        let orders = std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner));
        let mut after = AfterCheckpoint::Continue;
        for Request { target, compression, reason, then, done } in orders {
            let result = self.take_ordered(store, threads, &target, compression, reason);
            if result.is_ok() && then == AfterCheckpoint::Stop {
                after = AfterCheckpoint::Stop;
            }
            done(result);
        }
        after
    }

    /// An image of a store, which is made from it by `wayfarer.h`.
    fn take_ordered(
        &self,
        store: &Store,
        threads: &Result<Vec<Thread>, String>,
        target: &Target,
        compression: Compression,
        reason: Reason,
    ) -> Result<Report, String> {
        let mut threads = threads.as_ref().map_err(String::clone)?.clone();
        // Those that the host has not gone on with are where they were.
        threads.extend(self.history.waiting());
        threads.extend(self.calls().iter().flatten().cloned());
        meeting::give_ids(&mut threads);
        let view = store.capture().map_err(|e| e.to_string())?;
        if let Some(object) = wayfarer_runtime::integrity::unused(&view) {
            return Err(format!("{object} was made by the host, and is used by no instance"));
        }
        self.take(store, threads, target, compression, reason, None)
    }

    /// An image that the host is restored from by being started again.
    fn take_by_policy(
        &self,
        store: &Store,
        threads: &[Thread],
        policy: &Policy,
        reason: Reason,
    ) -> Result<Report, String> {
        let target = Target::Path(policy.path.clone());
        let host = match self.keep {
            Keep::Nothing => None,
            keep => {
                if let Some(why) = host::obstacle(&self.history) {
                    return Err(why);
                }
                Some(host::record(store, keep)?)
            }
        };
        self.take(store, threads.to_vec(), &target, Compression::None, reason, host)
    }

    fn take(
        &self,
        store: &Store,
        threads: Vec<Thread>,
        target: &Target,
        compression: Compression,
        reason: Reason,
        host: Option<HostRecord>,
    ) -> Result<Report, String> {
        let started = Instant::now();
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let host = self.host_sections(store, *sequence + 1, host)?;
        let program = store.program(threads, host).map_err(|e| e.to_string())?;
        if let Some(place) = program.host_reference() {
            return Err(format!(
                "{place} holds a reference to an object of the host, which has no way to save it"
            ));
        }
        let info = Info::now(reason, *sequence + 1);
        let shown = Shown::new("checkpoint");
        let progress = |p: Progress| shown.show(p);
        let options = WriteOptions { compression, progress: Some(&progress), mode: config::image_mode() };
        let saved = store.with_memories(&program, |memories| match target {
            Target::Path(path) => save_to_path(path, &program, &info, memories, &options).map(|s| (s, None)),
            Target::Fd(fd) => save_to_fd(fd.as_fd(), &program, &info, memories, &options).map(|s| (s, None)),
            Target::Buffer => {
                let mut bytes = Vec::new();
                match write_image(&mut bytes, &program, &info, memories, &options) {
                    Ok(stats) => Ok((stats, Some(bytes))),
                    Err(source) => Err(SaveError {
                        target: "memory".to_owned(),
                        step: wayfarer_snapshot::SaveStep::Write,
                        source,
                    }),
                }
            }
        });
        drop(shown);
        let (stats, image) = saved.map_err(|e| e.to_string())?;
        *sequence += 1;
        if stats.unsynced {
            complain(
                "the image is in place, but its directory could not be synced: a power failure may bring the older one back",
            );
        }
        Ok(Report { stats, paused: started.elapsed(), image })
    }
}

/// Those who have come to a checkpoint. They go on when this is dropped.
struct Gathered<'a> {
    attendance: Attendance<'a>,
    /// Why they are not all, if they are not.
    missing: Option<String>,
}

impl Drop for Driver {
    /// It goes with its store.
    fn drop(&mut self) {
        self.history.store_gone();
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

impl Driver {
    /// What WASI, the C API and the host's native modules add.
    fn host_sections(
        &self,
        store: &Store,
        sequence: u64,
        host: Option<HostRecord>,
    ) -> Result<Vec<HostSection>, String> {
        let first = store.instance(0);
        let (Some(first), Some(instance)) = (first, first.and_then(HostParts::of)) else {
            return Err("the store's first instance is gone".to_owned());
        };
        let embedder = self.embedder();
        resources::save(Saving {
            heaps: self.heaps().clone(),
            store,
            instance,
            module: first.module(),
            embedder,
            history: &self.history,
            sequence,
            host,
        })
    }
}

/// Says, once, which native functions the guest has called whose own state is in no image.
fn warn_of_natives(embedder: &dyn Embedder) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !embedder.native_modules().is_empty() {
        // The host knows what it does.
        return;
    }
    let names = called::names();
    if !names.is_empty() && !SAID.swap(true, Ordering::Relaxed) {
        complain(&format!(
            "what these native functions keep in the host's memory is not part of the image: {names} \
             (see wayfarer_register_state)"
        ));
    }
}

/// A line on stderr; what can't be printed is lost.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "wayfarer: {text}");
}
