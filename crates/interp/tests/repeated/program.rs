//! Programs that do one thing over and over.

use crate::list;

/// A module whose last function, exported as `run`, takes how often, and returns a hash of what it saw.
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) wasm: Vec<u8>,
    /// Whether it is of the threads proposal, which wasmi does not have.
    pub(crate) is_of_threads: bool,
}

/// What is about control flow, locals and calls: each leaves an i32.
const CONTROL: &[(&str, &str)] = &[
    ("block", "(block (result i32) (local.get $n))"),
    ("loop", "(loop (result i32) (local.get $n))"),
    (
        "if",
        "(if (result i32) (i32.and (local.get $n) (i32.const 1)) (then (i32.const 3)) (else (i32.const 5)))",
    ),
    ("if without else", "(if (local.get $n) (then (local.set $i (local.get $n)))) (local.get $i)"),
    ("br", "(block (result i32) (br 0 (local.get $n)))"),
    (
        "br_if",
        "(block (result i32) (br_if 0 (i32.const 7) (i32.and (local.get $n) (i32.const 2))) (drop) (local.get $n))",
    ),
    (
        "br_table",
        "(block (result i32) (block (block (block (br_table 0 1 2 (i32.and (local.get $n) (i32.const 3))))
            (br 2 (i32.const 10))) (br 1 (i32.const 20))) (i32.const 30))",
    ),
    ("unreachable", "(if (i32.eq (local.get $n) (i32.const 0)) (then (unreachable))) (local.get $n)"),
    ("nop", "(nop) (local.get $n)"),
    ("local.tee", "(local.tee $i (i32.add (local.get $n) (local.get $i)))"),
    ("drop", "(local.get $n) (drop) (local.get $i)"),
    ("select", "(select (i32.const 4) (local.get $n) (i32.and (local.get $n) (i32.const 1)))"),
    (
        "select of a type",
        "(ref.is_null (select (result funcref) (ref.null func) (ref.func $f) (i32.and (local.get $n) (i32.const 1))))",
    ),
    (
        "select of vectors",
        "(i32x4.extract_lane 1 (select (v128.const i32x4 1 2 3 4) (i32x4.splat (local.get $n))
            (i32.and (local.get $n) (i32.const 1))))",
    ),
    ("call", "(call $double (local.get $n))"),
    ("call of the host", "(call $increment (local.get $n))"),
    (
        "call_indirect",
        "(call_indirect $calls (type $unary) (local.get $n) (i32.and (local.get $n) (i32.const 1)))",
    ),
    ("call of several results", "(call $pair (local.get $n)) (i32.mul)"),
    ("return_call", "(call $tail (local.get $n))"),
    ("return_call of the host", "(call $tail_host (local.get $n))"),
    ("return_call_indirect", "(call $tail_indirect (local.get $n))"),
];

/// What they refer to.
const REFERRED: &str = "
    (type $unary (func (param i32) (result i32)))
    (table $calls funcref (elem $double $increment))
    (func $double (type $unary) (return (i32.mul (local.get 0) (i32.const 2))))
    (func $pair (param i32) (result i32 i32) (local.get 0) (i32.const 3))
    (func $tail (type $unary) (return_call $double (local.get 0)))
    (func $tail_host (type $unary) (return_call $increment (local.get 0)))
    (func $tail_indirect (type $unary)
        (return_call_indirect $calls (type $unary) (local.get 0) (i32.and (local.get 0) (i32.const 1))))
";

/// All of them.
pub(crate) fn programs() -> Vec<Program> {
    let control = CONTROL.iter().map(|&(name, text)| Program::new(name, text, "i32"));
    let others = list::each().map(|(params, result, instruction)| {
        // Inside the memory.
        let mut instruction = instruction.to_owned();
        for (outside, inside) in [("=4294967295", "=16"), ("=4294967288", "=16"), ("=100000", "=1000")] {
            instruction = instruction.replace(outside, inside);
        }
        let mut operands: Vec<String> =
            params.iter().enumerate().map(|(nth, ty)| operand(nth, params.len(), ty)).collect();
        if is_of_threads(&instruction)
            && let Some(address) = operands.first_mut()
        {
            // Aligned. What waits finds another value there, and does not.
            *address = format!("(i32.shl {address} (i32.const 3))");
        }
        Program::new(&instruction, &format!("{} {instruction}", operands.join(" ")), result)
    });
    control.chain(others).collect()
}

fn is_of_threads(instruction: &str) -> bool {
    instruction.contains("atomic.")
}

/// An operand, which depends on the local `n`, and with which no instruction traps.
fn operand(nth: usize, count: usize, ty: &str) -> String {
    match ty {
        // An address, an index, a number: of three, the last is a count. A second one may be divided by.
        "i32" if nth == 0 => "(i32.and (local.get $n) (i32.const 3))".to_owned(),
        "i32" if count == 2 => "(i32.or (local.get $n) (i32.const 1))".to_owned(),
        "i32" => "(i32.or (i32.and (local.get $n) (i32.const 1)) (i32.const 1))".to_owned(),
        "i64" => "(i64.or (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x9e3779b97f4a7c15)) (i64.const 1))"
            .to_owned(),
        "f32" => format!("(f32.mul (f32.convert_i32_u (local.get $n)) (f32.const {nth}.75))"),
        "f64" => format!("(f64.mul (f64.convert_i32_u (local.get $n)) (f64.const {nth}.75))"),
        // Whatever the lanes, no zero and no NaN.
        "v128" => format!("(i32x4.add (i32x4.splat (local.get $n)) (v128.const i32x4 {nth} 2 3 4))"),
        "funcref" => "(ref.func $f)".to_owned(),
        other => format!("(ref.null {})", other.trim_end_matches("ref")),
    }
}

impl Program {
    /// Repeats `body`, which leaves a result of this type, or none.
    fn new(name: &str, body: &str, result: &str) -> Program {
        let bits = match result {
            "i32" => "i64.extend_i32_u",
            "i64" => "",
            "f32" => "i32.reinterpret_f32 i64.extend_i32_u",
            "f64" => "i64.reinterpret_f64",
            "v128" => {
                "local.tee $v i64x2.extract_lane 0 local.get $v i64x2.extract_lane 1 i64.const 7 i64.mul i64.xor"
            }
            "funcref" => "ref.is_null i64.extend_i32_u",
            // It did something to memory, perhaps.
            _ => "(i64.load (i32.const 0))",
        };
        // Tables that cannot grow for long, segments that are long enough.
        let is_of_threads = is_of_threads(name);
        let memory = if is_of_threads { "(memory 1 10 shared)" } else { "(memory 1 10)" };
        let referred = list::REFERRED
            .replace("(memory 1 10)", memory)
            .replace("(table $t 4 funcref)", "(table $t 4 10 funcref)")
            .replace("(elem $elem func $f)", "(elem $elem func $f $f $f)");
        let text = format!(
            r#"(module
            (import "host" "increment" (func $increment (param i32) (result i32)))
            {referred} {REFERRED}
            (func (export "run") (param $n i32) (result i64)
                (local $i i32) (local $v v128) (local $seen i64) (local $hash i64)
                (loop $again
                    {body} {bits}
                    local.set $seen
                    (local.set $hash (i64.xor (i64.rotl (local.get $hash) (i64.const 5)) (local.get $seen)))
                    (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $hash)))"#
        );
        let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        Program { name: name.to_owned(), wasm, is_of_threads }
    }
}
