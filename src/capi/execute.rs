//! Running a program as a command line does: its entry point, or one function with arguments given as text.

use std::ffi::{CStr, c_char};

use wayfarer_c_data::text::{format_result, parse_argument};
use wayfarer_native_call::References as _;
use wayfarer_program::entry_point::{Main, NoMain, copy_arguments};
use wayfarer_runtime::{Func, Trap};
use wayfarer_snapshot::view::Entry;

use super::call::{self, Failed};
use super::ffi::{guard, slice, text};
use super::instance::{References, WASMModuleInstanceCommon};
use super::log::print;
use super::types::wasm_module_inst_t;

const NO_ENTRY: &str = "lookup the entry point symbol (like _start, main, _main, __main_argc_argv) failed";

impl WASMModuleInstanceCommon {
    /// Calls the program's entry point, or goes on with it if the instance was restored in the middle of it.
    fn call_main(&self, func: &Func, args: &[u64]) -> Result<Vec<u64>, Failed> {
        let Some(env) = self.env() else {
            self.set_exception("create singleton exec_env failed");
            return Err(Failed);
        };
        if self.program().main_in_place().is_some() {
            return call::resume(env);
        }
        call::call_as(env, func, args, Entry::Main)
    }

    /// The program's main function has returned: its threads end with it, unless one has ended the program first.
    fn program_ended(&self) -> Result<Option<i32>, Failed> {
        self.parts.end_threads(&Trap::Exit(0));
        if self.has_exited() {
            self.clear_exception();
        }
        self.parts.forget_end();
        if self.exception_ptr().is_some() { Err(Failed) } else { Ok(None) }
    }

    /// Calls in the instance's exec env, or the one that is running here.
    fn call(&self, func: &Func, args: &[u64]) -> Result<Vec<u64>, Failed> {
        let Some(env) = self.env() else {
            self.set_exception("create singleton exec_env failed");
            return Err(Failed);
        };
        call::call(env, func, args)
    }

    fn fail<T>(&self, exception: &str) -> Result<T, Failed> {
        self.set_exception(exception);
        Err(Failed)
    }

    /// Runs the program's entry point. The result of `main`, if it has one.
    pub(crate) fn execute_main(&self, args: &[&CStr]) -> Result<Option<i32>, Failed> {
        if let Some(start) = self.wasi_start() {
            return match self.call_main(start, &[]) {
                Ok(_) => self.program_ended(),
                // The guest ended itself: that is how WASI programs report their status.
                Err(Failed) if self.has_exited() => {
                    self.parts.wait_for_threads();
                    self.clear_exception();
                    Ok(None)
                }
                Err(Failed) => Err(Failed),
            };
        }
        let main = match Main::of(self.engine_instance()) {
            Ok(main) => main,
            Err(NoMain::Missing) => return self.fail(NO_ENTRY),
            Err(NoMain::Imported) => return self.fail("lookup main function failed"),
            Err(NoMain::Type) => return self.fail("invalid function type of main function"),
        };
        if !main.takes_arguments {
            return Ok(self.call_main(main.func, &[])?.first().map(|&r| r as i32));
        }
        // Of a call in progress the arguments are already where they belong.
        let argv = match self.program().main_in_place() {
            Some(args) => args.get(1).copied(),
            None => copy_arguments(&self.engine_instance().guest_memory(), args, |size| {
                Some(self.module_malloc(size)).filter(|&address| address != 0)
            }),
        };
        let Some(argv) = argv else { return self.fail("allocate memory failed") };
        let result = self.call_main(main.func, &[args.len() as u64, argv]);
        if result.is_ok() {
            self.module_free(argv);
        }
        Ok(result?.first().map(|&r| r as i32))
    }

    /// Runs an exported function with arguments as text. The line that shows its results.
    pub(crate) fn execute_func(&self, name: &str, args: &[&CStr]) -> Result<String, Failed> {
        self.clear_exception();
        let Some(func) = self.exported_func(name) else {
            return self.fail(&format!("lookup function {name} failed"));
        };
        let ty = call::type_of(self, func);
        if args.len() != ty.params.len() {
            return self.fail("invalid input argument count");
        }
        let references = References { instance: self.engine_instance() };
        let mut slots = Vec::new();
        for (i, (&ty, arg)) in ty.params.iter().zip(args).enumerate() {
            if arg.is_empty() {
                return self.fail(&format!("invalid input argument {i}"));
            }
            match parse_argument(ty, arg, &references) {
                Some(value) => slots.extend_from_slice(&value[..ty.slots() as usize]),
                None => {
                    return self.fail(&format!("invalid input argument {i}: {}", arg.to_string_lossy()));
                }
            }
        }
        let results = self.call(func, &slots)?;
        let mut results = results.as_slice();
        let shown: Vec<String> = ty
            .results
            .iter()
            .map(|&ty| {
                let (value, rest) = results.split_at(ty.slots() as usize);
                results = rest;
                format_result(ty, value, references.func_index(value[0]), references.object(value[0]))
            })
            .collect();
        Ok(shown.join(","))
    }
}

/// # Safety
/// `argv` is NULL or has `argc` strings.
unsafe fn arguments<'a>(argc: i32, argv: *mut *mut c_char) -> Vec<&'a CStr> {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: as the caller promises.
    let list = unsafe { slice(argv.cast_const(), count) };
    // SAFETY: as the caller promises.
    list.iter().map(|&arg| unsafe { super::ffi::c_str(arg) }.unwrap_or_default()).collect()
}

/// Runs a program: `_start` if it is exported, else `main` under one of its names, with the arguments copied into linear
/// memory and its result put where `argv` points. A program that ends itself with `proc_exit` succeeds; see
/// wasm_runtime_get_wasi_exit_code. Returns false if there is an exception afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_application_execute_main(
    module_inst: wasm_module_inst_t,
    argc: i32,
    argv: *mut *mut c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        // SAFETY: as the caller promises.
        match instance.execute_main(&unsafe { arguments(argc, argv) }) {
            Ok(Some(result)) if argc > 0 && !argv.is_null() => {
                // SAFETY: the array has at least one entry, which is larger than an int.
                unsafe { argv.cast::<i32>().write(result) };
                true
            }
            Ok(_) => true,
            Err(Failed) => false,
        }
    })
}

/// Runs an exported function with arguments given as text, and prints its results on stdout. Returns false if there is
/// an exception afterwards. A previous exception is cleared first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_application_execute_func(
    module_inst: wasm_module_inst_t,
    name: *const c_char,
    argc: i32,
    argv: *mut *mut c_char,
) -> bool {
    guard(false, || {
        // SAFETY: as the caller promises.
        let Some(instance) = (unsafe { module_inst.as_ref() }) else { return false };
        // SAFETY: as the caller promises.
        let (name, args) = unsafe { (text(name), arguments(argc, argv)) };
        match instance.execute_func(&name, &args) {
            Ok(line) => {
                print(&format!("{line}\n"));
                true
            }
            Err(Failed) => false,
        }
    })
}
