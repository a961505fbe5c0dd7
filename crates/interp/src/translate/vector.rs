//! SIMD instructions.

use super::Translator;
use crate::exec::dispatch::Handler;
use crate::exec::vector::{self as v, ops};
use crate::exec::vector_lists::*;
use wasmparser::{MemArg, Operator};
use wayfarer_module::ValType;

/// Handler of an instruction from a vector to a vector.
fn unary(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(v::unary::<ops::$op>),)*
                _ => None,
            }
        };
    }
    unary_vectors!(arms)
}

/// Handler of an instruction from two vectors to one.
fn binary(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(v::binary::<ops::$op>),)*
                _ => None,
            }
        };
    }
    binary_vectors!(arms)
}

/// Handler that deterministic mode has for an instruction from a vector to a vector, if it has its own.
fn canonical_unary(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $lanes:ident;)*) => {
            match op {
                $(Operator::$op => Some(v::unary::<v::Canonical<ops::$op, v::$lanes>>),)*
                Operator::F32x4Sqrt => Some(v::unary::<v::Canonical<v::Hidden<ops::F32x4Sqrt>, v::F32x4>>),
                Operator::F64x2Sqrt => Some(v::unary::<v::Canonical<v::Hidden<ops::F64x2Sqrt>, v::F64x2>>),
                _ => None,
            }
        };
    }
    float_unary_vectors!(arms)
}

/// The same of an instruction from two vectors to one.
fn canonical_binary(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $lanes:ident;)*) => {
            match op {
                $(Operator::$op => Some(v::binary::<v::Canonical<ops::$op, v::$lanes>>),)*
                _ => None,
            }
        };
    }
    float_binary_vectors!(arms)
}

/// Handler of an instruction from a vector and an i32 to a vector.
fn shift(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(v::shift::<ops::$op>),)*
                _ => None,
            }
        };
    }
    shift_vectors!(arms)
}

/// Handler of an instruction from a vector to an i32.
fn test(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(v::test::<ops::$op>),)*
                _ => None,
            }
        };
    }
    test_vectors!(arms)
}

/// Handler of an instruction from a scalar to a vector.
fn splat(op: &Operator<'_>) -> Option<Handler> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op  => Some(v::splat::<ops::$op>),)*
                _ => None,
            }
        };
    }
    splat_vectors!(arms)
}

/// Handler, lane and result of an instruction from a vector to one of its lanes.
fn extract(op: &Operator<'_>) -> Option<(Handler, u8, ValType)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { lane } => Some((v::extract::<ops::$op>, lane, scalar::<$ty>())),)*
                _ => None,
            }
        };
    }
    extract_vectors!(arms)
}

/// Handler and lane of an instruction that replaces a lane.
fn replace(op: &Operator<'_>) -> Option<(Handler, u8)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { lane } => Some((v::replace::<ops::$op>, lane)),)*
                _ => None,
            }
        };
    }
    replace_vectors!(arms)
}

/// Handler of a load that widens, splats or zero-extends.
fn load(op: &Operator<'_>) -> Option<(Handler, MemArg)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { memarg } => Some((v::load::<ops::$op>, memarg)),)*
                _ => None,
            }
        };
    }
    load_vectors!(arms)
}

/// Handler and lane of a load of a lane.
fn load_lane(op: &Operator<'_>) -> Option<(Handler, MemArg, u8)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { memarg, lane } => Some((v::load_lane::<ops::$op>, memarg, lane)),)*
                _ => None,
            }
        };
    }
    load_lane_vectors!(arms)
}

/// Handler and lane of a store of a lane.
fn store_lane(op: &Operator<'_>) -> Option<(Handler, MemArg, u8)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { memarg, lane } => Some((v::store_lane::<ops::$op>, memarg, lane)),)*
                _ => None,
            }
        };
    }
    store_lane_vectors!(arms)
}

/// The type of a scalar.
fn scalar<T: 'static>() -> ValType {
    use std::any::TypeId;
    match TypeId::of::<T>() {
        t if t == TypeId::of::<u32>() => ValType::I32,
        t if t == TypeId::of::<u64>() => ValType::I64,
        t if t == TypeId::of::<f32>() => ValType::F32,
        _ => ValType::F64,
    }
}

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn vector(&mut self, op: &Operator<'_>) -> bool {
        let deterministic = self.module.deterministic;
        let canonical = |of: fn(&Operator<'_>) -> Option<Handler>| if deterministic { of(op) } else { None };
        if let Some(handler) = canonical(canonical_binary).or_else(|| binary(op)).or_else(|| shift(op)) {
            let (b, a) = (self.pop(), self.pop());
            let (a, b) = (self.slot(a), self.slot(b));
            let start = self.code.op(handler);
            self.code.slots(0, a, b, 0);
            self.result(start, ValType::V128);
        } else if let Some(handler) = canonical(canonical_unary).or_else(|| unary(op)).or_else(|| splat(op)) {
            self.one(handler, 0, ValType::V128);
        } else if let Some(handler) = test(op) {
            self.one(handler, 0, ValType::I32);
        } else if let Some((handler, lane, ty)) = extract(op) {
            self.one(handler, lane, ty);
        } else if let Some((handler, lane)) = replace(op) {
            let (b, a) = (self.pop(), self.pop());
            let (a, b) = (self.slot(a), self.slot(b));
            let start = self.code.op(handler);
            self.code.slots(0, a, b, u16::from(lane));
            self.result(start, ValType::V128);
        } else if let Some((handler, memarg)) = load(op) {
            self.load_vector(handler, &memarg);
        } else if let Some((handler, memarg, lane)) = load_lane(op) {
            let (vector, addr) = (self.pop(), self.pop());
            let (addr, vector) = (self.slot(addr), self.slot(vector));
            let start = self.code.op(handler);
            self.code.slots_imm(0, addr, memarg.offset as u32);
            self.code.slots(vector, u16::from(lane), 0, 0);
            self.result(start, ValType::V128);
        } else if let Some((handler, memarg, lane)) = store_lane(op) {
            self.store_vector(handler, &memarg);
            self.code.slots(0, u16::from(lane), 0, 0);
        } else {
            return self.other_vector(op);
        }
        true
    }

    fn other_vector(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::V128Load { memarg } => self.load_vector(v::load::<ops::V128Load>, &memarg),
            Operator::V128Store { memarg } => self.store_vector(v::store, &memarg),
            Operator::V128Bitselect => {
                let (c, b, a) = (self.pop(), self.pop(), self.pop());
                let (a, b, c) = (self.slot(a), self.slot(b), self.slot(c));
                let start = self.code.op(v::bitselect);
                self.code.slots(0, a, b, c);
                self.result(start, ValType::V128);
            }
            Operator::I8x16Shuffle { lanes } => {
                let (b, a) = (self.pop(), self.pop());
                let (a, b) = (self.slot(a), self.slot(b));
                let start = self.code.op(v::shuffle);
                self.code.slots(0, a, b, 0);
                let lanes = u128::from_le_bytes(lanes);
                self.code.word(lanes as u64);
                self.code.word((lanes >> 64) as u64);
                self.result(start, ValType::V128);
            }
            _ => return false,
        }
        true
    }

    /// One operand, one result, maybe a lane.
    fn one(&mut self, handler: Handler, lane: u8, ty: ValType) {
        let a = self.pop();
        let a = self.slot(a);
        let start = self.code.op(handler);
        self.code.slots(0, a, u16::from(lane), 0);
        self.result_in_acc(start, ty);
    }

    fn load_vector(&mut self, handler: Handler, memarg: &MemArg) {
        let addr = self.pop();
        let addr = self.slot(addr);
        let start = self.code.op(handler);
        self.code.slots_imm(0, addr, memarg.offset as u32);
        self.result(start, ValType::V128);
    }

    fn store_vector(&mut self, handler: Handler, memarg: &MemArg) {
        let (vector, addr) = (self.pop(), self.pop());
        let (addr, vector) = (self.slot(addr), self.slot(vector));
        self.code.op(handler);
        self.code.slots_imm(vector, addr, memarg.offset as u32);
        self.last = None;
    }
}
