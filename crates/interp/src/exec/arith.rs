//! Handlers of numeric instructions, `select` and compare-and-branch.

use super::control::take;
use super::dispatch::{Handler, handlers, past};
use super::num::{Binary, Unary};
use super::operand::{Source, put};
use crate::ir::{self, Acc, AddBranch, Branch, Imm, Op, Select, SelectV128, Slot};
use std::marker::PhantomData;

handlers! {
    binary<O: Binary, X: Source, Y: Source> |s, i: ir::Binary<X, Y>| {
        match O::apply(i.x.get(&s), i.y.get(&s)) {
            Ok(v) => {
                put(&mut s, i.result, v);
                past(s, i)
            }
            Err(code) => s.trap(code),
        }
    }

    binary_of_imm<O: Binary, Y: Source> |s, i: ir::BinaryOfImm<Y>| {
        match O::apply(i.x.get(&s), i.y.get(&s)) {
            Ok(v) => {
                put(&mut s, i.result, v);
                past(s, i)
            }
            Err(code) => s.trap(code),
        }
    }

    unary<O: Unary, X: Source> |s, i: ir::Unary<X>| {
        match O::apply(i.x.get(&s)) {
            Ok(v) => {
                put(&mut s, i.result, v);
                past(s, i)
            }
            Err(code) => s.trap(code),
        }
    }

    select<C: Source> |s, i: Select<C>| {
        let v = if i.condition.get::<u32>(&s) != 0 { *s.slot(i.x) } else { *s.slot(i.y) };
        *s.slot(i.result) = v;
        past(s, i)
    }

    select_v128<C: Source> |s, i: SelectV128<C>| {
        let v = if i.condition.get::<u32>(&s) != 0 { s.v128(i.x) } else { s.v128(i.y) };
        s.set_v128(i.result, v);
        past(s, i)
    }

    /// Branches if the instruction's result is not zero, or if it is (`UNLESS`); `BACK`: to a loop header.
    branch<O: Binary<Out = u32>, X: Source, Y: Source; UNLESS, BACK> |s, i: Branch<X, Y>| {
        // No instruction that branches can trap; a trap would count as zero.
        let taken = O::apply(i.x.get(&s), i.y.get(&s)).is_ok_and(|v| v != 0) != UNLESS;
        if taken {
            return take::<BACK>(s, i.target);
        }
        past(s, i)
    }

    /// Branches to a loop header.
    add_branch<O: Binary<In = u32, Out = u32>, X: Source, Y: Source; UNLESS> |s, i: AddBranch<X, Y>| {
        let sum = i.x.get::<u32>(&s).wrapping_add(i.addend.0);
        put(&mut s, i.result, sum);
        let taken = O::apply(sum, i.y.get(&s)).is_ok_and(|v| v != 0) != UNLESS;
        if taken {
            return take::<true>(s, i.target);
        }
        past(s, i)
    }
}

/// One instruction with two operands, named by where those are: slot, accumulator, immediate.
pub(crate) struct BinaryOps {
    pub(crate) ss: Op<ir::Binary<Slot, Slot>>,
    pub(crate) as_: Op<ir::Binary<Acc, Slot>>,
    pub(crate) sa: Op<ir::Binary<Slot, Acc>>,
    pub(crate) si: Op<ir::Binary<Slot, Imm>>,
    pub(crate) ai: Op<ir::Binary<Acc, Imm>>,
    pub(crate) is: Op<ir::BinaryOfImm<Slot>>,
    pub(crate) ia: Op<ir::BinaryOfImm<Acc>>,
    pub(crate) commutes: bool,
}

/// Compare-and-branch: `[branch if zero, branch if not zero][forward, back]`.
pub(crate) type Branches<X, Y> = [[Op<Branch<X, Y>>; 2]; 2];

/// One instruction that compares and branches.
pub(crate) struct BranchOps {
    pub(crate) ss: Branches<Slot, Slot>,
    pub(crate) as_: Branches<Acc, Slot>,
    pub(crate) sa: Branches<Slot, Acc>,
    pub(crate) si: Branches<Slot, Imm>,
    pub(crate) ai: Branches<Acc, Imm>,
}

/// Add-and-branch-back: `[if zero, if not zero]`.
pub(crate) type AddBranches<X, Y> = [Op<AddBranch<X, Y>>; 2];

/// One instruction that compares a sum and branches back.
pub(crate) struct AddBranchOps {
    pub(crate) ss: AddBranches<Slot, Slot>,
    pub(crate) as_: AddBranches<Acc, Slot>,
    pub(crate) si: AddBranches<Slot, Imm>,
    pub(crate) ai: AddBranches<Acc, Imm>,
}

/// Carries what can be encoded of an instruction with two operands.
pub(crate) struct Table<O>(PhantomData<O>);

impl<O: Binary> Table<O> {
    pub(crate) const BINARY: &'static BinaryOps = &BinaryOps {
        ss: op::binary::<O, Slot, Slot>(),
        as_: op::binary::<O, Acc, Slot>(),
        sa: op::binary::<O, Slot, Acc>(),
        si: op::binary::<O, Slot, Imm>(),
        ai: op::binary::<O, Acc, Imm>(),
        is: op::binary_of_imm::<O, Slot>(),
        ia: op::binary_of_imm::<O, Acc>(),
        commutes: O::COMMUTES,
    };
}

impl<O: Binary<Out = u32>> Table<O> {
    const fn branches<X: Source, Y: Source>() -> Branches<X, Y> {
        [
            [op::branch::<O, X, Y, true, false>(), op::branch::<O, X, Y, true, true>()],
            [op::branch::<O, X, Y, false, false>(), op::branch::<O, X, Y, false, true>()],
        ]
    }

    pub(crate) const BRANCH: &'static BranchOps = &BranchOps {
        ss: Self::branches::<Slot, Slot>(),
        as_: Self::branches::<Acc, Slot>(),
        sa: Self::branches::<Slot, Acc>(),
        si: Self::branches::<Slot, Imm>(),
        ai: Self::branches::<Acc, Imm>(),
    };
}

impl<O: Binary<In = u32, Out = u32>> Table<O> {
    const fn add_branches<X: Source, Y: Source>() -> AddBranches<X, Y> {
        [op::add_branch::<O, X, Y, true>(), op::add_branch::<O, X, Y, false>()]
    }

    pub(crate) const ADD_BRANCH: &'static AddBranchOps = &AddBranchOps {
        ss: Self::add_branches::<Slot, Slot>(),
        as_: Self::add_branches::<Acc, Slot>(),
        si: Self::add_branches::<Slot, Imm>(),
        ai: Self::add_branches::<Acc, Imm>(),
    };
}

/// One instruction with one operand: in a slot, in the accumulator.
pub(crate) struct UnaryOps {
    pub(crate) s: Op<ir::Unary<Slot>>,
    pub(crate) a: Op<ir::Unary<Acc>>,
}

/// Carries what can be encoded of an instruction with one operand.
pub(crate) struct UnaryTable<O>(PhantomData<O>);

impl<O: Unary> UnaryTable<O> {
    pub(crate) const UNARY: &'static UnaryOps =
        &UnaryOps { s: op::unary::<O, Slot>(), a: op::unary::<O, Acc>() };
}

const _: () = assert!(size_of::<Handler>() == 8, "instructions hold handlers in 64-bit words");
