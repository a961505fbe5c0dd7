//! Stores. What is in a store lives as long as a handle of the host's needs it, and no longer than the store: handles that
//! are left when it is gone are of no use.

use std::ops::Deref;
use std::ptr::null_mut;
use std::sync::{Arc, Weak};

use wayfarer_program::Program;
use wayfarer_runtime::{self as runtime, Instance};

use super::super::exec_env::init_thread;
use super::super::externref;
use super::super::ffi::guard;
use super::super::log::warning;
use super::super::types::wasm_module_inst_t;
use super::engine::wasm_engine_t;
use super::owned;
use super::vectors::vector;

/// A store: what the objects of one thread live in.
pub struct wasm_store_t {
    pub(crate) inner: Arc<StoreInner>,
}

/// What there is of a store.
pub(crate) struct StoreInner {
    pub(crate) store: Arc<runtime::Store>,
}

impl StoreInner {
    /// Frees what nobody uses any more, if there is enough of it to be worth looking for.
    pub(crate) fn tidy(&self) {
        // SAFETY: handles use what they are of, and this is called with nothing else at hand.
        unsafe { Program::tidy(&self.store) };
    }

    /// The host changes something of the store's, outside of calls: not while an image is written.
    pub(crate) fn pass<T>(&self, f: impl FnOnce() -> T) -> T {
        match Program::of(&self.store) {
            Some(program) => program.pass(f),
            None => f(),
        }
    }

    /// Makes a handle go with the store.
    pub(crate) fn own<T>(&self, handle: *mut T, free: owned::Free) -> *mut T {
        owned::add(handle as usize, self.id(), free);
        handle
    }

    /// The slot of a pointer of the host's that guests hold as externref. It is never looked at; NULL is null.
    pub(crate) fn pointer_to_slot(&self, pointer: usize) -> Option<u64> {
        if pointer == 0 { Some(0) } else { externref::object_to_slot(self.key(), pointer) }
    }

    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// In the table of host objects the store stands where an instance stands otherwise: what one of its instances was
    /// given, others can hold.
    fn key(&self) -> wasm_module_inst_t {
        std::ptr::from_ref(self).cast_mut().cast()
    }
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        owned::free_all(self.id());
        wayfarer_program::references::remove_all_of(self.key() as usize);
        // They refer to what is in the store, and keep it.
        let instances: Vec<_> = self.store.instances().filter_map(Instance::take_kept).collect();
        drop(instances);
    }
}

/// An object of the engine's that a handle uses, together with its store.
pub(crate) struct InStore<T> {
    pub(crate) store: Arc<StoreInner>,
    object: *const T,
}

impl<T> InStore<T> {
    /// The object, if its store is still there.
    ///
    /// # Safety
    /// It is an object of this store, which a handle uses that outlives what is made here.
    pub(crate) unsafe fn new(store: &Weak<StoreInner>, object: *const T) -> Option<Self> {
        Some(InStore { store: store.upgrade()?, object })
    }
}

impl<T> Deref for InStore<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the object is used, as who made `self` promised, and its store is there.
        unsafe { &*self.object }
    }
}

/// Whether `of` is this store.
pub(crate) fn is(of: &Weak<StoreInner>, store: &Arc<StoreInner>) -> bool {
    std::ptr::eq(of.as_ptr(), Arc::as_ptr(store))
}

/// Makes a store for the calling thread.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_store_new(engine: *mut wasm_engine_t) -> *mut wasm_store_t {
    guard(null_mut(), || {
        if engine.is_null() {
            return null_mut();
        }
        init_thread();
        let store = runtime::Store::new(&super::super::engine::runtime());
        Box::into_raw(Box::new(wasm_store_t { inner: Arc::new(StoreInner { store }) }))
    })
}

/// Deletes a store with all that is in it: its instances, its modules, its objects of the host's. Other handles on what was
/// in it are good for nothing but to be deleted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_store_delete(store: *mut wasm_store_t) {
    guard((), || {
        if !store.is_null() {
            // SAFETY: as the caller promises: made by wasm_store_new.
            drop(unsafe { Box::from_raw(store) });
        }
    });
}

/// A store can't be copied.
fn no_copy(_: &*mut wasm_store_t) -> Option<*mut wasm_store_t> {
    warning!("wasm_store_vec_copy: a store can't be copied");
    None
}

// Not declared in the header, but exported by WAMR.
vector!(own wasm_store_vec_t, *mut wasm_store_t, *const *mut wasm_store_t, "stores",
    copy: no_copy, delete: |&p| {
        // SAFETY: elements of a vector are NULL or stores, owned by it.
        unsafe { wasm_store_delete(p) }
    };
    wasm_store_vec_new_empty wasm_store_vec_new_uninitialized wasm_store_vec_new wasm_store_vec_copy
    wasm_store_vec_delete);
