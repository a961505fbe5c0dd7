//! Modules. Here a module is a pointer to a `wasm_module_t`, the handle of `wasm_export.h`; the host may use either.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;
use std::sync::Arc;

use wayfarer_module::{ExternKind, Limits, MemoryType, Module};

use super::super::ffi::{c_str, guard, put};
use super::super::load::{
    LoadOptions, WASMModuleCommon, load, wasm_runtime_get_module_name,
    wasm_runtime_is_underlying_binary_freeable, wasm_runtime_set_module_name,
};
use super::super::log::error;
use super::super::types::{LoadArgs, wasm_module_t};
use super::owned;
use super::store::{StoreInner, wasm_store_t};
use super::types::{
    ToC, export_type, import_type, wasm_exporttype_vec_t, wasm_externtype_t, wasm_importtype_vec_t,
};
use super::vectors::{Vector, vector, wasm_byte_t, wasm_byte_vec_t};

/// A module that stores can share.
pub type wasm_shared_module_t = wasm_module_t;

/// A handle on a module; the host sees the first field.
#[repr(C)]
struct Handle {
    module: wasm_module_t,
    loaded: Arc<Loaded>,
}

/// A loaded module, unloaded with the last handle or instance.
pub(crate) struct Loaded {
    module: Box<WASMModuleCommon>,
}

impl Loaded {
    /// The module as `wasm_export.h` has it.
    pub(crate) fn module(&self) -> &WASMModuleCommon {
        &self.module
    }
}

/// Hands a module to the host. The handle goes with the store, if there is one.
fn into_handle(loaded: Arc<Loaded>, store: Option<&StoreInner>) -> *mut wasm_module_t {
    let module = std::ptr::from_ref(&*loaded.module).cast_mut();
    let handle = Box::into_raw(Box::new(Handle { module, loaded }));
    match store {
        Some(store) => {
            store.own(handle, free);
        }
        None => owned::add(handle as usize, 0, free),
    }
    handle.cast()
}

/// # Safety
/// The address of a handle of `into_handle`'s that is alive, and nobody's any more.
unsafe fn free(handle: usize) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(handle as *mut Handle) });
}

/// The module behind a handle.
///
/// # Safety
/// NULL, or a handle that is alive.
pub(crate) unsafe fn loaded<'a>(module: *const wasm_module_t) -> Option<&'a Arc<Loaded>> {
    // SAFETY: handles were made by `into_handle`; a struct of zeros is none.
    unsafe { module.as_ref()?.as_ref()? };
    // SAFETY: as above.
    unsafe { module.cast::<Handle>().as_ref() }.map(|handle| &handle.loaded)
}

/// # Safety
/// NULL, or a vector filled in by the host.
unsafe fn bytes<'a>(binary: *const wasm_byte_vec_t) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises; a `char` is a byte.
    let all: &[wasm_byte_t] = unsafe { binary.as_ref()?.all() };
    // SAFETY: same size, no invalid values.
    Some(unsafe { std::slice::from_raw_parts(all.as_ptr().cast(), all.len()) })
}

/// Makes a module from a binary, which is copied. NULL on failure, with the reason in the log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_new(
    store: *mut wasm_store_t,
    binary: *const wasm_byte_vec_t,
) -> *mut wasm_module_t {
    // SAFETY: as the caller promises.
    unsafe {
        let options = LoadOptions { binary_freeable: true, keep_binary: true, ..LoadOptions::default() };
        new_module(store, binary, options)
    }
}

/// Makes a module from a binary, with options. The binary is copied in any case. As in WAMR, `wasm_binary_freeable` becomes the
/// opposite of `clone_wasm_binary`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_new_ex(
    store: *mut wasm_store_t,
    binary: *mut wasm_byte_vec_t,
    args: *mut LoadArgs,
) -> *mut wasm_module_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let Some(args) = (unsafe { args.as_mut() }) else { return null_mut() };
        args.wasm_binary_freeable = !args.clone_wasm_binary;
        let options = LoadOptions {
            // SAFETY: as the caller promises.
            name: unsafe { c_str(args.name) }.map(CStr::to_owned).unwrap_or_default(),
            // The module has a copy of its own, or was said to need the binary no more.
            binary_freeable: true,
            no_resolve: args.no_resolve,
            keep_binary: true,
        };
        // SAFETY: as the caller promises.
        unsafe { new_module(store, binary, options) }
    })
}

/// # Safety
/// NULL, or alive.
unsafe fn new_module(
    store: *mut wasm_store_t,
    binary: *const wasm_byte_vec_t,
    options: LoadOptions,
) -> *mut wasm_module_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let (Some(bytes), Some(store)) = (unsafe { (bytes(binary), store.as_ref()) }) else {
            return null_mut();
        };
        match load(bytes, options) {
            Ok(module) => into_handle(Arc::new(Loaded { module }), Some(&store.inner)),
            Err(why) => {
                error!("{why}");
                null_mut()
            }
        }
    })
}

/// Deletes a handle on a module. Those of a store that was deleted are deleted already; then this does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_delete(module: *mut wasm_module_t) {
    guard((), || {
        if owned::remove(module as usize) {
            // SAFETY: alive until now; the caller gives it away.
            unsafe { free(module as usize) };
        }
    });
}

/// Whether a binary is a valid module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_validate(
    store: *mut wasm_store_t,
    binary: *const wasm_byte_vec_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let bytes = unsafe { bytes(binary) }.filter(|_| !store.is_null());
        match bytes.map(|bytes| load(bytes, LoadOptions { no_resolve: true, ..LoadOptions::default() })) {
            Some(Ok(_)) => true,
            Some(Err(why)) => {
                error!("{why}");
                false
            }
            None => false,
        }
    })
}

/// What a module imports, for the caller to delete: functions first, then globals, memories, tables, each in file order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_imports(module: *const wasm_module_t, out: *mut wasm_importtype_vec_t) {
    const ORDER: [ExternKind; 4] =
        [ExternKind::Func, ExternKind::Global, ExternKind::Memory, ExternKind::Table];
    guard((), || {
        // SAFETY: as the caller promises.
        let imports = unsafe { loaded(module) }.map_or(Vector::EMPTY, |loaded| {
            let module = loaded.module().module();
            let places: Vec<usize> = ORDER.iter().flat_map(|&kind| module.import_places(kind)).collect();
            Vector::of(places.into_iter().map(|place| {
                let import = &module.imports[place];
                import_type(&import.module, &import.name, &module.types, &import.ty)
            }))
        });
        // SAFETY: as the caller promises.
        unsafe { put(out, imports) };
    });
}

fn type_of_export(module: &Module, kind: ExternKind, index: u32) -> *mut wasm_externtype_t {
    match kind {
        ExternKind::Func => module.func_type(index).to_c().cast(),
        ExternKind::Table => module.tables[index as usize].ty.to_c().cast(),
        // What can't grow counts as one page, as in WAMR; its instances have one large one.
        ExternKind::Memory if !module.uses_memory_grow_or_size => {
            let limits = Limits { min: 1, max: Some(1) };
            MemoryType { limits, ..module.memories[index as usize] }.to_c().cast()
        }
        ExternKind::Memory => module.memories[index as usize].to_c().cast(),
        ExternKind::Global => module.globals[index as usize].ty.to_c().cast(),
    }
}

/// What a module exports, in file order, for the caller to delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_exports(module: *const wasm_module_t, out: *mut wasm_exporttype_vec_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let exports = unsafe { loaded(module) }.map_or(Vector::EMPTY, |loaded| {
            let module = loaded.module().module();
            Vector::of(
                module.exports.iter().map(|e| export_type(&e.name, type_of_export(module, e.kind, e.index))),
            )
        });
        // SAFETY: as the caller promises.
        unsafe { put(out, exports) };
    });
}

/// Copies the binary that a module was made from, WebAssembly or `.aot`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_serialize(module: *mut wasm_module_t, out: *mut wasm_byte_vec_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let binary = unsafe { loaded(module) }.map_or(Vector::EMPTY, |loaded| {
            let bytes: Vec<wasm_byte_t> =
                loaded.module().binary().iter().map(|&b| b as wasm_byte_t).collect();
            Vector::of(bytes)
        });
        // SAFETY: as the caller promises.
        unsafe { put(out, binary) };
    });
}

/// Makes a module from what wasm_module_serialize gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_deserialize(
    store: *mut wasm_store_t,
    binary: *const wasm_byte_vec_t,
) -> *mut wasm_module_t {
    // SAFETY: as the caller promises.
    unsafe { wasm_module_new(store, binary) }
}

/// Another handle on a module, for other stores.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_share(module: *mut wasm_module_t) -> *mut wasm_shared_module_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        unsafe { loaded(module) }.map_or(null_mut(), |loaded| into_handle(loaded.clone(), None))
    })
}

/// A handle, for this store, on a shared module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_obtain(
    store: *mut wasm_store_t,
    shared: *mut wasm_shared_module_t,
) -> *mut wasm_module_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        match unsafe { (loaded(shared), store.as_ref()) } {
            (Some(loaded), Some(store)) => into_handle(loaded.clone(), Some(&store.inner)),
            _ => null_mut(),
        }
    })
}

/// Deletes a handle on a shared module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_shared_module_delete(shared: *mut wasm_shared_module_t) {
    // SAFETY: as the caller promises.
    unsafe { wasm_module_delete(shared) };
}

/// Names a module. False on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_set_name(module: *mut wasm_module_t, name: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }
        .is_some_and(|&m| unsafe { wasm_runtime_set_module_name(m, name, null_mut(), 0) })
}

/// Name of a module; "" if it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_get_name(module: *mut wasm_module_t) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { wasm_runtime_get_module_name(module.as_ref().copied().unwrap_or(null_mut())) }
}

/// Whether the binary that a module was made from may be freed: it may, for the module has a copy or needs it no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_module_is_underlying_binary_freeable(module: *const wasm_module_t) -> bool {
    // SAFETY: as the caller promises.
    unsafe { module.as_ref() }.is_some_and(|&m| unsafe { wasm_runtime_is_underlying_binary_freeable(m) })
}

// Not declared in the header, but exported by WAMR.
vector!(own wasm_module_vec_t, *mut wasm_module_t, *const *mut wasm_module_t, "modules",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| Some(unsafe { wasm_module_share(p) }),
    // SAFETY: as above, and owned by the vector.
    delete: |&p| unsafe { wasm_module_delete(p) };
    wasm_module_vec_new_empty wasm_module_vec_new_uninitialized wasm_module_vec_new wasm_module_vec_copy
    wasm_module_vec_delete);
