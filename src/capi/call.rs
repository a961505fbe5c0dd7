//! Calls from the host into the guest.

use std::borrow::Cow;
use std::ffi::c_void;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;
use wayfarer_c_data::cells::{count_cells, from_slots, to_slots};
use wayfarer_c_data::kinds::valkind;
use wayfarer_module::{FuncType, ValType};
use wayfarer_native_call::References as _;
use wayfarer_program::{Failure, Taken};
use wayfarer_runtime::{Func, TrapCode};
use wayfarer_snapshot::view::Entry;

use super::exec_env::WASMExecEnv;
use super::ffi::{guard, slice, slice_mut};
use super::instance::{References, WASMModuleInstanceCommon};
use super::log::error;
use super::types::{wasm_exec_env_t, wasm_function_inst_t, wasm_val_t, wasm_val_u};

/// A call failed; the instance's exception says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed;

/// Calls a function. Arguments and results are slots (see `wayfarer_runtime::values`).
///
/// # Errors
/// [`Failed`], with the exception set on the exec env's instance. An exception that is already there fails the call.
pub(crate) fn call(env: &WASMExecEnv, func: &Func, args: &[u64]) -> Result<Vec<u64>, Failed> {
    call_as(env, func, args, Entry::Call)
}

/// Calls a function, for this reason. In a restored instance the call may already be done, or be in progress.
///
/// # Errors
/// As [`call`].
pub(crate) fn call_as(
    env: &WASMExecEnv,
    func: &Func,
    args: &[u64],
    entry: Entry,
) -> Result<Vec<u64>, Failed> {
    let mut slots = args.to_vec();
    slots.resize(func.slots(), 0);
    call_in_place(env, func, &mut slots, entry)?;
    slots.truncate(func.result_slots as usize);
    Ok(slots)
}

/// The same with arguments in `slots`, which results replace; there is room for both ([`Func::slots`]).
///
/// # Errors
/// As [`call`].
fn call_in_place(env: &WASMExecEnv, func: &Func, slots: &mut [u64], entry: Entry) -> Result<(), Failed> {
    let instance = env.instance().ok_or(Failed)?;
    if instance.exception_ptr().is_some() {
        if instance.is_terminated_outside() {
            let args = &slots[..func.param_slots as usize];
            instance.parts.ended_before(env, func, args, entry, || instance.outcome());
        }
        return Err(Failed);
    }
    // SAFETY: the callers here make the arguments from the function's type. A function of the host's alone can't be told;
    // wasm_c_api looks at its own.
    let called = unsafe { instance.parts.call(env, func, slots, entry) };
    called.map_err(|failure| note(instance, failure))
}

/// Goes on with the call that was in progress in a restored instance.
///
/// # Errors
/// As [`call`]; also if there is none.
pub(crate) fn resume(env: &WASMExecEnv) -> Result<Vec<u64>, Failed> {
    let instance = env.instance().ok_or(Failed)?;
    instance.parts.resume(env).map_err(|failure| note(instance, failure))
}

/// Goes on with a call that was in progress.
///
/// # Errors
/// As [`call`].
pub(crate) fn go_on(
    env: &WASMExecEnv,
    instance: &WASMModuleInstanceCommon,
    call: &Taken,
) -> Result<Vec<u64>, Failed> {
    instance.parts.go_on(env, call).map_err(|failure| note(instance, failure))
}

/// Notes on the instance why a call failed.
#[cold]
fn note(instance: &WASMModuleInstanceCommon, failure: Failure) -> Failed {
    match failure {
        // Noted when it came.
        Failure::Trap(_) => {}
        Failure::Refused(why) => instance.set_exception(why),
        Failure::Astray(why) => instance.set_exception(&why),
        Failure::Repeated { exception, exit_code, terminated } => {
            if terminated {
                instance.await_termination();
            }
            instance.exit_code.store(exit_code, Ordering::Release);
            instance.set_exception(&exception);
        }
    }
    Failed
}

/// The type of a function of the instance's store.
pub(crate) fn type_of<'a>(instance: &WASMModuleInstanceCommon, func: &'a Func) -> Cow<'a, FuncType> {
    wayfarer_program::call::type_of(instance.store(), func)
}

/// The function behind a handle.
///
/// # Safety
/// The handle is NULL or came from this API, and its instance is alive.
pub(crate) unsafe fn func_of<'a>(function: wasm_function_inst_t) -> Option<&'a Func> {
    // SAFETY: handles are addresses of the engine's functions.
    unsafe { function.cast::<Func>().as_ref() }
}

/// The handle of a function.
pub(crate) fn handle_of(func: &Func) -> wasm_function_inst_t {
    std::ptr::from_ref(func).cast_mut().cast::<c_void>()
}

/// # Safety
/// `argv` is NULL or has cells for the parameters, and for the results.
unsafe fn call_with_cells(env: &WASMExecEnv, func: &Func, argv: *mut u32) -> Result<(), Failed> {
    let instance = env.instance().ok_or(Failed)?;
    let ty = type_of(instance, func);
    let (params, results) = (count_cells(&ty.params), count_cells(&ty.results));
    if argv.is_null() && params + results > 0 {
        instance.set_exception("the arguments conversion is failed");
        return Err(Failed);
    }
    let references = References { instance: instance.engine_instance() };
    // SAFETY: as the caller promises.
    let mut slots = to_slots(&ty.params, unsafe { slice(argv, params) }, &references);
    slots.resize(func.slots(), 0);
    call_in_place(env, func, &mut slots, Entry::Call)?;
    // SAFETY: as the caller promises. The host may not use the array during the call.
    from_slots(&ty.results, &slots, unsafe { slice_mut(argv, results) }, &references);
    Ok(())
}

/// Gives the results of a call of `func` to the host, in cells; false if there is no room for them.
///
/// # Safety
/// `argv` is NULL or has cells for the results.
pub(crate) unsafe fn give_results(
    env: &WASMExecEnv,
    func: Option<&Func>,
    values: &[u64],
    argv: *mut u32,
) -> bool {
    let (Some(instance), Some(func)) = (env.instance(), func) else { return false };
    let ty = type_of(instance, func);
    let cells = count_cells(&ty.results);
    if argv.is_null() && cells > 0 {
        instance.set_exception("the result conversion is failed");
        return false;
    }
    let references = References { instance: instance.engine_instance() };
    // SAFETY: as the caller promises.
    from_slots(&ty.results, values, unsafe { slice_mut(argv, cells) }, &references);
    true
}

/// Calls a function. `argv` holds the arguments in 32-bit cells, and afterwards the results: i32, f32 and funcref (as
/// function index) take one cell, i64 and f64 two, v128 four (its bytes as they are in the program's memory), externref
/// (as host pointer) two. It must have room for both; `argc` is the number of argument cells.
///
/// Returns false if the call failed; wasm_runtime_get_exception says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_call_wasm(
    exec_env: wasm_exec_env_t,
    function: wasm_function_inst_t,
    argc: u32,
    argv: *mut u32,
) -> bool {
    // As in WAMR, the function's type says how many cells there are.
    let _ = argc;
    guard(false, || {
        // SAFETY: as the caller promises.
        let (Some(env), Some(func)) = (unsafe { (exec_env.as_ref(), func_of(function)) }) else {
            return false;
        };
        // SAFETY: as the caller promises.
        unsafe { call_with_cells(env, func, argv) }.is_ok()
    })
}

/// Calls a function with arguments and results as arrays of values. Their numbers must be those of the function's type:
/// if not, an error is logged and false returned, without an exception. Vectors can't be passed this way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_call_wasm_a(
    exec_env: wasm_exec_env_t,
    function: wasm_function_inst_t,
    num_results: u32,
    results: *mut wasm_val_t,
    num_args: u32,
    args: *mut wasm_val_t,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let (Some(env), Some(func)) = (unsafe { (exec_env.as_ref(), func_of(function)) }) else {
            return false;
        };
        let Some(instance) = env.instance() else { return false };
        let ty = type_of(instance, func);
        if num_args as usize != ty.params.len() {
            error!("The argument value number does not match the function declaration.");
            return false;
        }
        if num_results as usize != ty.results.len() {
            error!("The result value number does not match the function declaration.");
            return false;
        }
        if ty.params.iter().chain(&ty.results).any(|&t| t == ValType::V128) {
            error!("v128 can't be passed as wasm_val_t, use wasm_runtime_call_wasm");
            return false;
        }
        let references = References { instance: instance.engine_instance() };
        // SAFETY: as the caller promises.
        let args = unsafe { slice(args, num_args as usize) };
        if args.len() != ty.params.len() {
            return false;
        }
        let mut slots: SmallVec<[u64; 8]> =
            ty.params.iter().zip(args).map(|(&ty, arg)| slot_of(ty, arg, &references)).collect();
        slots.resize(func.slots(), 0);
        if call_in_place(env, func, &mut slots, Entry::Call).is_err() {
            return false;
        }
        // SAFETY: as the caller promises.
        let results = unsafe { slice_mut(results, num_results as usize) };
        for ((result, &ty), slot) in results.iter_mut().zip(&ty.results).zip(slots) {
            *result = val_of(ty, slot, &references);
        }
        true
    })
}

/// A `wasm_val_t` as a slot of this type.
fn slot_of(ty: ValType, val: &wasm_val_t, references: &References<'_>) -> u64 {
    // SAFETY: every member is initialized if the host filled in the value; all are plain bits.
    unsafe {
        match ty {
            ValType::I32 => u64::from(val.of.i32 as u32),
            ValType::F32 => u64::from(val.of.f32.to_bits()),
            ValType::FuncRef if val.of.i32 == -1 => 0,
            ValType::FuncRef => references.func_slot(val.of.i32 as u32),
            ValType::ExternRef => references.object_slot(val.of.foreign),
            ValType::I64 | ValType::F64 | ValType::V128 => val.of.i64 as u64,
        }
    }
}

/// A slot as a `wasm_val_t`. As in WAMR, a funcref result is an i32: the function's index.
pub(super) fn val_of(ty: ValType, slot: u64, references: &References<'_>) -> wasm_val_t {
    let (kind, of) = match ty {
        ValType::FuncRef => (valkind(ValType::I32), wasm_val_u { i32: references.func_index(slot) as i32 }),
        ValType::ExternRef => (valkind(ty), wasm_val_u { foreign: references.object(slot) }),
        ValType::I32 => (valkind(ty), wasm_val_u { i32: slot as i32 }),
        ValType::F32 => (valkind(ty), wasm_val_u { f32: f32::from_bits(slot as u32) }),
        ValType::I64 | ValType::F64 | ValType::V128 => (valkind(ty), wasm_val_u { i64: slot as i64 }),
    };
    wasm_val_t { kind, _paddings: [0; 7], of }
}

/// Calls the function that is element `element_index` of table 0, with arguments as for wasm_runtime_call_wasm. Here too few
/// of them, by `argc`, are an exception.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_call_indirect(
    exec_env: wasm_exec_env_t,
    element_index: u32,
    argc: u32,
    argv: *mut u32,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(env) = (unsafe { exec_env.as_ref() }) else { return false };
        let Some(instance) = env.instance() else { return false };
        let Some(table) = instance.engine_instance().table(0) else {
            instance.set_exception("unknown table");
            return false;
        };
        match table.callee(element_index) {
            Ok(func) => {
                // SAFETY: a table keeps the functions in it.
                let func = unsafe { &*func };
                let needed = count_cells(&type_of(instance, func).params);
                if (argc as usize) < needed {
                    instance.set_exception(&format!(
                        "invalid argument count {argc}, must be no smaller than {needed}"
                    ));
                    return false;
                }
                // SAFETY: `argv` as the caller promises.
                unsafe { call_with_cells(env, func, argv) }.is_ok()
            }
            Err(TrapCode::UninitializedElement) => {
                instance.set_exception(TrapCode::UninitializedElement.text());
                false
            }
            Err(_) => {
                instance.set_exception(TrapCode::UndefinedElement.text());
                false
            }
        }
    })
}
