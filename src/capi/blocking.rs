//! Native functions that wait: a signal ends the system call they wait in when their instance is terminated.

use std::ffi::c_int;

use wayfarer_program::blocking;

use super::exec_env::WASMExecEnv;
use super::ffi::guard;
use super::types::wasm_exec_env_t;

/// Chooses the signal that wakes blocked calls, from the next one on; SIGUSR1 if this is never called. Returns 0, or -1
/// if there is no such signal.
#[unsafe(no_mangle)]
pub extern "C" fn os_set_signal_number_for_blocking_op(signo: c_int) -> c_int {
    if blocking::set_signal(signo) { 0 } else { -1 }
}

/// Tells the runtime that a native function is about to wait in a system call that signals interrupt. When the instance
/// is terminated meanwhile, the call ends with EINTR. False if the instance is being terminated already: don't wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_begin_blocking_op(exec_env: wasm_exec_env_t) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(env) = (unsafe { exec_env.as_ref() }) else { return false };
        let Some(instance) = env.instance() else { return false };
        let (env, address) = (std::ptr::from_ref(env) as usize, instance.as_ptr() as usize);
        blocking::begin(env, address, || instance.is_terminated() || instance.parts.is_ending())
    })
}

/// Tells the runtime that the wait is over. `errno` stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_end_blocking_op(exec_env: wasm_exec_env_t) {
    // SAFETY: the address of this thread's errno, good while the thread lives.
    let errno = unsafe { &mut *libc::__errno_location() };
    let saved = *errno;
    guard((), || blocking::end(exec_env as usize));
    *errno = saved;
}

impl WASMExecEnv {
    /// Forgets its waits: the host destroys it.
    pub(crate) fn forget_waits(&self) {
        blocking::forget(std::ptr::from_ref(self) as usize);
    }
}
