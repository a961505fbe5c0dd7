//! Instances.

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::Arc;

use wayfarer_runtime::Extern;

use super::super::ffi::{guard, put};
use super::super::instance::WASMModuleInstanceCommon;
use super::super::instantiate::{InstantiationArgs2, instantiate};
use super::super::types::{InstantiationArgs, wasm_module_t};
use super::super::unsupported::refuse;
use super::engine::{StoreInner, wasm_store_t};
use super::externs::wasm_extern_vec_t;
use super::func::{guest_func, to_engine};
use super::module::{Loaded, loaded};
use super::objects::{Kind, Object, object};
use super::refs::{wasm_instance_copy, wasm_instance_delete, wasm_instance_t, wasm_trap_t};
use super::trap::new_trap;
use super::vectors::{Vector, vector};

/// Operand stack and app heap of instances made without saying.
const DEFAULT_SIZE: u32 = 32 * 1024;

/// An instance, kept by handles on it and on its functions.
pub(crate) struct InstanceInner {
    // Dropped before what it refers to.
    instance: Box<WASMModuleInstanceCommon>,
    store: Arc<StoreInner>,
    _module: Arc<Loaded>,
}

impl InstanceInner {
    /// The instance as `wasm_export.h` has it.
    pub(crate) fn instance(&self) -> &WASMModuleInstanceCommon {
        &self.instance
    }
}

/// What an object can be linked to an import as.
fn as_import(store: &Arc<StoreInner>, object: &Object) -> Option<Extern> {
    Some(match object.kind() {
        Kind::Func(func) => Extern::Func(to_engine(store, func)),
        Kind::Global { global, .. } => Extern::Global(*global),
        Kind::Table { table, .. } => Extern::Table(*table),
        Kind::Memory { memory, .. } => Extern::Memory(*memory),
        // Something else provides it.
        _ => return None,
    })
}

/// Instantiates a module, with 32 KiB of operand stack and of app heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_instance_new(
    store: *mut wasm_store_t,
    module: *const wasm_module_t,
    imports: *const wasm_extern_vec_t,
    trap: *mut *mut wasm_trap_t,
) -> *mut wasm_instance_t {
    // SAFETY: as the caller promises.
    unsafe { wasm_instance_new_with_args(store, module, imports, trap, DEFAULT_SIZE, DEFAULT_SIZE) }
}

/// Instantiates a module, with these many bytes of operand stack and of app heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_instance_new_with_args(
    store: *mut wasm_store_t,
    module: *const wasm_module_t,
    imports: *const wasm_extern_vec_t,
    trap: *mut *mut wasm_trap_t,
    stack_size: u32,
    heap_size: u32,
) -> *mut wasm_instance_t {
    let args = InstantiationArgs {
        default_stack_size: stack_size,
        host_managed_heap_size: heap_size,
        max_memory_pages: 0,
    };
    // SAFETY: as the caller promises.
    unsafe { wasm_instance_new_with_args_ex(store, module, imports, trap, &raw const args) }
}

/// Instantiates a module. `imports` are in the order of the module's; NULL and placeholders are left to what is built in
/// or registered. On failure returns NULL, with a trap for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_instance_new_with_args_ex(
    store: *mut wasm_store_t,
    module: *const wasm_module_t,
    imports: *const wasm_extern_vec_t,
    trap: *mut *mut wasm_trap_t,
    inst_args: *const InstantiationArgs,
) -> *mut wasm_instance_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (store, module, args) = unsafe { (store.as_ref(), loaded(module), inst_args.as_ref()) };
        let (Some(store), Some(module), Some(args)) = (store, module, args) else { return null_mut() };
        // SAFETY: as the caller promises.
        let imports = unsafe { imports.as_ref().map(|i| i.all()) }.unwrap_or_default();
        let given = |index: usize| {
            // SAFETY: elements of a vector of the host's are NULL or alive.
            let import = unsafe { object(*imports.get(index)?) }?;
            as_import(&store.inner, import)
        };
        let args = InstantiationArgs2 { basic: *args, ..InstantiationArgs2::default() };
        match instantiate(module.module(), &store.inner.store, &args, &given) {
            Ok(instance) => {
                let inner = InstanceInner { instance, store: store.inner.clone(), _module: module.clone() };
                Object::new(Kind::Instance(Arc::new(inner))).into_raw()
            }
            Err(why) => {
                // SAFETY: as the caller promises.
                unsafe { put(trap, new_trap(&format!("wasm_instance_new_with_args_ex failed: {why}"))) };
                null_mut()
            }
        }
    })
}

/// What an instance exports, in file order, for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_instance_exports(
    instance: *const wasm_instance_t,
    out: *mut wasm_extern_vec_t,
) {
    guard((), || {
        // SAFETY: as the caller promises.
        let exports = match unsafe { object(instance) }.map(Object::kind) {
            Some(Kind::Instance(instance)) => exports(instance),
            _ => Vector::EMPTY,
        };
        // SAFETY: as the caller promises.
        unsafe { put(out, exports) };
    });
}

fn exports(inner: &Arc<InstanceInner>) -> wasm_extern_vec_t {
    let instance = inner.instance.engine_instance();
    let store = &inner.store;
    let object = |export: Extern| match export {
        // SAFETY: functions live as long as their store.
        Extern::Func(func) => guest_func(store, unsafe { &*func }, Some(inner.clone())),
        Extern::Global(global) => Object::new(Kind::Global { store: store.clone(), global }),
        Extern::Table(table) => Object::new(Kind::Table { store: store.clone(), table }),
        Extern::Memory(memory) => Object::new(Kind::Memory { _store: store.clone(), memory }),
    };
    let exports = instance.module().exports.iter();
    Vector::of(exports.map(|e| instance.export(&e.name).map_or(null_mut(), |e| object(e).into_raw())))
}

/// Not implemented: how long guest code ran, in ms. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_instance_sum_wasm_exec_time(_instance: *const wasm_instance_t) -> f64 {
    refuse("wasm_instance_sum_wasm_exec_time", 0.0)
}

/// Not implemented: how long a function ran, in ms. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_instance_get_wasm_func_exec_time(
    _instance: *const wasm_instance_t,
    _name: *const c_char,
) -> f64 {
    refuse("wasm_instance_get_wasm_func_exec_time", 0.0)
}

// Not declared in the header, but exported by WAMR.
vector!(wasm_instance_vec_t, *mut wasm_instance_t, *const *mut wasm_instance_t, "instances",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| unsafe { wasm_instance_copy(p) },
    // SAFETY: as above, and owned by the vector.
    delete: |&p| unsafe { wasm_instance_delete(p) };
    wasm_instance_vec_new_empty wasm_instance_vec_new_uninitialized wasm_instance_vec_new wasm_instance_vec_copy
    wasm_instance_vec_delete);
