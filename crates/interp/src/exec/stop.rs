//! The slow path of a poll.

use super::call::leave_with_results;
use super::ctx::{Ctx, LastLoop};
use super::dispatch::Exit;
use crate::capture;
use crate::code::{FuncCode, Offset, Word};
use crate::heat::{HOT_ENTRY, HOT_LOOP};
use crate::mixed::{Done, Ended, Tier};
use std::sync::atomic::Ordering;
use wayfarer_module::PointKind;
use wayfarer_runtime::{AfterCheckpoint, CaptureError, ExecEnv, PollAction, Trap, TrapCode, native_stack};

/// Serves a request at a stable point of the innermost frame: the state's instruction is a loop header, a function's
/// entry or a call. Goes on there unless the request ends the run.
#[cold]
#[inline(never)]
pub(crate) unsafe fn poll(ctx: *mut Ctx, mut kind: PointKind) -> Exit {
    loop {
        // SAFETY: passed on.
        match unsafe { serve(ctx, kind) } {
            Served::Exit(exit) => return exit,
            Served::AtLoop => kind = PointKind::Loop,
        }
    }
}

/// What came of a poll.
enum Served {
    Exit(Exit),
    /// In between the frame ran compiled, up to the header of another loop: a stable point.
    AtLoop,
}

unsafe fn serve(ctx: *mut Ctx, kind: PointKind) -> Served {
    // SAFETY: the context and its environment outlive the run; the state describes the innermost frame.
    unsafe {
        let s = (*ctx).state;
        if let Some(tier) = (*ctx).tier {
            // In a run among compiled code every poll comes here.
            if (*(*ctx).word).load(Ordering::Relaxed) == 0 {
                let served = match is_ready(ctx, tier, kind) {
                    true => promote(ctx, tier, kind),
                    false => None,
                };
                return served.unwrap_or(Served::Exit(Exit::Next));
            }
            // Compiled functions have polls of their own at their entries: one here as well would be counted twice.
            if kind == PointKind::Entry
                && let Some(served) = promote(ctx, tier, kind)
            {
                return served;
            }
        }
        let env = &*(*s.ctx).env;
        let store = env.store().clone();
        Served::Exit(match store.control().poll(env.thread()) {
            PollAction::Continue => match (*ctx).tier {
                Some(tier) if kind != PointKind::Entry => {
                    return promote(ctx, tier, kind).unwrap_or(Served::Exit(Exit::Next));
                }
                _ => Exit::Next,
            },
            PollAction::Terminate => s.trap(TrapCode::Terminated),
            PollAction::Checkpoint => {
                let Some(checkpointer) = store.checkpointer() else {
                    return Served::Exit(Exit::Next);
                };
                let env = &mut *(*s.ctx).env;
                let thread = match env.host_stack.last() {
                    Some(&func) => Err(CaptureError::HostOnStack { name: host_name(func) }),
                    None if (*ctx).tier.is_some() => {
                        // There may be compiled frames below: whoever runs the outermost takes the checkpoint.
                        capture::frames(&s, kind, &mut env.captured);
                        return Served::Exit(Exit::Captured);
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
        })
    }
}

/// Whether there is compiled code for the point at which the innermost frame stands. If not, that is counted.
unsafe fn is_ready(ctx: *mut Ctx, tier: &'static dyn Tier, kind: PointKind) -> bool {
    // SAFETY: as for `poll`.
    unsafe {
        let func = &*(*(*ctx).top.sub(1)).func;
        let instance = &*(*ctx).instance;
        let callee = &*instance.funcs()[func.index.0 as usize];
        let (heat, hot, offset) = match kind {
            PointKind::Entry if !callee.native().is_null() => return !half_used(ctx),
            PointKind::Entry => (&func.heat, HOT_ENTRY, None),
            PointKind::Loop => match loop_at(ctx, func) {
                Some(at) => (&*at.heat, HOT_LOOP, Some(at.offset.0)),
                None => return false,
            },
            _ => return false,
        };
        let generation = tier.generation(instance);
        if let Some(count) = heat.count(hot) {
            tier.wanted(instance, func.index.0, offset, count);
        }
        if heat.is_without(generation) {
            return false;
        }
        let ready = match offset {
            None => tier.is_compiled(instance, callee),
            Some(offset) => tier.has_continuation(instance, func.index.0, offset),
        };
        if !ready {
            heat.note_without(generation);
        }
        // Frames of either kind that call each other without end are to end as interpreted ones, which have more room.
        ready && !half_used(ctx)
    }
}

unsafe fn half_used(ctx: *const Ctx) -> bool {
    // SAFETY: as for `poll`.
    native_stack::is_half_used(unsafe { (*(*ctx).env).stack_boundary.get() })
}

/// The loop header at which the innermost frame, of `func`, stands.
unsafe fn loop_at(ctx: *mut Ctx, func: &FuncCode) -> Option<LastLoop> {
    // SAFETY: the context is the run's; the state's instruction pointer is in the function's code.
    unsafe {
        let ip = (*ctx).state.ip;
        if (*ctx).last_loop.ip != ip {
            let translated = func.if_translated()?;
            let word = Word(ip.offset_from(translated.code.as_ptr()) as u32);
            let (heat, offset) = translated.loop_heat_at(word)?;
            (*ctx).last_loop = LastLoop { ip, heat, offset };
        }
        Some((*ctx).last_loop)
    }
}

/// Has compiled code take the innermost frame's place, if there is any for the point at which it stands.
unsafe fn promote(ctx: *mut Ctx, tier: &'static dyn Tier, kind: PointKind) -> Option<Served> {
    // SAFETY: passed on.
    unsafe {
        match kind {
            PointKind::Entry => enter(ctx, tier),
            PointKind::Loop => go_on(ctx, tier),
            _ => None,
        }
    }
}

/// At a function's entry.
unsafe fn enter(ctx: *mut Ctx, tier: &'static dyn Tier) -> Option<Served> {
    // SAFETY: as for `poll`; what compiled code is given are the slots of the frame that it replaces.
    unsafe {
        let s = (*ctx).state;
        let func = &*(*(*ctx).top.sub(1)).func;
        let ty = func.module().module.func_type(func.index.0);
        let slots = ty.param_slots().max(ty.result_slots()) as usize;
        if s.fp.wrapping_add(slots) > (*ctx).stack_end {
            return Some(Served::Exit(s.trap(TrapCode::StackOverflow)));
        }
        let callee = &*(&*(*ctx).instance).funcs()[func.index.0 as usize];
        let ran = above(ctx, slots, |env| tier.enter(env, callee, s.fp))?;
        Some(Served::Exit(match ran {
            Ok(()) => leave_with_results(ctx, s.fp, slots),
            Err(ended) => end(ctx, ended),
        }))
    }
}

/// At a loop header.
unsafe fn go_on(ctx: *mut Ctx, tier: &'static dyn Tier) -> Option<Served> {
    // SAFETY: as for `poll`; compiled code is given a copy of the frame's state and the frame itself, which nothing else
    // writes to meanwhile.
    unsafe {
        let mut s = (*ctx).state;
        let func = &*(*(*ctx).top.sub(1)).func;
        // A frame that runs was translated.
        let translated = func.translated().ok()?;
        let header = loop_at(ctx, func)?.offset.0;
        let instance = &*(*ctx).instance;
        if !tier.has_continuation(instance, func.index.0, header) {
            return None;
        }
        let mut frame = capture::frame(func, instance, PointKind::Loop, s.ip, s.fp);
        let slots = translated.frame_slots as usize;
        let ran = above(ctx, slots, |env| tier.go_on(env, &mut frame, s.fp))?;
        Some(match ran {
            Ok(Done::Returned) => Served::Exit(leave_with_results(ctx, s.fp, slots)),
            Ok(Done::Left(offset)) => {
                let Some((word, is_loop)) = translated.going_on(Offset(offset)) else {
                    debug_assert!(false, "compiled code left a loop for {offset}");
                    return Some(Served::Exit(s.trap(TrapCode::Unreachable)));
                };
                s.ip = translated.code.as_ptr().add(word.0 as usize);
                s.reload_memory();
                (*ctx).state = s;
                if is_loop { Served::AtLoop } else { Served::Exit(Exit::Next) }
            }
            Err(ended) => Served::Exit(end(ctx, ended)),
        })
    }
}

/// Runs compiled code in the innermost frame's place: what it calls has its frames above this many slots.
unsafe fn above<T>(ctx: *mut Ctx, slots: usize, run: impl FnOnce(&mut ExecEnv) -> T) -> T {
    // SAFETY: as for `poll`.
    unsafe {
        let env = &mut *(*ctx).env;
        let saved = (env.values_used, env.frames_used);
        env.values_used = (*ctx).state.fp.add(slots).offset_from(env.values.base().cast()) as usize;
        env.frames_used = (*ctx).top.byte_offset_from(env.frames.base()) as usize;
        let ran = run(env);
        let env = &mut *(*ctx).env;
        (env.values_used, env.frames_used) = saved;
        ran
    }
}

/// The run of compiled code in the innermost frame's place did not return.
unsafe fn end(ctx: *mut Ctx, ended: Ended) -> Exit {
    // SAFETY: as for `poll`.
    unsafe {
        match ended {
            Ended::Trap(trap) => (*ctx).state.end(trap),
            Ended::Captured => {
                // The frame itself was captured as the compiled one that it had become.
                let record = (*ctx).top.sub(1);
                (*ctx).top = record;
                capture::callers(ctx, &*record, &mut (*(*ctx).env).captured);
                Exit::Captured
            }
        }
    }
}

pub(crate) unsafe fn host_name(func: *const wayfarer_runtime::Func) -> (String, String) {
    // SAFETY: functions outlive the run.
    match unsafe { &(*func).host } {
        Some(host) => (host.name.0.to_string(), host.name.1.to_string()),
        None => Default::default(),
    }
}
