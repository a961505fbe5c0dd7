//! Instantiation.

use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::{Arc, PoisonError};

use wayfarer_module::Module;
use wayfarer_program::instantiate::{What, imports_memory};
use wayfarer_program::layout::{self, Clamped, Layout, NoRoom};
use wayfarer_program::{Blueprint, Embedder, HostParts, Made, Refusal, Source, Starting, refused};
use wayfarer_runtime::{Extern, Func, LoadedModule, Store};
use wayfarer_wasi::{WasiBuilder, WasiCtx};

use super::call;
use super::ffi::{guard, put_error};
use super::init::{MODE_DEFAULT, new_instance_mode};
use super::instance::WASMModuleInstanceCommon;
use super::link;
use super::load::{WASMModuleCommon, check_initialized};
use super::log::warning;
use super::native_state::Host;
use super::types::{InstantiationArgs, wasm_module_inst_t, wasm_module_t};
use super::wasi::WasiSettings;
use crate::files::of_environment;

/// Prefix of messages about a module.
fn prefix(module: &WASMModuleCommon) -> &'static str {
    if module.aot.is_some() { "AOT module instantiate failed: " } else { "WASM module instantiate failed: " }
}

/// Arguments of wasm_runtime_instantiate_ex2.
#[derive(Clone, Debug, Default)]
pub struct InstantiationArgs2 {
    pub(crate) basic: InstantiationArgs,
    pub(crate) custom_data: usize,
    pub(crate) wasi: WasiSettings,
}

/// What an instance is made of.
struct Plan<'a> {
    module: &'a WASMModuleCommon,
    args: &'a InstantiationArgs2,
    /// May provide an import.
    given: &'a dyn Fn(usize) -> Option<Extern>,
    running_mode: u32,
}

impl<'a> Plan<'a> {
    fn new(
        module: &'a WASMModuleCommon,
        args: &'a InstantiationArgs2,
        given: &'a dyn Fn(usize) -> Option<Extern>,
    ) -> Plan<'a> {
        let running_mode = if module.aot.is_some() { MODE_DEFAULT } else { new_instance_mode() };
        Plan { module, args, given, running_mode }
    }
}

// SAFETY: what is linked is made in the store; what is given is of it, as its callers see to.
unsafe impl Blueprint for Plan<'_> {
    type Owner = Box<WASMModuleInstanceCommon>;

    fn module(&self) -> &Module {
        self.module.module()
    }

    fn can_be_stopped(&self) -> bool {
        self.module.can_checkpoint()
    }

    fn loaded(&self) -> Result<Arc<LoadedModule>, String> {
        self.module.for_mode(self.running_mode).cloned()
    }

    /// WASI settings come with the module or with the instantiation, not both.
    fn wasi(&self) -> Result<WasiCtx, String> {
        let of_module = self.module.wasi.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = match (&of_module.given, &self.args.wasi.given) {
            (Some(_), Some(_)) => {
                return Err(
                    "WASI configuration was given via both of module and InstantiationArgs2".to_owned()
                );
            }
            (Some(given), None) | (None, Some(given)) => given.clone(),
            (None, None) => WasiBuilder::new(),
        };
        if let Some(files) = self.args.wasi.restore_files.as_ref().or(of_module.restore_files.as_ref()) {
            settings.restore_files(files.clone());
        }
        let back_end = self.args.wasi.back_end.or(of_module.back_end);
        if let Some(back_end) = back_end.map_or_else(of_environment, |said| Ok(Some(said)))? {
            settings.back_end(back_end);
        }
        settings.build().map_err(|e| e.to_string())
    }

    fn layout(&self) -> Result<Option<Layout>, String> {
        let args = &self.args.basic;
        let layout = layout::plan(self.module(), args.host_managed_heap_size, args.max_memory_pages);
        let layout = layout.map_err(|NoRoom| {
            "failed to insert app heap into linear memory, try using `--heap-size=0` option".to_owned()
        })?;
        match layout.and_then(|layout| layout.clamped) {
            None => {}
            Some(Clamped::TooLow) => {
                warning!("Cannot override max memory with value lower than module initial memory");
            }
            Some(Clamped::TooHigh) => {
                warning!("Cannot override max memory with value greater than module max memory");
            }
        }
        Ok(layout)
    }

    fn imports(&self, store: &Arc<Store>, layout: Option<&Layout>) -> Result<Vec<Extern>, String> {
        link::imports(self.module, store, layout.map(|layout| layout.memory), self.given)
    }

    fn is_memory_given(&self) -> bool {
        imports_memory(self.module(), |index| (self.given)(index).is_some())
    }

    fn functions<'a>(&'a self, store: &'a Arc<Store>) -> Box<dyn FnMut(usize) -> Option<*const Func> + 'a> {
        let mut linked = link::functions(self.module);
        Box::new(move |index| match (self.given)(index) {
            Some(Extern::Func(func)) => Some(func),
            _ => linked(index).map(|(ty, host)| store.add_host_func(&ty, host)),
        })
    }

    fn own(&self, parts: Box<HostParts>) -> Box<WASMModuleInstanceCommon> {
        WASMModuleInstanceCommon::new(
            parts,
            std::ptr::from_ref(self.module).cast_mut(),
            self.args.basic.default_stack_size,
            self.running_mode,
            self.args.custom_data as *mut c_void,
        )
    }

    fn parts(owner: &Box<WASMModuleInstanceCommon>) -> &HostParts {
        &owner.parts
    }
}

/// WAMR's message.
fn message(module: &WASMModuleCommon, refusal: Refusal) -> String {
    let text = match refusal.what {
        What::Instance => format!("{}{}", prefix(module), refusal.why),
        What::Image | What::Surroundings => refusal.why,
    };
    if refusal.by_settings { refused(text) } else { text }
}

/// Instantiates a module. `given` may provide an import; the store is then the one those are of.
///
/// # Errors
/// The text of WAMR's message, with its prefix.
pub(crate) fn instantiate(
    module: &WASMModuleCommon,
    store: &Arc<Store>,
    args: &InstantiationArgs2,
    given: &dyn Fn(usize) -> Option<Extern>,
) -> Result<Box<WASMModuleInstanceCommon>, String> {
    let embedder: Arc<dyn Embedder> = Arc::new(Host);
    let made = wayfarer_program::instantiate(store, &embedder, &Plan::new(module, args, given));
    finish(module, made)
}

/// Makes an instance from an image, which holds nothing else.
///
/// # Errors
/// As [`instantiate`].
pub(crate) fn restore(
    module: &WASMModuleCommon,
    args: &InstantiationArgs2,
    source: &Source,
) -> Result<Box<WASMModuleInstanceCommon>, String> {
    let (store, embedder) = (Store::new(&module.runtime), Arc::new(Host) as Arc<dyn Embedder>);
    let made = wayfarer_program::restore(&store, &embedder, &Plan::new(module, args, &|_| None), source);
    finish(module, made)
}

/// A module that a store's instances are to be made of, and what they are given as imports.
pub(crate) struct Given<'a> {
    pub(crate) module: &'a WASMModuleCommon,
    pub(crate) import: &'a dyn Fn(usize) -> Option<Extern>,
}

/// Makes all that is in an image, in a store that is empty: its instances, in order; none of those that the host had ended.
/// `given` are modules among which the image's are.
///
/// # Errors
/// Text. The store is then good for nothing but being deleted.
pub(crate) fn restore_store(
    store: &Arc<Store>,
    given: &[Given<'_>],
    args: &InstantiationArgs2,
    source: &Source,
) -> Result<Vec<Option<Box<WASMModuleInstanceCommon>>>, String> {
    let embedder: Arc<dyn Embedder> = Arc::new(Host);
    let plans: Vec<_> = given.iter().map(|given| Plan::new(given.module, args, given.import)).collect();
    let plans: Vec<_> = plans.iter().collect();
    let made = wayfarer_program::restore_store(store, &embedder, &plans, source);
    made.map_err(|Refusal { why, by_settings, .. }| if by_settings { refused(why) } else { why })
}

/// Runs the start functions of an instance.
fn finish(
    module: &WASMModuleCommon,
    made: Result<Made<Box<WASMModuleInstanceCommon>>, Refusal>,
) -> Result<Box<WASMModuleInstanceCommon>, String> {
    let Made { owner: instance, in_place } = made.map_err(|refusal| message(module, refusal))?;
    run_start_functions(&instance, in_place).map_err(|why| format!("{}{why}", prefix(module)))?;
    Ok(instance)
}

fn run_start_functions(instance: &WASMModuleInstanceCommon, in_place: bool) -> Result<(), String> {
    let exception = || format!("Exception: {}", instance.exception().unwrap_or_default());
    let env = || instance.env().ok_or("create singleton exec_env failed");
    let starting = Starting::of(&instance.parts, in_place);
    if starting.resumes {
        call::resume(env()?).map_err(|_| exception())?;
    }
    for (entry, index) in starting.functions {
        if let Some(func) = instance.engine_instance().func(index)
            && call::call_as(env()?, func, &[], entry).is_err()
        {
            return Err(exception());
        }
    }
    Ok(())
}

/// # Safety
/// `module` is NULL or alive, `args` has been filled in, `error_buf` is NULL or has its size.
unsafe fn instantiate_for_c(
    module: wasm_module_t,
    args: Option<&InstantiationArgs2>,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    guard(null_mut(), || {
        // SAFETY: as the caller promises.
        let result = match (unsafe { module.as_ref() }, args) {
            (Some(module), Some(args)) if check_initialized("wasm_runtime_instantiate") => {
                instantiate(module, &Store::new(&module.runtime), args, &|_| None)
            }
            _ => Err("WASM module instantiate failed: null module or arguments".to_owned()),
        };
        match result {
            Ok(instance) => Box::into_raw(instance),
            Err(message) => {
                // SAFETY: as the caller promises.
                unsafe { put_error(error_buf, error_buf_size, &message) };
                null_mut()
            }
        }
    })
}

/// Instantiates a module and runs its start functions. `default_stack_size` is for the instance's own exec env;
/// `host_managed_heap_size` is the size of the app heap, which is put into linear memory unless the module exports
/// `malloc` and `free`. Returns NULL on failure, with the reason in `error_buf`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiate(
    module: wasm_module_t,
    default_stack_size: u32,
    host_managed_heap_size: u32,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    let basic = InstantiationArgs { default_stack_size, host_managed_heap_size, max_memory_pages: 0 };
    let args = InstantiationArgs2 { basic, ..InstantiationArgs2::default() };
    // SAFETY: as the caller promises.
    unsafe { instantiate_for_c(module, Some(&args), error_buf, error_buf_size) }
}

/// Instantiates a module, with a limit on its memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiate_ex(
    module: wasm_module_t,
    args: *const InstantiationArgs,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    // SAFETY: as the caller promises.
    let args =
        unsafe { args.as_ref() }.map(|&basic| InstantiationArgs2 { basic, ..InstantiationArgs2::default() });
    // SAFETY: as the caller promises.
    unsafe { instantiate_for_c(module, args.as_ref(), error_buf, error_buf_size) }
}

/// Makes a set of arguments for wasm_runtime_instantiate_ex2. False on failure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_create(p: *mut *mut InstantiationArgs2) -> bool {
    guard(false, || {
        if p.is_null() || !check_initialized("wasm_runtime_instantiation_args_create") {
            return false;
        }
        // SAFETY: as the caller promises.
        unsafe { p.write(Box::into_raw(Box::default())) };
        true
    })
}

/// Frees what wasm_runtime_instantiation_args_create made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_destroy(p: *mut InstantiationArgs2) {
    guard((), || {
        if !p.is_null() {
            // SAFETY: as the caller promises: made by `create`, not yet destroyed.
            drop(unsafe { Box::from_raw(p) });
        }
    });
}

/// Sets the bytes of operand stack of the instance's own exec env.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_default_stack_size(
    p: *mut InstantiationArgs2,
    v: u32,
) {
    // SAFETY: as the caller promises.
    if let Some(args) = unsafe { p.as_mut() } {
        args.basic.default_stack_size = v;
    }
}

/// Sets the bytes of app heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_host_managed_heap_size(
    p: *mut InstantiationArgs2,
    v: u32,
) {
    // SAFETY: as the caller promises.
    if let Some(args) = unsafe { p.as_mut() } {
        args.basic.host_managed_heap_size = v;
    }
}

/// Sets how many pages memory may have at most.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_max_memory_pages(
    p: *mut InstantiationArgs2,
    v: u32,
) {
    // SAFETY: as the caller promises.
    if let Some(args) = unsafe { p.as_mut() } {
        args.basic.max_memory_pages = v;
    }
}

/// Sets the instance's custom data before its start functions run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiation_args_set_custom_data(
    p: *mut InstantiationArgs2,
    custom_data: *mut c_void,
) {
    // SAFETY: as the caller promises.
    if let Some(args) = unsafe { p.as_mut() } {
        args.custom_data = custom_data as usize;
    }
}

/// Instantiates a module with these arguments, which can be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_instantiate_ex2(
    module: wasm_module_t,
    args: *const InstantiationArgs2,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> wasm_module_inst_t {
    // SAFETY: as the caller promises.
    unsafe { instantiate_for_c(module, args.as_ref(), error_buf, error_buf_size) }
}
