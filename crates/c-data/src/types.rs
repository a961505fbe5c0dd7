//! Types as data: of values, functions, globals, tables, memories, imports and exports.

use wayfarer_module::{FuncType, GlobalType, Limits, MemoryType, TableType, ValType};

use wayfarer_platform::ffi::guard;

pub use crate::exports::*;
pub use crate::imports::*;
use crate::kinds::{self, val_type, wasm_valkind_enum, wasm_valkind_t};
use crate::limits::{DEFAULT_MAX_PAGES, table_max};
use crate::vectors::{Vector, vector};

/// Whether a global may be written: 0 or 1.
pub type wasm_mutability_t = u8;

/// Kind of something imported or exported.
pub type wasm_externkind_t = u8;

/// The `wasm_externkind_t` of a function.
pub const EXTERN_FUNC: wasm_externkind_t = 0;
/// That of a global.
pub const EXTERN_GLOBAL: wasm_externkind_t = 1;
/// That of a table.
pub const EXTERN_TABLE: wasm_externkind_t = 2;
/// That of a memory.
pub const EXTERN_MEMORY: wasm_externkind_t = 3;

/// `max` of limits without a maximum.
pub const NO_MAX: u32 = u32::MAX;

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

/// Copies what `src` points to; NULL stays NULL.
///
/// # Safety
/// `src` is NULL or alive.
pub(crate) unsafe fn copied<T>(src: *const T, copy: impl FnOnce(&T) -> *mut T) -> *mut T {
    // SAFETY: as the caller promises.
    guard(std::ptr::null_mut(), || unsafe { src.as_ref() }.map_or(std::ptr::null_mut(), copy))
}

/// Frees what this API boxed; NULL is ignored.
///
/// # Safety
/// `object` is NULL or came from `Box::into_raw`.
pub(crate) unsafe fn delete<T>(object: *mut T) {
    guard((), || {
        if !object.is_null() {
            // SAFETY: as the caller promises.
            drop(unsafe { Box::from_raw(object) });
        }
    });
}

pub(crate) fn boxed<T>(value: T) -> *mut T {
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

pub(crate) use data_type;

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
pub(crate) unsafe fn taken<T>(vec: *const Vector<T>) -> Vector<T> {
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

fn val(ty: ValType) -> *mut wasm_valtype_t {
    boxed(wasm_valtype_t { kind: kinds::valkind(ty) })
}

/// A module's type as an owned object of this API.
pub trait ToC {
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
    pub fn to_module(&self) -> Option<FuncType> {
        let types = |types: &wasm_valtype_vec_t| -> Option<Box<[ValType]>> {
            // SAFETY: a type owns the elements of its vectors.
            unsafe { types.elements() }.iter().map(|&t| val_type(unsafe { wasm_valtype_kind(t) })).collect()
        };
        Some(FuncType { params: types(&self.params)?, results: types(&self.results)? })
    }
}

impl wasm_globaltype_t {
    /// The same as a module's type.
    pub fn to_module(&self) -> Option<GlobalType> {
        // SAFETY: a type owns its content.
        let val = val_type(unsafe { wasm_valtype_kind(self.content) })?;
        Some(GlobalType { val, mutable: self.mutability != 0 })
    }
}

impl wasm_tabletype_t {
    /// The same as a module's type.
    pub fn to_module(&self) -> Option<TableType> {
        // SAFETY: a type owns its element type.
        let elem = val_type(unsafe { wasm_valtype_kind(self.element) }).filter(|t| t.is_ref())?;
        Some(TableType { elem, limits: self.limits.into() })
    }
}

impl wasm_memorytype_t {
    /// The same as a module's type.
    pub fn to_module(&self) -> MemoryType {
        MemoryType { limits: self.limits.into(), shared: false }
    }
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
}
