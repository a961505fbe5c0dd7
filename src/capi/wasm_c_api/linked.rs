//! Whether imports can be linked.

use super::super::ffi::guard;
use super::super::link::{builtin_global, function_known};
use super::types::{EXTERN_FUNC, EXTERN_GLOBAL, wasm_externtype_kind, wasm_importtype_t};

/// Whether something to link an import to is known by its names without the host giving it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_importtype_is_linked(import: *const wasm_importtype_t) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(import) = (unsafe { import.as_ref() }) else { return false };
        // SAFETY: an import owns its names and type.
        let (module, name, kind) =
            unsafe { (import.module.to_text(), import.name.to_text(), wasm_externtype_kind(import.ty)) };
        match kind {
            EXTERN_FUNC => function_known(&module, &name),
            EXTERN_GLOBAL => builtin_global(&module, &name).is_some(),
            _ => false,
        }
    })
}
