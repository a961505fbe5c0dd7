//! What this crate wants to know from the program that it is part of.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use wayfarer_runtime::{ExecEnv, TraceFrame, Trap, TrapCode};

use crate::guest_threads::{PlainContext, ThreadContext};
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

    /// What a thread that the guest has started is to run in: `parts` are its own, beside those of `root`.
    ///
    /// # Errors
    /// What cannot be made, in words.
    fn thread(&self, root: &HostParts, parts: Box<HostParts>) -> Result<Box<dyn ThreadContext>, String> {
        let env = ExecEnv::new(root.store().clone(), 0).map_err(|error| error.to_string())?;
        Ok(Box::new(PlainContext { parts, env: RefCell::new(env) }))
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

/// Those that a host has, by name.
#[derive(Default)]
pub struct NativeModules(Mutex<Vec<Arc<dyn NativeModule>>>);

impl NativeModules {
    /// None.
    pub const fn new() -> NativeModules {
        NativeModules(Mutex::new(Vec::new()))
    }

    /// Adds one, or replaces the one of the same name.
    pub fn register(&self, module: Arc<dyn NativeModule>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.name() != module.name());
        all.push(module);
    }

    /// Removes the one of this name; false if there is none.
    pub fn unregister(&self, name: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.len();
        all.retain(|known| known.name() != name);
        all.len() < before
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<dyn NativeModule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str, u32);

    impl NativeModule for Named {
        fn name(&self) -> &str {
            self.0
        }
        fn version(&self) -> u32 {
            self.1
        }
        fn save(&self, _: &HostParts) -> Option<Vec<u8>> {
            None
        }
        fn restore(&self, _: &HostParts, _: &[u8]) -> bool {
            false
        }
    }

    #[test]
    fn a_native_module_replaces_the_one_of_its_name() {
        let modules = NativeModules::new();
        let versions =
            || modules.all().iter().map(|m| (m.name().to_owned(), m.version())).collect::<Vec<_>>();
        for module in [Named("a", 1), Named("b", 1), Named("a", 2)] {
            modules.register(Arc::new(module));
        }
        assert_eq!(versions(), [("b".to_owned(), 1), ("a".to_owned(), 2)]);
        assert!(modules.unregister("b") && !modules.unregister("b"));
        assert_eq!(versions(), [("a".to_owned(), 2)]);
    }
}
