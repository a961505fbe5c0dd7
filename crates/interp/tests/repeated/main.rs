//! Each instruction a million times in a loop, on a small native stack: what leaves something on that stack, however little,
//! does not come to the end. The results are those of another engine, but for atomic instructions, which that one does not have.

#[path = "../../../compiler/tests/instructions/list.rs"]
mod list;
mod program;

use program::{Program, programs};
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmparser::{BinaryReader, FunctionBody};
use wayfarer_interp::Interpreter;
use wayfarer_module::{FuncType, ValType, parse};
use wayfarer_runtime::{ExecEnv, Extern, HostFunc, InstantiateOptions, Runtime, Store};

/// Bytes of native stack.
const STACK: usize = 256 << 10;

/// For wasmi, whose `table.grow` leaves something on the stack.
const LARGE_STACK: usize = 1 << 30;

/// How often. Under emulation, and where a loop dispatches, not so often, but still so that 16 bytes each time are more than the
/// stack.
fn count() -> u32 {
    let few = cfg!(debug_assertions) || std::env::var_os("WAYFARER_TEST_EMULATOR").is_some();
    if few { 20_000 } else { 1_000_000 }
}

#[test]
fn each_instruction_a_million_times() {
    let programs = Arc::new(programs());
    assert!(programs.len() > 400, "{}", programs.len());
    // Two threads, as both engines take their time.
    let halves = [0, 1].map(|half| {
        let programs = programs.clone();
        let large = std::thread::Builder::new().stack_size(LARGE_STACK);
        let work = move || {
            for program in programs.iter().skip(half).step_by(2) {
                let expected = (!program.is_of_threads).then(|| in_wasmi(program));
                let wasm = program.wasm.clone();
                // Its name is in the message if the stack overflows.
                let small = std::thread::Builder::new().stack_size(STACK).name(program.name.clone());
                let has_floats = ["f32", "f64"].iter().any(|ty| program.name.contains(ty));
                let work = move || {
                    // Deterministic mode has instructions of its own for these; which NaNs come out is tested elsewhere.
                    if has_floats {
                        in_wayfarer(wasm.clone(), true);
                    }
                    in_wayfarer(wasm, false)
                };
                let small = small.spawn(work).expect("a thread");
                let result =
                    small.join().unwrap_or_else(|_| panic!("{} does not come to its end", program.name));
                assert!(expected.is_none_or(|expected| result == expected), "{}: {result}", program.name);
            }
        };
        large.spawn(work).expect("a thread")
    });
    for half in halves {
        half.join().expect("all are right");
    }
}

fn in_wayfarer(wasm: Vec<u8>, deterministic: bool) -> u64 {
    let runtime = Runtime::new(Arc::new(Interpreter));
    let store = Store::new(&runtime);
    let mut module = parse(wasm.into()).expect("it is valid");
    module.deterministic = deterministic;
    let loaded = runtime.load(Arc::new(module));
    let increment = HostFunc {
        name: ("host".into(), "increment".into()),
        restartable: false,
        call: Box::new(|_, slots| {
            slots[0] = u64::from((slots[0] as u32).wrapping_add(1));
            Ok(())
        }),
        data: None,
    };
    let ty = FuncType { params: [ValType::I32].into(), results: [ValType::I32].into() };
    let increment = store.add_host_func(&ty, increment);
    // SAFETY: a function of this store.
    let made =
        unsafe { store.instantiate(&loaded, &[Extern::Func(increment)], &InstantiateOptions::default()) };
    let instance = made.expect("it can be instantiated");
    let mut env = ExecEnv::new(store.clone(), 0).expect("stacks");
    env.instance = instance;
    let func = *instance.funcs().last().expect("functions");
    // SAFETY: a function of this store that takes an i32.
    let results = unsafe { runtime.engine.call(&mut env, func, &[count().into()]) };
    results.expect("it returns")[0]
}

fn in_wasmi(program: &Program) -> u64 {
    let engine = wasmi::Engine::default();
    let module = wasmi::Module::new(&engine, &program.wasm).expect("it is valid");
    let mut store = wasmi::Store::new(&engine, ());
    let mut linker = wasmi::Linker::new(&engine);
    linker.func_wrap("host", "increment", |n: i32| n.wrapping_add(1)).expect("no other has the name");
    let instance = linker.instantiate_and_start(&mut store, &module).expect("it can be instantiated");
    let run = instance.get_typed_func::<i32, i64>(&store, "run").expect("it is exported");
    let result = run.call(&mut store, count() as i32);
    result.unwrap_or_else(|e| panic!("{}: {e}", program.name)) as u64
}

/// Names of the instructions of these proposals.
macro_rules! names {
    ($(@$proposal:ident $op:ident $({ $($field:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
        [$((stringify!($proposal), stringify!($op))),*]
    };
}

#[test]
fn they_are_all_there() {
    let mut used = BTreeSet::new();
    for program in programs() {
        let module = parse(program.wasm.into()).expect("it is valid");
        for range in module.funcs.iter().filter_map(|func| func.body.clone()) {
            let bytes = BinaryReader::new(&module.bytes[range.clone()], range.start as u64);
            for op in FunctionBody::new(bytes).get_operators_reader().expect("operators") {
                let name = format!("{:?}", op.expect("an operator"));
                let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
                used.insert(name[..end].to_owned());
            }
        }
    }
    let ours = [
        "mvp",
        "sign_extension",
        "saturating_float_to_int",
        "bulk_memory",
        "reference_types",
        "tail_call",
        "simd",
        "threads",
    ];
    let all = wasmparser::for_each_operator!(names);
    let missing: Vec<_> = all
        .into_iter()
        // No valid module has this one.
        .filter(|(_, name)| *name != "TypedSelectMulti")
        .filter(|(proposal, name)| ours.contains(proposal) && !used.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no program has {missing:?}");
}
