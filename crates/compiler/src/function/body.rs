//! A function from beginning to end, as it is called.

use super::Translator;
use super::control::{Block, BlockKind};
use crate::error::{CompileError, Result, internal};
use crate::unit::Unit;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, FunctionValue, PointerValue};
use wayfarer_abi::vmctx;
use wayfarer_module::ValType;

/// Compiles local function `index` into the unit.
pub(crate) fn compile(unit: &Unit<'_, '_>, index: u32) -> Result<()> {
    let (mut t, entry) = start(unit, unit.func(index), index)?;
    let polls = t.source.shape.calls || unit.options.precise;
    let leaves = polls && t.leaves_at_polls();
    if polls {
        t.entry_poll()?;
    }
    t.open_body()?;
    t.translate(t.body_start(), 0)?;
    if t.reachable {
        let results = std::mem::take(&mut t.stack);
        t.return_values(&results)?;
    }
    t.finish(entry)?;
    if leaves { compile_stopped(unit, index) } else { Ok(()) }
}

/// Begins a function with the parameters of local function `index`: its parameters are in their variables.
fn start<'u, 'c, 'm>(
    unit: &'u Unit<'c, 'm>,
    func: FunctionValue<'c>,
    index: u32,
) -> Result<(Translator<'u, 'c, 'm>, BasicBlock<'c>)> {
    let vmctx = func.get_nth_param(0).ok_or_else(|| internal("no context"))?.into_pointer_value();
    let mut t = Translator::new(unit, func, index, vmctx)?;
    let entry = t.open()?;
    for (local, param) in (0..).zip(func.get_param_iter().skip(1)) {
        let (_, place) = t.variable(local)?;
        t.builder.build_store(place, param)?;
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

impl<'u, 'c, 'm> Translator<'u, 'c, 'm> {
    pub(super) fn new(
        unit: &'u Unit<'c, 'm>,
        func: FunctionValue<'c>,
        index: u32,
        vmctx: PointerValue<'c>,
    ) -> Result<Translator<'u, 'c, 'm>> {
        let source = unit.source(index)?;
        let allocas = unit.context.append_basic_block(func, "variables");
        Ok(Translator::with(unit, func, index, vmctx, source, allocas))
    }

    /// The block that everything starts with, behind the one for variables.
    pub(super) fn open(&mut self) -> Result<BasicBlock<'c>> {
        let entry = self.block("entry");
        self.builder.position_at_end(entry);
        if !self.unit.module.memories.is_empty() {
            // Gone again if nothing uses it.
            self.memory_base = Some(self.context_word(vmctx::MEMORY_BASE, "memory")?);
        }
        Ok(entry)
    }

    /// A local's type and variable. It is made when it is first asked for, with the value zero.
    pub(super) fn variable(&mut self, local: u32) -> Result<(ValType, PointerValue<'c>)> {
        let ty = *self.source.points.locals.get(local as usize).ok_or_else(|| internal("no such local"))?;
        if let Some(&place) = self.variables.get(&local) {
            return Ok((ty, place));
        }
        let here = self.builder.get_insert_block();
        self.builder.position_at_end(self.allocas);
        let llvm = self.local_type(ty);
        let place = self.builder.build_alloca(llvm, "local")?;
        self.builder.build_store(place, llvm.const_zero())?;
        if let Some(here) = here {
            self.builder.position_at_end(here);
        }
        self.variables.insert(local, place);
        Ok((ty, place))
    }

    /// Opens the block that is the body.
    pub(super) fn open_body(&mut self) -> Result<()> {
        let results = self.unit.module.func_type(self.index).results.clone();
        let end = self.target("return", &results)?;
        self.blocks.push(Block { kind: BlockKind::Block, height: 0, end });
        Ok(())
    }

    /// Offset of the first instruction.
    fn body_start(&self) -> u32 {
        self.source.shape.first
    }

    /// Translates from the instruction at `offset` on, until all blocks are closed that were not open before: `blocks` of
    /// them.
    pub(super) fn translate(&mut self, offset: u32, blocks: usize) -> Result<()> {
        let source = self.source.clone();
        let first = source.operators.partition_point(|(_, at)| *at < offset);
        for (operator, at) in &source.operators[first..] {
            self.offset = *at;
            self.operator(operator)?;
            if self.blocks.len() == blocks {
                break;
            }
        }
        Ok(())
    }

    /// Connects the variables' block with the rest.
    pub(super) fn finish(&mut self, entry: BasicBlock<'c>) -> Result<()> {
        self.builder.position_at_end(self.allocas);
        self.builder.build_unconditional_branch(entry)?;
        Ok(())
    }

    /// Returns these results.
    pub(super) fn return_values(&mut self, values: &[BasicValueEnum<'c>]) -> Result<()> {
        let types = self.unit.module.func_type(self.index).results.clone();
        if self.leaving.is_some() {
            return self.leave_with_results(values);
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
}

/// A module that is compiled was validated.
pub(crate) fn invalid(error: wasmparser::BinaryReaderError) -> CompileError {
    internal(format!("the module was not validated: {error}"))
}
