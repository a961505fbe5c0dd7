//! Accesses outside a memory: the guard around it faults, and the signal becomes a trap.

use crate::backtrace;
use crate::enter::{Level, TRAPPED, wayfarer_leave};
use crate::known::is_code;
use std::cell::Cell;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Once, OnceLock};
use wayfarer_runtime::{Trap, TrapCode};

thread_local! {
    /// The innermost run of compiled code on this thread.
    static CURRENT: Cell<*mut Level> = const { Cell::new(ptr::null_mut()) };
}

/// Notes the run that a fault would belong to, and returns the one that was noted before.
pub(crate) fn enter(level: *mut Level) -> *mut Level {
    CURRENT.replace(level)
}

/// Puts back what `enter` returned.
pub(crate) fn leave(outer: *mut Level) {
    CURRENT.set(outer);
}

/// Signals that a fault may be.
const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// What the process did on them before.
static BEFORE: [OnceLock<libc::sigaction>; 2] = [OnceLock::new(), OnceLock::new()];

/// Has faults in guards become traps, from now on. What the process did on other faults it still does.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (signal, before) in SIGNALS.into_iter().zip(&BEFORE) {
            // SAFETY: `action` is fully initialized, and its handler only does what a signal handler may.
            unsafe {
                let mut old = MaybeUninit::<libc::sigaction>::uninit();
                if libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) != 0 {
                    continue;
                }
                let _ = before.set(old.assume_init());
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&raw mut action.sa_mask);
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    });
}

unsafe extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let level = CURRENT.get();
    // SAFETY: the kernel passes valid pointers; a level that is noted is on this thread's stack.
    unsafe {
        let address = (*info).si_addr() as usize;
        // Of compiled code, and not of a host function above it, whoever called that.
        let ours = !level.is_null() && !sent(info) && is_code(program_counter(context.cast()));
        if ours && (*level).guard.0 <= address && address < (*level).guard.1 {
            ptr::write(&raw mut (*level).trap, Some(Trap::Code(TrapCode::MemoryOutOfBounds)));
            backtrace::collect(level);
            return_into_leave(context.cast(), level);
            return;
        }
        forward(signal, info, context);
    }
}

/// The instruction that faulted.
unsafe fn program_counter(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the kernel's context.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        let at = (*context).uc_mcontext.gregs[libc::REG_RIP as usize];
        #[cfg(target_arch = "aarch64")]
        let at = (*context).uc_mcontext.pc;
        #[cfg(target_arch = "s390x")]
        let at = (*context).uc_mcontext.psw.addr;
        #[cfg(target_arch = "riscv64")]
        let at = (*context).uc_mcontext.__gregs[libc::REG_PC as usize];
        at as usize
    }
}

/// Has the handler return into `wayfarer_leave(level, TRAPPED)`.
unsafe fn return_into_leave(context: *mut libc::ucontext_t, level: *mut Level) {
    let target = wayfarer_leave as *const () as usize;
    // SAFETY: the kernel's context; the registers are those of a call of `wayfarer_leave`, which needs no stack.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        {
            let registers = &mut (*context).uc_mcontext.gregs;
            registers[libc::REG_RIP as usize] = target as i64;
            registers[libc::REG_RDI as usize] = level as i64;
            registers[libc::REG_RSI as usize] = i64::from(TRAPPED);
        }
        #[cfg(target_arch = "aarch64")]
        {
            let machine = &mut (*context).uc_mcontext;
            machine.pc = target as u64;
            machine.regs[0] = level as u64;
            machine.regs[1] = u64::from(TRAPPED);
        }
        #[cfg(target_arch = "s390x")]
        {
            let machine = &mut (*context).uc_mcontext;
            machine.psw.addr = target as u64;
            machine.gregs[2] = level as u64;
            machine.gregs[3] = u64::from(TRAPPED);
        }
        #[cfg(target_arch = "riscv64")]
        {
            let machine = &mut (*context).uc_mcontext;
            machine.__gregs[libc::REG_PC as usize] = target as u64;
            machine.__gregs[libc::REG_A0 as usize] = level as u64;
            machine.__gregs[libc::REG_A0 as usize + 1] = u64::from(TRAPPED);
        }
    }
}

/// Whether a process sent the signal: it is no fault.
unsafe fn sent(info: *const libc::siginfo_t) -> bool {
    // SAFETY: the kernel passes a valid pointer.
    unsafe { (*info).si_code <= 0 }
}

/// Does what the process did before there was compiled code.
unsafe fn forward(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let at = usize::from(signal != SIGNALS[0]);
    let Some(before) = BEFORE[at].get() else { return };
    // SAFETY: what was installed before is called as it was to be called.
    unsafe {
        match before.sa_sigaction {
            libc::SIG_IGN if sent(info) => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // The instruction faults again, and then the default applies. Sent by a process, it comes once more.
                libc::sigaction(signal, before, ptr::null_mut());
                if sent(info) {
                    libc::raise(signal);
                }
            }
            address if before.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(address);
                handler(signal, info, context);
            }
            address => {
                let handler: unsafe extern "C" fn(c_int) = std::mem::transmute(address);
                handler(signal);
            }
        }
    }
}
