//! SIMD instructions.

use super::Translator;
use crate::exec::vector::{self as v, op, ops};
use crate::exec::vector_lists::*;
use crate::ir::{
    BinaryV128, Bitselect, Extract, Instruction, Lane, Lanes, LoadLane, LoadV128, MemOffset, Op, Replace,
    Shift, Shuffle, Slot, Splat, StoreLane, StoreV128, Test, UnaryV128, Wide,
};
use wasmparser::{MemArg, Operator};
use wayfarer_module::ValType;

/// The instruction for an operator from a vector to a vector.
fn unary(op: &Operator<'_>) -> Option<Op<UnaryV128>> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(op::unary::<ops::$op>()),)*
                _ => None,
            }
        };
    }
    unary_vectors!(arms)
}

/// The instruction for an operator from two vectors to one.
fn binary(op: &Operator<'_>) -> Option<Op<BinaryV128>> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(op::binary::<ops::$op>()),)*
                _ => None,
            }
        };
    }
    binary_vectors!(arms)
}

/// The instruction that deterministic mode has for an operator from a vector to a vector, if it has its own.
fn canonical_unary(op: &Operator<'_>) -> Option<Op<UnaryV128>> {
    macro_rules! arms {
        ($($op:ident $lanes:ident;)*) => {
            match op {
                $(Operator::$op => Some(op::unary::<v::Canonical<ops::$op, v::$lanes>>()),)*
                Operator::F32x4Sqrt => Some(op::unary::<v::Canonical<v::Hidden<ops::F32x4Sqrt>, v::F32x4>>()),
                Operator::F64x2Sqrt => Some(op::unary::<v::Canonical<v::Hidden<ops::F64x2Sqrt>, v::F64x2>>()),
                _ => None,
            }
        };
    }
    float_unary_vectors!(arms)
}

/// The same of an instruction from two vectors to one.
fn canonical_binary(op: &Operator<'_>) -> Option<Op<BinaryV128>> {
    macro_rules! arms {
        ($($op:ident $lanes:ident;)*) => {
            match op {
                $(Operator::$op => Some(op::binary::<v::Canonical<ops::$op, v::$lanes>>()),)*
                _ => None,
            }
        };
    }
    float_binary_vectors!(arms)
}

/// The instruction for an operator from a vector and an i32 to a vector.
fn shift(op: &Operator<'_>) -> Option<Op<Shift>> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(op::shift::<ops::$op>()),)*
                _ => None,
            }
        };
    }
    shift_vectors!(arms)
}

/// The instruction for an operator from a vector to an i32.
fn test(op: &Operator<'_>) -> Option<Op<Test>> {
    macro_rules! arms {
        ($($op:ident $f:ident;)*) => {
            match op {
                $(Operator::$op => Some(op::test::<ops::$op>()),)*
                _ => None,
            }
        };
    }
    test_vectors!(arms)
}

/// The instruction for an operator from a scalar to a vector.
fn splat(op: &Operator<'_>) -> Option<Op<Splat>> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op  => Some(op::splat::<ops::$op>()),)*
                _ => None,
            }
        };
    }
    splat_vectors!(arms)
}

/// The instruction, lane and result for an operator from a vector to one of its lanes.
fn extract(op: &Operator<'_>) -> Option<(Op<Extract>, Lane, ValType)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { lane } => Some((op::extract::<ops::$op>(), Lane(u16::from(lane)), scalar::<$ty>())),)*
                _ => None,
            }
        };
    }
    extract_vectors!(arms)
}

/// The instruction and lane for an operator that replaces a lane.
fn replace(op: &Operator<'_>) -> Option<(Op<Replace>, Lane)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { lane } => Some((op::replace::<ops::$op>(), Lane(u16::from(lane)))),)*
                _ => None,
            }
        };
    }
    replace_vectors!(arms)
}

/// The instruction for a load that widens, splats or zero-extends.
fn load(op: &Operator<'_>) -> Option<(Op<LoadV128>, MemArg)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { memarg } => Some((op::load::<ops::$op>(), memarg)),)*
                _ => None,
            }
        };
    }
    load_vectors!(arms)
}

/// The instruction and lane for a load of a lane.
fn load_lane(op: &Operator<'_>) -> Option<(Op<LoadLane>, MemArg, Lane)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { memarg, lane } => Some((op::load_lane::<ops::$op>(), memarg, Lane(u16::from(lane)))),)*
                _ => None,
            }
        };
    }
    load_lane_vectors!(arms)
}

/// The instruction and lane for a store of a lane.
fn store_lane(op: &Operator<'_>) -> Option<(Op<StoreLane>, MemArg, Lane)> {
    macro_rules! arms {
        ($($op:ident $f:ident $ty:ident;)*) => {
            match *op {
                $(Operator::$op { memarg, lane } => Some((op::store_lane::<ops::$op>(), memarg, Lane(u16::from(lane)))),)*
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
        if let Some(op) = canonical(canonical_binary, deterministic, op).or_else(|| binary(op)) {
            let (x, y) = self.two();
            self.result(op, ValType::V128, |result| BinaryV128 { result: result.wide(), x, y: y.wide() });
        } else if let Some(op) = shift(op) {
            let (x, count) = self.two();
            self.result(op, ValType::V128, |result| Shift { result: result.wide(), x, count });
        } else if let Some(op) = canonical(canonical_unary, deterministic, op).or_else(|| unary(op)) {
            let x = self.one().wide();
            self.result(op, ValType::V128, |result| UnaryV128 { result: result.wide(), x });
        } else if let Some(op) = splat(op) {
            let x = self.one();
            self.result(op, ValType::V128, |result| Splat { result: result.wide(), x });
        } else if let Some(op) = test(op) {
            let x = self.one().wide();
            self.result_in_acc(op, ValType::I32, |result| Test { result, x });
        } else if let Some((op, lane, ty)) = extract(op) {
            let x = self.one().wide();
            self.result_in_acc(op, ty, |result| Extract { result, x, lane });
        } else if let Some((op, lane)) = replace(op) {
            let (x, value) = self.two();
            self.result(op, ValType::V128, |result| Replace { result: result.wide(), x, value, lane });
        } else if let Some((op, memarg)) = load(op) {
            self.load_vector(op, &memarg);
        } else if let Some((op, memarg, lane)) = load_lane(op) {
            let (vector, addr) = (self.pop(), self.pop());
            let (address, x) = (self.slot(addr), self.slot(vector).wide());
            let offset = MemOffset(memarg.offset as u32);
            self.result(op, ValType::V128, |result| LoadLane {
                result: result.wide(),
                address,
                offset,
                x,
                lane,
            });
        } else if let Some((op, memarg, lane)) = store_lane(op) {
            self.store_vector(op, &memarg, |value, address, offset| StoreLane {
                value,
                address,
                offset,
                lane,
            });
        } else {
            return self.other_vector(op);
        }
        true
    }

    fn other_vector(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::V128Load { memarg } => self.load_vector(op::load::<ops::V128Load>(), &memarg),
            Operator::V128Store { memarg } => {
                self.store_vector(op::store(), &memarg, |value, address, offset| StoreV128 {
                    value,
                    address,
                    offset,
                });
            }
            Operator::V128Bitselect => {
                let (c, b, a) = (self.pop(), self.pop(), self.pop());
                let (x, y, mask) = (self.slot(a).wide(), self.slot(b).wide(), self.slot(c).wide());
                self.result(op::bitselect(), ValType::V128, |result| Bitselect {
                    result: result.wide(),
                    x,
                    y,
                    mask,
                });
            }
            Operator::I8x16Shuffle { lanes } => {
                let (x, y) = self.two();
                let lanes = u128::from_le_bytes(lanes);
                let (low, high) = (Lanes(lanes as u64), Lanes((lanes >> 64) as u64));
                self.result(op::shuffle(), ValType::V128, |result| Shuffle {
                    result: result.wide(),
                    x,
                    y: y.wide(),
                    low,
                    high,
                });
            }
            _ => return false,
        }
        true
    }

    /// Pops an operand.
    fn one(&mut self) -> Slot {
        let x = self.pop();
        self.slot(x)
    }

    /// Pops a vector and what is above it.
    fn two(&mut self) -> (Wide, Slot) {
        let (y, x) = (self.pop(), self.pop());
        (self.slot(x).wide(), self.slot(y))
    }

    fn load_vector(&mut self, op: Op<LoadV128>, memarg: &MemArg) {
        let address = self.one();
        let offset = MemOffset(memarg.offset as u32);
        self.result(op, ValType::V128, |result| LoadV128 { result: result.wide(), address, offset });
    }

    fn store_vector<I: Instruction>(
        &mut self,
        op: Op<I>,
        memarg: &MemArg,
        operands: impl FnOnce(Wide, Slot, MemOffset) -> I,
    ) {
        let (vector, addr) = (self.pop(), self.pop());
        let (address, value) = (self.slot(addr), self.slot(vector).wide());
        self.code.emit(op, operands(value, address, MemOffset(memarg.offset as u32)));
        self.last = None;
    }
}

/// What deterministic mode has for an operator, in that mode.
fn canonical<I>(
    of: fn(&Operator<'_>) -> Option<Op<I>>,
    deterministic: bool,
    op: &Operator<'_>,
) -> Option<Op<I>> {
    if deterministic { of(op) } else { None }
}
