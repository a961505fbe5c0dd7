//! x86_64, after the System V ABI's AMD64 supplement, section 4.4.

use super::patch::{either, signed, unsigned};
use super::{Fixup, Patch, Use};
use crate::Fault;
use object::elf::{self, RelocationType};

/// `jmp *10(%rip)`, `ud2`, padding.
pub(super) const STUB: [u8; 16] =
    [0xff, 0x25, 0x0a, 0, 0, 0, 0x0f, 0x0b, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc];

pub(super) fn classify(kind: RelocationType) -> Option<Use> {
    Some(match kind {
        elf::R_X86_64_NONE => Use::Nothing,
        elf::R_X86_64_64
        | elf::R_X86_64_32
        | elf::R_X86_64_32S
        | elf::R_X86_64_16
        | elf::R_X86_64_8
        | elf::R_X86_64_PC64 => Use::Wide,
        elf::R_X86_64_PC32 | elf::R_X86_64_PC16 | elf::R_X86_64_PC8 => Use::Near,
        elf::R_X86_64_PLT32 => Use::Branch,
        elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX => Use::Got,
        _ => return None,
    })
}

pub(super) fn apply(fixup: &Fixup, patch: &mut Patch<'_>) -> Result<(), Fault> {
    let distance = patch.distance(fixup);
    let at = fixup.offset;
    match fixup.kind {
        elf::R_X86_64_64 => patch.set(at, fixup.value.to_le_bytes()),
        elf::R_X86_64_PC64 => patch.set(at, distance.to_le_bytes()),
        elf::R_X86_64_PC32
        | elf::R_X86_64_PLT32
        | elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX => patch.set(at, (signed(distance, 32)? as i32).to_le_bytes()),
        elf::R_X86_64_PC16 => patch.set(at, (signed(distance, 16)? as i16).to_le_bytes()),
        elf::R_X86_64_PC8 => patch.set(at, (signed(distance, 8)? as i8).to_le_bytes()),
        elf::R_X86_64_32 => patch.set(at, (unsigned(fixup.value, 32)? as u32).to_le_bytes()),
        elf::R_X86_64_32S => patch.set(at, (signed(fixup.value.cast_signed(), 32)? as i32).to_le_bytes()),
        elf::R_X86_64_16 => patch.set(at, (either(fixup.value.cast_signed(), 16)? as u16).to_le_bytes()),
        elf::R_X86_64_8 => patch.set(at, (either(fixup.value.cast_signed(), 8)? as u8).to_le_bytes()),
        _ => Err(Fault::Unsupported),
    }
}
