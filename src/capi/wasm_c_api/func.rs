//! Functions.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use smallvec::SmallVec;
use wayfarer_module::FuncType;
use wayfarer_program::Called;
use wayfarer_runtime::{self as runtime, Caller, HostError, HostFunc, Trap, Used};

use super::super::call;
use super::super::exec_env::env_of;
use super::super::ffi::guard;
use super::super::instance::WASMModuleInstanceCommon;
use super::super::types::wasm_val_t;
use super::instance::InstanceInner;
use super::objects::{Finalizer, Kind, Object, object};
use super::refs::{wasm_func_t, wasm_ref_t, wasm_trap_t};
use super::store::{StoreInner, wasm_store_t};
use super::trap::{message_of, new_trap};
use super::types::{ToC, wasm_functype_t};
use super::values::{from_slots, has_vectors, to_slots, wasm_val_vec_t};
use super::vectors::Vector;

/// A trap of the host's is cut at this many bytes when it goes through a guest.
const MAX_MESSAGE: usize = 107;

/// A function of the host's.
pub type wasm_func_callback_t = Option<
    unsafe extern "C" fn(args: *const wasm_val_vec_t, results: *mut wasm_val_vec_t) -> *mut wasm_trap_t,
>;

/// A function of the host's, with a pointer of its own.
pub type wasm_func_callback_with_env_t = Option<
    unsafe extern "C" fn(
        env: *mut c_void,
        args: *const wasm_val_vec_t,
        results: *mut wasm_val_vec_t,
    ) -> *mut wasm_trap_t,
>;

/// A function.
pub(crate) struct Func {
    pub(crate) store: Weak<StoreInner>,
    pub(crate) ty: FuncType,
    /// The engine's function; a host function gets one when it is first given to a guest.
    func: OnceLock<Used<runtime::Func>>,
    /// The host's function, if it is one.
    host: Option<HostFunction>,
    /// What runs it: the instance of a guest's function, if that is known; the one that a host's function was given to last,
    /// which stays for that.
    instance: Mutex<(Weak<InstanceInner>, Option<Used<runtime::Instance>>)>,
    /// Of a host's function: runs with the last handle.
    _end: Option<End>,
}

/// A function of the host's.
#[derive(Clone, Copy)]
struct HostFunction {
    call: Callback,
    env: *mut c_void,
}

/// `wasm_func_callback_t` or `wasm_func_callback_with_env_t`.
#[derive(Clone, Copy)]
enum Callback {
    Plain(unsafe extern "C" fn(*const wasm_val_vec_t, *mut wasm_val_vec_t) -> *mut wasm_trap_t),
    WithEnv(
        unsafe extern "C" fn(*mut c_void, *const wasm_val_vec_t, *mut wasm_val_vec_t) -> *mut wasm_trap_t,
    ),
}

// SAFETY: functions and pointers of the host's, which it allows to be used where its objects are; a store is used by one
// thread at a time, by the API's contract.
unsafe impl Send for HostFunction {}
// SAFETY: as above.
unsafe impl Sync for HostFunction {}

/// What is to be done when a host's function has no handles any more.
struct End {
    env: *mut c_void,
    finalizer: Finalizer,
}

impl Drop for End {
    fn drop(&mut self) {
        // SAFETY: the host gave the two together.
        unsafe { (self.finalizer)(self.env) };
    }
}

impl HostFunction {
    /// Calls the host. The results, or its trap.
    fn call(
        &self,
        args: &[wasm_val_t],
        results: usize,
    ) -> Result<SmallVec<[wasm_val_t; 4]>, *mut wasm_trap_t> {
        let empty = wasm_val_t { kind: 0, _paddings: [0; 7], of: super::super::types::wasm_val_u { i64: 0 } };
        let mut values: SmallVec<[wasm_val_t; 4]> = SmallVec::from_elem(empty, results);
        let args = Vector {
            size: args.len(),
            data: args.as_ptr().cast_mut(),
            num_elems: args.len(),
            ..wasm_val_vec_t::EMPTY
        };
        let mut into = Vector { size: results, data: values.as_mut_ptr(), ..wasm_val_vec_t::EMPTY };
        // SAFETY: a function of the host's, given with its pointer; the vectors are alive during the call.
        let trap = unsafe {
            match self.call {
                Callback::Plain(f) => f(&raw const args, &raw mut into),
                Callback::WithEnv(f) => f(self.env, &raw const args, &raw mut into),
            }
        };
        if trap.is_null() { Ok(values) } else { Err(trap) }
    }
}

impl Func {
    /// Which of the engine's functions it is; `None` as long as it is none.
    pub(crate) fn in_engine(&self) -> Option<*const runtime::Func> {
        self.func.get().map(Used::as_ptr)
    }

    /// The engine's function. A host function becomes one of the store's when it is first needed.
    pub(crate) fn to_engine(&self, store: &Arc<StoreInner>) -> *const runtime::Func {
        let Some(host) = self.host else { return self.in_engine().unwrap_or(null()) };
        self.func.get_or_init(|| add_host_func(store, &self.ty, host)).as_ptr()
    }

    /// An instance got it.
    pub(crate) fn linked(&self, instance: &Arc<InstanceInner>) {
        if self.host.is_some() {
            let engine = instance.instance();
            // SAFETY: the instance was just made.
            let used = unsafe { Used::new(engine.store(), engine.engine_instance()) };
            let new = (Arc::downgrade(instance), Some(used));
            let old = std::mem::replace(&mut *self.lock_instance(), new);
            drop(old);
        }
    }

    fn lock_instance(&self) -> MutexGuard<'_, (Weak<InstanceInner>, Option<Used<runtime::Instance>>)> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn instance(&self) -> Option<Arc<InstanceInner>> {
        self.lock_instance().0.upgrade()
    }
}

/// Makes a host's function one of the engine's.
fn add_host_func(store: &Arc<StoreInner>, ty: &FuncType, host: HostFunction) -> Used<runtime::Func> {
    let (of_func, weak) = (ty.clone(), Arc::downgrade(store));
    let noted = Called::default();
    let call = move |caller: &mut Caller<'_>, slots: &mut [u64]| -> Result<(), HostError> {
        noted.note(|| "one made by wasm_func_new".to_owned());
        let ty = &of_func;
        let store =
            weak.upgrade().ok_or_else(|| HostError::Trap(Trap::host("function of a deleted store")))?;
        let env = env_of(caller.env);
        let lent: *mut runtime::ExecEnv = &mut *caller.env;
        let _running = env.map(|env| env.enter_native(lent, null_mut()));
        let args = from_slots(&store, &ty.params, slots);
        let called = host.call(&args, ty.results.len());
        let called = called.map(|values| (to_slots(&store, &ty.results, &values), values));
        // Arguments are the host's only during the call, results are ours; an argument may come back as a result.
        let results = called.as_ref().map(|(_, values)| &**values).unwrap_or_default();
        super::values::delete_funcrefs(args.iter().chain(results));
        let (new, _) = called.map_err(|trap| HostError::Trap(Trap::host(taken_message(trap))))?;
        let new = new.map_err(|why| HostError::Trap(Trap::host(why)))?;
        slots[..new.len()].copy_from_slice(&new);
        Ok(())
    };
    let host =
        HostFunc { name: ("".into(), "".into()), restartable: false, call: Box::new(call), data: None };
    let func = store.store.add_host_func(ty, host);
    // SAFETY: it was just made.
    unsafe { Used::new(&store.store, func) }
}

/// The message of a trap that the host hands over, cut as WAMR cuts it.
fn taken_message(trap: *mut wasm_trap_t) -> String {
    // SAFETY: the host hands its trap over.
    let mut message = unsafe { message_of(trap) };
    // SAFETY: as above.
    unsafe { super::objects::delete(trap) };
    if message.is_empty() {
        return "native function throw unknown exception".to_owned();
    }
    let mut end = message.len().min(MAX_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}

/// A new handle on an engine's function; NULL for null.
pub(crate) fn from_engine(store: &Arc<StoreInner>, func: *const runtime::Func) -> *mut wasm_ref_t {
    if func.is_null() {
        return null_mut();
    }
    // SAFETY: it comes from the guest, or an object of the store, which keeps it.
    unsafe { guest_func(&store.store, &Arc::downgrade(store), func, Weak::new()) }.into_raw()
}

/// An object for an engine's function.
///
/// # Safety
/// It is a function of the store, and there.
pub(crate) unsafe fn guest_func(
    engine_store: &Arc<runtime::Store>,
    store: &Weak<StoreInner>,
    func: *const runtime::Func,
    instance: Weak<InstanceInner>,
) -> Object {
    // SAFETY: as the caller promises.
    let (ty, used) = unsafe { ((*func).ty, Used::new(engine_store, func)) };
    Object::new(Kind::Func(Func {
        store: store.clone(),
        ty: engine_store.runtime().types.get(ty).as_ref().clone(),
        func: OnceLock::from(used),
        host: None,
        instance: Mutex::new((instance, None)),
        _end: None,
    }))
}

/// # Safety
/// `store` and `ty` are NULL or alive.
unsafe fn new_host_func(
    store: *mut wasm_store_t,
    ty: *const wasm_functype_t,
    call: Option<Callback>,
    env: *mut c_void,
    finalizer: Option<Finalizer>,
) -> *mut wasm_func_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (store, ty) = unsafe { (store.as_ref(), ty.as_ref().and_then(wasm_functype_t::to_module)) };
        let (Some(store), Some(ty), Some(call)) = (store, ty, call) else { return null_mut() };
        Object::new(Kind::Func(Func {
            store: Arc::downgrade(&store.inner),
            ty,
            func: OnceLock::new(),
            host: Some(HostFunction { call, env }),
            instance: Mutex::default(),
            _end: finalizer.map(|finalizer| End { env, finalizer }),
        }))
        .into_raw()
    })
}

/// Makes a function that calls the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_new(
    store: *mut wasm_store_t,
    ty: *const wasm_functype_t,
    callback: wasm_func_callback_t,
) -> *mut wasm_func_t {
    // SAFETY: as the caller promises.
    unsafe { new_host_func(store, ty, callback.map(Callback::Plain), null_mut(), None) }
}

/// Makes a function that calls the host with a pointer of its own. `finalizer` is called with it, once, when the last
/// handle on the function is deleted; as in WAMR, also while instances still have the function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_new_with_env(
    store: *mut wasm_store_t,
    r#type: *const wasm_functype_t,
    callback: wasm_func_callback_with_env_t,
    env: *mut c_void,
    finalizer: Option<unsafe extern "C" fn(*mut c_void)>,
) -> *mut wasm_func_t {
    // SAFETY: as the caller promises.
    unsafe { new_host_func(store, r#type, callback.map(Callback::WithEnv), env, finalizer) }
}

/// # Safety
/// NULL, or a handle that is alive.
unsafe fn func_of<'a>(func: *const wasm_func_t) -> Option<&'a Func> {
    // SAFETY: as the caller promises.
    match unsafe { object(func) }?.kind() {
        Kind::Func(func) => Some(func),
        _ => None,
    }
}

/// The type of a function, for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_type(func: *const wasm_func_t) -> *mut wasm_functype_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || unsafe { func_of(func) }.map_or(null_mut(), |f| f.ty.to_c()))
}

/// Number of a function's parameters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_param_arity(func: *const wasm_func_t) -> usize {
    // SAFETY: as the caller promises.
    unsafe { func_of(func) }.map_or(0, |f| f.ty.params.len())
}

/// Number of a function's results.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_result_arity(func: *const wasm_func_t) -> usize {
    // SAFETY: as the caller promises.
    unsafe { func_of(func) }.map_or(0, |f| f.ty.results.len())
}

/// Calls a function, a guest's or one that a guest was given. `results` has room for its results. Returns NULL, or a trap
/// for the caller to delete.
///
/// Without enough room the function is called all the same, and a trap says so if it returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_func_call(
    func: *const wasm_func_t,
    args: *const wasm_val_vec_t,
    results: *mut wasm_val_vec_t,
) -> *mut wasm_trap_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let Some(func) = (unsafe { func_of(func) }) else { return new_trap("Exception: not a function") };
        // SAFETY: as the caller promises.
        let args = unsafe { args.as_ref().map(|args| args.all()) }.unwrap_or_default();
        let params = func.ty.params.len();
        let Some(args) = args.get(..params) else {
            return new_trap(&format!(
                "Exception: the function has {params} parameters, and {} arguments were given",
                args.len()
            ));
        };
        let values = match invoke(func, args) {
            Ok(values) => values,
            Err(message) => return new_trap(&message),
        };
        // SAFETY: as the caller promises. It is looked at only now: what is called may use it, too.
        unsafe { give(&values, results) }
    })
}

/// Gives the results of a call to the host: null, or a trap that says that there is no room for them.
///
/// # Safety
/// `results` is NULL, or what it says of its size is so.
pub(crate) unsafe fn give(values: &[wasm_val_t], results: *mut wasm_val_vec_t) -> *mut wasm_trap_t {
    let count = values.len();
    // SAFETY: as the caller promises.
    let results = unsafe { results.as_mut() }.filter(|_| count > 0);
    let Some(results) = results else { return no_room(values, 0) };
    let room = if results.data.is_null() { 0 } else { results.size };
    if room < count {
        return no_room(values, room);
    }
    // SAFETY: there is room for `size >= count` values.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), results.data, count) };
    (results.num_elems, results.size) = (count, count);
    null_mut()
}

/// The end of a call whose results the host has no room for: a trap, unless there are none.
fn no_room(values: &[wasm_val_t], room: usize) -> *mut wasm_trap_t {
    if values.is_empty() {
        return null_mut();
    }
    super::values::delete_funcrefs(values);
    new_trap(&format!("Exception: the function has {} results, and there is room for {room}", values.len()))
}

/// Calls a function. The results, or the message of a trap.
fn invoke(func: &Func, args: &[wasm_val_t]) -> Result<Vec<wasm_val_t>, String> {
    const UNLINKED: &str = "failed to call unlinked function";
    let store = func.store.upgrade().ok_or(UNLINKED)?;
    if has_vectors(&func.ty) {
        return Err("Exception: v128 can't be passed as wasm_val_t".to_owned());
    }
    // The instance that the function belongs to runs it. A function that came out of a table knows it itself.
    let inner = func.instance();
    if inner.is_none() && func.host.is_some() {
        return Err(UNLINKED.to_owned());
    }
    // SAFETY: `func` uses it.
    let callee = unsafe { func.to_engine(&store).as_ref() }.ok_or(UNLINKED)?;
    // SAFETY: a function keeps its instance.
    let of_callee = || unsafe { callee.instance.as_ref() }.and_then(WASMModuleInstanceCommon::of);
    let instance = inner.as_ref().map(|inner| inner.instance()).or_else(of_callee);
    let instance = instance.ok_or("Exception: the function's instance is gone")?;
    let env = instance.env().ok_or("Exception: create singleton exec_env failed")?;
    let slots = to_slots(&store, &func.ty.params, args).map_err(|why| format!("Exception: {why}"))?;
    instance.clear_exception();
    match call::call(env, callee, &slots) {
        Ok(slots) => Ok(from_slots(&store, &func.ty.results, &slots)),
        Err(call::Failed) => {
            let exception = instance.exception().unwrap_or_else(|| "unknown exception".to_owned());
            instance.clear_exception();
            Err(format!("Exception: {exception}"))
        }
    }
}
