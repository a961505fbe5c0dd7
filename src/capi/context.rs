//! Context keys: up to eight pointers a host's libraries keep with every instance.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ffi::guard;
use super::instance::WASMModuleInstanceCommon;
use super::log::error;
use super::types::wasm_module_inst_t;

/// How many keys there can be.
const MAX_KEYS: usize = 8;

/// Called with each instance that ends, and its pointer.
type Destructor = Option<unsafe extern "C" fn(wasm_module_inst_t, *mut c_void)>;

/// Which keys are in use, with their destructors.
static KEYS: Mutex<[Option<Destructor>; MAX_KEYS]> = Mutex::new([None; MAX_KEYS]);

fn keys() -> MutexGuard<'static, [Option<Destructor>; MAX_KEYS]> {
    KEYS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pointers of one instance.
pub(crate) struct Slots([AtomicPtr<c_void>; MAX_KEYS]);

impl Slots {
    /// All NULL.
    pub(crate) fn new() -> Self {
        Slots([const { AtomicPtr::new(null_mut()) }; MAX_KEYS])
    }

    /// Has the same pointers as those.
    pub(crate) fn inherit(&self, of: &Slots) {
        for (slot, of) in self.0.iter().zip(&of.0) {
            slot.store(of.load(Ordering::Acquire), Ordering::Release);
        }
    }
}

/// Handles are 1 and up, so that none is NULL.
fn index_of(key: *mut c_void) -> Option<usize> {
    (key as usize).checked_sub(1).filter(|&index| index < MAX_KEYS)
}

/// Calls the destructor of every key, whether or not the instance has set its pointer.
pub(crate) fn destroy_all(instance: &WASMModuleInstanceCommon) {
    let keys = *keys();
    for (key, slot) in keys.into_iter().zip(&instance.contexts.0) {
        if let Some(Some(destructor)) = key {
            // SAFETY: the host registered this function for this purpose.
            unsafe { destructor(instance.as_ptr(), slot.load(Ordering::Acquire)) };
        }
    }
}

/// Makes a key; only while there are no instances. `dtor`, which may be NULL, is called with each instance that ends.
/// Returns NULL when all eight are in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_create_context_key(
    dtor: Option<unsafe extern "C" fn(inst: wasm_module_inst_t, ctx: *mut c_void)>,
) -> *mut c_void {
    guard(null_mut(), || {
        let mut keys = keys();
        let Some(index) = keys.iter().position(Option::is_none) else {
            error!("failed to allocate instance context key");
            return null_mut();
        };
        keys[index] = Some(dtor);
        std::ptr::without_provenance_mut(index + 1)
    })
}

/// Gives a key back; only while there are no instances.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_destroy_context_key(key: *mut c_void) {
    guard((), || {
        if let Some(index) = index_of(key) {
            keys()[index] = None;
        }
    });
}

/// Sets an instance's pointer for a key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_context(
    inst: wasm_module_inst_t,
    key: *mut c_void,
    ctx: *mut c_void,
) {
    // SAFETY: as the caller promises.
    if let (Some(instance), Some(index)) = (unsafe { inst.as_ref() }, index_of(key)) {
        instance.contexts.0[index].store(ctx, Ordering::Release);
    }
}

/// Sets the pointer for a key in all instances that share this one's threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_context_spread(
    inst: wasm_module_inst_t,
    key: *mut c_void,
    ctx: *mut c_void,
) {
    // SAFETY: as the caller promises. Threads run the instance they were started from, so there is only the one.
    unsafe { wasm_runtime_set_context(inst, key, ctx) };
}

/// An instance's pointer for a key; NULL at first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_context(inst: wasm_module_inst_t, key: *mut c_void) -> *mut c_void {
    // SAFETY: as the caller promises.
    match (unsafe { inst.as_ref() }, index_of(key)) {
        (Some(instance), Some(index)) => instance.contexts.0[index].load(Ordering::Acquire),
        _ => null_mut(),
    }
}
