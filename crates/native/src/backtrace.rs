//! The compiled functions that a trap ends: those on the stack between here and where the run was entered.

use crate::capture::{CFA_BIAS, Context};
use crate::enter::Level;
use std::ffi::{c_int, c_void};
use wayfarer_runtime::{Instance, TraceFrame, Trap};

type Step = unsafe extern "C" fn(*mut Context, *mut c_void) -> c_int;

#[link(name = "gcc_s")]
unsafe extern "C" {
    fn _Unwind_Backtrace(step: Step, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut Context) -> usize;
    fn _Unwind_GetCFA(context: *mut Context) -> usize;
}

const GO_ON: c_int = 0;
/// `_URC_NORMAL_STOP` of the Itanium ABI: any code but `GO_ON` ends the walk.
const ENOUGH: c_int = 4;

/// Frames of the runtime or of a signal between here and compiled code; there are a handful.
const MOST_ABOVE: u32 = 64;

struct Walk {
    level: *mut Level,
    instance: *const Instance,
    /// A compiled frame was seen.
    inside: bool,
    above: u32,
}

/// Adds the run's compiled functions to its environment's trace. May be called on a signal's stack, if the signal came from
/// compiled code: that holds no locks.
///
/// # Safety
/// The level must be the innermost run's, and its trap known.
pub(crate) unsafe fn collect(level: *mut Level) {
    // SAFETY: the level is on the stack below, and its context's instance outlives the run.
    unsafe {
        if matches!((*level).trap, Some(Trap::Exit(_) | Trap::Stopped)) {
            return;
        }
        let instance = (*(*level).vmctx).instance;
        let mut walk = Walk { level, instance, inside: false, above: 0 };
        _Unwind_Backtrace(step, (&raw mut walk).cast());
    }
}

/// Called for each frame, innermost first.
unsafe extern "C" fn step(context: *mut Context, walk: *mut c_void) -> c_int {
    // SAFETY: `collect` passed it on; nothing else uses it meanwhile.
    unsafe {
        let walk = &mut *walk.cast::<Walk>();
        if walk.inside && _Unwind_GetCFA(context) >= (*walk.level).stack + CFA_BIAS {
            return ENOUGH;
        }
        // An address to return to is behind the call, and may be behind the function.
        let address = _Unwind_GetIP(context).wrapping_sub(1);
        let native = (*walk.instance).loaded().native.as_ref();
        let Some(func) = native.and_then(|native| native.function_at(address)) else {
            walk.above += 1;
            return if walk.above < MOST_ABOVE { GO_ON } else { ENOUGH };
        };
        walk.inside = true;
        let frame = TraceFrame { loaded: (*walk.instance).loaded().clone(), func, offset: 0 };
        if (*(*walk.level).env).traced(frame) { GO_ON } else { ENOUGH }
    }
}
