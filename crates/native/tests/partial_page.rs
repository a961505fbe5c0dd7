//! A memory whose size is no multiple of a page, as one with an app heap in it may have: compiled code that relies on
//! accesses outside to fault traps where the memory ends, and not where its last page does.

mod compile;

use compile::Options;
use std::sync::Arc;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{
    ExecEnv, Extern, InstantiateOptions, MemoryPlan, NativeCode, Runtime, Store, Trap, TrapCode,
};

const TEXT: &str = r#"(module
    (memory 1 1)
    (func (export "load") (param i32) (result i64) (i64.load8_u (local.get 0)))
    (func (export "wide") (param i32) (result i64) (i64.load (local.get 0)))
    (func (export "store") (param i32) (result i64) (i64.store8 (local.get 0) (i64.const 7)) (i64.const 0))
    (func (export "vector") (param i32) (result i64)
        (v128.store (local.get 0) (v128.const i64x2 1 2))
        (i64x2.extract_lane 1 (v128.load (local.get 0)))))"#;

#[test]
fn accesses_trap_where_the_memory_ends() {
    let wasm = wat::parse_str(TEXT).expect("it is well-formed");
    let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
    for compare_bounds in [false, true] {
        let options = Options { compare_bounds, ..Options::default() };
        let objects = compile::objects(&module, &options).expect("it can be compiled");
        let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
        let code = CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, !compare_bounds)
            .expect("it can be loaded");
        let runtime = Runtime::new(Arc::new(NativeEngine));
        let loaded = runtime.load_compiled(module.clone(), Some(code as Arc<dyn NativeCode>));
        for len in [65_536, 65_536 + 8, 65_536 + 104, 65_536 + 4096, 65_536 + 65_528] {
            let store = Store::new(&runtime);
            let plan = MemoryPlan { len, max: len, page_size: len, shared: false };
            let options = InstantiateOptions { memory: Some(plan), ..Default::default() };
            // SAFETY: there are no imports.
            let instance = unsafe { store.instantiate(&loaded, &[], &options) }.expect("an instance");
            assert!(instance.vm().is_some(), "it runs compiled code");
            let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
            let mut call = |name, at: u64| {
                let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function {name}") };
                // SAFETY: a function of the store with one parameter.
                unsafe { runtime.engine.call(&mut env, func, &[at]) }
            };
            let outside = Err(Trap::Code(TrapCode::MemoryOutOfBounds));
            for (name, size, result) in
                [("store", 1, 0), ("load", 1, 7), ("wide", 8, 7 << 56), ("vector", 16, 2)]
            {
                assert_eq!(call(name, len - size), Ok(vec![result]), "{name}, {len}");
                for at in [len - size + 1, len, 2 * 65_536, 0xffff_ffff] {
                    assert_eq!(call(name, at), outside, "{name} at {at}, {len}");
                }
            }
        }
    }
}
