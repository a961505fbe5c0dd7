//! Functions.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;
use wayfarer_runtime::{self as runtime, Caller, HostError, HostFunc, Trap};

use super::super::call;
use super::super::called::Called;
use super::super::exec_env::env_of;
use super::super::ffi::guard;
use super::super::types::wasm_val_t;
use super::engine::{StoreInner, wasm_store_t};
use super::objects::{Callback, Finalizer, Func, HostFunction, Kind, Object, object};
use super::refs::{wasm_func_t, wasm_ref_t, wasm_trap_t};
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

/// The engine's function for one of this API's. A host function becomes one of the store's when it is first needed.
pub(crate) fn to_engine(store: &Arc<StoreInner>, func: &Func) -> *const runtime::Func {
    let make = || {
        let host = func.host.clone();
        let (ty, weak) = (func.ty.clone(), Arc::downgrade(store));
        let results = ty.results.len();
        let called = Called::default();
        let call = move |caller: &mut Caller<'_>, slots: &mut [u64]| -> Result<(), HostError> {
            called.note(|| "one made by wasm_func_new".to_owned());
            let (Some(host), Some(store)) = (&host, weak.upgrade()) else {
                return Err(HostError::Trap(Trap::host("function of a deleted store")));
            };
            let env = env_of(caller.env);
            let lent: *mut runtime::ExecEnv = &mut *caller.env;
            let _running = env.map(|env| env.enter_native(lent, null_mut()));
            let mut args = from_slots(&store, &ty.params, slots);
            let called = host.call(&args, results);
            args.iter_mut().for_each(|arg| {
                // SAFETY: made by `from_slots`, so the handles are ours.
                unsafe { super::values::wasm_val_delete(&raw mut *arg) }
            });
            match called {
                Ok(values) => {
                    let values = to_slots(&store, &ty.results, &values);
                    slots[..values.len()].copy_from_slice(&values);
                    Ok(())
                }
                Err(trap) => {
                    // SAFETY: the host hands its trap over.
                    let mut message = unsafe { message_of(trap) };
                    // SAFETY: as above.
                    unsafe { super::objects::delete(trap) };
                    let mut end = message.len().min(MAX_MESSAGE);
                    while !message.is_char_boundary(end) {
                        end -= 1;
                    }
                    message.truncate(end);
                    Err(HostError::Trap(Trap::host(message)))
                }
            }
        };
        let host =
            HostFunc { name: ("".into(), "".into()), restartable: false, call: Box::new(call), data: None };
        store.store.add_host_func(&func.ty, host) as usize
    };
    *func.func.get_or_init(make) as *const runtime::Func
}

/// A new handle on an engine's function; NULL for null.
pub(crate) fn from_engine(store: &Arc<StoreInner>, func: *const runtime::Func) -> *mut wasm_ref_t {
    // SAFETY: functions live as long as their store.
    unsafe { func.as_ref() }.map_or(null_mut(), |func| guest_func(store, func, None).into_raw())
}

/// An object for an engine's function.
pub(crate) fn guest_func(
    store: &Arc<StoreInner>,
    func: &runtime::Func,
    instance: Option<Arc<super::instance::InstanceInner>>,
) -> Object {
    Object::new(Kind::Func(Func {
        store: store.clone(),
        ty: store.store.runtime().types.get(func.ty).as_ref().clone(),
        func: OnceLock::from(std::ptr::from_ref(func) as usize),
        host: None,
        instance,
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
            store: store.inner.clone(),
            ty,
            func: OnceLock::new(),
            host: Some(Arc::new(HostFunction { call, env, finalizer })),
            instance: None,
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

/// Makes a function that calls the host with a pointer of its own, and `finalizer` with it in the end.
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

/// Calls a function. `results` has room for its results. Returns NULL, or a trap for the caller to delete.
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
        // SAFETY: as the caller promises.
        let results = unsafe { results.as_mut() };
        let count = func.ty.results.len();
        if args.len() < func.ty.params.len() || results.as_ref().map_or(0, |r| r.size) < count {
            return new_trap("Exception: wrong number of arguments or results");
        }
        let values = match invoke(func, &args[..func.ty.params.len()]) {
            Ok(values) => values,
            Err(trap) => return trap,
        };
        if let Some(results) = results.filter(|_| count > 0) {
            // SAFETY: there is room for `size >= count` values.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), results.data, count) };
            (results.num_elems, results.size) = (count, count);
        }
        null_mut()
    })
}

fn invoke(func: &Func, args: &[wasm_val_t]) -> Result<Vec<wasm_val_t>, *mut wasm_trap_t> {
    if let Some(host) = &func.host {
        return Ok(host.call(args, func.ty.results.len())?.to_vec());
    }
    if has_vectors(&func.ty) {
        return Err(new_trap("Exception: v128 can't be passed as wasm_val_t"));
    }
    let store = &func.store;
    // SAFETY: functions live as long as their store.
    let callee = unsafe { &*to_engine(store, func) };
    // The instance that the function belongs to runs it. A function that came out of a table knows it itself.
    let owner = match &func.instance {
        Some(instance) => Some(instance.instance()),
        None => {
            // SAFETY: instances live as long as their store.
            let instance = unsafe { callee.instance.as_ref() };
            instance.and_then(super::super::instance::WASMModuleInstanceCommon::of)
        }
    };
    let Some(instance) = owner else { return Err(new_trap("Exception: the function's instance is gone")) };
    let Some(env) = instance.env() else {
        return Err(new_trap("Exception: create singleton exec_env failed"));
    };
    instance.clear_exception();
    match call::call(env, callee, &to_slots(store, &func.ty.params, args)) {
        Ok(slots) => Ok(from_slots(store, &func.ty.results, &slots)),
        Err(call::Failed) => {
            let exception = instance.exception().unwrap_or_else(|| "unknown exception".to_owned());
            instance.clear_exception();
            Err(new_trap(&format!("Exception: {exception}")))
        }
    }
}
