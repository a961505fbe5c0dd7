//! Module instances as the C API has them: the engine's instance, and everything a host can hang on it.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wayfarer_program::{HostParts, Outcome, Program};
use wayfarer_runtime::values::{NULL_REF, func_to_slot, slot_to_func};
use wayfarer_runtime::{Func, Instance, Store, TraceFrame, Trap, TrapCode};

use super::context;
use super::exec_env::WASMExecEnv;
use super::externref;
use super::ffi::{enum_of, enum_value, guard};
use super::init::{MODE_DEFAULT, compiles, mode_supported};
use super::load::WASMModuleCommon;
use super::log::error;
use super::types::{RunningMode, wasm_module_inst_t, wasm_module_t};
use crate::compiled;

/// Longest exception text with its prefix, and the NUL.
const EXCEPTION_LEN: usize = 128;
const EXCEPTION_PREFIX: &str = "Exception: ";
const PROC_EXIT: &str = "wasi proc exit";
const TERMINATED: &str = TrapCode::Terminated.text();

/// A linear memory, behind `wasm_memory_inst_t`: an engine's memory.
pub struct WASMMemoryInstance {
    _engine: [u8; 0],
}

/// An instance, behind `wasm_module_inst_t`.
pub struct WASMModuleInstanceCommon {
    pub(crate) parts: Box<HostParts>,
    pub(crate) module: wasm_module_t,
    exception: Mutex<Exception>,
    /// Whether there is an exception: looked at after every call of a native function.
    raised: AtomicBool,
    terminated: AtomicBool,
    /// Threads that are in the middle of telling it to stop.
    terminating: AtomicU32,
    /// Not by a native function that the guest called.
    terminated_outside: AtomicBool,
    /// The functions that the last trap ended, innermost first.
    trace: Mutex<Vec<TraceFrame>>,
    /// Status given to `proc_exit`.
    pub(crate) exit_code: AtomicU32,
    custom_data: AtomicPtr<c_void>,
    pub(crate) contexts: context::Slots,
    /// Operand stack of the instance's own exec env.
    pub(crate) stack_size: u32,
    pub(crate) singleton: Mutex<Option<Singleton>>,
    running_mode: u32,
}

/// The exec env of an instance; a pointer because the host has it too.
pub(crate) struct Singleton(pub(crate) *mut WASMExecEnv);

/// Text of the current exception, in place, because hosts keep the pointer to it.
struct Exception {
    set: bool,
    text: Box<UnsafeCell<[u8; EXCEPTION_LEN]>>,
}

// SAFETY: handles are shared between the host's threads by the API's contract; what is not atomic or locked here (exec
// env, engine objects) is used by the thread that runs the guest.
unsafe impl Send for WASMModuleInstanceCommon {}
// SAFETY: as above.
unsafe impl Sync for WASMModuleInstanceCommon {}

impl WASMModuleInstanceCommon {
    /// The instance that these parts are of, which lead back here. `stack_size`: of the operand stack of its own exec env.
    pub(crate) fn new(
        parts: Box<HostParts>,
        module: wasm_module_t,
        stack_size: u32,
        running_mode: u32,
        custom_data: *mut c_void,
    ) -> Box<Self> {
        let new = Box::new(WASMModuleInstanceCommon {
            parts,
            module,
            raised: AtomicBool::new(false),
            exception: Mutex::new(Exception {
                set: false,
                text: Box::new(UnsafeCell::new([0; EXCEPTION_LEN])),
            }),
            terminated: AtomicBool::new(false),
            terminating: AtomicU32::new(0),
            terminated_outside: AtomicBool::new(false),
            trace: Mutex::default(),
            exit_code: AtomicU32::new(0),
            custom_data: AtomicPtr::new(custom_data),
            contexts: context::Slots::new(),
            stack_size,
            singleton: Mutex::new(None),
            running_mode,
        });
        new.parts.set_embedder(new.as_ptr().cast());
        new
    }

    /// An instance for another thread of the guest's, with what the host has hung on this one.
    pub(crate) fn beside(of: &WASMModuleInstanceCommon, parts: Box<HostParts>) -> Box<Self> {
        let custom_data = of.custom_data.load(Ordering::Acquire);
        let new = Self::new(parts, of.module, of.stack_size, of.running_mode, custom_data);
        new.contexts.inherit(&of.contexts);
        new
    }

    /// The one that all threads of the guest belong to.
    fn root(&self) -> &Self {
        Self::of(self.parts.root().instance()).unwrap_or(self)
    }

    /// The instance of the C API that an engine's instance belongs to.
    pub(crate) fn of(instance: &Instance) -> Option<&Self> {
        // SAFETY: `new` stored it, and it is taken back when that ends; the instance of the C API outlives its guest's calls.
        unsafe { HostParts::of(instance)?.embedder().cast::<Self>().as_ref() }
    }

    /// The handle.
    pub(crate) fn as_ptr(&self) -> wasm_module_inst_t {
        std::ptr::from_ref(self).cast_mut()
    }

    /// The program that it is part of.
    pub(crate) fn program(&self) -> &Program {
        self.parts.program()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<Store> {
        self.parts.store()
    }

    /// The engine's instance.
    pub(crate) fn engine_instance(&self) -> &Instance {
        self.parts.instance()
    }

    /// The module, as the C API has it.
    pub(crate) fn module(&self) -> &WASMModuleCommon {
        // SAFETY: the host unloads a module after its instances are gone.
        unsafe { &*self.module }
    }

    /// The exported function called `name`.
    pub(crate) fn exported_func(&self, name: &str) -> Option<&Func> {
        self.parts.exported_func(name)
    }

    /// Sets the exception, without its prefix.
    pub(crate) fn set_exception(&self, text: &str) {
        let mut exception = self.exception.lock().unwrap_or_else(PoisonError::into_inner);
        let full = [EXCEPTION_PREFIX.as_bytes(), text.as_bytes()].concat();
        let n = full.len().min(EXCEPTION_LEN - 1);
        // SAFETY: the lock is held; hosts only read, and know that a new exception overwrites the text.
        let buffer = unsafe { &mut *exception.text.get() };
        buffer[..n].copy_from_slice(&full[..n]);
        buffer[n] = 0;
        exception.set = true;
        self.raised.store(true, Ordering::Release);
    }

    /// Removes the exception, and with it a request to terminate.
    pub(crate) fn clear_exception(&self) {
        // Another thread may have set the exception, but not asked for the end yet: that would come to the next call. A signal
        // handler that tells this thread's instance to stop is done before this goes on.
        while self.terminating.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
        let mut exception = self.exception.lock().unwrap_or_else(PoisonError::into_inner);
        exception.set = false;
        self.raised.store(false, Ordering::Release);
        drop(exception);
        self.parts.forget_end();
        if self.terminated.swap(false, Ordering::AcqRel) {
            self.store().control().clear_terminate();
        }
    }

    /// The exception with its prefix, as it stands in its buffer.
    pub(crate) fn exception_ptr(&self) -> Option<*const c_char> {
        if !self.raised.load(Ordering::Acquire) {
            return None;
        }
        let exception = self.exception.lock().unwrap_or_else(PoisonError::into_inner);
        exception.set.then(|| exception.text.get().cast_const().cast())
    }

    /// The exception without its prefix.
    pub(crate) fn exception(&self) -> Option<String> {
        if !self.raised.load(Ordering::Acquire) {
            return None;
        }
        let exception = self.exception.lock().unwrap_or_else(PoisonError::into_inner);
        if !exception.set {
            return None;
        }
        // SAFETY: the lock is held.
        let buffer = unsafe { &*exception.text.get() };
        let text = buffer.split(|&b| b == 0).next().unwrap_or_default();
        Some(String::from_utf8_lossy(&text[EXCEPTION_PREFIX.len()..]).into_owned())
    }

    /// Whether the guest ended itself by `proc_exit`, which hosts see as an exception.
    pub(crate) fn has_exited(&self) -> bool {
        self.exception().is_some_and(|text| text.contains(PROC_EXIT))
    }

    /// Notes why a call ended.
    pub(crate) fn record_trap(&self, trap: &Trap) {
        if let Trap::Exit(status) = trap {
            self.exit_code.store(*status, Ordering::Release);
        }
        self.set_exception(&trap.to_string());
    }

    /// How the host sees the end of a call that failed.
    pub(crate) fn outcome(&self) -> Outcome {
        let exception = self.exception().unwrap_or_default();
        Outcome::Failed {
            terminated: exception == TERMINATED && self.is_terminated_outside(),
            exception,
            exit_code: self.exit_code.load(Ordering::Acquire),
        }
    }

    /// Notes which functions a trap ended.
    pub(crate) fn keep_trace(&self, trace: Vec<TraceFrame>) {
        *self.trace.lock().unwrap_or_else(PoisonError::into_inner) = trace;
    }

    /// The functions that the last trap ended, innermost first.
    pub(crate) fn trace(&self) -> Vec<TraceFrame> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The trap that an exception set by a native function stands for.
    #[inline]
    pub(crate) fn pending_trap(&self) -> Option<Trap> {
        if self.raised.load(Ordering::Acquire) { self.trap_of_exception() } else { None }
    }

    #[cold]
    fn trap_of_exception(&self) -> Option<Trap> {
        Some(match self.exception()?.as_str() {
            PROC_EXIT => Trap::Exit(self.exit_code.load(Ordering::Acquire)),
            TERMINATED => Trap::Code(TrapCode::Terminated),
            text => Trap::host(text.to_owned()),
        })
    }

    /// Stops the guest, from any thread: it traps at its next stable point, and later calls fail.
    pub(crate) fn terminate(&self) {
        if self.parts.is_of_thread() {
            return self.root().terminate();
        }
        self.terminating.fetch_add(1, Ordering::AcqRel);
        self.terminated_outside.store(!super::exec_env::native_runs_here(), Ordering::Release);
        self.terminated.store(true, Ordering::Release);
        self.set_exception(TERMINATED);
        self.store().control().request_terminate();
        self.parts.wake_natives();
        self.terminating.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether the host has told it to stop, and not a native function that the guest called.
    pub(crate) fn is_terminated_outside(&self) -> bool {
        self.is_terminated() && self.terminated_outside.load(Ordering::Acquire)
    }

    /// Waits until the host tells the guest to stop, as it did the first time.
    pub(crate) fn await_termination(&self) {
        while !self.is_terminated() {
            // A signal handler may be the one who does it, so that there is no lock to wait for.
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Whether it was told to stop.
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Acquire)
    }
}

impl Drop for WASMModuleInstanceCommon {
    fn drop(&mut self) {
        let singleton = self.singleton.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Singleton(env)) = singleton {
            // SAFETY: made by `Box::into_raw`, and the host knows that it goes with the instance.
            drop(unsafe { Box::from_raw(env) });
        }
        if !self.parts.is_of_thread() {
            context::destroy_all(self);
        }
        wayfarer_program::references::remove_all_of(self.as_ptr() as usize);
    }
}

/// References of an instance's guest, as the C API has them.
pub(crate) struct References<'a> {
    pub(crate) instance: &'a Instance,
}

impl wayfarer_native_call::References for References<'_> {
    fn object(&self, slot: u64) -> usize {
        externref::slot_to_object(slot)
    }

    fn object_slot(&self, object: usize) -> u64 {
        let owner = WASMModuleInstanceCommon::of(self.instance).map_or(null_mut(), |i| i.as_ptr());
        externref::object_to_slot(owner, object).unwrap_or(NULL_REF)
    }

    fn func_index(&self, slot: u64) -> u32 {
        let func = slot_to_func(slot);
        let index = self.instance.funcs().iter().position(|&f| std::ptr::eq(f, func));
        index.map_or(u32::MAX, |index| index as u32)
    }

    fn func_slot(&self, index: u32) -> u64 {
        func_to_slot(self.instance.func(index))
    }
}

/// Ends an instance: its exec env goes, context destructors and cleanups of its host objects run, memory is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_deinstantiate(module_inst: wasm_module_inst_t) {
    guard((), || {
        if !module_inst.is_null() {
            // SAFETY: as the caller promises: made by instantiation, not yet ended.
            let instance = unsafe { Box::from_raw(module_inst) };
            instance.parts.wait_for_threads();
            instance.parts.leave_streams();
            let program = instance.program().clone();
            program.pass(|| drop(instance));
        }
    });
}

/// The module of an instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_module(module_inst: wasm_module_inst_t) -> wasm_module_t {
    // SAFETY: as the caller promises.
    unsafe { module_inst.as_ref() }.map_or(null_mut(), |i| i.module)
}

/// Sets how an instance is run: as it is, that is; false for other modes. An instance is made for a mode: the default one
/// at that time, or that of its `.aot` file, for which any other is accepted without effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_running_mode(
    module_inst: wasm_module_inst_t,
    running_mode: MaybeUninit<RunningMode>,
) -> bool {
    // SAFETY: as the caller promises.
    let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
    guard(false, || {
        let mode = enum_value(running_mode);
        if instance.module().aot.is_some() || mode == MODE_DEFAULT || mode == instance.running_mode {
            return true;
        }
        if !mode_supported(mode) {
            return false;
        }
        // The modes that compile do the same; and the environment may have forced one on the host.
        let same = compiles(mode) && compiles(instance.running_mode)
            || compiled::mode().is_some_and(|mode| mode.forced);
        if !same {
            error!(
                "an instance keeps its running mode: set the default one before the module is instantiated"
            );
        }
        same
    })
}

/// How an instance is run; 0 for one of an `.aot` file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_running_mode(
    module_inst: wasm_module_inst_t,
) -> MaybeUninit<RunningMode> {
    // SAFETY: as the caller promises.
    enum_of(unsafe { module_inst.as_ref() }.map_or(0, |i| i.running_mode))
}

/// Keeps a pointer of the host's with an instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_set_custom_data(
    module_inst: wasm_module_inst_t,
    custom_data: *mut c_void,
) {
    // SAFETY: as the caller promises.
    if let Some(instance) = unsafe { module_inst.as_ref() } {
        instance.custom_data.store(custom_data, Ordering::Release);
    }
}

/// The pointer kept by wasm_runtime_set_custom_data; NULL at first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_custom_data(module_inst: wasm_module_inst_t) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { module_inst.as_ref() }.map_or(null_mut(), |i| i.custom_data.load(Ordering::Acquire))
}
