//! Loads in loops that LLVM may vectorize. What keeps a load from being dropped keeps its loop from being vectorized; so
//! there a load only gets it if nothing else needs the value in each repetition.

use super::Translator;
use crate::error::{Result, internal};
use inkwell::values::{
    AnyValueEnum, BasicValue, BasicValueEnum, InstructionOpcode, InstructionValue, PointerValue,
};

/// Uses looked at for one load. A load with more is taken for one that is not needed, which is only slower.
const MOST_USES: usize = 64;

impl<'c> Translator<'_, 'c, '_> {
    /// Has a load executed whatever becomes of its value: it traps if it is outside.
    pub(super) fn keep_load(&mut self, value: BasicValueEnum<'c>) -> Result<()> {
        match (&mut self.plain_loads, value.as_instruction_value()) {
            (Some(loads), Some(_)) => {
                loads.push(value);
                Ok(())
            }
            _ => self.keep(value),
        }
    }

    /// At the end of such a loop: keeps the loads in it that nothing needs. `carried` are the variables of locals
    /// that the next repetition reads.
    pub(super) fn keep_unused(&mut self, carried: &[PointerValue<'c>]) -> Result<()> {
        let here = self.here()?;
        for value in self.plain_loads.take().unwrap_or_default() {
            let load =
                value.as_instruction_value().ok_or_else(|| internal("a load that is no instruction"))?;
            if is_needed(load, carried) {
                continue;
            }
            let next = load.get_next_instruction().ok_or_else(|| internal("a load that ends a block"))?;
            self.builder.position_before(&next);
            self.keep(value)?;
        }
        self.builder.position_at_end(here);
        Ok(())
    }
}

/// Whether the loop cannot do without a value: it goes into a store, a branch, a call, or the next repetition.
fn is_needed<'c>(load: InstructionValue<'c>, carried: &[PointerValue<'c>]) -> bool {
    let mut work = vec![load];
    let mut looked_at = 0;
    while let Some(value) = work.pop() {
        let mut next = value.get_first_use();
        while let Some(used) = next {
            looked_at += 1;
            if looked_at > MOST_USES {
                return false;
            }
            next = used.get_next_use();
            let Some(user) = instruction(used.get_user()) else { continue };
            match user.get_opcode() {
                InstructionOpcode::Store => {
                    let to = user.get_operand(1).and_then(|o| o.value());
                    let Some(BasicValueEnum::PointerValue(to)) = to else { return true };
                    let is_variable =
                        to.as_instruction().is_some_and(|i| i.get_opcode() == InstructionOpcode::Alloca);
                    if !is_variable || carried.contains(&to) {
                        return true;
                    }
                    // What the same repetition reads from the variable again counts for this value.
                    work.extend(loads_of(to, user));
                }
                InstructionOpcode::Br
                | InstructionOpcode::Switch
                | InstructionOpcode::Call
                | InstructionOpcode::Invoke
                | InstructionOpcode::Return
                | InstructionOpcode::Phi => return true,
                InstructionOpcode::And | InstructionOpcode::Mul if has_zero(user) => {}
                _ => work.push(user),
            }
        }
    }
    false
}

/// Loads of a variable behind a store to it, in the same block.
fn loads_of<'c>(variable: PointerValue<'c>, store: InstructionValue<'c>) -> Vec<InstructionValue<'c>> {
    let mut loads = Vec::new();
    let mut next = store.get_next_instruction();
    while let Some(at) = next {
        let operand = |nth| at.get_operand(nth).and_then(|o| o.value());
        match at.get_opcode() {
            InstructionOpcode::Load if operand(0) == Some(variable.into()) => loads.push(at),
            InstructionOpcode::Store if operand(1) == Some(variable.into()) => break,
            _ => {}
        }
        next = at.get_next_instruction();
    }
    loads
}

/// Whether an operand is a constant zero, so that the result is, too.
fn has_zero(user: InstructionValue<'_>) -> bool {
    (0..2).any(|nth| match user.get_operand(nth).and_then(|o| o.value()) {
        Some(BasicValueEnum::IntValue(value)) => value.is_null(),
        _ => false,
    })
}

fn instruction(user: AnyValueEnum<'_>) -> Option<InstructionValue<'_>> {
    match user {
        AnyValueEnum::InstructionValue(value) => Some(value),
        AnyValueEnum::IntValue(value) => value.as_instruction(),
        AnyValueEnum::FloatValue(value) => value.as_instruction(),
        AnyValueEnum::PointerValue(value) => value.as_instruction(),
        AnyValueEnum::VectorValue(value) => value.as_instruction(),
        AnyValueEnum::StructValue(value) => value.as_instruction(),
        AnyValueEnum::PhiValue(value) => Some(value.as_instruction()),
        _ => None,
    }
}
