//! How an engine of `wasm_c_api.h` is to be set up.

use std::mem::MaybeUninit;
use std::ptr::null_mut;

use wayfarer_platform::alloc::{MemAllocOption, MemAllocPool, mem_alloc_type_t};
use wayfarer_platform::ffi::guard;

/// How an engine is set up.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_config_t {
    /// Allocator.
    pub mem_alloc_type: MaybeUninit<mem_alloc_type_t>,
    /// Its arguments.
    pub mem_alloc_option: MemAllocOption,
    /// Not used.
    pub segue_flags: u32,
    /// Write a map for perf(1).
    pub enable_linux_perf: bool,
}

/// No arguments for an allocator.
pub const NO_OPTION: MemAllocOption =
    MemAllocOption { pool: MemAllocPool { heap_buf: null_mut(), heap_size: 0 } };

/// Makes a configuration: malloc as allocator.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_config_new() -> *mut wasm_config_t {
    guard(null_mut(), || {
        Box::into_raw(Box::new(wasm_config_t {
            mem_alloc_type: MaybeUninit::new(mem_alloc_type_t::Alloc_With_System_Allocator),
            mem_alloc_option: NO_OPTION,
            segue_flags: 0,
            enable_linux_perf: false,
        }))
    })
}

/// Deletes a configuration. An engine does not take it over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_config_delete(config: *mut wasm_config_t) {
    if !config.is_null() {
        // SAFETY: as the caller promises: made by wasm_config_new.
        drop(unsafe { Box::from_raw(config) });
    }
}

/// Sets the allocator. Returns the configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_config_set_mem_alloc_opt(
    config: *mut wasm_config_t,
    mem_alloc_type: MaybeUninit<mem_alloc_type_t>,
    mem_alloc_option: *mut MemAllocOption,
) -> *mut wasm_config_t {
    // SAFETY: as the caller promises.
    if let Some(config) = unsafe { config.as_mut() } {
        config.mem_alloc_type = mem_alloc_type;
        // SAFETY: as the caller promises.
        if let Some(option) = unsafe { mem_alloc_option.as_ref() } {
            config.mem_alloc_option = *option;
        }
    }
    config
}

/// Asks for a map for perf(1) of compiled code. Returns the configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_config_set_linux_perf_opt(
    config: *mut wasm_config_t,
    enable: bool,
) -> *mut wasm_config_t {
    // SAFETY: as the caller promises.
    unsafe { config.as_mut() }.into_iter().for_each(|config| config.enable_linux_perf = enable);
    config
}

/// Sets flags of a JIT that this version does not have. Returns the configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_config_set_segue_flags(
    config: *mut wasm_config_t,
    segue_flags: u32,
) -> *mut wasm_config_t {
    // SAFETY: as the caller promises.
    unsafe { config.as_mut() }.into_iter().for_each(|config| config.segue_flags = segue_flags);
    config
}
