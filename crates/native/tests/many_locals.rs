//! Functions in which very many values are alive at a time: LLVM would take hours, so they are compiled without optimization,
//! or not at all. What they do, and that they can be stopped, stays the same.

mod compile;
mod stopped;

use compile::Options;
use std::fmt::Write;
use std::sync::Arc;
use stopped::Program;
use wayfarer_module::DefinedFuncIdx;
use wayfarer_native::CompiledModule;
use wayfarer_runtime::NativeCode;

/// A function that takes so many locals along in a loop, and calls something with all of them alive.
fn text(locals: u32) -> String {
    let mut text = String::from(
        "(module (func $id (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0)) (then (call $id (i32.const 1))) (else (local.get 0))))
          (func (export \"run\") (param i32) (result i32) (local",
    );
    (1..locals).for_each(|_| text.push_str(" i32"));
    text.push_str(") (loop $again\n");
    for n in 1..locals {
        let _ = writeln!(
            text,
            "(local.set {n} (i32.add (i32.mul (local.get {n}) (i32.const 3)) (local.get {})))",
            n - 1
        );
        if n % (locals / 3) == 0 {
            let _ = writeln!(text, "(local.set {n} (call $id (local.get {n})))");
        }
    }
    let _ = writeln!(
        text,
        "(br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get {})))",
        locals - 1
    );
    text
}

fn check(locals: u32, is_compiled: bool) {
    let wasm = wat::parse_str(text(locals)).expect("it is well-formed");
    let module = Arc::new(wayfarer_module::parse(wasm.into()).expect("it is valid"));
    let objects = compile::objects(&module, &Options::default()).expect("it can be compiled");
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    let code = CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true);
    let code = code.expect("it can be loaded");
    // The other function always is.
    assert_eq!([0, 1].map(|func| code.func(DefinedFuncIdx(func)).is_some()), [true, is_compiled]);
    assert_eq!(code.continuation_count(), usize::from(is_compiled));
    let (interpreted, compiled) = (Program::new(&module, None), Program::new(&module, Some(code)));
    let expected = interpreted.call("run", 3, u64::MAX).expect("it ends");
    assert_eq!(compiled.call("run", 3, u64::MAX).as_ref(), Ok(&expected));
    for stop in 1..=8 {
        let Err(thread) = compiled.call("run", 3, stop) else { panic!("it is not stopped at {stop}") };
        assert_eq!(compiled.go_on(&thread), expected, "from {stop}");
        assert_eq!(interpreted.go_on(&thread), expected, "from {stop}");
        let Err(thread) = interpreted.call("run", 3, stop) else { panic!("it is not stopped at {stop}") };
        assert_eq!(compiled.go_on(&thread), expected, "from {stop}, interpreted");
    }
}

#[test]
fn many_are_not_optimized() {
    check(1_200, true);
}

#[test]
fn very_many_are_interpreted() {
    check(49_000, false);
}
