//! `wayfarer.h` for stores of `wasm_c_api.h`: all instances of a store, and the calls of all threads that are in them, are one
//! program.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use wayfarer_program::Program;
use wayfarer_program::Source;
use wayfarer_snapshot::Image;

use super::call;
use super::exec_env::{self, WASMExecEnv};
use super::ffi::{attempt, guard, put, put_error, slice};
use super::instance::WASMModuleInstanceCommon;
use super::types::wasm_module_t;
use super::wasm_c_api::externs::wasm_extern_vec_t;
use super::wasm_c_api::func::give;
use super::wasm_c_api::instance::{handle_at, restore};
use super::wasm_c_api::refs::{wasm_instance_t, wasm_trap_t};
use super::wasm_c_api::store::{StoreInner, wasm_store_t};
use super::wasm_c_api::trap::new_trap;
use super::wasm_c_api::values::{from_slots, wasm_val_vec_t};
use super::wayfarer::{
    FIRST_ARGS_SIZE, image_at, image_from, image_of, order, report_to, tell, wait_for,
    wayfarer_checkpoint_args_t, wayfarer_done_t, wayfarer_report_t,
};

/// A module that a store is restored with.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct wayfarer_store_module_t {
    /// The module, of the store that is restored.
    pub module: *const wasm_module_t,
    /// What wasm_instance_new was given, if there were functions of the host's among it; NULL otherwise. Only functions are
    /// looked at: memories, tables and globals are the image's, and functions of other instances those of the image.
    pub imports: *const wasm_extern_vec_t,
}

/// A call that was in progress.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct wayfarer_call_t {
    /// Of which instance, by its number in the store.
    pub instance: u32,
    /// Index of its function.
    pub function_index: u32,
    /// The guest's number of the thread; no two calls have the same.
    pub thread_id: u32,
}

/// # Safety
/// NULL, or a store that is alive.
unsafe fn inner<'a>(store: *const wasm_store_t) -> Option<&'a Arc<StoreInner>> {
    // SAFETY: as the caller promises.
    unsafe { store.as_ref() }.map(|store| &store.inner)
}

/// # Safety
/// NULL, or a store that is alive.
unsafe fn program(store: *const wasm_store_t) -> Result<Program, String> {
    // SAFETY: as the caller promises.
    let store = unsafe { inner(store) }.ok_or("no store")?;
    Program::of(&store.store).ok_or_else(|| "the store has no instance".to_owned())
}

/// Asks for a checkpoint of a whole store: all its instances, and the calls of all threads that are in progress in them. It is
/// taken when each of these threads has come to a stable point (see wayfarer_set_stop_limit); then all go on, or end with the
/// trap `stopped by checkpoint`. Otherwise as wayfarer_checkpoint_request_sized; `done` gets NULL for the instance.
///
/// `args_size` is the size of what `args` points to; `wayfarer_store_checkpoint_request` fills it in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_checkpoint_request_sized(
    store: *mut wasm_store_t,
    args: *const wayfarer_checkpoint_args_t,
    args_size: usize,
    done: wayfarer_done_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        attempt(error_buf, error_buf_size, || {
            program(store)?.order(order(args, args_size)?.request(tell(null_mut(), done, user_data))?)
        })
    }
}

/// wayfarer_suspend_threads for a whole store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_suspend_threads(
    store: *mut wasm_store_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe { attempt(error_buf, error_buf_size, || program(store)?.suspend()) }
}

/// wayfarer_resume_threads for a whole store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_resume_threads(store: *mut wasm_store_t) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { program(store) }.is_ok_and(|program| program.resume_threads()))
}

/// wayfarer_dump_stacks for a whole store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_dump_stacks(
    store: *mut wasm_store_t,
    fd: c_int,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe { attempt(error_buf, error_buf_size, || program(store)?.dump_stacks(fd)) }
}

/// Takes a checkpoint of a whole store and waits until it is there. May be called from any thread but one that is in a call of
/// the store. Otherwise as wayfarer_checkpoint_sized.
///
/// `args_size` is the size of what `args` points to; `wayfarer_store_checkpoint` fills it in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_checkpoint_sized(
    store: *mut wasm_store_t,
    args: *const wayfarer_checkpoint_args_t,
    args_size: usize,
    report: *mut wayfarer_report_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let result = unsafe { program(store) }.and_then(|program| {
            // SAFETY: as the caller promises.
            let order = unsafe { order(args, args_size) }?;
            wait_for(&program, exec_env::thread_of(program.store()).is_some(), &order)
        });
        // SAFETY: as the caller promises.
        unsafe { report_to(result, report, error_buf, error_buf_size) }
    })
}

/// [`wayfarer_store_checkpoint_request_sized`] for those that look the function up by name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_checkpoint_request(
    store: *mut wasm_store_t,
    args: *const wayfarer_checkpoint_args_t,
    done: wayfarer_done_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    let size = FIRST_ARGS_SIZE;
    // SAFETY: as the caller promises.
    unsafe {
        wayfarer_store_checkpoint_request_sized(store, args, size, done, user_data, error_buf, error_buf_size)
    }
}

/// [`wayfarer_store_checkpoint_sized`], likewise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_checkpoint(
    store: *mut wasm_store_t,
    args: *const wayfarer_checkpoint_args_t,
    report: *mut wayfarer_report_t,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        wayfarer_store_checkpoint_sized(store, args, FIRST_ARGS_SIZE, report, error_buf, error_buf_size)
    }
}

/// # Safety
/// As the functions that call it document.
unsafe fn restore_store(
    store: *mut wasm_store_t,
    modules: *const wayfarer_store_module_t,
    module_count: usize,
    image: Result<Image<'static>, String>,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    let (store, modules) = unsafe { (inner(store), slice(modules, module_count)) };
    let restored = image.and_then(|image| {
        let source = Source::new(image)?;
        // SAFETY: as the caller promises.
        unsafe { restore(store.ok_or("no store")?, modules, &source) }
    });
    // SAFETY: as the caller promises.
    restored.map_err(|why| unsafe { put_error(error_buf, error_buf_size, &why) }).is_ok()
}

/// Makes all that is in the image of a store in another one, which has no instances yet: the same instances, in the same
/// order, and the calls that were in progress, to be continued by wayfarer_store_resume. `modules` are those that the image's
/// instances are of, loaded into this store, in any order. Checkpoints are taken as the environment says, like of
/// any other store.
///
/// Returns false on failure, with the reason in `error_buf`; the store is then good for nothing but wasm_store_delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_restore_from_path(
    store: *mut wasm_store_t,
    modules: *const wayfarer_store_module_t,
    module_count: usize,
    path: *const c_char,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe {
        restore_store(store, modules, module_count, image_at(path), error_buf, error_buf_size)
    })
}

/// The same with an image read from a descriptor, from where it is; it stays open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_restore_from_fd(
    store: *mut wasm_store_t,
    modules: *const wayfarer_store_module_t,
    module_count: usize,
    fd: c_int,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe {
        restore_store(store, modules, module_count, image_from(fd), error_buf, error_buf_size)
    })
}

/// The same with an image in memory, which is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_restore_from_memory(
    store: *mut wasm_store_t,
    modules: *const wayfarer_store_module_t,
    module_count: usize,
    image: *const c_void,
    image_size: u64,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe {
        restore_store(store, modules, module_count, image_of(image, image_size), error_buf, error_buf_size)
    })
}

/// How many instances a store has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_instance_count(store: *const wasm_store_t) -> usize {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { inner(store) }.map_or(0, |store| store.store.instance_count()))
}

/// An instance of a store, by its number: they count from 0 in the order in which they were made. A handle for the caller to
/// delete, as wasm_instance_new gives it; NULL if there is no such instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_instance(
    store: *const wasm_store_t,
    index: usize,
) -> *mut wasm_instance_t {
    // SAFETY: as the caller promises.
    guard(null_mut(), || unsafe { inner(store) }.map_or(null_mut(), |store| handle_at(store, index)))
}

/// How many calls were in progress in the image that a store was restored from, also those that were continued since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_call_count(store: *const wasm_store_t) -> usize {
    // SAFETY: as the caller promises.
    guard(0, || unsafe { program(store) }.map_or(0, |program| program.kept_calls(0, |_| ()).0))
}

/// What a call is that was in progress, by its number: they count from 0. `call` may be NULL. Returns false if there is no such
/// call, or if it was continued.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_call(
    store: *const wasm_store_t,
    index: usize,
    call: *mut wayfarer_call_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Ok(program) = (unsafe { program(store) }) else { return false };
        let (_, found) = program.kept_calls(index, |thread| {
            let func = thread.frames.first().map(|frame| frame.func);
            func.map(|func| wayfarer_call_t {
                instance: func.instance,
                function_index: func.func,
                thread_id: thread.tid,
            })
        });
        let Some(found) = found.flatten() else { return false };
        // SAFETY: as the caller promises.
        unsafe { put(call, found) };
        true
    })
}

/// Continues a call that was in progress, on this thread; others may be continued on others at the same time. `results` gets
/// its results, as wasm_func_call gives them. Returns NULL, or a trap for the caller to delete. A call can be continued once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_store_resume(
    store: *mut wasm_store_t,
    index: usize,
    results: *mut wasm_val_vec_t,
) -> *mut wasm_trap_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let store = unsafe { inner(store) };
        match store.ok_or_else(|| "no store".to_owned()).and_then(|store| resume(store, index)) {
            // SAFETY: as the caller promises.
            Ok(values) => unsafe { give(&values, results) },
            Err(message) => new_trap(&format!("Exception: {message}")),
        }
    })
}

fn resume(store: &Arc<StoreInner>, index: usize) -> Result<Vec<super::types::wasm_val_t>, String> {
    const NONE: &str = "no such call is in progress";
    let program = Program::of(&store.store).ok_or(NONE)?;
    let thread = program.take_call(index).ok_or(NONE)?;
    let func = thread.frames.first().ok_or(NONE)?.func;
    let engine = store.store.instance(func.instance as usize).ok_or("its instance is gone")?;
    let instance = WASMModuleInstanceCommon::of(engine).ok_or("its instance is gone")?;
    // Its own: other calls of the instance may be in progress.
    let env = WASMExecEnv::new(instance, instance.stack_size).ok_or("create exec_env failed")?;
    instance.clear_exception();
    match call::go_on(&env, instance, &thread) {
        Ok(slots) => Ok(from_slots(store, &engine.module().func_type(func.func).results, &slots)),
        Err(call::Failed) => {
            let exception = instance.exception().unwrap_or_else(|| "unknown exception".to_owned());
            instance.clear_exception();
            Err(exception)
        }
    }
}
