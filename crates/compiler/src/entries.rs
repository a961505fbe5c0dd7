//! How the runtime calls functions, and how compiled code calls those that are not compiled.

use crate::error::{Result, internal};
use crate::function::Translator;
use crate::unit::Unit;
use wayfarer_abi::symbol;

/// Compiles the entry for functions of type `index`.
pub(crate) fn compile_entry(unit: &Unit<'_, '_>, index: u32) -> Result<()> {
    let func = unit.runtime_entry(&symbol::entry(index));
    let param = |nth| func.get_nth_param(nth).ok_or_else(|| internal("no context"));
    let (vmctx, code, slots) =
        (param(0)?.into_pointer_value(), param(1)?.into_pointer_value(), param(2)?.into_pointer_value());
    let mut t = Translator::outside(unit, func, vmctx)?;
    t.entry(&unit.module.types[index as usize], code, slots)
}

/// Compiles function `index` as one that has the runtime interpret it.
pub(crate) fn compile_interpreted(unit: &Unit<'_, '_>, index: u32) -> Result<()> {
    let func = unit.func(index);
    let vmctx = func.get_nth_param(0).ok_or_else(|| internal("no context"))?.into_pointer_value();
    let mark = unit.llvm.add_global(unit.types.i8, None, &symbol::interpreted(index));
    mark.set_initializer(&unit.types.i8.const_zero());
    mark.set_constant(true);
    mark.set_visibility(inkwell::GlobalVisibility::Hidden);
    let mut t = Translator::outside(unit, func, vmctx)?;
    t.interpreted(index)
}

/// Compiles function `index` as one that goes on in its code, or has the runtime interpret it until there is some. For calls
/// within this object only.
pub(crate) fn compile_stub(unit: &Unit<'_, '_>, index: u32) -> Result<()> {
    let (stub, interpret) = (unit.stub(index), unit.interpret(index));
    let vmctx = stub.get_nth_param(0).ok_or_else(|| internal("no context"))?.into_pointer_value();
    Translator::outside(unit, stub, vmctx)?.stub(index, interpret)?;
    let vmctx = interpret.get_nth_param(0).ok_or_else(|| internal("no context"))?.into_pointer_value();
    Translator::outside(unit, interpret, vmctx)?.interpreted(index)
}
