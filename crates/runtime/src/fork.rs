//! Children of this process: which of them this is, and what they must not share with it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How often the process was forked on the way to this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between the process that loaded this library and this one. Async-signal-safe.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::SeqCst)
}

/// Has forks counted from now on, and lets children have descriptors of their own to be woken by.
pub(crate) fn notice() {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    if !NOTICED.swap(true, Ordering::SeqCst) {
        // SAFETY: the function is as fork(2) wants it, and goes with this library, as its registration does.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

/// Only what is async-signal-safe: other threads of the parent may have held any lock.
unsafe extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::SeqCst);
    crate::wake::renew_all();
}
