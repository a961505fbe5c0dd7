//! What guests run on here.

use super::compiled::{self, Code};
use std::fmt;
use std::sync::Arc;
use wayfarer_interp::Interpreter;
use wayfarer_module::Module;
use wayfarer_runtime::{LoadedModule, Runtime};

/// A way to run a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    Interp,
    /// Compiled code.
    Compiled(Code),
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Interp => f.write_str("interpreter"),
            Engine::Compiled(code) => write!(f, "{code:?}"),
        }
    }
}

impl Engine {
    /// One of each kind.
    pub(crate) const ALL: &[Engine] =
        &[Engine::Interp, Engine::Compiled(Code::Precise), Engine::Compiled(Code::Default)];

    /// From each of these to each.
    pub(crate) fn pairs() -> impl Iterator<Item = [Engine; 2]> {
        Engine::ALL.iter().flat_map(|&from| Engine::ALL.iter().map(move |&to| [from, to]))
    }

    /// Whether it has the stable points that the interpreter has, each of them, in the same order.
    pub(crate) fn counts(self) -> bool {
        match self {
            Engine::Interp => true,
            Engine::Compiled(code) => code == Code::Precise,
        }
    }

    pub(crate) fn runtime(self) -> Arc<Runtime> {
        match self {
            Engine::Interp => Runtime::new(Arc::new(Interpreter)),
            Engine::Compiled(_) => Runtime::new(Arc::new(wayfarer_native::NativeEngine)),
        }
    }

    pub(crate) fn load(self, runtime: &Runtime, module: &Arc<Module>) -> Arc<LoadedModule> {
        match self {
            Engine::Interp => runtime.load(module.clone()),
            #[cfg(target_arch = "x86_64")]
            Engine::Compiled(Code::Parts) => {
                runtime.load_compiled(module.clone(), Some(super::parts::of(module)))
            }
            Engine::Compiled(code) => runtime.load_compiled(module.clone(), Some(compiled::of(module, code))),
        }
    }
}
