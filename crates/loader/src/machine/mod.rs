//! The machines whose objects can be loaded: what their relocations mean, and how they jump far.

mod aarch64;
mod patch;
mod riscv64;
mod s390x;
mod x86_64;

pub(crate) use patch::{Fixup, Patch};

use crate::Fault;
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

/// What a relocation needs of its symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// Nothing: the symbol does not matter.
    Nothing,
    /// Its address, however far away.
    Wide,
    /// Its address, or that of a jump to it, near by.
    Near,
    /// As `Near`, and it is only jumped to: a jump to it may stand in for it even if it is one of an object.
    Branch,
    /// The address of a word that holds its address.
    Got,
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

    /// The name of a relocation, or its number.
    pub(crate) fn relocation_name(self, kind: elf::RelocationType) -> String {
        let name = elf::machine_names(self.elf()).r.name(kind);
        name.map_or_else(|| format!("relocation {}", kind.0), str::to_owned)
    }

    /// What a relocation needs; `None` if it is not supported.
    pub(crate) fn classify(self, kind: elf::RelocationType) -> Option<Use> {
        match self {
            Machine::X86_64 => x86_64::classify(kind),
            Machine::Aarch64 => aarch64::classify(kind),
            Machine::Riscv64 => riscv64::classify(kind),
            Machine::S390x => s390x::classify(kind),
        }
    }

    /// Applies a section's relocations. An error comes with the index of the relocation.
    pub(crate) fn apply(self, fixups: &[Fixup], patch: &mut Patch<'_>) -> Result<(), (usize, Fault)> {
        let each: fn(&Fixup, &mut Patch<'_>) -> Result<(), Fault> = match self {
            Machine::X86_64 => x86_64::apply,
            Machine::Aarch64 => aarch64::apply,
            Machine::S390x => s390x::apply,
            // Its relocations depend on each other.
            Machine::Riscv64 => return riscv64::apply(fixups, patch),
        };
        fixups.iter().enumerate().try_for_each(|(i, fixup)| each(fixup, patch).map_err(|fault| (i, fault)))
    }

    /// Code that jumps to `target`, wherever that is, changing no register but those that calls may change anyway.
    pub(crate) fn stub(self, target: u64) -> [u8; STUB] {
        let mut stub = [0; STUB];
        let (code, target): (&[u8], _) = match self {
            Machine::X86_64 => (&x86_64::STUB, target.to_le_bytes()),
            Machine::Aarch64 => (&aarch64::STUB, target.to_le_bytes()),
            Machine::Riscv64 => (&riscv64::STUB, target.to_le_bytes()),
            Machine::S390x => (&s390x::STUB, target.to_be_bytes()),
        };
        stub[..code.len()].copy_from_slice(code);
        stub[STUB - 8..].copy_from_slice(&target);
        stub
    }

    /// The difference between where a branch leads and its relocation's symbol plus addend.
    pub(crate) fn branch_bias(self) -> i64 {
        match self {
            // Distances count from the end of the 4-byte field,
            Machine::X86_64 => 4,
            Machine::Aarch64 | Machine::Riscv64 => 0,
            // here from the start of the instruction, 2 bytes before the field.
            Machine::S390x => -2,
        }
    }

    /// How far its branches lead.
    pub(crate) fn reach(self) -> Reach {
        match self {
            Machine::Aarch64 => Reach { group: 96 << 20, branch: 128 << 20 },
            // As far as an image is large.
            _ => Reach { group: u64::MAX, branch: u64::MAX },
        }
    }
}

/// Size of a stub in bytes. Its last eight are the target's address.
pub(crate) const STUB: usize = 24;

/// How far branches lead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// At most so many bytes of text are put together before stubs for them follow.
    pub(crate) group: u64,
    /// Branches over at least this distance in bytes go by a stub.
    pub(crate) branch: u64,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_objects::compile;

    #[test]
    fn relocations_have_names() {
        assert_eq!(Machine::X86_64.relocation_name(elf::R_X86_64_PC32), "R_X86_64_PC32");
        assert_eq!(Machine::S390x.relocation_name(elf::R_390_PC32DBL), "R_390_PC32DBL");
        assert_eq!(Machine::Aarch64.relocation_name(elf::RelocationType(5)), "relocation 5");
    }

    /// The bytes are those the assembler makes of the instructions they are said to be.
    #[test]
    fn stubs_are_what_they_should_be() {
        for machine in Machine::ALL {
            let object = compile(machine, &format!("stub-{machine}.s"), &[]);
            let stub = machine.stub(0x1234_5678_9abc_def0);
            assert!(object.windows(STUB).any(|w| w == stub), "{machine}: {stub:02x?}");
        }
    }
}
