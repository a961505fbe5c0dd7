//! The interpreter's frames as the Wasm view.

use crate::code::{Elsewhere, FINISH, FuncCode, LEFT, Offset, RETURN_ACROSS, Translated, Word};
use crate::exec::ctx::{Ctx, Record};
use crate::exec::dispatch::State;
use wayfarer_module::{PointKind, StablePoint, ValType};
use wayfarer_runtime::{CaptureError, ExecEnv, Instance, RawFrame, Store};
use wayfarer_snapshot::view::Thread;

/// Captures all frames of the run that `s` belongs to, innermost first; the innermost stands at a point of this kind at
/// `s.ip`.
///
/// # Safety
/// `s` must describe the innermost frame of a run that is stopped.
pub(crate) unsafe fn frames(s: &State, kind: PointKind, frames: &mut Vec<RawFrame>) {
    // SAFETY: records between `records` and `top` are those of the run's frames, written by calls.
    unsafe {
        let record = (*s.ctx).top.sub(1);
        frames.push(frame(&*(*record).func, (*s.ctx).instance, kind, s.ip, s.fp));
        callers(s.ctx, record, frames);
    }
}

/// Captures the frames of a run below the one that `record` is of, innermost first.
///
/// # Safety
/// As for [`frames`]; `record` must be the run's, and of a frame of the context's current instance.
pub(crate) unsafe fn callers(ctx: *const Ctx, mut record: *const Record, frames: &mut Vec<RawFrame>) {
    // SAFETY: as above.
    unsafe {
        let mut instance = (*ctx).instance;
        loop {
            let (mut ip, mut fp) = ((*record).ret, (*record).fp);
            loop {
                if ip == RETURN_ACROSS.ip() {
                    record = record.sub(1);
                    instance = (*record).instance;
                } else if ip == LEFT.ip() {
                    record = record.sub(1);
                    (*(*ctx).env).watched.captured(frames.len());
                } else {
                    break;
                }
                (ip, fp) = ((*record).ret, (*record).fp);
            }
            if ip == FINISH.ip() {
                break;
            }
            record = record.sub(1);
            frames.push(frame(&*(*record).func, instance, PointKind::Call, ip, fp));
        }
    }
}

/// A thread's captured frames, innermost first, as the view has them.
///
/// # Errors
/// [`CaptureError::ForeignFunction`].
pub fn view(env: &ExecEnv, store: &Store, frames: &[RawFrame]) -> Result<Thread, CaptureError> {
    let ids = store.func_ids();
    let view = |frame: &RawFrame| {
        // SAFETY: a frame's instance outlives it, and so does the code of its functions.
        let func = unsafe { func_code(&*frame.instance, frame.func) };
        let foreign =
            || CaptureError::ForeignFunction { place: format!("a frame of function {}", frame.func) };
        frame.view(&func.ok_or_else(foreign)?.point(frame.kind, Offset(frame.offset)), &ids)
    };
    let watched = env.watched.view(env.depth, frames, &ids)?;
    let frames = frames.iter().rev().map(view).collect::<Result<_, _>>()?;
    let (tid, number) = (env.tid, env.thread().id());
    Ok(Thread { entry: env.entry, frames, tid, number, watched, waits: env.wait() })
}

/// The interpreter's code of a function of `instance`; `None` if it is not its own.
pub(crate) fn func_code(instance: &Instance, func: u32) -> Option<&FuncCode> {
    let func = instance.func(func)?;
    if func.code.is_null() || !std::ptr::eq(func.instance, instance) {
        return None;
    }
    // SAFETY: the code of a guest function is what this engine made of it.
    Some(unsafe { &*FuncCode::of(func) })
}

/// Captures one frame.
///
/// # Safety
/// `ip` and `fp` must be those of a frame of `func` that stands at a point of this kind.
pub(crate) unsafe fn frame(
    func: &FuncCode,
    instance: *const Instance,
    kind: PointKind,
    ip: *const u64,
    fp: *const u64,
) -> RawFrame {
    let module = &func.module().module;
    let entry = Translated {
        code: Box::default(),
        frame_slots: 0,
        local_slots: 0,
        loops: Box::default(),
        loop_heat: Box::default(),
        calls: Box::default(),
        ends: Box::default(),
    };
    let (translated, site) = match kind {
        // Where nothing but the parameters is needed, the function may not even be translated yet.
        PointKind::Entry => (&entry, None),
        _ => {
            // A frame that runs was translated.
            let translated = func.translated().unwrap_or(&entry);
            // SAFETY: `ip` is in the function's code.
            let word = Word(unsafe { ip.offset_from(translated.code.as_ptr()) } as u32);
            let site = match kind {
                PointKind::Loop => translated.loop_at(word),
                PointKind::Call => translated.call_returning_to(word),
                _ => translated.call_at(word),
            };
            (translated, site)
        }
    };
    let offset = match (kind, &module.funcs[func.index.0 as usize].body) {
        (PointKind::Entry, Some(body)) => (body.start - module.code_start) as u32,
        _ => site.map_or(0, |site| site.offset.0),
    };
    let points = func.point(kind, Offset(offset));
    let mut slots = Vec::new();
    match points.find(kind, offset) {
        None => debug_assert!(false, "stopped at {kind:?} {offset}, which is no stable point"),
        Some(point) => {
            slots.reserve(RawFrame::slot_count(&points.locals, point));
            let mut slot = 0;
            for (&ty, &live) in points.locals.iter().zip(&point.live) {
                if live {
                    // SAFETY: locals are the first slots of the frame.
                    unsafe { read(&mut slots, ty, fp.add(slot)) };
                }
                slot += ty.slots() as usize;
            }
            let elsewhere = site.map_or(&[][..], |s| &s.elsewhere);
            // SAFETY: operands follow the locals.
            unsafe { operands(&mut slots, point, elsewhere, fp, translated.local_slots as usize) };
        }
    }
    RawFrame { instance, func: func.index.0, kind, offset, slots: slots.into() }
}

unsafe fn operands(
    slots: &mut Vec<u64>,
    point: &StablePoint,
    elsewhere: &[(u32, Elsewhere)],
    fp: *const u64,
    first: usize,
) {
    let mut elsewhere = elsewhere.iter().peekable();
    let mut slot = first;
    for (index, &ty) in point.stack.iter().enumerate() {
        match elsewhere.next_if(|(i, _)| *i as usize == index) {
            Some((_, Elsewhere::Const(bits))) => {
                let halves = [*bits as u64, (*bits >> 64) as u64];
                slots.extend(&halves[..ty.slots() as usize]);
            }
            // SAFETY: the slot of a local.
            Some((_, Elsewhere::Local(local))) => unsafe {
                read(slots, ty, fp.add(usize::from(local.0)));
            },
            // SAFETY: the operand's own slot.
            None => unsafe { read(slots, ty, fp.add(slot)) },
        }
        slot += ty.slots() as usize;
    }
}

unsafe fn read(slots: &mut Vec<u64>, ty: ValType, at: *const u64) {
    // SAFETY: the caller passes as many slots as the type takes.
    slots.extend(unsafe { std::slice::from_raw_parts(at, ty.slots() as usize) });
}
