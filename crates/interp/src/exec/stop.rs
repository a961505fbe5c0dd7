//! The slow path of a poll.

use super::call::leave_with_results;
use super::ctx::Ctx;
use super::dispatch::Exit;
use crate::capture;
use crate::mixed::{Ended, Tier};
use std::sync::atomic::Ordering;
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
        if let Some(tier) = (*ctx).tier {
            // In a run among compiled code every poll comes here. Compiled functions have polls of their own at their
            // entries: one here as well would be counted twice.
            let armed = store.control().word().load(Ordering::Relaxed) != 0;
            if !armed || kind == PointKind::Entry {
                match promote(ctx, tier, kind) {
                    None if armed => {}
                    exit => return exit.unwrap_or(Exit::Next),
                }
            }
        }
        match store.control().poll() {
            PollAction::Continue => match (*ctx).tier {
                Some(tier) if kind != PointKind::Entry => promote(ctx, tier, kind).unwrap_or(Exit::Next),
                _ => Exit::Next,
            },
            PollAction::Terminate => s.trap(TrapCode::Terminated),
            PollAction::Checkpoint => {
                let Some(checkpointer) = store.checkpointer() else {
                    return Exit::Next;
                };
                let env = &mut *(*s.ctx).env;
                let thread = match env.host_stack.last() {
                    Some(&func) => Err(CaptureError::HostOnStack { name: host_name(func) }),
                    None if (*ctx).tier.is_some() => {
                        // There may be compiled frames below: whoever runs the outermost takes the checkpoint.
                        capture::frames(&s, kind, &mut env.captured);
                        return Exit::Captured;
                    }
                    None => {
                        let mut frames = Vec::new();
                        capture::frames(&s, kind, &mut frames);
                        capture::view(env, &store, &frames)
                    }
                };
                match checkpointer.checkpoint(&store, thread) {
                    AfterCheckpoint::Continue => Exit::Next,
                    AfterCheckpoint::Stop => s.end(Trap::Stopped),
                }
            }
        }
    }
}

/// Has compiled code take the innermost frame's place, if there is any for the point at which it stands.
unsafe fn promote(ctx: *mut Ctx, tier: &'static dyn Tier, kind: PointKind) -> Option<Exit> {
    // SAFETY: as for `poll`; what compiled code is given are the slots of the frame that it replaces, or a copy.
    unsafe {
        let s = (*ctx).state;
        let env = &mut *(*ctx).env;
        let func = (*(*ctx).top.sub(1)).func;
        let instance = &*(*ctx).instance;
        let module = &(*func).module().module;
        let ty = module.func_type((*func).index);
        let slots = ty.param_slots().max(ty.result_slots()) as usize;
        if s.fp.wrapping_add(slots) > (*ctx).stack_end {
            return Some(s.trap(TrapCode::StackOverflow));
        }
        let saved = (env.values_used, env.frames_used);
        env.values_used = s.fp.add(slots).offset_from(env.values.base().cast()) as usize;
        env.frames_used = (*ctx).top.byte_offset_from(env.frames.base()) as usize;
        let ran = match kind {
            PointKind::Entry => {
                let callee = &*instance.funcs()[(*func).index as usize];
                tier.enter(env, callee, s.fp)
            }
            PointKind::Loop if tier.has_continuations(instance) => {
                let mut frame = capture::frame(&*func, instance, kind, s.ip, s.fp);
                tier.go_on(env, &mut frame, s.fp)
            }
            _ => None,
        };
        let env = &mut *(*ctx).env;
        (env.values_used, env.frames_used) = saved;
        Some(match ran? {
            Ok(()) => leave_with_results(ctx, s.fp, slots),
            Err(Ended::Trap(trap)) => s.end(trap),
            Err(Ended::Captured) => {
                // The frame itself was captured as the compiled one that it had become.
                let record = (*ctx).top.sub(1);
                (*ctx).top = record;
                capture::callers(ctx, &*record, &mut (*(*ctx).env).captured);
                Exit::Captured
            }
        })
    }
}

unsafe fn host_name(func: *const wayfarer_runtime::Func) -> (String, String) {
    // SAFETY: functions outlive the run.
    match unsafe { &(*func).host } {
        Some(host) => (host.name.0.to_string(), host.name.1.to_string()),
        None => Default::default(),
    }
}
