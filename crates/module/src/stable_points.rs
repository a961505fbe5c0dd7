//! Stable points: where a running function is fully described by what the specification names, and what must be saved
//! there. The one place that decides it; engines only say *where* each value is.
//!
//! | kind | position | state |
//! |---|---|---|
//! | `Entry` | start of the body | live parameters |
//! | `Loop` | the `loop` opcode | live locals, operand stack below the loop and the loop's parameters |
//! | `Call` | the call opcode | locals live *after* the call, operand stack below the arguments |
//! | `BeforeCall` | the call opcode | locals live *before* the call, operand stack with the arguments (and the table index) |
//!
//! `Loop` is polled on the back edge, so a loop that does not repeat has no stable point.

use crate::module::Module;
use crate::types::ValType;
use serde::{Deserialize, Serialize};

/// What a frame is doing at a stable point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PointKind {
    /// About to execute the first instruction.
    Entry,
    /// A branch to a loop header was taken; about to execute the loop body again.
    Loop,
    /// Waiting for a callee; its results will be pushed when it returns. Never the innermost frame.
    Call,
    /// About to execute a call that was interrupted and will be made again. Only the innermost frame.
    BeforeCall,
}

/// A stable point of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StablePoint {
    /// What the frame is doing.
    pub kind: PointKind,
    /// Byte offset relative to [`Module::code_start`]: of the opcode, or of the body's first byte for `Entry`.
    pub offset: u32,
    /// Types of the operand stack entries to save, bottom first.
    pub stack: Box<[ValType]>,
    /// One entry per local (parameters first): whether its value can still be read. Dead locals are saved as zero.
    pub live: Box<[bool]>,
}

/// All stable points of one function.
#[derive(Debug)]
pub struct FuncPoints {
    /// Types of the locals, parameters first.
    pub locals: Box<[ValType]>,
    /// Sorted by `(offset, kind)`. Unreachable code has none.
    pub points: Box<[StablePoint]>,
}

impl FuncPoints {
    /// The point of this kind at this offset.
    pub fn find(&self, kind: PointKind, offset: u32) -> Option<&StablePoint> {
        self.points
            .binary_search_by(|p| (p.offset, p.kind).cmp(&(offset, kind)))
            .ok()
            .map(|i| &self.points[i])
    }
}

/// Computes the stable points of local function `func` (a function index).
///
/// # Panics
/// If `func` is imported or out of range: callers index with what validation accepted.
pub fn stable_points(module: &Module, func: u32) -> FuncPoints {
    let _ = (module, func);
    todo!("helper")
}
