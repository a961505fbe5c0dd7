//! What an instance has beside what the engine runs.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use wayfarer_module::Module;
use wayfarer_runtime::Instance;
use wayfarer_wasi::WasiCtx;

use crate::app_heap::AppHeap;

/// Where guests have their system calls.
const WASI_MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// Whether a module imports anything of WASI.
pub fn imports_wasi(module: &Module) -> bool {
    module.imports.iter().any(|i| WASI_MODULES.contains(&&*i.module))
}

/// The host's parts of an instance: what its checkpoints hold beside the engine's view of it. An engine's instance leads
/// here.
#[derive(Debug)]
pub struct HostParts {
    /// Descriptors, clocks, arguments.
    pub wasi: WasiCtx,
    /// A heap for the host, in the guest's memory.
    pub heap: Option<AppHeap>,
    /// What the embedder wants to find from here.
    pub embedder: *mut c_void,
}

// SAFETY: the pointer is the embedder's, which gave it to be found by any thread that runs the guest.
unsafe impl Send for HostParts {}
// SAFETY: as above.
unsafe impl Sync for HostParts {}

impl HostParts {
    /// Parts that the embedder is still to be found from.
    pub fn new(wasi: WasiCtx, heap: Option<AppHeap>) -> HostParts {
        HostParts { wasi, heap, embedder: null_mut() }
    }

    /// Has the engine's instance lead here.
    ///
    /// # Safety
    /// The parts stay where they are until they are detached, or the instance's store is gone.
    pub unsafe fn attach(&self, instance: &Instance) {
        instance.owner.store(std::ptr::from_ref(self).cast_mut().cast(), Ordering::Release);
    }

    /// The engine's instance leads nowhere from now on.
    pub fn detach(instance: &Instance) {
        instance.owner.store(null_mut(), Ordering::Release);
    }

    /// The parts of an instance, while it has any.
    #[inline]
    pub fn of(instance: &Instance) -> Option<&HostParts> {
        // SAFETY: `attach` stored it, and whoever called it keeps it there.
        unsafe { instance.owner.load(Ordering::Acquire).cast::<HostParts>().as_ref() }
    }
}
