//! Records that hosts give and are given, with nothing behind them that this library would have to free.

use std::ffi::{c_char, c_void};

use wayfarer_platform::ffi::CEnum;

use crate::kinds::wasm_valkind_t;

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

/// Why a linear memory could not grow.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum enlarge_memory_error_reason_t {
    /// The system refused.
    INTERNAL_ERROR,
    /// The memory's own limit.
    MAX_SIZE_REACHED,
}

// SAFETY: a fieldless `repr(C)` enum is an `unsigned int` on every target of this crate.
unsafe impl CEnum for RunningMode {}
