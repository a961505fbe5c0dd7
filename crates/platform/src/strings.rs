//! `bh_common.h`: copying with a limit, and copies of strings.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;

use crate::alloc::wasm_runtime_malloc;

const DONE: c_int = 0;
const FAILED: c_int = -1;

/// Copies `n` bytes, which do not overlap their destination. -1 if there is no destination; also, with the destination
/// zeroed, if there is no source or it does not fit in `s1max` bytes.
///
/// # Safety
/// `s1` is NULL or may be written for `s1max` bytes, `s2` is NULL or may be read for `n`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn b_memcpy_s(s1: *mut c_void, s1max: c_uint, s2: *const c_void, n: c_uint) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { b_memmove_s(s1, s1max, s2, n) }
}

/// The same, for memory that can only be read in words: reads no byte outside the source here, either. The destination's
/// size is not looked at.
///
/// # Safety
/// `s1` may be written, and `s2` read, for `n` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn b_memcpy_wa(s1: *mut c_void, _s1max: c_uint, s2: *const c_void, n: c_uint) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { b_memmove_s(s1, n, s2, n) }
}

/// As `b_memcpy_s`, for areas that may overlap.
///
/// # Safety
/// As for `b_memcpy_s`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn b_memmove_s(s1: *mut c_void, s1max: c_uint, s2: *const c_void, n: c_uint) -> c_int {
    if n == 0 {
        return DONE;
    }
    if s1.is_null() {
        return FAILED;
    }
    if s2.is_null() || n > s1max {
        // SAFETY: the caller promises `s1max` bytes.
        unsafe { s1.cast::<u8>().write_bytes(0, s1max as usize) };
        return FAILED;
    }
    // SAFETY: the caller promises `n` bytes to read, and `n <= s1max` to write.
    unsafe { s1.cast::<u8>().copy_from(s2.cast(), n as usize) };
    DONE
}

/// Appends a string. -1, with nothing changed, if one is NULL or both and their end do not fit in `s1max` bytes.
///
/// # Safety
/// Both are NULL or strings; `s1` may be written for `s1max` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn b_strcat_s(s1: *mut c_char, s1max: c_uint, s2: *const c_char) -> c_int {
    if s1.is_null() || s2.is_null() {
        return FAILED;
    }
    // SAFETY: the caller promises a string.
    let length = unsafe { libc::strlen(s1) };
    let Some(room) = (s1max as usize).checked_sub(length) else { return FAILED };
    // SAFETY: `room` bytes are left behind the string's `length`.
    unsafe { copy_string(s1.add(length), room, s2) }
}

/// Copies a string. -1, with nothing changed, if one is NULL or the string and its end do not fit in `s1max` bytes.
///
/// # Safety
/// `s1` is NULL or may be written for `s1max` bytes, `s2` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn b_strcpy_s(s1: *mut c_char, s1max: c_uint, s2: *const c_char) -> c_int {
    if s1.is_null() || s2.is_null() {
        return FAILED;
    }
    // SAFETY: as the caller promises.
    unsafe { copy_string(s1, s1max as usize, s2) }
}

/// # Safety
/// `to` may be written for `room` bytes, `from` is a string.
unsafe fn copy_string(to: *mut c_char, room: usize, from: *const c_char) -> c_int {
    // SAFETY: the caller promises a string.
    let size = unsafe { libc::strlen(from) } + 1;
    if size > room {
        return FAILED;
    }
    // SAFETY: `size` bytes with the string's end, and they fit.
    unsafe { to.copy_from(from, size) };
    DONE
}

/// A copy of a string, to be freed with wasm_runtime_free. NULL for NULL.
///
/// # Safety
/// `s` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_strdup(s: *const c_char) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe { wa_strdup(s) }
}

/// The same.
///
/// # Safety
/// `s` is NULL or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wa_strdup(s: *const c_char) -> *mut c_char {
    if s.is_null() {
        return null_mut();
    }
    // SAFETY: the caller promises a string.
    let size = unsafe { libc::strlen(s) } + 1;
    let Ok(allocated) = c_uint::try_from(size) else { return null_mut() };
    let copy = wasm_runtime_malloc(allocated).cast::<c_char>();
    if !copy.is_null() {
        // SAFETY: `size` bytes were allocated just now, and the string has as many with its end.
        unsafe { copy.copy_from_nonoverlapping(s, size) };
    }
    copy
}
