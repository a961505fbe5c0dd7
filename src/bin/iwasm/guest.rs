//! From a file to a running instance, through the C API.

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use iwasm::capi::types::{
    InstantiationArgs2, MemAllocFunctions, MemAllocOption, RunningMode, RuntimeInitArgs, mem_alloc_type_t,
    wasm_module_inst_t, wasm_module_t,
};

use crate::api;
use crate::args::{Mode, Options};
use crate::text::print;

/// Bytes for a message of the loader. Upstream's program has 128, which its own messages fit in; those about images name
/// files.
const ERROR_LEN: usize = 4096 + 256;

/// End of the exception of a program that was stopped.
const TERMINATED: &str = "terminated by user";

/// Runs `call` with a buffer for an error message.
fn with_message<T>(call: impl FnOnce(*mut c_char, u32) -> *mut T) -> Result<NonNull<T>, String> {
    let mut buffer = [0u8; ERROR_LEN];
    let made = call(buffer.as_mut_ptr().cast(), ERROR_LEN as u32);
    NonNull::new(made).ok_or_else(|| {
        let message = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
        message.to_string_lossy().into_owned()
    })
}

/// Pointers to strings, as C takes lists of them.
fn pointers(list: &[CString]) -> Vec<*const c_char> {
    list.iter().map(|s| s.as_ptr()).collect()
}

/// The initialized runtime.
pub(crate) struct Runtime(());

impl Runtime {
    /// Starts it with malloc, as WAMR's own program does.
    pub(crate) fn start(options: &Options) -> Option<Self> {
        // SAFETY: a struct of integers, pointers and a union of those; all zeros means the defaults.
        let mut args: RuntimeInitArgs = unsafe { std::mem::zeroed() };
        args.mem_alloc_type = MaybeUninit::new(mem_alloc_type_t::Alloc_With_Allocator);
        args.mem_alloc_option = MemAllocOption {
            allocator: MemAllocFunctions {
                malloc_func: malloc as *mut c_void,
                realloc_func: realloc as *mut c_void,
                free_func: libc::free as *mut c_void,
                user_data: null_mut(),
            },
        };
        args.running_mode = match options.mode {
            // What zeroed arguments have.
            Mode::Default => args.running_mode,
            Mode::Interpreter => MaybeUninit::new(RunningMode::Mode_Interp),
            Mode::FastJit => MaybeUninit::new(RunningMode::Mode_Fast_JIT),
            Mode::LlvmJit => MaybeUninit::new(RunningMode::Mode_LLVM_JIT),
            Mode::MultiTierJit => MaybeUninit::new(RunningMode::Mode_Multi_Tier_JIT),
        };
        args.max_thread_num = options.max_threads.unwrap_or_default();
        args.llvm_jit_opt_level = options.jit_opt_level;
        args.llvm_jit_size_level = options.jit_size_level;
        args.enable_linux_perf = options.linux_perf;
        if options.deterministic {
            api::wayfarer_set_deterministic(true);
        }
        if let Some(stdio) = &options.stdio {
            api::choose_stdio(stdio.clone());
        }
        // SAFETY: the arguments are complete, and their functions have the types of the API.
        unsafe { api::wasm_runtime_full_init(&raw mut args) }.then_some(Runtime(()))
    }
}

/// malloc, with the API's type of sizes.
extern "C" fn malloc(size: u32) -> *mut c_void {
    // SAFETY: malloc takes any size.
    unsafe { libc::malloc(size as usize) }
}

/// realloc, with the API's type of sizes.
extern "C" fn realloc(p: *mut c_void, size: u32) -> *mut c_void {
    // SAFETY: the runtime passes what `malloc` above returned.
    unsafe { libc::realloc(p, size as usize) }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Everything made from it borrows this, so it is gone.
        api::wasm_runtime_destroy();
    }
}

/// A file's bytes, in the runtime's memory.
pub(crate) struct Binary<'r> {
    bytes: NonNull<c_char>,
    len: u32,
    runtime: PhantomData<&'r Runtime>,
}

impl<'r> Binary<'r> {
    /// Reads a file. The library has printed why if it can't.
    pub(crate) fn read(_runtime: &'r Runtime, path: &CStr) -> Option<Self> {
        let mut len = 0;
        // SAFETY: a string, and a place for the size.
        let bytes = unsafe { api::bh_read_file_to_buffer(path.as_ptr(), &raw mut len) };
        Some(Binary { bytes: NonNull::new(bytes)?, len, runtime: PhantomData })
    }
}

impl Binary<'_> {
    /// What was in the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes of the runtime's memory, which only this may free.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.len as usize) }
    }
}

impl Drop for Binary<'_> {
    fn drop(&mut self) {
        // SAFETY: allocated by the runtime, and modules made from it are gone.
        unsafe { api::wasm_runtime_free(self.bytes.as_ptr().cast()) };
    }
}

/// A loaded module.
pub(crate) struct Module<'r> {
    handle: wasm_module_t,
    binary: PhantomData<&'r Binary<'r>>,
}

impl<'r> Module<'r> {
    /// # Errors
    /// The loader's message.
    pub(crate) fn load(binary: &'r Binary<'_>) -> Result<Self, String> {
        let loaded = with_message(|message, len| {
            // SAFETY: the buffer outlives the module, by the lifetimes here.
            unsafe { api::wasm_runtime_load(binary.bytes.as_ptr().cast(), binary.len, message, len) }
        })?;
        Ok(Module { handle: loaded.as_ptr(), binary: PhantomData })
    }
}

impl Drop for Module<'_> {
    fn drop(&mut self) {
        // SAFETY: loaded, and instances of it are gone.
        unsafe { api::wasm_runtime_unload(self.handle) };
    }
}

/// Arguments of an instantiation.
struct Arguments(*mut InstantiationArgs2);

impl Arguments {
    fn new() -> Option<Self> {
        let mut args = null_mut();
        // SAFETY: a place for the pointer.
        unsafe { api::wasm_runtime_instantiation_args_create(&raw mut args) }.then_some(Arguments(args))
    }
}

impl Drop for Arguments {
    fn drop(&mut self) {
        // SAFETY: made by the runtime, and not used any more.
        unsafe { api::wasm_runtime_instantiation_args_destroy(self.0) };
    }
}

/// A program, ready to run.
pub(crate) struct Guest<'r> {
    instance: wasm_module_inst_t,
    module: PhantomData<&'r Module<'r>>,
}

impl<'r> Guest<'r> {
    /// # Errors
    /// The message of whatever went wrong; a start function may have been running.
    pub(crate) fn instantiate(module: &'r Module<'_>, options: &Options) -> Result<Self, String> {
        let args = Arguments::new().ok_or("failed to create instantiate args")?;
        let words = pointers(&options.words);
        let [env, dirs, map_dirs, addresses, names] =
            [&options.env, &options.dirs, &options.map_dirs, &options.addr_pool, &options.ns_lookup_pool]
                .map(|list| pointers(list));
        let made = with_message(|message, len| {
            // SAFETY: the arrays have the lengths given with them, and live as long as `args` is used. Nothing is
            // written through them, though C's types would allow it.
            unsafe {
                let p = args.0;
                api::wasm_runtime_instantiation_args_set_default_stack_size(p, options.stack_size);
                api::wasm_runtime_instantiation_args_set_host_managed_heap_size(p, options.heap_size);
                api::wasm_runtime_instantiation_args_set_wasi_arg(
                    p,
                    words.as_ptr().cast_mut().cast(),
                    words.len() as i32,
                );
                api::wasm_runtime_instantiation_args_set_wasi_env(
                    p,
                    env.as_ptr().cast_mut(),
                    env.len() as u32,
                );
                api::wasm_runtime_instantiation_args_set_wasi_dir(
                    p,
                    dirs.as_ptr().cast_mut(),
                    dirs.len() as u32,
                    map_dirs.as_ptr().cast_mut(),
                    map_dirs.len() as u32,
                );
                api::wasm_runtime_instantiation_args_set_wasi_addr_pool(
                    p,
                    addresses.as_ptr().cast_mut(),
                    addresses.len() as u32,
                );
                api::wasm_runtime_instantiation_args_set_wasi_ns_lookup_pool(
                    p,
                    names.as_ptr().cast_mut(),
                    names.len() as u32,
                );
                if let Some(back_end) = options.wasi {
                    let name = CString::new(back_end.name()).unwrap_or_default();
                    api::wayfarer_instantiation_args_set_wasi(p, name.as_ptr());
                }
                api::wasm_runtime_instantiate_ex2(module.handle, p, message, len)
            }
        })?;
        Ok(Guest { instance: made.as_ptr(), module: PhantomData })
    }

    /// Runs the entry point with the words of the command line, and prints the exception if there is one then.
    pub(crate) fn run(&self, words: &[CString]) {
        let mut argv = pointers(words);
        // SAFETY: a live instance, and strings that it only reads. `main`'s result may replace the first pointer in the
        // array, which is of no use afterwards.
        unsafe {
            api::wasm_application_execute_main(self.instance, argv.len() as i32, argv.as_mut_ptr().cast())
        };
        self.print_exception();
    }

    /// Calls a function, and prints its results or the exception.
    pub(crate) fn call(&self, function: &CStr, args: &[CString]) {
        let mut argv = pointers(args);
        // SAFETY: a live instance, and strings that it only reads.
        unsafe {
            api::wasm_application_execute_func(
                self.instance,
                function.as_ptr(),
                argv.len() as i32,
                argv.as_mut_ptr().cast(),
            )
        };
        self.print_exception();
    }

    fn exception(&self) -> Option<String> {
        // SAFETY: a live instance; the string is copied before anything else can run.
        let exception = unsafe {
            let exception = api::wasm_runtime_get_exception(self.instance);
            (!exception.is_null()).then(|| CStr::from_ptr(exception))
        };
        exception.map(|e| e.to_string_lossy().into_owned())
    }

    fn print_exception(&self) {
        if let Some(exception) = self.exception() {
            // Not to standard output: what a program prints there does not depend on which engine ran it.
            // SAFETY: a live instance.
            if let Some(stack) = unsafe { api::take_call_stack(self.instance) } {
                eprint!("{stack}");
            }
            print(&exception);
            print("\n");
        }
    }

    /// What this process is to end with: 1 after an exception, else what the program said.
    pub(crate) fn exit_status(&self) -> u32 {
        if self.exception().is_some() {
            return 1;
        }
        // SAFETY: a live instance.
        unsafe { api::wasm_runtime_get_wasi_exit_code(self.instance) }
    }

    /// Stops the program when this much time has passed, unless the result is dropped before.
    ///
    /// # Errors
    /// The system's, if there is no thread to be had.
    pub(crate) fn time_out(&self, after: Duration) -> std::io::Result<Watchdog<'_>> {
        /// An instance that another thread may stop.
        struct Target(wasm_module_inst_t);
        // SAFETY: wasm_runtime_terminate may be called from any thread.
        unsafe impl Send for Target {}

        let (stop, stopped) = channel::<()>();
        let target = Target(self.instance);
        let fired = Arc::new(AtomicBool::new(false));
        let fires = Arc::clone(&fired);
        let thread = std::thread::Builder::new().name("timeout".to_owned()).spawn(move || {
            // The whole `Target` is to move here, not its field.
            let Target(instance) = { target };
            if stopped.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                fires.store(true, Ordering::Release);
                // SAFETY: the instance outlives the watchdog, which waits for this thread.
                unsafe { api::wasm_runtime_terminate(instance) };
            }
        })?;
        Ok(Watchdog { stop: Some(stop), thread: Some(thread), fired, guest: self })
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // SAFETY: instantiated, and watchdogs of it are gone.
        unsafe { api::wasm_runtime_deinstantiate(self.instance) };
    }
}

/// Waits to stop a program. Stops waiting when dropped.
pub(crate) struct Watchdog<'g> {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    fired: Arc<AtomicBool>,
    guest: &'g Guest<'g>,
}

impl Watchdog<'_> {
    /// Whether the program has ended because of it.
    pub(crate) fn has_stopped_it(&self) -> bool {
        self.fired.load(Ordering::Acquire) && self.guest.exception().is_some_and(|e| e.ends_with(TERMINATED))
    }
}

impl Drop for Watchdog<'_> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once, and has no result.
            let _ = thread.join();
        }
    }
}
