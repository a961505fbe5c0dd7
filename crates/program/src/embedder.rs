//! What this crate wants to know from the program that it is part of.

use std::sync::Arc;

use crate::instance::HostParts;

/// The program that makes instances and calls them, as far as checkpoints are concerned.
pub trait Embedder: Send + Sync {
    /// Whether native functions that guests called have made references to objects of the host: one that is started
    /// again does not make them again, as it does not run the guest for calls that are done.
    fn has_made_references(&self) -> bool {
        false
    }

    /// Names of native functions that guests have called, whose own state is in no image; empty if there are none.
    fn natives_without_state(&self) -> String {
        String::new()
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
