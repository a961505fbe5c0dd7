//! Functions whose frames would be larger than what is behind the stack's limit are interpreted: they end in a trap like
//! any recursion, and not in the pages behind the stack.

mod compile;

use compile::Options;
use std::fmt::Write;
use std::sync::Arc;
use wayfarer_module::DefinedFuncIdx;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{ExecEnv, Extern, InstantiateOptions, NativeCode, Runtime, Store, Trap};

/// Vectors that the function below keeps: 96 KiB.
const KEPT: u32 = 6000;

/// What threads have here; 96 KiB of it are behind the limit.
const STACK: usize = 256 << 10;

/// A function of many values that calls `$callee`, or nothing, and one that goes deeper and deeper and calls that.
fn text() -> String {
    let mut text = String::from("(module (memory 2) (data (i32.const 8) \"\\07\")\n");
    for (name, middle) in [
        // Nothing that it calls has it look at the limit.
        ("leaf", "(i32.store (local.get 0) (i32.const 7))"),
        (
            "recursive",
            "(if (local.get 0) (then (drop (call $recursive (i32.sub (local.get 0) (i32.const 1))))))",
        ),
    ] {
        let _ = write!(text, "(func ${name} (export \"{name}\") (param i32) (result i64) (local i64) (local");
        (0..KEPT).for_each(|_| text.push_str(" v128"));
        text.push_str(")\n");
        for n in 0..KEPT {
            let _ = writeln!(text, "(local.set {} (v128.load offset={} (i32.const 0)))", n + 2, 8 * n);
        }
        text.push_str(middle);
        for n in 0..KEPT {
            let kept = n + 2;
            let _ = writeln!(
                text,
                "(local.set 1 (i64.add (local.get 1) (i64x2.extract_lane 0 (local.get {kept}))))"
            );
        }
        text.push_str("(local.get 1))\n");
    }
    text.push_str(
        "(func $deep (export \"deep\") (param i32) (result i64)
            (i64.add (call $leaf (i32.const 8)) (call $deep (i32.add (local.get 0) (i32.const 1)))))
        (table funcref (elem $leaf))
        (func (export \"through\") (param i32) (result i64)
            (call_indirect (param i32) (result i64) (local.get 0) (i32.const 0))))",
    );
    text
}

fn call(
    store: &Arc<Store>,
    instance: &wayfarer_runtime::Instance,
    name: &str,
    n: u64,
) -> Result<Vec<u64>, Trap> {
    let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function {name}") };
    let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
    // SAFETY: a function of the store with one parameter.
    unsafe { store.runtime().engine.call(&mut env, func, &[n]) }
}

#[test]
fn large_frames_are_not_on_the_native_stack() {
    let wasm = wat::parse_str(text()).expect("it is well-formed");
    let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
    let options = Options { opt_level: 0, ..Options::default() };
    let objects = compile::objects(&module, &options).expect("it can be compiled");
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    let code =
        CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true).expect("it can be loaded");
    // The others still are compiled.
    assert_eq!([0, 1, 2].map(|func| code.func(DefinedFuncIdx(func)).is_none()), [true, true, false]);
    let runtime = Runtime::new(Arc::new(NativeEngine));
    let loaded = runtime.load_compiled(module, Some(code));
    let guest = move || {
        let store = Store::new(&runtime);
        // SAFETY: there are no imports.
        let instance = unsafe { store.instantiate(&loaded, &[], &InstantiateOptions::default()) };
        let instance = instance.expect("it can be instantiated");
        for _ in 0..3 {
            assert_eq!(call(&store, instance, "leaf", 8), Ok(vec![7]));
            assert_eq!(call(&store, instance, "through", 8), Ok(vec![7]));
            assert_eq!(call(&store, instance, "recursive", 3), Ok(vec![7]));
            for name in ["deep", "recursive"] {
                let ended = call(&store, instance, name, 1_000_000).expect_err("the stack ends");
                assert!(ended.to_string().contains("stack overflow"), "{name}: {ended}");
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(guest);
    thread.expect("a thread").join().expect("all is well");
}
