//! What modules import and export, and of which types.

use wayfarer_c_data::module_types::{extern_type, listed_import};
use wayfarer_module::ImportType;

use super::ffi::guard;
use super::types::{wasm_export_t, wasm_import_t, wasm_module_t};

/// Number of imports of a module; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_import_count(module: wasm_module_t) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }.map_or(-1, |m| m.module().imports.len() as i32)
}

/// Describes an import: functions come first, then tables, memories and globals (of an `.aot` file: globals, tables, memories),
/// each in file order. `linked` says whether something to link a function or global to is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_import_type(
    module: wasm_module_t,
    import_index: i32,
    import_type: *mut wasm_import_t,
) {
    guard((), || {
        if import_type.is_null() {
            return;
        }
        // SAFETY: as the caller promises; all zero bytes are a valid `wasm_import_t`.
        unsafe { import_type.write_bytes(0, 1) };
        // SAFETY: as the caller promises.
        let Some(module) = (unsafe { module.as_ref() }) else { return };
        let Ok(index) = usize::try_from(import_index) else { return };
        let m = module.module();
        let Some(position) = listed_import(m, module.aot.is_some(), index) else { return };
        let import = &m.imports[position];
        let kind = import.ty.kind();
        // Its index in its own index space is how many of its kind come before it.
        let before = m.imports[..position].iter().filter(|i| i.ty.kind() == kind).count();
        let linked = match import.ty {
            ImportType::Func(_) => {
                let links = module.links.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                !matches!(links.get(before), None | Some(super::link::FuncLink::Unlinked))
            }
            ImportType::Global(ty) => {
                super::link::builtin_global(&import.module, &import.name).is_some_and(|(have, _)| have == ty)
            }
            _ => false,
        };
        let (kind, u) = extern_type(m, kind, before as u32);
        let (module_name, name) = &module.names.imports[position];
        // SAFETY: as the caller promises.
        unsafe {
            import_type.write(wasm_import_t {
                module_name: module_name.as_ptr(),
                name: name.as_ptr(),
                kind,
                linked,
                u,
            });
        }
    });
}

/// Number of exports of a module; -1 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_export_count(module: wasm_module_t) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }.map_or(-1, |m| m.module().exports.len() as i32)
}

/// Describes an export, in file order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_export_type(
    module: wasm_module_t,
    export_index: i32,
    export_type: *mut wasm_export_t,
) {
    guard((), || {
        if export_type.is_null() {
            return;
        }
        // SAFETY: as the caller promises; all zero bytes are a valid `wasm_export_t`.
        unsafe { export_type.write_bytes(0, 1) };
        // SAFETY: as the caller promises.
        let Some(module) = (unsafe { module.as_ref() }) else { return };
        let Ok(position) = usize::try_from(export_index) else { return };
        let Some(export) = module.module().exports.get(position) else { return };
        let (kind, u) = extern_type(module.module(), export.kind, export.index);
        let name = module.names.exports[position].as_ptr();
        // SAFETY: as the caller promises.
        unsafe { export_type.write(wasm_export_t { name, kind, u }) };
    });
}
