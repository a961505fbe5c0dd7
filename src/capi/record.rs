//! The log of what WASI programs do.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;

use super::ffi::{c_str, guard};

/// Has instances that are made from now on, in this process, log their WASI calls in a file, or in none if `path` is NULL, whatever
/// the environment says (WAYFARER_RECORD): each call with its arguments and result, and the bytes that it read and wrote by their
/// SHA-256. `wayfarer log` prints it. A file that is there must be the log of a program whose module is the same: it is gone on
/// with. If it cannot be, instantiation fails; what cannot be written later is said on standard error, and changes nothing else.
/// Children of this process write nothing to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_set_record(path: *const c_char) {
    guard((), || {
        // SAFETY: as the caller promises.
        let path = unsafe { c_str(path) }.map(|path| OsStr::from_bytes(path.to_bytes()).into());
        wayfarer_program::set_record(path);
    });
}
