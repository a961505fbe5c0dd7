//! The interpreter's frames as the Wasm view.

use crate::code::{Elsewhere, FINISH, FuncCode, RETURN_ACROSS, Translated};
use crate::exec::dispatch::State;
use wayfarer_module::{PointKind, StablePoint, ValType};
use wayfarer_runtime::capture::FuncIds;
use wayfarer_runtime::{CaptureError, Instance, Store};
use wayfarer_snapshot::view::{Frame, FuncId, Position, Thread, Value};

/// Captures all frames of the run that `s` belongs to; the innermost stands at a point of this kind at `s.ip`.
///
/// # Safety
/// `s` must describe the innermost frame of a run that is stopped.
pub(crate) unsafe fn thread(s: &State, kind: PointKind, store: &Store) -> Result<Thread, CaptureError> {
    let ids = store.func_ids();
    let mut frames = Vec::new();
    // SAFETY: records between `records` and `top` are those of the run's frames, written by calls.
    unsafe {
        let ctx = &*s.ctx;
        let mut record = ctx.top.sub(1);
        let (mut ip, mut fp, mut kind, mut instance) = (s.ip, s.fp, kind, ctx.instance);
        loop {
            frames.push(frame(&*(*record).func, &*instance, kind, ip, fp, &ids)?);
            (ip, fp, kind) = ((*record).ret, (*record).fp, PointKind::Call);
            if ip == RETURN_ACROSS.ip() {
                record = record.sub(1);
                (ip, fp, instance) = ((*record).ret, (*record).fp, (*record).instance);
            }
            if ip == FINISH.ip() {
                break;
            }
            record = record.sub(1);
        }
        frames.reverse();
        let env = &*ctx.env;
        Ok(Thread { entry: env.entry, frames, tid: env.tid })
    }
}

unsafe fn frame(
    func: &FuncCode,
    instance: &Instance,
    kind: PointKind,
    ip: *const u64,
    fp: *const u64,
    ids: &FuncIds,
) -> Result<Frame, CaptureError> {
    let module = &func.module().module;
    let entry = Translated {
        code: Box::default(),
        frame_slots: 0,
        local_slots: 0,
        loops: Box::default(),
        calls: Box::default(),
    };
    let (translated, site) = match kind {
        // Where nothing but the parameters is needed, the function may not even be translated yet.
        PointKind::Entry => (&entry, None),
        _ => {
            // A frame that runs was translated.
            let translated = func.translated().unwrap_or(&entry);
            // SAFETY: `ip` is in the function's code.
            let word = unsafe { ip.offset_from(translated.code.as_ptr()) } as u32;
            let site = match kind {
                PointKind::Loop => translated.loop_at(word),
                PointKind::Call => translated.call_returning_to(word),
                _ => translated.call_at(word),
            };
            (translated, site)
        }
    };
    let offset = match (kind, &module.funcs[func.index as usize].body) {
        (PointKind::Entry, Some(body)) => (body.start - module.code_start) as u32,
        _ => site.map_or(0, |site| site.offset),
    };
    let place = || CaptureError::ForeignFunction { place: format!("a frame of function {}", func.index) };
    let points = func.point(kind, offset);
    let Some(point) = points.find(kind, offset) else {
        debug_assert!(false, "stopped at {kind:?} {offset}, which is no stable point");
        return Err(place());
    };
    let mut locals = Vec::with_capacity(points.locals.len());
    let mut slot = 0;
    for (&ty, &live) in points.locals.iter().zip(&point.live) {
        // SAFETY: locals are the first slots of the frame.
        let value = if live { unsafe { read(ids, ty, fp.add(slot)) } } else { Some(Value::zero(ty)) };
        locals.push(value.ok_or_else(place)?);
        slot += ty.slots() as usize;
    }
    // SAFETY: operands follow the locals.
    let stack = unsafe {
        operands(point, site.map_or(&[], |s| &s.elsewhere), fp, translated.local_slots as usize, ids)
    };
    Ok(Frame {
        func: FuncId { instance: instance.index(), func: func.index },
        position: Position { kind, offset },
        locals,
        stack: stack.ok_or_else(place)?,
    })
}

unsafe fn operands(
    point: &StablePoint,
    elsewhere: &[(u32, Elsewhere)],
    fp: *const u64,
    first: usize,
    ids: &FuncIds,
) -> Option<Vec<Value>> {
    let mut elsewhere = elsewhere.iter().peekable();
    let mut slot = first;
    let mut values = Vec::with_capacity(point.stack.len());
    for (index, &ty) in point.stack.iter().enumerate() {
        let value = match elsewhere.next_if(|(i, _)| *i as usize == index) {
            Some((_, Elsewhere::Const(bits))) => ids.value(ty, &[*bits as u64, (*bits >> 64) as u64]),
            // SAFETY: the slot of a local.
            Some((_, Elsewhere::Local(local))) => unsafe { read(ids, ty, fp.add(usize::from(*local))) },
            // SAFETY: the operand's own slot.
            None => unsafe { read(ids, ty, fp.add(slot)) },
        };
        values.push(value?);
        slot += ty.slots() as usize;
    }
    Some(values)
}

unsafe fn read(ids: &FuncIds, ty: ValType, at: *const u64) -> Option<Value> {
    // SAFETY: the caller passes as many slots as the type takes.
    unsafe { ids.value(ty, std::slice::from_raw_parts(at, ty.slots() as usize)) }
}
