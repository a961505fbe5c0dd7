//! A function from beginning to end: as it is called, and as it is continued at a loop header.

use super::control::{Block, BlockKind};
use super::{Translator, shape};
use crate::error::{CompileError, Result, internal};
use crate::unit::Unit;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, FunctionValue, PointerValue};
use wasmparser::{BlockType, FuncValidatorAllocations, Operator, OperatorsReader};
use wayfarer_abi::{symbol, vmctx};
use wayfarer_module::{FuncType, PointKind, ValType, stable_points};

/// Compiles local function `index` into the unit.
pub(crate) fn compile(unit: &Unit<'_, '_>, index: u32) -> Result<()> {
    let (mut t, entry) = start(unit, unit.func(index), index)?;
    let polls = t.shape.calls || unit.options.precise;
    let leaves = polls && t.leaves_at_polls();
    if polls {
        t.entry_poll()?;
    }
    t.open_body()?;
    t.translate(t.body_start())?;
    t.finish(entry)?;
    if leaves { compile_stopped(unit, index) } else { Ok(()) }
}

/// Begins a function with the parameters of local function `index`: all locals have the values they have at its entry.
fn start<'u, 'c, 'm>(
    unit: &'u Unit<'c, 'm>,
    func: FunctionValue<'c>,
    index: u32,
) -> Result<(Translator<'u, 'c, 'm>, BasicBlock<'c>)> {
    let vmctx = func.get_nth_param(0).ok_or_else(|| internal("no context"))?.into_pointer_value();
    let mut t = Translator::new(unit, func, index, vmctx)?;
    let entry = t.open()?;
    for (at, &(ty, place)) in t.locals.iter().enumerate() {
        let value = match func.get_nth_param(at as u32 + 1) {
            Some(param) => param,
            None => t.local_type(ty).const_zero(),
        };
        t.builder.build_store(place, value)?;
    }
    Ok((t, entry))
}

/// Compiles what a function goes to if it finds a request at its entry.
fn compile_stopped(unit: &Unit<'_, '_>, index: u32) -> Result<()> {
    let func = unit.stopped(index);
    let (mut t, entry) = start(unit, func, index)?;
    t.stopped_at_entry()?;
    t.finish(entry)
}

/// Compiles a continuation of local function `index` at the loop header at `offset`.
pub(crate) fn compile_continuation(unit: &Unit<'_, '_>, index: u32, offset: u32) -> Result<()> {
    let func = unit.runtime_entry(&symbol::continuation(index, offset));
    let param = |nth| func.get_nth_param(nth).ok_or_else(|| internal("no context"));
    let (vmctx, state, results) =
        (param(0)?.into_pointer_value(), param(1)?.into_pointer_value(), param(2)?.into_pointer_value());
    let mut t = Translator::new(unit, func, index, vmctx)?;
    t.results = Some(results);
    let entry = t.open()?;
    t.open_body()?;
    t.enter_loop(offset, state)?;
    t.translate(offset)?;
    t.finish(entry)
}

impl<'u, 'c, 'm> Translator<'u, 'c, 'm> {
    fn new(
        unit: &'u Unit<'c, 'm>,
        func: FunctionValue<'c>,
        index: u32,
        vmctx: PointerValue<'c>,
    ) -> Result<Translator<'u, 'c, 'm>> {
        let points = stable_points(unit.module, index);
        let shape = shape::Shape::of(unit.module, index, unit.survey)?;
        let allocas = unit.context.append_basic_block(func, "variables");
        Ok(Translator::with(unit, func, index, vmctx, points, shape, allocas))
    }

    /// Makes the variables of the locals. The block that everything else starts with.
    fn open(&mut self) -> Result<BasicBlock<'c>> {
        self.builder.position_at_end(self.allocas);
        let types = self.points.locals.iter();
        let place = |&ty| Ok((ty, self.builder.build_alloca(self.local_type(ty), "local")?));
        self.locals = types.map(place).collect::<Result<_>>()?;
        let entry = self.block("entry");
        self.builder.position_at_end(entry);
        if !self.unit.module.memories.is_empty() {
            // Gone again if nothing uses it.
            self.memory_base = Some(self.context_word(vmctx::MEMORY_BASE, "memory")?);
        }
        Ok(entry)
    }

    /// Opens the block that is the body.
    fn open_body(&mut self) -> Result<()> {
        let results = self.unit.module.func_type(self.index).results.clone();
        let ty = FuncType { params: Box::default(), results };
        let end = self.target("return", &ty.results)?;
        self.blocks.push(Block { kind: BlockKind::Block, height: 0, ty, end });
        Ok(())
    }

    /// Offset of the first instruction.
    fn body_start(&self) -> u32 {
        self.shape.first
    }

    /// Translates from the instruction at `offset` to the end of the body.
    fn translate(&mut self, offset: u32) -> Result<()> {
        let module = self.unit.module;
        let mut reader = module.body_reader(self.index);
        shape::skip_locals(&mut reader)?;
        // Read from the beginning: the reader counts the blocks.
        let mut operators = Vec::new();
        for operator in OperatorsReader::new(reader).into_iter_with_offsets() {
            let (operator, at) = operator.map_err(invalid)?;
            operators.push((operator, (at - module.code_start as u64) as u32));
        }
        let find = |offset: u32| {
            operators
                .binary_search_by_key(&offset, |(_, at)| *at)
                .map_err(|_| internal("no such instruction"))
        };
        let mut next = find(offset)?;
        while let Some((operator, at)) = operators.get(next) {
            self.offset = *at;
            self.operator(operator)?;
            next = match self.rewind.take() {
                Some(offset) => find(offset)?,
                None => next + 1,
            };
        }
        if self.reachable {
            let values = std::mem::take(&mut self.stack);
            self.return_values(&values)?;
        }
        Ok(())
    }

    /// Connects the variables' block with the rest.
    fn finish(&mut self, entry: BasicBlock<'c>) -> Result<()> {
        self.builder.position_at_end(self.allocas);
        self.builder.build_unconditional_branch(entry)?;
        Ok(())
    }

    /// Returns these results.
    pub(super) fn return_values(&mut self, values: &[BasicValueEnum<'c>]) -> Result<()> {
        let types = self.unit.module.func_type(self.index).results.clone();
        if let Some(results) = self.results {
            self.store_slots(results, values)?;
            self.builder.build_return(None)?;
            return Ok(());
        }
        match values {
            [] => self.builder.build_return(None)?,
            [one] => self.builder.build_return(Some(one))?,
            many if Unit::results_in_memory(&types) => {
                let area = self.results_area()?;
                self.store_slots(area, many)?;
                self.builder.build_return(None)?
            }
            many => self.builder.build_aggregate_return(many)?,
        };
        Ok(())
    }

    /// Takes the state of a loop header from its slots, and opens the blocks around it as if control had come there.
    fn enter_loop(&mut self, offset: u32, state: PointerValue<'c>) -> Result<()> {
        let point =
            self.points.find(PointKind::Loop, offset).ok_or_else(|| internal("no such loop"))?.clone();
        let live: Vec<ValType> = (0..self.locals.len())
            .filter(|&local| point.live[local])
            .map(|local| self.locals[local].0)
            .collect();
        let types: Vec<ValType> = live.iter().chain(&point.stack).copied().collect();
        let values = self.load_slots(state, &types)?;
        let mut values = values.into_iter();
        for (local, (ty, place)) in self.locals.clone().into_iter().enumerate() {
            let value = match point.live[local] {
                true => values.next().ok_or_else(|| internal("a local without its value"))?,
                false => self.local_type(ty).const_zero(),
            };
            self.builder.build_store(place, value)?;
        }
        self.stack = values.collect();
        for open in self.blocks_around(offset)? {
            let ty = self.block_type(open.ty)?;
            let end = self.target("end", &ty.results)?;
            let kind = match open.looped {
                Some(offset) => BlockKind::Entered { offset, again: self.target("again", &ty.params)? },
                None => BlockKind::Block,
            };
            self.blocks.push(Block { kind, height: open.height, ty, end });
        }
        Ok(())
    }

    /// The blocks that are open before the instruction at `offset`, outermost first, without the body's.
    fn blocks_around(&self, offset: u32) -> Result<Vec<Open>> {
        let module = self.unit.module;
        let mut validator = module.func_validator(self.index, FuncValidatorAllocations::default());
        let mut reader = module.body_reader(self.index);
        validator.read_locals(&mut reader).map_err(invalid)?;
        let mut operators = OperatorsReader::new(reader);
        let mut open: Vec<Open> = Vec::new();
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset().map_err(invalid)?;
            let here = (at - module.code_start as u64) as u32;
            if here == offset {
                for (depth, block) in open.iter_mut().rev().enumerate() {
                    let frame =
                        validator.get_control_frame(depth).ok_or_else(|| internal("no such block"))?;
                    block.height = frame.height;
                }
                return Ok(open);
            }
            match operator {
                Operator::Block { blockty } | Operator::If { blockty } => {
                    open.push(Open { ty: blockty, looped: None, height: 0 });
                }
                Operator::Loop { blockty } => {
                    open.push(Open { ty: blockty, looped: Some(here), height: 0 });
                }
                Operator::End => {
                    open.pop();
                }
                _ => {}
            }
            validator.op(at, &operator).map_err(invalid)?;
        }
        Err(internal("no such loop"))
    }
}

/// A block around a loop that a continuation starts with.
struct Open {
    ty: BlockType,
    /// A loop's offset.
    looped: Option<u32>,
    height: usize,
}

fn invalid(error: wasmparser::BinaryReaderError) -> CompileError {
    internal(format!("the module was not validated: {error}"))
}
