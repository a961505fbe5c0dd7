//! WASI settings of modules and instances.

use std::ffi::{c_char, c_int};
use std::sync::PoisonError;

use wayfarer_program::entry_point::{NotAStart, wasi_start};
use wayfarer_runtime::Func;
use wayfarer_wasi::{BackEnd, ByPrefix, FileChoice, WasiBuilder};

use super::call::handle_of;
use super::ffi::{c_str, guard, slice, text};
use super::instance::WASMModuleInstanceCommon;
use super::log::error;
use super::types::{InstantiationArgs2, wasm_function_inst_t, wasm_module_inst_t, wasm_module_t};

/// What a host said about its guest's surroundings.
#[derive(Clone, Default, Debug)]
pub(crate) struct WasiSettings {
    /// What wasm_runtime_set_wasi_args and its kin said, if they were called.
    pub(crate) given: Option<WasiBuilder>,
    /// Whose files it sees, if the host has said so: whatever else was said.
    pub(crate) back_end: Option<BackEnd>,
    /// What a restore does about files that are not what they were, if the host has said it.
    pub(crate) restore_files: Option<ByPrefix<FileChoice>>,
}

/// # Safety
/// `list` is NULL or has `n` strings.
unsafe fn strings(list: *const *const c_char, n: u32) -> Vec<Vec<u8>> {
    // SAFETY: as the caller promises.
    let list = unsafe { slice(list, n as usize) };
    // SAFETY: as the caller promises.
    list.iter().filter_map(|&s| unsafe { c_str(s) }).map(|s| s.to_bytes().to_vec()).collect()
}

/// # Safety
/// As [`strings`].
unsafe fn texts(list: *const *const c_char, n: u32) -> Vec<String> {
    // SAFETY: as the caller promises.
    let list = unsafe { slice(list, n as usize) };
    // SAFETY: as the caller promises.
    list.iter().filter(|s| !s.is_null()).map(|&s| unsafe { text(s) }).collect()
}

/// # Safety
/// As [`strings`].
unsafe fn argv(list: *mut *mut c_char, argc: c_int) -> Vec<Vec<u8>> {
    // SAFETY: as the caller promises.
    unsafe { strings(list.cast_const().cast(), u32::try_from(argc).unwrap_or(0)) }
}

/// Changes a module's settings.
///
/// # Safety
/// `module` is NULL or alive.
unsafe fn with_module(module: wasm_module_t, change: impl FnOnce(&mut WasiBuilder)) {
    guard((), || {
        // SAFETY: as the caller promises.
        if let Some(module) = unsafe { module.as_ref() } {
            let mut wasi = module.wasi.lock().unwrap_or_else(PoisonError::into_inner);
            change(wasi.given.get_or_insert_default());
        }
    });
}

/// Changes settings for one instantiation.
///
/// # Safety
/// `args` is NULL or alive.
unsafe fn with_args(args: *mut InstantiationArgs2, change: impl FnOnce(&mut WasiBuilder)) {
    guard((), || {
        // SAFETY: as the caller promises.
        if let Some(args) = unsafe { args.as_mut() } {
            change(args.wasi.given.get_or_insert_default());
        }
    });
}

/// Sets what instances of a module made from now on find: preopened directories (`dir_list`; and `map_dir_list`, each
/// `GUEST::HOST`), environment (`KEY=VALUE`), arguments, and descriptors for the standard streams (-1 for the process's
/// own). They stay the host's: the library never closes them, and the host may not while an instance uses them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_wasi_args_ex(
    module: wasm_module_t,
    dir_list: *mut *const c_char,
    dir_count: u32,
    map_dir_list: *mut *const c_char,
    map_dir_count: u32,
    env: *mut *const c_char,
    env_count: u32,
    argv: *mut *mut c_char,
    argc: c_int,
    stdinfd: i64,
    stdoutfd: i64,
    stderrfd: i64,
) {
    // SAFETY: as the caller promises.
    unsafe {
        with_module(module, |wasi| {
            wasi.set_dirs(strings(dir_list, dir_count), strings(map_dir_list, map_dir_count));
            wasi.set_env(strings(env, env_count)).set_args(self::argv(argv, argc));
            wasi.stdio(stdinfd, stdoutfd, stderrfd);
        });
    }
}

/// wasm_runtime_set_wasi_args_ex with the process's own standard streams.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_wasi_args(
    module: wasm_module_t,
    dir_list: *mut *const c_char,
    dir_count: u32,
    map_dir_list: *mut *const c_char,
    map_dir_count: u32,
    env: *mut *const c_char,
    env_count: u32,
    argv: *mut *mut c_char,
    argc: c_int,
) {
    // SAFETY: as the caller promises.
    unsafe {
        wasm_runtime_set_wasi_args_ex(
            module,
            dir_list,
            dir_count,
            map_dir_list,
            map_dir_count,
            env,
            env_count,
            argv,
            argc,
            -1,
            -1,
            -1,
        );
    }
}

/// Sets the addresses (`ADDRESS/MASK`) that instances of a module may use. `0.0.0.0` and `::` stand for all of their kind,
/// whatever the mask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_wasi_addr_pool(
    module: wasm_module_t,
    addr_pool: *mut *const c_char,
    addr_pool_size: u32,
) {
    // SAFETY: as the caller promises.
    unsafe { with_module(module, |wasi| _ = wasi.set_address_pool(texts(addr_pool, addr_pool_size))) };
}

/// Sets the host names that instances of a module may resolve: exact, or `*suffix`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_wasi_ns_lookup_pool(
    module: wasm_module_t,
    ns_lookup_pool: *mut *const c_char,
    ns_lookup_pool_size: u32,
) {
    // SAFETY: as the caller promises.
    unsafe { with_module(module, |wasi| _ = wasi.set_ns_lookup(texts(ns_lookup_pool, ns_lookup_pool_size))) };
}

/// Sets the guest's arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_wasi_arg(
    p: *mut InstantiationArgs2,
    argv: *mut *mut c_char,
    argc: c_int,
) {
    // SAFETY: as the caller promises.
    unsafe { with_args(p, |wasi| _ = wasi.set_args(self::argv(argv, argc))) };
}

/// Sets the guest's environment: `KEY=VALUE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_wasi_env(
    p: *mut InstantiationArgs2,
    env: *mut *const c_char,
    env_count: u32,
) {
    // SAFETY: as the caller promises.
    unsafe { with_args(p, |wasi| _ = wasi.set_env(strings(env, env_count))) };
}

/// Sets the preopened directories: under their own names, and as `GUEST::HOST`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_wasi_dir(
    p: *mut InstantiationArgs2,
    dir_list: *mut *const c_char,
    dir_count: u32,
    map_dir_list: *mut *const c_char,
    map_dir_count: u32,
) {
    // SAFETY: as the caller promises.
    unsafe {
        with_args(p, |wasi| {
            wasi.set_dirs(strings(dir_list, dir_count), strings(map_dir_list, map_dir_count));
        });
    }
}

/// Sets descriptors for the standard streams, -1 for the process's own. They stay the host's: the library never closes
/// them, and the host may not while an instance uses them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_wasi_stdio(
    p: *mut InstantiationArgs2,
    stdinfd: i64,
    stdoutfd: i64,
    stderrfd: i64,
) {
    // SAFETY: as the caller promises.
    unsafe { with_args(p, |wasi| _ = wasi.stdio(stdinfd, stdoutfd, stderrfd)) };
}

/// Sets the addresses (`ADDRESS/MASK`) that the guest may use. `0.0.0.0` and `::` stand for all of their kind, whatever
/// the mask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_wasi_addr_pool(
    p: *mut InstantiationArgs2,
    addr_pool: *mut *const c_char,
    addr_pool_size: u32,
) {
    // SAFETY: as the caller promises.
    unsafe { with_args(p, |wasi| _ = wasi.set_address_pool(texts(addr_pool, addr_pool_size))) };
}

/// Sets the host names that the guest may resolve: exact, or `*suffix`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_wasi_ns_lookup_pool(
    p: *mut InstantiationArgs2,
    ns_lookup_pool: *mut *const c_char,
    ns_lookup_pool_size: u32,
) {
    // SAFETY: as the caller promises.
    unsafe { with_args(p, |wasi| _ = wasi.set_ns_lookup(texts(ns_lookup_pool, ns_lookup_pool_size))) };
}

impl WASMModuleInstanceCommon {
    /// The exported `_start`, if it takes and returns nothing.
    pub(crate) fn wasi_start(&self) -> Option<&Func> {
        wasi_start(self.engine_instance()).unwrap_or_else(|NotAStart| {
            error!("Lookup wasi _start function failed: invalid function type.");
            None
        })
    }
}

/// Whether the module of an instance imports anything of WASI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_is_wasi_mode(module_inst: wasm_module_inst_t) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { module_inst.as_ref() }.is_some_and(|i| i.module().imports_wasi()))
}

/// The exported function `_start`, if it takes and returns nothing; otherwise NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_lookup_wasi_start_function(
    module_inst: wasm_module_inst_t,
) -> wasm_function_inst_t {
    guard(std::ptr::null_mut(), || {
        // SAFETY: as the caller promises.
        let start = unsafe { module_inst.as_ref() }.and_then(|i| i.wasi_start());
        start.map_or(std::ptr::null_mut(), handle_of)
    })
}

/// The status that the guest gave to `proc_exit`; 0 if it did not. Waits for threads that the guest has started, which may do so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_wasi_exit_code(module_inst: wasm_module_inst_t) -> u32 {
    // SAFETY: as the caller promises.
    let instance = unsafe { module_inst.as_ref() };
    guard(0, || {
        instance.map_or(0, |i| {
            i.parts.wait_for_threads();
            i.exit_code.load(std::sync::atomic::Ordering::Acquire)
        })
    })
}
