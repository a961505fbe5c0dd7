//! An interpreted frame that hops: compiled code runs in its place, from a function's entry or a loop header on, until it
//! returns, leaves the loop, or is captured. The other way, from compiled code to here, there is only a capture.

use super::call::leave_with_results;
use super::ctx::{Ctx, LastLoop};
use super::dispatch::Exit;
use super::stop::Served;
use crate::capture;
use crate::code::{FuncCode, Offset, Word};
use crate::heat::{HOT_ENTRY, HOT_LOOP};
use crate::mixed::{Done, Ended, Tier};
use wayfarer_module::PointKind;
use wayfarer_runtime::{ExecEnv, Loop, TrapCode, native_stack};

/// Whether there is compiled code for the point at which the innermost frame stands. If not, that is counted.
pub(super) unsafe fn is_ready(ctx: *mut Ctx, tier: &'static dyn Tier, kind: PointKind) -> bool {
    // SAFETY: as for `stop::poll`.
    unsafe {
        let func = &*(*(*ctx).top.sub(1)).func;
        let instance = &*(*ctx).instance;
        let callee = &*instance.funcs()[func.index.0 as usize];
        let (heat, hot, offset) = match kind {
            PointKind::Entry if callee.native().is_some() => return !half_used(ctx),
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
            Some(offset) => tier.has_continuation(instance, Loop { func: func.index.0, offset }),
        };
        if !ready {
            heat.note_without(generation);
        }
        // Frames of either kind that call each other without end are to end as interpreted ones, which have more room.
        ready && !half_used(ctx)
    }
}

unsafe fn half_used(ctx: *const Ctx) -> bool {
    // SAFETY: as for `stop::poll`.
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
pub(super) unsafe fn hop(ctx: *mut Ctx, tier: &'static dyn Tier, kind: PointKind) -> Option<Served> {
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
    // SAFETY: as for `stop::poll`; what compiled code is given are the slots of the frame that it replaces.
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
    // SAFETY: as for `stop::poll`; compiled code is given a copy of the frame's state and the frame itself, which nothing else
    // writes to meanwhile.
    unsafe {
        let mut s = (*ctx).state;
        let func = &*(*(*ctx).top.sub(1)).func;
        // A frame that runs was translated.
        let translated = func.translated().ok()?;
        let header = Loop { func: func.index.0, offset: loop_at(ctx, func)?.offset.0 };
        let instance = &*(*ctx).instance;
        if !tier.has_continuation(instance, header) {
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
pub(crate) unsafe fn above<T>(ctx: *mut Ctx, slots: usize, run: impl FnOnce(&mut ExecEnv) -> T) -> T {
    // SAFETY: as for `stop::poll`.
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
    // SAFETY: as for `stop::poll`.
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
