//! Native functions that wait: a signal ends the system call they wait in when their instance is terminated.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::exec_env::WASMExecEnv;
use super::ffi::guard;
use super::instance::WASMModuleInstanceCommon;
use super::types::wasm_exec_env_t;

/// Time between signals: one that arrives just before the system call is lost.
const INTERVAL: Duration = Duration::from_millis(50);

/// The signal that wakes.
static SIGNAL: AtomicI32 = AtomicI32::new(libc::SIGUSR1);

/// A wait in progress. Addresses only say which.
struct Wait {
    env: usize,
    instance: usize,
    thread: libc::pthread_t,
    signal: c_int,
    /// The thread did not take the signal before.
    was_blocked: bool,
}

static WAITS: Mutex<Vec<Wait>> = Mutex::new(Vec::new());

fn waits() -> std::sync::MutexGuard<'static, Vec<Wait>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chooses the signal that wakes blocked calls, from the next one on; SIGUSR1 if this is never called. Returns 0, or -1
/// if there is no such signal.
#[unsafe(no_mangle)]
pub extern "C" fn os_set_signal_number_for_blocking_op(signo: c_int) -> c_int {
    if !(1..=libc::SIGRTMAX()).contains(&signo) {
        return -1;
    }
    SIGNAL.store(signo, Ordering::Release);
    0
}

/// Tells the runtime that a native function is about to wait in a system call that signals interrupt. When the instance
/// is terminated meanwhile, the call ends with EINTR. False if the instance is being terminated already: don't wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_begin_blocking_op(exec_env: wasm_exec_env_t) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(env) = (unsafe { exec_env.as_ref() }) else { return false };
        let Some(instance) = env.instance() else { return false };
        let mut waits = waits();
        // Looked at under the lock: `wake` either sees this wait, or had set this before.
        if instance.is_terminated() {
            return false;
        }
        let signal = SIGNAL.load(Ordering::Acquire);
        handle(signal);
        waits.push(Wait {
            env: std::ptr::from_ref(env) as usize,
            instance: instance.as_ptr() as usize,
            // SAFETY: no preconditions.
            thread: unsafe { libc::pthread_self() },
            signal,
            was_blocked: mask(signal, libc::SIG_UNBLOCK),
        });
        true
    })
}

/// Tells the runtime that the wait is over. `errno` stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_end_blocking_op(exec_env: wasm_exec_env_t) {
    // SAFETY: the address of this thread's errno, good while the thread lives.
    let errno = unsafe { &mut *libc::__errno_location() };
    let saved = *errno;
    guard((), || {
        let mut waits = waits();
        let Some(last) = waits.iter().rposition(|wait| wait.env == exec_env as usize) else { return };
        let wait = waits.remove(last);
        drop(waits);
        if wait.was_blocked {
            mask(wait.signal, libc::SIG_BLOCK);
        }
    });
    *errno = saved;
}

/// Blocks or unblocks a signal for this thread; whether it was blocked.
fn mask(signal: c_int, how: c_int) -> bool {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is filled before it is used, and `before` is written if the call succeeds.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr()) == 0
            && libc::sigismember(before.as_ptr(), signal) == 1
    }
}

/// Sees to it that the signal does not end the process. A handler of the host's own stays.
fn handle(signal: c_int) {
    extern "C" fn nothing(_signal: c_int) {}
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a zeroed sigaction is valid, `now` is read only if it was written, and the handler does nothing. Without
    // SA_RESTART: system calls are to end.
    unsafe {
        if libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) != 0 {
            return;
        }
        let handler = now.assume_init().sa_sigaction;
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as extern "C" fn(c_int) as usize;
            // Its thread may be one of small stacks (Go's are) with another one for signals.
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(signal, &raw const action, null_mut());
        }
    }
}

/// Signals the threads that wait for this instance; whether there are any.
fn signal_waits(instance: usize) -> bool {
    let waits = waits();
    let mut any = false;
    for wait in waits.iter().filter(|wait| wait.instance == instance) {
        any = true;
        // SAFETY: the thread is alive: it has to take the lock we hold to end its wait.
        unsafe { libc::pthread_kill(wait.thread, wait.signal) };
    }
    any
}

/// Wakes native functions that wait for this instance, again and again until they have noticed. Only called once it is
/// marked as terminated, so no new waits begin.
pub(crate) fn wake(instance: &WASMModuleInstanceCommon) {
    let instance = instance.as_ptr() as usize;
    if signal_waits(instance) {
        // If there can be no thread, the first signal has to do.
        let _ = std::thread::Builder::new().name("wayfarer-wake".into()).spawn(move || {
            loop {
                std::thread::sleep(INTERVAL);
                if !signal_waits(instance) {
                    break;
                }
            }
        });
    }
}

impl WASMExecEnv {
    /// Forgets its waits: the host destroys it.
    pub(crate) fn forget_waits(&self) {
        let env = std::ptr::from_ref(self) as usize;
        waits().retain(|wait| wait.env != env);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_do_not_exist() {
        assert_eq!(os_set_signal_number_for_blocking_op(0), -1);
        assert_eq!(os_set_signal_number_for_blocking_op(1000), -1);
        assert_eq!(os_set_signal_number_for_blocking_op(libc::SIGUSR1), 0);
    }

    #[test]
    fn a_mask_is_put_back() {
        assert!(!mask(libc::SIGURG, libc::SIG_BLOCK));
        assert!(mask(libc::SIGURG, libc::SIG_UNBLOCK));
        assert!(!mask(libc::SIGURG, libc::SIG_UNBLOCK));
    }
}
