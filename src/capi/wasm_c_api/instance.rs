//! Instances. They live as long as somebody uses them: a handle on one, or on what it exports, or another instance.

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::{Arc, Weak};

use wayfarer_program::Source;
use wayfarer_runtime::{Extern, Instance, Used};

use super::super::ffi::{guard, put};
use super::super::instance::WASMModuleInstanceCommon;
use super::super::instantiate::{Given, InstantiationArgs2, instantiate, restore_store};
use super::super::log::error;
use super::super::types::{InstantiationArgs, wasm_module_t};
use super::super::unsupported::refuse;
use super::super::wayfarer_store::wayfarer_store_module_t;
use super::externs::{HostGlobal, wasm_extern_vec_t};
use super::func::guest_func;
use super::imports::Imports;
use super::module::{Loaded, loaded};
use super::objects::{Kind, Object, delete, free, object};
use super::owned;
use super::refs::{wasm_instance_copy, wasm_instance_delete, wasm_instance_t, wasm_trap_t};
use super::store::{StoreInner, wasm_store_t};
use super::trap::new_trap;
use super::vectors::{Vector, vector};

/// Operand stack and app heap of instances made without saying.
const DEFAULT_SIZE: u32 = 32 * 1024;

/// What an instantiation that failed may leave to be freed: as much as an instance.
const LEFT_BEHIND: usize = 64;

/// An instance. It goes with the engine's.
pub(crate) struct InstanceInner {
    // Dropped before its module.
    instance: Box<WASMModuleInstanceCommon>,
    pub(crate) store: Weak<StoreInner>,
    _module: Arc<Loaded>,
}

impl InstanceInner {
    /// The instance as `wasm_export.h` has it.
    pub(crate) fn instance(&self) -> &WASMModuleInstanceCommon {
        &self.instance
    }
}

impl Drop for InstanceInner {
    fn drop(&mut self) {
        self.instance.parts.leave_streams();
    }
}

/// An instance, used by a handle.
pub(crate) struct InstanceRef {
    pub(crate) inner: Weak<InstanceInner>,
    _used: Option<Used<Instance>>,
}

/// A new handle on an instance, which goes with the store, if the host does not delete it before.
pub(crate) fn instance_handle<T>(object: &Object) -> *mut T {
    let store = match object.kind() {
        Kind::Instance(instance) => instance.inner.upgrade().and_then(|instance| instance.store.upgrade()),
        _ => None,
    };
    store.map_or(null_mut(), |store| store.own(object.clone().into_raw(), free))
}

/// The host needs a handle no more. Those who use the instance's exports keep it.
///
/// # Safety
/// NULL, or a handle on an instance; its store may be gone.
pub(crate) unsafe fn delete_instance<T>(handle: *mut T) {
    guard((), || {
        if owned::is_alive(handle as usize) {
            // SAFETY: it is alive.
            unsafe { object(handle) }.into_iter().for_each(Object::end_host_info);
            // What ended may have deleted it.
            if owned::remove(handle as usize) {
                // SAFETY: alive until now.
                unsafe { delete(handle) };
            }
        }
    });
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

/// Instantiates a module. The first function in `imports` is for the module's first function import, the second for its
/// second, and so on; the same with globals, memories and tables, so that both the order of wasm_module_imports and that of
/// the module's file will do. Placeholders, and what is left out at the end, are left to what is built in or registered.
/// All have to be of this store. On failure returns NULL, with a trap for the caller to delete.
///
/// The instance lives as long as the host has a handle on it or on what it exports, or another instance, or a table, uses it.
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
        // The host may delete the store in a start function.
        let store = store.inner.clone();
        store.tidy();
        // SAFETY: as the caller promises.
        let imports = unsafe { imports.as_ref().map(|imports| given(imports)) }.unwrap_or_default();
        match instance(&store, module, imports, args) {
            Ok(instance) => instance,
            Err(why) => {
                store.store.note_unused(LEFT_BEHIND);
                store.tidy();
                // SAFETY: as the caller promises.
                unsafe { put(trap, new_trap(&format!("wasm_instance_new_with_args_ex failed: {why}"))) };
                null_mut()
            }
        }
    })
}

/// What a host gives as imports. As everywhere in WAMR, `num_elems` says how many there are. Hosts that leave it at 0 mean
/// `size`, unless there is nothing in the vector yet.
///
/// # Safety
/// `imports` has `size` elements.
unsafe fn given(imports: &wasm_extern_vec_t) -> &[*mut super::refs::wasm_extern_t] {
    // SAFETY: as the caller promises.
    let (counted, all) = unsafe { (imports.elements(), imports.all()) };
    if counted.is_empty() && all.iter().any(|import| !import.is_null()) { all } else { counted }
}

fn instance(
    store: &Arc<StoreInner>,
    module: &Arc<Loaded>,
    imports: &[*mut super::refs::wasm_extern_t],
    args: &InstantiationArgs,
) -> Result<*mut wasm_instance_t, String> {
    // SAFETY: elements of a vector of the host's are NULL or alive.
    let imports = unsafe { Imports::of(store, module.module().module(), imports) }.map_err(|why| {
        error!("{why}");
        format!("Failed to validate imports: {why}")
    })?;
    let args = InstantiationArgs2 { basic: *args, ..InstantiationArgs2::default() };
    let given = |index: usize| imports.get(index);
    let mut instance = instantiate(module.module(), &store.store, &args, &given)?;
    let used = instance.parts.let_go();
    let inner = go_with_engine(store, module, instance, &imports);
    let handle = InstanceRef { inner: Arc::downgrade(&inner), _used: used };
    Ok(instance_handle(&Object::new(Kind::Instance(handle))))
}

/// Has an instance that was made with these imports go with the engine's.
fn go_with_engine(
    store: &Arc<StoreInner>,
    module: &Arc<Loaded>,
    instance: Box<WASMModuleInstanceCommon>,
    imports: &Imports<'_>,
) -> Arc<InstanceInner> {
    let inner = Arc::new(InstanceInner { instance, store: Arc::downgrade(store), _module: module.clone() });
    imports.linked(&inner);
    inner.instance.engine_instance().keep(Box::new(inner.clone()));
    inner
}

/// Makes what is in an image in an empty store.
///
/// # Errors
/// Text. The store is then good for nothing but being deleted.
///
/// # Safety
/// The modules and what they are given are alive.
pub(crate) unsafe fn restore(
    store: &Arc<StoreInner>,
    modules: &[wayfarer_store_module_t],
    source: &Source,
) -> Result<(), String> {
    let mut all = Vec::with_capacity(modules.len());
    for (nth, given_module) in modules.iter().enumerate() {
        // SAFETY: as the caller promises.
        let (module, imports) = unsafe {
            let imports = given_module.imports.as_ref().map(|imports| given(imports)).unwrap_or_default();
            (loaded(given_module.module).ok_or_else(|| format!("modules[{nth}] is NULL"))?, imports)
        };
        // SAFETY: elements of a vector of the host's are NULL or alive.
        let imports = unsafe { Imports::of(store, module.module().module(), imports) }
            .map_err(|why| format!("modules[{nth}]: {why}"))?;
        all.push((module, imports));
    }
    let import: Vec<_> = all.iter().map(|(_, imports)| move |index: usize| imports.get(index)).collect();
    let given =
        all.iter().zip(&import).map(|((module, _), import)| Given { module: module.module(), import });
    let basic = InstantiationArgs {
        default_stack_size: DEFAULT_SIZE,
        host_managed_heap_size: 0,
        max_memory_pages: 0,
    };
    let args = InstantiationArgs2 { basic, ..InstantiationArgs2::default() };
    let made = restore_store(&store.store, &given.collect::<Vec<_>>(), &args, source)?;
    for instance in made.into_iter().flatten() {
        let of = all.iter().find(|(module, _)| std::ptr::eq(instance.module(), module.module()));
        let Some((module, imports)) = of else { continue };
        // It stays with the store: a call that is in progress in it may still have to be continued.
        go_with_engine(store, module, instance, imports);
    }
    Ok(())
}

/// A new handle on the instance of a store that so many were made before; null if there is none.
pub(crate) fn handle_at(store: &Arc<StoreInner>, number: usize) -> *mut wasm_instance_t {
    let instance = u32::try_from(number).ok().and_then(|number| store.store.instance_numbered(number));
    let inner = instance.and_then(Instance::kept::<Arc<InstanceInner>>);
    inner.map_or(null_mut(), |inner| {
        // SAFETY: it was just found in the store.
        let used = unsafe { Used::new(&store.store, inner.instance.engine_instance()) };
        let handle = InstanceRef { inner: Arc::downgrade(&inner), _used: Some(used) };
        instance_handle(&Object::new(Kind::Instance(handle)))
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
            Some(Kind::Instance(instance)) => instance.inner.upgrade().map_or(Vector::EMPTY, |i| exports(&i)),
            _ => Vector::EMPTY,
        };
        // SAFETY: as the caller promises.
        unsafe { put(out, exports) };
    });
}

fn exports(inner: &Arc<InstanceInner>) -> wasm_extern_vec_t {
    let instance = inner.instance.engine_instance();
    let (engine_store, store) = (inner.instance.store(), &inner.store);
    // SAFETY: an instance keeps what it exports, and the handle that this is asked of keeps the instance.
    let object = |export: Extern| unsafe {
        match export {
            Extern::Func(func) => guest_func(engine_store, store, func, Arc::downgrade(inner)),
            Extern::Global(global) => {
                Object::new(Kind::Global(HostGlobal::of_engine(engine_store, store.clone(), global)))
            }
            Extern::Table(table) => {
                Object::new(Kind::Table { store: store.clone(), table: Used::new(engine_store, table) })
            }
            Extern::Memory(memory) => {
                Object::new(Kind::Memory { store: store.clone(), memory: Used::new(engine_store, memory) })
            }
        }
    };
    let exports = instance.module().exports.iter();
    Vector::of(exports.map(|e| instance.export(&e.name).map_or(null_mut(), |e| object(e).into_raw())))
}

/// Not implemented: how long guest code ran, in ms. Returns -1, as WAMR does where it was built without.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_instance_sum_wasm_exec_time(_instance: *const wasm_instance_t) -> f64 {
    refuse("wasm_instance_sum_wasm_exec_time", -1.0)
}

/// Not implemented: how long a function ran, in ms. Returns -1.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_instance_get_wasm_func_exec_time(
    _instance: *const wasm_instance_t,
    _name: *const c_char,
) -> f64 {
    refuse("wasm_instance_get_wasm_func_exec_time", -1.0)
}

// Not declared in the header, but exported by WAMR.
vector!(own wasm_instance_vec_t, *mut wasm_instance_t, *const *mut wasm_instance_t, "instances",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| Some(unsafe { wasm_instance_copy(p) }),
    // SAFETY: as above, and owned by the vector.
    delete: |&p| unsafe { wasm_instance_delete(p) };
    wasm_instance_vec_new_empty wasm_instance_vec_new_uninitialized wasm_instance_vec_new wasm_instance_vec_copy
    wasm_instance_vec_delete);
