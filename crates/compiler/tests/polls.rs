//! What polls look like in LLVM's optimized code: what they do where no request is pending is all that they may cost.

use wayfarer_compiler::{Format, Options, compile};

/// LLVM's text of the module's code.
fn text(wat: &str, options: Options) -> String {
    let wasm = wat::parse_str(wat).unwrap();
    let module = wayfarer_module::parse(wasm.as_slice().into()).unwrap();
    let options = Options { format: Format::IrOptimized, threads: 1, ..options };
    let output = compile(&module, &options, &|_, _| {}).unwrap();
    String::from_utf8(output.code[0].clone()).unwrap()
}

/// The lines of a function.
fn function<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let head = format!("@{name}(");
    let lines = text.lines().skip_while(|line| !(line.starts_with("define") && line.contains(&head)));
    lines.take_while(|line| *line != "}").collect()
}

/// A loop that LLVM cannot do without: each round depends on the one before, and on memory.
const LOOP: &str = r#"(module (memory 1)
  (func (param $at i32) (result i32)
    (loop $again
      (br_if $again (local.tee $at (i32.load (local.get $at)))))
    (local.get $at)))"#;

const RECURSION: &str = r#"(module
  (func $fib (param $n i32) (result i32)
    (if (result i32) (i32.lt_s (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1)))
                     (call $fib (i32.sub (local.get $n) (i32.const 2))))))))"#;

#[test]
fn a_loop_leaves_and_has_no_landing_pad() {
    let text = text(LOOP, Options::default());
    let function = function(&text, "f0");
    assert!(function.iter().any(|line| line.contains("load volatile i64")), "{text}");
    assert!(!function.iter().any(|line| line.contains("landingpad")), "{text}");
    // The call on the slow path is the last thing in its block.
    let call = function.iter().position(|line| line.contains("call void %")).expect(&text);
    assert_eq!(function[call + 1].trim(), "unreachable", "{text}");
}

#[test]
fn an_entry_leaves_by_a_tail_call_with_its_arguments() {
    let text = text(RECURSION, Options::default());
    let function = function(&text, "f0");
    let call = function.iter().find(|line| line.contains("@stopped.0(")).expect(&text);
    assert!(call.contains("tail call") && call.contains("i32 %1"), "{call}");
    assert!(
        text.lines().any(|line| line.starts_with("define internal") && line.contains("@stopped.0(")),
        "{text}"
    );
}

#[test]
fn code_that_is_stopped_everywhere_returns_from_its_polls() {
    let text = text(LOOP, Options { precise: true, ..Options::default() });
    let function = function(&text, "f0");
    assert!(function.iter().any(|line| line.contains("landingpad")), "{text}");
    assert!(!function.iter().any(|line| line.contains("@stopped.0(")), "{text}");
}

#[test]
fn code_without_checkpoints_has_no_polls_in_loops() {
    let options = || Options { checkpoints: false, ..Options::default() };
    assert!(!text(LOOP, options()).contains("load volatile"));
    let recursion = text(RECURSION, options());
    assert!(!recursion.contains("landingpad") && !recursion.contains("@stopped.0("), "{recursion}");
}
