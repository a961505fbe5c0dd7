//! Waiting for a word to change, and telling those who do: what signal handlers may do, and children of this process need not
//! inherit.

use std::ptr::null;
use std::sync::atomic::AtomicU32;

/// Waits while the word is `seen`, for so many nanoseconds at most. May return sooner.
pub fn wait(word: &AtomicU32, seen: u32, nanoseconds: Option<u64>) {
    let timeout = nanoseconds.map(|n| libc::timespec {
        tv_sec: (n / 1_000_000_000) as libc::time_t,
        tv_nsec: (n % 1_000_000_000) as _,
    });
    let timeout = timeout.as_ref().map_or(null(), std::ptr::from_ref);
    // SAFETY: a futex's address, plain numbers, and a time span or NULL.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            seen,
            timeout,
        )
    };
}

/// Has all those go on that wait for the word, which has changed. Async-signal-safe, but for errno.
pub fn wake_all(word: &AtomicU32) {
    // SAFETY: a futex's address and plain numbers.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, i32::MAX)
    };
}
