//! What modules export, as data: a name and a type.

use wayfarer_platform::ffi::guard;

use crate::types::{
    boxed, copied, data_type, delete, taken, wasm_externtype_copy, wasm_externtype_delete, wasm_externtype_t,
};
use crate::vectors::{Vector, vector, wasm_name_t};

/// What a module exports.
pub struct wasm_exporttype_t {
    name: wasm_name_t,
    ty: *mut wasm_externtype_t,
}

data_type!(wasm_exporttype_t, wasm_exporttype_vec_t, "an export type", wasm_exporttype_delete wasm_exporttype_copy;
    wasm_exporttype_vec_new_empty wasm_exporttype_vec_new_uninitialized wasm_exporttype_vec_new
    wasm_exporttype_vec_copy wasm_exporttype_vec_delete);

impl Clone for wasm_exporttype_t {
    fn clone(&self) -> Self {
        // SAFETY: an export owns its name and type.
        unsafe {
            let name = Vector::of(self.name.elements().iter().copied());
            wasm_exporttype_t { name, ty: wasm_externtype_copy(self.ty) }
        }
    }
}

impl Drop for wasm_exporttype_t {
    fn drop(&mut self) {
        // SAFETY: an export owns its name and type.
        unsafe {
            self.name.free();
            wasm_externtype_delete(self.ty);
        }
    }
}

/// Makes an export type, which takes name and type over. What `name` points to can still be looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_exporttype_new(
    name: *mut wasm_name_t,
    ty: *mut wasm_externtype_t,
) -> *mut wasm_exporttype_t {
    guard(std::ptr::null_mut(), || {
        if name.is_null() || ty.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        boxed(wasm_exporttype_t { name: unsafe { taken(name) }, ty })
    })
}

/// Name of an export.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_exporttype_name(export: *const wasm_exporttype_t) -> *const wasm_name_t {
    // SAFETY: as the caller promises.
    unsafe { export.as_ref() }.map_or(std::ptr::null(), |export| &raw const export.name)
}

/// Type of an export.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_exporttype_type(export: *const wasm_exporttype_t) -> *const wasm_externtype_t {
    // SAFETY: as the caller promises.
    unsafe { export.as_ref() }.map_or(std::ptr::null(), |export| export.ty.cast_const())
}

/// An export of a module as an owned object of this API.
pub fn export_type(name: &str, ty: *mut wasm_externtype_t) -> *mut wasm_exporttype_t {
    boxed(wasm_exporttype_t { name: wasm_name_t::text(name), ty })
}
