//! Loads that nothing uses trap nevertheless if they are outside of memory, and what sees to that costs nothing.

use crate::support::{TARGETS, features, functions, text};
use inkwell::OptimizationLevel;
use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::targets::{CodeModel, FileType, RelocMode, Target, TargetMachine, TargetTriple};
use object::{Object as _, ObjectSection as _};
use wayfarer_compiler::Format;

/// Bodies of functions that take two addresses and of which only the loads matter.
const UNUSED: &[&str] = &[
    "(drop (i32.load (local.get 0)))",
    "(drop (i32.and (i32.load (local.get 0)) (i32.const 0)))",
    "(drop (i32.load8_s (local.get 0)))",
    "(drop (i32.mul (i32.const 0) (i32.load8_u (local.get 0))))",
    "(drop (i32.load16_s (local.get 0)))",
    "(drop (i32.load16_u offset=100000 (local.get 0)))",
    "(drop (i64.load (local.get 0)))",
    "(drop (i64.load8_s (local.get 0)))",
    "(drop (i64.load16_u (local.get 0)))",
    "(drop (i64.load32_s (local.get 0)))",
    "(drop (i32.wrap_i64 (i64.shl (i64.load32_u (local.get 0)) (i64.const 32))))",
    "(drop (f32.load (local.get 0)))",
    "(drop (f64.mul (f64.load (local.get 0)) (f64.const 0)))",
    "(drop (v128.load (local.get 0)))",
    "(drop (v128.load8x8_s (local.get 0)))",
    "(drop (v128.load16x4_u (local.get 0)))",
    "(drop (v128.load32x2_s (local.get 0)))",
    "(drop (v128.load8_splat (local.get 0)))",
    "(drop (v128.load64_splat (local.get 0)))",
    "(drop (v128.load32_zero (local.get 0)))",
    "(drop (v128.load16_lane 3 (local.get 0) (v128.const i64x2 1 2)))",
    // Overwritten before anybody sees it.
    "(i32.store (local.get 1) (i32.load (local.get 0))) (i32.store (local.get 1) (i32.const 1))",
    // The same either way.
    "(drop (select (i32.load (local.get 0)) (i32.const 0) (i32.const 0)))",
    "(drop (if (result i32) (i32.load (local.get 0)) (then (i32.const 1)) (else (i32.const 1))))",
];

fn module(bodies: &[&str]) -> String {
    let funcs: String = bodies
        .iter()
        .map(|body| format!("(func (param i32 i32) (result i32) {body} i32.const 7)\n"))
        .collect();
    format!("(module (memory 1) {funcs})")
}

/// Whether a function loads from linear memory; loads from the runtime's structures have their natural alignment.
fn loads(function: &str) -> bool {
    function.lines().any(|line| line.contains(" load ") && line.contains(", align 1,"))
}

#[test]
fn unused_loads_are_kept() {
    for (triple, cpu) in TARGETS {
        let text = text(&module(UNUSED), triple, cpu, Format::IrOptimized);
        let functions = functions(&text);
        assert_eq!(functions.len(), UNUSED.len(), "{text}");
        for (function, body) in functions.iter().zip(UNUSED) {
            assert!(loads(function), "{triple} {cpu}: {body} became\n{function}");
        }
    }
}

/// What does not trap is not kept: neither a load of a constant global nor arithmetic.
#[test]
fn other_unused_values_are_not_kept() {
    let bodies = ["(drop (i32.mul (local.get 0) (i32.const 3)))", "(drop (f32.sqrt (f32.const 2)))"];
    let (triple, cpu) = TARGETS[0];
    let text = text(&module(&bodies), triple, cpu, Format::IrOptimized);
    for function in functions(&text) {
        assert!(!function.contains("asm") && !loads(function), "{function}");
    }
}

/// Code as compilers make it.
const TYPICAL: &[&str] = &[
    // Copies of fields.
    "(i32.store (local.get 0) (i32.load (local.get 1)))
     (f64.store offset=8 (local.get 0) (f64.load offset=8 (local.get 1)))
     (f32.store offset=16 (local.get 0) (f32.load offset=16 (local.get 1)))
     (i64.store offset=24 (local.get 0) (i64.load offset=24 (local.get 1)))
     (i32.store8 offset=32 (local.get 0) (i32.load8_u offset=32 (local.get 1)))
     (i32.store16 offset=34 (local.get 0) (i32.load16_s offset=34 (local.get 1)))
     (v128.store offset=48 (local.get 0) (v128.load offset=48 (local.get 1)))",
    // A list.
    "(local i32)
     (loop (local.set 2 (i32.add (local.get 2) (i32.const 1)))
           (br_if 0 (local.tee 0 (i32.load offset=4 (local.get 0)))))
     (i32.store (local.get 1) (local.get 2))",
    // A choice by a field.
    "(if (i32.eq (i32.load8_u (local.get 0)) (i32.const 3))
         (then (i32.store (local.get 1) (i32.load offset=4 (local.get 0)))))",
    // A value used more than once.
    "(local i32) (local.set 2 (i32.load (local.get 0)))
     (i32.store (local.get 0) (i32.mul (local.get 2) (i32.add (local.get 2) (i32.const 5))))
     (i32.store (local.get 1) (local.get 2))",
    // Floats.
    "(local f64) (local.set 2 (f64.load (local.get 0)))
     (f64.store (local.get 1) (f64.mul (local.get 2) (f64.add (local.get 2) (f64.const 5))))",
];

/// Which of them only copies.
const COPIES: usize = 0;

/// The size of the code that LLVM makes of its text.
fn code_size(text: &str, triple: &str, cpu: &str) -> u64 {
    let context = Context::create();
    let buffer = MemoryBuffer::create_from_memory_range_copy(&[text.as_bytes(), b"\0"].concat(), "text");
    let module = context.create_module_from_ir(buffer).unwrap();
    let triple_text = TargetTriple::create(triple);
    let machine: TargetMachine = Target::from_triple(&triple_text)
        .unwrap()
        .create_target_machine(
            &triple_text,
            cpu,
            &features(triple),
            OptimizationLevel::Aggressive,
            RelocMode::PIC,
            CodeModel::Small,
        )
        .unwrap();
    let object = machine.write_to_memory_buffer(&module, FileType::Object).unwrap();
    let object = object::File::parse(object.as_slice()).unwrap();
    object.section_by_name(".text").unwrap().size()
}

/// With and without, the code has the same size.
#[test]
fn keeping_loads_costs_nothing_in_typical_code() {
    for (triple, cpu) in TARGETS {
        let mut kept = 0;
        for (at, body) in TYPICAL.iter().enumerate() {
            if at == COPIES && triple.starts_with("s390x") {
                // What is kept is the number that was read, so that its bytes are swapped and swapped back.
                continue;
            }
            let with = text(&module(&[body]), triple, cpu, Format::IrOptimized);
            let without: String = with
                .lines()
                .filter(|line| !line.contains("asm sideeffect \"\""))
                .map(|l| format!("{l}\n"))
                .collect();
            kept += with.lines().count() - without.lines().count();
            let (with, without) = (code_size(&with, triple, cpu), code_size(&without, triple, cpu));
            assert_eq!(with, without, "{triple} {cpu}: {body}");
        }
        assert!(kept > 3, "only {kept} loads are kept");
    }
}
