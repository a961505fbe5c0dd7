//! Public functions that this version does not do. Each is exported with its prototype, logs what is missing, and
//! reports failure the way it is documented to.
//!
//! [`UNSUPPORTED`] is the one list of them; the README's table is checked against it.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

use super::ffi::{guard, put_error};
use super::log::error;
use super::types::{
    SharedHeapInitArgs, WASMCApiFrame, module_destroyer, module_reader, wasm_exec_env_t, wasm_module_inst_t,
    wasm_module_t, wasm_shared_heap_t,
};

/// Function and what it would need.
pub const UNSUPPORTED: &[(&str, &str)] = &[
    ("wasm_runtime_set_module_reader", MODULES),
    ("wasm_runtime_register_module", MODULES),
    ("wasm_runtime_find_module_registered", MODULES),
    ("wasm_runtime_get_module_hash", "module hashes exist in SGX enclaves only"),
    ("wasm_copy_callstack", CALL_STACKS),
    ("wasm_runtime_start_debug_instance_with_port", DEBUGGER),
    ("wasm_runtime_start_debug_instance", DEBUGGER),
    ("wasm_runtime_set_bounds_checks", BOUNDS_CHECKS),
    ("wasm_runtime_set_instruction_count_limit", "instruction counting is not implemented"),
    ("wasm_runtime_dump_perf_profiling", PROFILING),
    ("wasm_runtime_sum_wasm_exec_time", PROFILING),
    ("wasm_runtime_get_wasm_func_exec_time", PROFILING),
    ("wasm_instance_sum_wasm_exec_time", PROFILING),
    ("wasm_instance_get_wasm_func_exec_time", PROFILING),
    ("wasm_runtime_get_pgo_prof_data_size", PGO),
    ("wasm_runtime_dump_pgo_prof_data_to_buf", PGO),
    ("wasm_runtime_create_shared_heap", SHARED_HEAPS),
    ("wasm_runtime_chain_shared_heaps", SHARED_HEAPS),
    ("wasm_runtime_unchain_shared_heaps", SHARED_HEAPS),
    ("wasm_runtime_reset_shared_heap_chain", SHARED_HEAPS),
    ("wasm_runtime_attach_shared_heap", SHARED_HEAPS),
    ("wasm_runtime_detach_shared_heap", SHARED_HEAPS),
    ("wasm_runtime_shared_heap_malloc", SHARED_HEAPS),
    ("wasm_runtime_shared_heap_free", SHARED_HEAPS),
];

const MODULES: &str = "modules that import from other modules are not implemented";
const CALL_STACKS: &str = "call stacks are only known after a trap";
const DEBUGGER: &str = "there is no debug server";
const BOUNDS_CHECKS: &str = "bounds checks are always on";
const PROFILING: &str = "execution time is not measured";
const PGO: &str = "compiled code does not count what it runs";
const SHARED_HEAPS: &str = "shared heaps are not implemented";

/// Logs why `function` fails, and gives its failure value back.
pub(crate) fn refuse<T>(function: &str, failure: T) -> T {
    guard((), || {
        let why =
            UNSUPPORTED.iter().find(|(name, _)| *name == function).map_or("not implemented", |(_, why)| why);
        error!("{function}: {why}");
    });
    failure
}

/// Not implemented: sets how modules that others import from are found.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_module_reader(_reader: module_reader, _destroyer: module_destroyer) {
    refuse("wasm_runtime_set_module_reader", ());
}

/// Not implemented: gives a module a name that others can import from. Returns false, with a reason in `error_buf`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_register_module(
    module_name: *const c_char,
    module: wasm_module_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    let why = if module_name.is_null() || module.is_null() {
        "module_name and module are required"
    } else {
        MODULES
    };
    // SAFETY: as the caller promises.
    unsafe { put_error(error_buf, error_buf_size, &format!("Register module failed: {why}")) };
    refuse("wasm_runtime_register_module", false)
}

/// Not implemented: finds a module by the name it was registered with. Returns NULL.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_find_module_registered(_module_name: *const c_char) -> wasm_module_t {
    refuse("wasm_runtime_find_module_registered", null_mut())
}

/// Not implemented: the hash of a module in an SGX enclave. Returns NULL.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_get_module_hash(_module: wasm_module_t) -> *mut c_char {
    refuse("wasm_runtime_get_module_hash", null_mut())
}

/// Not implemented: copies the frames of the running guest. Returns 0, with a reason in `error_buf`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_copy_callstack(
    _exec_env: wasm_exec_env_t,
    _buffer: *mut WASMCApiFrame,
    _length: u32,
    _skip_n: u32,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> u32 {
    // SAFETY: as the caller promises. Nothing else: this function may be called from a signal handler.
    unsafe { put_error(error_buf, error_buf_size, "No copy_callstack API was actually executed") };
    0
}

/// Not implemented: starts a debug server on a port. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_start_debug_instance_with_port(_exec_env: wasm_exec_env_t, _port: i32) -> u32 {
    refuse("wasm_runtime_start_debug_instance_with_port", 0)
}

/// Not implemented: starts a debug server. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_start_debug_instance(_exec_env: wasm_exec_env_t) -> u32 {
    refuse("wasm_runtime_start_debug_instance", 0)
}

/// Bounds checks can't be switched off: enabling them does nothing, disabling them logs an error and does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_bounds_checks(_module_inst: wasm_module_inst_t, enable: bool) {
    if !enable {
        refuse("wasm_runtime_set_bounds_checks", ());
    }
}

/// Whether accesses to linear memory are checked: always.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_is_bounds_checks_enabled(_module_inst: wasm_module_inst_t) -> bool {
    true
}

/// Not implemented: limits how many instructions a call may execute. -1 (no limit) is accepted.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_instruction_count_limit(
    _exec_env: wasm_exec_env_t,
    instruction_count: c_int,
) {
    if instruction_count != -1 {
        refuse("wasm_runtime_set_instruction_count_limit", ());
    }
}

/// Not implemented: prints how long each function ran.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_dump_perf_profiling(_module_inst: wasm_module_inst_t) {
    refuse("wasm_runtime_dump_perf_profiling", ());
}

/// Not implemented: how long guest code ran, in ms. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_sum_wasm_exec_time(_module_inst: wasm_module_inst_t) -> f64 {
    refuse("wasm_runtime_sum_wasm_exec_time", 0.0)
}

/// Not implemented: how long a function ran, in ms. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_get_wasm_func_exec_time(
    _inst: wasm_module_inst_t,
    _func_name: *const c_char,
) -> f64 {
    refuse("wasm_runtime_get_wasm_func_exec_time", 0.0)
}

/// Not implemented: size of the profile of compiled code. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_get_pgo_prof_data_size(_module_inst: wasm_module_inst_t) -> u32 {
    refuse("wasm_runtime_get_pgo_prof_data_size", 0)
}

/// Not implemented: profile of compiled code. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_dump_pgo_prof_data_to_buf(
    _module_inst: wasm_module_inst_t,
    _buf: *mut c_char,
    _len: u32,
) -> u32 {
    refuse("wasm_runtime_dump_pgo_prof_data_to_buf", 0)
}

/// Not implemented: makes a heap that several instances can use. Returns NULL.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_create_shared_heap(_init_args: *mut SharedHeapInitArgs) -> wasm_shared_heap_t {
    refuse("wasm_runtime_create_shared_heap", null_mut())
}

/// Not implemented: joins shared heaps. Returns NULL.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_chain_shared_heaps(
    _head: wasm_shared_heap_t,
    _body: wasm_shared_heap_t,
) -> wasm_shared_heap_t {
    refuse("wasm_runtime_chain_shared_heaps", null_mut())
}

/// Not implemented: separates joined shared heaps. Returns NULL.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_unchain_shared_heaps(
    _head: wasm_shared_heap_t,
    _entire_chain: bool,
) -> wasm_shared_heap_t {
    refuse("wasm_runtime_unchain_shared_heaps", null_mut())
}

/// Not implemented: empties joined shared heaps. Returns false.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_reset_shared_heap_chain(_shared_heap: wasm_shared_heap_t) -> bool {
    refuse("wasm_runtime_reset_shared_heap_chain", false)
}

/// Not implemented: lets an instance use a shared heap. Returns false.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_attach_shared_heap(
    _module_inst: wasm_module_inst_t,
    _shared_heap: wasm_shared_heap_t,
) -> bool {
    refuse("wasm_runtime_attach_shared_heap", false)
}

/// Not implemented: undoes wasm_runtime_attach_shared_heap.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_detach_shared_heap(_module_inst: wasm_module_inst_t) {
    refuse("wasm_runtime_detach_shared_heap", ());
}

/// Not implemented: allocates in an attached shared heap. Returns 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_shared_heap_malloc(
    _module_inst: wasm_module_inst_t,
    _size: u64,
    p_native_addr: *mut *mut c_void,
) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { super::ffi::put(p_native_addr, null_mut()) };
    refuse("wasm_runtime_shared_heap_malloc", 0)
}

/// Not implemented: frees what wasm_runtime_shared_heap_malloc allocated.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_shared_heap_free(_module_inst: wasm_module_inst_t, _ptr: u64) {
    refuse("wasm_runtime_shared_heap_free", ());
}
