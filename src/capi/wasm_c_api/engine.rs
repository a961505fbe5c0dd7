//! The engine.

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use wayfarer_c_data::config::{NO_OPTION, wasm_config_t};

use super::super::ffi::guard;
use super::super::init::{initialize_with, wasm_runtime_destroy};
use super::super::types::{MemAllocOption, mem_alloc_type_t};

/// The engine; there is one in a process.
pub struct wasm_engine_t {
    _engine: [u8; 0],
}

/// How many engines there are, and the one they all are.
static ENGINE: Mutex<(u32, usize)> = Mutex::new((0, 0));

/// # Safety
/// The option goes with the type.
unsafe fn new_engine(
    mem_alloc_type: MaybeUninit<mem_alloc_type_t>,
    option: &MemAllocOption,
    enable_linux_perf: bool,
) -> *mut wasm_engine_t {
    guard(null_mut(), || {
        let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
        if engine.0 == 0 {
            // SAFETY: as the caller promises.
            if !unsafe { initialize_with(mem_alloc_type, option, enable_linux_perf) } {
                return null_mut();
            }
            engine.1 = Box::into_raw(Box::new(0u64)) as usize;
        }
        engine.0 += 1;
        engine.1 as *mut wasm_engine_t
    })
}

/// Makes the engine, with malloc as allocator. If there is one, it is returned again; each return needs its own
/// wasm_engine_delete.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_engine_new() -> *mut wasm_engine_t {
    // SAFETY: malloc needs no option.
    unsafe { new_engine(MaybeUninit::new(mem_alloc_type_t::Alloc_With_System_Allocator), &NO_OPTION, false) }
}

/// Makes the engine from a configuration, which stays the caller's. NULL stands for the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_engine_new_with_config(config: *mut wasm_config_t) -> *mut wasm_engine_t {
    // SAFETY: as the caller promises.
    match unsafe { config.as_ref() } {
        // SAFETY: as the caller promises.
        Some(config) => unsafe {
            new_engine(config.mem_alloc_type, &config.mem_alloc_option, config.enable_linux_perf)
        },
        None => wasm_engine_new(),
    }
}

/// Makes the engine with an allocator. Deprecated: use wasm_engine_new_with_config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_engine_new_with_args(
    r#type: MaybeUninit<mem_alloc_type_t>,
    opts: *const MemAllocOption,
) -> *mut wasm_engine_t {
    // SAFETY: as the caller promises.
    unsafe { new_engine(r#type, opts.as_ref().unwrap_or(&NO_OPTION), false) }
}

/// Deletes the engine; it goes with the last deletion.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_engine_delete(engine: *mut wasm_engine_t) {
    guard((), || {
        let mut only = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
        if engine.is_null() || only.0 == 0 {
            return;
        }
        only.0 -= 1;
        if only.0 == 0 {
            // SAFETY: made by `new_engine`, and this was the last use.
            drop(unsafe { Box::from_raw(only.1 as *mut u64) });
            only.1 = 0;
            wasm_runtime_destroy();
        }
    });
}
