//! Handlers of branches and returns, and the polls.

use super::ctx::Ctx;
use super::dispatch::{Exit, State, handlers, next, past};
use super::operand::{Scalar, Source};
use super::stop;
use crate::ir::{
    Acc, Br, BrTable, Distance, Imm, Instruction, Nop, Op, Return, Return0, ReturnConst, ReturnMany, Slot,
    Unreachable,
};
use std::sync::atomic::Ordering;
use wayfarer_module::PointKind;
use wayfarer_runtime::TrapCode;

/// Whether a request is pending.
#[inline(always)]
pub(crate) unsafe fn armed(s: &State) -> bool {
    if cfg!(feature = "no-polls") {
        return false;
    }
    // SAFETY: the context and the word outlive the run.
    unsafe { (*(*s.ctx).request).load(Ordering::Relaxed) != 0 }
}

/// Takes a branch; `BACK`: to a loop header, where a request is served.
#[inline(always)]
pub(crate) unsafe fn take<const BACK: bool>(mut s: State, target: Distance) -> Exit {
    // SAFETY: a branch's distance leads to an instruction of the same function.
    unsafe {
        s.ip = s.ip.byte_offset(target.0 as isize);
        if BACK && armed(&s) {
            return poll_loop(s.ip, s.fp, s.mem, s.len, s.ctx, s.acc, s.f4, s.f8);
        }
        next(s)
    }
}

handlers! {
    /// A poll at a loop header found the word armed. `s.ip` is the header.
    #[cold]
    #[inline(never)]
    poll_loop |s| {
        Ctx::step(s, |ctx| stop::poll(ctx, PointKind::Loop))
    }

    /// The same at a function's entry.
    #[cold]
    #[inline(never)]
    poll_entry |s| {
        Ctx::step(s, |ctx| stop::poll(ctx, PointKind::Entry))
    }

    br<; BACK> |s, i: Br| {
        take::<BACK>(s, i.target)
    }

    nop |s, i: Nop| {
        past(s, i)
    }

    unreachable |s, _i: Unreachable| {
        s.trap(TrapCode::Unreachable)
    }

    /// The distances follow, a word each.
    br_table<X: Source> |s, i: BrTable<X>| {
        let index = i.index.get::<u32>(&s).min(i.targets.0);
        s.ip = s.ip.byte_offset(*s.ip.add(BrTable::<X>::WORDS + index as usize) as isize);
        next(s)
    }

    ret |s, _i: Return0| {
        leave(s)
    }

    /// Into the slot and the accumulator of its type.
    ret_value<X: Source, T: Scalar> |s, i: Return<X>| {
        let v: T = i.value.get(&s);
        T::set_acc(&mut s, v);
        *s.fp = v.to_bits();
        leave(s)
    }

    ret_const |s, i: ReturnConst| {
        s.acc = i.value.0;
        *s.fp = s.acc;
        leave(s)
    }

    ret_many |s, i: ReturnMany| {
        std::ptr::copy(s.slot(i.first), s.fp, i.slots.0 as usize);
        leave(s)
    }
}

/// Returns to the caller; results are in the callee's first slots, which are the caller's operands.
#[inline(always)]
unsafe fn leave(mut s: State) -> Exit {
    // SAFETY: a running frame has a record.
    unsafe {
        let record = (*s.ctx).top.sub(1);
        (*s.ctx).top = record;
        s.ip = (*record).ret;
        s.fp = (*record).fp;
        next(s)
    }
}

/// The return of a scalar, by where it is.
pub(crate) struct Returns {
    pub(crate) slot: Op<Return<Slot>>,
    pub(crate) acc: Op<Return<Acc>>,
}

/// By the accumulator of the scalar's type: integer, f32, f64.
pub(crate) const RETURN: [Returns; 3] = [
    Returns { slot: op::ret_value::<_, u64>(), acc: op::ret_value::<_, u64>() },
    Returns { slot: op::ret_value::<_, f32>(), acc: op::ret_value::<_, f32>() },
    Returns { slot: op::ret_value::<_, f64>(), acc: op::ret_value::<_, f64>() },
];

/// The return of an immediate: f32, f64.
pub(crate) const RETURN_FLOAT_IMM: [Op<Return<Imm>>; 2] =
    [op::ret_value::<_, f32>(), op::ret_value::<_, f64>()];
