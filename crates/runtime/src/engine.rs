//! What the runtime and an engine ask of each other.

use crate::code_address::PreparedFunc;
use crate::exec::ExecEnv;
use crate::func::Func;
use crate::store::Store;
use crate::trap::Trap;
use crate::types::TypeId;
use std::fmt;
use std::sync::Arc;
use wayfarer_module::{FuncIdx, Module};
use wayfarer_snapshot::view::Thread;

/// A way to run guest code.
pub trait Engine: Send + Sync + fmt::Debug {
    /// Prepares a module. May compile now or, function by function, when first called.
    fn prepare(&self, module: &Arc<Module>, types: &[TypeId]) -> Box<dyn ModuleCode>;

    /// Calls a function of the store, guest or host. Its arguments are the first of `slots`, one slot (v128: two) a
    /// parameter; results replace them the same way. If it fails, what is in `slots` means nothing.
    ///
    /// # Safety
    /// `func` must point to a function of `env`'s store, and `slots` must have [`Func::slots`], with arguments of its type.
    ///
    /// # Errors
    /// Whatever ended the call; the environment can be used again.
    unsafe fn call_in_place(
        &self,
        env: &mut ExecEnv,
        func: *const Func,
        slots: &mut [u64],
    ) -> Result<(), Trap>;

    /// The same with arguments and results apart.
    ///
    /// # Safety
    /// `func` must point to a function of `env`'s store, and `args` must match its type.
    ///
    /// # Errors
    /// As [`Engine::call_in_place`].
    unsafe fn call(&self, env: &mut ExecEnv, func: *const Func, args: &[u64]) -> Result<Vec<u64>, Trap> {
        // SAFETY: the caller passes a function of the environment's store.
        let callee = unsafe { &*func };
        let mut slots = args.to_vec();
        slots.resize(callee.slots(), 0);
        // SAFETY: passed on.
        unsafe { self.call_in_place(env, func, &mut slots) }?;
        slots.truncate(callee.result_slots as usize);
        Ok(slots)
    }

    /// Continues a captured thread and returns the results of its outermost frame.
    ///
    /// # Errors
    /// [`ResumeError::Invalid`] before anything ran if a frame does not fit the module; otherwise whatever ended the
    /// call.
    fn resume(&self, env: &mut ExecEnv, thread: &Thread) -> Result<Vec<u64>, ResumeError>;
}

/// A module as an engine prepared it.
pub trait ModuleCode: Send + Sync + fmt::Debug {
    /// The code of a function that the module defines: what goes into [`Func::code`].
    fn code(&self, func: FuncIdx) -> PreparedFunc;

    /// Function `func` is watched from now on (see [`crate::watch`]), by one more or by one fewer. It never is by fewer than none.
    fn watch(&self, func: FuncIdx, more: bool);
}

/// Why a captured thread could not be continued, or how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResumeError {
    /// Frame `frame` (0 is outermost) does not fit.
    Invalid {
        /// Which frame.
        frame: usize,
        /// What does not fit.
        reason: String,
    },
    /// It ran, and ended in a trap.
    Trap(Trap),
}

impl ResumeError {
    /// How it ended, if it ran.
    pub fn trap(&self) -> Option<&Trap> {
        match self {
            ResumeError::Trap(trap) => Some(trap),
            ResumeError::Invalid { .. } => None,
        }
    }
}

impl From<ResumeError> for Trap {
    /// How the thread that was to go on ends.
    fn from(error: ResumeError) -> Trap {
        match error {
            ResumeError::Trap(trap) => trap,
            error @ ResumeError::Invalid { .. } => Trap::host(error.to_string()),
        }
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResumeError::Invalid { frame, reason } => write!(f, "frame {frame} cannot be restored: {reason}"),
            ResumeError::Trap(trap) => trap.fmt(f),
        }
    }
}

impl std::error::Error for ResumeError {}

/// Why a stopped thread could not be captured. The program goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CaptureError {
    /// A host function that called back into the guest is on the stack.
    HostOnStack {
        /// Import module and name.
        name: (String, String),
    },
    /// A reference to a function that no instance can name.
    ForeignFunction {
        /// Function in whose frame, or table or global in which it is.
        place: String,
    },
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::HostOnStack { name } => {
                write!(
                    f,
                    "host function {}.{} called back into the guest and is still on the stack",
                    name.0, name.1
                )
            }
            CaptureError::ForeignFunction { place } => {
                write!(f, "{place} holds a reference to a host function that no module imports")
            }
        }
    }
}

impl std::error::Error for CaptureError {}

/// What happens after a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterCheckpoint {
    /// The program goes on.
    Continue,
    /// The program ends with [`Trap::Stopped`].
    Stop,
}

/// Takes checkpoints: implemented by the embedder, called on the guest's thread at a stable point.
pub trait Checkpointer: Send + Sync {
    /// All threads stand still. `thread` is the calling one's stack, or why there is none.
    fn checkpoint(&self, store: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint;

    /// No thread is in the guest: the host itself waits in a host function, which has not begun and is called again.
    fn checkpoint_between_calls(&self, store: &Store) -> AfterCheckpoint;
}
