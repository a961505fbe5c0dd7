//! Translation of a validated function into internal code, in one pass over its bytecode.
//!
//! - this file: the driver and its state; [`control`]: blocks, branches, calls; [`stack`]: operands and where they are
//! - [`numeric`], [`memory`], [`atomic`], [`vector`]: the other instructions; [`emit`]: encoding

mod atomic;
mod calls;
mod control;
pub(crate) mod emit;
mod memory;
mod numeric;
mod stack;
mod vector;

use crate::code::{InterpModule, Offset, Site, Translated, Word};
use crate::heat::Heat;
use crate::ir::{FuncIdx, Imm, Instruction, LocalIdx, Op, Slot, verify};
use control::{Block, BlockKind, Compare, Step};
use emit::{Code, Listed, has_result};
use stack::{Entry, Place, Src, acc_of};
use std::fmt;
use wasmparser::{FunctionBody, Operator};
use wayfarer_module::{FuncType, Module, UnknownOperator, ValType, check_operator, unknown_operator};
use wayfarer_runtime::{Trap, TrapCode};

/// The last instruction, if the next ones may still change it.
struct Last {
    /// Its first word, or that of the first instruction that `compare` stands for.
    start: Word,
    /// The word of the instruction that writes the result.
    result_at: Word,
    /// The slot of the result.
    slot: Slot,
    /// The accumulators before it.
    acc: [Option<Slot>; 3],
    /// How to branch on its result instead of making it.
    compare: Option<Compare>,
    /// If it is an `i32.add`: what it adds, for a load to absorb.
    sum: Option<Sum>,
}

/// The operands of an `i32.add`.
#[derive(Clone, Copy)]
struct Sum {
    first: Src,
    second: Other,
}

/// An operand that is not in an accumulator.
#[derive(Clone, Copy)]
enum Other {
    Imm(Imm),
    Slot(Slot),
}

/// A position that branches go to.
#[derive(Default)]
struct Label {
    at: Option<Word>,
    /// Branches to fill in: word of the instruction, word of the distance.
    pending: Vec<(Word, Word)>,
}

/// State of a translation.
struct Translator<'a> {
    interp: &'a InterpModule,
    module: &'a Module,
    /// Types of the locals, parameters first, and their first slots.
    locals: Vec<ValType>,
    local_slots: Vec<Slot>,
    code: Code,
    stack: Vec<Entry>,
    /// First free slot.
    height: u32,
    max_height: u32,
    /// For each local, how many entries live in it.
    aliases: Vec<u32>,
    blocks: Vec<Block>,
    labels: Vec<Label>,
    /// In unreachable code: how many blocks were opened in it.
    dead: Option<u32>,
    /// The slot whose value each accumulator holds.
    acc: [Option<Slot>; 3],
    last: Option<Last>,
    step: Option<Step>,
    loops: Vec<Site>,
    calls: Vec<Site>,
    /// See [`Translated::ends`].
    ends: Vec<(Offset, Word)>,
}

/// Translates local function `index`.
///
/// # Errors
/// [`Untranslatable`].
pub(crate) fn function(interp: &InterpModule, index: FuncIdx) -> Result<Translated, Untranslatable> {
    if cfg!(debug_assertions) {
        let (translated, listed) = listing(interp, index)?;
        let checked = verify::check(interp, &translated, &listed);
        debug_assert!(checked.is_ok(), "function {}: {checked:?}", index.0);
        return Ok(translated);
    }
    Ok(translate(interp, index, Code::new(false))?.0)
}

/// The operator that word `word` of local function `index` was made for: for messages, since it translates the function.
pub(crate) fn offset_of(interp: &InterpModule, index: FuncIdx, word: Word) -> Option<Offset> {
    let (_, listed) = listing(interp, index).ok()?;
    let behind = listed.partition_point(|instruction| instruction.word <= word);
    listed[..behind].last().map(|instruction| instruction.offset)
}

/// Translates local function `index`, and says what instructions it became.
///
/// # Errors
/// [`Untranslatable`].
pub(crate) fn listing(
    interp: &InterpModule,
    index: FuncIdx,
) -> Result<(Translated, Vec<Listed>), Untranslatable> {
    translate(interp, index, Code::new(true))
}

/// Why a function cannot be translated: then a call of it is a trap.
#[derive(Debug)]
pub(crate) enum Untranslatable {
    /// Its frame has more slots than instructions can name.
    TooManySlots,
    /// It has an instruction that the interpreter does not know.
    Unknown(UnknownOperator),
    /// It does not parse, although the module was validated.
    Invalid(wasmparser::BinaryReaderError),
}

impl From<wasmparser::BinaryReaderError> for Untranslatable {
    fn from(error: wasmparser::BinaryReaderError) -> Untranslatable {
        Untranslatable::Invalid(error)
    }
}

impl From<UnknownOperator> for Untranslatable {
    fn from(error: UnknownOperator) -> Untranslatable {
        Untranslatable::Unknown(error)
    }
}

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Untranslatable::TooManySlots => f.write_str(TrapCode::TooManySlots.text()),
            Untranslatable::Unknown(error) => write!(f, "cannot be interpreted: {error}"),
            Untranslatable::Invalid(error) => write!(f, "cannot be interpreted: {error}"),
        }
    }
}

impl From<Untranslatable> for Trap {
    fn from(why: Untranslatable) -> Trap {
        match why {
            Untranslatable::TooManySlots => TrapCode::TooManySlots.into(),
            other => Trap::host(format!("function {other}")),
        }
    }
}

fn translate(
    interp: &InterpModule,
    index: FuncIdx,
    code: Code,
) -> Result<(Translated, Vec<Listed>), Untranslatable> {
    let module = &*interp.module;
    let ty = module.func_type(index.0);
    let body = FunctionBody::new(module.body_reader(index.0));
    let mut locals = ty.params.to_vec();
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        locals.extend(std::iter::repeat_n(value_type(ty), count as usize));
    }
    let mut slots = 0u32;
    let mut local_slots = Vec::with_capacity(locals.len());
    for ty in &locals {
        local_slots.push(Slot(u16::try_from(slots).map_err(|_| Untranslatable::TooManySlots)?));
        slots += ty.slots();
    }
    let mut t = Translator {
        interp,
        module,
        aliases: vec![0; locals.len()],
        locals,
        local_slots,
        code,
        stack: Vec::new(),
        height: slots,
        max_height: slots,
        blocks: Vec::new(),
        labels: Vec::new(),
        dead: None,
        acc: [None; 3],
        last: None,
        step: None,
        loops: Vec::new(),
        calls: Vec::new(),
        ends: Vec::new(),
    };
    let results = FuncType { params: Box::default(), results: ty.results.clone() };
    t.open(BlockKind::Function, results);
    let mut ops = body.get_operators_reader()?;
    while !ops.eof() {
        let (op, at) = ops.read_with_offset()?;
        t.code.offset = Offset((at - module.code_start as u64) as u32);
        t.instruction(&op, at)?;
        // Slots are 16 bits wide; leave room for the second half of a v128 and a call's results.
        if t.max_height >= u32::from(u16::MAX) {
            return Err(Untranslatable::TooManySlots);
        }
    }
    let (code, listed) = t.code.finish();
    let translated = Translated {
        code,
        frame_slots: t.max_height.max(ty.result_slots()).max(ty.param_slots()),
        local_slots: slots,
        loop_heat: t.loops.iter().map(|_| Heat::default()).collect(),
        loops: t.loops.into(),
        calls: t.calls.into(),
        ends: t.ends.into(),
    };
    Ok((translated, listed))
}

impl<'a> Translator<'a> {
    /// Translates an operator, which is at this byte offset in the module.
    fn instruction(&mut self, op: &Operator<'_>, at: u64) -> Result<(), UnknownOperator> {
        if let Some(depth) = self.dead {
            match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    self.dead = Some(depth + 1);
                    return Ok(());
                }
                Operator::End if depth > 0 => {
                    self.dead = Some(depth - 1);
                    return Ok(());
                }
                Operator::End => {}
                Operator::Else if depth == 0 => {}
                // One that is not known might open a block.
                _ => return check_operator(op, at),
            }
        }
        match *op {
            Operator::Nop => {}
            Operator::Drop => {
                self.pop();
            }
            Operator::LocalGet { local_index } => self.local_get(LocalIdx(local_index)),
            Operator::LocalSet { local_index } => {
                self.local_set(LocalIdx(local_index));
            }
            Operator::LocalTee { local_index } => {
                let local = LocalIdx(local_index);
                let entry = self.local_set(local);
                match entry.place {
                    Place::Const(bits) => {
                        self.push(entry.ty, Place::Const(bits));
                    }
                    _ => self.local_get(local),
                }
            }
            Operator::I32Const { value } => {
                self.push(ValType::I32, Place::Const(u128::from(value as u32)));
            }
            Operator::I64Const { value } => {
                self.push(ValType::I64, Place::Const(u128::from(value as u64)));
            }
            Operator::F32Const { value } => {
                self.push(ValType::F32, Place::Const(u128::from(value.bits())));
            }
            Operator::F64Const { value } => {
                self.push(ValType::F64, Place::Const(u128::from(value.bits())));
            }
            Operator::V128Const { value } => {
                self.push(ValType::V128, Place::Const(u128::from_le_bytes(*value.bytes())));
            }
            Operator::RefNull { hty } => {
                let ty =
                    if hty == wasmparser::HeapType::FUNC { ValType::FuncRef } else { ValType::ExternRef };
                self.push(ty, Place::Const(0));
            }
            _ => {
                let done = self.control(op)
                    || self.calls(op)
                    || self.numeric(op)
                    || self.memory(op)
                    || self.atomic(op)
                    || self.vector(op);
                if !done {
                    return Err(unknown_operator(op, at));
                }
            }
        }
        Ok(())
    }

    /// Writes an instruction with a result, which it pushes; `operands` are the instruction's, given the result's slot.
    fn result<I: Instruction>(&mut self, op: Op<I>, ty: ValType, operands: impl FnOnce(Slot) -> I) {
        const { assert!(has_result::<I>(), "it has no result") };
        let slot = self.push(ty, Place::Temp);
        let start = self.code.emit(op, operands(slot));
        let acc = self.acc;
        for acc in &mut self.acc {
            if *acc == Some(slot) {
                *acc = None;
            }
        }
        self.last = Some(Last { start, result_at: start, slot, acc, compare: None, sum: None });
    }

    /// Like [`Translator::result`], for an instruction that leaves it in its type's accumulator too.
    fn result_in_acc<I: Instruction>(&mut self, op: Op<I>, ty: ValType, operands: impl FnOnce(Slot) -> I) {
        self.result(op, ty, operands);
        if let (Some(kind), Some(last)) = (acc_of(ty), &self.last) {
            self.acc[kind] = Some(last.slot);
        }
    }

    /// Forgets what accumulators hold and what came last: control can come here from elsewhere.
    fn forget(&mut self) {
        self.acc = [None; 3];
        self.last = None;
    }
}

/// A type of the parser as one of ours. Validation lets no other reference types through.
fn value_type(ty: wasmparser::ValType) -> ValType {
    ValType::from_wasmparser(ty).unwrap_or(ValType::ExternRef)
}
