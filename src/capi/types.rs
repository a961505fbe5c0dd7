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
use super::ffi::CEnum;
pub use super::handles::*;
pub use wayfarer_c_data::kinds::{wasm_valkind_enum, wasm_valkind_t};

/// What an import or export is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum wasm_import_export_kind_t {
    /// A function.
    WASM_IMPORT_EXPORT_KIND_FUNC,
    /// A table.
    WASM_IMPORT_EXPORT_KIND_TABLE,
    /// A linear memory.
    WASM_IMPORT_EXPORT_KIND_MEMORY,
    /// A global.
    WASM_IMPORT_EXPORT_KIND_GLOBAL,
}

/// Type of an import or export; `kind` says which member counts.
#[repr(C)]
#[derive(Clone, Copy)]
pub union wasm_extern_type_u {
    /// `WASM_IMPORT_EXPORT_KIND_FUNC`
    pub func_type: wasm_func_type_t,
    /// `WASM_IMPORT_EXPORT_KIND_TABLE`
    pub table_type: wasm_table_type_t,
    /// `WASM_IMPORT_EXPORT_KIND_GLOBAL`
    pub global_type: wasm_global_type_t,
    /// `WASM_IMPORT_EXPORT_KIND_MEMORY`
    pub memory_type: wasm_memory_type_t,
}

/// An import of a module. Strings belong to the module.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_import_t {
    /// Module name.
    pub module_name: *const c_char,
    /// Field name.
    pub name: *const c_char,
    /// What is imported.
    pub kind: wasm_import_export_kind_t,
    /// Whether something to link it to is known.
    pub linked: bool,
    /// Its type.
    pub u: wasm_extern_type_u,
}

/// An export of a module. The name belongs to the module.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_export_t {
    /// Name.
    pub name: *const c_char,
    /// What is exported.
    pub kind: wasm_import_export_kind_t,
    /// Its type.
    pub u: wasm_extern_type_u,
}

/// One frame of a call stack.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_frame_t {
    /// Instance the function belongs to.
    pub instance: *mut c_void,
    /// Always 0.
    pub module_offset: u32,
    /// Index of the function.
    pub func_index: u32,
    /// Offset of the instruction.
    pub func_offset: u32,
    /// Name of the function, if known.
    pub func_name_wp: *const c_char,
    /// Not used.
    pub sp: *mut u32,
    /// Not used.
    pub frame_ref: *mut u8,
    /// Not used.
    pub lp: *mut u32,
}

/// One frame of a call stack.
pub type WASMCApiFrame = wasm_frame_t;

/// A section of a module, for wasm_runtime_load_from_sections.
#[repr(C)]
pub struct wasm_section_t {
    /// Next section, or NULL.
    pub next: *mut wasm_section_t,
    /// Section id.
    pub section_type: c_int,
    /// Content, without id and size.
    pub section_body: *mut u8,
    /// Bytes of content.
    pub section_body_size: u32,
}

/// A section of a module.
pub type aot_section_t = wasm_section_t;
/// A linked list of sections.
pub type wasm_section_list_t = *mut wasm_section_t;
/// A linked list of sections.
pub type aot_section_list_t = *mut wasm_section_t;

/// What kind of file a buffer holds.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum package_type_t {
    /// WebAssembly binary format.
    Wasm_Module_Bytecode = 0,
    /// Compiled ahead of time.
    Wasm_Module_AoT = 1,
    /// Neither.
    Package_Type_Unknown = 0xFFFF,
}

/// How code is executed.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunningMode {
    /// Interpreter.
    Mode_Interp = 1,
    /// Fast JIT.
    Mode_Fast_JIT = 2,
    /// LLVM JIT.
    Mode_LLVM_JIT = 3,
    /// Fast JIT first, LLVM JIT when ready.
    Mode_Multi_Tier_JIT = 4,
}

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

/// Arguments of wasm_runtime_load_ex. Zero it first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LoadArgs {
    /// Name of the module, or NULL.
    pub name: *mut c_char,
    /// Only for wasm_module_new_ex: keep a copy of the binary.
    pub clone_wasm_binary: bool,
    /// The caller wants to free the buffer after loading.
    pub wasm_binary_freeable: bool,
    /// Leave imports unlinked until wasm_runtime_resolve_symbols.
    pub no_resolve: bool,
}

/// Arguments of wasm_runtime_instantiate_ex. Zero it first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct InstantiationArgs {
    /// Bytes of operand stack of the instance's own exec env; 0 for the default.
    pub default_stack_size: u32,
    /// Bytes of heap inserted into linear memory for wasm_runtime_module_malloc; 0 for none.
    pub host_managed_heap_size: u32,
    /// Most pages memory may grow to; 0 to keep the module's own limit.
    pub max_memory_pages: u32,
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

/// Where an exported global lives.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_global_inst_t {
    /// Kind of its value.
    pub kind: wasm_valkind_t,
    /// Whether it may be written.
    pub is_mutable: bool,
    /// The live value: 4, 8 or 16 bytes. A v128 is two uint64_t, the one with lane 0 first.
    pub global_data: *mut c_void,
}

/// An exported table.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasm_table_inst_t {
    /// Kind of its elements.
    pub elem_kind: wasm_valkind_t,
    /// Number of elements when it was asked for.
    pub cur_size: u32,
    /// Most elements it can have.
    pub max_size: u32,
    /// Internal.
    pub elems: *mut c_void,
}

/// Arguments of wasm_runtime_create_shared_heap.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SharedHeapInitArgs {
    /// Bytes.
    pub size: u32,
    /// The host's own buffer, or NULL.
    pub pre_allocated_addr: *mut c_void,
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

/// Why a linear memory could not grow.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum enlarge_memory_error_reason_t {
    /// The system refused.
    INTERNAL_ERROR,
    /// The memory's own limit.
    MAX_SIZE_REACHED,
}

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

// SAFETY: fieldless `repr(C)` enums are `unsigned int` on every target of this crate.
unsafe impl CEnum for package_type_t {}
// SAFETY: as above.
unsafe impl CEnum for RunningMode {}
