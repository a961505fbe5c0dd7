//! Compiles modules for the machine that a test runs on, and for others.
//!
//! On x86-64, the build machine's architecture, the compiler is linked. It needs LLVM's libraries, so elsewhere it is not:
//! there, tests are emulated, and start programs of the build machine like any others. `WAYFARER_TEST_WAMRC` names its
//! `wamrc`.
#![allow(dead_code, reason = "shared by several test programs, none of which uses all of it")]

#[cfg(target_arch = "x86_64")]
mod linked;
pub(crate) mod wamrc;

#[cfg(target_arch = "x86_64")]
use linked as nearest;
#[cfg(not(target_arch = "x86_64"))]
use wamrc as nearest;

use wayfarer_module::Module;

/// How a module is compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// 0 to 3, as clang's -O.
    pub(crate) opt_level: u8,
    /// WAMR's size level, 0 to 3.
    pub(crate) size_level: u8,
    /// For deterministic mode.
    pub(crate) deterministic: bool,
    /// Accesses to memory are compared with its size.
    pub(crate) compare_bounds: bool,
    /// A poll at every stable point.
    pub(crate) precise: bool,
    /// Continuations at loop headers.
    pub(crate) continuations: bool,
    /// Threads to compile with; `None` for one for each processor.
    pub(crate) threads: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            opt_level: 3,
            size_level: 3,
            deterministic: false,
            compare_bounds: false,
            precise: false,
            continuations: true,
            threads: None,
        }
    }
}

/// The objects that a module is compiled to, for this machine.
///
/// # Errors
/// What the compiler says.
pub(crate) fn objects(module: &Module, options: &Options) -> Result<Vec<Vec<u8>>, String> {
    nearest::objects(module, options)
}

/// The `.aot` file of a module, for this machine.
///
/// # Errors
/// What the compiler says.
pub(crate) fn aot(module: &Module, options: &Options) -> Result<Vec<u8>, String> {
    nearest::aot(module, options)
}

/// Parts of a module as if it had been compiled while it ran, and had not come further: about half of its functions and
/// loops, chosen by `seed`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn halves(module: &Module, seed: u64) -> Vec<wayfarer_native::Part> {
    linked::halves(module, seed)
}

/// The object of each part of a module.
///
/// # Errors
/// What the compiler says.
#[cfg(target_arch = "x86_64")]
pub(crate) fn parts(
    module: &Module,
    options: &Options,
    parts: &[wayfarer_native::Part],
) -> Result<Vec<Vec<u8>>, String> {
    linked::parts(module, options, parts)
}

/// Which compiler that is, for those that keep what comes of it; its sources they look at themselves.
pub(crate) fn compiler() -> String {
    nearest::compiler()
}
