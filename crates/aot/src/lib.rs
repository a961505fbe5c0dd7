//! The `.aot` container: what a compiled module is on disk and in memory.
//!
//! An [`Artifact`] holds the original WebAssembly module, the relocatable object files that the compiler made from it,
//! and what the two were made for: the target, the options, the version of the interface between compiled code and the
//! runtime. `docs/aot-format.md` describes the bytes.
//!
//! - [`Artifact::to_bytes`], [`Artifact::parse`]: to bytes and back
//! - [`is_artifact`], [`is_upstream`]: which kind of file is this?
//! - [`Target::check_host`]: can this machine run it?
//!
//! Checksums find damage, not malice: whoever can write an artifact decides what runs. Reading one is safe in any case:
//! hostile input is an error, and costs no more memory than its own size.

#![forbid(unsafe_code)]

mod cpu;
mod error;
mod format;
mod read;
mod target;
mod write;

pub use error::{ArtifactError, Section};
pub use format::{MAGIC, VERSION, is_artifact, is_upstream};
pub use target::{Arch, Target, TargetMismatch};

use std::sync::Arc;

/// A compiled module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Artifact {
    /// Version of the interface between compiled code and runtime. A runtime runs code of its own version only.
    pub abi: u32,
    /// Who compiled it, for people: `wayfarer 0.1.0, LLVM 19.1.7`.
    pub compiler: String,
    /// The machines it runs on.
    pub target: Target,
    /// What the compiler was asked for.
    pub options: Options,
    /// The original WebAssembly module, whole: the program's identity, what an interpreter runs, what can be compiled
    /// again.
    pub module: Arc<[u8]>,
    /// The machine code.
    pub objects: Vec<Object>,
}

/// A relocatable ELF file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// What it is for.
    pub kind: ObjectKind,
    /// The file.
    pub bytes: Arc<[u8]>,
}

/// What an object file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ObjectKind {
    /// The module's functions, and the entries through which the runtime calls them.
    Code,
    /// Continuations: where restored frames get back into compiled code. Only needed then.
    Continuations,
}

/// What the compiler was asked for, as far as the runtime or a person may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// The code can be stopped and captured.
    pub checkpoints: bool,
    /// How accesses outside linear memory are found.
    pub bounds: Bounds,
    /// There is a poll at every stable point, so that counting them gives the interpreter's counts.
    pub precise_stable_points: bool,
    /// Optimization level, 0 to 3.
    pub opt_level: u8,
    /// Size level, 0 to 3.
    pub size_level: u8,
    /// The code is for deterministic mode: NaNs whose bits the specification leaves open are the canonical one.
    pub deterministic: bool,
}

/// How accesses outside linear memory are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bounds {
    /// Pages without access lie behind the memory: the code relies on faults.
    Guard,
    /// The code compares.
    Explicit,
}
