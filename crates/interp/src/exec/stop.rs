//! The slow path of a poll: a request is served, or the frame hops into compiled code (`hop`).

use super::ctx::Ctx;
use super::dispatch::Exit;
use super::hop;
use crate::capture;
use std::sync::atomic::Ordering;
use wayfarer_module::PointKind;
use wayfarer_runtime::{AfterCheckpoint, Trap, requests};

/// Serves a request at a stable point of the innermost frame: the state's instruction is a loop header, a function's
/// entry or a call. Goes on there unless the request ends the run.
#[cold]
#[inline(never)]
pub(crate) unsafe fn poll(ctx: *mut Ctx, mut kind: PointKind) -> Exit {
    loop {
        // SAFETY: passed on.
        match unsafe { serve(ctx, kind) } {
            Served::Exit(exit) => return exit,
            Served::AtLoop => kind = PointKind::Loop,
        }
    }
}

/// What came of a poll.
pub(super) enum Served {
    /// The run goes on so.
    Exit(Exit),
    /// In between the frame ran compiled, up to the header of another loop: a stable point.
    AtLoop,
}

unsafe fn serve(ctx: *mut Ctx, kind: PointKind) -> Served {
    // SAFETY: the context and its environment outlive the run; the state describes the innermost frame.
    unsafe {
        let s = (*ctx).state;
        if let Some(tier) = (*ctx).tier {
            // In a run among compiled code every poll comes here.
            if (*(*ctx).word).load(Ordering::Relaxed) == 0 {
                let served = match hop::is_ready(ctx, tier, kind) {
                    true => hop::hop(ctx, tier, kind),
                    false => None,
                };
                return served.unwrap_or(Served::Exit(Exit::Next));
            }
            // Compiled functions have polls of their own at their entries: one here as well would be counted twice.
            if kind == PointKind::Entry
                && let Some(served) = hop::hop(ctx, tier, kind)
            {
                return served;
            }
        }
        let env = &mut *(*s.ctx).env;
        Served::Exit(match (requests::serve(env), (*ctx).tier) {
            (requests::Served::GoOn, Some(tier)) if kind != PointKind::Entry => {
                return hop::hop(ctx, tier, kind).unwrap_or(Served::Exit(Exit::Next));
            }
            (requests::Served::GoOn, _) => Exit::Next,
            (requests::Served::End(trap), _) => s.end(trap),
            (requests::Served::Capture, Some(_)) => {
                // There may be compiled frames below: whoever runs the outermost takes the checkpoint.
                capture::frames(&s, kind, &mut env.captured);
                Exit::Captured
            }
            (requests::Served::Capture, None) => {
                let mut frames = Vec::new();
                capture::frames(&s, kind, &mut frames);
                let view = capture::view(env, env.store(), &frames);
                env.watched.capture_ended();
                match requests::hand_over(env, view) {
                    AfterCheckpoint::Continue => Exit::Next,
                    AfterCheckpoint::Stop => s.end(Trap::Stopped),
                }
            }
        })
    }
}
