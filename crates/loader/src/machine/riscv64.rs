//! RISC-V, after the "RISC-V ELF psABI", chapter 8. Instructions are little-endian.
//!
//! Linkers may shorten code here (relaxation). This loader does not: `RELAX` is a hint, and the padding of an `ALIGN` stays
//! as the assembler made it, instructions that do nothing. With it left, code keeps the alignment instructions need;
//! a loop may lose the larger one it was given for speed.

use super::patch::{either, scaled, signed};
use super::{Fixup, Patch, Use};
use crate::Fault;
use object::elf::{self, RelocationType};
use std::collections::HashMap;

/// `auipc t3, 0`, `ld t3, 16(t3)`, `jr t3`, padding: t3 is the register of procedure linkage tables.
pub(super) const STUB: [u8; 16] =
    [0x17, 0x0e, 0, 0, 0x03, 0x3e, 0x0e, 0x01, 0x67, 0x00, 0x0e, 0x00, 0, 0, 0, 0];

pub(super) fn classify(kind: RelocationType) -> Option<Use> {
    Some(match kind {
        elf::R_RISCV_NONE | elf::R_RISCV_RELAX | elf::R_RISCV_ALIGN => Use::Nothing,
        elf::R_RISCV_32
        | elf::R_RISCV_64
        | elf::R_RISCV_ADD8
        | elf::R_RISCV_ADD16
        | elf::R_RISCV_ADD32
        | elf::R_RISCV_ADD64
        | elf::R_RISCV_SUB6
        | elf::R_RISCV_SUB8
        | elf::R_RISCV_SUB16
        | elf::R_RISCV_SUB32
        | elf::R_RISCV_SUB64
        | elf::R_RISCV_SET6
        | elf::R_RISCV_SET8
        | elf::R_RISCV_SET16
        | elf::R_RISCV_SET32
        | elf::R_RISCV_SET_ULEB128
        | elf::R_RISCV_SUB_ULEB128
        // These refer to another relocation, by its label.
        | elf::R_RISCV_PCREL_LO12_I
        | elf::R_RISCV_PCREL_LO12_S => Use::Wide,
        elf::R_RISCV_PCREL_HI20 | elf::R_RISCV_32_PCREL => Use::Near,
        elf::R_RISCV_CALL
        | elf::R_RISCV_CALL_PLT
        | elf::R_RISCV_BRANCH
        | elf::R_RISCV_JAL
        | elf::R_RISCV_RVC_BRANCH
        | elf::R_RISCV_RVC_JUMP
        | elf::R_RISCV_PLT32 => Use::Branch,
        elf::R_RISCV_GOT_HI20 | elf::R_RISCV_GOT32_PCREL => Use::Got,
        _ => return None,
    })
}

pub(super) fn apply(fixups: &[Fixup], patch: &mut Patch<'_>) -> Result<(), (usize, Fault)> {
    // Where the upper parts of distances are, for the lower parts that refer to them.
    let mut upper = HashMap::new();
    for fixup in fixups {
        if matches!(fixup.kind, elf::R_RISCV_PCREL_HI20 | elf::R_RISCV_GOT_HI20) {
            upper.insert(patch.pc(fixup), patch.distance(fixup));
        }
    }
    let mut at = 0;
    while let Some(fixup) = fixups.get(at) {
        let mut used = 1;
        let result = match fixup.kind {
            elf::R_RISCV_PCREL_LO12_I | elf::R_RISCV_PCREL_LO12_S => {
                if fixup.addend != 0 {
                    Err(Fault::Addend(fixup.addend))
                } else if let Some(&distance) = upper.get(&fixup.value) {
                    lower(fixup, distance, patch)
                } else {
                    Err(Fault::Unpaired)
                }
            }
            // A difference, in two relocations of one field.
            elf::R_RISCV_SET_ULEB128 => match fixups.get(at + 1) {
                Some(sub) if sub.kind == elf::R_RISCV_SUB_ULEB128 && sub.offset == fixup.offset => {
                    used = 2;
                    uleb128(fixup.offset, fixup.value.wrapping_sub(sub.value), patch)
                }
                _ => Err(Fault::Unpaired),
            },
            elf::R_RISCV_SUB_ULEB128 => Err(Fault::Unpaired),
            _ => one(fixup, patch),
        };
        result.map_err(|fault| (at, fault))?;
        at += used;
    }
    Ok(())
}

/// The part of a distance that `auipc` adds, for an instruction that adds a signed 12-bit number to it.
fn upper_bits(distance: i64) -> Result<u32, Fault> {
    let rounded = distance.wrapping_add(0x800);
    signed(rounded, 32).or(Err(Fault::Overflow { value: distance, bits: 32 }))?;
    Ok(rounded as u32 & 0xffff_f000)
}

const I_TYPE: u32 = 0xfff0_0000;
const S_TYPE: u32 = 0xfe00_0f80;
const B_TYPE: u32 = S_TYPE;
const U_TYPE: u32 = 0xffff_f000;

/// The lower 12 bits of a distance whose upper bits are elsewhere.
fn lower(fixup: &Fixup, distance: i64, patch: &mut Patch<'_>) -> Result<(), Fault> {
    let bits = distance as u32;
    match fixup.kind {
        elf::R_RISCV_PCREL_LO12_I => patch.insert_le32(fixup.offset, I_TYPE, bits << 20),
        _ => patch.insert_le32(fixup.offset, S_TYPE, (bits >> 5 & 0x7f) << 25 | (bits & 0x1f) << 7),
    }
}

/// Writes a number over another in LEB128, in as many bytes.
fn uleb128(offset: u64, value: u64, patch: &mut Patch<'_>) -> Result<(), Fault> {
    let mut rest = value;
    let mut at = offset;
    let mut bits = 0;
    loop {
        let [byte] = patch.get::<1>(at)?;
        let more = *byte & 0x80;
        *byte = more | (rest & 0x7f) as u8;
        rest >>= 7;
        bits = u32::saturating_add(bits, 7);
        at += 1;
        if more == 0 {
            break;
        }
    }
    if rest == 0 { Ok(()) } else { Err(Fault::Overflow { value: value.cast_signed(), bits }) }
}

fn one(fixup: &Fixup, patch: &mut Patch<'_>) -> Result<(), Fault> {
    let at = fixup.offset;
    let value = fixup.value;
    let distance = patch.distance(fixup);
    // Bits `from` and up of the distance, `count` of them, at `to`.
    let bits = |from: u32, count: u32, to: u32| (distance as u32 >> from & ((1 << count) - 1)) << to;
    let branch = |bits| scaled(signed(distance, bits)?, 2);
    match fixup.kind {
        elf::R_RISCV_64 => patch.set(at, value.to_le_bytes()),
        elf::R_RISCV_32 => patch.set(at, (either(value.cast_signed(), 32)? as u32).to_le_bytes()),
        elf::R_RISCV_32_PCREL | elf::R_RISCV_PLT32 | elf::R_RISCV_GOT32_PCREL => {
            patch.set(at, (signed(distance, 32)? as i32).to_le_bytes())
        }

        // Differences come as several relocations of one field, each of which alone overflows it.
        elf::R_RISCV_ADD8 => {
            patch.get(at).map(|f| *f = u8::from_le_bytes(*f).wrapping_add(value as u8).to_le_bytes())
        }
        elf::R_RISCV_SUB8 => {
            patch.get(at).map(|f| *f = u8::from_le_bytes(*f).wrapping_sub(value as u8).to_le_bytes())
        }
        elf::R_RISCV_SET8 => patch.set(at, (value as u8).to_le_bytes()),
        elf::R_RISCV_ADD16 => {
            patch.get(at).map(|f| *f = u16::from_le_bytes(*f).wrapping_add(value as u16).to_le_bytes())
        }
        elf::R_RISCV_SUB16 => {
            patch.get(at).map(|f| *f = u16::from_le_bytes(*f).wrapping_sub(value as u16).to_le_bytes())
        }
        elf::R_RISCV_SET16 => patch.set(at, (value as u16).to_le_bytes()),
        elf::R_RISCV_ADD32 => {
            patch.get(at).map(|f| *f = u32::from_le_bytes(*f).wrapping_add(value as u32).to_le_bytes())
        }
        elf::R_RISCV_SUB32 => {
            patch.get(at).map(|f| *f = u32::from_le_bytes(*f).wrapping_sub(value as u32).to_le_bytes())
        }
        elf::R_RISCV_SET32 => patch.set(at, (value as u32).to_le_bytes()),
        elf::R_RISCV_ADD64 => {
            patch.get(at).map(|f| *f = u64::from_le_bytes(*f).wrapping_add(value).to_le_bytes())
        }
        elf::R_RISCV_SUB64 => {
            patch.get(at).map(|f| *f = u64::from_le_bytes(*f).wrapping_sub(value).to_le_bytes())
        }
        elf::R_RISCV_SET6 => patch.get(at).map(|[f]| *f = *f & 0xc0 | value as u8 & 0x3f),
        elf::R_RISCV_SUB6 => patch.get(at).map(|[f]| *f = *f & 0xc0 | f.wrapping_sub(value as u8) & 0x3f),

        elf::R_RISCV_PCREL_HI20 => patch.insert_le32(at, U_TYPE, upper_bits(distance)?),
        elf::R_RISCV_GOT_HI20 if fixup.addend != 0 => Err(Fault::Addend(fixup.addend)),
        elf::R_RISCV_GOT_HI20 => patch.insert_le32(at, U_TYPE, upper_bits(distance)?),
        elf::R_RISCV_CALL | elf::R_RISCV_CALL_PLT => {
            patch.insert_le32(at, U_TYPE, upper_bits(distance)?)?;
            patch.insert_le32(at.wrapping_add(4), I_TYPE, (distance as u32) << 20)
        }
        elf::R_RISCV_BRANCH => {
            branch(13)?;
            patch.insert_le32(at, B_TYPE, bits(12, 1, 31) | bits(5, 6, 25) | bits(1, 4, 8) | bits(11, 1, 7))
        }
        elf::R_RISCV_JAL => {
            branch(21)?;
            patch.insert_le32(
                at,
                U_TYPE,
                bits(20, 1, 31) | bits(1, 10, 21) | bits(11, 1, 20) | bits(12, 8, 12),
            )
        }
        elf::R_RISCV_RVC_BRANCH => {
            branch(9)?;
            let bits = bits(8, 1, 12) | bits(3, 2, 10) | bits(6, 2, 5) | bits(1, 2, 3) | bits(5, 1, 2);
            patch.insert_le16(at, 0x1c7c, bits as u16)
        }
        elf::R_RISCV_RVC_JUMP => {
            branch(12)?;
            let bits = bits(11, 1, 12)
                | bits(4, 1, 11)
                | bits(8, 2, 9)
                | bits(10, 1, 8)
                | bits(6, 1, 7)
                | bits(7, 1, 6)
                | bits(1, 3, 3)
                | bits(5, 1, 2);
            patch.insert_le16(at, 0x1ffc, bits as u16)
        }
        _ => Err(Fault::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixup(kind: RelocationType, offset: u64, value: u64) -> Fixup {
        Fixup { offset, kind, value, addend: 0 }
    }

    /// The addresses do not fit the fields, their difference does.
    #[test]
    fn differences() {
        let mut bytes = [0xff; 8];
        let mut patch = Patch { bytes: &mut bytes, address: 0x7f00_0000_0000 };
        let (end, start) = (0x7f01_0001_2345, 0x7f01_0000_0000);
        let fixups = [
            fixup(elf::R_RISCV_SET32, 0, end),
            fixup(elf::R_RISCV_SUB32, 0, start),
            fixup(elf::R_RISCV_SET6, 4, start + 0x2a),
            fixup(elf::R_RISCV_SUB6, 4, start),
        ];
        assert!(apply(&fixups, &mut patch).is_ok());
        assert_eq!(bytes, [0x45, 0x23, 0x01, 0x00, 0xea, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn numbers_keep_their_length() {
        let mut bytes = [0x80, 0x80, 0x00, 0x55];
        let mut patch = Patch { bytes: &mut bytes, address: 0 };
        let set = |value| [fixup(elf::R_RISCV_SET_ULEB128, 0, value), fixup(elf::R_RISCV_SUB_ULEB128, 0, 5)];
        assert!(apply(&set(5 + 0x81), &mut patch).is_ok());
        assert_eq!(patch.bytes, [0x81, 0x81, 0x00, 0x55]);
        assert_eq!(
            apply(&set(5 + (1 << 21)), &mut patch),
            Err((0, Fault::Overflow { value: 1 << 21, bits: 21 }))
        );
        assert_eq!(apply(&set(0)[1..], &mut patch), Err((0, Fault::Unpaired)));
        assert_eq!(apply(&set(0)[..1], &mut patch), Err((0, Fault::Unpaired)));
    }

    #[test]
    fn halves_of_distances() {
        // `auipc a0, 0`, `ld a0, 0(a0)`, with a distance whose lower half is negative.
        let mut bytes = *b"\x17\x05\0\0\x03\x35\x05\0";
        let mut patch = Patch { bytes: &mut bytes, address: 0x1000 };
        let fixups = [
            fixup(elf::R_RISCV_PCREL_LO12_I, 4, 0x1000),
            fixup(elf::R_RISCV_PCREL_HI20, 0, 0x1000 + 0x12fff),
        ];
        assert!(apply(&fixups, &mut patch).is_ok());
        assert_eq!(&bytes, b"\x17\x35\x01\0\x03\x35\xf5\xff");
        let mut patch = Patch { bytes: &mut bytes, address: 0x1000 };
        assert_eq!(apply(&fixups[..1], &mut patch), Err((0, Fault::Unpaired)));
        let far = [fixup(elf::R_RISCV_PCREL_HI20, 0, 0x1000 + 0x7fff_f800)];
        let fault = Fault::Overflow { value: 0x7fff_f800, bits: 32 };
        assert_eq!(apply(&far, &mut patch), Err((0, fault)));
    }
}
