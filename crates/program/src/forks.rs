//! Forks of this process. A child has none of its parent's other threads: neither those that were in a guest, nor one that had
//! closed a gate, nor one that would give a lock back. So who forks takes the locks of all stores before, and in the child
//! their gates are set right, from what this thread is inside of.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wayfarer_runtime::fork;
use wayfarer_runtime::registry::{Place, Registry};

use super::driver::Driver;
use super::{group, host, recording};

/// All of the process. One that another thread makes while this one forks, the child knows nothing of.
static DRIVERS: Registry<Driver> = Registry::new();

/// Has forks go well with a driver; until it is given to [`remove`].
pub(crate) fn add(driver: &Arc<Driver>) -> Place<Driver> {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    // First, as children know by it whose calls are theirs.
    fork::notice();
    // SAFETY: they are this library's, and the one for children does only what is allowed there.
    unsafe { fork::around(&NOTICED, before, in_parent, in_child) };
    // SAFETY: it removes itself when it is dropped.
    unsafe { DRIVERS.add(Arc::as_ptr(driver)) }
}

/// A driver will be gone; not between the two halves of a fork, which would never give its locks back.
///
/// # Safety
/// [`add`] has added it there.
pub(crate) unsafe fn remove(place: &Place<Driver>) {
    // SAFETY: as the caller promises.
    host::while_nobody_forks(|| unsafe { DRIVERS.remove(place) });
}

/// One thread at a time: the first lock is that of all.
unsafe extern "C" fn before() {
    // In this order: who has the host's takes a store's, not the other way round.
    host::before_fork();
    DRIVERS.visit(Driver::before_fork);
    group::before_fork();
    recording::before_fork();
    wayfarer_wasi::before_fork();
}

unsafe extern "C" fn in_parent() {
    wayfarer_wasi::after_fork();
    recording::after_fork();
    group::after_fork();
    DRIVERS.visit(Driver::after_fork);
    host::after_fork();
}

/// Only what is async-signal-safe.
unsafe extern "C" fn in_child() {
    wayfarer_wasi::after_fork();
    recording::after_fork();
    group::after_fork();
    let mut by_policy = 0;
    DRIVERS.visit(|driver| {
        driver.after_fork();
        by_policy += driver.in_child();
    });
    host::GATE.forked(by_policy);
    host::after_fork();
}
