//! A loop as it is continued at its header: by a function of its own, which ends where control leaves the loop. What is
//! behind the loop is interpreted, up to the next loop.

use super::Translator;
use super::control::{Block, BlockKind};
use crate::error::{Result, internal};
use crate::unit::Unit;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicValueEnum, PhiValue, PointerValue};
use wayfarer_abi::compiler::Loop;
use wayfarer_abi::symbol;
use wayfarer_module::{PointKind, ValType};

/// How a continuation is left.
#[derive(Debug)]
pub(super) struct Leaving<'c> {
    /// The loop that is continued.
    header: u32,
    /// The captured state; its first slot is to say how it ended.
    state: PointerValue<'c>,
    /// The interpreter's slots of the frame.
    frame: PointerValue<'c>,
    /// Where all that leave the loop come together, and the offset where the frame goes on.
    block: BasicBlock<'c>,
    offset: PhiValue<'c>,
    used: bool,
    /// Operands below the loop's parameters.
    height: usize,
}

/// Compiles the continuation at a loop header.
pub(crate) fn compile_continuation(unit: &Unit<'_, '_>, at: Loop) -> Result<()> {
    let func = unit.runtime_entry(&symbol::continuation(at));
    let Loop { func: index, offset } = at;
    let param = |nth| func.get_nth_param(nth).ok_or_else(|| internal("no context"));
    let (vmctx, state, frame) =
        (param(0)?.into_pointer_value(), param(1)?.into_pointer_value(), param(2)?.into_pointer_value());
    let mut t = Translator::new(unit, func, index, vmctx)?;
    let entry = t.open()?;
    t.open_body()?;
    let (around, own) = t.source.around(unit.module, index, offset)?;
    t.leaving = Some(t.leaving(offset, state, frame, own.height)?);
    t.load_state(offset, state)?;
    for open in &around {
        let ty = t.block_type(open.ty)?;
        let (offset, values) = match open.header {
            Some(header) => (header, &ty.params),
            None => (open.end, &ty.results),
        };
        let end = t.target("around", values)?;
        t.blocks.push(Block { kind: BlockKind::Around { offset }, height: open.height, end });
    }
    t.translate(offset, t.blocks.len())?;
    t.leave_loop(offset, own.end)?;
    t.finish(entry)
}

impl<'c> Translator<'_, 'c, '_> {
    fn leaving(
        &mut self,
        header: u32,
        state: PointerValue<'c>,
        frame: PointerValue<'c>,
        height: usize,
    ) -> Result<Leaving<'c>> {
        let here = self.here()?;
        let block = self.block("leave");
        self.builder.position_at_end(block);
        let offset = self.builder.build_phi(self.unit.types.i64, "offset")?;
        self.builder.position_at_end(here);
        Ok(Leaving { header, state, frame, block, offset, used: false, height })
    }

    /// Whether this is the continuation of the loop at `offset`, which was repeated before, one does not know how often.
    pub(super) fn continues_at(&self, offset: u32) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.header == offset)
    }

    fn in_continuation(&mut self) -> Result<&mut Leaving<'c>> {
        self.leaving.as_mut().ok_or_else(|| internal("this is no continuation"))
    }

    /// Takes the state of a loop header from its slots.
    fn load_state(&mut self, offset: u32, state: PointerValue<'c>) -> Result<()> {
        let source = self.source.clone();
        let point = source.points.find(PointKind::Loop, offset).ok_or_else(|| internal("no such loop"))?;
        let live: Vec<u32> = (0..).zip(&point.live).filter(|(_, live)| **live).map(|(at, _)| at).collect();
        let locals = live.iter().map(|&local| source.points.locals[local as usize]);
        let types: Vec<ValType> = locals.chain(point.stack.iter().copied()).collect();
        let mut values = self.load_slots(state, &types)?;
        self.stack = values.split_off(live.len());
        for (local, value) in live.into_iter().zip(values) {
            let (_, place) = self.variable(local)?;
            self.builder.build_store(place, value)?;
        }
        Ok(())
    }

    /// The slot of the interpreter's frame that an operand is in, by its place on the stack.
    fn operand_slot(&self, at: usize) -> u64 {
        let slots = |types: &[ValType]| types.iter().map(|ty| u64::from(ty.slots())).sum::<u64>();
        let operands: u64 = self.stack[..at].iter().map(|v| if v.is_vector_value() { 2 } else { 1 }).sum();
        slots(&self.source.points.locals) + operands
    }

    /// Leaves to the instruction at `offset`, with the operands from `height` on.
    fn leave_at(&mut self, offset: u32, height: usize) -> Result<()> {
        let values = self.stack[height..].to_vec();
        let slot = self.operand_slot(height);
        let at = self.i64(offset.into());
        let here = self.here()?;
        let leaving = self.in_continuation()?;
        leaving.used = true;
        leaving.offset.add_incoming(&[(&at, here)]);
        let (block, frame) = (leaving.block, leaving.frame);
        let place = self.offset_pointer(frame, 8 * slot)?;
        self.store_slots(place, &values)?;
        self.builder.build_unconditional_branch(block)?;
        self.reachable = false;
        Ok(())
    }

    /// Leaves before a call in tail position, which the interpreter makes: this function has other parameters than the
    /// callee.
    pub(super) fn leave_before_call(&mut self) -> Result<()> {
        let height = self.in_continuation()?.height;
        self.leave_at(self.offset, height)
    }

    /// The function returns.
    pub(super) fn leave_with_results(&mut self, values: &[BasicValueEnum<'c>]) -> Result<()> {
        let leaving = self.in_continuation()?;
        let (state, frame) = (leaving.state, leaving.frame);
        self.store_slots(frame, values)?;
        self.store_context(state, self.i64(0).into())?;
        self.builder.build_return(None)?;
        Ok(())
    }

    /// Behind the loop at `offset`, which ends at `end`: all ways out of it.
    fn leave_loop(&mut self, offset: u32, end: u32) -> Result<()> {
        if self.reachable {
            let height = self.in_continuation()?.height;
            self.leave_at(end, height)?;
        }
        while let Some(Block { kind, height, end, .. }) = self.blocks.pop() {
            if !end.used {
                self.discard(&end)?;
                continue;
            }
            self.continue_at(&end, height);
            match kind {
                BlockKind::Around { offset } => self.leave_at(offset, height)?,
                // The body: the function returns.
                _ => {
                    let results = std::mem::take(&mut self.stack);
                    self.leave_with_results(&results)?;
                }
            }
        }
        self.end_leaving(offset)
    }

    /// What all ways out have in common: the interpreter's frame gets the locals that may have changed.
    fn end_leaving(&mut self, header: u32) -> Result<()> {
        let source = self.source.clone();
        let info = source.shape.loops.get(&header).ok_or_else(|| internal("no such loop"))?;
        let leaving = self.in_continuation()?;
        let (state, frame, used) = (leaving.state, leaving.frame, leaving.used);
        let (block, offset) = (leaving.block, leaving.offset);
        self.builder.position_at_end(block);
        if !used {
            self.builder.build_unreachable()?;
            return Ok(());
        }
        let written = info.written();
        let mut slot = 0;
        for (local, ty) in (0..).zip(&*source.points.locals) {
            if written.contains_key(&local) {
                let (ty, place) = self.variable(local)?;
                let value = self.builder.build_load(self.local_type(ty), place, "")?;
                let place = self.offset_pointer(frame, 8 * slot)?;
                self.store_slots(place, &[value])?;
            }
            slot += u64::from(ty.slots());
        }
        self.store_context(state, offset.as_basic_value())?;
        self.builder.build_return(None)?;
        Ok(())
    }
}
