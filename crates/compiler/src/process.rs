//! What LLVM does to its process: see `process.cpp`.

use std::ffi::{CStr, c_char, c_void};

unsafe extern "C" {
    fn wayfarer_on_fatal(told: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>, context: *mut c_void);
}

/// Who is told of a fatal error, and must not return then.
#[derive(Clone, Copy)]
pub(crate) struct Fatal<'a>(pub(crate) &'a dyn Fn(&str));

/// Does something with LLVM. What LLVM cannot go on after is told on this thread, and nothing after that is done.
pub(crate) fn guarded<T>(fatal: Fatal<'_>, work: impl FnOnce() -> T) -> T {
    struct Nobody;
    impl Drop for Nobody {
        fn drop(&mut self) {
            // SAFETY: takes back what was said below.
            unsafe { wayfarer_on_fatal(None, std::ptr::null_mut()) };
        }
    }
    let _nobody = Nobody;
    // SAFETY: `fatal` outlives what is done here, and only this thread's errors are told.
    unsafe { wayfarer_on_fatal(Some(tell), (&raw const fatal).cast_mut().cast()) };
    work()
}

unsafe extern "C" fn tell(context: *mut c_void, message: *const c_char) {
    // SAFETY: what `guarded` gave, and LLVM's text.
    let (fatal, text) = unsafe { (*context.cast::<Fatal<'_>>(), CStr::from_ptr(message)) };
    (fatal.0)(&text.to_string_lossy());
}
