//! Atomic accesses to linear memory: all sequentially consistent. LLVM moves no other access to memory over one, whatever it knows of
//! aliases.

use super::Translator;
use super::build::instruction;
use crate::error::{Result, internal};
use crate::options::Bounds;
use inkwell::types::IntType;
use inkwell::values::{BasicValueEnum, IntValue, PointerValue};
use inkwell::{AtomicOrdering, AtomicRMWBinOp, IntPredicate};
use wasmparser::{MemArg, Operator};
use wayfarer_abi::{Helper, TrapCode, wait};
use wayfarer_module::PointKind;

const ORDER: AtomicOrdering = AtomicOrdering::SequentiallyConsistent;

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn atomic_access(&mut self, operator: &Operator<'_>) -> Result<bool> {
        use AtomicRMWBinOp::{Add, And, Or, Sub, Xchg, Xor};
        let types = self.unit.types;
        let (i8, i16, i32, i64) = (types.i8, types.i16, types.i32, types.i64);
        match *operator {
            Operator::I32AtomicLoad { memarg } => self.atomic_load(&memarg, i32, i32)?,
            Operator::I64AtomicLoad { memarg } => self.atomic_load(&memarg, i64, i64)?,
            Operator::I32AtomicLoad8U { memarg } => self.atomic_load(&memarg, i8, i32)?,
            Operator::I32AtomicLoad16U { memarg } => self.atomic_load(&memarg, i16, i32)?,
            Operator::I64AtomicLoad8U { memarg } => self.atomic_load(&memarg, i8, i64)?,
            Operator::I64AtomicLoad16U { memarg } => self.atomic_load(&memarg, i16, i64)?,
            Operator::I64AtomicLoad32U { memarg } => self.atomic_load(&memarg, i32, i64)?,
            Operator::I32AtomicStore { memarg } => self.atomic_store(&memarg, i32)?,
            Operator::I64AtomicStore { memarg } => self.atomic_store(&memarg, i64)?,
            Operator::I32AtomicStore8 { memarg } => self.atomic_store(&memarg, i8)?,
            Operator::I32AtomicStore16 { memarg } => self.atomic_store(&memarg, i16)?,
            Operator::I64AtomicStore8 { memarg } => self.atomic_store(&memarg, i8)?,
            Operator::I64AtomicStore16 { memarg } => self.atomic_store(&memarg, i16)?,
            Operator::I64AtomicStore32 { memarg } => self.atomic_store(&memarg, i32)?,
            Operator::I32AtomicRmwAdd { memarg } => self.atomic_rmw(&memarg, Add, i32, i32)?,
            Operator::I64AtomicRmwAdd { memarg } => self.atomic_rmw(&memarg, Add, i64, i64)?,
            Operator::I32AtomicRmw8AddU { memarg } => self.atomic_rmw(&memarg, Add, i8, i32)?,
            Operator::I32AtomicRmw16AddU { memarg } => self.atomic_rmw(&memarg, Add, i16, i32)?,
            Operator::I64AtomicRmw8AddU { memarg } => self.atomic_rmw(&memarg, Add, i8, i64)?,
            Operator::I64AtomicRmw16AddU { memarg } => self.atomic_rmw(&memarg, Add, i16, i64)?,
            Operator::I64AtomicRmw32AddU { memarg } => self.atomic_rmw(&memarg, Add, i32, i64)?,
            Operator::I32AtomicRmwSub { memarg } => self.atomic_rmw(&memarg, Sub, i32, i32)?,
            Operator::I64AtomicRmwSub { memarg } => self.atomic_rmw(&memarg, Sub, i64, i64)?,
            Operator::I32AtomicRmw8SubU { memarg } => self.atomic_rmw(&memarg, Sub, i8, i32)?,
            Operator::I32AtomicRmw16SubU { memarg } => self.atomic_rmw(&memarg, Sub, i16, i32)?,
            Operator::I64AtomicRmw8SubU { memarg } => self.atomic_rmw(&memarg, Sub, i8, i64)?,
            Operator::I64AtomicRmw16SubU { memarg } => self.atomic_rmw(&memarg, Sub, i16, i64)?,
            Operator::I64AtomicRmw32SubU { memarg } => self.atomic_rmw(&memarg, Sub, i32, i64)?,
            Operator::I32AtomicRmwAnd { memarg } => self.atomic_rmw(&memarg, And, i32, i32)?,
            Operator::I64AtomicRmwAnd { memarg } => self.atomic_rmw(&memarg, And, i64, i64)?,
            Operator::I32AtomicRmw8AndU { memarg } => self.atomic_rmw(&memarg, And, i8, i32)?,
            Operator::I32AtomicRmw16AndU { memarg } => self.atomic_rmw(&memarg, And, i16, i32)?,
            Operator::I64AtomicRmw8AndU { memarg } => self.atomic_rmw(&memarg, And, i8, i64)?,
            Operator::I64AtomicRmw16AndU { memarg } => self.atomic_rmw(&memarg, And, i16, i64)?,
            Operator::I64AtomicRmw32AndU { memarg } => self.atomic_rmw(&memarg, And, i32, i64)?,
            Operator::I32AtomicRmwOr { memarg } => self.atomic_rmw(&memarg, Or, i32, i32)?,
            Operator::I64AtomicRmwOr { memarg } => self.atomic_rmw(&memarg, Or, i64, i64)?,
            Operator::I32AtomicRmw8OrU { memarg } => self.atomic_rmw(&memarg, Or, i8, i32)?,
            Operator::I32AtomicRmw16OrU { memarg } => self.atomic_rmw(&memarg, Or, i16, i32)?,
            Operator::I64AtomicRmw8OrU { memarg } => self.atomic_rmw(&memarg, Or, i8, i64)?,
            Operator::I64AtomicRmw16OrU { memarg } => self.atomic_rmw(&memarg, Or, i16, i64)?,
            Operator::I64AtomicRmw32OrU { memarg } => self.atomic_rmw(&memarg, Or, i32, i64)?,
            Operator::I32AtomicRmwXor { memarg } => self.atomic_rmw(&memarg, Xor, i32, i32)?,
            Operator::I64AtomicRmwXor { memarg } => self.atomic_rmw(&memarg, Xor, i64, i64)?,
            Operator::I32AtomicRmw8XorU { memarg } => self.atomic_rmw(&memarg, Xor, i8, i32)?,
            Operator::I32AtomicRmw16XorU { memarg } => self.atomic_rmw(&memarg, Xor, i16, i32)?,
            Operator::I64AtomicRmw8XorU { memarg } => self.atomic_rmw(&memarg, Xor, i8, i64)?,
            Operator::I64AtomicRmw16XorU { memarg } => self.atomic_rmw(&memarg, Xor, i16, i64)?,
            Operator::I64AtomicRmw32XorU { memarg } => self.atomic_rmw(&memarg, Xor, i32, i64)?,
            Operator::I32AtomicRmwXchg { memarg } => self.atomic_rmw(&memarg, Xchg, i32, i32)?,
            Operator::I64AtomicRmwXchg { memarg } => self.atomic_rmw(&memarg, Xchg, i64, i64)?,
            Operator::I32AtomicRmw8XchgU { memarg } => self.atomic_rmw(&memarg, Xchg, i8, i32)?,
            Operator::I32AtomicRmw16XchgU { memarg } => self.atomic_rmw(&memarg, Xchg, i16, i32)?,
            Operator::I64AtomicRmw8XchgU { memarg } => self.atomic_rmw(&memarg, Xchg, i8, i64)?,
            Operator::I64AtomicRmw16XchgU { memarg } => self.atomic_rmw(&memarg, Xchg, i16, i64)?,
            Operator::I64AtomicRmw32XchgU { memarg } => self.atomic_rmw(&memarg, Xchg, i32, i64)?,
            Operator::I32AtomicRmwCmpxchg { memarg } => self.atomic_cmpxchg(&memarg, i32, i32)?,
            Operator::I64AtomicRmwCmpxchg { memarg } => self.atomic_cmpxchg(&memarg, i64, i64)?,
            Operator::I32AtomicRmw8CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, i8, i32)?,
            Operator::I32AtomicRmw16CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, i16, i32)?,
            Operator::I64AtomicRmw8CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, i8, i64)?,
            Operator::I64AtomicRmw16CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, i16, i64)?,
            Operator::I64AtomicRmw32CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, i32, i64)?,
            Operator::AtomicFence { .. } => {
                self.builder.build_fence(ORDER, false, "")?;
            }
            Operator::MemoryAtomicNotify { memarg } => {
                let (count, address) = (self.pop()?, self.pop_int()?);
                let address = self.effective_address(address, &memarg)?;
                self.push_helper(Helper::AtomicNotify, i32.into(), &[address.into(), count])?;
            }
            Operator::MemoryAtomicWait32 { memarg } => self.atomic_wait(&memarg, 0)?,
            Operator::MemoryAtomicWait64 { memarg } => self.atomic_wait(&memarg, wait::WIDE)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn atomic_load(&mut self, memarg: &MemArg, cell: IntType<'c>, ty: IntType<'c>) -> Result<()> {
        let place = self.atomic_place(memarg, cell)?;
        let value = self.load_atomic(place, cell)?;
        self.push_cell(value, ty)
    }

    fn atomic_store(&mut self, memarg: &MemArg, cell: IntType<'c>) -> Result<()> {
        let value = self.pop_cell(cell)?;
        let value = self.swap_bytes(value.into())?;
        let place = self.atomic_place(memarg, cell)?;
        let store = self.builder.build_store(place, value)?;
        store.set_alignment(bytes(cell) as u32).map_err(|e| internal(e.to_string()))?;
        store.set_atomic_ordering(ORDER).map_err(|e| internal(e.to_string()))
    }

    fn atomic_rmw(
        &mut self,
        memarg: &MemArg,
        operation: AtomicRMWBinOp,
        cell: IntType<'c>,
        ty: IntType<'c>,
    ) -> Result<()> {
        let value = self.pop_cell(cell)?;
        let place = self.atomic_place(memarg, cell)?;
        let carries = matches!(operation, AtomicRMWBinOp::Add | AtomicRMWBinOp::Sub);
        if carries && self.unit.big_endian && cell != self.unit.types.i8 {
            let old = self.add_swapped(place, operation, value)?;
            return self.push_cell(old, ty);
        }
        let value = self.swap_bytes(value.into())?.into_int_value();
        let old = self.builder.build_atomicrmw(operation, place, value, ORDER)?;
        self.push_cell(old.into(), ty)
    }

    /// Adds to a number whose bytes are in the other order, or subtracts: what was there, in that order.
    fn add_swapped(
        &mut self,
        place: PointerValue<'c>,
        operation: AtomicRMWBinOp,
        value: IntValue<'c>,
    ) -> Result<BasicValueEnum<'c>> {
        let cell = value.get_type();
        let first = self.load_atomic(place, cell)?;
        let (before, again, done) = (self.here()?, self.block("again"), self.block("added"));
        self.builder.build_unconditional_branch(again)?;
        self.builder.position_at_end(again);
        let old = self.builder.build_phi(cell, "old")?;
        let number = self.swap_bytes(old.as_basic_value())?.into_int_value();
        let new = match operation {
            AtomicRMWBinOp::Add => self.builder.build_int_add(number, value, "")?,
            _ => self.builder.build_int_sub(number, value, "")?,
        };
        let new = self.swap_bytes(new.into())?.into_int_value();
        let expected = old.as_basic_value().into_int_value();
        let pair = self.builder.build_cmpxchg(place, expected, new, ORDER, ORDER)?;
        let found = self.builder.build_extract_value(pair, 0, "")?;
        let exchanged = self.builder.build_extract_value(pair, 1, "")?.into_int_value();
        old.add_incoming(&[(&first, before), (&found, again)]);
        self.builder.build_conditional_branch(exchanged, done, again)?;
        self.builder.position_at_end(done);
        Ok(found)
    }

    /// What is expected is narrowed, too.
    fn atomic_cmpxchg(&mut self, memarg: &MemArg, cell: IntType<'c>, ty: IntType<'c>) -> Result<()> {
        let (value, expected) = (self.pop_cell(cell)?, self.pop_cell(cell)?);
        let place = self.atomic_place(memarg, cell)?;
        let value = self.swap_bytes(value.into())?.into_int_value();
        let expected = self.swap_bytes(expected.into())?.into_int_value();
        let pair = self.builder.build_cmpxchg(place, expected, value, ORDER, ORDER)?;
        let old = self.builder.build_extract_value(pair, 0, "")?;
        self.push_cell(old, ty)
    }

    /// A stable point: if it is interrupted, the thread polls, and the instruction is executed again.
    fn atomic_wait(&mut self, memarg: &MemArg, wide: u32) -> Result<()> {
        let types = self.unit.types;
        let operands = self.stack.split_off(self.stack.len() - 3);
        let [address, expected, timeout] = *operands else {
            return Err(internal("a wait without its operands"));
        };
        let polls = if self.unit.options.checkpoints { 0 } else { wait::WITHOUT_POLL };
        let how = self.i32(wide | polls).into();
        let place = self.effective_address(address.into_int_value(), memarg)?.into();
        let wanted =
            self.builder.build_int_z_extend_or_bit_cast(expected.into_int_value(), types.i64, "")?.into();
        let again = self.block("again");
        self.builder.build_unconditional_branch(again)?;
        self.builder.position_at_end(again);
        let result =
            self.call_helper(Helper::AtomicWait, Some(types.i32.into()), &[how, place, wanted, timeout])?;
        let result = result.ok_or_else(|| internal("a wait without its result"))?.into_int_value();
        if self.unit.options.checkpoints {
            let interrupted = self.i32(wait::INTERRUPTED);
            let interrupted = self.builder.build_int_compare(IntPredicate::EQ, result, interrupted, "")?;
            let before = self.block("interrupted");
            self.branch_unlikely(interrupted, before)?;
            let next = self.here()?;
            self.builder.position_at_end(before);
            let height = self.stack.len();
            self.stack.extend(operands);
            self.poll(PointKind::BeforeCall, self.offset)?;
            self.stack.truncate(height);
            self.builder.build_unconditional_branch(again)?;
            self.builder.position_at_end(next);
        }
        self.push(result);
        Ok(())
    }

    fn load_atomic(&mut self, place: PointerValue<'c>, cell: IntType<'c>) -> Result<BasicValueEnum<'c>> {
        let value = self.builder.build_load(cell, place, "")?;
        let load = instruction(&value)?;
        load.set_alignment(bytes(cell) as u32).map_err(|e| internal(e.to_string()))?;
        load.set_atomic_ordering(ORDER).map_err(|e| internal(e.to_string()))?;
        Ok(value)
    }

    /// Pops an integer: as much of it as is accessed.
    fn pop_cell(&mut self, cell: IntType<'c>) -> Result<IntValue<'c>> {
        let value = self.pop_int()?;
        Ok(self.builder.build_int_truncate_or_bit_cast(value, cell, "")?)
    }

    /// Pushes what was there, as an integer of this type.
    fn push_cell(&mut self, value: BasicValueEnum<'c>, ty: IntType<'c>) -> Result<()> {
        let value = self.swap_bytes(value)?.into_int_value();
        let value = self.builder.build_int_z_extend_or_bit_cast(value, ty, "")?;
        self.push(value);
        Ok(())
    }

    /// The address that an instruction names, with 64 bits.
    fn effective_address(&mut self, address: IntValue<'c>, memarg: &MemArg) -> Result<IntValue<'c>> {
        let address = self.builder.build_int_z_extend(address, self.unit.types.i64, "")?;
        Ok(self.builder.build_int_nuw_add(address, self.i64(memarg.offset), "")?)
    }

    /// Pops an address. Where the number is that is accessed there: aligned and, with explicit bounds, in memory.
    fn atomic_place(&mut self, memarg: &MemArg, cell: IntType<'c>) -> Result<PointerValue<'c>> {
        let (address, size) = (self.pop_int()?, bytes(cell));
        let count = self.i64(memarg.offset + size);
        let explicit = self.unit.options.bounds == Bounds::Explicit;
        if explicit {
            self.trap_if_outside(address, count)?;
        }
        if size > 1 {
            let at = self.effective_address(address, memarg)?;
            let rest = self.builder.build_and(at, self.i64(size - 1), "")?;
            let unaligned = self.is_true(rest)?;
            if explicit {
                self.trap_if(unaligned, TrapCode::UnalignedAtomic)?;
            } else {
                // If it is outside as well, that is what it traps for, as everywhere.
                let slow = self.block("unaligned");
                self.branch_unlikely(unaligned, slow)?;
                let on = self.here()?;
                self.builder.position_at_end(slow);
                self.trap_if_outside(address, count)?;
                let trap = self.trap_block(TrapCode::UnalignedAtomic)?;
                self.builder.build_unconditional_branch(trap)?;
                self.builder.position_at_end(on);
            }
        }
        let place = self.linear_place(address)?;
        self.offset_pointer(place, memarg.offset)
    }
}

/// How many bytes a number has.
fn bytes(cell: IntType<'_>) -> u64 {
    u64::from(cell.get_bit_width() / 8)
}
