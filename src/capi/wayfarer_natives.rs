//! `wayfarer.h`: what native modules do for the checkpoints of their guests.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use super::exec_env;
use super::ffi::{attempt, guard, slice, text};
use super::native_state::{HOOKS, Hook, Writer};
use super::types::{wasm_exec_env_t, wasm_module_inst_t};

/// Collects what a save hook writes.
pub type wayfarer_writer_t = Writer;

/// Saves a native module's state for an instance with wayfarer_write. Returns false if that is impossible: there is no
/// checkpoint then.
pub type wayfarer_save_t = Option<
    unsafe extern "C" fn(
        module_inst: wasm_module_inst_t,
        writer: *mut wayfarer_writer_t,
        user_data: *mut c_void,
    ) -> bool,
>;

/// Takes a native module's state back. Returns false if it can't be used: the instance is not restored then.
pub type wayfarer_restore_t = Option<
    unsafe extern "C" fn(
        module_inst: wasm_module_inst_t,
        data: *const c_void,
        size: usize,
        user_data: *mut c_void,
    ) -> bool,
>;

/// Lets a native module take part in checkpoints: `save` is called for every image, `restore` for every instance that is
/// made from one, before any guest code runs. `name` and `version` find the state again; a module that is registered
/// again under its name replaces the former. For all instances of the process. False if an argument is missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_register_state(
    name: *const c_char,
    version: u32,
    save: wayfarer_save_t,
    restore: wayfarer_restore_t,
    user_data: *mut c_void,
) -> bool {
    guard(false, || {
        let (Some(save), Some(restore), false) = (save, restore, name.is_null()) else { return false };
        // SAFETY: as the caller promises.
        let name = unsafe { text(name) };
        HOOKS.register(Arc::new(Hook { name, version, save, restore, user_data }));
        true
    })
}

/// Undoes wayfarer_register_state; false if there is nothing of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_unregister_state(name: *const c_char) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || HOOKS.unregister(&unsafe { text(name) }))
}

/// Adds bytes to a native module's state; only in a save hook.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_write(writer: *mut wayfarer_writer_t, data: *const c_void, size: usize) {
    guard((), || {
        // SAFETY: as the caller promises.
        if let Some(writer) = unsafe { writer.as_mut() } {
            // SAFETY: as the caller promises.
            writer.0.extend_from_slice(unsafe { slice(data.cast::<u8>(), size) });
        }
    });
}

/// Whether the runtime wants the guest's thread (for a checkpoint, or to end it): a native function that waits should
/// stop, and return with wayfarer_call_again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_interrupted(module_inst: wasm_module_inst_t) -> bool {
    // SAFETY: as the caller promises.
    let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
    match exec_env::thread_in(instance) {
        Some(thread) => thread.interrupted(),
        None => instance.store().control().interrupted(),
    }
}

/// A descriptor that is readable while wayfarer_interrupted is true, to be waited for with poll beside others; -1 if
/// there is none. Do not read from it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_wake_fd(module_inst: wasm_module_inst_t) -> c_int {
    use wayfarer_guest::Interrupt;
    guard(-1, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return -1 };
        match exec_env::thread_in(instance) {
            Some(thread) => thread.wake_fd(),
            None => instance.store().control().wake_fd(),
        }
    })
}

/// For a native function that stops before it had any effect: once it has returned (its result does not matter) and the
/// runtime has done what it wanted, it is called again with the same arguments, in this process or in a restored one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_call_again(exec_env: wasm_exec_env_t) {
    // SAFETY: as the caller promises.
    if let Some(env) = unsafe { exec_env.as_ref() } {
        env.call_again.set(true);
    }
}

/// Locks `len` bytes of a file that the guest has open as descriptor `fd`, from `start` on (0: all from there): for natives that give
/// guests what preview 1 has not. `lock` is 0 to unlock them, 1 for a lock that others may share, 2 for one of its own. It is of the
/// kernel's for open files (F_OFD_SETLK); nobody is waited for. Images hold a guest's locks, and they are taken again, in their order,
/// before it goes on. Returns false, with who holds it in `error_buf`, if another has one that does not go with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_lock_file(
    module_inst: wasm_module_inst_t,
    fd: u32,
    lock: u32,
    start: u64,
    len: u64,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    let instance = unsafe { module_inst.as_ref() }.ok_or("no instance");
    // SAFETY: as the caller promises.
    unsafe { attempt(error_buf, error_buf_size, || instance?.parts.lock_file(fd, lock, start, len)) }
}

/// As wayfarer_lock_file, with the kind of lock that flock(2) takes: on the file as a whole, and without regard to locks on ranges.
/// One that is to become another, and cannot, stays what it was if nobody else takes it in between.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_lock_whole_file(
    module_inst: wasm_module_inst_t,
    fd: u32,
    lock: u32,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> bool {
    // SAFETY: as the caller promises.
    let instance = unsafe { module_inst.as_ref() }.ok_or("no instance");
    // SAFETY: as the caller promises.
    unsafe { attempt(error_buf, error_buf_size, || instance?.parts.lock_whole_file(fd, lock)) }
}
