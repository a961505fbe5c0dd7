//! What every reference of this API points to: an [`Object`], a handle on something shared.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wayfarer_module::FuncType;
use wayfarer_runtime as runtime;

use super::engine::StoreInner;
use super::instance::InstanceInner;
use super::trap::TrapInner;
use super::types::{EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_MEMORY, EXTERN_TABLE, wasm_externkind_t};
use super::values::wasm_val_vec_t;

/// A handle that the host owns. Copying it makes another handle on the same thing.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) shared: Arc<Shared>,
}

/// The thing itself, and what the host hangs on it.
pub(crate) struct Shared {
    pub(crate) kind: Kind,
    host_info: Mutex<HostInfo>,
}

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
    Global {
        store: Arc<StoreInner>,
        global: *const runtime::Global,
    },
    Table {
        store: Arc<StoreInner>,
        table: *const runtime::Table,
    },
    Memory {
        /// Keeps the memory.
        _store: Arc<StoreInner>,
        memory: *const runtime::Memory,
    },
    Instance(Arc<InstanceInner>),
    Trap(TrapInner),
    Foreign,
    /// Stands for an import that something else provides.
    Placeholder(wasm_externkind_t),
}

/// A function.
pub(crate) struct Func {
    pub(crate) store: Arc<StoreInner>,
    pub(crate) ty: FuncType,
    /// The engine's function; a host function gets one when it is first given to a guest.
    pub(crate) func: OnceLock<usize>,
    /// The host's function, if it is one.
    pub(crate) host: Option<Arc<HostFunction>>,
    /// Keeps the instance of a guest function.
    pub(crate) instance: Option<Arc<InstanceInner>>,
}

/// A function of the host's.
pub(crate) struct HostFunction {
    pub(crate) call: Callback,
    pub(crate) env: *mut c_void,
    pub(crate) finalizer: Option<Finalizer>,
}

/// `wasm_func_callback_t` or `wasm_func_callback_with_env_t`.
pub(crate) enum Callback {
    Plain(unsafe extern "C" fn(*const wasm_val_vec_t, *mut wasm_val_vec_t) -> *mut super::refs::wasm_trap_t),
    WithEnv(
        unsafe extern "C" fn(
            *mut c_void,
            *const wasm_val_vec_t,
            *mut wasm_val_vec_t,
        ) -> *mut super::refs::wasm_trap_t,
    ),
}

// SAFETY: functions and pointers of the host's, which it allows to be used where its objects are; a store is used by one
// thread at a time, by the API's contract.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for HostFunction {}
// SAFETY: as above.
unsafe impl Sync for HostFunction {}

impl Drop for HostFunction {
    fn drop(&mut self) {
        if let Some(finalizer) = self.finalizer {
            // SAFETY: the host gave the two together.
            unsafe { finalizer(self.env) };
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let host_info = self.host_info.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(finalizer) = host_info.finalizer {
            // SAFETY: the host gave the two together.
            unsafe { finalizer(host_info.info as *mut c_void) };
        }
    }
}

impl Object {
    /// A new thing.
    pub(crate) fn new(kind: Kind) -> Object {
        Object { shared: Arc::new(Shared { kind, host_info: Mutex::default() }) }
    }

    /// Hands the handle to the host.
    pub(crate) fn into_raw<T>(self) -> *mut T {
        Box::into_raw(Box::new(self)).cast()
    }

    /// What it is.
    pub(crate) fn kind(&self) -> &Kind {
        &self.shared.kind
    }

    /// Its kind as something imported or exported; `None` if it is nothing of the sort.
    pub(crate) fn extern_kind(&self) -> Option<wasm_externkind_t> {
        match self.kind() {
            Kind::Func(_) => Some(EXTERN_FUNC),
            Kind::Global { .. } => Some(EXTERN_GLOBAL),
            Kind::Table { .. } => Some(EXTERN_TABLE),
            Kind::Memory { .. } => Some(EXTERN_MEMORY),
            Kind::Placeholder(kind) => Some(*kind),
            Kind::Instance(_) | Kind::Trap(_) | Kind::Foreign => None,
        }
    }

    /// Whether both are handles on the same thing.
    pub(crate) fn same(&self, other: &Object) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Func(a), Kind::Func(b)) if a.func.get().is_some() => a.func.get() == b.func.get(),
            (Kind::Global { global: a, .. }, Kind::Global { global: b, .. }) => std::ptr::eq(*a, *b),
            (Kind::Table { table: a, .. }, Kind::Table { table: b, .. }) => std::ptr::eq(*a, *b),
            (Kind::Memory { memory: a, .. }, Kind::Memory { memory: b, .. }) => std::ptr::eq(*a, *b),
            (Kind::Instance(a), Kind::Instance(b)) => Arc::ptr_eq(a, b),
            _ => Arc::ptr_eq(&self.shared, &other.shared),
        }
    }

    pub(crate) fn host_info(&self) -> *mut c_void {
        self.shared.host_info.lock().unwrap_or_else(PoisonError::into_inner).info as *mut c_void
    }

    pub(crate) fn set_host_info(&self, info: *mut c_void, finalizer: Option<Finalizer>) {
        let mut host_info = self.shared.host_info.lock().unwrap_or_else(PoisonError::into_inner);
        *host_info = HostInfo { info: info as usize, finalizer };
    }
}

/// The object behind a pointer of any of this API's reference types.
///
/// # Safety
/// The pointer is NULL or a handle of this API that is alive.
pub(crate) unsafe fn object<'a, T>(handle: *const T) -> Option<&'a Object> {
    // SAFETY: all handles were made by `Object::into_raw`.
    unsafe { handle.cast::<Object>().as_ref() }
}

/// Deletes a handle; NULL is ignored.
///
/// # Safety
/// As [`object`], and the handle is the caller's.
pub(crate) unsafe fn delete<T>(handle: *mut T) {
    super::super::ffi::guard((), || {
        if !handle.is_null() {
            // SAFETY: as the caller promises.
            drop(unsafe { Box::from_raw(handle.cast::<Object>()) });
        }
    });
}
