//! The slow path of a poll.

use super::call::leave_with_results;
use super::ctx::{Ctx, LastLoop};
use super::dispatch::Exit;
use crate::capture;
use crate::code::FuncCode;
use crate::heat::{HOT_ENTRY, HOT_LOOP};
use crate::mixed::{Ended, Tier};
use std::sync::atomic::Ordering;
use wayfarer_module::PointKind;
use wayfarer_runtime::{AfterCheckpoint, CaptureError, PollAction, Trap, TrapCode, native_stack};

/// Serves a request at a stable point of the innermost frame: the state's instruction is a loop header, a function's
/// entry or a call. Goes on there unless the request ends the run.
#[cold]
#[inline(never)]
pub(crate) unsafe fn poll(ctx: *mut Ctx, kind: PointKind) -> Exit {
    // SAFETY: the context and its environment outlive the run; the state describes the innermost frame.
    unsafe {
        let s = (*ctx).state;
        if let Some(tier) = (*ctx).tier {
            // In a run among compiled code every poll comes here.
            if (*(*ctx).word).load(Ordering::Relaxed) == 0 {
                return match is_ready(ctx, tier, kind) {
                    true => promote(ctx, tier, kind).unwrap_or(Exit::Next),
                    false => Exit::Next,
                };
            }
            // Compiled functions have polls of their own at their entries: one here as well would be counted twice.
            if kind == PointKind::Entry
                && let Some(exit) = promote(ctx, tier, kind)
            {
                return exit;
            }
        }
        let store = (*(*s.ctx).env).store().clone();
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

/// Whether there is compiled code for the point at which the innermost frame stands. If not, that is counted.
unsafe fn is_ready(ctx: *mut Ctx, tier: &'static dyn Tier, kind: PointKind) -> bool {
    // SAFETY: as for `poll`.
    unsafe {
        let func = &*(*(*ctx).top.sub(1)).func;
        let instance = &*(*ctx).instance;
        let callee = &*instance.funcs()[func.index as usize];
        let (heat, hot, offset) = match kind {
            PointKind::Entry if !callee.native().is_null() => return !native_stack::is_half_used(),
            PointKind::Entry => (&func.heat, HOT_ENTRY, None),
            PointKind::Loop => match loop_at(ctx, func) {
                Some(at) => (&*at.heat, HOT_LOOP, Some(at.offset)),
                None => return false,
            },
            _ => return false,
        };
        let generation = tier.generation(instance);
        if let Some(count) = heat.count(hot) {
            tier.wanted(instance, func.index, offset, count);
        }
        if heat.is_without(generation) {
            return false;
        }
        let ready = match offset {
            None => tier.is_compiled(instance, callee),
            Some(offset) => tier.has_continuation(instance, func.index, offset),
        };
        if !ready {
            heat.note_without(generation);
        }
        // Frames of either kind that call each other without end are to end as interpreted ones, which have more room.
        ready && !native_stack::is_half_used()
    }
}

/// The loop header at which the innermost frame, of `func`, stands.
unsafe fn loop_at(ctx: *mut Ctx, func: &FuncCode) -> Option<LastLoop> {
    // SAFETY: the context is the run's; the state's instruction pointer is in the function's code.
    unsafe {
        let ip = (*ctx).state.ip;
        if (*ctx).last_loop.ip != ip {
            let translated = func.if_translated()?;
            let word = ip.offset_from(translated.code.as_ptr()) as u32;
            let (heat, offset) = translated.loop_heat_at(word)?;
            (*ctx).last_loop = LastLoop { ip, heat, offset };
        }
        Some((*ctx).last_loop)
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
            PointKind::Loop
                if loop_at(ctx, &*func)
                    .is_some_and(|at| tier.has_continuation(instance, (*func).index, at.offset)) =>
            {
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
