//! Globals, tables, memories, and what is imported and exported.

use std::ptr::null_mut;
use std::sync::Arc;

use wayfarer_module::{Limits, MemoryType, TableType, ValType};
use wayfarer_runtime::values::slot_to_func;
use wayfarer_runtime::{Global, Memory, MemoryPlan, Table};

use super::super::externref;
use super::super::ffi::{guard, put};
use super::super::log::warning;
use super::super::types::wasm_val_t;
use super::engine::{StoreInner, wasm_store_t};
use super::func::from_engine;
use super::objects::{Kind, Object, delete, object};
use super::refs::{
    wasm_extern_t, wasm_foreign_t, wasm_func_t, wasm_global_t, wasm_memory_t, wasm_ref_t, wasm_table_t,
};
use super::types::{
    EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_MEMORY, EXTERN_TABLE, ToC, wasm_externkind_t, wasm_externtype_t,
    wasm_globaltype_t, wasm_memorytype_t, wasm_tabletype_t,
};
use super::values::{from_slot, ref_to_slot, to_slot};
use super::vectors::{byte_t, vector};

/// Number of elements of a table.
pub type wasm_table_size_t = u32;

/// Number of pages of a memory.
pub type wasm_memory_pages_t = u32;

/// Makes an object that guests can hold externrefs to.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_foreign_new(store: *mut wasm_store_t) -> *mut wasm_foreign_t {
    guard(null_mut(), || if store.is_null() { null_mut() } else { Object::new(Kind::Foreign).into_raw() })
}

/// # Safety
/// NULL, or a handle that is alive.
unsafe fn global_of<'a>(handle: *const wasm_global_t) -> Option<(&'a Arc<StoreInner>, &'a Global)> {
    // SAFETY: as the caller promises; objects live as long as their store.
    match unsafe { object(handle) }?.kind() {
        // SAFETY: as above.
        Kind::Global { store, global } => Some((store, unsafe { &**global })),
        _ => None,
    }
}

/// Makes a global.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_new(
    store: *mut wasm_store_t,
    ty: *const wasm_globaltype_t,
    val: *const wasm_val_t,
) -> *mut wasm_global_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (store, ty, val) =
            unsafe { (store.as_ref(), ty.as_ref().and_then(wasm_globaltype_t::to_module), val.as_ref()) };
        let (Some(store), Some(ty), Some(val)) = (store, ty, val) else { return null_mut() };
        let value = [to_slot(&store.inner, ty.val, val), 0];
        let global = store.inner.store.add_global(ty, value);
        Object::new(Kind::Global { store: store.inner.clone(), global }).into_raw()
    })
}

/// The type of a global, for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_type(global: *const wasm_global_t) -> *mut wasm_globaltype_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || unsafe { global_of(global) }.map_or(null_mut(), |(_, g)| g.ty().to_c()))
}

/// Reads a global.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_get(global: *const wasm_global_t, out: *mut wasm_val_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some((store, global)) = (unsafe { global_of(global) }) else { return };
        // SAFETY: as the caller promises.
        unsafe { put(out, from_slot(store, global.ty().val, global.get()[0])) };
    });
}

/// Writes a global, if its type allows that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_set(global: *mut wasm_global_t, val: *const wasm_val_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let (Some((store, global)), Some(val)) = (unsafe { (global_of(global), val.as_ref()) }) else {
            return;
        };
        if global.ty().mutable {
            global.set([to_slot(store, global.ty().val, val), 0]);
        }
    });
}

/// # Safety
/// NULL, or a handle that is alive.
unsafe fn table_of<'a>(handle: *const wasm_table_t) -> Option<(&'a Arc<StoreInner>, &'a Table)> {
    // SAFETY: as the caller promises; objects live as long as their store.
    match unsafe { object(handle) }?.kind() {
        // SAFETY: as above.
        Kind::Table { store, table } => Some((store, unsafe { &**table })),
        _ => None,
    }
}

/// Makes a table whose elements are all `init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_new(
    store: *mut wasm_store_t,
    ty: *const wasm_tabletype_t,
    init: *mut wasm_ref_t,
) -> *mut wasm_table_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (store, ty) = unsafe { (store.as_ref(), ty.as_ref().and_then(wasm_tabletype_t::to_module)) };
        let (Some(store), Some(ty)) = (store, ty) else { return null_mut() };
        // SAFETY: as the caller promises.
        let init = unsafe { ref_to_slot(&store.inner, ty.elem, init) };
        match store.inner.store.add_table(&ty, init) {
            Some(table) => Object::new(Kind::Table { store: store.inner.clone(), table }).into_raw(),
            None => null_mut(),
        }
    })
}

fn type_of_table(table: &Table) -> TableType {
    TableType { elem: table.elem_type(), limits: Limits { min: table.len().into(), max: table.max() } }
}

/// The type of a table, for the caller to delete. Its minimum is the present size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_type(table: *const wasm_table_t) -> *mut wasm_tabletype_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || unsafe { table_of(table) }.map_or(null_mut(), |(_, t)| type_of_table(t).to_c()))
}

/// An element of a table, for the caller to delete; NULL if it is null or there is no such element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_get(
    table: *const wasm_table_t,
    index: wasm_table_size_t,
) -> *mut wasm_ref_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let Some((store, table)) = (unsafe { table_of(table) }) else { return null_mut() };
        let Some(slot) = table.get(index) else { return null_mut() };
        match table.elem_type() {
            ValType::FuncRef => from_engine(store, slot_to_func(slot)),
            _ => store.lent(externref::slot_to_object(slot)).map_or(null_mut(), Object::into_raw),
        }
    })
}

/// Sets an element of a table. False if there is no such element, or the reference is of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_set(
    table: *mut wasm_table_t,
    index: wasm_table_size_t,
    reference: *mut wasm_ref_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some((store, table)) = (unsafe { table_of(table) }) else { return false };
        // SAFETY: as the caller promises.
        let slot = unsafe { ref_to_slot(store, table.elem_type(), reference) };
        (reference.is_null() || slot != 0) && table.set(index, slot).is_ok()
    })
}

/// Number of elements of a table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_size(table: *const wasm_table_t) -> wasm_table_size_t {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { table_of(table) }.map_or(0, |(_, t)| t.len()))
}

/// Hosts can't grow tables, as in WAMR: logs a warning and returns false.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_table_grow(
    _table: *mut wasm_table_t,
    _delta: wasm_table_size_t,
    _init: *mut wasm_ref_t,
) -> bool {
    guard(false, || {
        warning!(
            "Calling wasm_table_grow() by host is not supported. Only allow growing a table via the opcode table.grow"
        );
        false
    })
}

/// # Safety
/// NULL, or a handle that is alive.
unsafe fn memory_of<'a>(handle: *const wasm_memory_t) -> Option<&'a Memory> {
    // SAFETY: as the caller promises; objects live as long as their store.
    match unsafe { object(handle) }?.kind() {
        // SAFETY: as above.
        Kind::Memory { memory, .. } => Some(unsafe { &**memory }),
        _ => None,
    }
}

/// Makes a memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_new(
    store: *mut wasm_store_t,
    ty: *const wasm_memorytype_t,
) -> *mut wasm_memory_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (Some(store), Some(ty)) = (unsafe { (store.as_ref(), ty.as_ref()) }) else { return null_mut() };
        match store.inner.store.add_memory(MemoryPlan::of(&ty.to_module())) {
            Ok(memory) => Object::new(Kind::Memory { _store: store.inner.clone(), memory }).into_raw(),
            Err(_) => null_mut(),
        }
    })
}

fn type_of_memory(memory: &Memory) -> MemoryType {
    let plan = memory.plan();
    let limits = Limits { min: plan.len / plan.page_size, max: Some(plan.max / plan.page_size) };
    MemoryType { limits, shared: plan.shared }
}

/// The type of a memory, for the caller to delete. Its minimum is the present size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_type(memory: *const wasm_memory_t) -> *mut wasm_memorytype_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || unsafe { memory_of(memory) }.map_or(null_mut(), |m| type_of_memory(m).to_c()))
}

/// The first byte of a memory; it stays where it is when the memory grows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_data(memory: *mut wasm_memory_t) -> *mut byte_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || unsafe { memory_of(memory) }.map_or(null_mut(), |m| m.base().cast()))
}

/// Bytes of a memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_data_size(memory: *const wasm_memory_t) -> usize {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { memory_of(memory) }.map_or(0, Memory::len))
}

/// Pages of a memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_memory_size(memory: *const wasm_memory_t) -> wasm_memory_pages_t {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { memory_of(memory) }.map_or(0, |m| (m.plan().len / m.plan().page_size) as u32))
}

/// Hosts can't grow memories, as in WAMR: logs a warning and returns false.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_memory_grow(_memory: *mut wasm_memory_t, _delta: wasm_memory_pages_t) -> bool {
    guard(false, || {
        warning!(
            "Calling wasm_memory_grow() by host is not supported. Only allow growing a memory via the opcode memory.grow"
        );
        false
    })
}

/// Kind of something imported or exported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_extern_kind(handle: *const wasm_extern_t) -> wasm_externkind_t {
    // SAFETY: as the caller promises.
    unsafe { object(handle) }.and_then(Object::extern_kind).unwrap_or(EXTERN_FUNC)
}

/// Type of something imported or exported, for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_extern_type(handle: *const wasm_extern_t) -> *mut wasm_externtype_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises; objects live as long as their store.
        match unsafe { object(handle) }.map(Object::kind) {
            Some(Kind::Func(func)) => func.ty.to_c().cast(),
            // SAFETY: as above.
            Some(Kind::Global { global, .. }) => unsafe { &**global }.ty().to_c().cast(),
            // SAFETY: as above.
            Some(Kind::Table { table, .. }) => type_of_table(unsafe { &**table }).to_c().cast(),
            // SAFETY: as above.
            Some(Kind::Memory { memory, .. }) => type_of_memory(unsafe { &**memory }).to_c().cast(),
            _ => null_mut(),
        }
    })
}

/// Makes a placeholder for an import that something else provides: WASI, say, or a native function.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_extern_new_empty(
    store: *mut wasm_store_t,
    kind: wasm_externkind_t,
) -> *mut wasm_extern_t {
    guard(null_mut(), || {
        if store.is_null() || kind > EXTERN_MEMORY {
            return null_mut();
        }
        Object::new(Kind::Placeholder(kind)).into_raw()
    })
}

vector!(wasm_extern_vec_t, *mut wasm_extern_t, *const *mut wasm_extern_t, "handles",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| unsafe { super::refs::wasm_extern_copy(p) },
    // SAFETY: as above, and owned by the vector.
    delete: |&p| unsafe { delete(p) };
    wasm_extern_vec_new_empty wasm_extern_vec_new_uninitialized wasm_extern_vec_new wasm_extern_vec_copy
    wasm_extern_vec_delete);

/// Declares conversions to and from `wasm_extern_t`. The pointer stays the same.
macro_rules! as_extern {
    ($($ty:ident $kind:ident $what:literal: $to:ident $to_const:ident $from:ident $from_const:ident;)*) => { $(
        #[doc = concat!("A handle on a ", $what, " as one on something imported or exported. Ownership stays.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $to(handle: *mut $ty) -> *mut wasm_extern_t {
            handle.cast()
        }

        #[doc = concat!("A handle on a ", $what, " as one on something imported or exported.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $to_const(handle: *const $ty) -> *const wasm_extern_t {
            handle.cast()
        }

        #[doc = concat!("The ", $what, " that this is a handle on; NULL if it is of another kind. Ownership stays.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $from(handle: *mut wasm_extern_t) -> *mut $ty {
            // SAFETY: as the caller promises.
            let is = unsafe { object(handle) }.and_then(Object::extern_kind) == Some($kind);
            if is { handle.cast() } else { null_mut() }
        }

        #[doc = concat!("The ", $what, " that this is a handle on; NULL if it is of another kind.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $from_const(handle: *const wasm_extern_t) -> *const $ty {
            // SAFETY: as the caller promises.
            unsafe { $from(handle.cast_mut()) }
        }
    )* };
}

as_extern! {
    wasm_func_t EXTERN_FUNC "function":
        wasm_func_as_extern wasm_func_as_extern_const wasm_extern_as_func wasm_extern_as_func_const;
    wasm_global_t EXTERN_GLOBAL "global":
        wasm_global_as_extern wasm_global_as_extern_const wasm_extern_as_global wasm_extern_as_global_const;
    wasm_table_t EXTERN_TABLE "table":
        wasm_table_as_extern wasm_table_as_extern_const wasm_extern_as_table wasm_extern_as_table_const;
    wasm_memory_t EXTERN_MEMORY "memory":
        wasm_memory_as_extern wasm_memory_as_extern_const wasm_extern_as_memory wasm_extern_as_memory_const;
}
