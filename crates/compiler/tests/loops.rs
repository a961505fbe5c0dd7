//! What loops look like in LLVM's optimized code: as vectorized, unrolled and free of memory as they would be without polls.

use std::fmt::Write;
use wayfarer_compiler::{Format, Options, compile};

/// LLVM's text of the module's code, for a processor with vectors of 512 bits, for which LLVM unrolls loops.
fn text(wat: &str, options: Options) -> String {
    let wasm = wat::parse_str(wat).unwrap();
    let module = wayfarer_module::parse(wasm.as_slice().into()).unwrap();
    let options = Options {
        format: Format::IrOptimized,
        threads: 1,
        triple: Some("x86_64-unknown-linux-gnu".to_owned()),
        cpu: Some("znver4".to_owned()),
        ..options
    };
    let output = compile(&module, &options, &|_, _| {}).unwrap();
    String::from_utf8(output.code[0].clone()).unwrap()
}

/// With polls, and without.
fn both(wat: &str) -> [String; 2] {
    [Options::default(), Options { checkpoints: false, ..Options::default() }]
        .map(|options| text(wat, options))
}

/// The blocks of a function: name and lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let lines = text.lines().skip_while(|line| !(line.starts_with("define") && line.contains("@f0(")));
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines.skip(1).take_while(|line| *line != "}") {
        match line.split_once(':') {
            Some((name, _)) if !line.starts_with(' ') => blocks.push((name, Vec::new())),
            _ => blocks.last_mut().expect("blocks have names").1.push(line),
        }
    }
    blocks
}

fn has(lines: &[&str], what: &[&str]) -> bool {
    lines.iter().any(|line| what.iter().all(|part| line.contains(part)))
}

fn polls(lines: &[&str]) -> bool {
    has(lines, &["load volatile"])
}

/// How often polls are in the text of the function.
fn count_polls(text: &str) -> usize {
    blocks(text).iter().flat_map(|(_, lines)| lines).filter(|line| line.contains("load volatile")).count()
}

/// `c[i][j] += a[i][k] * b[k][j]` as clang makes it of it, two elements each time round. 64 columns; `rows` rows.
fn gemm(rows: u32) -> String {
    format!(
        r#"(module (memory 32) (func (param $alpha f64)
            (local $i i32) (local $k i32) (local $j i32) (local $c i32) (local $b i32) (local $at i32) (local $from i32)
            (local $factor f64)
            (local.set $i (i32.const 0)) (local.set $c (i32.const 1048576))
            (loop $rows
              (local.set $k (i32.const 0)) (local.set $b (i32.const 65536))
              (loop $depth
                (local.set $factor (f64.mul (local.get $alpha)
                  (f64.load offset=1024 (i32.add (i32.shl (local.get $i) (i32.const 9)) (i32.shl (local.get $k) (i32.const 3))))))
                (local.set $j (i32.const 0))
                (loop $columns
                  (f64.store (local.tee $at (i32.add (local.get $c) (local.get $j)))
                    (f64.add (f64.mul (local.get $factor) (f64.load (local.tee $from (i32.add (local.get $b) (local.get $j)))))
                             (f64.load (local.get $at))))
                  (f64.store offset=8 (local.get $at)
                    (f64.add (f64.mul (local.get $factor) (f64.load offset=8 (local.get $from)))
                             (f64.load offset=8 (local.get $at))))
                  (br_if $columns (i32.ne (local.tee $j (i32.add (local.get $j) (i32.const 16))) (i32.const 512))))
                (local.set $b (i32.add (local.get $b) (i32.const 512)))
                (br_if $depth (i32.ne (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 40))))
              (local.set $c (i32.add (local.get $c) (i32.const 512)))
              (br_if $rows (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {rows}))))))"#
    )
}

#[test]
fn a_product_of_matrices_is_vectorized_and_polls_in_its_outermost_loop_only() {
    let text = text(&gemm(200), Options::default());
    let blocks = blocks(&text);
    let (_, inner) = blocks.iter().find(|(_, lines)| has(lines, &["fmul <"])).expect(&text);
    assert!(has(inner, &["fadd <"]) && !polls(inner), "{text}");
    assert_eq!(count_polls(&text), 1, "{text}");
    // Rows of the result are in registers; LLVM alone would load and store them again and again.
    assert!(!has(inner, &["store "]), "{text}");
}

#[test]
fn a_nest_of_loops_that_is_soon_over_has_no_polls() {
    assert_eq!(count_polls(&text(&gemm(3), Options::default())), 0);
}

/// A loop over `count` elements of 8 bytes (or, if 0, as many as a parameter says), which ends when its induction, that
/// counts up from a negative number, becomes 0.
fn up_to_zero(count: u32) -> String {
    let (set, first) = match count {
        0 => (String::new(), "(local.set $i (i32.sub (i32.const 0) (i32.shl (local.get $n) (i32.const 3))))"),
        count => (format!("(local.set $i (i32.const -{}))", 8 * count), ""),
    };
    format!(
        r#"(module (memory 32) (func (param $to i32) (param $from i32) (param $n i32) (local $i i32) (local $at i32)
            {set} {first}
            (loop $again
              (f64.store offset=80000 (i32.add (local.get $to) (local.get $i))
                (f64.mul (f64.add (f64.load offset=80000 (local.tee $at (i32.add (local.get $from) (local.get $i))))
                                  (f64.load offset=80008 (local.get $at)))
                         (f64.const 0.5)))
              (br_if $again (local.tee $i (i32.add (local.get $i) (i32.const 8)))))))"#
    )
}

#[test]
fn a_loop_that_counts_up_to_zero_is_vectorized() {
    for count in [200, 100_000, 0] {
        let text = text(&up_to_zero(count), Options::default());
        let blocks = blocks(&text);
        let (_, vectors) = blocks.iter().find(|(_, lines)| has(lines, &["fmul <"])).expect(&text);
        assert!(!polls(vectors), "{text}");
        // The short one needs none at all.
        assert_eq!(count_polls(&text) > 0, count != 200, "{text}");
    }
    let options = Options { checkpoints: false, ..Options::default() };
    assert!(text(&up_to_zero(200), options).contains("fmul <"));
}

/// Differences of squares, one after the other from one sum: no vectors, but LLVM unrolls it.
const CHAIN: &str = r#"(module (memory 1)
  (func (param $at i32) (param $count i32) (param $sum f64) (result f64) (local $i i32)
    (loop $again
      (local.set $sum (f64.sub (local.get $sum) (f64.mul (f64.load (local.get $at)) (f64.load offset=8 (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $again (i32.ne (local.get $count) (local.tee $i (i32.add (local.get $i) (i32.const 1))))))
    (local.get $sum)))"#;

#[test]
fn a_loop_that_is_counted_is_unrolled_with_polls_as_without() {
    for text in both(CHAIN) {
        let blocks = blocks(&text);
        let steps = |lines: &[&str]| lines.iter().filter(|line| line.contains("fsub")).count();
        let (_, most) = blocks.iter().max_by_key(|(_, lines)| steps(lines)).expect(&text);
        assert!(steps(most) >= 4 && !polls(most), "{text}");
    }
}

/// A loop that is vectorized, and so is what is left of it then.
const TWICE: &str = r#"(module (memory 32)
  (func (result i32) (local $i i32) (local $count i32)
    (loop $again
      (local.set $count (i32.add (local.get $count) (i32.eqz (i32.load8_u offset=1024 (local.get $i)))))
      (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 999998))))
    (local.get $count)))"#;

#[test]
fn a_loop_is_vectorized_whose_rest_is_vectorized_too() {
    for text in both(TWICE) {
        let blocks = blocks(&text);
        let (_, vectors) = blocks.iter().find(|(_, lines)| has(lines, &["icmp eq <"])).expect(&text);
        assert!(!polls(vectors), "{text}");
    }
}

/// A loop whose step is not a constant: little but a store, which would have to be scattered.
const SIEVE: &str = r#"(module (memory 32)
  (func (param $i i32) (param $j i32)
    (loop $again
      (i32.store8 offset=1024 (local.get $j) (i32.const 1))
      (br_if $again (i32.lt_u (local.tee $j (i32.add (local.get $j) (local.get $i))) (i32.const 1000000))))))"#;

#[test]
fn polls_do_not_have_loops_vectorized() {
    for text in both(SIEVE) {
        let vectors = |lines: &[&str]| has(lines, &[" x i8>"]) || has(lines, &[" x i64>"]);
        assert!(!blocks(&text).iter().any(|(_, lines)| vectors(lines)), "{text}");
    }
}

/// Loops that look as if they were over soon, but have a branch back that leaves the step out; or bytes to fill.
#[test]
fn loops_that_may_take_long_have_polls() {
    let mut bodies = vec!["(br_if $again (i32.load (i32.const 8)))".to_owned()];
    bodies.push("(block (br_if $again (i32.load (i32.const 8))))".to_owned());
    bodies.push("(memory.fill (i32.const 0) (i32.const 0) (i32.load (i32.const 8)))".to_owned());
    for mut body in bodies {
        let _ = write!(
            body,
            "(br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10)))"
        );
        let wat = format!("(module (memory 1) (func (local $i i32) (loop $again {body})))");
        assert!(count_polls(&text(&wat, Options::default())) > 0, "{wat}");
    }
}
