//! Linear memory: loads, stores, its size, bulk operations.
//!
//! A load outside memory traps even if nobody uses what it loads, which LLVM does not know: see `loaded`.

use super::Translator;
use super::build::instruction;
use crate::error::{Result, internal};
use crate::options::Bounds;
use inkwell::types::{BasicType, BasicTypeEnum, IntType};
use inkwell::values::{BasicValueEnum, IntValue, PointerValue};
use inkwell::{AtomicOrdering, IntPredicate};
use wasmparser::{MemArg, Operator};
use wayfarer_abi::{Helper, TrapCode, vmctx};

/// `memory.copy` and `memory.fill` of so many bytes, if the number is a constant, are done in place.
const IN_PLACE: u64 = 64;

const PAGE_SHIFT: u64 = 16;

/// How what was loaded becomes a wider integer.
#[derive(Clone, Copy)]
enum Extension {
    Sign,
    Zero,
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn memory_access(&mut self, operator: &Operator<'_>) -> Result<bool> {
        use Extension::{Sign, Zero};
        let types = self.unit.types;
        let (i8, i16, i32, i64) = (types.i8, types.i16, types.i32, types.i64);
        match *operator {
            Operator::I32Load { memarg } => self.load(&memarg, i32.into())?,
            Operator::I64Load { memarg } => self.load(&memarg, i64.into())?,
            Operator::F32Load { memarg } => self.load(&memarg, types.f32.into())?,
            Operator::F64Load { memarg } => self.load(&memarg, types.f64.into())?,
            Operator::I32Load8S { memarg } => self.load_narrow(&memarg, i8, i32, Sign)?,
            Operator::I32Load8U { memarg } => self.load_narrow(&memarg, i8, i32, Zero)?,
            Operator::I32Load16S { memarg } => self.load_narrow(&memarg, i16, i32, Sign)?,
            Operator::I32Load16U { memarg } => self.load_narrow(&memarg, i16, i32, Zero)?,
            Operator::I64Load8S { memarg } => self.load_narrow(&memarg, i8, i64, Sign)?,
            Operator::I64Load8U { memarg } => self.load_narrow(&memarg, i8, i64, Zero)?,
            Operator::I64Load16S { memarg } => self.load_narrow(&memarg, i16, i64, Sign)?,
            Operator::I64Load16U { memarg } => self.load_narrow(&memarg, i16, i64, Zero)?,
            Operator::I64Load32S { memarg } => self.load_narrow(&memarg, i32, i64, Sign)?,
            Operator::I64Load32U { memarg } => self.load_narrow(&memarg, i32, i64, Zero)?,
            Operator::I32Store { memarg }
            | Operator::I64Store { memarg }
            | Operator::F32Store { memarg }
            | Operator::F64Store { memarg } => {
                let value = self.pop()?;
                self.store(&memarg, value)?;
            }
            Operator::I32Store8 { memarg } | Operator::I64Store8 { memarg } => {
                self.store_narrow(&memarg, i8)?;
            }
            Operator::I32Store16 { memarg } | Operator::I64Store16 { memarg } => {
                self.store_narrow(&memarg, i16)?;
            }
            Operator::I64Store32 { memarg } => self.store_narrow(&memarg, i32)?,
            Operator::MemorySize { .. } => {
                let len = self.memory_len()?;
                let pages = self.builder.build_right_shift(len, self.i64(PAGE_SHIFT), false, "")?;
                let pages = self.builder.build_int_truncate(pages, i32, "")?;
                self.push(pages);
            }
            Operator::MemoryGrow { .. } => {
                let pages = self.pop()?;
                self.push_helper(Helper::MemoryGrow, i32.into(), &[pages])?;
            }
            Operator::MemoryCopy { .. } => self.memory_copy()?,
            Operator::MemoryFill { .. } => self.memory_fill()?,
            Operator::MemoryInit { data_index, .. } => {
                let (count, from, to) = (self.pop()?, self.pop()?, self.pop()?);
                let segment = self.i32(data_index).into();
                self.call_helper(Helper::MemoryInit, None, &[segment, to, from, count])?;
            }
            Operator::DataDrop { data_index } => {
                let segment = self.i32(data_index).into();
                self.call_helper(Helper::DataDrop, None, &[segment])?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Pushes a helper's result.
    pub(super) fn push_helper(
        &mut self,
        helper: Helper,
        result: BasicTypeEnum<'c>,
        args: &[BasicValueEnum<'c>],
    ) -> Result<()> {
        let value = self.call_helper(helper, Some(result), args)?;
        self.push(value.ok_or_else(|| internal(format!("{helper:?} has no result")))?);
        Ok(())
    }

    fn load(&mut self, memarg: &MemArg, ty: BasicTypeEnum<'c>) -> Result<()> {
        let value = self.load_value(memarg, ty)?;
        self.loaded(value)?;
        self.push(value);
        Ok(())
    }

    fn load_narrow(
        &mut self,
        memarg: &MemArg,
        from: IntType<'c>,
        to: IntType<'c>,
        how: Extension,
    ) -> Result<()> {
        let value = self.load_value(memarg, from.into())?.into_int_value();
        let value = match how {
            Extension::Sign => self.builder.build_int_s_extend(value, to, "")?,
            Extension::Zero => self.builder.build_int_z_extend(value, to, "")?,
        };
        self.loaded(value.into())?;
        self.push(value);
        Ok(())
    }

    /// Has a load executed whatever becomes of its value, where it is the load that traps if it is outside.
    pub(super) fn loaded(&mut self, value: BasicValueEnum<'c>) -> Result<()> {
        match self.unit.options.bounds {
            Bounds::Guard => self.keep_load(value),
            Bounds::Explicit => Ok(()),
        }
    }

    fn store_narrow(&mut self, memarg: &MemArg, to: IntType<'c>) -> Result<()> {
        let value = self.pop_int()?;
        let value = self.builder.build_int_truncate(value, to, "")?;
        self.store(memarg, value.into())
    }

    /// Pops an address, and loads a scalar, or a vector lane by lane. The caller has still to tell that it is `loaded`.
    pub(super) fn load_value(
        &mut self,
        memarg: &MemArg,
        ty: BasicTypeEnum<'c>,
    ) -> Result<BasicValueEnum<'c>> {
        let place = self.place(memarg, self.size_of(ty)?)?;
        let raw = self.memory_type(ty)?;
        let value = self.load_linear(place, raw)?;
        let value = self.swap_bytes(value)?;
        Ok(if raw == ty { value } else { self.builder.build_bit_cast(value, ty, "")? })
    }

    /// Pops an address, and stores a scalar, or a vector lane by lane.
    pub(super) fn store(&mut self, memarg: &MemArg, value: BasicValueEnum<'c>) -> Result<()> {
        let ty = value.get_type();
        let place = self.place(memarg, self.size_of(ty)?)?;
        let raw = self.memory_type(ty)?;
        let value = if raw == ty { value } else { self.builder.build_bit_cast(value, raw, "")? };
        let value = self.swap_bytes(value)?;
        self.store_linear(place, value)
    }

    fn load_linear(&mut self, place: PointerValue<'c>, ty: BasicTypeEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let value = self.builder.build_load(ty, place, "")?;
        let load = instruction(&value)?;
        // Addresses are what the guest says, whatever alignment it promises.
        load.set_alignment(1).map_err(|e| internal(e.to_string()))?;
        self.unit.mark_linear(load);
        Ok(value)
    }

    fn store_linear(&mut self, place: PointerValue<'c>, value: BasicValueEnum<'c>) -> Result<()> {
        let store = self.builder.build_store(place, value)?;
        store.set_alignment(1).map_err(|e| internal(e.to_string()))?;
        self.unit.mark_linear(store);
        Ok(())
    }

    /// What is loaded for a value of this type: where bytes must be swapped, integers.
    fn memory_type(&self, ty: BasicTypeEnum<'c>) -> Result<BasicTypeEnum<'c>> {
        let types = self.unit.types;
        Ok(match ty {
            BasicTypeEnum::FloatType(float) if self.unit.big_endian => {
                if float == types.f32 {
                    types.i32.into()
                } else {
                    types.i64.into()
                }
            }
            other => other,
        })
    }

    /// Memory is little-endian. An integer as it is there, or a vector of integers each as it is there.
    pub(super) fn swap_bytes(&mut self, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let ty = value.get_type();
        let lane = match ty {
            BasicTypeEnum::VectorType(vector) => vector.get_element_type(),
            other => other,
        };
        if !self.unit.big_endian || lane == self.unit.types.i8.into() {
            return Ok(value);
        }
        self.intrinsic("llvm.bswap", &[ty], &[value.into()])
    }

    fn size_of(&self, ty: BasicTypeEnum<'c>) -> Result<u64> {
        let types = self.unit.types;
        Ok(match ty {
            BasicTypeEnum::IntType(int) => u64::from(int.get_bit_width() / 8),
            BasicTypeEnum::FloatType(float) if float == types.f32 => 4,
            BasicTypeEnum::FloatType(_) => 8,
            BasicTypeEnum::VectorType(vector) => {
                u64::from(vector.get_size()) * self.size_of(vector.get_element_type())?
            }
            other => return Err(internal(format!("{other} is nothing to load"))),
        })
    }

    /// Pops an address. Where its `size` bytes are; with explicit bounds, they are in memory.
    fn place(&mut self, memarg: &MemArg, size: u64) -> Result<PointerValue<'c>> {
        let address = self.pop_int()?;
        if self.unit.options.bounds == Bounds::Explicit {
            // Neither sum can overflow: addresses and offsets have 32 bits.
            self.trap_if_outside(address, self.i64(memarg.offset + size))?;
        }
        // Two steps, so that the offset becomes part of the instruction.
        let place = self.linear_place(address)?;
        self.offset_pointer(place, memarg.offset)
    }

    /// Where in memory 0 this address is.
    pub(super) fn linear_place(&mut self, address: IntValue<'c>) -> Result<PointerValue<'c>> {
        let base = match self.memory_base {
            Some(base) => base,
            None => self.context_word(vmctx::MEMORY_BASE, "memory")?,
        };
        let address = self.builder.build_int_z_extend(address, self.unit.types.i64, "")?;
        self.index_pointer(base, address)
    }

    /// Traps unless the bytes from `address` (32 bits) on, `count` (64 bits) of them, are in memory.
    pub(super) fn trap_if_outside(&mut self, address: IntValue<'c>, count: IntValue<'c>) -> Result<()> {
        if let (Some(address), Some(count)) =
            (address.get_zero_extended_constant(), count.get_zero_extended_constant())
            && address + count <= self.least_len()
        {
            return Ok(());
        }
        let address = self.builder.build_int_z_extend(address, self.unit.types.i64, "")?;
        let end = self.builder.build_int_nuw_add(address, count, "")?;
        let len = self.memory_len()?;
        let outside = self.builder.build_int_compare(IntPredicate::UGT, end, len, "")?;
        self.trap_if(outside, TrapCode::MemoryOutOfBounds)
    }

    /// What memory 0 has at least, in bytes: it never shrinks.
    fn least_len(&self) -> u64 {
        self.unit.module.memories.first().map_or(0, |memory| memory.limits.min << PAGE_SHIFT)
    }

    /// The current length of memory 0 in bytes.
    fn memory_len(&mut self) -> Result<IntValue<'c>> {
        let place = self.context_word(vmctx::MEMORY_LEN, "length")?;
        let len = self.load_context(place, self.unit.types.i64.into(), "")?;
        let load = instruction(&len)?;
        // Another thread may grow the memory.
        load.set_alignment(8).map_err(|e| internal(e.to_string()))?;
        load.set_atomic_ordering(AtomicOrdering::Unordered).map_err(|e| internal(e.to_string()))?;
        Ok(len.into_int_value())
    }

    fn memory_copy(&mut self) -> Result<()> {
        let (count, from, to) = (self.pop_int()?, self.pop_int()?, self.pop_int()?);
        let Some(bytes) = count.get_zero_extended_constant().filter(|&bytes| bytes <= IN_PLACE) else {
            self.call_helper(Helper::MemoryCopy, None, &[to.into(), from.into(), count.into()])?;
            return Ok(());
        };
        // Nothing is written if anything is outside; and as everything is read first, the two may overlap.
        self.trap_if_outside(to, self.i64(bytes))?;
        self.trap_if_outside(from, self.i64(bytes))?;
        let (to, from) = (self.linear_place(to)?, self.linear_place(from)?);
        let mut pieces = Vec::new();
        for (offset, ty) in self.pieces(bytes) {
            let place = self.offset_pointer(from, offset)?;
            pieces.push((offset, self.load_linear(place, ty)?));
        }
        for (offset, piece) in pieces {
            let place = self.offset_pointer(to, offset)?;
            self.store_linear(place, piece)?;
        }
        Ok(())
    }

    fn memory_fill(&mut self) -> Result<()> {
        let (count, value, to) = (self.pop_int()?, self.pop_int()?, self.pop_int()?);
        let Some(bytes) = count.get_zero_extended_constant().filter(|&bytes| bytes <= IN_PLACE) else {
            self.call_helper(Helper::MemoryFill, None, &[to.into(), value.into(), count.into()])?;
            return Ok(());
        };
        self.trap_if_outside(to, self.i64(bytes))?;
        let to = self.linear_place(to)?;
        // The byte eight times.
        let types = self.unit.types;
        let byte = self.builder.build_int_truncate(value, types.i8, "")?;
        let word = self.builder.build_int_z_extend(byte, types.i64, "")?;
        let word = self.builder.build_int_mul(word, self.i64(0x0101_0101_0101_0101), "")?;
        for (offset, ty) in self.pieces(bytes) {
            let place = self.offset_pointer(to, offset)?;
            let piece = match ty {
                BasicTypeEnum::IntType(int) => {
                    self.builder.build_int_truncate_or_bit_cast(word, int, "")?.into()
                }
                _ => self.splat(word, 2)?.into(),
            };
            self.store_linear(place, piece)?;
        }
        Ok(())
    }

    /// So many bytes in as few pieces as possible: offset and type of each.
    fn pieces(&self, bytes: u64) -> Vec<(u64, BasicTypeEnum<'c>)> {
        let types = self.unit.types;
        let sizes: [(u64, BasicTypeEnum<'c>); 5] = [
            (16, types.v128.as_basic_type_enum()),
            (8, types.i64.into()),
            (4, types.i32.into()),
            (2, types.i16.into()),
            (1, types.i8.into()),
        ];
        let mut pieces = Vec::new();
        let mut offset = 0;
        for (size, ty) in sizes {
            while bytes - offset >= size {
                pieces.push((offset, ty));
                offset += size;
            }
        }
        pieces
    }
}
