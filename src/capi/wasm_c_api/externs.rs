//! Globals, tables, memories, and what is imported and exported.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wayfarer_module::{GlobalType, Limits, MemoryType, TableType, ValType};
use wayfarer_runtime::values::slot_to_func;
use wayfarer_runtime::{self as runtime, Global, Memory, MemoryPlan, Table, Used};

use super::super::externref;
use super::super::ffi::{guard, put};
use super::super::log::{error, warning};
use super::super::types::{wasm_val_t, wasm_valkind_enum};
use super::func::from_engine;
use super::objects::{Foreign, Kind, Object, delete, object};
use super::refs::{
    wasm_extern_t, wasm_foreign_t, wasm_func_t, wasm_global_t, wasm_memory_t, wasm_ref_t, wasm_table_t,
};
use super::store::{InStore, StoreInner, wasm_store_t};
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

/// Makes an object that guests can hold externrefs to. It goes with the store, if it is not deleted before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_foreign_new(store: *mut wasm_store_t) -> *mut wasm_foreign_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let Some(store) = (unsafe { store.as_ref() }) else { return null_mut() };
        let foreign = Foreign {
            store: Arc::downgrade(&store.inner),
            handle: Default::default(),
            count: Default::default(),
        };
        let object = Object::new(Kind::Foreign(foreign));
        match object.kind() {
            Kind::Foreign(foreign) => foreign.handle(&object),
            _ => null_mut(),
        }
    })
}

/// A global. One of the host's becomes one of the engine's when an instance gets it; before, as in WAMR, it can't be read or
/// written.
pub(crate) struct HostGlobal {
    pub(crate) store: Weak<StoreInner>,
    ty: GlobalType,
    /// What it begins with.
    init: u64,
    /// The engine's global, if there is one.
    global: Mutex<Option<Used<Global>>>,
    linked: AtomicBool,
}

impl HostGlobal {
    /// One that an instance exports.
    ///
    /// # Safety
    /// It is a global of the store, and there.
    pub(crate) unsafe fn of_engine(
        engine_store: &Arc<runtime::Store>,
        store: Weak<StoreInner>,
        global: *const Global,
    ) -> HostGlobal {
        // SAFETY: as the caller promises.
        let (ty, used) = unsafe { ((*global).ty(), Used::new(engine_store, global)) };
        HostGlobal { store, ty, init: 0, global: Mutex::new(Some(used)), linked: AtomicBool::new(true) }
    }

    /// Its type, as the host said.
    pub(crate) fn ty(&self) -> GlobalType {
        self.ty
    }

    /// Which of the engine's globals it is; `None` as long as it is none.
    pub(crate) fn in_engine(&self) -> Option<*const Global> {
        self.global.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Used::as_ptr)
    }

    /// The engine's global for an import of this type, which has the same kind of value. Imports that say the same of
    /// whether it is mutable share it; for another, it becomes another one, as in WAMR every instance has its own.
    pub(crate) fn to_engine(&self, store: &Arc<StoreInner>, wanted: GlobalType) -> *const Global {
        // SAFETY: `self` uses it.
        let have = self.in_engine().map(|global| unsafe { &*global });
        if let Some(have) = have.filter(|have| have.ty() == wanted) {
            return have;
        }
        let value = have.map_or([self.init, 0], Global::get);
        let global = store.store.add_global(wanted, value);
        // SAFETY: it was just made.
        let used = unsafe { Used::new(&store.store, global) };
        *self.global.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
        global
    }

    /// An instance got it.
    pub(crate) fn linked(&self) {
        self.linked.store(true, Ordering::Release);
    }
}

/// A global that can be read, and whether it may be written.
///
/// # Safety
/// NULL, or a handle that is alive.
unsafe fn global_of(handle: *const wasm_global_t) -> Option<(InStore<Global>, bool)> {
    // SAFETY: as the caller promises.
    let Kind::Global(global) = unsafe { object(handle) }?.kind() else { return None };
    if !global.linked.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: a global of this store, which the handle uses.
    Some((unsafe { InStore::new(&global.store, global.in_engine()?) }?, global.ty.mutable))
}

/// Makes a global. It can be read and written as soon as an instance has it.
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
        let init = match to_slot(&store.inner, ty.val, val) {
            Ok(init) => init,
            Err(why) => {
                error!("wasm_global_new: {why}");
                return null_mut();
            }
        };
        let (store, global, linked) =
            (Arc::downgrade(&store.inner), Mutex::default(), AtomicBool::new(false));
        Object::new(Kind::Global(HostGlobal { store, ty, init, global, linked })).into_raw()
    })
}

/// The type of a global, for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_type(global: *const wasm_global_t) -> *mut wasm_globaltype_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || match unsafe { object(global) }.map(Object::kind) {
        Some(Kind::Global(global)) => global.ty().to_c(),
        _ => null_mut(),
    })
}

/// Reads a global. `out` stays as it is if no instance has it yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_get(global: *const wasm_global_t, out: *mut wasm_val_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some((global, _)) = (unsafe { global_of(global) }).filter(|_| !out.is_null()) else { return };
        let value = from_slot(&global.store, global.ty().val, global.get()[0]);
        // SAFETY: as the caller promises.
        unsafe { put(out, value) };
    });
}

/// Writes a global, if its type allows that and an instance has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_global_set(global: *mut wasm_global_t, val: *const wasm_val_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let (Some((global, mutable)), Some(val)) = (unsafe { (global_of(global), val.as_ref()) }) else {
            return;
        };
        if !mutable {
            return;
        }
        match to_slot(&global.store, global.ty().val, val) {
            Ok(slot) => global.store.pass(|| global.set([slot, 0])),
            Err(why) => error!("wasm_global_set: {why}"),
        }
    });
}

/// # Safety
/// NULL, or a handle that is alive.
unsafe fn table_of(handle: *const wasm_table_t) -> Option<InStore<Table>> {
    // SAFETY: as the caller promises.
    match unsafe { object(handle) }?.kind() {
        // SAFETY: a table of this store, which the handle uses.
        Kind::Table { store, table } => unsafe { InStore::new(store, table.as_ptr()) },
        _ => None,
    }
}

/// Makes a table whose elements are all `init`, which stays the caller's.
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
        let init = match unsafe { ref_to_slot(&store.inner, ty.elem, init) } {
            Ok(init) => init,
            Err(why) => {
                error!("wasm_table_new: {why}");
                return null_mut();
            }
        };
        match store.inner.store.add_table(&ty, init) {
            Some(table) => {
                // SAFETY: it was just made.
                let table = unsafe { Used::new(&store.inner.store, table) };
                Object::new(Kind::Table { store: Arc::downgrade(&store.inner), table }).into_raw()
            }
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
    guard(null_mut(), || unsafe { table_of(table) }.map_or(null_mut(), |t| type_of_table(&t).to_c()))
}

/// An element of a table: a new reference to a function, for the caller to delete, or the host's pointer that is there as
/// externref. NULL if it is null or there is no such element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_get(
    table: *const wasm_table_t,
    index: wasm_table_size_t,
) -> *mut wasm_ref_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let Some(table) = (unsafe { table_of(table) }) else { return null_mut() };
        let Some(slot) = table.get(index) else { return null_mut() };
        match table.elem_type() {
            ValType::FuncRef => from_engine(&table.store, slot_to_func(slot)),
            _ => externref::slot_to_object(slot) as *mut wasm_ref_t,
        }
    })
}

/// Sets an element of a table. A reference to a function is taken over; one to an object of the host's stays the caller's.
/// False, with nothing taken over, if there is no such element, or the reference is of another kind or another store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_set(
    table: *mut wasm_table_t,
    index: wasm_table_size_t,
    reference: *mut wasm_ref_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(table) = (unsafe { table_of(table) }) else { return false };
        let functions = table.elem_type() == ValType::FuncRef;
        // SAFETY: as the caller promises.
        let kind = unsafe { object(reference) }.map(Object::kind);
        if !reference.is_null() && !functions && !matches!(kind, Some(Kind::Foreign(_))) {
            return false;
        }
        // SAFETY: as the caller promises.
        let slot = match unsafe { ref_to_slot(&table.store, table.elem_type(), reference) } {
            Ok(slot) => slot,
            Err(why) => {
                error!("wasm_table_set: {why}");
                return false;
            }
        };
        let set = table.store.pass(|| table.set(index, slot)).is_ok();
        if set && functions {
            // SAFETY: the caller gave it away.
            unsafe { delete(reference) };
        }
        set
    })
}

/// Number of elements of a table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_table_size(table: *const wasm_table_t) -> wasm_table_size_t {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { table_of(table) }.map_or(0, |t| t.len()))
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
unsafe fn memory_of(handle: *const wasm_memory_t) -> Option<InStore<Memory>> {
    // SAFETY: as the caller promises.
    match unsafe { object(handle) }?.kind() {
        // SAFETY: a memory of this store, which the handle uses.
        Kind::Memory { store, memory } => unsafe { InStore::new(store, memory.as_ptr()) },
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
            Ok(memory) => {
                // SAFETY: it was just made.
                let memory = unsafe { Used::new(&store.inner.store, memory) };
                Object::new(Kind::Memory { store: Arc::downgrade(&store.inner), memory }).into_raw()
            }
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
    guard(null_mut(), || unsafe { memory_of(memory) }.map_or(null_mut(), |m| type_of_memory(&m).to_c()))
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
    guard(0, || unsafe { memory_of(memory) }.map_or(0, |m| m.len()))
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

/// Kind of something imported or exported. Of NULL it is none: as in WAMR, the number of the value kind externref.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_extern_kind(handle: *const wasm_extern_t) -> wasm_externkind_t {
    // SAFETY: as the caller promises.
    unsafe { object(handle) }
        .map_or(wasm_valkind_enum::WASM_EXTERNREF as u8, |o| o.extern_kind().unwrap_or(EXTERN_FUNC))
}

/// Type of something imported or exported, for the caller to delete; NULL for a placeholder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_extern_type(handle: *const wasm_extern_t) -> *mut wasm_externtype_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises, and of the object's own store.
        unsafe {
            match object(handle).map(Object::kind) {
                Some(Kind::Func(func)) => func.ty.to_c().cast(),
                Some(Kind::Global(global)) => global.ty().to_c().cast(),
                Some(Kind::Table { store, table }) => InStore::new(store, table.as_ptr())
                    .map_or(null_mut(), |table: InStore<Table>| type_of_table(&table).to_c().cast()),
                Some(Kind::Memory { store, memory }) => InStore::new(store, memory.as_ptr())
                    .map_or(null_mut(), |memory: InStore<Memory>| type_of_memory(&memory).to_c().cast()),
                _ => null_mut(),
            }
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

vector!(own wasm_extern_vec_t, *mut wasm_extern_t, *const *mut wasm_extern_t, "handles",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| Some(unsafe { super::refs::wasm_extern_copy(p) }),
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
