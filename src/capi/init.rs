//! Starting and stopping the runtime, running modes, version.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wayfarer_native_call::registry;

use super::alloc::{Allocator, set_allocator};
use super::engine;
use super::ffi::{enum_value, guard, put};
use super::log::{error, warning};
use super::types::{MemAllocOption, RunningMode, RuntimeInitArgs, mem_alloc_type_t};
use crate::compiled::{self, Mode, compiler, tools};

/// Version of WAMR whose interface this library has.
pub(crate) const VERSION: (u32, u32, u32) = (2, 4, 3);

/// "The best there is", as a running mode. Not in the public enum, but every function that takes a mode takes it.
pub(crate) const MODE_DEFAULT: u32 = 0;

/// How often the runtime was initialized and not destroyed.
static INITIALIZED: Mutex<u32> = Mutex::new(0);

/// Running mode of instances that are not given one.
static DEFAULT_MODE: AtomicU32 = AtomicU32::new(MODE_DEFAULT);

fn initialized() -> MutexGuard<'static, u32> {
    INITIALIZED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the runtime with malloc as allocator and no native functions.
///
/// Initializations are counted: while the runtime is initialized, further calls return true and change nothing. Each
/// needs its own wasm_runtime_destroy.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_init() -> bool {
    guard(false, || initialize(|| Ok(Allocator::System)))
}

/// Starts the runtime. While it is initialized, further calls return true and ignore their arguments.
///
/// # Safety
/// `init_args` is NULL or valid, zeroed before its fields were set, and the pool, allocator functions and native
/// symbols it names stay valid until wasm_runtime_destroy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_full_init(init_args: *mut RuntimeInitArgs) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(args) = (unsafe { init_args.as_ref() }) else { return false };
        let mode = enum_value(args.running_mode);
        initialize(|| {
            check_mode(mode)?;
            wayfarer_program::set_thread_limit(args.max_thread_num);
            // SAFETY: as the caller promises.
            let allocator =
                unsafe { Allocator::new(enum_value(args.mem_alloc_type), &args.mem_alloc_option) }?;
            if args.n_native_symbols > 0 {
                // SAFETY: as the caller promises.
                let registered = unsafe {
                    registry::register(
                        args.native_module_name,
                        args.native_symbols,
                        args.n_native_symbols,
                        false,
                    )
                };
                if !registered {
                    return Err("the native symbols can't be registered".to_owned());
                }
            }
            compiled::set_levels(args.llvm_jit_opt_level, args.llvm_jit_size_level);
            tools::enable_perf(args.enable_linux_perf);
            DEFAULT_MODE.store(mode, Ordering::Relaxed);
            Ok(allocator)
        })
    })
}

/// Starts the runtime with malloc and the given kind of allocator; for wasm-c-api's engine.
///
/// # Safety
/// As [`wasm_runtime_full_init`].
pub(crate) unsafe fn initialize_with(
    kind: MaybeUninit<mem_alloc_type_t>,
    option: &MemAllocOption,
    enable_linux_perf: bool,
) -> bool {
    initialize(|| {
        // SAFETY: as the caller promises.
        let allocator = unsafe { Allocator::new(enum_value(kind), option) }?;
        tools::enable_perf(enable_linux_perf);
        Ok(allocator)
    })
}

fn initialize(start: impl FnOnce() -> Result<Allocator, String>) -> bool {
    let mut count = initialized();
    if *count == 0 {
        match start() {
            Ok(allocator) => set_allocator(Some(allocator)),
            Err(why) => {
                error!("Runtime init failed: {why}");
                tear_down();
                return false;
            }
        }
    }
    if *count == 0 {
        wayfarer_program::listen();
    }
    *count += 1;
    // The thread that starts the runtime may call Wasm without further ado.
    super::exec_env::init_thread();
    true
}

/// Undoes one initialization; the last one tears the runtime down.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_destroy() {
    guard((), || {
        let mut count = initialized();
        match *count {
            0 => warning!("wasm_runtime_destroy without wasm_runtime_init"),
            1 => {
                tear_down();
                *count = 0;
            }
            _ => *count -= 1,
        }
    });
}

fn tear_down() {
    compiled::cancel();
    engine::clear();
    wayfarer_program::references::clear();
    registry::clear();
    DEFAULT_MODE.store(MODE_DEFAULT, Ordering::Relaxed);
    compiled::set_levels(0, 0);
    tools::enable_perf(false);
    set_allocator(None);
}

/// Whether the runtime is initialized.
pub(crate) fn is_initialized() -> bool {
    *initialized() > 0
}

/// Whether code is compiled to be run in this mode. There is one compiler; its modes have several names.
pub(crate) fn compiles(mode: u32) -> bool {
    const FAST: u32 = RunningMode::Mode_Fast_JIT as u32;
    const LLVM: u32 = RunningMode::Mode_LLVM_JIT as u32;
    const TIERS: u32 = RunningMode::Mode_Multi_Tier_JIT as u32;
    matches!(mode, FAST | LLVM | TIERS)
}

/// Whether code can be run in this mode.
///
/// # Errors
/// Why not.
fn check_mode(mode: u32) -> Result<(), String> {
    const INTERPRETER: u32 = RunningMode::Mode_Interp as u32;
    match mode {
        MODE_DEFAULT | INTERPRETER => Ok(()),
        // Nothing will be.
        mode if compiles(mode) && compiled::mode() == Some(Mode { compiles: false, forced: true }) => Ok(()),
        mode if compiles(mode) => {
            compiler::find().map(drop).map_err(|why| format!("the running mode is not supported: {why}"))
        }
        _ => Err("the running mode is not supported".to_owned()),
    }
}

/// Whether code can be run in this mode.
pub(crate) fn mode_supported(mode: u32) -> bool {
    check_mode(mode).is_ok()
}

/// Whether a running mode is supported; 0, the default mode, always is.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_is_running_mode_supported(running_mode: MaybeUninit<RunningMode>) -> bool {
    guard(false, || mode_supported(enum_value(running_mode)))
}

/// Sets the running mode of instances made from now on. False, with nothing changed, if it is not supported.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_runtime_set_default_running_mode(running_mode: MaybeUninit<RunningMode>) -> bool {
    guard(false, || {
        let mode = enum_value(running_mode);
        let supported = mode_supported(mode);
        if supported {
            DEFAULT_MODE.store(mode, Ordering::Relaxed);
        }
        supported
    })
}

/// The mode a new instance runs in: the default one; the environment's if that was left open, else the interpreter.
pub(crate) fn new_instance_mode() -> u32 {
    match (DEFAULT_MODE.load(Ordering::Relaxed), compiled::mode()) {
        (_, Some(Mode { compiles, forced: true })) | (MODE_DEFAULT, Some(Mode { compiles, .. })) => {
            (if compiles { RunningMode::Mode_LLVM_JIT } else { RunningMode::Mode_Interp }) as u32
        }
        (MODE_DEFAULT, None) => RunningMode::Mode_Interp as u32,
        (mode, _) => mode,
    }
}

/// Reports the version of the interface: 2.4.3.
///
/// # Safety
/// Each pointer is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_get_version(major: *mut u32, minor: *mut u32, patch: *mut u32) {
    // SAFETY: as the caller promises.
    unsafe {
        put(major, VERSION.0);
        put(minor, VERSION.1);
        put(patch, VERSION.2);
    }
}
