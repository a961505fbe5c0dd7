//! Functions that are no guest functions: between the runtime and compiled code.

use super::{Source, Translator};
use crate::error::Result;
use crate::unit::Unit;
use inkwell::values::{
    BasicMetadataValueEnum, BasicValue, BasicValueEnum, CallSiteValue, FunctionValue, LLVMTailCallKind,
    PointerValue,
};
use std::collections::HashMap;
use std::rc::Rc;
use wayfarer_abi::{Helper, vmctx};
use wayfarer_module::FuncType;

impl<'u, 'c, 'm> Translator<'u, 'c, 'm> {
    /// Builds `func`, which has no guest code.
    pub(crate) fn outside(
        unit: &'u Unit<'c, 'm>,
        func: FunctionValue<'c>,
        vmctx: PointerValue<'c>,
    ) -> Result<Translator<'u, 'c, 'm>> {
        let allocas = unit.context.append_basic_block(func, "entry");
        let t = Translator::with(unit, func, u32::MAX, vmctx, Rc::default(), allocas);
        t.builder.position_at_end(allocas);
        Ok(t)
    }

    /// Calls `code`, a function of this type, with arguments from `slots`, which its results replace.
    pub(crate) fn entry(
        &mut self,
        ty: &FuncType,
        code: PointerValue<'c>,
        slots: PointerValue<'c>,
    ) -> Result<()> {
        let mut args: Vec<BasicMetadataValueEnum<'c>> = vec![self.vmctx.into()];
        args.extend(self.load_slots(slots, &ty.params)?.into_iter().map(BasicMetadataValueEnum::from));
        let call = self.builder.build_indirect_call(self.unit.func_type(ty), code, &args, "")?;
        self.unit.mark_guest_call(call);
        self.push_results(call, ty)?;
        let results = std::mem::take(&mut self.stack);
        self.store_slots(slots, &results)?;
        self.builder.build_return(None)?;
        Ok(())
    }

    /// Has the runtime interpret function `index`, with the arguments that this function was called with.
    pub(crate) fn interpreted(&mut self, index: u32) -> Result<()> {
        let ty = self.unit.module.func_type(index).clone();
        let args: Vec<BasicValueEnum<'c>> = self.func.get_params().split_off(1);
        let area = self.unit.types.i64.array_type(ty.param_slots().max(ty.result_slots()).max(1));
        let slots = self.builder.build_alloca(area, "slots")?;
        self.store_slots(slots, &args)?;
        let index_value = self.i32(index);
        let (helper, helper_type) =
            self.helper(Helper::Interpret, None, &[index_value.into(), slots.into()])?;
        let all = [self.vmctx.into(), index_value.into(), slots.into()];
        // Without a landing pad: the frame is the interpreter's.
        self.builder.build_indirect_call(helper_type, helper, &all, "")?;
        let results = self.load_slots(slots, &ty.results)?;
        self.index = index;
        self.return_values(&results)
    }

    /// Goes on in the code of function `index`, or in `otherwise` if there is none.
    pub(crate) fn stub(&mut self, index: u32, otherwise: FunctionValue<'c>) -> Result<()> {
        let args: Vec<BasicMetadataValueEnum<'c>> = self.func.get_param_iter().map(Into::into).collect();
        let codes = self.context_word(vmctx::CODE, "codes")?;
        let place = self.offset_pointer(codes, 8 * u64::from(index - self.unit.module.num_imported_funcs))?;
        let code = self.load_published(place, "code")?;
        let none = self.builder.build_is_null(code, "")?;
        let interpret = self.block("interpret");
        self.branch_unlikely(none, interpret)?;
        let ty = self.unit.func_type(self.unit.module.func_type(index));
        let call = self.builder.build_indirect_call(ty, code, &args, "")?;
        self.return_call_of(call)?;
        self.builder.position_at_end(interpret);
        let call = self.builder.build_call(otherwise, &args, "")?;
        self.return_call_of(call)
    }

    /// Returns what a call of a guest function returns, in tail position.
    fn return_call_of(&mut self, call: CallSiteValue<'c>) -> Result<()> {
        self.unit.mark_guest_call(call);
        call.set_tail_call_kind(LLVMTailCallKind::LLVMTailCallKindTail);
        let value = call.try_as_basic_value().basic();
        self.builder.build_return(value.as_ref().map(|value| value as &dyn BasicValue<'c>))?;
        Ok(())
    }

    pub(super) fn with(
        unit: &'u Unit<'c, 'm>,
        func: FunctionValue<'c>,
        index: u32,
        vmctx: PointerValue<'c>,
        source: Rc<Source<'m>>,
        allocas: inkwell::basic_block::BasicBlock<'c>,
    ) -> Translator<'u, 'c, 'm> {
        Translator {
            unit,
            builder: unit.context.create_builder(),
            func,
            index,
            vmctx,
            memory_base: None,
            variables: HashMap::new(),
            stack: Vec::new(),
            blocks: Vec::new(),
            skipped: 0,
            reachable: true,
            offset: 0,
            source,
            allocas,
            loop_headers: Vec::new(),
            plain_loads: None,
            leaving: None,
            traps: HashMap::new(),
        }
    }
}
