//! Where compiled code is stopped: the helpers that its polls call, and how any helper ends that does not return.

use crate::backtrace;
use crate::capture::capture;
use crate::enter::{self, level};
use crate::helpers::env;
use std::sync::atomic::Ordering;
use wayfarer_runtime::requests::{self, Served};
use wayfarer_runtime::{ExecEnv, Trap, TrapCode, VmCtx, native_stack};

/// What a helper does in the end.
pub(crate) enum Action {
    /// The code goes on.
    Return,
    /// Capture the run's frames, and leave it.
    Capture,
    /// The trap is in the level.
    Trap,
}

impl Action {
    /// Notes why the run will be left.
    pub(crate) fn trap(env: &ExecEnv, trap: Trap) -> Action {
        // SAFETY: compiled code runs, so there is a level, and nobody else looks at it.
        unsafe { (*level(env)).trap = Some(trap) };
        Action::Trap
    }

    /// # Safety
    /// Compiled code must be running in `env`, and between it and this call nothing may have a destructor.
    pub(crate) unsafe fn take(self, env: *mut ExecEnv) {
        // SAFETY: passed on.
        unsafe {
            let level = level(&*env);
            match self {
                Action::Return => {}
                Action::Capture => capture(level),
                Action::Trap => {
                    backtrace::collect(level);
                    enter::wayfarer_leave(level.cast(), enter::TRAPPED)
                }
            }
        }
    }
}

pub(crate) unsafe extern "C-unwind" fn poll(vmctx: *mut VmCtx) {
    // SAFETY: called by compiled code at a stable point.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        serve(&*env).take(env);
    }
}

pub(crate) unsafe extern "C-unwind" fn leave(vmctx: *mut VmCtx) {
    // SAFETY: called by compiled code at a stable point, with the frame's record written.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        let action = match serve(&*env) {
            // Nothing else is to be done, but there is no way back.
            Action::Return => {
                (*env).goes_on = true;
                Action::Capture
            }
            action => action,
        };
        action.take(env);
    }
}

pub(crate) unsafe extern "C-unwind" fn leave_entry(vmctx: *mut VmCtx) -> *const u64 {
    // SAFETY: called by compiled code at a function's entry, with the frame's record written.
    unsafe {
        // Not the stack pointer here: the function's frame is gone.
        let env: *mut ExecEnv = env(vmctx);
        if (*vmctx).stack.load(Ordering::Relaxed) < native_stack::limit((*env).stack_boundary.get()) {
            Action::trap(&*env, TrapCode::NativeStackOverflow.into()).take(env);
        }
        leave(vmctx);
    }
    std::ptr::null()
}

/// Serves a request.
fn serve(env: &ExecEnv) -> Action {
    match requests::serve(env) {
        Served::GoOn => Action::Return,
        Served::End(trap) => Action::trap(env, trap),
        Served::Capture => Action::Capture,
    }
}

pub(crate) unsafe extern "C-unwind" fn entry(vmctx: *mut VmCtx) {
    // SAFETY: called by compiled code at a function's entry.
    unsafe {
        let env: *mut ExecEnv = env(vmctx);
        if native_stack::is_used_up((*env).stack_boundary.get()) {
            Action::trap(&*env, TrapCode::NativeStackOverflow.into()).take(env);
        }
        // A request, or the stack was short by no more than this helper's frame: then the word is not armed.
        if (*env).store().control().word().load(Ordering::Relaxed) != 0 {
            serve(&*env).take(env);
        }
    }
}
