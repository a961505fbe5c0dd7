//! The few operations every C entry point needs: a panic barrier, and conversions from what C passes.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::log::{Level, log};

/// Runs the body of a C entry point. A panic would be undefined behaviour in a C caller; it becomes an error message
/// and the function's documented failure value.
pub fn guard<T>(failure: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let what = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("unknown panic");
        log(Level::Error, format_args!("internal error: {what}"));
        failure
    })
}

/// A C string, or `None` for NULL.
///
/// # Safety
/// `s` is NULL or points to a NUL-terminated string that lives, unchanged, for `'a`.
pub unsafe fn c_str<'a>(s: *const c_char) -> Option<&'a CStr> {
    // SAFETY: passed on to the caller.
    (!s.is_null()).then(|| unsafe { CStr::from_ptr(s) })
}

/// A C string as text; bytes that are not UTF-8 become U+FFFD. NULL is the empty string.
///
/// # Safety
/// As [`c_str`].
pub unsafe fn text(s: *const c_char) -> String {
    // SAFETY: passed on to the caller.
    unsafe { c_str(s) }.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// An array given as pointer and length. NULL is the empty array.
///
/// # Safety
/// `p` is NULL or points to `n` values that live, unchanged by others, for `'a`.
pub unsafe fn slice<'a, T>(p: *const T, n: usize) -> &'a [T] {
    if p.is_null() || n == 0 {
        return &[];
    }
    // SAFETY: passed on to the caller.
    unsafe { std::slice::from_raw_parts(p, n) }
}

/// An array that will be written, given as pointer and length. NULL is the empty array.
///
/// # Safety
/// `p` is NULL or points to `n` initialized values that nothing else uses for `'a`.
pub unsafe fn slice_mut<'a, T>(p: *mut T, n: usize) -> &'a mut [T] {
    if p.is_null() || n == 0 {
        return &mut [];
    }
    // SAFETY: passed on to the caller.
    unsafe { std::slice::from_raw_parts_mut(p, n) }
}

/// Stores through an output pointer, which may be NULL when the caller does not care.
///
/// # Safety
/// `out` is NULL or valid for writing a `T`.
pub unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: passed on to the caller.
        unsafe { out.write(value) };
    }
}

/// Writes a message into the caller's error buffer, truncated to fit, always NUL-terminated.
///
/// # Safety
/// `buf` is NULL or valid for writing `size` bytes.
pub unsafe fn put_error(buf: *mut c_char, size: u32, message: &str) {
    if buf.is_null() || size == 0 {
        return;
    }
    let n = message.len().min(size as usize - 1);
    // SAFETY: `n + 1 <= size`, and the caller vouches for `size` bytes; a Rust string does not overlap them.
    unsafe {
        std::ptr::copy_nonoverlapping(message.as_ptr(), buf.cast::<u8>(), n);
        buf.add(n).write(0);
    }
}

/// Runs what may fail: whether it did not. If it did, the host is told why.
///
/// # Safety
/// As [`put_error`].
pub unsafe fn attempt(buf: *mut c_char, size: u32, what: impl FnOnce() -> Result<(), String>) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || what().map_err(|why| unsafe { put_error(buf, size, &why) }).is_ok())
}

/// The integer in a C enum parameter.
///
/// For the header such a parameter is the enum `E`. But a C caller can pass any integer, and one that is none of a Rust
/// enum's variants must never become a value of it: hence `MaybeUninit`.
pub fn enum_value<E: CEnum>(e: MaybeUninit<E>) -> u32 {
    const { assert!(size_of::<E>() == size_of::<u32>()) };
    // SAFETY: same size (checked above), and what came from C is an initialized `unsigned int`.
    unsafe { e.as_ptr().cast::<u32>().read() }
}

/// A C enum result with any value.
pub fn enum_of<E: CEnum>(value: u32) -> MaybeUninit<E> {
    let mut e = MaybeUninit::<E>::uninit();
    // SAFETY: an enum of the C ABI has the size and alignment of `u32`.
    unsafe { e.as_mut_ptr().cast::<u32>().write(value) };
    e
}

/// Marks the `#[repr(C)]` enums of the headers, which all have the size of `unsigned int`.
///
/// # Safety
/// The type has size and alignment of `u32`.
pub unsafe trait CEnum: Copy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_the_failure_value() {
        assert_eq!(guard(7, || -> i32 { panic!("on purpose") }), 7);
        assert_eq!(guard(7, || 8), 8);
    }

    #[test]
    fn errors_are_truncated_and_terminated() {
        let mut buf = [1 as c_char; 4];
        // SAFETY: four bytes, as said.
        unsafe { put_error(buf.as_mut_ptr(), 4, "abcdef") };
        assert_eq!(buf.map(|c| c as u8), *b"abc\0");
        // SAFETY: NULL and size 0 are allowed.
        unsafe {
            put_error(std::ptr::null_mut(), 4, "x");
            put_error(buf.as_mut_ptr(), 0, "x");
        }
        assert_eq!(buf[0] as u8, b'a');
    }

    #[test]
    fn strings_and_arrays_take_null() {
        // SAFETY: NULL and literals.
        unsafe {
            assert!(c_str(std::ptr::null()).is_none());
            assert_eq!(text(c"a\xff".as_ptr()), "a\u{fffd}");
            assert!(slice::<u32>(std::ptr::null(), 3).is_empty());
            assert!(slice_mut::<u32>(std::ptr::null_mut(), 3).is_empty());
            put::<u32>(std::ptr::null_mut(), 3);
        }
    }
}
