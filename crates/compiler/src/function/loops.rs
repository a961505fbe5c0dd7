//! What is known of a body before it is translated, and strip-mining of its innermost loops: a poll in a loop keeps LLVM
//! from vectorizing it, so such a loop runs a number of times without one, inside another that polls.

use super::Translator;
use super::control::Target;
use crate::error::{Result, internal};
use inkwell::IntPredicate;
use inkwell::values::{IntValue, PointerValue};
use std::collections::{HashMap, HashSet};
use wasmparser::{BinaryReader, Operator, OperatorsReader};
use wayfarer_module::Module;

/// Instructions that a strip executes at most, about.
const STRIP: u32 = 1 << 18;

/// What a body looks like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Offset of the first instruction.
    pub(super) first: u32,
    /// Whether it calls anything.
    pub(super) calls: bool,
    /// Whether it contains a call in tail position.
    pub(super) tail_calls: bool,
    /// Loops by offset.
    pub(super) loops: HashMap<u32, LoopInfo>,
}

/// What a loop looks like.
#[derive(Clone, Debug)]
pub(super) struct LoopInfo {
    /// Number of instructions in it.
    pub(super) size: u32,
    /// No loop in it, no call.
    pub(super) innermost: bool,
    /// No block in it, and no branch but back to its header.
    pub(super) straight: bool,
    /// No loop around it.
    pub(super) outermost: bool,
    /// Locals that are written in it, as often as they are.
    written: Vec<u32>,
    /// Locals that it adds a constant to, each time round.
    steps: Vec<(u32, i64)>,
}

impl LoopInfo {
    fn new(outermost: bool) -> LoopInfo {
        LoopInfo {
            size: 0,
            innermost: true,
            straight: true,
            outermost,
            written: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Notes that the loop writes a local; `before` are the last instructions.
    fn write(&mut self, local: u32, before: &[Operator<'_>; 3]) {
        self.written.push(local);
        let step = match before {
            [Operator::LocalGet { local_index }, constant, operation] if *local_index == local => {
                match (constant, operation) {
                    (Operator::I32Const { value }, Operator::I32Add) => i64::from(*value),
                    (Operator::I32Const { value }, Operator::I32Sub) => -i64::from(*value),
                    (Operator::I64Const { value }, Operator::I64Add) => *value,
                    (Operator::I64Const { value }, Operator::I64Sub) => value.wrapping_neg(),
                    _ => return,
                }
            }
            _ => return,
        };
        self.steps.push((local, step));
    }

    /// Locals that change in no other way than by a constant each time round, and that constant.
    fn inductions(&self) -> impl Iterator<Item = (u32, i64)> {
        let once = |local| self.written.iter().filter(|&&written| written == local).count() == 1;
        self.steps.iter().copied().filter(move |&(local, _)| once(local))
    }
}

impl Shape {
    /// Reads a body.
    pub(super) fn of(module: &Module, func: u32) -> Result<Shape> {
        let invalid = |e: wasmparser::BinaryReaderError| internal(e.to_string());
        let mut reader = module.body_reader(func);
        skip_locals(&mut reader)?;
        let mut shape = Shape {
            first: (reader.original_position() - module.code_start as u64) as u32,
            ..Shape::default()
        };
        // Open blocks: a loop's offset and what was seen of it.
        let mut open: Vec<Option<(u32, LoopInfo)>> = Vec::new();
        let mut operators = OperatorsReader::new(reader);
        let mut before = [Operator::Nop, Operator::Nop, Operator::Nop];
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset().map_err(invalid)?;
            let offset = (at - module.code_start as u64) as u32;
            let innermost = open.iter_mut().rev().flatten().next();
            if let Some((_, info)) = innermost {
                info.size += 1;
            }
            match operator {
                Operator::Block { .. } | Operator::If { .. } => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                    open.push(None);
                }
                Operator::Loop { .. } => {
                    let outermost = !open.iter().any(Option::is_some);
                    open.iter_mut().flatten().for_each(|(_, info)| {
                        (info.straight, info.innermost) = (false, false);
                    });
                    open.push(Some((offset, LoopInfo::new(outermost))));
                }
                Operator::End => {
                    if let Some(Some((offset, info))) = open.pop() {
                        if let Some((_, outer)) = open.iter_mut().rev().flatten().next() {
                            outer.size += info.size;
                        }
                        shape.loops.insert(offset, info);
                    }
                }
                Operator::Br { .. } | Operator::BrTable { .. } | Operator::Return | Operator::Unreachable => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                }
                Operator::BrIf { relative_depth } if relative_depth > 0 => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } => {
                    shape.calls = true;
                    open.iter_mut().flatten().for_each(|(_, info)| info.innermost = false);
                }
                Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                    (shape.calls, shape.tail_calls) = (true, true);
                    open.iter_mut().flatten().for_each(|(_, info)| info.innermost = false);
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.write(local_index, &before));
                }
                _ => {}
            }
            before.rotate_left(1);
            before[2] = operator;
        }
        Ok(shape)
    }
}

/// Has a reader at the start of a body skip the declarations of locals.
pub(super) fn skip_locals(reader: &mut BinaryReader<'_>) -> Result<()> {
    let invalid = |e: wasmparser::BinaryReaderError| internal(e.to_string());
    for _ in 0..reader.read_var_u32().map_err(invalid)? {
        reader.read_var_u32().map_err(invalid)?;
        reader.read::<wasmparser::ValType>().map_err(invalid)?;
    }
    Ok(())
}

/// Offsets of the loops of a function that are in no other loop.
pub(crate) fn outermost_loops(module: &Module, func: u32) -> HashSet<u32> {
    let shape = Shape::of(module, func).unwrap_or_default();
    shape.loops.iter().filter(|(_, info)| info.outermost).map(|(&offset, _)| offset).collect()
}

/// Whether a function calls something in tail position.
pub(crate) fn has_tail_calls(module: &Module, func: u32) -> bool {
    Shape::of(module, func).is_ok_and(|shape| shape.tail_calls)
}

/// Whether any function of a module calls something in tail position.
pub(crate) fn any_tail_calls(module: &Module) -> bool {
    (module.num_imported_funcs..module.funcs.len() as u32).any(|func| has_tail_calls(module, func))
}

/// A strip-mined loop: how often it may still repeat without a poll.
#[derive(Debug)]
pub(super) struct Strip<'c> {
    left: PointerValue<'c>,
    times: u32,
    /// How often it was repeated in the strips before this one.
    done: PointerValue<'c>,
    /// Locals that change by a constant each time round: variable, value before the loop, and the constant. Each strip
    /// starts with what they must be by then, so that LLVM sees them as it would without strips.
    inductions: Vec<(PointerValue<'c>, IntValue<'c>, i64)>,
    /// Where each strip starts.
    outer: Option<Target<'c>>,
}

impl<'c> Strip<'c> {
    /// A strip starts.
    pub(super) fn start(&self, t: &mut Translator<'_, 'c, '_>) -> Result<()> {
        t.builder.build_store(self.left, t.i32(self.times))?;
        let done = t.builder.build_load(t.unit.types.i64, self.done, "done")?.into_int_value();
        for &(place, first, step) in &self.inductions {
            let ty = first.get_type();
            let times = t.builder.build_int_cast(done, ty, "")?;
            let added = t.builder.build_int_mul(times, ty.const_int(step as u64, true), "")?;
            let now = t.builder.build_int_add(first, added, "")?;
            t.builder.build_store(place, now)?;
        }
        Ok(())
    }

    /// Whether another repetition is left before a poll.
    pub(super) fn step(&self, t: &mut Translator<'_, 'c, '_>) -> Result<IntValue<'c>> {
        let left = t.builder.build_load(t.unit.types.i32, self.left, "")?.into_int_value();
        let left = t.builder.build_int_sub(left, t.i32(1), "")?;
        t.builder.build_store(self.left, left)?;
        Ok(t.builder.build_int_compare(IntPredicate::NE, left, t.i32(0), "")?)
    }

    /// A strip ended, with as many repetitions as it may have.
    pub(super) fn end(&self, t: &mut Translator<'_, 'c, '_>) -> Result<()> {
        let done = t.builder.build_load(t.unit.types.i64, self.done, "")?.into_int_value();
        let done = t.builder.build_int_nuw_add(done, t.i64(u64::from(self.times)), "")?;
        t.builder.build_store(self.done, done)?;
        Ok(())
    }

    pub(super) fn with_outer(mut self, outer: Option<Target<'c>>) -> Strip<'c> {
        self.outer = outer;
        self
    }

    pub(super) fn outer(&self) -> Result<&Target<'c>> {
        self.outer.as_ref().ok_or_else(|| internal("a strip that starts nowhere"))
    }
}

impl<'c> Translator<'_, 'c, '_> {
    /// How the loop at `offset` is strip-mined, if it is. Before it is entered.
    pub(super) fn strip(&mut self, offset: u32) -> Result<Option<Strip<'c>>> {
        let options = self.unit.options;
        if !options.checkpoints || options.precise || !self.is_plain(offset) {
            return Ok(None);
        }
        let Some(info) = self.shape.loops.get(&offset) else { return Ok(None) };
        let (size, steps): (_, Vec<_>) = (info.size, info.inductions().collect());
        let here = self.here()?;
        self.builder.position_at_end(self.allocas);
        let left = self.builder.build_alloca(self.unit.types.i32, "left")?;
        let done = self.builder.build_alloca(self.unit.types.i64, "done")?;
        self.builder.position_at_end(here);
        self.builder.build_store(done, self.i64(0))?;
        let mut inductions = Vec::with_capacity(steps.len());
        for (local, step) in steps {
            let (ty, place) = self.locals[local as usize];
            let first = self.builder.build_load(self.local_type(ty), place, "")?.into_int_value();
            inductions.push((place, first, step));
        }
        let times = (STRIP / size.max(1)).clamp(64, 1 << 16);
        Ok(Some(Strip { left, times, done, inductions, outer: None }))
    }

    /// Whether the loop at `offset` is one that LLVM may vectorize.
    pub(super) fn is_plain(&self, offset: u32) -> bool {
        self.shape.loops.get(&offset).is_some_and(|info| info.innermost && info.straight)
    }
}
