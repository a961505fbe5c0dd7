//! `lib_export.h`: the record native functions are registered with.

pub use wayfarer_native_call::registry::NativeSymbol;

use super::ffi::put;

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
