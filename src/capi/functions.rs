//! Functions of an instance: by name, and of which types.

use std::borrow::Cow;
use std::ffi::c_char;

use wayfarer_c_data::kinds::valkind;
use wayfarer_module::FuncType;

use super::call::func_of;
use super::ffi::{guard, slice_mut, text};
use super::types::{wasm_function_inst_t, wasm_module_inst_t, wasm_valkind_t};

/// # Safety
/// NULL, or handles that are alive.
unsafe fn type_of<'a>(func: wasm_function_inst_t, inst: wasm_module_inst_t) -> Option<Cow<'a, FuncType>> {
    // SAFETY: as the caller promises.
    let (func, inst) = unsafe { (func_of(func)?, inst.as_ref()?) };
    Some(super::call::type_of(inst, func))
}

/// Number of parameters of a function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_param_count(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
) -> u32 {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { type_of(func_inst, module_inst) }.map_or(0, |ty| ty.params.len() as u32))
}

/// Number of results of a function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_result_count(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
) -> u32 {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { type_of(func_inst, module_inst) }.map_or(0, |ty| ty.results.len() as u32))
}

/// Kinds of a function's parameters; the array has room for all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_param_types(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
    param_types: *mut wasm_valkind_t,
) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some(ty) = (unsafe { type_of(func_inst, module_inst) }) else { return };
        // SAFETY: as the caller promises.
        let kinds = unsafe { slice_mut(param_types, ty.params.len()) };
        kinds.iter_mut().zip(&ty.params).for_each(|(kind, &ty)| *kind = valkind(ty));
    });
}

/// Kinds of a function's results; the array has room for all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_get_result_types(
    func_inst: wasm_function_inst_t,
    module_inst: wasm_module_inst_t,
    result_types: *mut wasm_valkind_t,
) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some(ty) = (unsafe { type_of(func_inst, module_inst) }) else { return };
        // SAFETY: as the caller promises.
        let kinds = unsafe { slice_mut(result_types, ty.results.len()) };
        kinds.iter_mut().zip(&ty.results).for_each(|(kind, &ty)| *kind = valkind(ty));
    });
}

/// An exported function of an instance; NULL if there is none of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_lookup_function(
    module_inst: wasm_module_inst_t,
    name: *const c_char,
) -> wasm_function_inst_t {
    guard(std::ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let (instance, name) = unsafe { (module_inst.as_ref(), text(name)) };
        let func = instance.and_then(|i| i.exported_func(&name));
        func.map_or(std::ptr::null_mut(), super::call::handle_of)
    })
}
