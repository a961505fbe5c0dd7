//! What this crate wants to know from the program that it is part of.

use std::sync::Arc;

use wayfarer_runtime::{TraceFrame, Trap, TrapCode};

use crate::instance::HostParts;
use crate::record::Outcome;

/// The program that makes instances and calls them, as far as checkpoints are concerned.
pub trait Embedder: Send + Sync {
    /// A call of an instance ended in a trap, in these functions, innermost first. What follows may ask for its outcome.
    fn call_failed(&self, _instance: &HostParts, _trap: &Trap, _trace: Vec<TraceFrame>) {}

    /// How the host sees the end of a call that has just failed: a host that is started again is shown the same.
    fn outcome(&self, _instance: &HostParts, trap: &Trap) -> Outcome {
        let exit_code = if let Trap::Exit(status) = trap { *status } else { 0 };
        let terminated = *trap == Trap::Code(TrapCode::Terminated);
        Outcome::Failed { exception: trap.to_string(), exit_code, terminated }
    }

    /// Native modules that save state of their own.
    fn native_modules(&self) -> Vec<Arc<dyn NativeModule>> {
        Vec::new()
    }
}

/// An embedder that has no more to say.
#[derive(Debug)]
pub struct Plain;

impl Embedder for Plain {}

/// A native module of the host's: it saves its state with an image, and takes it back when an instance is made from one.
pub trait NativeModule: Send + Sync {
    /// Its name: the state is found again by it.
    fn name(&self) -> &str;

    /// Version of what it saves.
    fn version(&self) -> u32;

    /// Its state for this instance; `None` if that cannot be saved.
    fn save(&self, instance: &HostParts) -> Option<Vec<u8>>;

    /// Takes it back; false if it cannot be used.
    fn restore(&self, instance: &HostParts, state: &[u8]) -> bool;
}
