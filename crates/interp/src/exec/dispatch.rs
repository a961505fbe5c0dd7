//! How one instruction hands over to the next.
//!
//! An instruction in code is the address of its handler followed by operands. A handler receives the machine state in
//! registers and ends by calling the next instruction's handler in tail position. Where the optimizer is known to turn
//! that into a jump (`tail_dispatch`, see build.rs), the state never leaves the registers and every instruction has its
//! own indirect jump, which branch predictors like. Elsewhere, and in unoptimized builds, a handler stores the state in
//! the context and returns to a loop. So it does with debug assertions, optimized or not: the standard library's checks of
//! copies and the like keep some calls from becoming jumps, and the stack would grow with each.

use super::ctx::Ctx;
use crate::ir::Instruction;

/// Address of a handler.
pub(crate) type Handler =
    unsafe extern "C" fn(*const u64, *mut u64, *mut u8, usize, *mut Ctx, u64, f32, f64) -> Exit;

/// Why the interpreter came back from a run of instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Run the next instruction, from the state in the context.
    Next,
    /// The outermost frame of this run returned.
    Done,
    /// `Ctx::trap` says why.
    Trap,
    /// The thread is being captured: the frames are in the environment.
    Captured,
}

/// The machine state while guest code runs.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// The instruction being executed.
    pub(crate) ip: *const u64,
    /// Slot 0 of the current frame.
    pub(crate) fp: *mut u64,
    /// Base of memory 0 of the current instance.
    pub(crate) mem: *mut u8,
    /// Its size in bytes.
    pub(crate) len: usize,
    /// Everything else.
    pub(crate) ctx: *mut Ctx,
    /// Accumulators. An instruction with a result leaves it in its result slot *and* in the accumulator of its kind, so
    /// an instruction that uses it next need not wait for the store. The translator knows what they hold.
    pub(crate) acc: u64,
    /// For f32.
    pub(crate) f4: f32,
    /// For f64.
    pub(crate) f8: f64,
}

/// Goes on at `s.ip`.
///
/// # Safety
/// `s` must describe a running frame and `s.ip` an instruction of its function.
#[inline(always)]
pub(crate) unsafe fn next(s: State) -> Exit {
    #[cfg(all(tail_dispatch, not(debug_assertions)))]
    {
        // SAFETY: an instruction starts with the address of its handler.
        unsafe {
            let handler: Handler = *s.ip.cast();
            handler(s.ip, s.fp, s.mem, s.len, s.ctx, s.acc, s.f4, s.f8)
        }
    }
    #[cfg(not(all(tail_dispatch, not(debug_assertions))))]
    {
        // SAFETY: the context outlives the run.
        unsafe { (*s.ctx).state = s };
        Exit::Next
    }
}

/// Runs from `s` until something ends the run.
///
/// # Safety
/// As for [`next`].
pub(crate) unsafe fn run(s: State) -> Exit {
    #[cfg(all(tail_dispatch, not(debug_assertions)))]
    {
        // SAFETY: passed on.
        unsafe { next(s) }
    }
    #[cfg(not(all(tail_dispatch, not(debug_assertions))))]
    {
        let mut s = s;
        loop {
            // SAFETY: passed on; each handler leaves a state that is as good.
            unsafe {
                let handler: Handler = *s.ip.cast();
                match handler(s.ip, s.fp, s.mem, s.len, s.ctx, s.acc, s.f4, s.f8) {
                    Exit::Next => {}
                    exit => return exit,
                }
                s = (*s.ctx).state;
            }
        }
    }
}

/// Goes on behind the instruction at `s.ip`, which is of this form.
///
/// # Safety
/// As for [`next`].
#[inline(always)]
pub(crate) unsafe fn past<I: Instruction>(mut s: State, _instruction: &I) -> Exit {
    // SAFETY: passed on; where control goes on behind an instruction, there is another (`ir::verify`).
    unsafe {
        s.ip = s.ip.add(I::WORDS);
        next(s)
    }
}

/// Defines a module's handlers: `name<types; flags> |state, operands: form| body`. Flags are `bool` constants. One without
/// operands is not the handler of an instruction in translated code.
///
/// Beside them it defines the list of their names, and in a module `op` what the translator encodes instructions with.
macro_rules! handlers {
    ($($(#[$meta:meta])* $name:ident $(<$($g:ident: $bound:path),* $(; $($flag:ident),*)?>)?
        |$s:ident $(, $i:ident: $form:ty)?| $body:block)*) => {
        /// Names of this module's handlers.
        pub(crate) const HANDLERS: &[&str] = &[$(stringify!($name)),*];

        $(
            $(#[$meta])*
            #[allow(clippy::too_many_arguments)]
            pub(crate) unsafe extern "C" fn $name<$($($g: $bound,)* $($(const $flag: bool),*)?)?>(
                ip: *const u64,
                fp: *mut u64,
                mem: *mut u8,
                len: usize,
                ctx: *mut $crate::exec::ctx::Ctx,
                acc: u64,
                f4: f32,
                f8: f64,
            ) -> $crate::exec::dispatch::Exit {
                #[allow(unused_mut)] // not every handler changes the state
                let mut $s = $crate::exec::dispatch::State { ip, fp, mem, len, ctx, acc, f4, f8 };
                #[allow(unused_unsafe)] // not every handler needs it
                // SAFETY: the translator encodes a handler only with the operands that it reads (`ir::Op`), for slots of the
                // frame; `run`'s caller vouches for the rest of the state.
                unsafe {
                    $(let $i = $s.operands::<$form>();)?
                    $body
                }
            }
        )*

        /// The instructions of this module's handlers.
        pub(crate) mod op {
            #[allow(unused_imports)]
            use super::*;
            $($crate::exec::dispatch::op! {
                $name
                [$($($g: $bound,)* $($(const $flag: bool,)*)?)?]
                [$($($g,)* $($($flag,)*)?)?]
                [$($($g)*)?]
                [$($($($flag)*)?)?]
                [$($form)?]
            })*
        }
    };
}
pub(crate) use handlers;

/// Defines the function that gives the instruction of a handler: see [`handlers`].
macro_rules! op {
    ($name:ident $parameters:tt $arguments:tt $types:tt $flags:tt []) => {};
    ($name:ident [$($parameters:tt)*] [$($arguments:tt)*] [$($ty:ident)*] [$($flag:ident)*] [$form:ty]) => {
        pub(crate) const fn $name<$($parameters)*>() -> $crate::ir::Op<$form> {
            $crate::ir::Op::new(
                super::$name::<$($arguments)*>,
                &const {
                    $crate::ir::Info::new::<$form>(
                        &[$($crate::ir::Argument::of::<$ty>()),*],
                        &[$((stringify!($flag), $flag)),*],
                    )
                },
            )
        }
    };
}
pub(crate) use op;
