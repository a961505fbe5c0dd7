//! The machines whose objects can be loaded.

use object::elf;
use std::fmt;

/// A machine whose objects can be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Machine {
    /// AMD64, Intel 64.
    X86_64,
    /// Arm, 64 bits.
    Aarch64,
    /// RISC-V, 64 bits.
    Riscv64,
    /// IBM Z; the only one that is big-endian.
    S390x,
}

impl Machine {
    /// All of them.
    pub const ALL: [Machine; 4] = [Machine::X86_64, Machine::Aarch64, Machine::Riscv64, Machine::S390x];

    /// The machine this program runs on.
    pub fn host() -> Option<Machine> {
        Machine::ALL.into_iter().find(|m| m.name() == std::env::consts::ARCH)
    }

    /// Rust's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64",
            Machine::Aarch64 => "aarch64",
            Machine::Riscv64 => "riscv64",
            Machine::S390x => "s390x",
        }
    }

    /// ELF's number for it.
    pub(crate) fn elf(self) -> elf::Machine {
        match self {
            Machine::X86_64 => elf::EM_X86_64,
            Machine::Aarch64 => elf::EM_AARCH64,
            Machine::Riscv64 => elf::EM_RISCV,
            Machine::S390x => elf::EM_S390,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
