//! Where modules have the functions of C's streams, if the host says so.

use std::ffi::c_char;

use wayfarer_module::Stdio;

use super::ffi::{attempt, c_str};
use crate::stdio;

/// Says which functions of modules that are loaded from now on are `fopen`, `fdopen`, `freopen` and `fclose`, by index, as
/// `iwasm --stdio-map` takes it: "fopen=17,fdopen=23,fclose=19"; or "none": open streams are not to be known. For modules whose names
/// don't say so. NULL: as if nothing had been said; then the variable WAYFARER_STDIO_MAP decides.
///
/// False, with the reason in `error_buf` (which may be NULL), and nothing has changed, if it cannot be understood.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_set_stdio_map(
    map: *const c_char,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises; `map` is NULL or a string.
    unsafe {
        attempt(error_buf, error_buf_size, || {
            stdio::set(c_str(map).map(|map| Stdio::parse(&map.to_string_lossy())).transpose()?);
            Ok(())
        })
    }
}
