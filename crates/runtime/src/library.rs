//! The file that this code was loaded from: a library, or the program itself.

use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

/// The file that an address of this process was loaded from.
pub fn file_of(address: *const c_void) -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: null_mut(),
        dli_fbase: null_mut(),
        dli_sname: null_mut(),
        dli_saddr: null_mut(),
    };
    // SAFETY: any address may be asked about; the name is copied while its object is loaded.
    unsafe {
        if libc::dladdr(address, &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let name = OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes());
        // A program's name is what it was started by, which may be no path.
        Path::new(name).is_absolute().then(|| PathBuf::from(name))
    }
}

/// Keeps this library in the process for good, whatever its host does.
pub fn pin() {
    let Some(file) = file_of(pin as *const c_void) else { return };
    let Ok(name) = CString::new(file.into_os_string().into_vec()) else { return };
    // SAFETY: a string. It is loaded already; a program that has it linked in cannot lose it.
    unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) };
}
