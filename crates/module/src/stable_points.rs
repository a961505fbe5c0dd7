//! Stable points: where a running function is fully described by what the specification names, and what must be saved
//! there. The one place that decides it; engines only say *where* each value is.
//!
//! | kind | position | state |
//! |---|---|---|
//! | `Entry` | start of the body | live parameters |
//! | `Loop` | the `loop` opcode | live locals, operand stack below the loop and the loop's parameters |
//! | `Call` | the call opcode | locals live *after* the call, operand stack below the arguments |
//! | `BeforeCall` | the call opcode | locals live *before* the call, operand stack with the arguments (and the table index) |
//! | `BeforeCall` | an instruction that waits (`memory.atomic.wait32`, `wait64`) | the same, with its operands |
//!
//! `Loop` is polled on the back edge, so a loop that does not repeat never stops there.
//!
//! Only reachable code has stable points: what some path of branches leads to from the start of the body, whatever the
//! values of the conditions. So there are none behind a `br`, `return` or `unreachable`, nor behind the `end` of a block
//! that is neither branched out of nor left by falling through (which validation, knowing less, treats as reachable).
//! Tail calls have no `Call`, as they do not come back.

use crate::cfg::{CfgBuilder, Event};
use crate::liveness;
use crate::module::Module;
use crate::operators::{UnknownOperator, check_operator};
use crate::types::ValType;
use serde::{Deserialize, Serialize};
use wasmparser::{
    BinaryReader, FuncValidator, FuncValidatorAllocations, Operator, OperatorsReader, ValidatorResources,
};

/// What a frame is doing at a stable point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PointKind {
    /// About to execute the first instruction.
    Entry,
    /// A branch to a loop header was taken; about to execute the loop body again.
    Loop,
    /// Waiting for a callee; its results will be pushed when it returns. Never the innermost frame.
    Call,
    /// About to execute a call, or an instruction that waits, that was interrupted and will be made again. Only the innermost
    /// frame.
    BeforeCall,
}

/// A stable point of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StablePoint {
    /// What the frame is doing.
    pub kind: PointKind,
    /// Byte offset relative to [`Module::code_start`]: of the opcode, or of the body's first byte for `Entry`.
    pub offset: u32,
    /// Types of the operand stack entries to save, bottom first. A `Loop`'s last are the loop's parameters, a
    /// `BeforeCall`'s the arguments (and the table index), or the operands.
    pub stack: Box<[ValType]>,
    /// One entry per local (parameters first): whether its value can still be read. Dead locals are saved as zero
    /// (null for a reference). At `Entry` only parameters can be live, as the rest is still zero.
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
/// # Errors
/// An instruction of which it is not known what it means for them.
///
/// # Panics
/// If `func` is imported or out of range: callers index with what validation accepted.
pub fn stable_points(module: &Module, func: u32) -> Result<FuncPoints, UnknownOperator> {
    stable_points_where(module, func, |_, _| true)
}

/// As [`stable_points`], but only those for whose kind and offset `wanted` is true. What one point holds is proportional
/// to the number of locals and the height of the stack, so that of a function with many of all three only those needed
/// should be asked for.
///
/// # Errors
/// An instruction of which it is not known what it means for them.
///
/// # Panics
/// If `func` is imported or out of range.
pub fn stable_points_where(
    module: &Module,
    func: u32,
    mut wanted: impl FnMut(PointKind, u32) -> bool,
) -> Result<FuncPoints, UnknownOperator> {
    // Who asks is told apart here, and not by copies of all this and of the parser's validation.
    points_of(module, func, &mut wanted)
}

fn points_of(
    module: &Module,
    func: u32,
    wanted: &mut dyn FnMut(PointKind, u32) -> bool,
) -> Result<FuncPoints, UnknownOperator> {
    let walk = Walk {
        module,
        validator: module.func_validator(func, FuncValidatorAllocations::default()),
        cfg: CfgBuilder::new(),
        points: Vec::new(),
        num_params: module.func_type(func).params.len(),
        wanted,
    };
    match walk.run(module.body_reader(func)) {
        Err(Failure::Invalid(error)) => unreachable!("`parse` validated the body: {error}"),
        Err(Failure::Unknown(error)) => Err(error),
        Ok(points) => Ok(points),
    }
}

/// Why a walk does not come to the end.
enum Failure {
    Unknown(UnknownOperator),
    Invalid(wasmparser::Error),
}

impl From<UnknownOperator> for Failure {
    fn from(error: UnknownOperator) -> Failure {
        Failure::Unknown(error)
    }
}

impl From<wasmparser::Error> for Failure {
    fn from(error: wasmparser::Error) -> Failure {
        Failure::Invalid(error)
    }
}

/// The walk over a body that finds its points, the types on the operand stack, and the control flow graph.
struct Walk<'a> {
    module: &'a Module,
    validator: FuncValidator<ValidatorResources>,
    cfg: CfgBuilder,
    points: Vec<StablePoint>,
    num_params: usize,
    wanted: &'a mut dyn FnMut(PointKind, u32) -> bool,
}

impl Walk<'_> {
    fn run(mut self, mut reader: BinaryReader<'_>) -> Result<FuncPoints, Failure> {
        let start = reader.original_position();
        self.validator.read_locals(&mut reader)?;
        self.point(PointKind::Entry, start, 0);
        let mut operators = OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            self.before(&operator, offset)?;
            self.validator.op(offset, &operator)?;
        }
        Ok(self.finish())
    }

    /// Notes what `operator` means for points and control flow. The validator has not seen it yet.
    fn before(&mut self, operator: &Operator<'_>, offset: u64) -> Result<(), UnknownOperator> {
        match *operator {
            Operator::LocalGet { local_index } => self.cfg.event(Event::Use(local_index)),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.cfg.event(Event::Def(local_index));
            }

            Operator::Call { function_index } => {
                let args = self.module.func_type(function_index).params.len();
                self.point(PointKind::Call, offset, args);
                self.point(PointKind::BeforeCall, offset, 0);
            }
            Operator::CallIndirect { type_index, .. } => {
                let args = self.module.types[type_index as usize].params.len();
                self.point(PointKind::Call, offset, args + 1);
                self.point(PointKind::BeforeCall, offset, 0);
            }
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                self.point(PointKind::BeforeCall, offset, 0);
                self.cfg.leave();
            }

            Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. } => {
                self.point(PointKind::BeforeCall, offset, 0);
            }

            Operator::Block { .. } => self.cfg.block(),
            Operator::Loop { .. } => {
                self.cfg.loop_();
                self.point(PointKind::Loop, offset, 0);
            }
            Operator::If { .. } => self.cfg.if_(),
            Operator::Else => self.cfg.else_(),
            Operator::End => self.cfg.end(),
            Operator::Br { relative_depth } => self.cfg.br(relative_depth),
            Operator::BrIf { relative_depth } => self.cfg.br_if(relative_depth),
            Operator::BrTable { ref targets } => {
                let depths = targets.targets().map(|depth| depth.expect("`parse` validated the body"));
                self.cfg.br_table(depths.chain([targets.default()]));
            }
            Operator::Return | Operator::Unreachable => self.cfg.leave(),

            // Nothing else that is known touches locals or branches.
            ref other => check_operator(other, offset)?,
        }
        Ok(())
    }

    /// Adds a point here if here is reachable: the operand stack without its topmost `without` entries.
    fn point(&mut self, kind: PointKind, offset: u64, without: usize) {
        let offset = (offset - self.module.code_start as u64) as u32;
        if !self.cfg.reachable() || !(self.wanted)(kind, offset) {
            return;
        }
        let height = self.validator.operand_stack_height() as usize;
        let stack = (without..height).rev().map(|depth| self.operand_type(depth)).collect();
        self.cfg.event(Event::Point(self.points.len() as u32));
        self.points.push(StablePoint {
            kind,
            offset,
            stack,
            live: vec![false; self.validator.len_locals() as usize].into(),
        });
    }

    /// Type of the operand `depth` entries below the top, in reachable code.
    fn operand_type(&self, depth: usize) -> ValType {
        let ty = self.validator.get_operand_type(depth).flatten();
        ty.and_then(ValType::from_wasmparser).expect("types are known in reachable code")
    }

    fn finish(mut self) -> FuncPoints {
        let num_locals = self.validator.len_locals();
        liveness::solve(&self.cfg.finish(), num_locals, |point, first, live| {
            let group = self.points[point as usize].live[first as usize..].iter_mut().take(liveness::GROUP);
            for (index, live_local) in group.enumerate() {
                *live_local = live >> index & 1 != 0;
            }
        });
        // At the entry, the other locals are zero by definition: there is nothing to save.
        if let Some(entry) = self.points.first_mut().filter(|point| point.kind == PointKind::Entry) {
            entry.live[self.num_params..].fill(false);
        }
        debug_assert!(self.points.is_sorted_by_key(|point| (point.offset, point.kind)));
        let local_type = |local| self.validator.get_local_type(local).and_then(ValType::from_wasmparser);
        FuncPoints {
            locals: (0..num_locals)
                .map(|local| local_type(local).expect("`parse` converted its type"))
                .collect(),
            points: self.points.into(),
        }
    }
}
