//! Threads of a guest: those that it starts itself, and exec envs that the host makes for threads of its own.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use wayfarer_program::guest_threads::STACK;
use wayfarer_program::{Environment, HostParts, Spawned, ThreadContext, set_thread_limit};
use wayfarer_runtime::{Caller, ExecEnv, GuestThread, HostError, HostFunc, Trap};

use super::exec_env::{WASMExecEnv, init_thread};
use super::ffi::{guard, put};
use super::instance::WASMModuleInstanceCommon;
use super::log::error;
use super::types::{wasm_exec_env_t, wasm_thread_callback_t, wasm_thread_t};

/// What a thread of a guest runs in: an instance of its own, with its exec env.
pub(crate) struct GuestThreadEnv(Box<WASMModuleInstanceCommon>);

impl GuestThreadEnv {
    /// An instance with these parts, which has what the host has hung on that of `root`.
    ///
    /// # Errors
    /// There is no memory for its stacks.
    pub(crate) fn new(root: &HostParts, parts: Box<HostParts>) -> Result<GuestThreadEnv, String> {
        let of = WASMModuleInstanceCommon::of(root.instance()).ok_or("unknown instance")?;
        let new = WASMModuleInstanceCommon::beside(of, parts);
        new.singleton().ok_or("create exec_env failed")?;
        Ok(GuestThreadEnv(new))
    }

    fn env(&self) -> Option<&WASMExecEnv> {
        self.0.singleton()
    }
}

impl ThreadContext for GuestThreadEnv {
    fn parts(&self) -> &HostParts {
        &self.0.parts
    }

    fn parts_mut(&mut self) -> &mut HostParts {
        &mut self.0.parts
    }

    fn thread(&self) -> Option<Arc<GuestThread>> {
        Some(self.env()?.look_at(|env| env.thread().clone()))
    }

    fn run(&self, guest: &mut dyn FnMut(&mut ExecEnv)) -> Result<(), &'static str> {
        init_thread();
        self.env().ok_or("create exec_env failed")?.run(guest)
    }
}

impl Drop for GuestThreadEnv {
    fn drop(&mut self) {
        if let Some(env) = self.env() {
            env.forget_waits();
        }
    }
}

/// `wasi.thread-spawn`.
pub(crate) fn spawn_func(name: (Box<str>, Box<str>)) -> HostFunc {
    let call = |caller: &mut Caller<'_>, slots: &mut [u64]| {
        let parts = HostParts::of(caller.instance);
        let parts = parts.ok_or_else(|| HostError::Trap(Trap::host("unknown instance")))?;
        let started = parts.spawn_thread(slots[0] as u32);
        slots[0] = started
            .unwrap_or_else(|why| {
                error!("{why}");
                u32::MAX
            })
            .into();
        Ok(())
    };
    HostFunc { name, restartable: true, call: Box::new(call), data: None }
}

/// Sets how many threads a program may have at a time, beside the one that the host calls; 4 if it is not set. 0 changes nothing.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_max_thread_num(num: u32) {
    set_thread_limit(num);
}

/// What goes with an exec env that the host has by wasm_runtime_spawn_exec_env.
struct HostsOwn {
    context: Box<dyn ThreadContext>,
    spawned: Spawned,
    /// Guest address of the stack that the guest's code has in memory; 0 for none.
    stack: u64,
}

/// By the address of the exec env.
static SPAWNED: Mutex<BTreeMap<usize, HostsOwn>> = Mutex::new(BTreeMap::new());

fn spawned() -> MutexGuard<'static, BTreeMap<usize, HostsOwn>> {
    SPAWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(exec_env: &WASMExecEnv) -> Result<wasm_exec_env_t, String> {
    let instance = exec_env.instance().ok_or("unknown instance")?;
    if instance.exception_ptr().is_some() {
        return Err("the guest has an exception".to_owned());
    }
    let size = instance.parts.stack_in_memory().map_or(0, |(_, size)| u64::from(size));
    let stack = if size > 0 { instance.module_malloc(size) } else { 0 };
    if size > 0 && stack == 0 {
        return Err("thread manager error: failed to allocate aux stack space for new thread".to_owned());
    }
    let (context, spawned_as) =
        instance.parts.spawn_for_host().inspect_err(|_| instance.module_free(stack))?;
    if size > 0 {
        context.parts().set_stack_in_memory((stack + size) as u32);
    }
    let env = WASMModuleInstanceCommon::of(context.parts().instance())
        .and_then(WASMModuleInstanceCommon::singleton);
    let env = env.map_or(null_mut(), WASMExecEnv::as_ptr);
    spawned().insert(env as usize, HostsOwn { context, spawned: spawned_as, stack });
    Ok(env)
}

/// Makes an exec env in which another thread of the host's can run the same guest: with an instance of its own over the same shared
/// memories, the same custom data and contexts. NULL if the guest has as many threads as it may, or an exception.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_spawn_exec_env(exec_env: wasm_exec_env_t) -> wasm_exec_env_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let Some(env) = (unsafe { exec_env.as_ref() }) else { return null_mut() };
        spawn(env).unwrap_or_else(|why| {
            error!("{why}");
            null_mut()
        })
    })
}

/// Destroys what wasm_runtime_spawn_exec_env made, with its instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_destroy_spawned_exec_env(exec_env: wasm_exec_env_t) {
    guard((), || {
        let own = spawned().remove(&(exec_env as usize));
        match own {
            Some(HostsOwn { context, spawned, stack }) => {
                if let Some(instance) = WASMModuleInstanceCommon::of(context.parts().instance()) {
                    instance.module_free(stack);
                }
                spawned.end(context);
            }
            None if exec_env.is_null() => {}
            None => error!(
                "wasm_runtime_destroy_spawned_exec_env: it was not made by wasm_runtime_spawn_exec_env"
            ),
        }
    });
}

/// Threads that nobody has joined, by what the host knows them by.
static THREADS: Mutex<BTreeMap<wasm_thread_t, JoinHandle<usize>>> = Mutex::new(BTreeMap::new());

/// How many there were.
static THREADS_MADE: AtomicUsize = AtomicUsize::new(0);

/// What the host wants to be run on a thread.
struct Order {
    exec_env: wasm_exec_env_t,
    callback: unsafe extern "C" fn(wasm_exec_env_t, *mut c_void) -> *mut c_void,
    arg: *mut c_void,
}

// SAFETY: the host gave function and argument for another thread, and the exec env is that thread's alone.
unsafe impl Send for Order {}

/// Starts a thread that calls `callback` with an exec env of its own, as wasm_runtime_spawn_exec_env makes it, and `arg`. The exec env
/// goes when that returns. 0 and the thread in `tid`, or -1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_spawn_thread(
    exec_env: wasm_exec_env_t,
    tid: *mut wasm_thread_t,
    callback: wasm_thread_callback_t,
    arg: *mut c_void,
) -> i32 {
    guard(-1, || {
        let Some(callback) = callback else { return -1 };
        // SAFETY: as the caller promises.
        let exec_env = unsafe { wasm_runtime_spawn_exec_env(exec_env) };
        if exec_env.is_null() {
            return -1;
        }
        let order = Order { exec_env, callback, arg };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            // The whole order moves here, not its fields.
            let Order { exec_env, callback, arg } = { order };
            init_thread();
            // SAFETY: as the caller has promised.
            let result = unsafe { callback(exec_env, arg) } as usize;
            // SAFETY: made above, and used no more.
            unsafe { wasm_runtime_destroy_spawned_exec_env(exec_env) };
            result
        });
        match thread {
            Ok(thread) => {
                let number = THREADS_MADE.fetch_add(1, Ordering::Relaxed) + 1;
                THREADS.lock().unwrap_or_else(PoisonError::into_inner).insert(number, thread);
                // SAFETY: as the caller promises.
                unsafe { put(tid, number) };
                0
            }
            Err(why) => {
                error!("Failed to spawn a new thread: {why}");
                // SAFETY: made above, and nobody uses it.
                unsafe { wasm_runtime_destroy_spawned_exec_env(exec_env) };
                -1
            }
        }
    })
}

/// Waits for a thread that wasm_runtime_spawn_thread has started, once, and puts what its function returned where `retval` points, which may be
/// NULL. 0, or ESRCH for one that is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_join_thread(tid: wasm_thread_t, retval: *mut *mut c_void) -> i32 {
    guard(libc::EINVAL, || {
        let thread = THREADS.lock().unwrap_or_else(PoisonError::into_inner).remove(&tid);
        let Some(thread) = thread else { return libc::ESRCH };
        let result = thread.join().unwrap_or_default();
        // SAFETY: as the caller promises.
        unsafe { put(retval, result as *mut c_void) };
        0
    })
}
