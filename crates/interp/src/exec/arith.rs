//! Handlers of numeric instructions, `select` and compare-and-branch.
//!
//! Encoding (byte offsets in the instruction): result slot 8, first operand slot 10, second operand slot 12 or 32-bit
//! immediate 12; branches have their distance in bytes at 16.

use super::control::take;
use super::dispatch::{Handler, handlers, next};
use super::num::{Binary, Unary};
use super::operand::{Acc, Imm, Slot, Source, put};
use std::marker::PhantomData;

/// First operand in a slot.
type A = Slot<10>;
/// Second operand in a slot.
type B = Slot<12>;
/// Immediate operand.
type I = Imm<12>;

handlers! {
    binary<O: Binary, X: Source, Y: Source> |s| {
        match O::apply(X::get(&s), Y::get(&s)) {
            Ok(v) => {
                put(&mut s, 8, v);
                s.ip = s.ip.add(2);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    unary<O: Unary, X: Source> |s| {
        match O::apply(X::get(&s)) {
            Ok(v) => {
                put(&mut s, 8, v);
                s.ip = s.ip.add(2);
                next(s)
            }
            Err(code) => s.trap(code),
        }
    }

    /// `select` of a scalar: operands at 10 and 12, condition in slot 14.
    select<C: Source> |s| {
        let v = if C::get::<u32>(&s) != 0 { *s.slot(10) } else { *s.slot(12) };
        *s.slot(8) = v;
        s.ip = s.ip.add(2);
        next(s)
    }

    /// `select` of a v128.
    select_v128<C: Source> |s| {
        let v = if C::get::<u32>(&s) != 0 { s.v128(10) } else { s.v128(12) };
        s.set_v128(8, v);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Branches if the instruction's result is not zero (`IF`) or zero; `BACK`: to a loop header.
    branch<O: Binary<Out = u32>, X: Source, Y: Source; IF, BACK> |s| {
        // No instruction that branches can trap; a trap would count as zero.
        let taken = O::apply(X::get(&s), Y::get(&s)).is_ok_and(|v| v != 0) == IF;
        if taken {
            return take::<BACK>(s, 16);
        }
        s.ip = s.ip.add(3);
        next(s)
    }

    /// Adds an immediate (at 12) to an i32, and branches to a loop header as `branch` does on the sum: what loops end
    /// with. Second operand of the comparison at 16, distance at 24.
    add_branch<O: Binary<In = u32, Out = u32>, X: Source, Y: Source; IF> |s| {
        let sum = X::get::<u32>(&s).wrapping_add(s.u32(12));
        put(&mut s, 8, sum);
        let taken = O::apply(sum, Y::get(&s)).is_ok_and(|v| v != 0) == IF;
        if taken {
            return take::<true>(s, 24);
        }
        s.ip = s.ip.add(4);
        next(s)
    }
}

/// The handlers of one binary instruction, named by where its operands are: slot, accumulator, immediate.
pub(crate) struct BinaryHandlers {
    pub(crate) ss: Handler,
    pub(crate) as_: Handler,
    pub(crate) sa: Handler,
    pub(crate) si: Handler,
    pub(crate) ai: Handler,
    pub(crate) is: Handler,
    pub(crate) ia: Handler,
    pub(crate) commutes: bool,
}

/// Handlers of compare-and-branch: `[branch if zero, branch if not zero][forward, back]`.
pub(crate) type Branches = [[Handler; 2]; 2];

/// The handlers of one compare-and-branch instruction.
pub(crate) struct BranchHandlers {
    pub(crate) ss: Branches,
    pub(crate) as_: Branches,
    pub(crate) sa: Branches,
    pub(crate) si: Branches,
    pub(crate) ai: Branches,
}

/// Handlers of add-and-branch-back: `[addend in a slot, accumulator][compared with immediate, slot][if zero, if not]`.
pub(crate) type AddBranches = [[[Handler; 2]; 2]; 2];

/// Carries the handler tables of an instruction.
pub(crate) struct Table<O>(PhantomData<O>);

impl<O: Binary> Table<O> {
    pub(crate) const BINARY: BinaryHandlers = BinaryHandlers {
        ss: binary::<O, A, B>,
        as_: binary::<O, Acc, B>,
        sa: binary::<O, A, Acc>,
        si: binary::<O, A, I>,
        ai: binary::<O, Acc, I>,
        is: binary::<O, I, A>,
        ia: binary::<O, I, Acc>,
        commutes: O::COMMUTES,
    };
}

impl<O: Binary<Out = u32>> Table<O> {
    const fn branches<X: Source, Y: Source>() -> Branches {
        [
            [branch::<O, X, Y, false, false>, branch::<O, X, Y, false, true>],
            [branch::<O, X, Y, true, false>, branch::<O, X, Y, true, true>],
        ]
    }

    pub(crate) const BRANCH: BranchHandlers = BranchHandlers {
        ss: Self::branches::<A, B>(),
        as_: Self::branches::<Acc, B>(),
        sa: Self::branches::<A, Acc>(),
        si: Self::branches::<A, I>(),
        ai: Self::branches::<Acc, I>(),
    };
}

impl<O: Binary<In = u32, Out = u32>> Table<O> {
    pub(crate) const ADD_BRANCH: AddBranches = [
        [
            [add_branch::<O, A, Imm<16>, false>, add_branch::<O, A, Imm<16>, true>],
            [add_branch::<O, A, Slot<16>, false>, add_branch::<O, A, Slot<16>, true>],
        ],
        [
            [add_branch::<O, Acc, Imm<16>, false>, add_branch::<O, Acc, Imm<16>, true>],
            [add_branch::<O, Acc, Slot<16>, false>, add_branch::<O, Acc, Slot<16>, true>],
        ],
    ];
}

/// The handlers of one unary instruction: operand in a slot, in the accumulator.
pub(crate) struct UnaryHandlers {
    pub(crate) s: Handler,
    pub(crate) a: Handler,
}

/// Carries the handler table of a unary instruction.
pub(crate) struct UnaryTable<O>(PhantomData<O>);

impl<O: Unary> UnaryTable<O> {
    pub(crate) const UNARY: UnaryHandlers = UnaryHandlers { s: unary::<O, A>, a: unary::<O, Acc> };
}

/// `select` handlers: `[scalar, v128][condition in slot 14, in the accumulator]`.
pub(crate) const SELECT: [[Handler; 2]; 2] =
    [[select::<Slot<14>>, select::<Acc>], [select_v128::<Slot<14>>, select_v128::<Acc>]];

const _: () = assert!(size_of::<Handler>() == 8, "instructions hold handlers in 64-bit words");
