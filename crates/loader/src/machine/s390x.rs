//! IBM Z, after "ELF Application Binary Interface: s390x Supplement", section 3.5. Everything is big-endian; distances in
//! instructions count halfwords.

use super::patch::{either, scaled, signed};
use super::{Fixup, Patch, Use};
use crate::Fault;
use object::elf::{self, RelocationType};

/// `lgrl %r1, 16 bytes on`, `br %r1`, padding: r1 is the register that linkers may change in calls.
pub(super) const STUB: [u8; 16] = [0xc4, 0x18, 0, 0, 0, 8, 0x07, 0xf1, 0, 0, 0, 0, 0, 0, 0, 0];

pub(super) fn classify(kind: RelocationType) -> Option<Use> {
    Some(match kind {
        elf::R_390_NONE => Use::Nothing,
        elf::R_390_8 | elf::R_390_16 | elf::R_390_32 | elf::R_390_64 | elf::R_390_PC64 => Use::Wide,
        elf::R_390_PC16 | elf::R_390_PC32 | elf::R_390_PC16DBL | elf::R_390_PC32DBL | PC12DBL | PC24DBL => {
            Use::Near
        }
        elf::R_390_PLT16DBL | elf::R_390_PLT32DBL | PLT12DBL | PLT24DBL => Use::Branch,
        elf::R_390_GOTENT => Use::Got,
        _ => return None,
    })
}

/// Of branch prediction instructions; newer than the list of names.
const PC12DBL: RelocationType = RelocationType(62);
const PLT12DBL: RelocationType = RelocationType(63);
const PC24DBL: RelocationType = RelocationType(64);
const PLT24DBL: RelocationType = RelocationType(65);

pub(super) fn apply(fixup: &Fixup, patch: &mut Patch<'_>) -> Result<(), Fault> {
    let distance = patch.distance(fixup);
    let value = fixup.value.cast_signed();
    let at = fixup.offset;
    let halfwords = |bits: u32| scaled(signed(distance, bits + 1)?, 2);
    match fixup.kind {
        elf::R_390_8 => patch.set(at, (either(value, 8)? as u8).to_be_bytes()),
        elf::R_390_16 => patch.set(at, (either(value, 16)? as u16).to_be_bytes()),
        elf::R_390_32 => patch.set(at, (either(value, 32)? as u32).to_be_bytes()),
        elf::R_390_64 => patch.set(at, fixup.value.to_be_bytes()),
        elf::R_390_PC64 => patch.set(at, distance.to_be_bytes()),
        elf::R_390_PC32 => patch.set(at, (signed(distance, 32)? as i32).to_be_bytes()),
        elf::R_390_PC16 => patch.set(at, (signed(distance, 16)? as i16).to_be_bytes()),
        elf::R_390_PC32DBL | elf::R_390_PLT32DBL | elf::R_390_GOTENT => {
            patch.set(at, (halfwords(32)? as i32).to_be_bytes())
        }
        elf::R_390_PC16DBL | elf::R_390_PLT16DBL => patch.set(at, (halfwords(16)? as i16).to_be_bytes()),
        PC24DBL | PLT24DBL => {
            let [_, field @ ..] = (halfwords(24)? as i32).to_be_bytes();
            patch.set(at, field)
        }
        PC12DBL | PLT12DBL => {
            let bits = halfwords(12)? as u16 & 0xfff;
            let field = patch.get(at)?;
            *field = (u16::from_be_bytes(*field) & 0xf000 | bits).to_be_bytes();
            Ok(())
        }
        _ => Err(Fault::Unsupported),
    }
}
