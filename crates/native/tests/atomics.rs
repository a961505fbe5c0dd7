//! Atomic instructions, at random: compiled code, with both kinds of bounds checks, does what the interpreter does, also where it
//! traps, and what they leave in memory is the same.

mod compile;

use compile::Options;
use std::fmt::Write;
use std::sync::Arc;
use wayfarer_interp::Interpreter;
use wayfarer_module::Module;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{ExecEnv, Extern, InstantiateOptions, NativeCode, Runtime, Store};

/// Functions of a module, and numbers that each is called with.
const FUNCTIONS: usize = 60;
const CALLS: u64 = 40;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.next() as usize % list.len()]
    }
}

/// An access: its operator, and the types of its operands and of its result.
fn access(random: &mut Random) -> (String, Vec<&'static str>, Option<&'static str>) {
    let ty = ["i32", "i64"][random.next() as usize % 2];
    let widths: &[&str] = if ty == "i32" { &["", "8", "16"] } else { &["", "8", "16", "32"] };
    let width = random.of(widths);
    let sign = if width.is_empty() { "" } else { "_u" };
    match random.next() % 6 {
        0 => (format!("{ty}.atomic.load{width}{sign}"), vec![], Some(ty)),
        1 => (format!("{ty}.atomic.store{width}"), vec![ty], None),
        2 => (format!("{ty}.atomic.rmw{width}.cmpxchg{sign}"), vec![ty, ty], Some(ty)),
        _ => {
            let operation = random.of(&["add", "sub", "and", "or", "xor", "xchg"]);
            (format!("{ty}.atomic.rmw{width}.{operation}{sign}"), vec![ty], Some(ty))
        }
    }
}

/// Each function takes an address and two numbers, and makes some accesses near that address.
fn text(random: &mut Random) -> String {
    let mut text = String::from("(module (memory (export \"memory\") 1 2 shared)\n");
    for n in 0..FUNCTIONS {
        writeln!(text, "(func (export \"{n}\") (param $at i32) (param $a i64) (param $b i64) (result i64)")
            .unwrap();
        for _ in 0..1 + random.next() % 4 {
            let (operator, operands, result) = access(random);
            let offset =
                random.of(&["", "offset=8", "offset=16", "offset=3", "offset=65528", "offset=4294967288"]);
            // Most are aligned.
            let at = random.of(&[
                "(local.get $at)",
                "(local.get $at)",
                "(i32.and (local.get $at) (i32.const -8))",
            ]);
            let mut call = format!("({operator} {offset} {at}");
            for (ty, local) in operands.into_iter().zip(["$a", "$b"]) {
                let value = format!("(local.get {local})");
                call += &if ty == "i32" { format!(" (i32.wrap_i64 {value})") } else { format!(" {value}") };
            }
            call += ")";
            match result {
                None => writeln!(text, "{call}").unwrap(),
                Some(ty) => {
                    let wide = if ty == "i32" { format!("(i64.extend_i32_u {call})") } else { call };
                    writeln!(text, "(local.set $a (i64.xor (i64.rotl (local.get $a) (i64.const 7)) {wide}))")
                        .unwrap();
                }
            }
        }
        text += "(local.get $a))\n";
    }
    text + ")"
}

/// Calls all functions: what each gave or trapped with, and the memory behind.
fn run(
    runtime: &Arc<Runtime>,
    module: &Arc<Module>,
    code: Option<Arc<dyn NativeCode>>,
    seed: u64,
) -> Vec<String> {
    let store = Store::new(runtime);
    let compiled = code.is_some();
    let loaded = runtime.load_compiled(module.clone(), code);
    // SAFETY: there are no imports.
    let instance =
        unsafe { store.instantiate(&loaded, &[], &InstantiateOptions::default()) }.expect("an instance");
    assert_eq!(instance.vm().is_some(), compiled);
    let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
    let mut random = Random(seed);
    let mut results = Vec::new();
    for _ in 0..CALLS {
        for n in 0..FUNCTIONS {
            let Some(Extern::Func(func)) = instance.export(&n.to_string()) else { panic!("no function {n}") };
            let at = match random.next() % 4 {
                0 => random.next() % 64,
                1 => 65_536 - random.next() % 20,
                2 => 8 * (random.next() % 8),
                _ => random.next() << 2,
            };
            let args = [at & 0xffff_ffff, random.next() << 20 ^ random.next(), random.next() % 3];
            // SAFETY: a function of the store with three parameters.
            let called = unsafe { runtime.engine.call(&mut env, func, &args) };
            results.push(format!("{n}({args:x?}): {called:x?}"));
        }
    }
    let memory = instance.memory(0).expect("a memory");
    // SAFETY: nothing runs.
    let bytes = unsafe { std::slice::from_raw_parts(memory.base(), memory.len()) };
    let mut digest = 0u64;
    for byte in bytes {
        digest = (digest.rotate_left(7) ^ u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    results.push(format!("memory {digest:x}"));
    results
}

#[test]
fn compiled_and_interpreted_they_do_the_same() {
    let mut trapped = 0;
    for seed in 1..=6 {
        let mut random = Random(seed);
        let text = text(&mut random);
        let wasm = wat::parse_str(&text).expect("it is well-formed");
        let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
        let interpreted = run(&Runtime::new(Arc::new(Interpreter)), &module, None, seed);
        trapped += interpreted.iter().filter(|line| line.contains("UnalignedAtomic")).count();
        assert!(interpreted.iter().any(|line| line.contains("MemoryOutOfBounds")));
        for compare_bounds in [false, true] {
            let options = Options { compare_bounds, ..Options::default() };
            let objects = compile::objects(&module, &options).expect("it can be compiled");
            let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
            let code = CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, !compare_bounds)
                .expect("it can be loaded");
            let compiled = run(&Runtime::new(Arc::new(NativeEngine)), &module, Some(code), seed);
            let differs = interpreted.iter().zip(&compiled).find(|(one, other)| one != other);
            assert_eq!(differs, None, "{seed}, explicit bounds: {compare_bounds}\n{text}");
        }
    }
    assert!(trapped > 100, "only {trapped}");
}
