//! Execution environments: what a host runs guest code in, one per thread that does.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, PoisonError};

use wayfarer_program::Environment;
use wayfarer_runtime::{ExecEnv, GuestThread, Store, native_stack};

use super::ffi::guard;
use super::instance::WASMModuleInstanceCommon;
use super::log::error;
use super::types::{wasm_exec_env_t, wasm_module_inst_t};

/// An execution environment, behind `wasm_exec_env_t`.
pub struct WASMExecEnv {
    env: UnsafeCell<ExecEnv>,
    /// While a native function runs: the environment as the engine lent it to that function.
    lent: Cell<*mut ExecEnv>,
    /// Of the native function that runs.
    pub(crate) attachment: Cell<*mut c_void>,
    module_inst: Cell<wasm_module_inst_t>,
    user_data: Cell<*mut c_void>,
    /// The native function that runs wants to be called again.
    pub(crate) call_again: Cell<bool>,
}

thread_local! {
    /// Together, as each look for such a variable takes a nanosecond in a library.
    static HERE: Here = const { Here { ready: Cell::new(false), running: Cell::new(std::ptr::null()) } };
}

/// What there is to know of a thread.
struct Here {
    /// Whether it may call Wasm.
    ready: Cell<bool>,
    /// The exec env whose guest code is running on it.
    running: Cell<*const WASMExecEnv>,
}

/// The exec env whose guest code is running on this thread; may be null.
fn running_here() -> *const WASMExecEnv {
    HERE.with(|here| here.running.get())
}

/// Allows this thread to call Wasm.
pub(crate) fn init_thread() {
    HERE.with(|here| here.ready.set(true));
}

/// The exec env whose guest is running on this thread, if its guest is of this instance.
pub(crate) fn running_in(module_inst: *const WASMModuleInstanceCommon) -> Option<*const WASMExecEnv> {
    let running = running_here();
    // SAFETY: an exec env is not destroyed while its guest runs.
    let env = unsafe { running.as_ref() }?;
    std::ptr::eq(env.module_inst.get(), module_inst).then_some(running)
}

/// The guest's thread that runs here, if its guest is of this instance's store: as those who ask something of it know it.
pub(crate) fn thread_in(instance: &WASMModuleInstanceCommon) -> Option<Arc<GuestThread>> {
    thread_of(instance.store())
}

/// The same for a store.
pub(crate) fn thread_of(store: &Store) -> Option<Arc<GuestThread>> {
    // SAFETY: an exec env is not destroyed while its guest runs.
    let env = unsafe { running_here().as_ref() }?;
    let thread = env.look_at(|exec_env| exec_env.thread().clone());
    Arc::ptr_eq(thread.control(), store.control()).then_some(thread)
}

/// Whether this thread is in a native function that a guest called.
pub(crate) fn native_runs_here() -> bool {
    // SAFETY: an exec env is not destroyed while its guest runs.
    unsafe { running_here().as_ref() }.is_some_and(|env| !env.lent.get().is_null())
}

/// The exec env around the engine's environment; good for as long as the guest's call that `env` was lent for.
pub(crate) fn env_of<'a>(env: &ExecEnv) -> Option<&'a WASMExecEnv> {
    // SAFETY: `WASMExecEnv::new` set it to its own address, and owns `env`; an exec env is not destroyed while its guest
    // runs.
    unsafe { env.user_data.cast::<WASMExecEnv>().as_ref() }
}

/// A native function is running in an exec env; ends when dropped.
pub(crate) struct NativeRunning<'a> {
    env: &'a WASMExecEnv,
    outer: *mut ExecEnv,
}

impl Drop for NativeRunning<'_> {
    fn drop(&mut self) {
        self.env.lent.set(self.outer);
        self.env.attachment.set(null_mut());
    }
}

/// Undoes what `run` did to the thread, also when guest code unwinds.
struct Running<'a> {
    here: &'a Here,
    outer: *const WASMExecEnv,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.here.running.set(self.outer);
    }
}

impl WASMExecEnv {
    /// An exec env for this instance, with at least `stack_size` bytes of operand stack (0: the default).
    pub(crate) fn new(instance: &WASMModuleInstanceCommon, stack_size: u32) -> Option<Box<Self>> {
        let env = ExecEnv::new(instance.store().clone(), stack_size as usize).ok()?;
        let mut new = Box::new(WASMExecEnv {
            env: UnsafeCell::new(env),
            lent: Cell::new(null_mut()),
            attachment: Cell::new(null_mut()),
            module_inst: Cell::new(instance.as_ptr()),
            user_data: Cell::new(null_mut()),
            call_again: Cell::new(false),
        });
        let address: *mut WASMExecEnv = &raw mut *new;
        new.env.get_mut().user_data = address.cast();
        Some(new)
    }

    /// The handle.
    pub(crate) fn as_ptr(&self) -> wasm_exec_env_t {
        std::ptr::from_ref(self).cast_mut()
    }

    /// The instance it runs.
    pub(crate) fn instance(&self) -> Option<&WASMModuleInstanceCommon> {
        // SAFETY: the host keeps the instance while the exec env is in use.
        unsafe { self.module_inst.get().as_ref() }
    }

    /// Notes that a native function runs, with what the engine lent it.
    pub(crate) fn enter_native(&self, lent: *mut ExecEnv, attachment: *mut c_void) -> NativeRunning<'_> {
        self.attachment.set(attachment);
        NativeRunning { env: self, outer: self.lent.replace(lent) }
    }

    /// Looks at the engine's environment.
    pub(crate) fn look_at<T>(&self, look: impl FnOnce(&ExecEnv) -> T) -> T {
        let env = match self.lent.get() {
            lent if lent.is_null() => self.env.get(),
            lent => lent,
        };
        // SAFETY: as in `run`: nothing else uses the environment while a native function does, or none runs.
        look(unsafe { &*env })
    }
}

impl Environment for WASMExecEnv {
    fn inspect<T>(&self, look: impl FnOnce(&ExecEnv) -> T) -> Option<T> {
        Some(self.look_at(look))
    }

    fn run<T>(&self, guest: impl FnOnce(&mut ExecEnv) -> T) -> Result<T, &'static str> {
        HERE.with(|here| self.run_on(here, guest))
    }
}

impl WASMExecEnv {
    #[inline]
    fn run_on<T>(&self, here: &Here, guest: impl FnOnce(&mut ExecEnv) -> T) -> Result<T, &'static str> {
        if !here.ready.get() {
            return Err("thread signal env not inited");
        }
        let outer = here.running.get();
        if !outer.is_null() && !std::ptr::eq(outer, self) {
            return Err("invalid exec env");
        }
        let env = match self.lent.get() {
            lent if !lent.is_null() => lent,
            _ if outer.is_null() => self.env.get(),
            // Guest code of this exec env is running and did not call a native function: this is another of its
            // callbacks (a checkpoint hook, say), from which it can't be entered.
            _ => return Err("invalid exec env"),
        };
        // SAFETY: either nothing else uses the environment, or the engine lent it to the native function that we are
        // called from, which is the only one to use it now.
        let env = unsafe { &mut *env };
        here.running.set(self);
        let _running = Running { here, outer };
        Ok(guest(env))
    }
}

/// Makes an exec env for an instance, with at least `stack_size` bytes of operand stack. Only one may run on a thread
/// at a time. Returns NULL on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_create_exec_env(
    module_inst: wasm_module_inst_t,
    stack_size: u32,
) -> wasm_exec_env_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let instance = unsafe { module_inst.as_ref() };
        instance.and_then(|i| WASMExecEnv::new(i, stack_size)).map_or(null_mut(), Box::into_raw)
    })
}

/// Destroys an exec env that wasm_runtime_create_exec_env made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_destroy_exec_env(exec_env: wasm_exec_env_t) {
    guard((), || {
        if std::ptr::eq(running_here(), exec_env) && !exec_env.is_null() {
            error!("wasm_runtime_destroy_exec_env: guest code is running in it");
        } else if !exec_env.is_null() {
            // SAFETY: as the caller promises: made by `create_exec_env`, not yet destroyed.
            let env = unsafe { Box::from_raw(exec_env) };
            env.forget_waits();
        }
    });
}

/// The exec env that belongs to an instance, made when first asked for, with the stack size given at instantiation. It
/// is destroyed with the instance, not by the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_exec_env_singleton(
    module_inst: wasm_module_inst_t,
) -> wasm_exec_env_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let instance = unsafe { module_inst.as_ref() };
        instance.and_then(WASMModuleInstanceCommon::singleton).map_or(null_mut(), WASMExecEnv::as_ptr)
    })
}

/// Allows the calling thread to call Wasm. The thread that initialized the runtime already may.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_init_thread_env() -> bool {
    init_thread();
    true
}

/// Undoes wasm_runtime_init_thread_env.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_destroy_thread_env() {
    HERE.with(|here| here.ready.set(false));
}

/// Whether the calling thread may call Wasm.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_thread_env_inited() -> bool {
    HERE.with(|here| here.ready.get())
}

/// The instance an exec env runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_module_inst(exec_env: wasm_exec_env_t) -> wasm_module_inst_t {
    // SAFETY: as the caller promises.
    unsafe { exec_env.as_ref() }.map_or(null_mut(), |env| env.module_inst.get())
}

/// Makes an exec env run another instance for a while; the caller puts the old one back. Calls into it fail while guest code
/// of the old one is running in the exec env.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_module_inst(
    exec_env: wasm_exec_env_t,
    module_inst: wasm_module_inst_t,
) {
    // SAFETY: as the caller promises.
    if let Some(env) = unsafe { exec_env.as_ref() } {
        env.module_inst.set(module_inst);
    }
}

/// Keeps a pointer of the host's with an exec env.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_user_data(exec_env: wasm_exec_env_t, user_data: *mut c_void) {
    // SAFETY: as the caller promises.
    if let Some(env) = unsafe { exec_env.as_ref() } {
        env.user_data.set(user_data);
    }
}

/// The pointer kept by wasm_runtime_set_user_data; NULL at first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_user_data(exec_env: wasm_exec_env_t) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { exec_env.as_ref() }.map_or(null_mut(), |env| env.user_data.get())
}

/// Says where the native stack ends (its lowest address) that this exec env is called on from now on: for fibers and the like.
/// From there three pages are left alone; if more has to be, the host says an address above the end. NULL: find out again. That
/// is a thread's own stack, or the mapping that the stack pointer is in, if it may be a stack (private, at most 64 MiB, with nothing
/// or a guard below); of any other, calls fail with `native stack overflow`. It has to be said of stacks that are not apart from
/// each other, or from something else, in memory: else overflow would not be found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_native_stack_boundary(
    exec_env: wasm_exec_env_t,
    native_stack_boundary: *mut u8,
) {
    // SAFETY: as the caller promises.
    if let Some(env) = unsafe { exec_env.as_ref() } {
        env.look_at(|exec_env| exec_env.stack_boundary.set(native_stack_boundary as usize));
    }
}

/// Checks that there is native stack left: as much as a call of the guest needs (15,360 bytes). If not, sets the exception
/// `native stack overflow` and returns false. True when the end of the stack is not known: no guest code is running in this exec
/// env, or it was never said, and cannot be found out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_detect_native_stack_overflow(exec_env: wasm_exec_env_t) -> bool {
    // SAFETY: as the caller promises.
    guard(false, || unsafe { exec_env.as_ref() }.is_none_or(|env| stack_left(env, None)))
}

/// Checks that `required_size` bytes of native stack are left. If not, sets the exception `native stack overflow` and
/// returns false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_detect_native_stack_overflow_size(
    exec_env: wasm_exec_env_t,
    required_size: u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        unsafe { exec_env.as_ref() }.is_none_or(|env| stack_left(env, Some(required_size as usize)))
    })
}

fn stack_left(env: &WASMExecEnv, required: Option<usize>) -> bool {
    let boundary = env.look_at(|exec_env| exec_env.stack_boundary.get());
    if boundary == 0 && !std::ptr::eq(running_here(), env) {
        return true;
    }
    let enough = native_stack::is_left(boundary, required);
    if !enough && let Some(instance) = env.instance() {
        instance.set_exception("native stack overflow");
    }
    enough
}

impl WASMModuleInstanceCommon {
    /// The instance's own exec env.
    pub(crate) fn singleton(&self) -> Option<&WASMExecEnv> {
        let mut singleton = self.singleton.lock().unwrap_or_else(PoisonError::into_inner);
        if singleton.is_none() {
            *singleton = WASMExecEnv::new(self, self.stack_size)
                .map(|env| super::instance::Singleton(Box::into_raw(env)));
        }
        // SAFETY: it stays until the instance is dropped.
        singleton.as_ref().map(|env| unsafe { &*env.0 })
    }
}
