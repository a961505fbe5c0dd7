//! What modules import, as data: two names and a type.

use wayfarer_module::{FuncType, ImportType};
use wayfarer_platform::ffi::guard;

use crate::types::{
    ToC, boxed, copied, data_type, delete, taken, wasm_externtype_copy, wasm_externtype_delete,
    wasm_externtype_t,
};
use crate::vectors::{Vector, vector, wasm_name_t};

/// What a module imports.
pub struct wasm_importtype_t {
    /// Name of the module it is imported from.
    pub module: wasm_name_t,
    /// Name it has there.
    pub name: wasm_name_t,
    /// Its type, which is owned.
    pub ty: *mut wasm_externtype_t,
}

data_type!(wasm_importtype_t, wasm_importtype_vec_t, "an import type", wasm_importtype_delete wasm_importtype_copy;
    wasm_importtype_vec_new_empty wasm_importtype_vec_new_uninitialized wasm_importtype_vec_new
    wasm_importtype_vec_copy wasm_importtype_vec_delete);

impl Clone for wasm_importtype_t {
    fn clone(&self) -> Self {
        // SAFETY: an import owns its names and type.
        unsafe {
            wasm_importtype_t {
                module: Vector::of(self.module.elements().iter().copied()),
                name: Vector::of(self.name.elements().iter().copied()),
                ty: wasm_externtype_copy(self.ty),
            }
        }
    }
}

impl Drop for wasm_importtype_t {
    fn drop(&mut self) {
        // SAFETY: an import owns its names and type.
        unsafe {
            self.module.free();
            self.name.free();
            wasm_externtype_delete(self.ty);
        }
    }
}

/// Makes an import type, which takes names and type over. What `module` and `name` point to can still be looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_importtype_new(
    module: *mut wasm_name_t,
    name: *mut wasm_name_t,
    ty: *mut wasm_externtype_t,
) -> *mut wasm_importtype_t {
    guard(std::ptr::null_mut(), || {
        if module.is_null() || name.is_null() || ty.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        boxed(wasm_importtype_t { module: unsafe { taken(module) }, name: unsafe { taken(name) }, ty })
    })
}

/// Module name of an import.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_importtype_module(import: *const wasm_importtype_t) -> *const wasm_name_t {
    // SAFETY: as the caller promises.
    unsafe { import.as_ref() }.map_or(std::ptr::null(), |import| &raw const import.module)
}

/// Field name of an import.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_importtype_name(import: *const wasm_importtype_t) -> *const wasm_name_t {
    // SAFETY: as the caller promises.
    unsafe { import.as_ref() }.map_or(std::ptr::null(), |import| &raw const import.name)
}

/// Type of an import.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_importtype_type(import: *const wasm_importtype_t) -> *const wasm_externtype_t {
    // SAFETY: as the caller promises.
    unsafe { import.as_ref() }.map_or(std::ptr::null(), |import| import.ty.cast_const())
}

/// An import of a module as an owned object of this API.
pub fn import_type(module: &str, name: &str, types: &[FuncType], ty: &ImportType) -> *mut wasm_importtype_t {
    let ty: *mut wasm_externtype_t = match ty {
        ImportType::Func(index) => types[*index as usize].to_c().cast(),
        ImportType::Global(ty) => ty.to_c().cast(),
        ImportType::Table(ty) => ty.to_c().cast(),
        ImportType::Memory(ty) => ty.to_c().cast(),
    };
    boxed(wasm_importtype_t { module: wasm_name_t::text(module), name: wasm_name_t::text(name), ty })
}
