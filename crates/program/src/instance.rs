//! What an instance has beside what the engine runs.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, OnceLock};

use wayfarer_module::Module;
use wayfarer_runtime::{Extern, Func, Instance, Store, Used};
use wayfarer_wasi::{Lock, WasiCtx};

use crate::app_heap::AppHeap;
use crate::program::Program;
use crate::recording::Recording;
use crate::streams::Streams;

/// Where guests have their system calls.
const WASI_MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Whether a module imports anything of WASI.
pub fn imports_wasi(module: &Module) -> bool {
    module.imports.iter().any(|i| WASI_MODULES.contains(&&*i.module))
}

/// The host's parts of an instance: what its checkpoints hold beside the engine's view of it. The engine's instance leads
/// here for as long as they are there.
pub struct HostParts {
    program: Program,
    instance: *const Instance,
    /// Keeps it. `None` if it is kept by those who use it, and these parts go with it.
    used: Option<Used<Instance>>,
    /// Number of the instance that it is beside, if it is one of a thread that the guest has started.
    thread_of: Option<u32>,
    /// Descriptors, clocks, arguments. All threads of a guest have the same.
    pub wasi: Arc<WasiCtx>,
    /// A heap for the host, in the guest's memory.
    pub heap: Option<Arc<AppHeap>>,
    /// C's streams, where they are known.
    pub(crate) streams: OnceLock<Arc<Streams>>,
    /// The log of its calls, if it keeps one.
    pub(crate) recording: OnceLock<Arc<Recording>>,
    embedder: AtomicPtr<c_void>,
}

// SAFETY: the engine's instance may be looked at by any thread, and is there (see `HostParts::instance`).
unsafe impl Send for HostParts {}
// SAFETY: as above.
unsafe impl Sync for HostParts {}

fn kind(lock: u32) -> Result<Lock, String> {
    match lock {
        0 => Ok(Lock::Unlocked),
        1 => Ok(Lock::Shared),
        2 => Ok(Lock::Exclusive),
        other => Err(format!("bad value {other} for a lock")),
    }
}

impl HostParts {
    /// Parts of an instance of this program, which they keep.
    pub(crate) fn new(
        program: &Program,
        instance: &Instance,
        wasi: WasiCtx,
        heap: Option<AppHeap>,
    ) -> Box<HostParts> {
        let (wasi, heap) = (Arc::new(wasi), heap.map(Arc::new));
        Self::made(program, instance, None, wasi, heap)
    }

    /// Parts of an instance beside another of the guest's, for a thread: most of it is the same.
    pub(crate) fn of_thread(beside: &HostParts, instance: &Instance) -> Box<HostParts> {
        let root = beside.root_number();
        let (wasi, heap) = (beside.wasi.clone(), beside.heap.clone());
        let parts = Self::made(beside.program(), instance, Some(root), wasi, heap);
        if let Some(streams) = beside.streams.get() {
            let _ = parts.streams.set(streams.clone());
        }
        if let Some(recording) = beside.recording.get() {
            let _ = parts.recording.set(recording.clone());
        }
        parts
    }

    fn made(
        program: &Program,
        instance: &Instance,
        thread_of: Option<u32>,
        wasi: Arc<WasiCtx>,
        heap: Option<Arc<AppHeap>>,
    ) -> Box<HostParts> {
        if let Some(heap) = &heap {
            program.note_heap(instance.number(), heap.range());
        }
        let embedder = AtomicPtr::new(null_mut());
        // SAFETY: an instance that is there, of the program's store.
        let used = Some(unsafe { Used::new(program.store(), instance) });
        let parts = Box::new(HostParts {
            program: program.clone(),
            instance,
            used,
            thread_of,
            wasi,
            heap,
            streams: OnceLock::new(),
            recording: OnceLock::new(),
            embedder,
        });
        // They stay in their box until they are dropped, which takes this away.
        instance.owner.store(std::ptr::from_ref(&*parts).cast_mut().cast(), Ordering::Release);
        parts
    }

    /// Locks (1: shared, 2: exclusive) or unlocks (0) a range of a file that the guest has open, as
    /// [`WasiCtx::lock_file`].
    ///
    /// # Errors
    /// Text: why it cannot be had.
    pub fn lock_file(&self, fd: u32, lock: u32, start: u64, len: u64) -> Result<(), String> {
        self.wasi.lock_file(fd, kind(lock)?, start, len).map_err(|why| format!("descriptor {fd}: {why}"))
    }

    /// The same for a file as a whole, as [`WasiCtx::lock_whole_file`].
    ///
    /// # Errors
    /// Text: why it cannot be had.
    pub fn lock_whole_file(&self, fd: u32, lock: u32) -> Result<(), String> {
        self.wasi.lock_whole_file(fd, kind(lock)?).map_err(|why| format!("descriptor {fd}: {why}"))
    }

    /// Has C's streams noticed, where it is known which functions open and close them.
    ///
    /// # Errors
    /// What is wrong with what somebody has said of these.
    pub(crate) fn notice_streams(&self) -> Result<(), String> {
        if let Some(streams) = Streams::attach(self)? {
            let _ = self.streams.set(streams);
        }
        Ok(())
    }

    /// Has the instance's calls logged from now on, if they are to be. `restored`: the image that it goes on from.
    ///
    /// # Errors
    /// Why that cannot be.
    pub(crate) fn record_calls(&self, restored: Option<&str>) -> Result<(), String> {
        if let Some(recording) = Recording::begin(self, restored)? {
            let _ = self.recording.set(Arc::new(recording));
        }
        Ok(())
    }

    /// The parts of an instance, while it has any.
    #[inline]
    pub fn of(instance: &Instance) -> Option<&HostParts> {
        // SAFETY: `new` stored it, and `drop` takes it away; who ends an instance sees to it that nobody uses it.
        unsafe { instance.owner.load(Ordering::Acquire).cast::<HostParts>().as_ref() }
    }

    /// The same of an instance that is none of a thread's that the guest has started.
    pub(crate) fn of_host(instance: &Instance) -> Option<&HostParts> {
        HostParts::of(instance).filter(|parts| parts.thread_of.is_none())
    }

    /// Number of the instance that all threads of the guest belong to.
    #[inline]
    pub(crate) fn root_number(&self) -> u32 {
        self.thread_of.unwrap_or_else(|| self.instance().number())
    }

    /// Whether they are of an instance beside another of the guest's, for a thread.
    pub fn is_of_thread(&self) -> bool {
        self.thread_of.is_some()
    }

    /// The parts of that.
    pub fn root(&self) -> &HostParts {
        let root = self.thread_of.and_then(|root| self.store().instance_numbered(root));
        root.and_then(HostParts::of).unwrap_or(self)
    }

    /// The program that the instance is of.
    #[inline]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Its store.
    #[inline]
    pub fn store(&self) -> &Arc<Store> {
        self.program.store()
    }

    /// The engine's instance.
    #[inline]
    pub fn instance(&self) -> &Instance {
        // SAFETY: it is used by these parts, or they go with it, and the program keeps its store.
        unsafe { &*self.instance }
    }

    /// The exported function called `name`.
    pub fn exported_func(&self, name: &str) -> Option<&Func> {
        match self.instance().export(name)? {
            // SAFETY: the instance keeps what it exports.
            Extern::Func(func) => Some(unsafe { &*func }),
            _ => None,
        }
    }

    /// Keeps the engine's instance no more. Whoever gets this does, and has to end these parts before it:
    /// [`Instance::keep`].
    pub fn let_go(&mut self) -> Option<Used<Instance>> {
        self.used.take()
    }

    /// The instance is about to end: if it is one that goes again, as it did the first time, the host's standard streams are
    /// left where it left them.
    pub fn leave_streams(&self) {
        if let Some(left) = self.program.history().streams_left(self.instance().number() as usize) {
            self.wasi.take_up_streams(&left);
        }
    }

    /// What the embedder wants to find from here; null at first.
    #[inline]
    pub fn embedder(&self) -> *mut c_void {
        self.embedder.load(Ordering::Acquire)
    }

    /// Keeps something of the embedder's.
    pub fn set_embedder(&self, embedder: *mut c_void) {
        self.embedder.store(embedder, Ordering::Release);
    }
}

impl std::fmt::Debug for HostParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let index = self.instance().index();
        f.debug_struct("HostParts")
            .field("instance", &index)
            .field("heap", &self.heap)
            .finish_non_exhaustive()
    }
}

impl Drop for HostParts {
    fn drop(&mut self) {
        if self.thread_of.is_none() {
            // They have parts of this.
            self.program().guest_threads().give_up(self.root_number());
            self.wait_for_threads();
        }
        self.instance().owner.store(null_mut(), Ordering::Release);
    }
}
