//! What a thread of the guest does for a request, at a stable point: the one place where engines ask, whichever of them is
//! innermost.

use crate::control::PollAction;
use crate::engine::{AfterCheckpoint, CaptureError};
use crate::exec::ExecEnv;
use crate::func::Func;
use crate::trap::{Trap, TrapCode};
use wayfarer_snapshot::view::Thread;

/// What is to be done now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Served {
    /// Nothing: the thread goes on.
    GoOn,
    /// The run ends so.
    End(Trap),
    /// The thread's frames are captured, innermost first. Whoever has all of them hands them over ([`hand_over`]).
    Capture,
}

impl Served {
    fn after(checkpoint: AfterCheckpoint) -> Served {
        match checkpoint {
            AfterCheckpoint::Continue => Served::GoOn,
            AfterCheckpoint::Stop => Served::End(Trap::Stopped),
        }
    }

    /// A thread that ends gives up its place in a queue.
    fn taken_by(self, env: &ExecEnv) -> Served {
        if matches!(self, Served::End(_)) {
            env.thread().waiter().leave();
        }
        self
    }
}

/// Serves a request at a stable point of the innermost frame.
pub fn serve(env: &ExecEnv) -> Served {
    let store = env.store();
    match store.control().poll(env.thread()) {
        PollAction::Continue => Served::GoOn,
        PollAction::Terminate => Served::End(TrapCode::Terminated.into()),
        PollAction::Checkpoint => match refusal(env) {
            _ if store.checkpointer().is_none() => Served::GoOn,
            // Nothing can be captured: it is refused before anything is unwound.
            Some(refusal) => Served::after(hand_over(env, Err(refusal))),
            None => Served::Capture,
        },
    }
    .taken_by(env)
}

/// Serves a request that interrupted a host function which the host itself had called: no guest stands at a stable point, and
/// that call has not begun. So unless another host function called back there is nothing on the stack.
pub fn serve_between_calls(env: &ExecEnv) -> Served {
    let store = env.store();
    match store.control().poll(env.thread()) {
        PollAction::Continue => Served::GoOn,
        PollAction::Terminate => Served::End(TrapCode::Terminated.into()),
        PollAction::Checkpoint => match (store.checkpointer(), refusal(env)) {
            (None, _) => Served::GoOn,
            (Some(_), Some(refusal)) => Served::after(hand_over(env, Err(refusal))),
            (Some(checkpointer), None) => Served::after(checkpointer.checkpoint_between_calls(store)),
        },
    }
    .taken_by(env)
}

/// Hands a thread that was captured to who takes checkpoints, or says why it could not be.
pub fn hand_over(env: &ExecEnv, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
    let after = match env.store().checkpointer() {
        Some(checkpointer) => checkpointer.checkpoint(env.store(), thread),
        None => AfterCheckpoint::Continue,
    };
    if after == AfterCheckpoint::Stop {
        env.thread().waiter().leave();
    }
    after
}

/// Why the thread cannot be captured, if it cannot: a host function called back into the guest.
fn refusal(env: &ExecEnv) -> Option<CaptureError> {
    let func = *env.host_stack.last()?;
    // SAFETY: functions of a store outlive its runs.
    Some(CaptureError::HostOnStack { name: host_name(unsafe { &*func }) })
}

/// Import module and name of a function on [`ExecEnv::host_stack`].
fn host_name(func: &Func) -> (String, String) {
    match &func.host {
        Some(host) => (host.name.0.to_string(), host.name.1.to_string()),
        // Who watches a function is told of its calls on the same stack.
        None => ("watched".to_owned(), watched_name(func)),
    }
}

fn watched_name(func: &Func) -> String {
    // SAFETY: null, or an instance that outlives the function.
    let instance = unsafe { func.instance.as_ref() };
    let name = instance.and_then(|instance| instance.module().func_name(func.index));
    name.map_or_else(|| format!("function {}", func.index), str::to_owned)
}
