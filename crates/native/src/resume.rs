//! Frames that were captured go on: all of them in the interpreter, from where they hop back (`hop`).

use crate::hop::COMPILED;
use wayfarer_interp::mixed::{self, Ended};
use wayfarer_runtime::{AfterCheckpoint, ExecEnv, Trap, TrapCode, requests};

/// The outermost run ended: a thread that was captured is handed over, and goes on as often as it shall.
pub(crate) fn after(env: &mut ExecEnv, mut ended: Ended) -> Result<Vec<u64>, Trap> {
    loop {
        match ended {
            Ended::Trap(trap) => return Err(trap),
            Ended::Captured => {}
        }
        let frames = std::mem::take(&mut env.captured);
        let only_left = std::mem::take(&mut env.goes_on);
        if !only_left {
            let thread = mixed::view(env, env.store(), &frames);
            if requests::hand_over(env, thread) == AfterCheckpoint::Stop {
                return Err(Trap::Stopped);
            }
        }
        // SAFETY: just captured, in this store.
        match unsafe { mixed::go_on(env, &COMPILED, &frames) } {
            Ok(Ok(results)) => return Ok(results),
            Ok(Err(again)) => ended = again,
            // Interpreted frames may need more room than the compiled ones did.
            Err(_) => return Err(TrapCode::StackOverflow.into()),
        }
    }
}
