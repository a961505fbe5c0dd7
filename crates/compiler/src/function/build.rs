//! What the translation of every instruction is built with: the operand stack, traps, the context, helper functions.

use super::Translator;
use crate::error::{Result, internal};
use inkwell::attributes::AttributeLoc;
use inkwell::basic_block::BasicBlock;
use inkwell::intrinsics::Intrinsic;
use inkwell::types::{BasicMetadataTypeEnum, BasicType, BasicTypeEnum, FunctionType, IntType, VectorType};
use inkwell::values::{
    AsValueRef, BasicMetadataValueEnum, BasicValue, BasicValueEnum, FloatValue, FunctionValue,
    InstructionValue, IntValue, PointerValue, VectorValue,
};
use inkwell::{AtomicOrdering, IntPredicate};
use wayfarer_abi::{Helper, TrapCode, vmctx};
use wayfarer_module::ValType;

impl<'c> Translator<'_, 'c, '_> {
    pub(super) fn push(&mut self, value: impl BasicValue<'c>) {
        self.stack.push(value.as_basic_value_enum());
    }

    pub(super) fn pop(&mut self) -> Result<BasicValueEnum<'c>> {
        self.stack.pop().ok_or_else(|| internal("the operand stack is empty"))
    }

    /// Pops an i32, i64 or reference.
    pub(super) fn pop_int(&mut self) -> Result<IntValue<'c>> {
        match self.pop()? {
            BasicValueEnum::IntValue(value) => Ok(value),
            other => Err(internal(format!("an integer was expected, not {other}"))),
        }
    }

    /// Pops an f32 or f64.
    pub(super) fn pop_float(&mut self) -> Result<FloatValue<'c>> {
        match self.pop()? {
            BasicValueEnum::FloatValue(value) => Ok(value),
            other => Err(internal(format!("a float was expected, not {other}"))),
        }
    }

    /// Pops a v128 as a vector of `ty`.
    pub(super) fn pop_vector(&mut self, ty: VectorType<'c>) -> Result<VectorValue<'c>> {
        match self.pop()? {
            BasicValueEnum::VectorValue(value) => self.cast_vector(value, ty),
            other => Err(internal(format!("a vector was expected, not {other}"))),
        }
    }

    /// Pushes a vector of any shape of 128 bits.
    pub(super) fn push_vector(&mut self, value: VectorValue<'c>) -> Result<()> {
        let value = self.cast_vector(value, self.unit.types.v128)?;
        self.push(value);
        Ok(())
    }

    /// The same 128 bits in lanes of another type.
    ///
    /// LLVM's lane n is WebAssembly's lane n, for each type of lanes, and holds the number that WebAssembly's does. In
    /// WebAssembly the lanes of a narrower type are parts of wider lanes, low part first. For LLVM a cast is a store and a
    /// load, so that on a big-endian target it finds the high part first: the narrower lanes have to be reversed within
    /// each of the wider ones. (Casts that undo each other still cancel out.) Likewise a vector is loaded and stored lane
    /// by lane, each with its bytes swapped there, see `swap_bytes`.
    pub(super) fn cast_vector(
        &mut self,
        value: VectorValue<'c>,
        ty: VectorType<'c>,
    ) -> Result<VectorValue<'c>> {
        let from = value.get_type();
        if from == ty {
            return Ok(value);
        }
        if from == self.unit.types.v128
            && let Some(bits) = constant_bits(value)
        {
            return self.constant_lanes(bits, ty);
        }
        let (before, after) = (from.get_size(), ty.get_size());
        if !self.unit.big_endian || before == after {
            return Ok(self.builder.build_bit_cast(value, ty, "")?.into_vector_value());
        }
        let reverse = |this: &Self, value: VectorValue<'c>, lanes: u32, group: u32| {
            let order: Vec<u32> = (0..lanes).map(|lane| lane ^ (group - 1)).collect();
            this.shuffle(value, value, &order)
        };
        if before > after {
            let value = reverse(self, value, before, before / after)?;
            return Ok(self.builder.build_bit_cast(value, ty, "")?.into_vector_value());
        }
        let value = self.builder.build_bit_cast(value, ty, "")?.into_vector_value();
        reverse(self, value, after, after / before)
    }

    /// A constant in lanes of this type: not left to LLVM, so that it is seen what it is.
    fn constant_lanes(&self, bits: u128, ty: VectorType<'c>) -> Result<VectorValue<'c>> {
        let types = self.unit.types;
        let lanes = ty.get_size();
        let lane_bits = |lane: u32| (bits >> (lane * (128 / lanes))) as u64;
        let ints = |int: IntType<'c>| {
            (0..lanes).map(|lane| int.const_int(lane_bits(lane), false)).collect::<Vec<_>>()
        };
        let float = match ty.get_element_type() {
            BasicTypeEnum::FloatType(float) => float,
            other => return Ok(VectorType::const_vector(&ints(other.into_int_type()))),
        };
        let ints = ints(if float == types.f32 { types.i32 } else { types.i64 });
        let floats = ints.into_iter().map(|bits| self.builder.build_bit_cast(bits, float, ""));
        Ok(VectorType::const_vector(&floats.collect::<std::result::Result<Vec<_>, _>>()?))
    }

    /// Lanes of `a`, then of `b`, by number.
    pub(super) fn shuffle(
        &self,
        a: VectorValue<'c>,
        b: VectorValue<'c>,
        lanes: &[u32],
    ) -> Result<VectorValue<'c>> {
        let lanes: Vec<IntValue<'c>> = lanes.iter().map(|&lane| self.i32(lane)).collect();
        Ok(self.builder.build_shuffle_vector(a, b, VectorType::const_vector(&lanes), "")?)
    }

    /// A constant v128.
    pub(super) fn v128(&self, bits: u128) -> VectorValue<'c> {
        VectorType::const_vector(&[self.i64(bits as u64), self.i64((bits >> 64) as u64)])
    }

    /// A v128 from its low and high 64 bits.
    pub(super) fn join_halves(
        &mut self,
        low: BasicValueEnum<'c>,
        high: BasicValueEnum<'c>,
    ) -> Result<VectorValue<'c>> {
        let vector = self.unit.types.v128.get_poison();
        let vector = self.builder.build_insert_element(vector, low, self.i32(0), "")?;
        Ok(self.builder.build_insert_element(vector, high, self.i32(1), "")?)
    }

    /// The low and high 64 bits of a v128.
    pub(super) fn split_halves(
        &mut self,
        value: VectorValue<'c>,
    ) -> Result<(BasicValueEnum<'c>, BasicValueEnum<'c>)> {
        let low = self.builder.build_extract_element(value, self.i32(0), "")?;
        Ok((low, self.builder.build_extract_element(value, self.i32(1), "")?))
    }

    /// A scalar in all lanes.
    pub(super) fn splat(&mut self, value: impl BasicValue<'c>, lanes: u32) -> Result<VectorValue<'c>> {
        let ty = match value.as_basic_value_enum().get_type() {
            BasicTypeEnum::IntType(ty) => ty.vec_type(lanes),
            BasicTypeEnum::FloatType(ty) => ty.vec_type(lanes),
            other => return Err(internal(format!("{other} is no lane"))),
        };
        let vector = self.builder.build_insert_element(ty.get_poison(), value, self.i32(0), "")?;
        self.shuffle(vector, vector, &vec![0; lanes as usize])
    }

    pub(super) fn i32(&self, value: u32) -> IntValue<'c> {
        self.unit.types.i32.const_int(u64::from(value), false)
    }

    pub(super) fn i64(&self, value: u64) -> IntValue<'c> {
        self.unit.types.i64.const_int(value, false)
    }

    pub(super) fn local_type(&self, ty: ValType) -> BasicTypeEnum<'c> {
        self.unit.value_type(ty)
    }

    /// Appends a block to the function.
    pub(super) fn block(&self, name: &str) -> BasicBlock<'c> {
        self.unit.context.append_basic_block(self.func, name)
    }

    /// The block that instructions are added to.
    pub(super) fn here(&self) -> Result<BasicBlock<'c>> {
        self.builder.get_insert_block().ok_or_else(|| internal("no block is being built"))
    }

    /// Branches to `unlikely` if the condition holds; goes on behind.
    pub(super) fn branch_unlikely(
        &mut self,
        condition: IntValue<'c>,
        unlikely: BasicBlock<'c>,
    ) -> Result<()> {
        let next = self.block("");
        let branch = self.builder.build_conditional_branch(condition, unlikely, next)?;
        self.unit.mark_unlikely(branch);
        self.builder.position_at_end(next);
        Ok(())
    }

    /// Traps if the condition holds.
    pub(super) fn trap_if(&mut self, condition: IntValue<'c>, code: TrapCode) -> Result<()> {
        if condition.get_zero_extended_constant() == Some(0) {
            return Ok(());
        }
        let block = self.trap_block(code)?;
        self.branch_unlikely(condition, block)
    }

    /// The function's block that traps for this reason.
    pub(super) fn trap_block(&mut self, code: TrapCode) -> Result<BasicBlock<'c>> {
        if let Some(&block) = self.traps.get(&code) {
            return Ok(block);
        }
        let block = self.block("trap");
        let here = self.here()?;
        self.builder.position_at_end(block);
        self.trap(code)?;
        self.builder.position_at_end(here);
        self.traps.insert(code, block);
        Ok(block)
    }

    /// Ends the current block with a trap.
    pub(super) fn trap(&mut self, code: TrapCode) -> Result<()> {
        let code = self.i32(code as u32);
        let (callee, ty) = self.helper(Helper::Trap, None, &[code.into()])?;
        let call = self.builder.build_indirect_call(ty, callee, &[self.vmctx.into(), code.into()], "")?;
        for attribute in
            [self.unit.attributes.noreturn, self.unit.attributes.nounwind, self.unit.attributes.cold]
        {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
        self.builder.build_unreachable()?;
        Ok(())
    }

    /// A helper's address and type, for arguments (without the context) of these types.
    pub(super) fn helper(
        &mut self,
        helper: Helper,
        result: Option<BasicTypeEnum<'c>>,
        args: &[BasicValueEnum<'c>],
    ) -> Result<(PointerValue<'c>, FunctionType<'c>)> {
        let mut params: Vec<BasicMetadataTypeEnum<'c>> = vec![self.unit.types.ptr.into()];
        params.extend(args.iter().map(|arg| BasicMetadataTypeEnum::from(arg.get_type())));
        let ty = match result {
            Some(result) => result.fn_type(&params, false),
            None => self.unit.context.void_type().fn_type(&params, false),
        };
        let table = self.context_word(vmctx::HELPERS, "helpers")?;
        let place = self.offset_pointer(table, 8 * helper as u64)?;
        let address = self.load_invariant(place, self.unit.types.ptr.into(), "helper")?.into_pointer_value();
        Ok((address, ty))
    }

    /// Calls a helper that neither stops the thread at a stable point nor lets anything else do so; it may trap.
    pub(super) fn call_helper(
        &mut self,
        helper: Helper,
        result: Option<BasicTypeEnum<'c>>,
        args: &[BasicValueEnum<'c>],
    ) -> Result<Option<BasicValueEnum<'c>>> {
        let (callee, ty) = self.helper(helper, result, args)?;
        let mut all: Vec<BasicMetadataValueEnum<'c>> = vec![self.vmctx.into()];
        all.extend(args.iter().map(|&arg| BasicMetadataValueEnum::from(arg)));
        let call = self.builder.build_indirect_call(ty, callee, &all, "")?;
        call.add_attribute(AttributeLoc::Function, self.unit.attributes.nounwind);
        Ok(call.try_as_basic_value().basic())
    }

    /// `pointer + offset` (bytes).
    pub(super) fn offset_pointer(
        &mut self,
        pointer: PointerValue<'c>,
        offset: u64,
    ) -> Result<PointerValue<'c>> {
        if offset == 0 {
            return Ok(pointer);
        }
        let offset = self.i64(offset);
        self.index_pointer(pointer, offset)
    }

    /// `pointer + offset` (bytes).
    pub(super) fn index_pointer(
        &mut self,
        pointer: PointerValue<'c>,
        offset: IntValue<'c>,
    ) -> Result<PointerValue<'c>> {
        // SAFETY: only says that LLVM may assume that the result is inside what `pointer` points into: the context's
        // structures have these fields, and a memory reserves all that can be addressed.
        Ok(unsafe { self.builder.build_in_bounds_gep(self.unit.types.i8, pointer, &[offset], "")? })
    }

    /// A word of the context that never changes, as a pointer.
    pub(super) fn context_word(&mut self, offset: u64, name: &str) -> Result<PointerValue<'c>> {
        let place = self.offset_pointer(self.vmctx, offset)?;
        Ok(self.load_invariant(place, self.unit.types.ptr.into(), name)?.into_pointer_value())
    }

    /// Loads something of the runtime's that never changes while the function runs.
    pub(super) fn load_invariant(
        &mut self,
        from: PointerValue<'c>,
        ty: BasicTypeEnum<'c>,
        name: &str,
    ) -> Result<BasicValueEnum<'c>> {
        let value = self.load_context(from, ty, name)?;
        self.unit.mark_invariant(instruction(&value)?);
        Ok(value)
    }

    /// Loads the address of code that the runtime puts there while other code runs.
    pub(super) fn load_published(&mut self, from: PointerValue<'c>, name: &str) -> Result<PointerValue<'c>> {
        let value = self.load_context(from, self.unit.types.ptr.into(), name)?;
        let load = instruction(&value)?;
        load.set_alignment(8).map_err(|e| internal(e.to_string()))?;
        // What is there was complete before: whoever has the address has the code.
        load.set_atomic_ordering(AtomicOrdering::Monotonic).map_err(|e| internal(e.to_string()))?;
        Ok(value.into_pointer_value())
    }

    /// Loads something of the runtime's.
    pub(super) fn load_context(
        &mut self,
        from: PointerValue<'c>,
        ty: BasicTypeEnum<'c>,
        name: &str,
    ) -> Result<BasicValueEnum<'c>> {
        let value = self.builder.build_load(ty, from, name)?;
        self.unit.mark_context(instruction(&value)?);
        Ok(value)
    }

    /// Stores to something of the runtime's.
    pub(super) fn store_context(&mut self, to: PointerValue<'c>, value: BasicValueEnum<'c>) -> Result<()> {
        let store = self.builder.build_store(to, value)?;
        self.unit.mark_context(store);
        Ok(())
    }

    /// Calls an LLVM intrinsic, e.g. `llvm.ctpop` for the types `[i32]`.
    pub(super) fn intrinsic(
        &mut self,
        name: &str,
        types: &[BasicTypeEnum<'c>],
        args: &[BasicMetadataValueEnum<'c>],
    ) -> Result<BasicValueEnum<'c>> {
        let func = self.intrinsic_function(name, types)?;
        self.builder
            .build_call(func, args, "")?
            .try_as_basic_value()
            .basic()
            .ok_or_else(|| internal(format!("{name} has no result")))
    }

    pub(super) fn intrinsic_function(
        &self,
        name: &str,
        types: &[BasicTypeEnum<'c>],
    ) -> Result<FunctionValue<'c>> {
        Intrinsic::find(name)
            .and_then(|intrinsic| intrinsic.get_declaration(&self.unit.llvm, types))
            .ok_or_else(|| internal(format!("LLVM has no {name}")))
    }

    /// `condition` as an i32, 0 or 1.
    pub(super) fn bool_to_i32(&mut self, condition: IntValue<'c>) -> Result<IntValue<'c>> {
        Ok(self.builder.build_int_z_extend(condition, self.unit.types.i32, "")?)
    }

    /// Whether an integer is not zero.
    pub(super) fn is_true(&mut self, value: IntValue<'c>) -> Result<IntValue<'c>> {
        Ok(self.builder.build_int_compare(IntPredicate::NE, value, value.get_type().const_zero(), "")?)
    }
}

/// The instruction that makes this value.
pub(super) fn instruction<'c>(value: &BasicValueEnum<'c>) -> Result<InstructionValue<'c>> {
    value
        .as_instruction_value()
        .ok_or_else(|| internal(format!("{:?} is no instruction", value.as_value_ref())))
}

/// The bits of a v128 that is a constant.
fn constant_bits(value: VectorValue<'_>) -> Option<u128> {
    if value.is_null() {
        return Some(0);
    }
    if !value.is_constant_data_vector() {
        return None;
    }
    let half = |lane| match value.get_element_as_constant(lane) {
        BasicValueEnum::IntValue(half) => half.get_zero_extended_constant(),
        _ => None,
    };
    Some(u128::from(half(0)?) | u128::from(half(1)?) << 64)
}
