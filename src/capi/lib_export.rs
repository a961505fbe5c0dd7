//! `lib_export.h`: the record native functions are registered with.

use std::ffi::{c_char, c_void};

use super::ffi::put;

/// A host function offered to guests.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NativeSymbol {
    /// Name guests import it by.
    pub symbol: *const c_char,
    /// The function: `ret f(wasm_exec_env_t, args...)`, or `void f(wasm_exec_env_t, uint64_t *args)` if raw.
    pub func_ptr: *mut c_void,
    /// Signature, such as `(i*~$)i`. NULL or empty: not checked, and addresses are passed as they are.
    pub signature: *const c_char,
    /// Given back by wasm_runtime_get_function_attachment during the call.
    pub attachment: *mut c_void,
}

/// Native functions of a library linked in beside the runtime. There is none: sets the pointer to NULL, returns 0.
///
/// # Safety
/// `p_base_lib_apis` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn get_base_lib_export_apis(p_base_lib_apis: *mut *mut NativeSymbol) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { put(p_base_lib_apis, std::ptr::null_mut()) };
    0
}
