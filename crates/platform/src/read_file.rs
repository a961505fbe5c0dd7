//! `bh_read_file.h`: a file as a block of memory.

use std::ffi::{CStr, OsStr, c_char};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::ptr::null_mut;

use crate::alloc::wasm_runtime_malloc;
use crate::ffi::{c_str, guard, put};
use crate::log::print;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_read() {
        assert_eq!(read(c"/nonexistent/file"), Err("open file /nonexistent/file failed".to_owned()));
        assert_eq!(read(c"/"), Err("read file content failed".to_owned()));
        // SAFETY: NULL is allowed.
        assert!(unsafe { bh_read_file_to_buffer(std::ptr::null(), null_mut()) }.is_null());
    }
}
