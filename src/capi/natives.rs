//! Native functions that hosts offer to guests.

use std::ffi::{c_char, c_void};

use wayfarer_native_call::registry::{register, unregister};

use super::ffi::{c_str, guard};
use super::types::NativeSymbol;

/// Registers native functions for imports from `module_name`. Later registrations win over earlier ones; modules that
/// are already loaded are not linked again.
///
/// # Safety
/// The string and the array, with all it points to, belong to the runtime from now on, until they are unregistered or
/// the runtime is destroyed: they stay valid, and the array is sorted in place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_register_natives(
    module_name: *const c_char,
    native_symbols: *mut NativeSymbol,
    n_native_symbols: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { register(module_name, native_symbols, n_native_symbols, false) })
}

/// Registers native functions that take their arguments as an array of 64-bit cells and put the result into the first.
///
/// # Safety
/// As for wasm_runtime_register_natives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_register_natives_raw(
    module_name: *const c_char,
    native_symbols: *mut NativeSymbol,
    n_native_symbols: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { register(module_name, native_symbols, n_native_symbols, true) })
}

/// Takes a registration back. False if there is none of this module name with this array.
///
/// # Safety
/// `module_name` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_unregister_natives(
    module_name: *const c_char,
    native_symbols: *mut NativeSymbol,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(module) = (unsafe { c_str(module_name) }) else { return false };
        unregister(module, native_symbols)
    })
}

/// Whether a native function of this name is registered, or built in. Its signature is not looked at.
///
/// # Safety
/// Both are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_import_func_linked(
    module_name: *const c_char,
    func_name: *const c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (module, name) = unsafe { (super::ffi::text(module_name), super::ffi::text(func_name)) };
        super::link::function_known(&module, &name)
    })
}

/// Whether a global of this name is built in.
///
/// # Safety
/// Both are NULL or strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_import_global_linked(
    module_name: *const c_char,
    global_name: *const c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (module, name) = unsafe { (super::ffi::text(module_name), super::ffi::text(global_name)) };
        super::link::builtin_global(&module, &name).is_some()
    })
}

/// The attachment of the native function that is running, as it was registered. NULL when none is running, and after
/// that function has called back into Wasm code that called another native.
///
/// # Safety
/// `exec_env` is NULL or a live exec env.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_function_attachment(
    exec_env: super::types::wasm_exec_env_t,
) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { exec_env.as_ref() }.map_or(std::ptr::null_mut(), |env| env.attachment.get())
}
