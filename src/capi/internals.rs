//! Symbols that are in no public header of WAMR's, but that its library leaks and hosts link to: its own `iwasm`, its samples,
//! and hosts that were made from them. One file for each header that declares them there.

pub mod clock;
pub mod hash_map;
pub mod list;
pub mod logging;
pub mod memory;
pub mod queue;
pub mod strings;
pub mod sync;
pub mod threads;
pub mod ticks;
pub mod vector;

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::ptr::null_mut;

use super::alloc::wasm_runtime_malloc;
use super::ffi::{c_str, guard, put};
use super::log::print;

/// What functions of `platform_api_vmcore.h` and `platform_api_extension.h` return.
const BHT_OK: c_int = 0;
const BHT_ERROR: c_int = -1;

/// Reads a file into memory that wasm_runtime_free frees. On failure prints why and returns NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_read_file_to_buffer(filename: *const c_char, ret_size: *mut u32) -> *mut c_char {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let name = match unsafe { c_str(filename) } {
            Some(name) if !ret_size.is_null() => name,
            _ => {
                print("Read file to buffer failed: invalid filename or ret size.\n");
                return null_mut();
            }
        };
        match read(name) {
            Ok((buffer, size)) => {
                // SAFETY: as the caller promises.
                unsafe { put(ret_size, size) };
                buffer
            }
            Err(why) => {
                print(&format!("Read file to buffer failed: {why}.\n"));
                null_mut()
            }
        }
    })
}

fn read(name: &CStr) -> Result<(*mut c_char, u32), String> {
    let shown = name.to_string_lossy();
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(OsStr::from_bytes(name.to_bytes()))
        .map_err(|_| format!("open file {shown} failed"))?;
    file.read_to_end(&mut bytes).map_err(|_| "read file content failed".to_owned())?;
    let size = u32::try_from(bytes.len()).map_err(|_| format!("file {shown} is too large"))?;
    let buffer = wasm_runtime_malloc(size);
    if buffer.is_null() {
        return Err("alloc memory failed".to_owned());
    }
    // SAFETY: `size` bytes were allocated just now.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
    Ok((buffer.cast(), size))
}

/// Lowest address of the calling thread's stack, above its guard; NULL if the system can't tell.
#[unsafe(no_mangle)]
pub extern "C" fn os_thread_get_stack_boundary() -> *mut u8 {
    wayfarer_runtime::native_stack::thread_end() as *mut u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_is_above_its_boundary() {
        let local = 0u8;
        let boundary = os_thread_get_stack_boundary() as usize;
        let here = &raw const local as usize;
        assert!(boundary != 0 && boundary < here, "{boundary:x} {here:x}");
    }

    #[test]
    fn files_that_cannot_be_read() {
        assert_eq!(read(c"/nonexistent/file"), Err("open file /nonexistent/file failed".to_owned()));
        assert_eq!(read(c"/"), Err("read file content failed".to_owned()));
        // SAFETY: NULL is allowed.
        assert!(unsafe { bh_read_file_to_buffer(std::ptr::null(), null_mut()) }.is_null());
    }
}
