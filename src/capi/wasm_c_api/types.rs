//! Types as data: of values, functions, globals, tables, memories, imports and exports.

use wayfarer_module::{FuncType, GlobalType, ImportType, Limits, MemoryType, TableType, ValType};

use super::super::ffi::guard;
use super::super::introspect::{DEFAULT_MAX_PAGES, table_max};
use super::super::link::{builtin_global, function_known};
use super::super::types::{wasm_valkind_enum, wasm_valkind_t};
use super::vectors::{Vector, vector, wasm_name_t};

/// Whether a global may be written: 0 or 1.
pub type wasm_mutability_t = u8;

/// Kind of something imported or exported.
pub type wasm_externkind_t = u8;

/// Values of `wasm_externkind_t`.
pub(crate) const EXTERN_FUNC: wasm_externkind_t = 0;
pub(crate) const EXTERN_GLOBAL: wasm_externkind_t = 1;
pub(crate) const EXTERN_TABLE: wasm_externkind_t = 2;
pub(crate) const EXTERN_MEMORY: wasm_externkind_t = 3;

/// `max` of limits without a maximum.
pub(crate) const NO_MAX: u32 = u32::MAX;

/// Size bounds of a table or memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct wasm_limits_t {
    /// Initial size.
    pub min: u32,
    /// Largest size; all ones for none.
    pub max: u32,
}

impl From<Limits> for wasm_limits_t {
    fn from(limits: Limits) -> Self {
        let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        wasm_limits_t { min: clamp(limits.min), max: limits.max.map_or(NO_MAX, clamp) }
    }
}

impl From<wasm_limits_t> for Limits {
    fn from(limits: wasm_limits_t) -> Self {
        Limits { min: limits.min.into(), max: (limits.max != NO_MAX).then_some(limits.max.into()) }
    }
}

/// Type of a value.
#[derive(Clone, Copy)]
pub struct wasm_valtype_t {
    kind: wasm_valkind_t,
}

/// Type of something imported or exported: the first field of each of these types.
#[repr(C)]
pub struct wasm_externtype_t {
    kind: wasm_externkind_t,
}

/// Type of a function.
#[repr(C)]
pub struct wasm_functype_t {
    kind: wasm_externkind_t,
    params: wasm_valtype_vec_t,
    results: wasm_valtype_vec_t,
}

/// Type of a global.
#[repr(C)]
pub struct wasm_globaltype_t {
    kind: wasm_externkind_t,
    content: *mut wasm_valtype_t,
    mutability: wasm_mutability_t,
}

/// Type of a table.
#[repr(C)]
pub struct wasm_tabletype_t {
    kind: wasm_externkind_t,
    element: *mut wasm_valtype_t,
    limits: wasm_limits_t,
}

/// Type of a memory.
#[repr(C)]
pub struct wasm_memorytype_t {
    kind: wasm_externkind_t,
    limits: wasm_limits_t,
}

/// What a module imports.
pub struct wasm_importtype_t {
    module: wasm_name_t,
    name: wasm_name_t,
    ty: *mut wasm_externtype_t,
}

/// What a module exports.
pub struct wasm_exporttype_t {
    name: wasm_name_t,
    ty: *mut wasm_externtype_t,
}

/// The C API's number as a type. `None` if it is none.
pub(crate) fn val_type(kind: wasm_valkind_t) -> Option<ValType> {
    const fn k(kind: wasm_valkind_enum) -> wasm_valkind_t {
        kind as wasm_valkind_t
    }
    [
        (k(wasm_valkind_enum::WASM_I32), ValType::I32),
        (k(wasm_valkind_enum::WASM_I64), ValType::I64),
        (k(wasm_valkind_enum::WASM_F32), ValType::F32),
        (k(wasm_valkind_enum::WASM_F64), ValType::F64),
        (k(wasm_valkind_enum::WASM_V128), ValType::V128),
        (k(wasm_valkind_enum::WASM_EXTERNREF), ValType::ExternRef),
        (k(wasm_valkind_enum::WASM_FUNCREF), ValType::FuncRef),
    ]
    .into_iter()
    .find_map(|(number, ty)| (number == kind).then_some(ty))
}

/// Copies what `src` points to; NULL stays NULL.
///
/// # Safety
/// `src` is NULL or alive.
unsafe fn copied<T>(src: *const T, copy: impl FnOnce(&T) -> *mut T) -> *mut T {
    // SAFETY: as the caller promises.
    guard(std::ptr::null_mut(), || unsafe { src.as_ref() }.map_or(std::ptr::null_mut(), copy))
}

/// Frees what this API boxed; NULL is ignored.
///
/// # Safety
/// `object` is NULL or came from `Box::into_raw`.
unsafe fn delete<T>(object: *mut T) {
    guard((), || {
        if !object.is_null() {
            // SAFETY: as the caller promises.
            drop(unsafe { Box::from_raw(object) });
        }
    });
}

fn boxed<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Declares a type's `_delete`, `_copy` and vector.
macro_rules! data_type {
    ($ty:ident, $vec:ident, $what:literal, $delete:ident $copy:ident;
     $new_empty:ident $new_uninitialized:ident $new:ident $vec_copy:ident $vec_delete:ident) => {
        #[doc = concat!("Deletes ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $delete(ty: *mut $ty) {
            // SAFETY: as the caller promises.
            unsafe { delete(ty) };
        }

        #[doc = concat!("Copies ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $copy(src: *const $ty) -> *mut $ty {
            // SAFETY: as the caller promises.
            unsafe { copied(src, |src| boxed(src.clone())) }
        }

        vector!(own $vec, *mut $ty, *const *mut $ty, "pointers, each owned,",
            // SAFETY: elements of a vector of the host's are NULL or alive.
            copy: |&p| Some(unsafe { $copy(p) }),
            // SAFETY: as above, and owned by the vector.
            delete: |&p| unsafe { $delete(p) };
            $new_empty $new_uninitialized $new $vec_copy $vec_delete);
    };
}

data_type!(wasm_valtype_t, wasm_valtype_vec_t, "a value type", wasm_valtype_delete wasm_valtype_copy;
    wasm_valtype_vec_new_empty wasm_valtype_vec_new_uninitialized wasm_valtype_vec_new wasm_valtype_vec_copy
    wasm_valtype_vec_delete);
data_type!(wasm_functype_t, wasm_functype_vec_t, "a function type", wasm_functype_delete wasm_functype_copy;
    wasm_functype_vec_new_empty wasm_functype_vec_new_uninitialized wasm_functype_vec_new wasm_functype_vec_copy
    wasm_functype_vec_delete);
data_type!(wasm_globaltype_t, wasm_globaltype_vec_t, "a global type", wasm_globaltype_delete wasm_globaltype_copy;
    wasm_globaltype_vec_new_empty wasm_globaltype_vec_new_uninitialized wasm_globaltype_vec_new
    wasm_globaltype_vec_copy wasm_globaltype_vec_delete);
data_type!(wasm_tabletype_t, wasm_tabletype_vec_t, "a table type", wasm_tabletype_delete wasm_tabletype_copy;
    wasm_tabletype_vec_new_empty wasm_tabletype_vec_new_uninitialized wasm_tabletype_vec_new
    wasm_tabletype_vec_copy wasm_tabletype_vec_delete);
data_type!(wasm_memorytype_t, wasm_memorytype_vec_t, "a memory type", wasm_memorytype_delete wasm_memorytype_copy;
    wasm_memorytype_vec_new_empty wasm_memorytype_vec_new_uninitialized wasm_memorytype_vec_new
    wasm_memorytype_vec_copy wasm_memorytype_vec_delete);
data_type!(wasm_importtype_t, wasm_importtype_vec_t, "an import type", wasm_importtype_delete wasm_importtype_copy;
    wasm_importtype_vec_new_empty wasm_importtype_vec_new_uninitialized wasm_importtype_vec_new
    wasm_importtype_vec_copy wasm_importtype_vec_delete);
data_type!(wasm_exporttype_t, wasm_exporttype_vec_t, "an export type", wasm_exporttype_delete wasm_exporttype_copy;
    wasm_exporttype_vec_new_empty wasm_exporttype_vec_new_uninitialized wasm_exporttype_vec_new
    wasm_exporttype_vec_copy wasm_exporttype_vec_delete);

vector!(own wasm_externtype_vec_t, *mut wasm_externtype_t, *const *mut wasm_externtype_t, "pointers, each owned,",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| Some(unsafe { wasm_externtype_copy(p) }),
    // SAFETY: as above, and owned by the vector.
    delete: |&p| unsafe { wasm_externtype_delete(p) };
    wasm_externtype_vec_new_empty wasm_externtype_vec_new_uninitialized wasm_externtype_vec_new
    wasm_externtype_vec_copy wasm_externtype_vec_delete);

/// A copy of a vector of types.
///
/// # Safety
/// Elements are NULL or alive.
unsafe fn copy_types(types: &wasm_valtype_vec_t) -> wasm_valtype_vec_t {
    // SAFETY: as the caller promises.
    Vector::of(unsafe { types.elements() }.iter().map(|&t| unsafe { wasm_valtype_copy(t) }))
}

impl Clone for wasm_functype_t {
    fn clone(&self) -> Self {
        // SAFETY: a type owns the elements of its vectors.
        let (params, results) = unsafe { (copy_types(&self.params), copy_types(&self.results)) };
        wasm_functype_t { kind: self.kind, params, results }
    }
}

impl Drop for wasm_functype_t {
    fn drop(&mut self) {
        // SAFETY: a type owns its vectors.
        unsafe {
            wasm_valtype_vec_delete(&raw mut self.params);
            wasm_valtype_vec_delete(&raw mut self.results);
        }
    }
}

impl Clone for wasm_globaltype_t {
    fn clone(&self) -> Self {
        // SAFETY: a type owns its content.
        wasm_globaltype_t { content: unsafe { wasm_valtype_copy(self.content) }, ..*self }
    }
}

impl Drop for wasm_globaltype_t {
    fn drop(&mut self) {
        // SAFETY: a type owns its content.
        unsafe { wasm_valtype_delete(self.content) };
    }
}

impl Clone for wasm_tabletype_t {
    fn clone(&self) -> Self {
        // SAFETY: a type owns its element type.
        wasm_tabletype_t { element: unsafe { wasm_valtype_copy(self.element) }, ..*self }
    }
}

impl Drop for wasm_tabletype_t {
    fn drop(&mut self) {
        // SAFETY: a type owns its element type.
        unsafe { wasm_valtype_delete(self.element) };
    }
}

impl Clone for wasm_memorytype_t {
    fn clone(&self) -> Self {
        wasm_memorytype_t { ..*self }
    }
}

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

/// Makes a value type; NULL if there is no such kind.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_valtype_new(kind: wasm_valkind_t) -> *mut wasm_valtype_t {
    match val_type(kind) {
        Some(_) => boxed(wasm_valtype_t { kind }),
        None => std::ptr::null_mut(),
    }
}

/// The kind of a value type; of NULL it is externref, as in WAMR.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_valtype_kind(ty: *const wasm_valtype_t) -> wasm_valkind_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(wasm_valkind_enum::WASM_EXTERNREF as u8, |ty| ty.kind)
}

/// Takes over what is in a vector of the host's, which may have filled it in by hand. The host's struct stays as it is, and
/// can still be looked at, as in WAMR. NULL is the empty vector.
///
/// # Safety
/// `vec` is NULL, or its data has `size` elements, came from this API, and is the caller's no more.
unsafe fn taken<T>(vec: *const Vector<T>) -> Vector<T> {
    // SAFETY: as the caller promises.
    let taken = unsafe { vec.as_ref() }.map_or(Vector::EMPTY, Vector::alias);
    Vector { num_elems: taken.size, ..taken }
}

/// Makes a function type, which takes both vectors over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_functype_new(
    params: *mut wasm_valtype_vec_t,
    results: *mut wasm_valtype_vec_t,
) -> *mut wasm_functype_t {
    // SAFETY: as the caller promises.
    let (params, results) = unsafe { (taken(params), taken(results)) };
    boxed(wasm_functype_t { kind: EXTERN_FUNC, params, results })
}

/// Parameters of a function type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_functype_params(ty: *const wasm_functype_t) -> *const wasm_valtype_vec_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(std::ptr::null(), |ty| &raw const ty.params)
}

/// Results of a function type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_functype_results(ty: *const wasm_functype_t) -> *const wasm_valtype_vec_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(std::ptr::null(), |ty| &raw const ty.results)
}

/// Makes a global type, which takes the value type over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_globaltype_new(
    content: *mut wasm_valtype_t,
    mutability: wasm_mutability_t,
) -> *mut wasm_globaltype_t {
    if content.is_null() {
        return std::ptr::null_mut();
    }
    boxed(wasm_globaltype_t { kind: EXTERN_GLOBAL, content, mutability })
}

/// Type of the value of a global type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_globaltype_content(ty: *const wasm_globaltype_t) -> *const wasm_valtype_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(std::ptr::null(), |ty| ty.content.cast_const())
}

/// Whether globals of this type may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_globaltype_mutability(ty: *const wasm_globaltype_t) -> wasm_mutability_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(0, |ty| ty.mutability)
}

/// Makes a table type, which takes the element type over. NULL, with nothing taken over, if that is no type of references.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_tabletype_new(
    element: *mut wasm_valtype_t,
    limits: *const wasm_limits_t,
) -> *mut wasm_tabletype_t {
    // SAFETY: as the caller promises.
    let (limits, kind) = unsafe { (limits.as_ref(), wasm_valtype_kind(element)) };
    match limits {
        Some(&limits) if val_type(kind).is_some_and(|t| t.is_ref()) && !element.is_null() => {
            boxed(wasm_tabletype_t { kind: EXTERN_TABLE, element, limits })
        }
        _ => std::ptr::null_mut(),
    }
}

/// Element type of a table type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_tabletype_element(ty: *const wasm_tabletype_t) -> *const wasm_valtype_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(std::ptr::null(), |ty| ty.element.cast_const())
}

/// Limits of a table type, in elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_tabletype_limits(ty: *const wasm_tabletype_t) -> *const wasm_limits_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(std::ptr::null(), |ty| &raw const ty.limits)
}

/// Makes a memory type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memorytype_new(limits: *const wasm_limits_t) -> *mut wasm_memorytype_t {
    // SAFETY: as the caller promises.
    let limits = unsafe { limits.as_ref() };
    limits.map_or(std::ptr::null_mut(), |&limits| boxed(wasm_memorytype_t { kind: EXTERN_MEMORY, limits }))
}

/// Limits of a memory type, in pages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memorytype_limits(ty: *const wasm_memorytype_t) -> *const wasm_limits_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(std::ptr::null(), |ty| &raw const ty.limits)
}

/// Kind of something imported or exported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externtype_kind(ty: *const wasm_externtype_t) -> wasm_externkind_t {
    // SAFETY: as the caller promises.
    unsafe { ty.as_ref() }.map_or(EXTERN_FUNC, |ty| ty.kind)
}

/// Deletes a type of any of the four kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externtype_delete(ty: *mut wasm_externtype_t) {
    // SAFETY: as the caller promises; the kind says what it is.
    unsafe {
        match wasm_externtype_kind(ty) {
            EXTERN_FUNC => wasm_functype_delete(ty.cast()),
            EXTERN_GLOBAL => wasm_globaltype_delete(ty.cast()),
            EXTERN_TABLE => wasm_tabletype_delete(ty.cast()),
            _ => wasm_memorytype_delete(ty.cast()),
        }
    }
}

/// Copies a type of any of the four kinds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externtype_copy(ty: *const wasm_externtype_t) -> *mut wasm_externtype_t {
    // SAFETY: as the caller promises; the kind says what it is.
    unsafe {
        match wasm_externtype_kind(ty) {
            EXTERN_FUNC => wasm_functype_copy(ty.cast()).cast(),
            EXTERN_GLOBAL => wasm_globaltype_copy(ty.cast()).cast(),
            EXTERN_TABLE => wasm_tabletype_copy(ty.cast()).cast(),
            _ => wasm_memorytype_copy(ty.cast()).cast(),
        }
    }
}

/// Declares the four conversions between a type and `wasm_externtype_t`. The pointer stays the same.
macro_rules! extern_conversions {
    ($($ty:ident $kind:ident $what:literal: $to:ident $to_const:ident $from:ident $from_const:ident;)*) => { $(
        #[doc = concat!("A ", $what, " type as a type of something imported or exported. Ownership stays.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $to(ty: *mut $ty) -> *mut wasm_externtype_t {
            ty.cast()
        }

        #[doc = concat!("A ", $what, " type as a type of something imported or exported.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $to_const(ty: *const $ty) -> *const wasm_externtype_t {
            ty.cast()
        }

        #[doc = concat!("The ", $what, " type that this is; NULL if it is of another kind. Ownership stays.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $from(ty: *mut wasm_externtype_t) -> *mut $ty {
            // SAFETY: as the caller promises.
            let is = unsafe { ty.as_ref() }.is_some_and(|ty| ty.kind == $kind);
            if is { ty.cast() } else { std::ptr::null_mut() }
        }

        #[doc = concat!("The ", $what, " type that this is; NULL if it is of another kind.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $from_const(ty: *const wasm_externtype_t) -> *const $ty {
            // SAFETY: as the caller promises.
            unsafe { $from(ty.cast_mut()) }
        }
    )* };
}

extern_conversions! {
    wasm_functype_t EXTERN_FUNC "function":
        wasm_functype_as_externtype wasm_functype_as_externtype_const
        wasm_externtype_as_functype wasm_externtype_as_functype_const;
    wasm_globaltype_t EXTERN_GLOBAL "global":
        wasm_globaltype_as_externtype wasm_globaltype_as_externtype_const
        wasm_externtype_as_globaltype wasm_externtype_as_globaltype_const;
    wasm_tabletype_t EXTERN_TABLE "table":
        wasm_tabletype_as_externtype wasm_tabletype_as_externtype_const
        wasm_externtype_as_tabletype wasm_externtype_as_tabletype_const;
    wasm_memorytype_t EXTERN_MEMORY "memory":
        wasm_memorytype_as_externtype wasm_memorytype_as_externtype_const
        wasm_externtype_as_memorytype wasm_externtype_as_memorytype_const;
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

fn val(ty: ValType) -> *mut wasm_valtype_t {
    boxed(wasm_valtype_t { kind: super::super::call::valkind(ty) })
}

/// A module's type as an owned object of this API.
pub(crate) trait ToC {
    /// The object of this API.
    type Type;
    /// Makes it.
    fn to_c(&self) -> *mut Self::Type;
}

impl ToC for FuncType {
    type Type = wasm_functype_t;
    fn to_c(&self) -> *mut wasm_functype_t {
        let types = |types: &[ValType]| Vector::of(types.iter().map(|&t| val(t)));
        boxed(wasm_functype_t {
            kind: EXTERN_FUNC,
            params: types(&self.params),
            results: types(&self.results),
        })
    }
}

impl ToC for GlobalType {
    type Type = wasm_globaltype_t;
    fn to_c(&self) -> *mut wasm_globaltype_t {
        boxed(wasm_globaltype_t {
            kind: EXTERN_GLOBAL,
            content: val(self.val),
            mutability: self.mutable.into(),
        })
    }
}

impl ToC for TableType {
    type Type = wasm_tabletype_t;
    fn to_c(&self) -> *mut wasm_tabletype_t {
        let limits = wasm_limits_t { max: table_max(self), ..self.limits.into() };
        boxed(wasm_tabletype_t { kind: EXTERN_TABLE, element: val(self.elem), limits })
    }
}

impl ToC for MemoryType {
    type Type = wasm_memorytype_t;
    fn to_c(&self) -> *mut wasm_memorytype_t {
        let max = self.limits.max.unwrap_or(DEFAULT_MAX_PAGES);
        boxed(wasm_memorytype_t {
            kind: EXTERN_MEMORY,
            limits: Limits { max: Some(max), ..self.limits }.into(),
        })
    }
}

impl wasm_functype_t {
    /// The same as a module's type; `None` if a kind is unknown.
    pub(crate) fn to_module(&self) -> Option<FuncType> {
        let types = |types: &wasm_valtype_vec_t| -> Option<Box<[ValType]>> {
            // SAFETY: a type owns the elements of its vectors.
            unsafe { types.elements() }.iter().map(|&t| val_type(unsafe { wasm_valtype_kind(t) })).collect()
        };
        Some(FuncType { params: types(&self.params)?, results: types(&self.results)? })
    }
}

impl wasm_globaltype_t {
    /// The same as a module's type.
    pub(crate) fn to_module(&self) -> Option<GlobalType> {
        // SAFETY: a type owns its content.
        let val = val_type(unsafe { wasm_valtype_kind(self.content) })?;
        Some(GlobalType { val, mutable: self.mutability != 0 })
    }
}

impl wasm_tabletype_t {
    /// The same as a module's type.
    pub(crate) fn to_module(&self) -> Option<TableType> {
        // SAFETY: a type owns its element type.
        let elem = val_type(unsafe { wasm_valtype_kind(self.element) }).filter(|t| t.is_ref())?;
        Some(TableType { elem, limits: self.limits.into() })
    }
}

impl wasm_memorytype_t {
    /// The same as a module's type.
    pub(crate) fn to_module(&self) -> MemoryType {
        MemoryType { limits: self.limits.into(), shared: false }
    }
}

/// An import of a module as an owned object of this API.
pub(crate) fn import_type(
    module: &str,
    name: &str,
    types: &[FuncType],
    ty: &ImportType,
) -> *mut wasm_importtype_t {
    let ty: *mut wasm_externtype_t = match ty {
        ImportType::Func(index) => types[*index as usize].to_c().cast(),
        ImportType::Global(ty) => ty.to_c().cast(),
        ImportType::Table(ty) => ty.to_c().cast(),
        ImportType::Memory(ty) => ty.to_c().cast(),
    };
    boxed(wasm_importtype_t { module: wasm_name_t::text(module), name: wasm_name_t::text(name), ty })
}

/// An export of a module as an owned object of this API.
pub(crate) fn export_type(name: &str, ty: *mut wasm_externtype_t) -> *mut wasm_exporttype_t {
    boxed(wasm_exporttype_t { name: wasm_name_t::text(name), ty })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_types_own_their_parts() {
        // SAFETY: everything is made and deleted here.
        unsafe {
            let mut params = Vector::of([wasm_valtype_new(0), wasm_valtype_new(129)]);
            // As a host fills it in by hand.
            params.num_elems = 0;
            let mut results = Vector::EMPTY;
            let ty = wasm_functype_new(&raw mut params, &raw mut results);
            assert_eq!(params.size, 2, "it can still be looked at");
            let copy = wasm_functype_copy(ty);
            wasm_functype_delete(ty);
            let params = &*wasm_functype_params(copy);
            assert_eq!(params.elements().iter().map(|&t| wasm_valtype_kind(t)).collect::<Vec<_>>(), [0, 129]);
            assert_eq!((*wasm_functype_results(copy)).size, 0);
            let ext = wasm_functype_as_externtype(copy);
            assert_eq!(wasm_externtype_kind(ext), EXTERN_FUNC);
            assert!(wasm_externtype_as_functype(ext) == copy && wasm_externtype_as_globaltype(ext).is_null());
            wasm_externtype_delete(ext);
        }
        assert!(wasm_valtype_new(77).is_null());
    }

    #[test]
    fn imports_and_exports() {
        let limits = wasm_limits_t { min: 1, max: NO_MAX };
        // SAFETY: everything is made and deleted here.
        unsafe {
            let memory = wasm_memorytype_new(&raw const limits);
            let (mut module, mut name) = (wasm_name_t::text("m"), wasm_name_t::text("n"));
            let import =
                wasm_importtype_new(&raw mut module, &raw mut name, wasm_memorytype_as_externtype(memory));
            let copy = wasm_importtype_copy(import);
            wasm_importtype_delete(import);
            assert_eq!((*wasm_importtype_module(copy)).to_text(), "m");
            assert_eq!((*wasm_importtype_name(copy)).to_text(), "n");
            let memory = wasm_externtype_as_memorytype_const(wasm_importtype_type(copy));
            assert_eq!(*wasm_memorytype_limits(memory), limits);
            assert!(!wasm_importtype_is_linked(copy));
            wasm_importtype_delete(copy);

            let table = wasm_tabletype_new(wasm_valtype_new(129), &raw const limits);
            assert_eq!(wasm_valtype_kind(wasm_tabletype_element(table)), 129);
            assert_eq!((*wasm_tabletype_limits(table)).min, 1);
            let mut name = wasm_name_t::text("t");
            let export = wasm_exporttype_new(&raw mut name, wasm_tabletype_as_externtype(table));
            assert_eq!((*wasm_exporttype_name(export)).size, 2, "the NUL counts");
            assert_eq!(wasm_externtype_kind(wasm_exporttype_type(export)), EXTERN_TABLE);
            wasm_exporttype_delete(export);

            let global = wasm_globaltype_new(wasm_valtype_new(3), 1);
            assert_eq!(wasm_valtype_kind(wasm_globaltype_content(global)), 3);
            assert_eq!(wasm_globaltype_mutability(global), 1);
            wasm_globaltype_delete(global);
        }
    }
}
