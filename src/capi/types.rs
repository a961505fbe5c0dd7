//! The types that C callers see, laid out as in WAMR's headers.
//!
//! Handles are pointers to types that C never looks into; those types live beside the code that makes them. Records
//! with a `*_DEFINED` guard or an anonymous union cannot be written by cbindgen: their C text is in `cbindgen/*.h`, and
//! `tests/abi_layout.rs` holds both sides to the same layout.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::MaybeUninit;

pub use super::alloc::{
    MemAllocFunctions, MemAllocOption, MemAllocPool, mem_alloc_info_t, mem_alloc_type_t, mem_alloc_usage_t,
};
pub use super::handles::*;
pub use wayfarer_c_data::kinds::{wasm_valkind_enum, wasm_valkind_t};
pub use wayfarer_c_data::module_types::{
    wasm_export_t, wasm_extern_type_u, wasm_import_export_kind_t, wasm_import_t,
};
pub use wayfarer_c_data::package::{
    aot_section_list_t, aot_section_t, package_type_t, wasm_section_list_t, wasm_section_t,
};
pub use wayfarer_c_data::records::{
    InstantiationArgs, LoadArgs, RunningMode, SharedHeapInitArgs, WASMCApiFrame,
    enlarge_memory_error_reason_t, wasm_frame_t, wasm_global_inst_t, wasm_table_inst_t,
};

/// Arguments of wasm_runtime_full_init. Zero it first; zero means the default for every field but `mem_alloc_type`.
#[repr(C)]
pub struct RuntimeInitArgs {
    /// Allocator.
    pub mem_alloc_type: MaybeUninit<mem_alloc_type_t>,
    /// Its arguments.
    pub mem_alloc_option: MemAllocOption,
    /// Module name of `native_symbols`.
    pub native_module_name: *const c_char,
    /// Native functions to register.
    pub native_symbols: *mut NativeSymbol,
    /// How many.
    pub n_native_symbols: u32,
    /// Most threads in a cluster.
    pub max_thread_num: u32,
    /// Address for the debug server, empty for none.
    pub ip_addr: [c_char; 128],
    /// Not used.
    pub unused: c_int,
    /// Port for the debug server.
    pub instance_port: c_int,
    /// Bytes of the Fast JIT's code cache.
    pub fast_jit_code_cache_size: u32,
    /// Bytes of each instance's heap of garbage-collected objects.
    pub gc_heap_size: u32,
    /// Default running mode.
    pub running_mode: MaybeUninit<RunningMode>,
    /// LLVM JIT optimization level.
    pub llvm_jit_opt_level: u32,
    /// LLVM JIT size level.
    pub llvm_jit_size_level: u32,
    /// LLVM JIT segue flags.
    pub segue_flags: u32,
    /// Write a map for perf(1).
    pub enable_linux_perf: bool,
}

/// Content of a `wasm_val_t`; its kind says which member counts.
#[repr(C)]
#[derive(Clone, Copy)]
pub union wasm_val_u {
    /// `WASM_I32`; also the index of a function for `WASM_FUNCREF` in this API.
    pub i32: i32,
    /// `WASM_I64`
    pub i64: i64,
    /// `WASM_F32`
    pub f32: f32,
    /// `WASM_F64`
    pub f64: f64,
    /// A host pointer, for `WASM_EXTERNREF`.
    pub foreign: usize,
    /// A reference, in wasm_c_api.h.
    pub r#ref: *mut super::wasm_c_api::refs::wasm_ref_t,
}

/// A value with its kind.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_val_t {
    /// Kind.
    pub kind: wasm_valkind_t,
    /// Not used.
    pub _paddings: [u8; 7],
    /// Content.
    pub of: wasm_val_u,
}

/// Finds the bytes of a module that another one imports from.
pub type module_reader = Option<
    unsafe extern "C" fn(
        module_type: MaybeUninit<package_type_t>,
        module_name: *const c_char,
        p_buffer: *mut *mut u8,
        p_size: *mut u32,
    ) -> bool,
>;

/// Frees what a `module_reader` found.
pub type module_destroyer = Option<unsafe extern "C" fn(buffer: *mut u8, size: u32)>;

/// Body of a thread started by wasm_runtime_spawn_thread.
pub type wasm_thread_callback_t =
    Option<unsafe extern "C" fn(exec_env: wasm_exec_env_t, arg: *mut c_void) -> *mut c_void>;

/// Identifies a thread started by wasm_runtime_spawn_thread.
pub type wasm_thread_t = usize;

/// Told of each failed `memory.grow` and wasm_runtime_enlarge_memory.
pub type enlarge_memory_error_callback_t = Option<
    unsafe extern "C" fn(
        inc_page_count: u32,
        current_memory_size: u64,
        memory_index: u32,
        failure_reason: enlarge_memory_error_reason_t,
        instance: wasm_module_inst_t,
        exec_env: wasm_exec_env_t,
        user_data: *mut c_void,
    ),
>;

const _: () = assert!(size_of::<c_uint>() == size_of::<u32>());
