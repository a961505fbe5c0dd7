//! Instantiation.

use std::borrow::Cow;
use std::ffi::{c_char, c_void};
use std::ptr::null_mut;
use std::sync::{Arc, PoisonError};

use wayfarer_module::{ExternKind, ImportType, Module, ValType};
use wayfarer_program::app_heap::AppHeap;
use wayfarer_program::history::Keep;
use wayfarer_program::host::{self, Start};
use wayfarer_program::policy::Resolved;
use wayfarer_program::progress::Shown;
use wayfarer_program::resources::host::Host;
use wayfarer_program::resources::instance::InstanceState;
use wayfarer_program::resources::wasi::Wasi;
use wayfarer_program::resources::{Resource, native_state};
use wayfarer_program::source::Source;
use wayfarer_program::{self as checkpoint, HostParts, Program};
use wayfarer_runtime::{
    Extern, Instance, InstantiateError, InstantiateOptions, LoadedModule, MemoryPlan, Store,
};
use wayfarer_snapshot::view::Entry;
use wayfarer_wasi::RestorePolicy;

use super::call;
use super::ffi::{guard, put_error};
use super::init::{MODE_DEFAULT, new_instance_mode};
use super::instance::{Parts, WASMModuleInstanceCommon};
use super::link;
use super::load::{WASMModuleCommon, check_initialized};
use super::log::warning;
use super::native_state::Host as Embedder;
use super::types::{InstantiationArgs, wasm_module_inst_t, wasm_module_t};
use super::wasi::WasiArgs;

/// Prefix of messages about a module.
fn prefix(module: &WASMModuleCommon) -> &'static str {
    if module.aot.is_some() { "AOT module instantiate failed: " } else { "WASM module instantiate failed: " }
}

/// Largest app heap.
const MAX_APP_HEAP: u32 = 1 << 30;

/// Bytes of a page, and how many a 32-bit memory can have.
const PAGE: u64 = 65536;
const MAX_PAGES: u64 = 65536;

/// In an app heap of whole pages, this much is left unused at the end.
const APP_HEAP_MARGIN: u64 = 1024;

/// Arguments of wasm_runtime_instantiate_ex2.
#[derive(Clone, Debug, Default)]
pub struct InstantiationArgs2 {
    pub(crate) basic: InstantiationArgs,
    pub(crate) custom_data: usize,
    pub(crate) wasi: WasiArgs,
}

/// Sizes of memory 0 and the app heap in it, and where `__heap_base` goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Layout {
    memory: MemoryPlan,
    /// Start and end.
    heap: Option<(u32, u32)>,
    /// Index of the global and its new value.
    heap_base: Option<(u32, u32)>,
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
    let fail = |why: String| format!("{}{why}", prefix(module));
    // What the settings are the reason for.
    let refuse = |why: String| checkpoint::refused(fail(why));
    let settings = checkpoint::in_force().map_err(refuse)?;
    let (program, origin) = match Program::of(store) {
        Some(program) => (program, Origin::New),
        None => drive(module, store, &settings).map_err(refuse)?,
    };
    program.add_code(module.can_checkpoint()).map_err(refuse)?;
    let restored = matches!(origin, Origin::Image(_));
    let repeated = !program.history().is_caught_up();
    let instance = program
        .pass(|| instantiate_from(module, args, given, &program, origin, &settings))
        .map_err(|why| if restored || repeated { checkpoint::refused(why) } else { why })?;
    if restored {
        checkpoint::restored();
    }
    run_start_functions(&instance, restored).map_err(fail)?;
    Ok(instance)
}

/// Makes an instance from an image, which holds nothing else.
///
/// # Errors
/// As [`instantiate`].
pub(crate) fn restore(
    module: &WASMModuleCommon,
    args: &InstantiationArgs2,
    source: Source,
) -> Result<Box<WASMModuleInstanceCommon>, String> {
    let fail = |why: String| format!("{}{why}", prefix(module));
    let store = Store::new(&module.runtime);
    source.check_alone(module.module(), &Embedder)?;
    // The host says what is restored, and will say so again: nothing is kept for it to repeat. When checkpoints are taken
    // is its environment's affair, as for other instances.
    let refuse = |why: String| checkpoint::refused(fail(why));
    let policy = checkpoint::in_force().map_err(refuse)?.policy;
    let sequence = source.record.sequence;
    let program =
        Program::new(&store, Arc::new(Embedder), policy, Keep::Nothing, sequence).map_err(refuse)?;
    program.add_code(module.can_checkpoint()).map_err(refuse)?;
    program.history().go_on_from(&source);
    let (origin, settings) = (Origin::Image(Arc::new(source)), Resolved::default());
    let instance = instantiate_from(module, args, &|_| None, &program, origin, &settings)?;
    run_start_functions(&instance, true).map_err(fail)?;
    Ok(instance)
}

/// Where an instance's state comes from.
enum Origin {
    /// Its module.
    New,
    /// An image.
    Image(Arc<Source>),
}

/// A driver for a store in which the first instance is to be made, as the settings say.
fn drive(
    module: &WASMModuleCommon,
    store: &Arc<Store>,
    settings: &Resolved,
) -> Result<(Program, Origin), String> {
    let start = host::start(settings)?;
    if let Start::InPlace(source) = &start {
        source.check_alone(module.module(), &Embedder)?;
    }
    // What is stopped in the image goes on in this store.
    if let Start::Repeated(source, ordinal) = &start
        && source.host.as_ref().map_or(0, |host| host.pending as usize) == *ordinal
    {
        source.verify(module.module(), &Embedder)?;
    }
    let source = match &start {
        Start::Anew => None,
        Start::InPlace(source) | Start::Repeated(source, _) => Some(source),
    };
    let sequence = source.map_or(0, |source| source.record.sequence);
    let keep = host::keep(settings);
    let program = Program::new(store, Arc::new(Embedder), settings.policy.clone(), keep, sequence)?;
    if keep != Keep::Nothing || matches!(start, Start::Repeated(..)) {
        program.join();
    }
    Ok(match start {
        Start::Anew => (program, Origin::New),
        Start::InPlace(source) => {
            program.history().go_on_from(&source);
            (program, Origin::Image(source))
        }
        Start::Repeated(source, ordinal) => {
            match &source.host {
                Some(host) => Host::restore(host, (&**program.history(), source.clone(), ordinal))?,
                // An image of one instance, whose first call was in progress.
                None => program.history().repeat(source, ordinal),
            }
            (program, Origin::New)
        }
    })
}

/// Makes the instance; its start functions are still to be run.
fn instantiate_from(
    module: &WASMModuleCommon,
    args: &InstantiationArgs2,
    given: &dyn Fn(usize) -> Option<Extern>,
    program: &Program,
    origin: Origin,
    settings: &Resolved,
) -> Result<Box<WASMModuleInstanceCommon>, String> {
    let fail = |why: &str| format!("{}{why}", prefix(module));
    let running_mode = if module.aot.is_some() { MODE_DEFAULT } else { new_instance_mode() };
    let loaded = module.for_mode(running_mode).map_err(|why| fail(&why))?;
    let wasi = wasi_context(module, args)?;
    let store = program.store();
    let place = store.instances_made() as usize;
    let history = program.history();
    history.instance_made(place, module.module().sha256).map_err(|why| fail(&why))?;
    let policy = RestorePolicy { accept_changed_files: settings.changed_files };
    let restore_wasi =
        |record: Cow<'_, [u8]>| Wasi::restore(&record, (&wasi, &policy)).map_err(|why| fail(&why));
    let (instance, heap) = match &origin {
        Origin::New => {
            if let Some(record) = history.wasi_of(place).map_err(|why| fail(&why))? {
                restore_wasi(record.into())?;
            }
            fresh(module, loaded, store, args, given).map_err(|why| fail(&why))?
        }
        Origin::Image(source) => {
            restore_wasi(source.wasi().map_err(|why| fail(&why))?)?;
            from_image(module, loaded, store, source).map_err(|why| fail(&why))?
        }
    };
    let new = WASMModuleInstanceCommon::new(Parts {
        program: program.clone(),
        parts: HostParts::new(wasi, heap),
        instance,
        module: std::ptr::from_ref(module).cast_mut(),
        stack_size: args.basic.default_stack_size,
        running_mode,
        custom_data: args.custom_data as *mut c_void,
    });
    if let Origin::Image(source) = &origin {
        let natives = program.embedder().native_modules();
        native_state::restore(&natives, &new.parts, &source.image.program().host)
            .map_err(|why| fail(&why))?;
    }
    Ok(new)
}

/// A new engine instance and its app heap.
fn fresh<'a>(
    module: &WASMModuleCommon,
    loaded: &Arc<LoadedModule>,
    store: &'a Arc<Store>,
    args: &InstantiationArgs2,
    given: &dyn Fn(usize) -> Option<Extern>,
) -> Result<(&'a Instance, Option<AppHeap>), String> {
    let layout = plan_memory(module.module(), &args.basic)?;
    let imports = link::imports(module, store, layout.map(|l| l.memory), given)?;
    let mut options = InstantiateOptions::default();
    options.globals.extend(layout.and_then(|l| l.heap_base));
    // What the host gives is as the module says.
    options.memory = layout.map(|l| l.memory).filter(|_| !is_memory_given(module.module(), given));
    // SAFETY: the imports are objects of this store.
    let instance = unsafe { store.instantiate(loaded, &imports, &options) }
        .map_err(|error| describe(module.module(), &error))?;
    let heap = layout.and_then(|l| l.heap).and_then(|(start, end)| AppHeap::new(start..end));
    if let Some(heap) = &heap {
        heap.format(&instance.guest_memory()).map_err(|_| "init app heap failed".to_owned())?;
    }
    Ok((instance, heap))
}

/// An engine instance from an image, in an empty store. Its app heap is where it was: it is part of memory.
fn from_image<'a>(
    module: &WASMModuleCommon,
    loaded: &Arc<LoadedModule>,
    store: &'a Arc<Store>,
    source: &Source,
) -> Result<(&'a Instance, Option<AppHeap>), String> {
    let mut funcs = link::functions(module);
    let modules = std::slice::from_ref(loaded);
    let heap = source.record.heap.map(|(start, end)| start..end);
    let restored = store.restore(&source.image.program().store, modules, &[heap], |_, index| {
        let (ty, host) = funcs(index)?;
        Some(store.add_host_func(&ty, host))
    });
    let shown = Shown::new("restore");
    let loaded = restored.and_then(|()| {
        store.load_memories(&source.image, modules, true, Some(&|progress| shown.show(progress)))
    });
    drop(shown);
    loaded.map_err(|e| e.to_string())?;
    let instance = store.instance(0).ok_or("the image has no instance")?;
    Ok((instance, InstanceState::restore(&source.record, ())?))
}

fn describe(module: &Module, error: &InstantiateError) -> String {
    match error {
        InstantiateError::Import { index, .. } => match module.imports.get(*index) {
            Some(import) => format!("{error} ({}, {})", import.module, import.name),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// WASI settings come with the module or with the instantiation, not both.
fn wasi_context(
    module: &WASMModuleCommon,
    args: &InstantiationArgs2,
) -> Result<wayfarer_wasi::WasiCtx, String> {
    let of_module = module.wasi.lock().unwrap_or_else(PoisonError::into_inner);
    if args.wasi.is_set() {
        if of_module.is_set() {
            return Err("WASI configuration was given via both of module and InstantiationArgs2".to_owned());
        }
        return args.wasi.build();
    }
    of_module.build()
}

/// Runs what a module wants to be run first: its start function, then what toolchains export for the purpose. One that
/// was restored in place goes on where it was: behind them, or within one.
fn run_start_functions(instance: &WASMModuleInstanceCommon, in_place: bool) -> Result<(), String> {
    let module = instance.engine_instance().module();
    let of_wasi = instance.module().imports_wasi();
    let exported = |name: &str| {
        let export = module.export(name).filter(|e| e.kind == ExternKind::Func)?;
        let ty = module.func_type(export.index);
        (ty.params.is_empty() && ty.results.is_empty()).then_some(export.index)
    };
    let functions = [
        (Entry::Start, module.start),
        (Entry::Initialize, exported("_initialize").filter(|_| of_wasi)),
        (Entry::PostInstantiate, exported("__post_instantiate")),
        (Entry::CallCtors, exported("__wasm_call_ctors").filter(|_| !of_wasi)),
    ];
    let exception = || format!("Exception: {}", instance.exception().unwrap_or_default());
    let env = || instance.env().ok_or("create singleton exec_env failed");
    let mut done = 0;
    if in_place {
        let pending = instance.program.history().next_in_place().map(|(entry, _)| entry);
        let Some(at) = functions.iter().position(|(entry, _)| Some(*entry) == pending) else {
            return Ok(());
        };
        call::resume(env()?).map_err(|_| exception())?;
        done = at + 1;
    }
    for (entry, index) in &functions[done..] {
        if let Some(func) = index.and_then(|index| instance.engine_instance().func(index))
            && call::call_as(env()?, func, &[], *entry).is_err()
        {
            return Err(exception());
        }
    }
    Ok(())
}

/// Whether memory 0 is an import that the host gives.
fn is_memory_given(module: &Module, given: &dyn Fn(usize) -> Option<Extern>) -> bool {
    let place = module.imports.iter().position(|import| matches!(import.ty, ImportType::Memory(_)));
    place.is_some_and(|index| given(index).is_some())
}

/// The limits of memory 0, imported or not.
fn plan_memory(module: &Module, args: &InstantiationArgs) -> Result<Option<Layout>, String> {
    let Some(ty) = module.memories.first() else { return Ok(None) };
    let mut plan = MemoryPlan::of(ty);
    if args.max_memory_pages > 0 {
        plan.max = clamp_max(u64::from(args.max_memory_pages) * PAGE, plan);
    }
    let size = heap_size(module, args.host_managed_heap_size);
    if size == 0 {
        return Ok(Some(Layout { memory: plan, heap: None, heap_base: None }));
    }
    let fixed = !module.uses_memory_grow_or_size || plan.len == plan.max && plan.len <= PAGE;
    let heap_base = (!fixed).then(|| find_heap_base(module)).flatten();
    insert_heap(plan, size, fixed, heap_base).map(Some).ok_or_else(|| {
        "failed to insert app heap into linear memory, try using `--heap-size=0` option".to_owned()
    })
}

fn clamp_max(max: u64, plan: MemoryPlan) -> u64 {
    if max < plan.len {
        warning!("Cannot override max memory with value lower than module initial memory");
        plan.len
    } else if max > plan.max {
        warning!("Cannot override max memory with value greater than module max memory");
        plan.max
    } else {
        max
    }
}

/// Bytes of app heap: none if the guest brings its own allocator.
fn heap_size(module: &Module, asked: u32) -> u64 {
    let exports = |name: &str, params: &[ValType], results: &[ValType]| {
        module.export(name).filter(|e| e.kind == ExternKind::Func).is_some_and(|e| {
            let ty = module.func_type(e.index);
            *ty.params == *params && *ty.results == *results
        })
    };
    let i32 = [ValType::I32];
    if exports("malloc", &i32, &i32) && exports("free", &i32, &[]) {
        return 0;
    }
    u64::from(asked.min(MAX_APP_HEAP)).next_multiple_of(8)
}

/// The global `__heap_base`, where the space that the compiler left unused begins, and its value.
fn find_heap_base(module: &Module) -> Option<(u32, u32)> {
    let export = module.export("__heap_base").filter(|e| e.kind == ExternKind::Global)?;
    let global = &module.globals[export.index as usize];
    match global.init.as_ref().map(|init| &*init.0) {
        Some(&[wayfarer_module::ConstOp::I32Const(value)]) if !global.ty.mutable => {
            Some((export.index, value as u32))
        }
        _ => None,
    }
}

/// Puts an app heap of `size` bytes into a memory.
///
/// A memory that can't grow gets the heap appended, and counts as one large page then. In one that can, the heap goes
/// where the guest's own would begin, which is moved up; or, where that is not known, into new pages at the end.
fn insert_heap(plan: MemoryPlan, size: u64, fixed: bool, heap_base: Option<(u32, u32)>) -> Option<Layout> {
    let limit = MAX_PAGES * PAGE;
    let address = |a: u64| u32::try_from(a).ok();
    if fixed {
        let len = plan.len + size;
        let heap = Some((address(plan.len)?, address(len)?));
        let memory = MemoryPlan { len, max: len, page_size: len, ..plan };
        return (len <= limit).then_some(Layout { memory, heap, heap_base: None });
    }
    let grown = |start: u64, heap_end: u64, end: u64, heap_base| {
        // WAMR adds the pages it needs to the limits, also where the heap would have fit into the last page.
        let added = end.saturating_sub(plan.len).next_multiple_of(PAGE);
        let len = plan.len + added;
        let memory = MemoryPlan { len, max: (plan.max + added).min(limit), ..plan };
        let heap = Some((address(start)?, address(heap_end)?));
        (len <= limit).then_some(Layout { memory, heap, heap_base })
    };
    match heap_base {
        Some((global, base)) => {
            let (start, end) = (u64::from(base), u64::from(base) + size);
            // The guest keeps as much room behind `__heap_base` as it had.
            let room = plan.len.saturating_sub(start) % PAGE;
            let end_of_memory =
                if room >= size { plan.len } else { plan.len + (size - room).next_multiple_of(PAGE) };
            grown(start, end, end_of_memory, Some((global, address(end)?)))
        }
        None => {
            let end = plan.len + size.next_multiple_of(PAGE);
            grown(plan.len, end - APP_HEAP_MARGIN, end, None)
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(len: u64, max: u64) -> MemoryPlan {
        MemoryPlan { len, max, page_size: PAGE, shared: false }
    }

    #[test]
    fn a_fixed_memory_becomes_one_large_page() {
        let layout = insert_heap(plan(2 * PAGE, 2 * PAGE), 8192, true, None).unwrap();
        assert_eq!(layout.heap, Some((131_072, 139_264)));
        assert_eq!(
            layout.memory,
            MemoryPlan { len: 139_264, max: 139_264, page_size: 139_264, shared: false }
        );
        let empty = insert_heap(plan(0, 0), 8192, true, None).unwrap();
        assert_eq!((empty.heap, empty.memory.len), (Some((0, 8192)), 8192));
    }

    #[test]
    fn the_heap_goes_before_heap_base() {
        // 100 bytes are left in the last page.
        let base = 2 * PAGE as u32 - 100;
        let small = insert_heap(plan(2 * PAGE, 10 * PAGE), 64, false, Some((3, base))).unwrap();
        assert_eq!((small.memory.len, small.memory.max), (2 * PAGE, 10 * PAGE));
        assert_eq!((small.heap, small.heap_base), (Some((base, base + 64)), Some((3, base + 64))));
        let large = insert_heap(plan(2 * PAGE, 10 * PAGE), 8192, false, Some((3, base))).unwrap();
        assert_eq!((large.memory.len, large.memory.max), (3 * PAGE, 11 * PAGE));
        assert_eq!(large.heap_base, Some((3, base + 8192)));
    }

    #[test]
    fn otherwise_it_gets_new_pages() {
        let layout = insert_heap(plan(PAGE, MAX_PAGES * PAGE), 70_000, false, None).unwrap();
        assert_eq!((layout.memory.len, layout.memory.max), (3 * PAGE, MAX_PAGES * PAGE));
        assert_eq!(layout.heap, Some((65_536, 3 * 65_536 - 1024)));
        assert_eq!(insert_heap(plan(MAX_PAGES * PAGE, MAX_PAGES * PAGE), 8, false, None), None);
        assert_eq!(insert_heap(plan(MAX_PAGES * PAGE, MAX_PAGES * PAGE), 8, true, None), None);
    }

    #[test]
    fn limits_are_clamped() {
        assert_eq!(clamp_max(PAGE, plan(2 * PAGE, 4 * PAGE)), 2 * PAGE);
        assert_eq!(clamp_max(3 * PAGE, plan(2 * PAGE, 4 * PAGE)), 3 * PAGE);
        assert_eq!(clamp_max(5 * PAGE, plan(2 * PAGE, 4 * PAGE)), 4 * PAGE);
    }
}
