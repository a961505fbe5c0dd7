//! The Wasm view as the interpreter's frames.

use crate::capture::func_code;
use crate::code::{Elsewhere, FINISH, FuncCode, LEFT, Offset, RETURN_ACROSS};
use crate::exec::ctx::{Ctx, Record};
use crate::exec::dispatch::{self, Exit};
use crate::exec::watch::mark;
use std::ptr;
use wasmparser::{BinaryReader, Operator, OperatorsReader};
use wayfarer_module::{FuncType, Module, PointKind, StablePoint, ValType};
use wayfarer_runtime::{ExecEnv, Instance, RawFrame, ResumeError, Store};
use wayfarer_snapshot::view::{Frame, Position, Thread, Value};

/// Where a rebuilt stack goes on.
pub(crate) struct Resumed {
    pub(crate) ip: *const u64,
    pub(crate) fp: *mut u64,
    pub(crate) instance: *const Instance,
    /// The outermost function, whose results are the run's.
    pub(crate) outermost: *const FuncCode,
}

/// A thread's frames, outermost first, after everything about them was checked: the view may come from anywhere.
///
/// # Errors
/// [`ResumeError::Invalid`].
pub fn check(store: &Store, thread: &Thread) -> Result<Vec<RawFrame>, ResumeError> {
    let count = thread.frames.len();
    if count == 0 {
        return Err(ResumeError::Invalid { frame: 0, reason: "the thread has no frames".to_owned() });
    }
    let mut frames = Vec::with_capacity(count);
    let mut called: Option<FuncType> = None;
    for (nth, frame) in thread.frames.iter().enumerate() {
        let invalid = |reason: &str| ResumeError::Invalid { frame: nth, reason: reason.to_owned() };
        let innermost = nth + 1 == count;
        let Position { kind, offset } = frame.position;
        if innermost == (kind == PointKind::Call) {
            return Err(invalid("its position does not fit its place on the stack"));
        }
        let (instance, func) = locate(store, frame).ok_or_else(|| invalid("no such function"))?;
        let module = &*func.module().module;
        if let Some(called) = &called
            && module.func_type(func.index.0).results != called.results
        {
            return Err(invalid("its results are not what its caller expects"));
        }
        let points = func.point(kind, Offset(offset));
        let point = points.find(kind, offset).ok_or_else(|| invalid("its position is no stable point"))?;
        check_types(frame, &points.locals, point).map_err(invalid)?;
        let live = frame.locals.iter().zip(&point.live).filter(|(_, live)| **live).map(|(value, _)| value);
        let mut slots = Vec::with_capacity(RawFrame::slot_count(&points.locals, point));
        for value in live.chain(&frame.stack) {
            let bits = store.value_to_slots(value).ok_or_else(|| invalid("it refers to no function"))?;
            slots.extend(&bits[..value.ty().slots() as usize]);
        }
        if !innermost {
            called = Some(call_type(module, offset).ok_or_else(|| invalid("its position is no call"))?);
        }
        frames.push(RawFrame { instance, func: func.index.0, kind, offset, slots: slots.into() });
    }
    Ok(frames)
}

/// Runs frames, outermost first: how that ended, and how many slots the results have.
///
/// # Safety
/// As for [`rebuild`].
pub(crate) unsafe fn run<'a>(
    ctx: &mut Ctx,
    frames: impl ExactSizeIterator<Item = &'a RawFrame>,
) -> Result<(Exit, usize), ResumeError> {
    // SAFETY: passed on.
    unsafe {
        let resumed = rebuild(ctx, frames)?;
        let mut s = ctx.state;
        (s.ip, s.fp) = (resumed.ip, resumed.fp);
        s.set_instance(resumed.instance);
        let outermost = &*resumed.outermost;
        let results = outermost.module().module.func_type(outermost.index.0).result_slots() as usize;
        Ok((dispatch::run(s), results))
    }
}

/// Has the environment's stacks hold these frames, if that is possible.
pub(crate) fn make_room<'a>(env: &mut ExecEnv, frames: impl ExactSizeIterator<Item = &'a RawFrame>) {
    let records = (2 * (frames.len() + 1) + env.watched.len()) * size_of::<Record>();
    let slots = frames.map(|frame| {
        // SAFETY: a frame's instance outlives it.
        let func = func_code(unsafe { &*frame.instance }, frame.func);
        func.and_then(|func| func.translated().ok()).map_or(0, |code| code.frame_slots as usize)
    });
    let bytes = slots.fold(0usize, |sum, slots| sum.saturating_add(8 * slots));
    // If not, `rebuild` says so.
    let _ = env.make_room(bytes, records);
}

/// Rebuilds frames, outermost first, on the context's stacks.
///
/// # Errors
/// [`ResumeError::Invalid`] if there is no room for them.
///
/// # Safety
/// `ctx` must be fresh: nothing runs on its stacks above `base` and `records`. The frames must have been captured, or
/// come from [`check`].
pub(crate) unsafe fn rebuild<'a>(
    ctx: &mut Ctx,
    frames: impl ExactSizeIterator<Item = &'a RawFrame>,
) -> Result<Resumed, ResumeError> {
    let count = frames.len();
    // SAFETY: the context's environment outlives it.
    let env = unsafe { &mut *ctx.env };
    let mut watched = env.watched.places(env.depth).peekable();
    let mut fp = ctx.base;
    let mut ret = FINISH.ip();
    let mut caller_fp = ctx.base;
    let mut caller: *const Instance = ptr::null();
    let mut outermost = ptr::null();
    for (nth, frame) in frames.enumerate() {
        let invalid = |reason: &str| ResumeError::Invalid { frame: nth, reason: reason.to_owned() };
        // SAFETY: a frame's instance outlives it.
        let instance = unsafe { &*frame.instance };
        let func = func_code(instance, frame.func).ok_or_else(|| invalid("no such function"))?;
        let points = func.point(frame.kind, Offset(frame.offset));
        let point = points
            .find(frame.kind, frame.offset)
            .ok_or_else(|| invalid("its position is no stable point"))?;
        let translated = func.translated().map_err(|why| invalid(&why.to_string()))?;

        // SAFETY: the stacks are the context's; limits are checked before anything is written.
        unsafe {
            if fp.wrapping_add(translated.frame_slots as usize) > ctx.stack_end
                || ctx.records_end.offset_from(ctx.top) < 2
            {
                return Err(invalid("the stack is too small (see the stack size option)"));
            }
            if !caller.is_null() && !ptr::eq(caller, instance) {
                *ctx.top = Record { ret, fp: caller_fp, func: ptr::null(), instance: caller };
                ctx.top = ctx.top.add(1);
                ret = RETURN_ACROSS.ip();
            }
            *ctx.top = Record { ret, fp: caller_fp, func, instance: ptr::null() };
            ctx.top = ctx.top.add(1);
            let (mut ret, mut returned_to) = (ret, caller_fp);
            while watched.next_if_eq(&(count - nth)).is_some() {
                if ctx.top == ctx.records_end {
                    return Err(invalid("the stack is too small (see the stack size option)"));
                }
                mark(ctx, ret, returned_to, fp);
                (ret, returned_to) = (LEFT.ip(), fp);
            }
            for slot in 0..translated.frame_slots as usize {
                *fp.add(slot) = 0;
            }
        }
        let site = match frame.kind {
            PointKind::Entry => None,
            kind => Some(
                translated
                    .site(kind, Offset(frame.offset))
                    .ok_or_else(|| invalid("its position is in unreachable code"))?,
            ),
        };
        let mut slots = &frame.slots[..];
        let mut take = |ty: ValType| {
            let (value, rest) = slots.split_at_checked(ty.slots() as usize)?;
            slots = rest;
            Some(value)
        };
        let mut slot = 0;
        for (&ty, &live) in points.locals.iter().zip(&point.live) {
            if live {
                let value = take(ty).ok_or_else(|| invalid("it is too short"))?;
                // SAFETY: the frame has room for its locals.
                unsafe { write(fp.add(slot), value) };
            }
            slot += ty.slots() as usize;
        }
        for (index, &ty) in point.stack.iter().enumerate() {
            let value = take(ty).ok_or_else(|| invalid("it is too short"))?;
            // SAFETY: the frame has room for its operands. One that the code reads from a local's slot goes there too:
            // the local itself may be dead, and saved as zero.
            unsafe {
                if let Some(site) = site
                    && let Ok(i) = site.elsewhere.binary_search_by_key(&(index as u32), |(i, _)| *i)
                    && let Elsewhere::Local(local) = site.elsewhere[i].1
                {
                    write(fp.add(usize::from(local.0)), value);
                }
                write(fp.add(slot), value);
            }
            slot += value.len();
        }

        if nth == 0 {
            outermost = func;
        }
        let code = translated.code.as_ptr();
        if nth + 1 == count {
            // SAFETY: a site's word is in the code.
            let ip = unsafe { site.map_or(func.ip_at_entry(translated), |s| code.add(s.word.0 as usize)) };
            drop(watched);
            env.watched.capture_ended();
            return Ok(Resumed { ip, fp, instance, outermost });
        }
        caller = instance;
        // SAFETY: as above; the callee's frame starts behind the operands, where its arguments were.
        unsafe {
            ret = site.map_or(code, |s| code.add(s.return_word.0 as usize));
            caller_fp = fp;
            fp = fp.add(slot);
        }
    }
    Err(ResumeError::Invalid { frame: 0, reason: "the thread has no frames".to_owned() })
}

fn locate<'a>(store: &'a Store, frame: &Frame) -> Option<(&'a Instance, &'a FuncCode)> {
    let instance = store.instance(frame.func.instance as usize)?;
    Some((instance, func_code(instance, frame.func.func)?))
}

fn check_types(frame: &Frame, locals: &[ValType], point: &StablePoint) -> Result<(), &'static str> {
    let same = |values: &[Value], types: &[ValType]| {
        values.len() == types.len() && values.iter().zip(types).all(|(v, &t)| v.ty() == t)
    };
    if !same(&frame.locals, locals) {
        return Err("its locals are of other types than the function's");
    }
    if !same(&frame.stack, &point.stack) {
        return Err("its operands are of other types than the stable point's");
    }
    Ok(())
}

/// Type of the function that the call instruction at this offset of the code section calls.
fn call_type(module: &Module, offset: u32) -> Option<FuncType> {
    let at = module.code_start.checked_add(offset as usize)?;
    let mut ops = OperatorsReader::new(BinaryReader::new(module.bytes.get(at..)?, at as u64));
    match ops.read().ok()? {
        Operator::Call { function_index } => Some(module.func_type(function_index).clone()),
        Operator::CallIndirect { type_index, .. } => module.types.get(type_index as usize).cloned(),
        _ => None,
    }
}

/// Writes a value's slots.
unsafe fn write(at: *mut u64, slots: &[u64]) {
    // SAFETY: the caller has room for them.
    unsafe { ptr::copy_nonoverlapping(slots.as_ptr(), at, slots.len()) };
}
