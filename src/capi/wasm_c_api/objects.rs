//! What every reference of this API points to: an [`Object`], a handle on something shared.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wayfarer_runtime::{self as runtime, Used};

use super::externs::HostGlobal;
use super::func::Func;
use super::instance::InstanceRef;
use super::store::StoreInner;
use super::trap::TrapInner;
use super::types::{EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_MEMORY, EXTERN_TABLE, wasm_externkind_t};

/// A handle that the host owns. Copying it makes another handle on the same thing.
#[repr(C)]
pub(crate) struct Object {
    // In the first word, where a struct of zeros has none: see `object`.
    shared: Arc<Shared>,
    host_info: Mutex<HostInfo>,
}

/// The thing itself.
pub(crate) struct Shared {
    pub(crate) kind: Kind,
}

/// What the host hangs on a handle. Each has its own.
#[derive(Default)]
struct HostInfo {
    info: usize,
    finalizer: Option<Finalizer>,
}

/// Called with a host's pointer when what it belongs to is gone.
pub(crate) type Finalizer = unsafe extern "C" fn(*mut c_void);

/// What an object is.
pub(crate) enum Kind {
    Func(Func),
    Global(HostGlobal),
    Table {
        store: Weak<StoreInner>,
        table: Used<runtime::Table>,
    },
    Memory {
        store: Weak<StoreInner>,
        memory: Used<runtime::Memory>,
    },
    Instance(InstanceRef),
    Trap(TrapInner),
    Foreign(Foreign),
    /// Stands for an import that something else provides.
    Placeholder(wasm_externkind_t),
}

/// An object of the host's. It has one handle, which counts how often the host has it; other references do not count.
pub(crate) struct Foreign {
    pub(crate) store: Weak<StoreInner>,
    /// The handle; 0 for none.
    pub(crate) handle: AtomicUsize,
    pub(crate) count: AtomicUsize,
}

// SAFETY: functions and pointers of the host's, which it allows to be used where its objects are; a store is used by one
// thread at a time, by the API's contract.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Drop for HostInfo {
    fn drop(&mut self) {
        if let Some(finalizer) = self.finalizer.filter(|_| self.info != 0) {
            // SAFETY: the host gave the two together.
            unsafe { finalizer(self.info as *mut c_void) };
        }
    }
}

/// Another handle, without what the host hung on this one.
impl Clone for Object {
    fn clone(&self) -> Self {
        Object { shared: self.shared.clone(), host_info: Mutex::default() }
    }
}

impl Object {
    /// A new thing.
    pub(crate) fn new(kind: Kind) -> Object {
        Object { shared: Arc::new(Shared { kind }), host_info: Mutex::default() }
    }

    /// Hands the handle to the host.
    pub(crate) fn into_raw<T>(self) -> *mut T {
        Box::into_raw(Box::new(self)).cast()
    }

    /// What it is.
    pub(crate) fn kind(&self) -> &Kind {
        &self.shared.kind
    }

    /// The store that it is in; `None` for what is in none.
    fn store(&self) -> Option<Arc<StoreInner>> {
        match self.kind() {
            Kind::Func(func) => func.store.upgrade(),
            Kind::Global(global) => global.store.upgrade(),
            Kind::Table { store, .. } | Kind::Memory { store, .. } => store.upgrade(),
            Kind::Instance(instance) => instance.inner.upgrade()?.store.upgrade(),
            Kind::Trap(_) | Kind::Foreign(_) | Kind::Placeholder(_) => None,
        }
    }

    /// Its kind as something imported or exported; `None` if it is nothing of the sort.
    pub(crate) fn extern_kind(&self) -> Option<wasm_externkind_t> {
        match self.kind() {
            Kind::Func(_) => Some(EXTERN_FUNC),
            Kind::Global(_) => Some(EXTERN_GLOBAL),
            Kind::Table { .. } => Some(EXTERN_TABLE),
            Kind::Memory { .. } => Some(EXTERN_MEMORY),
            Kind::Placeholder(kind) => Some(*kind),
            Kind::Instance(_) | Kind::Trap(_) | Kind::Foreign(_) => None,
        }
    }

    /// Whether both are handles on the same thing.
    pub(crate) fn same(&self, other: &Object) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Func(a), Kind::Func(b)) if a.in_engine().is_some() => a.in_engine() == b.in_engine(),
            (Kind::Global(a), Kind::Global(b)) if a.in_engine().is_some() => a.in_engine() == b.in_engine(),
            (Kind::Table { table: a, .. }, Kind::Table { table: b, .. }) => {
                std::ptr::eq(a.as_ptr(), b.as_ptr())
            }
            (Kind::Memory { memory: a, .. }, Kind::Memory { memory: b, .. }) => {
                std::ptr::eq(a.as_ptr(), b.as_ptr())
            }
            (Kind::Instance(a), Kind::Instance(b)) => Weak::ptr_eq(&a.inner, &b.inner),
            _ => Arc::ptr_eq(&self.shared, &other.shared),
        }
    }

    pub(crate) fn host_info(&self) -> *mut c_void {
        self.host_info.lock().unwrap_or_else(PoisonError::into_inner).info as *mut c_void
    }

    /// Hangs something on the handle. What was there before is forgotten: as in WAMR, without its finalizer.
    pub(crate) fn set_host_info(&self, info: *mut c_void, finalizer: Option<Finalizer>) {
        let new = HostInfo { info: info as usize, finalizer };
        let old = std::mem::replace(&mut *self.host_info.lock().unwrap_or_else(PoisonError::into_inner), new);
        std::mem::forget(old);
    }

    /// Ends what the host hung on the handle, before the handle ends.
    pub(crate) fn end_host_info(&self) {
        // The lock is not held while the finalizer runs.
        let old = std::mem::take(&mut *self.host_info.lock().unwrap_or_else(PoisonError::into_inner));
        drop(old);
    }
}

/// The object behind a pointer of any of this API's reference types. A struct of zeros is none: hosts that know WAMR's
/// layouts make such.
///
/// # Safety
/// The pointer is NULL, to zeros, or a handle of this API that is alive.
pub(crate) unsafe fn object<'a, T>(handle: *const T) -> Option<&'a Object> {
    // SAFETY: NULL, or as the caller promises at least a word.
    let first = unsafe { handle.cast::<usize>().as_ref() }.copied().unwrap_or_default();
    // SAFETY: all handles were made by `Object::into_raw`, and begin with a pointer that is not null.
    if first == 0 { None } else { unsafe { handle.cast::<Object>().as_ref() } }
}

/// Deletes a handle; NULL is ignored.
///
/// # Safety
/// As [`object`], and the handle is the caller's.
pub(crate) unsafe fn delete<T>(handle: *mut T) {
    super::super::ffi::guard((), || {
        // SAFETY: as the caller promises.
        let Some(object) = (unsafe { object(handle) }) else { return };
        let store = object.store();
        // SAFETY: as the caller promises; it is one of `Object::into_raw`.
        drop(unsafe { Box::from_raw(handle.cast::<Object>()) });
        // It may have been the last use of something.
        store.into_iter().for_each(|store| store.tidy());
    });
}

/// Frees a handle that a store owned.
///
/// # Safety
/// The address of a handle that is alive, and nobody's any more.
pub(crate) unsafe fn free(handle: usize) {
    // SAFETY: as the caller promises.
    unsafe { delete(handle as *mut Object) };
}

impl Foreign {
    /// Hands out the one handle on it, once more.
    pub(crate) fn handle<T>(&self, object: &Object) -> *mut T {
        let Some(store) = self.store.upgrade() else { return std::ptr::null_mut() };
        let handle = self.handle.load(Ordering::Acquire);
        if handle != 0 {
            self.count.fetch_add(1, Ordering::AcqRel);
            return handle as *mut T;
        }
        let handle = store.own(object.clone().into_raw(), free);
        self.handle.store(handle as usize, Ordering::Release);
        self.count.store(1, Ordering::Release);
        handle
    }
}

/// Takes the handle on an object of the host's back once; it ends when the host had it no more often.
///
/// # Safety
/// NULL, zeros, a handle of this API, or one that was and is not alive any more.
pub(crate) unsafe fn delete_foreign<T>(handle: *mut T) {
    super::super::ffi::guard((), || {
        if !super::owned::is_alive(handle as usize) {
            return;
        }
        // SAFETY: it is alive.
        let Some(Kind::Foreign(foreign)) = (unsafe { object(handle) }).map(Object::kind) else { return };
        if foreign.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            foreign.handle.store(0, Ordering::Release);
            super::owned::remove(handle as usize);
            // SAFETY: alive until now, and the last.
            unsafe { delete(handle) };
        }
    });
}
