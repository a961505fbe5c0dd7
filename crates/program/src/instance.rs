//! What an instance has beside what the engine runs.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use wayfarer_module::Module;
use wayfarer_runtime::{Instance, Store, Used};
use wayfarer_wasi::WasiCtx;

use crate::app_heap::AppHeap;
use crate::program::Program;

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
    /// Descriptors, clocks, arguments.
    pub wasi: WasiCtx,
    /// A heap for the host, in the guest's memory.
    pub heap: Option<AppHeap>,
    embedder: AtomicPtr<c_void>,
}

// SAFETY: the engine's instance may be looked at by any thread, and is there (see `HostParts::instance`).
unsafe impl Send for HostParts {}
// SAFETY: as above.
unsafe impl Sync for HostParts {}

impl HostParts {
    /// Parts of an instance of this program, which they keep.
    pub(crate) fn new(
        program: &Program,
        instance: &Instance,
        wasi: WasiCtx,
        heap: Option<AppHeap>,
    ) -> Box<HostParts> {
        if let Some(heap) = &heap {
            program.note_heap(instance.number(), heap.range());
        }
        let embedder = AtomicPtr::new(null_mut());
        // SAFETY: an instance that is there, of the program's store.
        let used = Some(unsafe { Used::new(program.store(), instance) });
        let parts = Box::new(HostParts { program: program.clone(), instance, used, wasi, heap, embedder });
        // They stay in their box until they are dropped, which takes this away.
        instance.owner.store(std::ptr::from_ref(&*parts).cast_mut().cast(), Ordering::Release);
        parts
    }

    /// The parts of an instance, while it has any.
    #[inline]
    pub fn of(instance: &Instance) -> Option<&HostParts> {
        // SAFETY: `new` stored it, and `drop` takes it away; who ends an instance sees to it that nobody uses it.
        unsafe { instance.owner.load(Ordering::Acquire).cast::<HostParts>().as_ref() }
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
        self.instance().owner.store(null_mut(), Ordering::Release);
    }
}
