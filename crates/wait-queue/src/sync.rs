//! What queues are made of. `tests/model` has its own, which try every order of steps.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Lets another thread run.
pub(crate) fn yield_now() {
    std::thread::yield_now();
}

/// What this thread wrote before is seen by whoever is not seen by what it reads behind.
pub(crate) fn fence() {
    std::sync::atomic::fence(Ordering::SeqCst);
}
