//! Entry and return of watched functions (see `wayfarer_runtime::watch`).
//!
//! The code of a watched function is what it is otherwise; so are instructions and frames of all others. What it has instead is
//! an entry in front of its code, [`WATCHED`](crate::code::WATCHED), which tells of the call and puts a mark below the frame's
//! record: the frame returns to [`LEFT`](crate::code::LEFT), which tells of that and goes on where the mark says. A call in tail position keeps
//! the record, so its callee returns there, too.

use super::call::{skip_across, translate};
use super::ctx::{Ctx, Record};
use super::dispatch::{Exit, handlers};
use super::hop::above;
use crate::code::LEFT;
use std::ptr;
use wayfarer_runtime::{TrapCode, watch};

handlers! {
    /// In front of the code of a watched function. Its record is on top.
    watched_entry |s| {
        Ctx::step(s, |ctx| entry(ctx))
    }

    /// Where the frame of a watched function returns to. Its mark is on top, and its results are in the state's frame, which is its own.
    watched_left |s| {
        Ctx::step(s, |ctx| left(ctx))
    }
}

#[cold]
#[inline(never)]
unsafe fn entry(ctx: *mut Ctx) -> Exit {
    // SAFETY: the caller's context and record are live; the arguments are the frame's first slots.
    unsafe {
        let s = (*ctx).state;
        let record = (*ctx).top.sub(1);
        let Record { ret, fp, func, .. } = *record;
        let (func, instance) = (&*func, &*(*ctx).instance);
        // Another instance of the module may be the one that is.
        if instance.is_watched(func.index.0) {
            // A frame that returns there belongs to a watched call already: this one came in tail position, and without end there
            // would be no room for all of their marks.
            let replaces = ptr::eq(skip_across(record), LEFT.ip());
            if !replaces && ptr::eq((*ctx).top, (*ctx).records_end) {
                return s.trap(TrapCode::StackOverflow);
            }
            let ty = func.module().module.func_type(func.index.0);
            let slots = func.frame_slots().max(ty.param_slots().max(ty.result_slots())) as usize;
            if s.fp.wrapping_add(slots) > (*ctx).stack_end {
                return s.trap(TrapCode::StackOverflow);
            }
            above(ctx, slots, |env| watch::entered(env, instance, func.index.0, s.fp, replaces));
            if !replaces {
                mark(ctx, ret, fp, s.fp);
            }
            (*ctx).state.reload_memory();
        }
        translate(ctx)
    }
}

/// Puts a mark below the innermost record, of the frame at `own`, which returns to there from now on.
///
/// # Safety
/// There must be room for one more record.
pub(crate) unsafe fn mark(ctx: *mut Ctx, ret: *const u64, fp: *mut u64, own: *mut u64) {
    // SAFETY: the innermost record is the run's, and there is room.
    unsafe {
        let record = (*ctx).top.sub(1);
        let func = (*record).func;
        *record = Record { ret, fp, func: ptr::null(), instance: ptr::null() };
        *record.add(1) = Record { ret: LEFT.ip(), fp: own, func, instance: ptr::null() };
        (*ctx).top = record.add(2);
    }
}

#[cold]
#[inline(never)]
unsafe fn left(ctx: *mut Ctx) -> Exit {
    // SAFETY: the mark was put there by `entry`, or when the frame was rebuilt.
    unsafe {
        let results = (*ctx).state.fp;
        let slots = watch::result_slots(&*(*ctx).env);
        // The mark stays until everybody has been told.
        above(ctx, slots, |env| watch::returned(env, results));
        let mark = (*ctx).top.sub(1);
        (*ctx).top = mark;
        (*ctx).state.ip = (*mark).ret;
        (*ctx).state.fp = (*mark).fp;
        (*ctx).state.reload_memory();
        Exit::Next
    }
}
