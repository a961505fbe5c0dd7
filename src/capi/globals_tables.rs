//! Exported globals and tables.

use std::ffi::c_char;
use std::ptr::null_mut;

use wayfarer_c_data::kinds::valkind;
use wayfarer_c_data::limits::table_max;
use wayfarer_module::ValType;
use wayfarer_runtime::values::slot_to_func;
use wayfarer_runtime::{Extern, Global, Table};

use super::ffi::{guard, put, text};
use super::instance::WASMModuleInstanceCommon;
use super::types::{wasm_function_inst_t, wasm_global_inst_t, wasm_module_inst_t, wasm_table_inst_t};

/// # Safety
/// NULL or an instance that is alive; NULL or a string.
unsafe fn exported<'a>(
    inst: wasm_module_inst_t,
    name: *const c_char,
) -> Option<(&'a WASMModuleInstanceCommon, Extern)> {
    // SAFETY: as the caller promises.
    let (instance, name) = unsafe { (inst.as_ref()?, text(name)) };
    Some((instance, instance.engine_instance().export(&name)?))
}

/// Finds an exported global and where it lives. False if there is none of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_export_global_inst(
    module_inst: wasm_module_inst_t,
    name: *const c_char,
    global_inst: *mut wasm_global_inst_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises; an instance keeps what it exports.
        let global: &Global = match unsafe { exported(module_inst, name) } {
            // SAFETY: as above.
            Some((_, Extern::Global(global))) => unsafe { &*global },
            _ => return false,
        };
        let ty = global.ty();
        // On a big-endian machine the four bytes of a narrow value are the slot's last.
        let narrow = matches!(ty.val, ValType::I32 | ValType::F32);
        let skip = if narrow && cfg!(target_endian = "big") { 4 } else { 0 };
        let found = wasm_global_inst_t {
            kind: valkind(ty.val),
            is_mutable: ty.mutable,
            global_data: global.storage().cast::<u8>().wrapping_add(skip).cast(),
        };
        // SAFETY: as the caller promises.
        unsafe { put(global_inst, found) };
        true
    })
}

/// Finds an exported table. False if there is none of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_export_table_inst(
    module_inst: wasm_module_inst_t,
    name: *const c_char,
    table_inst: *mut wasm_table_inst_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some((instance, Extern::Table(address))) = (unsafe { exported(module_inst, name) }) else {
            return false;
        };
        // SAFETY: an instance keeps what it exports.
        let table: &Table = unsafe { &*address };
        let module = instance.engine_instance().module();
        // SAFETY: as the caller promises.
        let declared = unsafe { text(name) };
        let declared = module.export(&declared).map(|e| module.tables[e.index as usize].ty);
        let found = wasm_table_inst_t {
            elem_kind: valkind(table.elem_type()),
            cur_size: table.len(),
            max_size: declared.map_or(table.len(), |ty| table_max(&ty)),
            elems: address.cast_mut().cast(),
        };
        // SAFETY: as the caller promises.
        unsafe { put(table_inst, found) };
        true
    })
}

/// The function that is element `idx` of a table; NULL if it is null or there is no such element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_get_func_inst(
    module_inst: wasm_module_inst_t,
    table_inst: *const wasm_table_inst_t,
    idx: u32,
) -> wasm_function_inst_t {
    guard(null_mut(), || {
        if module_inst.is_null() {
            return null_mut();
        }
        // SAFETY: as the caller promises: filled in by wasm_runtime_get_export_table_inst.
        let table = unsafe { table_inst.as_ref().and_then(|t| t.elems.cast::<Table>().as_ref()) };
        match table.filter(|t| t.elem_type() == ValType::FuncRef).and_then(|t| t.get(idx)) {
            Some(slot) => slot_to_func(slot).cast_mut().cast(),
            None => null_mut(),
        }
    })
}
