//! Handlers of calls: within an instance, to other instances, to the host.

use super::control::{armed, poll_entry};
use super::ctx::{Ctx, Record};
use super::dispatch::{Exit, State, handlers, next, run};
use super::operand::Scalar;
use super::stop;
use crate::code::{FINISH, FuncCode, RETURN_ACROSS};
use crate::ir::{
    Base, Call, CallImport, CallIndirect, CodePtr, Instruction, ReturnCall, ReturnCallImport,
    ReturnCallIndirect, SlotCount,
};
use std::{ptr, slice};
use wayfarer_module::PointKind;
use wayfarer_runtime::{Func, HostError, TrapCode};

handlers! {
    call |s, i: Call| {
        let fp = s.base(i.base);
        enter(s, func_code(i.func), fp, s.ip.add(Call::WORDS))
    }

    call_import |s, i: CallImport| {
        let func = s.instance().funcs()[i.func.0 as usize];
        Ctx::step(s, |ctx| call_any(ctx, func, i.base, i.slots, CallImport::WORDS))
    }

    call_indirect |s, i: CallIndirect| {
        let callee = match s.instance().table(i.table.0) {
            Some(table) => table.callee(*s.slot(i.index) as u32),
            None => Err(TrapCode::UndefinedElement),
        };
        match callee {
            Ok(func) if (*func).ty == i.ty => {
                if ptr::eq((*func).instance, (*s.ctx).instance) && !(*func).code.is_null() {
                    let fp = s.base(i.base);
                    enter(s, FuncCode::of(&*func), fp, s.ip.add(CallIndirect::WORDS))
                } else {
                    Ctx::step(s, |ctx| call_any(ctx, func, i.base, i.slots, CallIndirect::WORDS))
                }
            }
            Ok(_) => s.trap(TrapCode::IndirectCallTypeMismatch),
            Err(code) => s.trap(code),
        }
    }

    /// The arguments replace the frame.
    return_call |s, i: ReturnCall| {
        ptr::copy(s.base(i.base), s.fp, i.args.0 as usize);
        match replace_frame(&mut s, func_code(i.func)) {
            Ok(()) => at_entry(s),
            Err(code) => s.trap(code),
        }
    }

    return_call_import |s, i: ReturnCallImport| {
        let func = s.instance().funcs()[i.func.0 as usize];
        Ctx::step(s, |ctx| return_call_any(ctx, func, i.base, i.args, i.results))
    }

    return_call_indirect |s, i: ReturnCallIndirect| {
        let callee = match s.instance().table(i.table.0) {
            Some(table) => table.callee(*s.slot(i.index) as u32),
            None => Err(TrapCode::UndefinedElement),
        };
        match callee {
            Ok(func) if (*func).ty == i.ty => {
                Ctx::step(s, |ctx| return_call_any(ctx, func, i.base, i.args, i.results))
            }
            Ok(_) => s.trap(TrapCode::IndirectCallTypeMismatch),
            Err(code) => s.trap(code),
        }
    }

    /// First instruction of a function that was not translated yet. Its record is on top.
    translate_now |s| {
        Ctx::step(s, |ctx| translate(ctx))
    }

    /// The outermost frame returned.
    finish |_s| {
        Exit::Done
    }

    /// The outermost frame in an instance returned to a caller in another. The caller's mark is on top.
    return_across |s| {
        let mark = (*s.ctx).top.sub(1);
        (*s.ctx).top = mark;
        s.set_instance((*mark).instance);
        s.ip = (*mark).ret;
        s.fp = (*mark).fp;
        next(s)
    }
}

/// The function that a call names.
#[inline(always)]
fn func_code(func: CodePtr) -> *const FuncCode {
    func.0 as usize as *const FuncCode
}

#[inline(always)]
unsafe fn zero_locals(func: &FuncCode, fp: *mut u64) {
    // SAFETY: the frame was checked to have room for its locals.
    unsafe {
        let first = fp.add(func.param_slots as usize);
        for i in 0..func.zero_slots() as usize {
            *first.add(i) = 0;
        }
    }
}

/// Makes a frame of `func`, a function of the current instance, for the arguments at `fp`.
#[inline(always)]
unsafe fn push_frame(
    s: &mut State,
    func: *const FuncCode,
    fp: *mut u64,
    ret: *const u64,
) -> Result<(), TrapCode> {
    // SAFETY: `func` is a function of the running module, at a fixed address; room is checked before it is used.
    unsafe {
        let callee = &*func;
        // First: where it leads to translated code, the sizes below are those of that code.
        let entry = callee.entry();
        let top = (*s.ctx).top;
        if fp.wrapping_add(callee.frame_slots() as usize) > (*s.ctx).stack_end || top == (*s.ctx).records_end
        {
            return Err(TrapCode::StackOverflow);
        }
        zero_locals(callee, fp);
        (*top).ret = ret;
        (*top).fp = s.fp;
        (*top).func = func;
        (*s.ctx).top = top.add(1);
        s.fp = fp;
        s.ip = entry;
        Ok(())
    }
}

/// Goes on at a function's entry, which is a stable point.
#[inline(always)]
unsafe fn at_entry(s: State) -> Exit {
    // SAFETY: passed on.
    unsafe {
        if armed(&s) {
            return poll_entry(s.ip, s.fp, s.mem, s.len, s.ctx, s.acc, s.f4, s.f8);
        }
        next(s)
    }
}

/// Calls `func` of the current instance with its arguments at `fp`.
#[inline(always)]
unsafe fn enter(mut s: State, func: *const FuncCode, fp: *mut u64, ret: *const u64) -> Exit {
    // SAFETY: passed on.
    unsafe {
        match push_frame(&mut s, func, fp, ret) {
            Ok(()) => at_entry(s),
            Err(code) => s.trap(code),
        }
    }
}

/// Starts a run: the state to go on from, at the entry of `func`, whose arguments are at the state's frame.
pub(crate) unsafe fn start(mut s: State, func: *const FuncCode) -> Result<State, TrapCode> {
    let fp = s.fp;
    // SAFETY: passed on.
    unsafe { push_frame(&mut s, func, fp, FINISH.ip())? };
    Ok(s)
}

/// Runs from a function's entry, which is a stable point, until something ends the run.
pub(crate) unsafe fn run_from_entry(s: State) -> Exit {
    // SAFETY: passed on.
    unsafe {
        match finish_step(s, Ok(())) {
            Exit::Next => run((*s.ctx).state),
            exit => exit,
        }
    }
}

/// Replaces the running frame by one of `func`, whose arguments are already there.
#[inline(always)]
unsafe fn replace_frame(s: &mut State, func: *const FuncCode) -> Result<(), TrapCode> {
    // SAFETY: as for `push_frame`.
    unsafe {
        let callee = &*func;
        // First, as in `push_frame`.
        let entry = callee.entry();
        if s.fp.wrapping_add(callee.frame_slots() as usize) > (*s.ctx).stack_end {
            return Err(TrapCode::StackOverflow);
        }
        zero_locals(callee, s.fp);
        (*(*s.ctx).top.sub(1)).func = func;
        s.ip = entry;
        Ok(())
    }
}

/// Puts what a step did to the state back into the context, or ends the run.
unsafe fn finish_step(s: State, done: Result<(), TrapCode>) -> Exit {
    // SAFETY: the context outlives the run.
    unsafe {
        (*s.ctx).state = s;
        match done {
            // The callee's entry is a stable point like any other.
            Ok(()) if armed(&s) => stop::poll(s.ctx, PointKind::Entry),
            Ok(()) => Exit::Next,
            Err(code) => s.trap(code),
        }
    }
}

/// A step: translates the function whose record is on top, and goes on at its first instruction.
#[cold]
#[inline(never)]
pub(crate) unsafe fn translate(ctx: *mut Ctx) -> Exit {
    // SAFETY: the caller's context and record are live; the frame is only used once it is known to have room.
    unsafe {
        let mut s = (*ctx).state;
        let func = &*(*(*ctx).top.sub(1)).func;
        match func.translated() {
            Ok(_) if s.fp.add(func.frame_slots() as usize) > (*ctx).stack_end => {
                s.trap(TrapCode::StackOverflow)
            }
            Ok(translated) => {
                zero_locals(func, s.fp);
                s.ip = translated.code.as_ptr();
                (*ctx).state = s;
                Exit::Next
            }
            Err(why) => s.end(why.into()),
        }
    }
}

/// Where a frame returns to, the change of instance left aside that may be in between.
pub(crate) unsafe fn skip_across(record: *const Record) -> *const u64 {
    // SAFETY: a record that returns across instances has its caller's mark below.
    unsafe {
        match (*record).ret {
            ret if ptr::eq(ret, RETURN_ACROSS.ip()) => (*record.sub(1)).ret,
            ret => ret,
        }
    }
}

/// A step: calls any function, with its arguments from `base`, where there is room for as many slots; the instruction has
/// `words` words.
#[inline(never)]
unsafe fn call_any(ctx: *mut Ctx, func: *const Func, base: Base, slots: SlotCount, words: usize) -> Exit {
    // SAFETY: functions of a store outlive the run.
    unsafe {
        let mut s = (*ctx).state;
        let fp = s.base(base);
        if (*func).code.is_null() {
            return match call_host(&mut s, func, fp, slots.0 as usize) {
                Ok(()) => {
                    s.ip = s.ip.add(words);
                    (*ctx).state = s;
                    Exit::Next
                }
                Err(HostError::Trap(trap)) => s.end(trap),
                Err(HostError::Interrupted) => stop::poll(ctx, PointKind::BeforeCall),
            };
        }
        let ret = s.ip.add(words);
        let done = push_across(&mut s, func, fp, ret);
        finish_step(s, done)
    }
}

/// Makes a frame of a function of another instance (or of this one).
unsafe fn push_across(
    s: &mut State,
    func: *const Func,
    fp: *mut u64,
    ret: *const u64,
) -> Result<(), TrapCode> {
    // SAFETY: as above.
    unsafe {
        let top = (*s.ctx).top;
        if top == (*s.ctx).records_end {
            return Err(TrapCode::StackOverflow);
        }
        *top = Record { ret, fp: s.fp, func: ptr::null(), instance: (*s.ctx).instance };
        (*s.ctx).top = top.add(1);
        s.set_instance((*func).instance);
        push_frame(s, FuncCode::of(&*func), fp, RETURN_ACROSS.ip())
    }
}

/// A step: the innermost frame's function has returned otherwise, its results are at `fp`, in (at least) as many slots.
pub(crate) unsafe fn leave_with_results(ctx: *mut Ctx, fp: *mut u64, slots: usize) -> Exit {
    // SAFETY: the caller's context and frame are live.
    unsafe {
        let mut s = (*ctx).state;
        let record = (*ctx).top.sub(1);
        (*ctx).top = record;
        s.ip = (*record).ret;
        s.fp = (*record).fp;
        returned(&mut s, fp, slots);
        (*ctx).state = s;
        Exit::Next
    }
}

/// Makes the state right for whoever waits for the results at `fp`.
unsafe fn returned(s: &mut State, fp: *mut u64, slots: usize) {
    // SAFETY: passed on.
    unsafe {
        s.reload_memory();
        if slots > 0 {
            // Whichever kind the first result is of, its accumulator is right.
            let bits = *fp;
            u64::set_acc(s, bits);
            f32::set_acc(s, Scalar::from_bits(bits));
            f64::set_acc(s, Scalar::from_bits(bits));
        }
    }
}

/// A step: tail-calls any function, with its arguments from `base`.
#[inline(never)]
unsafe fn return_call_any(
    ctx: *mut Ctx,
    func: *const Func,
    base: Base,
    args: SlotCount,
    results: SlotCount,
) -> Exit {
    // SAFETY: as above.
    unsafe {
        let mut s = (*ctx).state;
        let (args, results) = (args.0 as usize, results.0 as usize);
        let fp = s.base(base);
        if (*func).code.is_null() {
            return match call_host(&mut s, func, fp, args.max(results)) {
                Ok(()) => {
                    ptr::copy(fp, s.fp, results);
                    let record = (*ctx).top.sub(1);
                    (*ctx).top = record;
                    s.ip = (*record).ret;
                    s.fp = (*record).fp;
                    (*ctx).state = s;
                    Exit::Next
                }
                Err(HostError::Trap(trap)) => s.end(trap),
                Err(HostError::Interrupted) => stop::poll(ctx, PointKind::BeforeCall),
            };
        }
        ptr::copy(fp, s.fp, args);
        if ptr::eq((*func).instance, (*ctx).instance) {
            let done = replace_frame(&mut s, FuncCode::of(&*func));
            return finish_step(s, done);
        }
        // The frame goes away; its caller may be in this instance. If it is in another, a mark already says so.
        let record = (*ctx).top.sub(1);
        let (ret, fp, callee_fp) = ((*record).ret, (*record).fp, s.fp);
        (*ctx).top = record;
        s.fp = fp;
        let done = if ptr::eq(ret, RETURN_ACROSS.ip()) {
            s.set_instance((*func).instance);
            push_frame(&mut s, FuncCode::of(&*func), callee_fp, ret)
        } else {
            push_across(&mut s, func, callee_fp, ret)
        };
        finish_step(s, done)
    }
}

/// Calls a host function with its arguments at `fp`, where its results go too; `slots` is the larger of both.
unsafe fn call_host(s: &mut State, func: *const Func, fp: *mut u64, slots: usize) -> Result<(), HostError> {
    // SAFETY: the frame has room for the callee's arguments and results; while the host function runs, nothing else
    // touches them, nor the environment.
    unsafe {
        let ctx = s.ctx;
        let env = &mut *(*ctx).env;
        let saved = (env.values_used, env.frames_used);
        env.values_used = fp.add(slots).offset_from(env.values.base().cast()) as usize;
        env.frames_used = (*ctx).top.byte_offset_from(env.frames.base()) as usize;
        let called = wayfarer_runtime::func::call_host(
            env,
            &*func,
            s.instance(),
            slice::from_raw_parts_mut(fp, slots),
        );
        let env = &mut *(*ctx).env;
        (env.values_used, env.frames_used) = saved;
        called?;
        returned(s, fp, slots);
        Ok(())
    }
}
