//! Deterministic mode: every instruction whose NaNs the specification leaves open gives the canonical one, interpreted,
//! compiled at any level, on any architecture; the others keep a NaN's bits.

#[path = "../compile/mod.rs"]
mod compile;
mod module;

use compile::Options;
use module::{Args, Case, DOUBLES, SINGLES};
use std::sync::Arc;
use wayfarer_module::Module;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{ExecEnv, Extern, Func, InstantiateOptions, NativeCode, Runtime, Store};

fn parse(cases: &[Case], deterministic: bool) -> Module {
    let wasm = wat::parse_str(module::text(cases, "")).expect("it is well-formed");
    let mut module = wayfarer_module::parse(wasm.into()).expect("it is valid");
    module.deterministic = deterministic;
    module
}

/// Calls every function with every pair of operands. Gives what was wrong, a line for each function.
fn wrong(module: &Arc<Module>, native: Option<Arc<dyn NativeCode>>, cases: &[Case]) -> Vec<String> {
    let runtime = Runtime::new(Arc::new(NativeEngine));
    let loaded = runtime.load_compiled(module.clone(), native);
    let store = Store::new(&runtime);
    // SAFETY: there are no imports.
    let instance = unsafe { store.instantiate(&loaded, &[], &InstantiateOptions::default()) };
    let instance = instance.expect("it can be instantiated");
    let func = |name: &str| match instance.export(name) {
        Some(Extern::Func(func)) => func,
        _ => panic!("no function {name}"),
    };
    let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
    let mut call = |func: *const Func, args: Args| {
        let args = [args.a.into(), args.b.into(), args.c, args.d];
        // SAFETY: a function of the store with these parameters.
        unsafe { runtime.engine.call(&mut env, func, &args) }.expect("it returns")
    };
    let (put, funcs) = (func("put"), (0..cases.len()).map(|n| func(&n.to_string())).collect::<Vec<_>>());
    let mut wrong: Vec<Option<String>> = vec![None; cases.len()];
    for (a, c) in SINGLES.into_iter().zip(DOUBLES) {
        for (b, d) in SINGLES.into_iter().zip(DOUBLES) {
            let args = Args { a, b, c, d };
            call(put, args);
            for ((func, case), wrong) in funcs.iter().zip(cases).zip(&mut wrong) {
                let (got, expected) = (call(*func, args)[0], (case.expected)(args));
                if got != expected && wrong.is_none() {
                    *wrong = Some(format!("{}: {got:#x}, not {expected:#x}, of {args:x?}", case.body));
                }
            }
        }
    }
    wrong.into_iter().flatten().collect()
}

fn compiled(module: &Module, options: &Options) -> Arc<dyn NativeCode> {
    let objects = compile::objects(module, options).expect("it can be compiled");
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    CompiledModule::load(module, wayfarer_abi::VERSION, &objects, true).expect("it can be loaded")
}

#[test]
fn interpreted() {
    let cases = module::cases();
    assert!(cases.len() > 600, "{} functions", cases.len());
    let module = Arc::new(parse(&cases, true));
    let wrong = wrong(&module, None, &cases);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn compiled_at_every_level() {
    let cases = module::cases();
    let module = Arc::new(parse(&cases, true));
    for (opt_level, size_level) in [(0, 3), (1, 3), (2, 3), (3, 3), (3, 0), (3, 1), (3, 2)] {
        let options = Options { opt_level, size_level, deterministic: true, ..Options::default() };
        let wrong = wrong(&module, Some(compiled(&module, &options)), &cases);
        assert!(wrong.is_empty(), "-O{opt_level}, size level {size_level}: {}", wrong.join("\n"));
    }
}

#[test]
fn what_is_not_left_open_is_the_same_in_the_other_mode() {
    let mut cases = module::cases();
    cases.retain(|case| case.fixed);
    assert!(cases.len() > 80, "{} functions", cases.len());
    let module = Arc::new(parse(&cases, false));
    let mut all = wrong(&module, None, &cases);
    for opt_level in 0..=3 {
        let options = Options { opt_level, ..Options::default() };
        all.extend(wrong(&module, Some(compiled(&module, &options)), &cases));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// The test is about something: without the mode, NaNs have bits of their own.
#[test]
fn otherwise_it_is_another_matter() {
    let cases = module::cases();
    let module = Arc::new(parse(&cases, false));
    assert!(wrong(&module, None, &cases).len() > 100);
    assert!(wrong(&module, Some(compiled(&module, &Options::default())), &cases).len() > 100);
}
