//! Exceptions: why a call failed.

use std::ffi::c_char;

use super::ffi::{guard, text};
use super::types::wasm_module_inst_t;

/// The exception of an instance, as `Exception: <text>`; NULL if there is none. The string belongs to the instance and
/// changes with the next exception.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_exception(module_inst: wasm_module_inst_t) -> *const c_char {
    guard(std::ptr::null(), || {
        // SAFETY: as the caller promises.
        unsafe { module_inst.as_ref() }.and_then(|i| i.exception_ptr()).unwrap_or(std::ptr::null())
    })
}

/// Sets the exception of an instance, without the prefix; a native function that does so fails. NULL clears it. At most
/// 127 characters are kept, prefix included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_exception(
    module_inst: wasm_module_inst_t,
    exception: *const c_char,
) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return };
        if exception.is_null() {
            instance.clear_exception();
        } else {
            // SAFETY: as the caller promises.
            instance.set_exception(&unsafe { text(exception) });
        }
    });
}

/// Removes the exception of an instance, so that it can be called again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_clear_exception(module_inst: wasm_module_inst_t) {
    // SAFETY: as the caller promises.
    guard((), || unsafe { module_inst.as_ref() }.into_iter().for_each(|i| i.clear_exception()));
}

/// Stops an instance, from any thread: running code ends with the exception `terminated by user`, and so does every
/// later call until the exception is cleared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_terminate(module_inst: wasm_module_inst_t) {
    // SAFETY: as the caller promises.
    guard((), || unsafe { module_inst.as_ref() }.into_iter().for_each(|i| i.terminate()));
}
