//! Runs of the interpreter among compiled code: frames that cannot be compiled ones yet, and functions that never are.
//!
//! In such a run every poll takes the slow path, and there a frame that stands at a function's entry, or at a loop header
//! that there is a continuation for, becomes a compiled one. That costs the interpreter nothing when there is no compiled
//! code, and hot loops are soon out of it when there is. A continuation is that of one loop: what comes behind the loop is
//! interpreted, once, up to the next header, which may be that of the loop around it. Places that there is no code for yet
//! are counted, and said to be wanted when they are hot.

use crate::exec::dispatch::Exit;
use crate::{context, enter, finish, resume};
use std::sync::atomic::AtomicU32;
use wayfarer_runtime::{ExecEnv, Func, Instance, Loop, RawFrame, ResumeError, Trap, native_stack};

pub use crate::capture::view;
pub use crate::resume::check;

/// Polled instead of the store's word.
static ALWAYS: AtomicU32 = AtomicU32::new(1);

/// How a run ended that did not return.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// In a trap.
    Trap(Trap),
    /// The thread is being captured: the run's frames were added to [`ExecEnv::captured`], innermost first.
    Captured,
}

/// How a continuation ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// The function returned.
    Returned,
    /// It left the loop, and goes on at the instruction at this offset.
    Left(u32),
}

/// Compiled code, as the interpreter asks for it.
pub trait Tier: Send + Sync + std::fmt::Debug {
    /// Calls a function's compiled code with its arguments in `slots`, which its results replace. `None` if it has none.
    ///
    /// # Safety
    /// `func` must be a guest function of `env`'s store, and the slots must have room for arguments and results.
    unsafe fn enter(&self, env: &mut ExecEnv, func: &Func, slots: *mut u64) -> Option<Result<(), Ended>>;

    /// Changes whenever there is more code of the instance's functions.
    fn generation(&self, instance: &Instance) -> u32;

    /// Whether there is code of a function of the instance.
    fn is_compiled(&self, instance: &Instance, func: &Func) -> bool;

    /// Whether there is code to go on with at a loop header.
    fn has_continuation(&self, instance: &Instance, at: Loop) -> bool;

    /// There should be code of a function, or for the loop header at an offset: see
    /// [`wanted`](wayfarer_runtime::NativeCode::wanted).
    fn wanted(&self, instance: &Instance, func: u32, offset: Option<u32>, count: u32);

    /// Goes on with a frame that stands at a loop header, and puts into `slots`, which is the interpreter's of the same
    /// frame, either the function's results or what the loop changed. `None` if that cannot be done.
    ///
    /// # Safety
    /// As for [`Tier::enter`], for a frame's slots.
    unsafe fn go_on(
        &self,
        env: &mut ExecEnv,
        frame: &mut RawFrame,
        slots: *mut u64,
    ) -> Option<Result<Done, Ended>>;
}

/// Interprets a function, with its arguments in `slots`, which its results replace.
///
/// # Errors
/// [`Ended`].
///
/// # Safety
/// As for [`Tier::enter`].
pub unsafe fn call(
    env: &mut ExecEnv,
    tier: &'static dyn Tier,
    func: &Func,
    slots: *mut u64,
) -> Result<(), Ended> {
    native_stack::check(env.stack_boundary.get()).map_err(Ended::Trap)?;
    let (params, results) = (func.param_slots as usize, func.result_slots as usize);
    let mut ctx = context(env);
    ctx.state.ctx = &raw mut ctx;
    (ctx.tier, ctx.request) = (Some(tier), &raw const ALWAYS);
    // SAFETY: the caller vouches for function and slots; the context is fresh.
    unsafe {
        let args = std::slice::from_raw_parts(slots, params);
        let exit = enter(&mut ctx, func, args, results).map_err(|code| Ended::Trap(code.into()))?;
        let values = ended(&mut ctx, exit, results)?;
        std::ptr::copy_nonoverlapping(values.as_ptr(), slots, results);
    }
    Ok(())
}

/// Continues captured frames, innermost first, and returns the results of the outermost.
///
/// # Errors
/// [`ResumeError::Invalid`] before anything ran; otherwise how it ended.
///
/// # Safety
/// The frames must have been captured in `env`'s store, or come from [`check`].
pub unsafe fn go_on(
    env: &mut ExecEnv,
    tier: &'static dyn Tier,
    frames: &[RawFrame],
) -> Result<Result<Vec<u64>, Ended>, ResumeError> {
    resume::make_room(env, frames.iter());
    let mut ctx = context(env);
    ctx.state.ctx = &raw mut ctx;
    (ctx.tier, ctx.request) = (Some(tier), &raw const ALWAYS);
    // SAFETY: passed on; the context is fresh.
    unsafe {
        let (exit, results) = resume::run(&mut ctx, frames.iter().rev())?;
        Ok(ended(&mut ctx, exit, results).map(<[u64]>::to_vec))
    }
}

unsafe fn ended(ctx: &mut crate::exec::ctx::Ctx, exit: Exit, results: usize) -> Result<&[u64], Ended> {
    match exit {
        Exit::Captured => Err(Ended::Captured),
        // SAFETY: passed on.
        exit => unsafe { finish(ctx, exit, results) }.map_err(Ended::Trap),
    }
}
