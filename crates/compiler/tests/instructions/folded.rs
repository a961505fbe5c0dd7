//! What LLVM must not simplify, and what is simplified before LLVM sees it.

use crate::support::{TARGETS, compiled, functions, text};
use wayfarer_compiler::{Bounds, Format, Options};

/// Arithmetic that leaves every number as it is or changes its sign, but makes a signalling NaN a quiet one.
const QUIETING: &[&str] = &[
    "(param f32) (result f32) (f32.mul (local.get 0) (f32.const 1))",
    "(param f32) (result f32) (f32.mul (f32.const -1) (local.get 0))",
    "(param f64) (result f64) (f64.div (local.get 0) (f64.const 1))",
    "(param f64) (result f64) (f64.sub (local.get 0) (f64.const 0))",
    "(param f64) (result f64) (f64.sub (f64.const -0) (local.get 0))",
    "(param f32) (result f32) (f32.add (local.get 0) (f32.const -0))",
    "(param f32) (result f32) (f32.demote_f64 (f64.promote_f32 (local.get 0)))",
    "(param v128) (result v128) (f32x4.mul (local.get 0) (v128.const f32x4 1 1 1 1))",
    "(param v128) (result v128) (f64x2.sub (local.get 0) (v128.const f64x2 0 0))",
];

#[test]
fn arithmetic_that_makes_nans_quiet_is_not_left_out() {
    let funcs: String = QUIETING.iter().map(|func| format!("(func {func})")).collect();
    for (triple, cpu) in TARGETS {
        let text = text(&format!("(module {funcs})"), triple, cpu, Format::IrOptimized);
        let functions = functions(&text);
        assert_eq!(functions.len(), QUIETING.len());
        for (function, source) in functions.iter().zip(QUIETING) {
            let arithmetic = [" fadd ", " fsub ", " fmul ", " fdiv ", " fptrunc "];
            assert!(
                arithmetic.iter().any(|op| function.contains(op)),
                "{triple}: {source} became\n{function}"
            );
        }
    }
}

/// LLVM's text of one function in a module with a memory of one page, before optimization.
fn one(body: &str, bounds: Bounds) -> String {
    let (triple, cpu) = TARGETS[0];
    let options = Options {
        triple: Some(triple.to_owned()),
        cpu: Some(cpu.to_owned()),
        bounds,
        format: Format::IrUnoptimized,
        ..Options::default()
    };
    let module = format!("(module (memory 1) (global $g i32 (i32.const 1234567)) (func {body}))");
    let text = String::from_utf8(compiled(&module, options)).unwrap();
    functions(&text)[0].to_owned()
}

#[test]
fn bounds_are_checked_where_they_must_be() {
    let dynamic = "(param i32) (result i32) (i32.load (local.get 0))";
    let inside = "(result i32) (i32.load offset=65532 (i32.const 0))";
    let across = "(result i32) (i32.load offset=65533 (i32.const 0))";
    let checks = |text: &str| text.contains("icmp ugt i64");
    assert!(checks(&one(dynamic, Bounds::Explicit)));
    assert!(checks(&one(across, Bounds::Explicit)));
    assert!(!checks(&one(inside, Bounds::Explicit)), "a memory never gets smaller than its minimum");
    assert!(!checks(&one(dynamic, Bounds::Guard)));
    // Either the check traps or the load.
    assert!(one(dynamic, Bounds::Guard).contains("asm sideeffect"));
    assert!(!one(dynamic, Bounds::Explicit).contains("asm sideeffect"));
    // All or nothing, whatever guards there are.
    let copy = "(param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 8))";
    assert_eq!(one(copy, Bounds::Guard).matches("icmp ugt i64").count(), 2);
}

#[test]
fn small_bulk_operations_are_done_in_place() {
    let helper = |text: &str| text.contains("%helper = load");
    let copy =
        |count| format!("(param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const {count}))");
    let fill =
        |count| format!("(param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const {count}))");
    // The only helper that they need is the one that traps.
    for body in [copy(64), fill(64)] {
        assert_eq!(one(&body, Bounds::Guard).matches("%helper = load").count(), 1, "{body}");
    }
    // Here it does the work.
    for body in [copy(65), fill(65)] {
        let text = one(&body, Bounds::Guard);
        assert!(helper(&text) && !text.contains("icmp ugt i64"), "{text}");
    }
}

#[test]
fn constant_globals_are_constants() {
    let text = one("(result i32) (global.get $g)", Bounds::Guard);
    assert!(text.contains("1234567") && !text.contains("%global"), "{text}");
}
