//! Handlers of branches and returns, and the polls.

use super::ctx::Ctx;
use super::dispatch::{Exit, Handler, State, handlers, next};
use super::operand::{Acc, Imm, Scalar, Slot, Source};
use super::stop;
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

/// Takes a branch whose distance in bytes is at `at`; `BACK`: to a loop header, where a request is served.
#[inline(always)]
pub(crate) unsafe fn take<const BACK: bool>(mut s: State, at: usize) -> Exit {
    // SAFETY: a branch's distance leads to an instruction of the same function.
    unsafe {
        s.ip = s.ip.byte_offset(s.u64(at) as isize);
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

    /// Branches always; distance at 8.
    br<; BACK> |s| {
        take::<BACK>(s, 8)
    }

    nop |s| {
        s.ip = s.ip.add(1);
        next(s)
    }

    unreachable |s| {
        s.trap(TrapCode::Unreachable)
    }

    /// Index in slot 10, number of targets (without the default) at 12, then a distance a word.
    br_table<X: Source> |s| {
        let index = X::get::<u32>(&s).min(s.u32(12));
        s.ip = s.ip.byte_offset(*s.ip.add(2 + index as usize) as isize);
        next(s)
    }

    ret |s| {
        leave(s)
    }

    /// One result, from a slot into an integer, f32 or f64 accumulator.
    ret_value<X: Source, T: Scalar> |s| {
        let v: T = X::get(&s);
        T::set_acc(&mut s, v);
        *s.fp = v.to_bits();
        leave(s)
    }

    /// One integer result given in full.
    ret_const |s| {
        s.acc = s.u64(16);
        *s.fp = s.acc;
        leave(s)
    }

    /// Several slots, from slot 10, count at 12.
    ret_many |s| {
        std::ptr::copy(s.slot(10), s.fp, s.u32(12) as usize);
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

/// `br_table` by where the index is: slot, accumulator.
pub(crate) const BR_TABLE: [Handler; 2] = [br_table::<Slot<10>>, br_table::<Acc>];

/// One-result returns: `[integer, f32, f64][slot 10, accumulator]`.
pub(crate) const RETURN: [[Handler; 2]; 3] = [
    [ret_value::<Slot<10>, u64>, ret_value::<Acc, u64>],
    [ret_value::<Slot<10>, f32>, ret_value::<Acc, f32>],
    [ret_value::<Slot<10>, f64>, ret_value::<Acc, f64>],
];

/// One-result return of a 32-bit immediate float: `[f32, f64]`.
pub(crate) const RETURN_FLOAT_IMM: [Handler; 2] = [ret_value::<Imm<12>, f32>, ret_value::<Imm<12>, f64>];
