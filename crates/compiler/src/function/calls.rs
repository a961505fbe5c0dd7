//! Calls: of functions of the module, through tables, of everything else through the runtime.

use super::Translator;
use super::points::Callee;
use crate::error::{Result, internal};
use crate::unit::Unit;
use inkwell::IntPredicate;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValue, BasicValueEnum, CallSiteValue, IntValue, LLVMTailCallKind,
    PointerValue,
};
use wayfarer_abi::{Helper, TrapCode, func, table, vmctx};
use wayfarer_module::{FuncType, PointKind};

impl<'c> Translator<'_, 'c, '_> {
    /// Takes the arguments of a function of this type from the operand stack.
    fn take_args(&mut self, ty: &FuncType) -> Vec<BasicValueEnum<'c>> {
        self.stack.split_off(self.stack.len() - ty.params.len())
    }

    pub(super) fn call(&mut self, index: u32) -> Result<()> {
        let module = self.unit.module;
        let ty = module.func_type(index).clone();
        if index < module.num_imported_funcs {
            let callee = self.imported(index)?;
            return self.call_any(callee, &ty, None);
        }
        let args = self.take_args(&ty);
        self.call_code(Callee::Function(self.unit.func(index)), &ty, &args)
    }

    /// Address of an imported function.
    fn imported(&mut self, index: u32) -> Result<PointerValue<'c>> {
        let module = self.unit.module;
        let (globals, tables) = (module.globals.len() as u32, module.tables.len() as u32);
        self.context_word(vmctx::import(globals, tables, index), "import")
    }

    /// Calls compiled code of this instance; the arguments are off the stack, the results come onto it.
    fn call_code(&mut self, callee: Callee<'c>, ty: &FuncType, args: &[BasicValueEnum<'c>]) -> Result<()> {
        let mut all: Vec<BasicMetadataValueEnum<'c>> = vec![self.vmctx.into()];
        all.extend(args.iter().map(|&arg| BasicMetadataValueEnum::from(arg)));
        let llvm = self.unit.func_type(ty);
        let call = self.stoppable_call(llvm, callee, &all, PointKind::Call, self.offset)?;
        self.unit.mark_guest_call(call);
        self.push_results(call, ty)
    }

    /// Pushes what a call of compiled code returned.
    pub(super) fn push_results(&mut self, call: CallSiteValue<'c>, ty: &FuncType) -> Result<()> {
        let returned =
            || call.try_as_basic_value().basic().ok_or_else(|| internal("a call without its result"));
        match &*ty.results {
            [] => {}
            [_] => self.stack.push(returned()?),
            many if Unit::results_in_memory(many) => {
                let area = self.results_area()?;
                let values = self.load_slots(area, many)?;
                self.stack.extend(values);
            }
            many => {
                let all = returned()?.into_struct_value();
                for at in 0..many.len() {
                    let value = self.builder.build_extract_value(all, at as u32, "")?;
                    self.stack.push(value);
                }
            }
        }
        Ok(())
    }

    /// The thread's result area. It is the same for as long as a function runs.
    pub(super) fn results_area(&mut self) -> Result<PointerValue<'c>> {
        self.context_word(vmctx::RESULTS, "results")
    }

    /// Calls any function through the runtime. The arguments are on the stack, and above them the table index that led
    /// to the function, if one did.
    fn call_any(
        &mut self,
        callee: PointerValue<'c>,
        ty: &FuncType,
        index: Option<IntValue<'c>>,
    ) -> Result<()> {
        let again = self.block("again");
        self.builder.build_unconditional_branch(again)?;
        self.builder.position_at_end(again);
        let args = self.take_args(ty);
        let slots = self.slots(ty.param_slots().max(ty.result_slots()))?;
        self.store_slots(slots, &args)?;
        let (helper, helper_type) =
            self.helper(Helper::Call, Some(self.unit.types.i32.into()), &[callee.into(), slots.into()])?;
        let call = self.stoppable_call(
            helper_type,
            Callee::Pointer(helper),
            &[self.vmctx.into(), callee.into(), slots.into()],
            PointKind::Call,
            self.offset,
        )?;
        let interrupted = call
            .try_as_basic_value()
            .basic()
            .ok_or_else(|| internal("a call without its result"))?
            .into_int_value();
        let interrupted = self.is_true(interrupted)?;
        let before = self.block("interrupted");
        self.branch_unlikely(interrupted, before)?;
        let next = self.here()?;

        self.builder.position_at_end(before);
        let height = self.stack.len();
        self.stack.extend(args);
        self.stack.extend(index.map(BasicValueEnum::from));
        self.poll(PointKind::BeforeCall, self.offset)?;
        self.stack.truncate(height);
        self.builder.build_unconditional_branch(again)?;

        self.builder.position_at_end(next);
        let results = self.load_slots(slots, &ty.results)?;
        self.stack.extend(results);
        Ok(())
    }

    /// An area of slots in this frame.
    fn slots(&mut self, count: u32) -> Result<PointerValue<'c>> {
        let ty = self.unit.types.i64.array_type(count.max(1));
        let here = self.here()?;
        self.builder.position_at_end(self.allocas);
        let area = self.builder.build_alloca(ty, "slots")?;
        self.builder.position_at_end(here);
        Ok(area)
    }

    /// The function at an index of a table, if it may be called as of this type.
    fn table_function(
        &mut self,
        type_index: u32,
        table_index: u32,
        index: IntValue<'c>,
    ) -> Result<PointerValue<'c>> {
        let types = self.unit.types;
        let module = self.unit.module;
        let (globals, tables) = (module.globals.len() as u32, module.tables.len() as u32);
        let at = self.context_word(vmctx::table(globals, table_index), "table")?;
        let len_place = self.offset_pointer(at, table::LEN)?;
        let len = self.load_context(len_place, types.i64.into(), "len")?.into_int_value();
        let index = self.builder.build_int_z_extend(index, types.i64, "")?;
        let outside = self.builder.build_int_compare(IntPredicate::UGE, index, len, "")?;
        self.trap_if(outside, TrapCode::UndefinedElement)?;
        let elems_place = self.offset_pointer(at, table::ELEMS)?;
        let elems = self.load_context(elems_place, types.ptr.into(), "elems")?.into_pointer_value();
        let offset = self.builder.build_left_shift(index, self.i64(3), "")?;
        let place = self.index_pointer(elems, offset)?;
        let callee = self.load_context(place, types.ptr.into(), "callee")?.into_pointer_value();
        let null = self.builder.build_is_null(callee, "")?;
        self.trap_if(null, TrapCode::UninitializedElement)?;
        let type_place = self.offset_pointer(callee, func::TYPE)?;
        let have = self.load_invariant(type_place, types.i32.into(), "type")?.into_int_value();
        let imports = module.num_imported_funcs;
        let want_place =
            self.offset_pointer(self.vmctx, vmctx::type_id(globals, tables, imports, type_index))?;
        let want = self.load_invariant(want_place, types.i32.into(), "type")?.into_int_value();
        let other = self.builder.build_int_compare(IntPredicate::NE, have, want, "")?;
        self.trap_if(other, TrapCode::IndirectCallTypeMismatch)?;
        Ok(callee)
    }

    /// Whether a function is compiled code of this instance; and its code, where that had to be looked at.
    fn is_own(&mut self, callee: PointerValue<'c>) -> Result<(IntValue<'c>, Option<PointerValue<'c>>)> {
        let place = self.offset_pointer(callee, func::VMCTX)?;
        let owner = self.load_invariant(place, self.unit.types.ptr.into(), "owner")?.into_pointer_value();
        let own = self.builder.build_int_compare(IntPredicate::EQ, owner, self.vmctx, "")?;
        if !self.unit.options.in_parts {
            return Ok((own, None));
        }
        let place = self.offset_pointer(callee, func::CODE)?;
        let code = self.load_published(place, "code")?;
        let compiled = self.builder.build_is_not_null(code, "")?;
        Ok((self.builder.build_and(own, compiled, "")?, Some(code)))
    }

    /// A function's code.
    fn code(
        &mut self,
        callee: PointerValue<'c>,
        known: Option<PointerValue<'c>>,
    ) -> Result<PointerValue<'c>> {
        if let Some(code) = known {
            return Ok(code);
        }
        let place = self.offset_pointer(callee, func::CODE)?;
        Ok(self.load_invariant(place, self.unit.types.ptr.into(), "code")?.into_pointer_value())
    }

    pub(super) fn call_indirect(&mut self, type_index: u32, table_index: u32) -> Result<()> {
        let ty = self.unit.module.types[type_index as usize].clone();
        let index = self.pop_int()?;
        let callee = self.table_function(type_index, table_index, index)?;
        let (own, code) = self.is_own(callee)?;
        let (direct, other) = (self.block("own"), self.block("other"));
        let joined = self.target("called", &ty.results)?;
        let branch = self.builder.build_conditional_branch(own, direct, other)?;
        self.unit.mark_likely(branch);

        let before = self.stack.clone();
        let height = before.len() - ty.params.len();
        self.builder.position_at_end(direct);
        let args = self.take_args(&ty);
        let code = self.code(callee, code)?;
        self.call_code(Callee::Pointer(code), &ty, &args)?;
        self.bring(&joined)?;
        self.builder.build_unconditional_branch(joined.block)?;

        self.builder.position_at_end(other);
        self.stack = before;
        self.call_any(callee, &ty, Some(index))?;
        self.bring(&joined)?;
        self.builder.build_unconditional_branch(joined.block)?;
        self.continue_at(&joined, height);
        Ok(())
    }

    pub(super) fn return_call(&mut self, index: u32) -> Result<()> {
        let module = self.unit.module;
        let ty = module.func_type(index).clone();
        if index < module.num_imported_funcs {
            let callee = self.imported(index)?;
            return self.return_call_any(callee, &ty, None);
        }
        let args = self.take_args(&ty);
        self.return_call_code(Callee::Function(self.unit.func(index)), &ty, &args)
    }

    pub(super) fn return_call_indirect(&mut self, type_index: u32, table_index: u32) -> Result<()> {
        let ty = self.unit.module.types[type_index as usize].clone();
        let index = self.pop_int()?;
        let callee = self.table_function(type_index, table_index, index)?;
        let (own, code) = self.is_own(callee)?;
        let (direct, other) = (self.block("own"), self.block("other"));
        let branch = self.builder.build_conditional_branch(own, direct, other)?;
        self.unit.mark_likely(branch);
        let before = self.stack.clone();
        self.builder.position_at_end(direct);
        let args = self.take_args(&ty);
        let code = self.code(callee, code)?;
        self.return_call_code(Callee::Pointer(code), &ty, &args)?;
        self.builder.position_at_end(other);
        self.stack = before;
        self.return_call_any(callee, &ty, Some(index))
    }

    /// Calls compiled code of this instance in place of this frame.
    fn return_call_code(
        &mut self,
        callee: Callee<'c>,
        ty: &FuncType,
        args: &[BasicValueEnum<'c>],
    ) -> Result<()> {
        let mut all: Vec<BasicMetadataValueEnum<'c>> = vec![self.vmctx.into()];
        all.extend(args.iter().map(|&arg| BasicMetadataValueEnum::from(arg)));
        let llvm = self.unit.func_type(ty);
        let call = match callee {
            Callee::Pointer(callee) => self.builder.build_indirect_call(llvm, callee, &all, "")?,
            Callee::Function(callee) => self.builder.build_call(callee, &all, "")?,
        };
        self.unit.mark_guest_call(call);
        call.set_tail_call_kind(LLVMTailCallKind::LLVMTailCallKindMustTail);
        let value = call.try_as_basic_value().basic();
        self.builder.build_return(value.as_ref().map(|value| value as &dyn BasicValue<'c>))?;
        self.reachable = false;
        Ok(())
    }

    /// Calls any function in tail position through the runtime, which is a frame of its own.
    fn return_call_any(
        &mut self,
        callee: PointerValue<'c>,
        ty: &FuncType,
        index: Option<IntValue<'c>>,
    ) -> Result<()> {
        let again = self.block("again");
        self.builder.build_unconditional_branch(again)?;
        self.builder.position_at_end(again);
        let args = self.take_args(ty);
        let slots = self.slots(ty.param_slots().max(ty.result_slots()))?;
        self.store_slots(slots, &args)?;
        let (helper, helper_type) =
            self.helper(Helper::Call, Some(self.unit.types.i32.into()), &[callee.into(), slots.into()])?;
        // Without a landing pad: for the guest, this frame is gone. An unwind passes it by.
        let all = [self.vmctx.into(), callee.into(), slots.into()];
        let call = self.builder.build_indirect_call(helper_type, helper, &all, "")?;
        let interrupted = call
            .try_as_basic_value()
            .basic()
            .ok_or_else(|| internal("a call without its result"))?
            .into_int_value();
        let interrupted = self.is_true(interrupted)?;
        let before = self.block("interrupted");
        self.branch_unlikely(interrupted, before)?;
        let next = self.here()?;

        self.builder.position_at_end(before);
        self.stack.extend(args);
        self.stack.extend(index.map(BasicValueEnum::from));
        self.poll(PointKind::BeforeCall, self.offset)?;
        self.builder.build_unconditional_branch(again)?;

        self.builder.position_at_end(next);
        let results = self.load_slots(slots, &ty.results)?;
        self.return_values(&results)?;
        self.reachable = false;
        Ok(())
    }
}
