//! AArch64, after Arm's "ELF for the Arm 64-bit Architecture", section 5.7. Instructions are little-endian words.

use super::patch::{either, scaled, signed};
use super::{Fixup, Patch, Use};
use crate::Fault;
use object::elf::{self, RelocationType};

/// `bti c`, `ldr x16, 12 bytes on`, `br x16`, padding: x16 is the register that linkers may change in calls.
pub(super) const STUB: [u8; 16] =
    [0x5f, 0x24, 0x03, 0xd5, 0x70, 0, 0, 0x58, 0x00, 0x02, 0x1f, 0xd6, 0, 0, 0, 0];

pub(super) fn classify(kind: RelocationType) -> Option<Use> {
    Some(match kind {
        elf::R_AARCH64_NONE | RelocationType(256) => Use::Nothing,
        elf::R_AARCH64_ABS64 | elf::R_AARCH64_ABS32 | elf::R_AARCH64_ABS16 | elf::R_AARCH64_PREL64 => {
            Use::Wide
        }
        elf::R_AARCH64_PREL32
        | elf::R_AARCH64_PREL16
        | elf::R_AARCH64_LD_PREL_LO19
        | elf::R_AARCH64_ADR_PREL_LO21
        | elf::R_AARCH64_ADR_PREL_PG_HI21
        | elf::R_AARCH64_ADR_PREL_PG_HI21_NC
        | elf::R_AARCH64_ADD_ABS_LO12_NC
        | elf::R_AARCH64_LDST8_ABS_LO12_NC
        | elf::R_AARCH64_LDST16_ABS_LO12_NC
        | elf::R_AARCH64_LDST32_ABS_LO12_NC
        | elf::R_AARCH64_LDST64_ABS_LO12_NC
        | elf::R_AARCH64_LDST128_ABS_LO12_NC => Use::Near,
        elf::R_AARCH64_TSTBR14
        | elf::R_AARCH64_CONDBR19
        | elf::R_AARCH64_JUMP26
        | elf::R_AARCH64_CALL26
        | elf::R_AARCH64_PLT32 => Use::Branch,
        elf::R_AARCH64_GOT_LD_PREL19
        | elf::R_AARCH64_ADR_GOT_PAGE
        | elf::R_AARCH64_LD64_GOT_LO12_NC
        | elf::R_AARCH64_GOTPCREL32 => Use::Got,
        _ => return None,
    })
}

/// Bits `low` and up of an instruction, `bits` of them.
fn field(low: u32, bits: u32) -> u32 {
    ((1 << bits) - 1) << low
}

pub(super) fn apply(fixup: &Fixup, patch: &mut Patch<'_>) -> Result<(), Fault> {
    let at = fixup.offset;
    let distance = patch.distance(fixup);
    match fixup.kind {
        elf::R_AARCH64_ABS64 => return patch.set(at, fixup.value.to_le_bytes()),
        elf::R_AARCH64_ABS32 => {
            return patch.set(at, (either(fixup.value.cast_signed(), 32)? as u32).to_le_bytes());
        }
        elf::R_AARCH64_ABS16 => {
            return patch.set(at, (either(fixup.value.cast_signed(), 16)? as u16).to_le_bytes());
        }
        elf::R_AARCH64_PREL64 => return patch.set(at, distance.to_le_bytes()),
        elf::R_AARCH64_PREL32 | elf::R_AARCH64_PLT32 | elf::R_AARCH64_GOTPCREL32 => {
            return patch.set(at, (signed(distance, 32)? as i32).to_le_bytes());
        }
        elf::R_AARCH64_PREL16 => return patch.set(at, (either(distance, 16)? as u16).to_le_bytes()),
        _ => {}
    }
    // In instructions that use a word of addresses an addend would select another word.
    let is_got = classify(fixup.kind) == Some(Use::Got);
    if is_got && fixup.addend != 0 {
        return Err(Fault::Addend(fixup.addend));
    }
    let pages = |value: u64, pc: u64| (value & !0xfff).wrapping_sub(pc & !0xfff).cast_signed();
    // The lowest `bits` of a distance in words, at `low`.
    let words = |bits, low| -> Result<(u32, u32), Fault> {
        let distance = scaled(signed(distance, bits + 2)?, 4)?;
        Ok((field(low, bits), (distance as u32) << low))
    };
    let address =
        |value: i64| (field(29, 2) | field(5, 19), (value as u32 & 3) << 29 | (value as u32 >> 2) << 5);
    let offset_in_page = |unit: u64| -> Result<(u32, u32), Fault> {
        Ok((field(10, 12), (scaled((fixup.value & 0xfff).cast_signed(), unit)? as u32) << 10))
    };
    let (mask, bits) = match fixup.kind {
        elf::R_AARCH64_CALL26 | elf::R_AARCH64_JUMP26 => words(26, 0)?,
        elf::R_AARCH64_CONDBR19 | elf::R_AARCH64_LD_PREL_LO19 | elf::R_AARCH64_GOT_LD_PREL19 => words(19, 5)?,
        elf::R_AARCH64_TSTBR14 => words(14, 5)?,
        elf::R_AARCH64_ADR_PREL_LO21 => address(signed(distance, 21)?),
        elf::R_AARCH64_ADR_PREL_PG_HI21 | elf::R_AARCH64_ADR_GOT_PAGE => {
            address(signed(pages(fixup.value, patch.pc(fixup)), 33)? >> 12)
        }
        elf::R_AARCH64_ADR_PREL_PG_HI21_NC => address(pages(fixup.value, patch.pc(fixup)) >> 12),
        elf::R_AARCH64_ADD_ABS_LO12_NC | elf::R_AARCH64_LDST8_ABS_LO12_NC => offset_in_page(1)?,
        elf::R_AARCH64_LDST16_ABS_LO12_NC => offset_in_page(2)?,
        elf::R_AARCH64_LDST32_ABS_LO12_NC => offset_in_page(4)?,
        elf::R_AARCH64_LDST64_ABS_LO12_NC | elf::R_AARCH64_LD64_GOT_LO12_NC => offset_in_page(8)?,
        elf::R_AARCH64_LDST128_ABS_LO12_NC => offset_in_page(16)?,
        _ => return Err(Fault::Unsupported),
    };
    patch.insert_le32(at, mask, bits)
}
