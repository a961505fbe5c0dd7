//! System calls that fail where they would end the process by a signal.
//!
//! A write that nobody can read any more, or beyond the limit on a file's size, sends its thread a signal whose
//! default action ends the process. What the guest does must not end its host; and how the host handles signals is
//! its own affair. So the signal is blocked for the length of the call, and taken back if it came.

use crate::table::Descriptor;
use rustix::process::{Resource, getrlimit};
use std::ffi::c_int;

/// Runs `write`, which writes to a pipe.
///
/// The process's own standard streams are left as they are: a program ends when nobody reads what it prints.
pub(crate) fn without_sigpipe<T>(descriptor: &Descriptor, write: impl FnOnce() -> T) -> T {
    if descriptor.is_process_stream() {
        return write();
    }
    let _quiet = Quiet::new(libc::SIGPIPE);
    write()
}

/// Runs `write`, which may make a regular file longer.
pub(crate) fn without_sigxfsz<T>(descriptor: &Descriptor, write: impl FnOnce() -> T) -> T {
    let of_host = !descriptor.is_process_stream() && descriptor.fd().is_ok();
    if !of_host || getrlimit(Resource::Fsize).current.is_none() {
        return write();
    }
    let _quiet = Quiet::new(libc::SIGXFSZ);
    write()
}

/// Runs `write`, which may make a regular file longer, whosever that is: beyond the limit on its size, that fails.
pub fn without_file_size_signal<T>(write: impl FnOnce() -> T) -> T {
    let _quiet = getrlimit(Resource::Fsize).current.map(|_| Quiet::new(libc::SIGXFSZ));
    write()
}

/// While this lives, a signal that this thread's own system calls cause does nothing. Such signals go to the thread
/// that makes the call, so nobody else's are held back.
struct Quiet {
    set: libc::sigset_t,
    before: libc::sigset_t,
    /// One was pending already, which is not ours to take: the thread had blocked it.
    pending: bool,
}

impl Quiet {
    fn new(signal: c_int) -> Self {
        // SAFETY: sigset_t is plain data for which all-zero is valid, and all pointers are to locals.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut pending: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, signal);
            libc::sigpending(&mut pending);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
            Quiet { set, before, pending: libc::sigismember(&pending, signal) == 1 }
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the sets were initialized by `new`; taking a pending signal touches no memory of ours but errno.
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            while !self.pending && libc::sigtimedwait(&self.set, std::ptr::null_mut(), &zero) > 0 {}
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
            *errno = saved;
        }
    }
}
