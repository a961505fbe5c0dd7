//! Native functions that wait in system calls: a signal ends what they wait in when their instance is to stop.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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

/// Chooses the signal that wakes, from the next wait on; false if there is no such signal.
pub fn set_signal(signal: c_int) -> bool {
    let is_one = (1..=libc::SIGRTMAX()).contains(&signal);
    if is_one {
        SIGNAL.store(signal, Ordering::Release);
    }
    is_one
}

/// A native function that `env` runs for `instance` is about to wait on this thread. False if the instance is to stop
/// already, which `is_stopping` says: it must not wait.
pub fn begin(env: usize, instance: usize, is_stopping: impl FnOnce() -> bool) -> bool {
    let mut waits = waits();
    // Looked at under the lock: `wake` either sees this wait, or had set this before.
    if is_stopping() {
        return false;
    }
    let signal = SIGNAL.load(Ordering::Acquire);
    handle(signal);
    waits.push(Wait {
        env,
        instance,
        // SAFETY: no preconditions.
        thread: unsafe { libc::pthread_self() },
        signal,
        was_blocked: mask(signal, libc::SIG_UNBLOCK),
    });
    true
}

/// The last wait of `env` is over.
pub fn end(env: usize) {
    let mut waits = waits();
    let Some(last) = waits.iter().rposition(|wait| wait.env == env) else { return };
    let wait = waits.remove(last);
    drop(waits);
    if wait.was_blocked {
        mask(wait.signal, libc::SIG_BLOCK);
    }
}

/// Forgets the waits of `env`, which is gone.
pub fn forget(env: usize) {
    waits().retain(|wait| wait.env != env);
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
/// marked as stopping, so no new waits begin.
pub fn wake(instance: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_do_not_exist() {
        assert!(!set_signal(0));
        assert!(!set_signal(1000));
        assert!(set_signal(libc::SIGUSR1));
    }

    #[test]
    fn a_mask_is_put_back() {
        assert!(!mask(libc::SIGURG, libc::SIG_BLOCK));
        assert!(mask(libc::SIGURG, libc::SIG_UNBLOCK));
        assert!(!mask(libc::SIGURG, libc::SIG_UNBLOCK));
    }
}
