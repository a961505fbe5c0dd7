//! What LLVM does to its process: see `process.cpp`.

use std::ffi::{CStr, c_char, c_void};

unsafe extern "C" {
    fn wayfarer_on_fatal(
        told: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
        context: *mut c_void,
    );
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::c_int;
    use std::sync::mpsc;
    use std::time::Duration;

    unsafe extern "C" {
        fn __cxa_atexit(
            destroy: Option<unsafe extern "C" fn(*mut c_void)>,
            object: *mut c_void,
            library: *mut c_void,
        ) -> c_int;
        fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
        /// `llvm::report_fatal_error(const char *, bool)`.
        #[link_name = "_ZN4llvm18report_fatal_errorEPKcb"]
        fn report_fatal_error(reason: *const c_char, diagnostic: bool) -> !;
    }

    #[test]
    fn no_destructors_are_registered() {
        // SAFETY: looks for the next one after this program's own.
        let of_libc = unsafe { dlsym(usize::MAX as *mut c_void, c"__cxa_atexit".as_ptr()) };
        assert!(!of_libc.is_null() && of_libc != __cxa_atexit as *const () as *mut c_void);
    }

    /// The thread that it happens on is lost; all others go on.
    #[test]
    fn fatal_errors_are_told_on_their_thread() {
        let (sender, told) = mpsc::channel();
        std::thread::spawn(move || {
            let fatal = |message: &str| {
                sender.send(message.to_owned()).unwrap();
                loop {
                    std::thread::park();
                }
            };
            // SAFETY: a string; `fatal` does not return.
            guarded(Fatal(&fatal), || unsafe { report_fatal_error(c"no registers left".as_ptr(), false) })
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).as_deref(), Ok("no registers left"));
    }
}
