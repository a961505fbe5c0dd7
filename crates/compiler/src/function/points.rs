//! Stable points: polls, and the landing pads that save a frame's state when a thread is stopped.

use super::Translator;
use crate::error::{Result, internal};
use inkwell::IntPredicate;
use inkwell::attributes::AttributeLoc;
use inkwell::basic_block::BasicBlock;
use inkwell::types::FunctionType;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValue, BasicValueEnum, CallSiteValue, FunctionValue, IntValue,
    LLVMTailCallKind, PointerValue,
};
use wayfarer_abi::{Helper, Point, record, vmctx};
use wayfarer_module::PointKind;

impl<'c> Translator<'_, 'c, '_> {
    /// The native stack's limit, or all ones while a request is pending: what polls read.
    fn limit(&mut self) -> Result<IntValue<'c>> {
        let place = self.offset_pointer(self.vmctx, vmctx::LIMIT)?;
        let limit = self.load_context(place, self.unit.types.i64.into(), "limit")?;
        let load = super::build::instruction(&limit)?;
        // Others write it, so it must be read each time. An atomic load would say so too, but LLVM takes that for an access
        // to all memory.
        load.set_volatile(true).map_err(|e| internal(e.to_string()))?;
        load.set_alignment(8).map_err(|e| internal(e.to_string()))?;
        Ok(limit.into_int_value())
    }

    /// At a function's entry: one comparison finds out both that the stack is short and that a request is pending. Then
    /// control goes to another function, in tail position: nothing is to be kept here, and no frame is needed for it.
    pub(super) fn entry_poll(&mut self) -> Result<()> {
        let stack = self.stack_pointer()?;
        let limit = self.limit()?;
        let stop = self.builder.build_int_compare(IntPredicate::ULT, stack, limit, "")?;
        let slow = self.block("poll");
        self.branch_unlikely(stop, slow)?;
        let on = self.here()?;
        self.builder.position_at_end(slow);
        if self.leaves_at_polls() {
            self.leave_at_entry(stack)?;
        } else {
            self.stop_and_return(Helper::Entry, PointKind::Entry, self.points_offset()?)?;
            self.builder.build_unconditional_branch(on)?;
        }
        self.builder.position_at_end(on);
        self.others_may_write()
    }

    /// Whether a frame that finds a request is left for good.
    pub(super) fn leaves_at_polls(&self) -> bool {
        self.unit.options.checkpoints && !self.unit.options.precise
    }

    /// Has [`Unit::stopped`] save the frame's state, which is what the function was called with, and leave.
    fn leave_at_entry(&mut self, stack: IntValue<'c>) -> Result<()> {
        let place = self.offset_pointer(self.vmctx, vmctx::STACK)?;
        self.store_context(place, stack.into())?;
        let args: Vec<BasicMetadataValueEnum<'c>> = self.func.get_param_iter().map(Into::into).collect();
        let call = self.builder.build_call(self.unit.stopped(self.index), &args, "")?;
        self.unit.mark_guest_call(call);
        call.add_attribute(AttributeLoc::Function, self.unit.attributes.cold);
        call.set_tail_call_kind(LLVMTailCallKind::LLVMTailCallKindTail);
        let value = call.try_as_basic_value().basic();
        self.builder.build_return(value.as_ref().map(|value| value as &dyn BasicValue<'c>))?;
        Ok(())
    }

    /// The body of [`Unit::stopped`]. It never returns, but LLVM is not told: what does not return is not called in tail
    /// position. So there are results, from nowhere.
    pub(super) fn stopped_at_entry(&mut self) -> Result<()> {
        self.save_frame(PointKind::Entry, self.points_offset()?)?;
        let (helper, ty) = self.helper(Helper::LeaveEntry, Some(self.unit.types.ptr.into()), &[])?;
        let call = self.builder.build_indirect_call(ty, helper, &[self.vmctx.into()], "")?;
        let nowhere =
            call.try_as_basic_value().basic().ok_or_else(|| internal("no value"))?.into_pointer_value();
        let results = self.unit.module.func_type(self.index).results.clone();
        let results = self.load_slots(nowhere, &results)?;
        self.return_values(&results)
    }

    /// Where the stack is, or about where: at some place in this function. The compiler must not know that it is asked
    /// for, or it would make the frame before.
    fn stack_pointer(&mut self) -> Result<IntValue<'c>> {
        let i64 = self.unit.types.i64;
        let ty = i64.fn_type(&[], false);
        let asm = self.unit.context.create_inline_asm(
            ty,
            self.unit.read_stack_pointer.to_owned(),
            "=r".to_owned(),
            false,
            false,
            None,
            false,
        );
        let call = self.builder.build_indirect_call(ty, asm, &[], "stack")?;
        call.add_attribute(AttributeLoc::Function, self.unit.attributes.nounwind);
        let value = call.try_as_basic_value().basic().ok_or_else(|| internal("no value"))?;
        Ok(value.into_int_value())
    }

    /// At a loop header or before a call that is made again: on if no request is pending.
    pub(super) fn poll(&mut self, kind: PointKind, offset: u32) -> Result<()> {
        if !self.unit.options.checkpoints {
            return Ok(());
        }
        let limit = self.limit()?;
        // All ones; no address is negative.
        let zero = limit.get_type().const_zero();
        let pending = self.builder.build_int_compare(IntPredicate::SLT, limit, zero, "")?;
        let slow = self.block("poll");
        self.branch_unlikely(pending, slow)?;
        let on = self.here()?;
        self.builder.position_at_end(slow);
        if self.leaves_at_polls() {
            self.leave(kind, offset)?;
        } else {
            self.stop_and_return(Helper::Poll, kind, offset)?;
            self.builder.build_unconditional_branch(on)?;
        }
        self.builder.position_at_end(on);
        self.others_may_write()
    }

    /// Saves the frame's state, and leaves: what is done with the request, this frame is not continued. So what is live
    /// here costs nothing where no request is pending.
    fn leave(&mut self, kind: PointKind, offset: u32) -> Result<()> {
        self.save_frame(kind, offset)?;
        let (helper, ty) = self.helper(Helper::Leave, None, &[])?;
        let call = self.builder.build_indirect_call(ty, helper, &[self.vmctx.into()], "")?;
        for attribute in [self.unit.attributes.cold, self.unit.attributes.noreturn] {
            call.add_attribute(AttributeLoc::Function, attribute);
        }
        self.builder.build_unreachable()?;
        Ok(())
    }

    /// Has the request served, and goes on if that is all.
    fn stop_and_return(&mut self, helper: Helper, kind: PointKind, offset: u32) -> Result<()> {
        let (callee, ty) = self.helper(helper, None, &[])?;
        let call = self.stoppable_call(ty, Callee::Pointer(callee), &[self.vmctx.into()], kind, offset)?;
        call.add_attribute(AttributeLoc::Function, self.unit.attributes.cold);
        // It only reads what the guest can see: whoever changes that unwinds the frame.
        call.add_attribute(AttributeLoc::Function, self.unit.attributes.only_reads);
        // Without anything in it the block would go, and what was in registers come back from memory on the other way, too.
        self.barrier()
    }

    /// The offset of the function's entry as a stable point.
    fn points_offset(&self) -> Result<u32> {
        let module = self.unit.module;
        let body = module.funcs[self.index as usize]
            .body
            .as_ref()
            .ok_or_else(|| internal("an imported function"))?;
        Ok((body.start - module.code_start) as u32)
    }

    /// Calls something that may stop the thread while this frame stands at a stable point. The operand stack is as the
    /// stable point has it.
    pub(super) fn stoppable_call(
        &mut self,
        ty: FunctionType<'c>,
        callee: Callee<'c>,
        args: &[BasicMetadataValueEnum<'c>],
        kind: PointKind,
        offset: u32,
    ) -> Result<CallSiteValue<'c>> {
        if !self.unit.options.checkpoints {
            return Ok(match callee {
                Callee::Pointer(callee) => self.builder.build_indirect_call(ty, callee, args, "")?,
                Callee::Function(callee) => self.builder.build_call(callee, args, "")?,
            });
        }
        let pad = self.landing_pad(kind, offset)?;
        let next = self.block("");
        let args =
            args.iter().map(|&arg| BasicValueEnum::try_from(arg)).collect::<std::result::Result<Vec<_>, _>>();
        let args = args.map_err(|()| internal("an argument that is no value"))?;
        let call = match callee {
            Callee::Pointer(callee) => {
                self.builder.build_indirect_invoke(ty, callee, &args, next, pad, "")?
            }
            Callee::Function(callee) => self.builder.build_direct_invoke(callee, &args, next, pad, "")?,
        };
        self.builder.position_at_end(next);
        Ok(call)
    }

    /// A block that saves the frame's state at this stable point, and lets the unwind go on.
    fn landing_pad(&mut self, kind: PointKind, offset: u32) -> Result<BasicBlock<'c>> {
        let here = self.here()?;
        let pad = self.block("pad");
        self.builder.position_at_end(pad);
        let exception = self.builder.build_landing_pad(
            self.unit.types.exception,
            self.unit.personality(),
            &[],
            true,
            "",
        )?;
        self.save_frame(kind, offset)?;
        self.builder.build_resume(exception)?;
        self.builder.position_at_end(here);
        Ok(pad)
    }

    /// Appends the frame's record to the capture area.
    fn save_frame(&mut self, kind: PointKind, offset: u32) -> Result<()> {
        let source = self.source.clone();
        let point = source.points.find(kind, offset).ok_or_else(|| {
            internal(format!("function {}: {kind:?} at {offset} is no stable point", self.index))
        })?;
        if point.stack.len() != self.stack.len() {
            return Err(internal(format!("function {}: another stack at {kind:?} {offset}", self.index)));
        }
        let live: Vec<u32> = (0..).zip(&point.live).filter(|(_, live)| **live).map(|(at, _)| at).collect();
        let mut slots = point.stack.iter().map(|ty| ty.slots()).sum::<u32>();
        let mut values = Vec::with_capacity(live.len() + self.stack.len());
        for local in live {
            let (ty, place) = self.variable(local)?;
            slots += ty.slots();
            values.push(self.builder.build_load(self.local_type(ty), place, "")?);
        }
        values.extend(&self.stack);
        let kind = match kind {
            PointKind::Entry => Point::Entry,
            PointKind::Loop => Point::Loop,
            PointKind::Call => Point::Call,
            PointKind::BeforeCall => Point::BeforeCall,
        };
        let capture = self.offset_pointer(self.vmctx, vmctx::CAPTURE)?;
        let at = self.load_context(capture, self.unit.types.ptr.into(), "record")?.into_pointer_value();
        let header = [
            (record::FUNC, self.index),
            (record::KIND, kind as u32),
            (record::OFFSET, offset),
            (record::SLOTS, slots),
        ];
        for (field, value) in header {
            let place = self.offset_pointer(at, field)?;
            let value = self.i32(value).into();
            self.store_context(place, value)?;
        }
        let room = self.offset_pointer(at, record::SIZE)?;
        self.store_slots(room, &values)?;
        let next = self.offset_pointer(room, 8 * u64::from(slots))?;
        self.store_context(capture, next.into())?;
        Ok(())
    }

    /// Stores values to slots, from the first on.
    pub(super) fn store_slots(
        &mut self,
        first: PointerValue<'c>,
        values: &[BasicValueEnum<'c>],
    ) -> Result<()> {
        let mut slot = 0;
        for &value in values {
            slot += self.store_slot(first, slot, value)?;
        }
        Ok(())
    }

    /// Stores a value to a slot, or two; how many.
    fn store_slot(&mut self, first: PointerValue<'c>, slot: u64, value: BasicValueEnum<'c>) -> Result<u64> {
        let types = self.unit.types;
        let bits = match value {
            BasicValueEnum::IntValue(value) => value,
            BasicValueEnum::FloatValue(value) if value.get_type() == types.f32 => {
                self.builder.build_bit_cast(value, types.i32, "")?.into_int_value()
            }
            BasicValueEnum::FloatValue(value) => {
                self.builder.build_bit_cast(value, types.i64, "")?.into_int_value()
            }
            BasicValueEnum::VectorValue(value) => {
                for half in 0..2 {
                    let place = self.offset_pointer(first, 8 * (slot + half))?;
                    let lane = self.i32(half as u32);
                    let bits = self.builder.build_extract_element(value, lane, "")?;
                    self.store_context(place, bits)?;
                }
                return Ok(2);
            }
            other => return Err(internal(format!("{other} has no slot"))),
        };
        let place = self.offset_pointer(first, 8 * slot)?;
        let bits = match bits.get_type() == types.i64 {
            true => bits,
            false => self.builder.build_int_z_extend(bits, types.i64, "")?,
        };
        self.store_context(place, bits.into())?;
        Ok(1)
    }

    /// Loads values of these types from slots, from the first on.
    pub(super) fn load_slots(
        &mut self,
        first: PointerValue<'c>,
        types: &[wayfarer_module::ValType],
    ) -> Result<Vec<BasicValueEnum<'c>>> {
        let llvm = self.unit.types;
        let mut slot = 0;
        let mut values = Vec::with_capacity(types.len());
        for &ty in types {
            let place = self.offset_pointer(first, 8 * slot)?;
            let low = self.load_context(place, llvm.i64.into(), "")?.into_int_value();
            values.push(match ty {
                wayfarer_module::ValType::I32 => self.builder.build_int_truncate(low, llvm.i32, "")?.into(),
                wayfarer_module::ValType::F32 => {
                    let bits = self.builder.build_int_truncate(low, llvm.i32, "")?;
                    self.builder.build_bit_cast(bits, llvm.f32, "")?
                }
                wayfarer_module::ValType::F64 => self.builder.build_bit_cast(low, llvm.f64, "")?,
                wayfarer_module::ValType::V128 => {
                    let place = self.offset_pointer(first, 8 * (slot + 1))?;
                    let high = self.load_context(place, llvm.i64.into(), "")?.into_int_value();
                    let (zero, one) = (self.i32(0), self.i32(1));
                    let half = self.builder.build_insert_element(llvm.v128.get_undef(), low, zero, "")?;
                    self.builder.build_insert_element(half, high, one, "")?.into()
                }
                _ => low.into(),
            });
            slot += u64::from(ty.slots());
        }
        Ok(values)
    }
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callee<'c> {
    Function(FunctionValue<'c>),
    Pointer(PointerValue<'c>),
}
