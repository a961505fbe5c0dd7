//! What is read of a function before it is translated. Its continuations are translated from the same.

use super::body::invalid;
use super::shape::{self, Shape, Survey};
use crate::error::{Result, internal, unknown};
use std::cell::OnceCell;
use std::collections::HashMap;
use wasmparser::{BlockType, FuncValidatorAllocations, Operator, OperatorsReader};
use wayfarer_module::{FuncPoints, Module, PointKind, check_operator, stable_points};

/// A function's body, read.
#[derive(Debug)]
pub(crate) struct Source<'m> {
    /// What must be saved where.
    pub(super) points: FuncPoints,
    pub(super) shape: Shape,
    /// Instructions with their offsets.
    pub(super) operators: Vec<(Operator<'m>, u32)>,
    nest: OnceCell<Nest>,
}

/// A loop that may run long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LongLoop {
    pub(crate) offset: u32,
    /// Number of bytes in it.
    pub(crate) size: usize,
    /// What it takes along from round to round: locals and operands.
    pub(crate) values: usize,
    /// No other loop is around it.
    pub(crate) outermost: bool,
}

/// The blocks of a body that loops are in.
#[derive(Debug, Default)]
struct Nest {
    blocks: Vec<Open>,
    /// Loops by offset: their place in `blocks`.
    loops: HashMap<u32, usize>,
}

/// A block around a loop, or the loop itself.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) ty: BlockType,
    /// A loop's offset.
    pub(super) header: Option<u32>,
    /// Offset of its `end`.
    pub(super) end: u32,
    /// Operands below its parameters.
    pub(super) height: usize,
    outer: Option<usize>,
}

impl Default for Source<'_> {
    /// Nothing.
    fn default() -> Self {
        let points = FuncPoints { locals: Box::default(), points: Box::default() };
        Source { points, shape: Shape::default(), operators: Vec::new(), nest: OnceCell::new() }
    }
}

impl<'m> Source<'m> {
    pub(crate) fn read(module: &'m Module, index: u32, survey: &Survey) -> Result<Source<'m>> {
        let mut reader = module.body_reader(index);
        shape::skip_locals(&mut reader)?;
        let mut operators = Vec::new();
        for operator in OperatorsReader::new(reader).into_iter_with_offsets() {
            let (operator, at) = operator.map_err(invalid)?;
            operators.push((operator, (at - module.code_start as u64) as u32));
        }
        Ok(Source {
            points: stable_points(module, index).map_err(unknown)?,
            shape: Shape::of(module, index, survey)?,
            operators,
            nest: OnceCell::new(),
        })
    }

    /// Whether there is a loop at this offset that control can reach: then there can be a continuation.
    pub(crate) fn has_loop(&self, offset: u32) -> bool {
        self.points.find(PointKind::Loop, offset).is_some()
    }

    /// Loops that may run long, of those that can be reached at all.
    pub(crate) fn long_loops(&self) -> Vec<LongLoop> {
        let long = self.shape.loops.iter().filter(|(_, info)| !info.is_short());
        long.filter_map(|(&offset, info)| {
            let point = self.points.find(PointKind::Loop, offset)?;
            let values = point.live.iter().filter(|live| **live).count() + point.stack.len();
            let size = info.end.saturating_sub(offset) as usize;
            Some(LongLoop { offset, size, values, outermost: info.outermost })
        })
        .collect()
    }

    /// The blocks around the loop at `offset`, outermost first, without the body's; and the loop.
    pub(super) fn around(&self, module: &Module, index: u32, offset: u32) -> Result<(Vec<Open>, Open)> {
        let nest = match self.nest.get() {
            Some(nest) => nest,
            None => {
                let nest = Nest::read(module, index)?;
                self.nest.get_or_init(|| nest)
            }
        };
        let at = *nest.loops.get(&offset).ok_or_else(|| internal("no such loop"))?;
        let mut around = Vec::new();
        let mut next = nest.blocks[at].outer;
        while let Some(block) = next {
            around.push(nest.blocks[block].clone());
            next = nest.blocks[block].outer;
        }
        around.reverse();
        Ok((around, nest.blocks[at].clone()))
    }
}

impl Nest {
    fn read(module: &Module, index: u32) -> Result<Nest> {
        let mut validator = module.func_validator(index, FuncValidatorAllocations::default());
        let mut reader = module.body_reader(index);
        validator.read_locals(&mut reader).map_err(invalid)?;
        let mut operators = OperatorsReader::new(reader);
        let mut nest = Nest::default();
        let mut innermost = None;
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset().map_err(invalid)?;
            let offset = (at - module.code_start as u64) as u32;
            validator.op(at, &operator).map_err(invalid)?;
            match operator {
                Operator::Block { blockty } | Operator::If { blockty } | Operator::Loop { blockty } => {
                    let frame = validator.get_control_frame(0).ok_or_else(|| internal("no such block"))?;
                    let is_loop = matches!(operator, Operator::Loop { .. });
                    if is_loop {
                        nest.loops.insert(offset, nest.blocks.len());
                    }
                    let (ty, height, outer) = (blockty, frame.height, innermost);
                    nest.blocks.push(Open { ty, header: is_loop.then_some(offset), end: 0, height, outer });
                    innermost = Some(nest.blocks.len() - 1);
                }
                Operator::End => {
                    if let Some(block) = innermost {
                        nest.blocks[block].end = offset;
                        innermost = nest.blocks[block].outer;
                    }
                }
                // One that is not known might open a block.
                ref other => check_operator(other, at).map_err(unknown)?,
            }
        }
        Ok(nest)
    }
}
