//! What is known of a body before it is translated.

use super::counted::{Repeats, Test, WINDOW, Window};
use super::loops::STRIP;
use crate::error::{Result, internal, unknown};
use std::collections::HashMap;
use wasmparser::{BinaryReader, Operator, OperatorsReader};
use wayfarer_module::{Module, check_operator};

/// What a body looks like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Offset of the first instruction.
    pub(super) first: u32,
    /// Whether it calls anything, or waits.
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
    /// Offset of its `end`.
    pub(super) end: u32,
    /// How many instructions each time round executes at most, if that is known: loops in it are counted as often as they
    /// repeat.
    work: Option<u64>,
    /// No loop in it, no call, no wait.
    pub(super) innermost: bool,
    /// No block in it, and no branch but one, back to its header.
    pub(super) straight: bool,
    /// No loop around it.
    pub(super) outermost: bool,
    /// Locals that are written in it, and by how many instructions.
    written: HashMap<u32, u32>,
    /// Locals that it adds a constant to, each time round before the branch to its header.
    steps: Vec<(u32, i64)>,
    /// Whether it loads from memory.
    pub(super) loads: bool,
    /// Whether each time round it calls a function that polls at its entry.
    pub(super) polled: bool,
    /// A branch to its header was seen.
    continued: bool,
    /// Values of locals when it is entered, where they are constants.
    constants: HashMap<u32, i64>,
    /// How often it is executed each time it is entered, unless it is left by another way, if that is a constant.
    repeats: Option<Repeats>,
    /// What it is repeated for.
    test: Option<Test>,
}

impl LoopInfo {
    fn new(outermost: bool, constants: HashMap<u32, i64>) -> LoopInfo {
        LoopInfo {
            size: 0,
            end: 0,
            work: Some(0),
            innermost: true,
            straight: true,
            outermost,
            written: HashMap::new(),
            steps: Vec::new(),
            loads: false,
            polled: false,
            continued: false,
            constants,
            repeats: None,
            test: None,
        }
    }

    /// Whether it needs no poll: it is soon over, or what it calls polls.
    pub(super) fn needs_no_poll(&self) -> bool {
        self.polled || self.is_short()
    }

    /// Whether it is soon over.
    pub(super) fn is_short(&self) -> bool {
        self.total_work().is_some_and(|work| work < u64::from(STRIP))
    }

    /// How many instructions it executes at most each time it is entered, if that is known.
    fn total_work(&self) -> Option<u64> {
        self.work?.checked_mul(self.repeats?.times)
    }

    /// How often it is executed, if LLVM would not find that out: see [`Repeats::wraps`].
    pub(super) fn hidden_repeats(&self) -> Option<u64> {
        self.repeats.filter(|repeats| repeats.wraps && self.is_plain()).map(|repeats| repeats.times)
    }

    /// Notes a branch to its header, `before` are the last instructions if it is one that ends the loop otherwise.
    fn continues(&mut self, before: Option<&Window<'_>>) {
        if self.continued {
            // What is done each time round, and how often, is not that simple.
            self.straight = false;
            (self.repeats, self.test) = (None, None);
            self.steps.clear();
            return;
        }
        let step_of = |local| self.inductions().find(|&(other, _)| other == local).map(|(_, step)| step);
        let written = |local| self.written.contains_key(&local);
        self.test = before.and_then(|before| Test::of(before, self.is_plain(), step_of, written));
        self.repeats = self.test.and_then(|test| test.repeats(&self.constants));
        self.continued = true;
    }

    /// What it is repeated for, if that says how often.
    pub(super) fn counted(&self) -> Option<Test> {
        let induction = |test: &Test| self.inductions().any(|(local, _)| local == test.local);
        self.test.filter(|test| self.is_plain() && test.can_estimate() && induction(test))
    }

    /// Whether LLVM may vectorize it.
    pub(super) fn is_plain(&self) -> bool {
        self.innermost && self.straight
    }

    /// Notes that the loop writes a local; `before` are the last instructions.
    fn write(&mut self, local: u32, before: &Window<'_>) {
        *self.written.entry(local).or_default() += 1;
        if self.continued {
            return;
        }
        let step = match before {
            [.., Operator::LocalGet { local_index }, constant, operation] if *local_index == local => {
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
    pub(super) fn inductions(&self) -> impl Iterator<Item = (u32, i64)> {
        self.steps.iter().copied().filter(|(local, _)| self.written.get(local) == Some(&1))
    }

    /// Locals that are written in it, and by how many instructions.
    pub(super) fn written(&self) -> &HashMap<u32, u32> {
        &self.written
    }
}

impl Shape {
    /// Reads a body. `polls`: which functions poll at their entry.
    pub(super) fn of(module: &Module, func: u32, polls: &Survey) -> Result<Shape> {
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
        let mut before = [const { Operator::Nop }; WINDOW];
        // Locals that hold constants, whichever way led here.
        let mut constants: HashMap<u32, i64> = HashMap::new();
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset().map_err(invalid)?;
            let offset = (at - module.code_start as u64) as u32;
            let innermost = open.iter_mut().rev().flatten().next();
            if let Some((_, info)) = innermost {
                info.size += 1;
                info.work = info.work.map(|work| work + 1);
            }
            match operator {
                Operator::Else => constants.clear(),
                Operator::Block { .. } | Operator::If { .. } => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                    open.push(None);
                }
                Operator::Loop { .. } => {
                    let outermost = !open.iter().any(Option::is_some);
                    open.iter_mut().flatten().for_each(|(_, info)| {
                        (info.straight, info.innermost) = (false, false);
                    });
                    let entered = std::mem::take(&mut constants);
                    open.push(Some((offset, LoopInfo::new(outermost, entered))));
                }
                Operator::End => {
                    constants.clear();
                    if let Some(Some((header, mut info))) = open.pop() {
                        info.end = offset;
                        if let Some((_, outer)) = open.iter_mut().rev().flatten().next() {
                            outer.size += info.size;
                            outer.work = outer.work.zip(info.total_work()).map(|(a, b)| a.saturating_add(b));
                        }
                        shape.loops.insert(header, info);
                    }
                }
                Operator::Br { relative_depth } => {
                    continues(&mut open, relative_depth);
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                }
                Operator::BrTable { ref targets } => {
                    targets.targets().flatten().chain([targets.default()]).for_each(|depth| {
                        continues(&mut open, depth);
                    });
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                }
                Operator::Return | Operator::Unreachable => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                }
                Operator::BrIf { relative_depth: 0 } if matches!(open.last(), Some(Some(_))) => {
                    if let Some(Some((_, info))) = open.last_mut() {
                        info.continues(Some(&before));
                    }
                }
                Operator::BrIf { relative_depth } => {
                    continues(&mut open, relative_depth);
                    open.iter_mut().flatten().for_each(|(_, info)| info.straight = false);
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } => {
                    shape.calls = true;
                    let polls =
                        matches!(operator, Operator::Call { function_index } if polls.polls(function_index));
                    if let Some(Some((_, info))) = open.last_mut() {
                        info.polled |= polls && !info.continued;
                    }
                    open.iter_mut()
                        .flatten()
                        .for_each(|(_, info)| (info.innermost, info.work) = (false, None));
                }
                Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                    (shape.calls, shape.tail_calls) = (true, true);
                    open.iter_mut()
                        .flatten()
                        .for_each(|(_, info)| (info.innermost, info.work) = (false, None));
                }
                // As a call is, it is a stable point, and nobody knows how long it takes.
                Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. } => {
                    shape.calls = true;
                    open.iter_mut()
                        .flatten()
                        .for_each(|(_, info)| (info.innermost, info.work) = (false, None));
                }
                ref other if may_take_long(other) => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.work = None);
                }
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.write(local_index, &before));
                    match before[WINDOW - 1] {
                        Operator::I32Const { value } => constants.insert(local_index, value.into()),
                        _ => constants.remove(&local_index),
                    };
                }
                ref other if is_load(other) => {
                    open.iter_mut().flatten().for_each(|(_, info)| info.loads = true);
                }
                // One that is not known might be a branch.
                ref other => check_operator(other, at).map_err(unknown)?,
            }
            before.rotate_left(1);
            before[WINDOW - 1] = operator;
        }
        Ok(shape)
    }
}

/// Notes a branch to the block at this depth.
fn continues(open: &mut [Option<(u32, LoopInfo)>], depth: u32) {
    let at = open.len().checked_sub(depth as usize + 1);
    if let Some(Some((_, info))) = at.and_then(|at| open.get_mut(at)) {
        info.continues(None);
    }
}

/// Whether one instruction may be a lot of work: on as many bytes, or elements, as it is told.
fn may_take_long(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::MemoryGrow { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. }
    )
}

/// Whether an instruction loads a scalar or a vector from linear memory.
fn is_load(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Load { .. }
            | Operator::I64Load { .. }
            | Operator::F32Load { .. }
            | Operator::F64Load { .. }
            | Operator::I32Load8S { .. }
            | Operator::I32Load8U { .. }
            | Operator::I32Load16S { .. }
            | Operator::I32Load16U { .. }
            | Operator::I64Load8S { .. }
            | Operator::I64Load8U { .. }
            | Operator::I64Load16S { .. }
            | Operator::I64Load16U { .. }
            | Operator::I64Load32S { .. }
            | Operator::I64Load32U { .. }
            | Operator::V128Load { .. }
    )
}

/// What all functions of a module are asked once.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    imported: u32,
    /// Which functions that are not imported call something, by place.
    calls: Vec<bool>,
    /// Which call something in tail position.
    tail_calls: Vec<bool>,
    /// Which have a loop that LLVM may vectorize.
    plain_loops: Vec<bool>,
}

impl Survey {
    /// Reads all bodies.
    pub(crate) fn of(module: &Module) -> Result<Survey> {
        let mut survey = Survey { imported: module.num_imported_funcs, ..Survey::default() };
        for func in module.num_imported_funcs..module.funcs.len() as u32 {
            let shape = Shape::of(module, func, &Survey::default())?;
            survey.calls.push(shape.calls);
            survey.tail_calls.push(shape.tail_calls);
            survey.plain_loops.push(shape.loops.values().any(LoopInfo::is_plain));
        }
        Ok(survey)
    }

    fn at(&self, list: &[bool], func: u32) -> bool {
        func.checked_sub(self.imported).and_then(|at| list.get(at as usize)).is_some_and(|&is| is)
    }

    /// Whether a function polls at its entry: those that call nothing are soon over, or have loops that poll.
    pub(crate) fn polls(&self, func: u32) -> bool {
        self.at(&self.calls, func)
    }

    /// Whether a function calls something in tail position.
    pub(crate) fn has_tail_calls(&self, func: u32) -> bool {
        self.at(&self.tail_calls, func)
    }

    /// Whether any does.
    pub(crate) fn any_tail_calls(&self) -> bool {
        self.tail_calls.contains(&true)
    }

    /// Whether a function has a loop that LLVM may vectorize.
    pub(crate) fn has_plain_loops(&self, func: u32) -> bool {
        self.at(&self.plain_loops, func)
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
