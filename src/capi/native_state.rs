//! Native modules of the host's that take part in checkpoints: their hooks, and what else the engine behind the C API wants
//! to know of its host.

use std::ffi::c_void;
use std::sync::Arc;

use wayfarer_program::{Embedder, HostParts, NativeModule, NativeModules, Outcome, ThreadContext};
use wayfarer_runtime::{TraceFrame, Trap};

use super::guest_threads::GuestThreadEnv;
use super::instance::WASMModuleInstanceCommon;
use super::types::wasm_module_inst_t;

/// Collects what a save hook writes.
#[derive(Debug, Default)]
pub struct Writer(pub(crate) Vec<u8>);

/// Writes a module's state; false if it can't be saved.
pub(crate) type Save = unsafe extern "C" fn(wasm_module_inst_t, *mut Writer, *mut c_void) -> bool;

/// Takes a module's state back; false if it can't be used.
pub(crate) type Restore = unsafe extern "C" fn(wasm_module_inst_t, *const c_void, usize, *mut c_void) -> bool;

/// A native module's hooks.
pub(crate) struct Hook {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) save: Save,
    pub(crate) restore: Restore,
    pub(crate) user_data: *mut c_void,
}

// SAFETY: functions and a pointer of the host's, which it gave to be used by whichever thread takes a checkpoint.
unsafe impl Send for Hook {}
// SAFETY: as above.
unsafe impl Sync for Hook {}

impl NativeModule for Hook {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn save(&self, instance: &HostParts) -> Option<Vec<u8>> {
        let mut writer = Writer::default();
        // SAFETY: the host registered the function with this signature and pointer.
        let saved = unsafe { (self.save)(instance.embedder().cast(), &raw mut writer, self.user_data) };
        saved.then_some(writer.0)
    }

    fn restore(&self, instance: &HostParts, state: &[u8]) -> bool {
        let (data, len) = (state.as_ptr().cast(), state.len());
        // SAFETY: as in `save`; the data lives until the call returns.
        unsafe { (self.restore)(instance.embedder().cast(), data, len, self.user_data) }
    }
}

/// Those of this process.
pub(crate) static HOOKS: NativeModules = NativeModules::new();

/// The host behind the C API.
pub(crate) struct Host;

impl Embedder for Host {
    fn thread(&self, root: &HostParts, parts: Box<HostParts>) -> Result<Box<dyn ThreadContext>, String> {
        Ok(Box::new(GuestThreadEnv::new(root, parts)?))
    }

    fn call_failed(&self, parts: &HostParts, trap: &Trap, trace: Vec<TraceFrame>) {
        if let Some(instance) = WASMModuleInstanceCommon::of(parts.instance()) {
            instance.keep_trace(trace);
            instance.record_trap(trap);
        }
    }

    fn outcome(&self, parts: &HostParts, trap: &Trap) -> Outcome {
        match WASMModuleInstanceCommon::of(parts.instance()) {
            Some(instance) => instance.outcome(),
            None => Outcome::Failed { exception: trap.to_string(), exit_code: 0, terminated: false },
        }
    }

    fn native_modules(&self) -> Vec<Arc<dyn NativeModule>> {
        HOOKS.all()
    }
}
