//! The host that modules may import from: what it offers, and what its functions compute. Each engine links it in its
//! own way.

use super::random::Random;
use wayfarer_module::ValType;
use wayfarer_snapshot::view::{FuncId, Value};

/// The module name of all imports.
pub(crate) const NAME: &str = "host";

/// Sizes: of `memory` in pages, of `table` (functions), of `objects`; each with its maximum.
pub(crate) const MEMORY: (u32, u32) = (1, 2);
pub(crate) const TABLE: (u32, u32) = (3, 6);
pub(crate) const OBJECTS: (u32, u32) = (2, 4);
/// Values of the global `counter`, which is mutable, and of `seed`, which is not.
pub(crate) const COUNTER: u64 = 0x1_0000_0007;
pub(crate) const SEED: u32 = 3;

/// A module that imports everything that there is.
pub(crate) fn imports() -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "{NAME}" "nothing" (func))
            (import "{NAME}" "mix" (func (param i32 i64 f32 f64) (result i64)))
            (import "{NAME}" "vector" (func (param v128 i32) (result v128 v128)))
            (import "{NAME}" "refs" (func (param externref funcref) (result externref)))
            (import "{NAME}" "wide" (func (param i32) (result i32 v128 f64 externref)))
            (import "{NAME}" "memory" (memory {} {}))
            (import "{NAME}" "table" (table {} {} funcref))
            (import "{NAME}" "objects" (table {} {} externref))
            (import "{NAME}" "counter" (global (mut i64)))
            (import "{NAME}" "seed" (global i32)))"#,
        MEMORY.0, MEMORY.1, TABLE.0, TABLE.1, OBJECTS.0, OBJECTS.1
    );
    wat::parse_str(text).expect("it is well-formed")
}

/// A call that the host received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    name: String,
    args: Vec<Value>,
}

/// Adds a call to the log, and computes its results.
pub(crate) fn call(log: &mut Vec<Call>, name: &str, args: &[Value], results: &[ValType]) -> Vec<Value> {
    let args: Vec<Value> = args.iter().copied().map(anonymous).collect();
    let mut seed = log.len() as u64;
    for arg in &args {
        let bits = match *arg {
            Value::I32(bits) | Value::F32(bits) => bits.into(),
            Value::I64(bits) | Value::F64(bits) => bits,
            Value::V128(bits) => bits as u64 ^ (bits >> 64) as u64,
            Value::FuncRef(func) => func.is_some().into(),
            Value::ExternRef(object) => object.unwrap_or(0).into(),
        };
        seed = Random::new(seed ^ bits).next();
    }
    log.push(Call { name: name.to_owned(), args });
    let mut random = Random::new(seed);
    results.iter().map(|&ty| value(&mut random, ty)).collect()
}

/// A reference to any function as one to the first: engines number them in their own ways.
pub(crate) fn anonymous(value: Value) -> Value {
    match value {
        Value::FuncRef(Some(_)) => Value::FuncRef(Some(FuncId { instance: 0, func: 0 })),
        other => other,
    }
}

/// Any value of a type; of functions only null. Floats are numbers.
pub(crate) fn value(random: &mut Random, ty: ValType) -> Value {
    let bits = match random.below(6) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => random.below(300),
        4 => 1 << random.below(64),
        _ => random.next(),
    };
    let float = f64::from(bits as i32) / 8.0;
    match ty {
        ValType::I32 => Value::I32(bits as u32),
        ValType::I64 => Value::I64(bits),
        ValType::F32 => Value::F32((float as f32).to_bits()),
        ValType::F64 => Value::F64(float.to_bits()),
        ValType::V128 => Value::V128(u128::from(bits) | u128::from(random.next()) << 64),
        ValType::FuncRef => Value::FuncRef(None),
        ValType::ExternRef => Value::ExternRef(Some((bits % 9) as u32).filter(|&object| object > 0)),
    }
}
