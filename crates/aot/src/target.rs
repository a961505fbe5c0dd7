//! Which machines an artifact runs on.

use crate::cpu;
use std::fmt;

/// An architecture. All have 64-bit pointers; [`Arch::S390x`] is big-endian, the others little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Arch {
    /// AMD64, Intel 64.
    X86_64,
    /// Arm, 64 bits.
    Aarch64,
    /// RISC-V, 64 bits.
    Riscv64,
    /// IBM Z.
    S390x,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 4] = [Arch::X86_64, Arch::Aarch64, Arch::Riscv64, Arch::S390x];

    /// The architecture this program runs on; `None` if there is no compiler for it.
    pub fn host() -> Option<Arch> {
        Arch::from_name(std::env::consts::ARCH)
    }

    /// The name Rust and LLVM triples have for it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// The architecture with this [`name`](Arch::name).
    pub fn from_name(name: &str) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| arch.name() == name)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The machines an artifact runs on. Strings are LLVM's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The architecture.
    pub arch: Arch,
    /// Target triple: `x86_64-unknown-linux-gnu`.
    pub triple: String,
    /// The processor the code was tuned for; may be empty.
    pub cpu: String,
    /// Features beyond the processor's, for people: `+avx2,-avx512f`; may be empty.
    pub features: String,
    /// Processor features that must be present at run time, LLVM's names without a sign.
    pub required: Vec<String>,
}

impl Target {
    /// Whether this machine can run the code: its architecture and each required feature.
    pub fn check_host(&self) -> Result<(), TargetMismatch> {
        if Arch::host() != Some(self.arch) {
            return Err(TargetMismatch::Arch { expected: std::env::consts::ARCH, found: self.arch });
        }
        for feature in &self.required {
            match cpu::has(feature) {
                Some(true) => {}
                Some(false) => return Err(TargetMismatch::Feature { name: feature.clone() }),
                None => return Err(TargetMismatch::UnknownFeature { name: feature.clone() }),
            }
        }
        Ok(())
    }
}

/// Why this machine cannot run an artifact's code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TargetMismatch {
    /// The code is for another architecture.
    Arch {
        /// The architecture this program runs on.
        expected: &'static str,
        /// The artifact's.
        found: Arch,
    },
    /// The processor lacks a feature.
    Feature {
        /// LLVM's name of it.
        name: String,
    },
    /// Nobody here can tell whether the processor has a feature.
    UnknownFeature {
        /// LLVM's name of it.
        name: String,
    },
}

impl fmt::Display for TargetMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // WAMR's text.
            TargetMismatch::Arch { expected, found } => {
                write!(f, "invalid target type, expected {expected} but got {found}")
            }
            TargetMismatch::Feature { name } => {
                write!(f, "the code needs the processor feature {name}, which this machine does not have")
            }
            TargetMismatch::UnknownFeature { name } => {
                write!(f, "the code needs the processor feature {name}, which this runtime does not know")
            }
        }
    }
}

impl std::error::Error for TargetMismatch {}
