//! Watched functions, for hosts: `wayfarer_watch_function` and its kin.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::null;
use std::sync::Arc;

use wayfarer_module::{ExternKind, Module, ValType};
use wayfarer_runtime::watch::{Call, Left};
use wayfarer_runtime::{Caller, Trap, WatchId, Watcher};

use super::call::val_of;
use super::exec_env;
use super::ffi::{c_str, guard, put_error};
use super::instance::{References, WASMModuleInstanceCommon};
use super::types::{wasm_exec_env_t, wasm_module_inst_t, wasm_val_t};

/// What a watched function does.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum wayfarer_watch_kind_t {
    /// It was called, and is about to begin.
    WAYFARER_ENTERED = 0,
    /// It has returned: itself, or a function that it has called in tail position.
    WAYFARER_RETURNED = 1,
    /// A call in tail position has led from it to another watched function, which is about to be entered and returns in its
    /// place.
    WAYFARER_TAIL_CALLED = 2,
    /// It will not return: its thread has ended with an exception.
    WAYFARER_TRAPPED = 3,
    /// It will not return: the program has ended itself.
    WAYFARER_EXITED = 4,
}

/// What is told of a watched function. It is good until the call-back returns, with all that it points to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wayfarer_watch_event_t {
    /// What it does.
    pub kind: wayfarer_watch_kind_t,
    /// Its index in the module.
    pub function: u32,
    /// Its name; NULL if the module has none for it.
    pub name: *const c_char,
    /// What it was called with.
    pub args: *const wasm_val_t,
    /// How many there are.
    pub num_args: u32,
    /// How many results there are: 0 if it did not return.
    pub num_results: u32,
    /// Its results.
    pub results: *const wasm_val_t,
}

/// Told of a watched function, on the thread that runs it. It may do what a native function may that the guest has called, but not
/// raise an exception: so it may read and write the guest's memory, and ask for a checkpoint. If it calls the guest, checkpoints are
/// refused until that call has returned.
pub type wayfarer_watch_t = Option<
    unsafe extern "C" fn(
        exec_env: wasm_exec_env_t,
        event: *const wayfarer_watch_event_t,
        user_data: *mut c_void,
    ),
>;

/// What a host wants to be told.
struct Told {
    entered: wayfarer_watch_t,
    left: wayfarer_watch_t,
    user_data: *mut c_void,
    name: Option<CString>,
}

// SAFETY: only handed back to the host's functions, which the documentation says run on the guest's threads.
unsafe impl Send for Told {}
// SAFETY: as above.
unsafe impl Sync for Told {}

impl Told {
    fn tell(
        &self,
        to: wayfarer_watch_t,
        caller: &mut Caller<'_>,
        call: Call<'_>,
        kind: wayfarer_watch_kind_t,
        results: &[u64],
    ) {
        let (Some(to), Some(env)) = (to, exec_env::env_of(caller.env)) else { return };
        let references = References { instance: caller.instance };
        let ty = caller.instance.module().func_type(call.func.index);
        // None of the types takes two slots: such functions are not watched.
        let values = |types: &[ValType], slots: &[u64]| -> Vec<wasm_val_t> {
            types.iter().zip(slots).map(|(&ty, &slot)| val_of(ty, slot, &references)).collect()
        };
        let (args, results) = (values(&ty.params, call.args), values(&ty.results, results));
        let event = wayfarer_watch_event_t {
            kind,
            function: call.func.index,
            name: self.name.as_ref().map_or(null(), |name| name.as_ptr()),
            args: args.as_ptr(),
            num_args: args.len() as u32,
            num_results: results.len() as u32,
            results: results.as_ptr(),
        };
        let _running = env.enter_native(caller.env, std::ptr::null_mut());
        // SAFETY: the host gave the function for this.
        unsafe { to(env.as_ptr(), &raw const event, self.user_data) };
    }
}

impl Watcher for Told {
    fn entered(&self, caller: &mut Caller<'_>, call: Call<'_>) {
        self.tell(self.entered, caller, call, wayfarer_watch_kind_t::WAYFARER_ENTERED, &[]);
    }

    fn left(&self, caller: &mut Caller<'_>, call: Call<'_>, how: Left<'_>) {
        use wayfarer_watch_kind_t::*;
        let (kind, results) = match how {
            Left::Returned(results) => (WAYFARER_RETURNED, results),
            Left::TailCalled => (WAYFARER_TAIL_CALLED, &[][..]),
            Left::Trapped(Trap::Exit(_)) => (WAYFARER_EXITED, &[][..]),
            Left::Trapped(_) => (WAYFARER_TRAPPED, &[][..]),
        };
        self.tell(self.left, caller, call, kind, results);
    }
}

/// The function of this name: an exported one, else the one that the name section calls so.
fn find(module: &Module, name: &CStr) -> Result<u32, String> {
    let shown = name.to_string_lossy();
    let exported = module.export(&shown).filter(|export| export.kind == ExternKind::Func);
    if let Some(export) = exported {
        return Ok(export.index);
    }
    let named =
        |index: &u32| module.func_name(*index).is_some_and(|known| known.as_bytes() == name.to_bytes());
    match (module.num_imported_funcs..module.funcs.len() as u32).filter(named).collect::<Vec<_>>()[..] {
        [index] => Ok(index),
        [] => Err(format!("no function of the module is called {shown}")),
        _ => Err(format!("several functions of the module are called {shown}: name one by its index")),
    }
}

/// Watches the function that `find` finds in the instance's module; the number of that, or 0 with the reason in `error_buf`.
///
/// # Safety
/// `module_inst` is NULL or alive; `error_buf` is NULL or has `error_buf_size` bytes.
unsafe fn watch_found(
    module_inst: wasm_module_inst_t,
    find: impl FnOnce(&Module) -> Result<u32, String>,
    told: Told,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> u64 {
    // SAFETY: as the caller promises.
    let Some(instance) = (unsafe { module_inst.as_ref() }) else { return 0 };
    let found = find(instance.engine_instance().module());
    let watched = found.and_then(|index| watch(instance, index, told));
    // SAFETY: as the caller promises.
    watched.map_err(|why| unsafe { put_error(error_buf, error_buf_size, &why) }).unwrap_or(0)
}

fn watch(instance: &WASMModuleInstanceCommon, index: u32, mut told: Told) -> Result<u64, String> {
    let engine = instance.engine_instance();
    let module = engine.module();
    let name = module.func_name(index);
    let fail = |why: String| match name {
        Some(name) => format!("function {index} ({name}) cannot be watched: {why}"),
        None => format!("function {index} cannot be watched: {why}"),
    };
    if let Some(func) = module.funcs.get(index as usize) {
        let ty = &module.types[func.ty as usize];
        if ty.params.iter().chain(&ty.results).any(|ty| *ty == ValType::V128) {
            return Err(fail("vectors cannot be passed as wasm_val_t".to_owned()));
        }
    }
    told.name = name.and_then(|name| CString::new(name).ok());
    let id = instance.program().pass(|| engine.watch(index, Arc::new(told)));
    id.map(|WatchId(id)| id).map_err(|why| fail(why.to_string()))
}

/// Has calls of a function of an instance told: `entered` when it begins, `left` when it was left, however that was; either may be
/// NULL. The function is named by an export, or by the name section. Only its own calls cost anything: it is interpreted from now on, in
/// every running mode, and what it calls runs as it did. So it must not be in compiled code that is there already: an `.aot` file is to be
/// made with `wamrc --watch`, and where code is compiled while it runs, the function is to be watched before that.
///
/// Events of a thread are in the order in which things happen, and nested. A call that is in progress is not told of. In a program that
/// was restored, the host asks again, and is told of returns of calls that were watched when the checkpoint was taken, with what
/// they were called with; that is so in every running mode.
///
/// Returns a number for wayfarer_unwatch, or 0 with the reason in `error_buf`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_watch_function(
    module_inst: wasm_module_inst_t,
    function: *const c_char,
    entered: wayfarer_watch_t,
    left: wayfarer_watch_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> u64 {
    guard(0, || {
        // SAFETY: as the caller promises.
        let Some(name) = (unsafe { c_str(function) }) else { return 0 };
        let told = Told { entered, left, user_data, name: None };
        // SAFETY: as the caller promises.
        unsafe { watch_found(module_inst, |module| find(module, name), told, error_buf, error_buf_size) }
    })
}

/// The same for a function by its index in the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_watch_function_at(
    module_inst: wasm_module_inst_t,
    function: u32,
    entered: wayfarer_watch_t,
    left: wayfarer_watch_t,
    user_data: *mut c_void,
    error_buf: *mut c_char,
    error_buf_size: u32,
) -> u64 {
    guard(0, || {
        let told = Told { entered, left, user_data, name: None };
        // SAFETY: as the caller promises.
        unsafe { watch_found(module_inst, |_| Ok(function), told, error_buf, error_buf_size) }
    })
}

/// Has a function not told of any more to those who asked with this number. An event that is on its way in another thread may still
/// come. Returns false if the instance has no such watch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wayfarer_unwatch(module_inst: wasm_module_inst_t, watch: u64) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        instance.program().pass(|| instance.engine_instance().unwatch(WatchId(watch)))
    })
}
