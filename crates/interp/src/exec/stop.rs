//! The slow path of a poll.

use super::ctx::Ctx;
use super::dispatch::Exit;
use crate::capture;
use wayfarer_module::PointKind;
use wayfarer_runtime::{AfterCheckpoint, CaptureError, PollAction, Trap, TrapCode};

/// Serves a request at a stable point of the innermost frame: the state's instruction is a loop header, a function's
/// entry or a call. Goes on there unless the request ends the run.
#[cold]
#[inline(never)]
pub(crate) unsafe fn poll(ctx: *mut Ctx, kind: PointKind) -> Exit {
    // SAFETY: the context and its environment outlive the run; the state describes the innermost frame.
    unsafe {
        let s = (*ctx).state;
        let store = (*(*s.ctx).env).store().clone();
        match store.control().poll() {
            PollAction::Continue => Exit::Next,
            PollAction::Terminate => s.trap(TrapCode::Terminated),
            PollAction::Checkpoint => {
                let Some(checkpointer) = store.checkpointer() else {
                    return Exit::Next;
                };
                let env = &*(*s.ctx).env;
                let thread = match env.host_stack.last() {
                    Some(&func) => Err(CaptureError::HostOnStack { name: host_name(func) }),
                    None => capture::thread(&s, kind, &store),
                };
                match checkpointer.checkpoint(&store, thread) {
                    AfterCheckpoint::Continue => Exit::Next,
                    AfterCheckpoint::Stop => s.end(Trap::Stopped),
                }
            }
        }
    }
}

unsafe fn host_name(func: *const wayfarer_runtime::Func) -> (String, String) {
    // SAFETY: functions outlive the run.
    match unsafe { &(*func).host } {
        Some(host) => (host.name.0.to_string(), host.name.1.to_string()),
        None => Default::default(),
    }
}
