//! Takes an instance's checkpoints: gathers what an image holds, writes it where it was asked for, and says what happened.

use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use wayfarer_runtime::{AfterCheckpoint, CaptureError, Checkpointer, Control, Store};
use wayfarer_snapshot::view::{HostSection, Thread, Value};
use wayfarer_snapshot::{
    Compression, Info, Progress, Reason, SaveError, Stats, WriteOptions, save_to_fd, save_to_path,
    write_image,
};

use super::hooks;
use super::policy::{EXIT_CHECKPOINTED, Policy, Then};
use super::progress::Shown;
use super::record::{self, InstanceRecord, MAX_CALLS};
use super::watcher;
use crate::capi::instance::WASMModuleInstanceCommon;

/// Where an image goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// A file, replaced as a whole.
    Path(PathBuf),
    /// A descriptor, from where it is.
    Fd(OwnedFd),
    /// Memory.
    Buffer,
}

/// What became of a checkpoint.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was written.
    pub(crate) stats: Stats,
    /// How long the program stood still.
    pub(crate) paused: Duration,
    /// The image, if it was to go to memory.
    pub(crate) image: Option<Vec<u8>>,
}

/// What is called when a checkpoint was taken or failed, on the thread that took it.
pub(crate) type Done = Box<dyn FnOnce(Result<Report, String>) + Send>;

/// Makes an order, each time one is triggered.
pub(crate) type Prepared = Box<dyn Fn() -> Option<Request> + Send>;

/// An order to take a checkpoint.
pub(crate) struct Request {
    pub(crate) target: Target,
    pub(crate) compression: Compression,
    pub(crate) reason: Reason,
    pub(crate) then: AfterCheckpoint,
    pub(crate) done: Done,
}

/// Why there are no checkpoints of some code.
pub(crate) const NO_CHECKPOINTS: &str = "the module was compiled with --no-checkpoint, it cannot be stopped";

/// The checkpoints of one instance.
pub(crate) struct Driver {
    policy: Option<Policy>,
    /// Whether the code can be stopped at all.
    possible: bool,
    control: Arc<Control>,
    /// Orders of the API that wait for a stable point.
    requests: Mutex<VecDeque<Request>>,
    /// Whether there are any.
    ordered: AtomicBool,
    /// Calls of the host's that are in progress: more than one if several of its threads run the guest.
    running: AtomicUsize,
    /// Whether a checkpoint is being taken between two calls; the one who does holds `gate`.
    busy: AtomicBool,
    gate: Mutex<()>,
    /// An order that a signal handler may place.
    prepared: Mutex<Option<Prepared>>,
    /// Why the policy asked last.
    reason: Mutex<Option<Reason>>,
    /// Checkpoints taken so far, also before the program was restored.
    sequence: Mutex<u64>,
}

impl Driver {
    /// A driver for a store; `possible`: its code can be stopped, as there must be no policy if it cannot. The policy's signal, timer and count are in effect from now on.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn new(
        store: &Arc<Store>,
        policy: Option<Policy>,
        sequence: u64,
        possible: bool,
    ) -> Result<Arc<Driver>, String> {
        let driver = Arc::new(Driver {
            policy,
            possible,
            control: store.control().clone(),
            requests: Mutex::default(),
            ordered: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            busy: AtomicBool::new(false),
            gate: Mutex::new(()),
            prepared: Mutex::new(None),
            reason: Mutex::new(None),
            sequence: Mutex::new(sequence),
        });
        store.set_checkpointer(Some(Arc::new(Handle(Arc::downgrade(&driver)))));
        if let Some(policy) = &driver.policy {
            let failed = |e| format!("checkpoints cannot be prepared: {e}");
            driver.control.enable_wake().map_err(failed)?;
            if let Some(at) = policy.at {
                driver.control.checkpoint_at(at);
            }
            watcher::watch(&driver, policy).map_err(failed)?;
        }
        Ok(driver)
    }

    /// Orders a checkpoint at the next stable point.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn order(&self, request: Request) -> Result<(), String> {
        self.check_possible()?;
        self.control.enable_wake().map_err(|e| format!("checkpoints cannot be prepared: {e}"))?;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push_back(request);
        self.ordered.store(true, Ordering::SeqCst);
        self.control.request_checkpoint();
        Ok(())
    }

    /// Code that cannot be stopped must not be asked to.
    fn check_possible(&self) -> Result<(), String> {
        if self.possible { Ok(()) } else { Err(NO_CHECKPOINTS.to_owned()) }
    }

    /// Checkpoints taken so far.
    pub(crate) fn count(&self) -> u64 {
        *self.sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A checkpoint as the policy has it, because a signal came or time has passed.
    pub(crate) fn ask_by_policy(&self, reason: Reason) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.control.request_checkpoint();
    }

    /// Keeps what a trigger orders: a function that makes the order.
    ///
    /// # Errors
    /// Text: what the operating system refused.
    pub(crate) fn prepare(&self, order: Prepared) -> Result<(), String> {
        self.check_possible()?;
        self.control.enable_wake().map_err(|e| format!("checkpoints cannot be prepared: {e}"))?;
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        Ok(())
    }

    /// Asks for the prepared checkpoint. Async-signal-safe.
    pub(crate) fn trigger(&self) {
        if self.possible {
            self.control.request_checkpoint();
        }
    }

    /// A call of the host's begins. Waits while a checkpoint is being taken.
    pub(crate) fn begin_call(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.busy.load(Ordering::SeqCst) {
            drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// It ended. Orders that came too late for it are served now.
    pub(crate) fn end_call(&self, store: &Store) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        if self.ordered.load(Ordering::SeqCst) {
            self.serve_idle(store);
        }
    }

    /// Places an order and sees to it that it is served: by the guest at its next stable point, or here and now if no
    /// call is in progress.
    ///
    /// # Errors
    /// As [`Driver::order`].
    pub(crate) fn order_now(&self, store: &Store, request: Request) -> Result<(), String> {
        self.order(request)?;
        self.serve_idle(store);
        Ok(())
    }

    /// Serves orders unless a call is in progress, which serves them itself.
    fn serve_idle(&self, store: &Store) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        // One of the two sees the other: a call that begins counts in `running` before it looks at `busy`.
        self.busy.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 && self.ordered.load(Ordering::SeqCst) {
            self.control.take_checkpoint_request();
            self.serve(store, Ok(None));
        }
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Serves what is asked for: the API's orders, or else the policy.
    pub(crate) fn serve(
        &self,
        store: &Store,
        thread: Result<Option<Thread>, CaptureError>,
    ) -> AfterCheckpoint {
        self.ordered.store(false, Ordering::SeqCst);
        let mut orders = std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner));
        let by_policy = self.reason.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut after = AfterCheckpoint::Continue;
        if orders.is_empty()
            && by_policy.is_none()
            && let Some(prepared) = &*self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
        {
            orders.extend(prepared());
        }
        let served = !orders.is_empty();
        for Request { target, compression, reason, then, done } in orders {
            let result = self.take(store, &thread, &target, compression, reason);
            if result.is_ok() && then == AfterCheckpoint::Stop {
                after = AfterCheckpoint::Stop;
            }
            done(result);
        }
        if let Some(policy) = &self.policy
            && (by_policy.is_some() || !served)
        {
            let reason = by_policy.unwrap_or(Reason::Count);
            let target = Target::Path(policy.path.clone());
            let taken = restorable(store)
                .and_then(|()| self.take(store, &thread, &target, Compression::None, reason));
            match taken {
                Ok(_) if policy.then == Then::Exit => exit(),
                Ok(_) => {}
                Err(why) => complain(&format!("no checkpoint taken: {why}")),
            }
        }
        after
    }

    fn take(
        &self,
        store: &Store,
        thread: &Result<Option<Thread>, CaptureError>,
        target: &Target,
        compression: Compression,
        reason: Reason,
    ) -> Result<Report, String> {
        let started = Instant::now();
        let threads = match thread {
            Ok(thread) => thread.iter().cloned().collect(),
            Err(why) => return Err(why.to_string()),
        };
        if self.running.load(Ordering::SeqCst) > 1 {
            return Err("several threads of the host are running the guest".to_owned());
        }
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host_sections(store, *sequence + 1)?;
        let program = store.program(threads, host).map_err(|e| e.to_string())?;
        if let Some(place) = host_reference(&program) {
            return Err(format!(
                "{place} holds a reference to an object of the host, which has no way to save it"
            ));
        }
        let info = Info::now(reason, *sequence + 1);
        let shown = Shown::new("checkpoint");
        let progress = |p: Progress| shown.show(p);
        let options = WriteOptions { compression, progress: Some(&progress) };
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
        Ok(Report { stats, paused: started.elapsed(), image })
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
}

/// Whether a host that knows nothing of checkpoints can be restored.
fn restorable(store: &Store) -> Result<(), String> {
    match store.instance(0).and_then(WASMModuleInstanceCommon::of) {
        Some(instance) if instance.restoring.overflown() => {
            Err(format!("the host has made more than {MAX_CALLS} calls, too many to repeat when restored"))
        }
        _ => Ok(()),
    }
}

/// What WASI and the C API add.
fn host_sections(store: &Store, sequence: u64) -> Result<Vec<HostSection>, String> {
    let Some(instance) = store.instance(0).and_then(WASMModuleInstanceCommon::of) else {
        return Ok(Vec::new());
    };
    let wasi = instance.wasi.ctx.save().map_err(|e| e.to_string())?;
    let record = InstanceRecord {
        heap: instance.heap.as_ref().map(|heap| heap.range()),
        sequence,
        in_progress: instance.restoring.in_progress(),
        journal: instance.restoring.journal(),
    };
    let mut sections = vec![
        HostSection { name: record::WASI.0.to_owned(), version: record::WASI.1, bytes: wasi },
        HostSection {
            name: record::NAME.to_owned(),
            version: record::VERSION,
            bytes: record.encode().map_err(|e| e.to_string())?,
        },
    ];
    sections.extend(hooks::save(instance)?);
    Ok(sections)
}

/// Where the program holds a reference to an object of the host's.
fn host_reference(program: &wayfarer_snapshot::view::ProgramView) -> Option<String> {
    let is_host = |v: &Value| matches!(v, Value::ExternRef(Some(_)));
    for (index, table) in program.store.tables.iter().enumerate() {
        if table.elems.iter().any(is_host) {
            return Some(format!("table {index}"));
        }
    }
    for (index, global) in program.store.globals.iter().enumerate() {
        if is_host(&global.value) {
            return Some(format!("global {index}"));
        }
    }
    for frame in program.threads.iter().flat_map(|t| &t.frames) {
        if frame.locals.iter().chain(&frame.stack).any(is_host) {
            return Some(format!("a frame of function {}", frame.func.func));
        }
    }
    None
}

/// Ends the process after a checkpoint, as the policy says.
fn exit() -> ! {
    // SAFETY: flushes what the host printed. `_exit` leaves out what the host would do at its own end: it has not ended,
    // it goes on elsewhere.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::_exit(EXIT_CHECKPOINTED)
    }
}

/// A line on stderr; what can't be printed is lost.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "wayfarer: {text}");
}
