//! Constant expressions.

use crate::func::Func;
use crate::global::Global;
use crate::values::NULL_REF;
use wayfarer_module::{ConstExpr, ConstOp};

/// Value (as slots) of a validated constant expression, given the globals and functions it may name.
pub(crate) fn eval(expr: &ConstExpr, globals: &[*const Global], funcs: &[*const Func]) -> [u64; 2] {
    let mut stack: Vec<[u64; 2]> = Vec::new();
    for op in &expr.0 {
        let value = match *op {
            ConstOp::I32Const(v) => [u64::from(v as u32), 0],
            ConstOp::I64Const(v) => [v as u64, 0],
            ConstOp::F32Const(bits) => [u64::from(bits), 0],
            ConstOp::F64Const(bits) => [bits, 0],
            ConstOp::V128Const(v) => [v as u64, (v >> 64) as u64],
            ConstOp::RefNull(_) => [NULL_REF, 0],
            ConstOp::RefFunc(index) => [funcs[index as usize] as usize as u64, 0],
            // SAFETY: globals of an instance under construction are pointers to live objects of the store.
            ConstOp::GlobalGet(index) => unsafe { &*globals[index as usize] }.get(),
            ConstOp::I32Add => i32_op(&mut stack, u32::wrapping_add),
            ConstOp::I32Sub => i32_op(&mut stack, u32::wrapping_sub),
            ConstOp::I32Mul => i32_op(&mut stack, u32::wrapping_mul),
            ConstOp::I64Add => i64_op(&mut stack, u64::wrapping_add),
            ConstOp::I64Sub => i64_op(&mut stack, u64::wrapping_sub),
            ConstOp::I64Mul => i64_op(&mut stack, u64::wrapping_mul),
        };
        stack.push(value);
    }
    stack.pop().unwrap_or([0, 0])
}

fn i32_op(stack: &mut Vec<[u64; 2]>, op: fn(u32, u32) -> u32) -> [u64; 2] {
    i64_op(stack, |a, b| u64::from(op(a as u32, b as u32)))
}

fn i64_op(stack: &mut Vec<[u64; 2]>, op: impl Fn(u64, u64) -> u64) -> [u64; 2] {
    let b = stack.pop().unwrap_or_default()[0];
    let a = stack.pop().unwrap_or_default()[0];
    [op(a, b), 0]
}
