//! Frames between an engine's stack and the Wasm view: values as slots, references still as addresses.

use crate::capture::FuncIds;
use crate::engine::CaptureError;
use crate::instance::Instance;
use wayfarer_module::{FuncPoints, PointKind, StablePoint, ValType};
use wayfarer_snapshot::view::{Frame, FuncId, Position, Value};

/// A captured frame.
#[derive(Clone, Debug)]
pub struct RawFrame {
    /// Whose function it runs.
    pub instance: *const Instance,
    /// Function index.
    pub func: u32,
    /// What it is doing.
    pub kind: PointKind,
    /// Where, relative to the start of the code section.
    pub offset: u32,
    /// What the stable point saves: live locals in order, then operands, one slot or two each.
    pub slots: Box<[u64]>,
}

impl RawFrame {
    /// How many slots the frame of a stable point has.
    pub fn slot_count(locals: &[ValType], point: &StablePoint) -> usize {
        let live = locals.iter().zip(&point.live).filter(|(_, live)| **live).map(|(ty, _)| ty.slots());
        (live.sum::<u32>() + point.stack.iter().map(|ty| ty.slots()).sum::<u32>()) as usize
    }

    /// The frame as the view has it; `points` must have its point.
    ///
    /// # Errors
    /// [`CaptureError::ForeignFunction`].
    pub fn view(&self, points: &FuncPoints, ids: &FuncIds) -> Result<Frame, CaptureError> {
        let foreign =
            || CaptureError::ForeignFunction { place: format!("a frame of function {}", self.func) };
        let point = points.find(self.kind, self.offset).ok_or_else(foreign)?;
        let mut slots = &self.slots[..];
        let mut take = |ty: ValType| {
            let (value, rest) = slots.split_at_checked(ty.slots() as usize)?;
            slots = rest;
            ids.value(ty, value)
        };
        let mut locals = Vec::with_capacity(points.locals.len());
        for (&ty, &live) in points.locals.iter().zip(&point.live) {
            locals.push(if live { take(ty).ok_or_else(foreign)? } else { Value::zero(ty) });
        }
        let stack = point.stack.iter().map(|&ty| take(ty)).collect::<Option<_>>().ok_or_else(foreign)?;
        // SAFETY: a frame's instance outlives it.
        let instance = unsafe { &*self.instance }.index();
        Ok(Frame {
            func: FuncId { instance, func: self.func },
            position: Position { kind: self.kind, offset: self.offset },
            locals,
            stack,
        })
    }
}
