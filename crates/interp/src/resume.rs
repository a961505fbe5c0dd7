//! The Wasm view as the interpreter's frames.

use crate::code::{Elsewhere, FINISH, FuncCode, RETURN_ACROSS};
use crate::exec::ctx::{Ctx, Record};
use std::ptr;
use wasmparser::{BinaryReader, Operator, OperatorsReader};
use wayfarer_module::{FuncType, Module, PointKind, StablePoint, ValType};
use wayfarer_runtime::{Instance, ResumeError, Store};
use wayfarer_snapshot::view::{Frame, Thread, Value};

/// Where a rebuilt stack goes on.
pub(crate) struct Resumed {
    pub(crate) ip: *const u64,
    pub(crate) fp: *mut u64,
    pub(crate) instance: *const Instance,
    /// The outermost function, whose results are the run's.
    pub(crate) outermost: *const FuncCode,
}

/// Rebuilds a thread's frames on the context's stacks. Everything is checked before it is used: the view may come from
/// anywhere.
///
/// # Safety
/// `ctx` must be fresh: nothing runs on its stacks above `base` and `records`.
pub(crate) unsafe fn rebuild(ctx: &mut Ctx, store: &Store, thread: &Thread) -> Result<Resumed, ResumeError> {
    let count = thread.frames.len();
    let mut fp = ctx.base;
    let mut ret = FINISH.ip();
    let mut caller_fp = ctx.base;
    let mut caller: Option<(*const Instance, FuncType)> = None;
    let mut outermost = ptr::null();
    for (nth, frame) in thread.frames.iter().enumerate() {
        let invalid = |reason: &str| ResumeError::Invalid { frame: nth, reason: reason.to_owned() };
        let innermost = nth + 1 == count;
        if innermost == (frame.position.kind == PointKind::Call) {
            return Err(invalid("its position does not fit its place on the stack"));
        }
        let (instance, func) = locate(store, frame).ok_or_else(|| invalid("no such function"))?;
        let module = &*func.module().module;
        if let Some((_, called)) = &caller
            && module.func_type(func.index).results != called.results
        {
            return Err(invalid("its results are not what its caller expects"));
        }
        let points = func.point(frame.position.kind, frame.position.offset);
        let point = points
            .find(frame.position.kind, frame.position.offset)
            .ok_or_else(|| invalid("its position is no stable point"))?;
        check_types(frame, &points.locals, point).map_err(invalid)?;
        let translated = func.translated().map_err(|code| invalid(code.text()))?;

        // SAFETY: the stacks are the context's; limits are checked before anything is written.
        unsafe {
            if fp.wrapping_add(translated.frame_slots as usize) > ctx.stack_end
                || ctx.records_end.offset_from(ctx.top) < 2
            {
                return Err(invalid("the stack is too small (see the stack size option)"));
            }
            if let Some((from, _)) = caller
                && !ptr::eq(from, instance)
            {
                *ctx.top = Record { ret, fp: caller_fp, func: ptr::null(), instance: from };
                ctx.top = ctx.top.add(1);
                ret = RETURN_ACROSS.ip();
            }
            *ctx.top = Record { ret, fp: caller_fp, func, instance: ptr::null() };
            ctx.top = ctx.top.add(1);
            for slot in 0..translated.frame_slots as usize {
                *fp.add(slot) = 0;
            }
        }
        let slots =
            |value: &Value| store.value_to_slots(value).ok_or_else(|| invalid("it refers to no function"));
        let mut slot = 0;
        for value in &frame.locals {
            // SAFETY: the frame has room for its locals.
            slot += unsafe { write(fp.add(slot), value, slots(value)?) };
        }
        let site = match frame.position.kind {
            PointKind::Entry => None,
            kind => Some(
                translated
                    .site(kind, frame.position.offset)
                    .ok_or_else(|| invalid("its position is in unreachable code"))?,
            ),
        };
        for (index, value) in frame.stack.iter().enumerate() {
            let bits = slots(value)?;
            // SAFETY: the frame has room for its operands. One that the code reads from a local's slot goes there too:
            // the local itself may be dead, and saved as zero.
            unsafe {
                if let Some(site) = site
                    && let Ok(i) = site.elsewhere.binary_search_by_key(&(index as u32), |(i, _)| *i)
                    && let Elsewhere::Local(local) = site.elsewhere[i].1
                {
                    write(fp.add(usize::from(local)), value, bits);
                }
                slot += write(fp.add(slot), value, bits);
            }
        }

        if nth == 0 {
            outermost = func;
        }
        let code = translated.code.as_ptr();
        if innermost {
            // SAFETY: a site's word is in the code.
            let ip = unsafe { site.map_or(code, |s| code.add(s.word as usize)) };
            return Ok(Resumed { ip, fp, instance, outermost });
        }
        let called =
            call_type(module, frame.position.offset).ok_or_else(|| invalid("its position is no call"))?;
        caller = Some((instance, called));
        // SAFETY: as above; the callee's frame starts behind the operands, where its arguments were.
        unsafe {
            ret = site.map_or(code, |s| code.add(s.return_word as usize));
            caller_fp = fp;
            fp = fp.add(slot);
        }
    }
    Err(ResumeError::Invalid { frame: 0, reason: "the thread has no frames".to_owned() })
}

fn locate<'a>(store: &'a Store, frame: &Frame) -> Option<(&'a Instance, &'a FuncCode)> {
    let instance = store.instance(frame.func.instance as usize)?;
    let func = instance.func(frame.func.func)?;
    // A frame belongs to the instance whose own function it runs.
    if func.code.is_null() || !ptr::eq(func.instance, instance) {
        return None;
    }
    // SAFETY: the code of a guest function is what this engine made of it.
    Some((instance, unsafe { &*func.code.cast::<FuncCode>() }))
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

/// Writes a value's slots and says how many they are.
unsafe fn write(at: *mut u64, value: &Value, bits: [u64; 2]) -> usize {
    let slots = value.ty().slots() as usize;
    // SAFETY: the caller has room for them.
    unsafe { ptr::copy_nonoverlapping(bits.as_ptr(), at, slots) };
    slots
}
