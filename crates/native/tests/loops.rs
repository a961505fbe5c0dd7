//! Loops that the compiler counts, so that they run without polls for a while: they are executed as often as their test says,
//! whatever they count from, to, and by.

mod compile;

use compile::Options;
use std::fmt::Write;
use std::sync::Arc;
use wayfarer_module::DefinedFuncIdx;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{ExecEnv, Extern, InstantiateOptions, NativeCode, Runtime, Store};

/// What says whether a loop is repeated.
type Test = fn(u32, u32) -> bool;

/// What a loop's body makes of a sum.
type Body = fn(u64, u32) -> u64;

/// Comparisons of an induction with a bound.
const TESTS: [(&str, Test); 5] = [
    ("i32.ne", |a, b| a != b),
    ("i32.lt_u", |a, b| a < b),
    ("i32.lt_s", |a, b| (a as i32) < b as i32),
    ("i32.gt_u", |a, b| a > b),
    ("i32.gt_s", |a, b| a as i32 > b as i32),
];

/// What is added each time round.
const STEPS: [i32; 6] = [1, 3, 16, -1, -8, 0x00f0_1235];

/// What loops do, and what a model of them does to the same value. LLVM vectorizes one, and unrolls the other.
const BODIES: [(&str, Body); 2] = [
    (
        "(local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.mul (local.get $i) (local.get $i)))))",
        |sum, i| sum.wrapping_add(i.wrapping_mul(i).into()),
    ),
    (
        "(local.set $sum (i64.xor (i64.rotl (local.get $sum) (i64.const 5))
            (i64.extend_i32_u (i32.load8_u (i32.and (local.get $i) (i32.const 4095))))))",
        |sum, i| sum.rotate_left(5) ^ (u64::from(i & 4095) * 7 % 251),
    ),
];

/// Where the operands of the test are: `%i` is the stepped induction, `%b` the bound.
const FORMS: [(&str, &str, bool); 4] = [
    ("", "(TEST (local.tee $i (STEP)) (local.get $bound))", false),
    ("", "(TEST (local.get $bound) (local.tee $i (STEP)))", true),
    ("(local.set $i (STEP))", "(TEST (local.get $i) (local.get $bound))", false),
    ("(local.set $i (STEP))", "(TEST (local.get $bound) (local.get $i))", true),
];

/// Rounds after which a loop is taken for endless, and not tried.
const ENDLESS: u64 = 80_000;

struct Loop {
    test: Test,
    step: i32,
    body: Body,
    /// The bound comes first.
    flipped: bool,
}

impl Loop {
    /// Rounds, the induction's last value, and what the body made of it.
    fn run(&self, first: u32, bound: u32) -> Option<(u64, u64)> {
        let (mut i, mut sum) = (first, 0);
        for _ in 0..ENDLESS {
            sum = (self.body)(sum, i);
            i = i.wrapping_add_signed(self.step);
            let (a, b) = if self.flipped { (bound, i) } else { (i, bound) };
            if !(self.test)(a, b) {
                return Some((i.into(), sum));
            }
        }
        None
    }
}

/// A function of each kind: first value and bound to the last value and the sum.
fn module() -> (String, Vec<Loop>) {
    let data: String = (0..4096).map(|i: u32| format!("\\{:02x}", i * 7 % 251)).collect();
    let mut text = format!("(module (memory 1) (data (i32.const 0) \"{data}\")\n");
    let mut loops = Vec::new();
    for (name, test) in TESTS {
        for step in STEPS {
            for (body_text, body) in BODIES {
                for (before, condition, flipped) in FORMS {
                    let with = |text: &str| {
                        let added = format!("i32.add (local.get $i) (i32.const {step})");
                        text.replace("TEST", name).replace("STEP", &added)
                    };
                    let _ = writeln!(
                        text,
                        "(func (export \"f{}\") (param $i i32) (param $bound i32) (result i64 i64) (local $sum i64)
                            (loop $again {body_text} {} (br_if $again {}))
                            (i64.extend_i32_u (local.get $i)) (local.get $sum))",
                        loops.len(),
                        with(before),
                        with(condition),
                    );
                    loops.push(Loop { test, step, body, flipped });
                }
            }
        }
    }
    // The first branch back leaves the step out.
    text.push_str(
        "(func (export \"skips\") (param $n i32) (param $by i32) (result i64 i64)
            (local $i i32) (local $sum i64) (local $rounds i64)
            (loop $again
                (local.set $rounds (i64.add (local.get $rounds) (i64.const 1)))
                (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
                (br_if $again (i64.ne (i64.rem_u (local.get $rounds) (i64.const 3)) (i64.const 0)))
                (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (local.get $rounds) (local.get $sum))
         (func (export \"after\") (param $n i32) (param $by i32) (result i64 i64)
            (local $i i32) (local $sum i64)
            (loop $again
                (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $by))))
                (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))
                (local.set $by (i32.add (local.get $by) (i32.const 1))))
            (i64.extend_i32_u (local.get $by)) (local.get $sum)))",
    );
    (text, loops)
}

#[test]
fn loops_run_as_often_as_their_tests_say() {
    let (text, loops) = module();
    let wasm = wat::parse_str(text).expect("it is well-formed");
    let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
    let objects = compile::objects(&module, &Options::default()).expect("it can be compiled");
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    let code =
        CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true).expect("it can be loaded");
    assert!((0..loops.len() as u32).all(|func| code.func(DefinedFuncIdx(func)).is_some()));
    let runtime = Runtime::new(Arc::new(NativeEngine));
    let loaded = runtime.load_compiled(module, Some(code));
    let store = Store::new(&runtime);
    // SAFETY: there are no imports.
    let instance = unsafe { store.instantiate(&loaded, &[], &InstantiateOptions::default()) };
    let instance = instance.expect("it can be instantiated");
    let mut env = ExecEnv::new(store.clone(), 0).expect("an environment");
    let mut call = |name: &str, first: u32, bound: u32| {
        let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function {name}") };
        // SAFETY: a function of the store with two parameters.
        unsafe { store.runtime().engine.call(&mut env, func, &[first.into(), bound.into()]) }
    };
    // More than one strip; one round; none ahead; across both ends of what 32 bits hold.
    let ranges: [(u32, u32); 12] = [
        (0, 60_000),
        (60_000, 0),
        (7, 8),
        (8, 7),
        (9, 9),
        (100, 50_123),
        (0u32.wrapping_sub(480), 0),
        (0u32.wrapping_sub(480), 960),
        (960, 0u32.wrapping_sub(480)),
        (i32::MAX as u32 - 900, i32::MAX as u32 - 2),
        (i32::MIN as u32 + 900, i32::MIN as u32 + 3),
        (u32::MAX - 1000, u32::MAX - 1),
    ];
    let mut tried = 0;
    for (at, form) in loops.iter().enumerate() {
        for (first, bound) in ranges {
            let Some((last, sum)) = form.run(first, bound) else { continue };
            tried += 1;
            let got = call(&format!("f{at}"), first, bound);
            assert_eq!(got, Ok(vec![last, sum]), "loop {at}, step {}, {first} to {bound}", form.step);
        }
    }
    assert!(tried > loops.len() * ranges.len() / 2, "only {tried} loops end");

    let n = 100_000u64;
    assert_eq!(call("skips", n as u32, 0), Ok(vec![3 * n, 3 * (n * (n - 1) / 2)]));
    assert_eq!(call("after", n as u32, 5), Ok(vec![6, 5 * n]));
}
