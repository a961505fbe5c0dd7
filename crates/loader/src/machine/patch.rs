//! Bytes that relocations change.

use crate::Fault;
use object::elf::RelocationType;

/// A relocation whose symbol was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixup {
    /// Where in the section.
    pub(crate) offset: u64,
    pub(crate) kind: RelocationType,
    /// The symbol's address (or that of what stands in for it), plus the addend.
    pub(crate) value: u64,
    /// The addend alone.
    pub(crate) addend: i64,
}

/// A section's bytes in memory. Every access is checked.
pub(crate) struct Patch<'m> {
    pub(crate) bytes: &'m mut [u8],
    /// Where the section will run.
    pub(crate) address: u64,
}

impl Patch<'_> {
    /// The field's address.
    pub(crate) fn pc(&self, fixup: &Fixup) -> u64 {
        self.address.wrapping_add(fixup.offset)
    }

    /// The value's distance from the field.
    pub(crate) fn distance(&self, fixup: &Fixup) -> i64 {
        fixup.value.wrapping_sub(self.pc(fixup)).cast_signed()
    }

    /// The `N` bytes at `offset`.
    pub(crate) fn get<const N: usize>(&mut self, offset: u64) -> Result<&mut [u8; N], Fault> {
        usize::try_from(offset)
            .ok()
            .and_then(|at| self.bytes.get_mut(at..)?.first_chunk_mut())
            .ok_or(Fault::OutsideSection)
    }

    pub(crate) fn set<const N: usize>(&mut self, offset: u64, bytes: [u8; N]) -> Result<(), Fault> {
        *self.get(offset)? = bytes;
        Ok(())
    }

    /// Replaces the bits of a little-endian word that `mask` has.
    pub(crate) fn insert_le32(&mut self, offset: u64, mask: u32, bits: u32) -> Result<(), Fault> {
        let word = self.get(offset)?;
        *word = (u32::from_le_bytes(*word) & !mask | bits & mask).to_le_bytes();
        Ok(())
    }

    /// Replaces the bits of a little-endian halfword that `mask` has.
    pub(crate) fn insert_le16(&mut self, offset: u64, mask: u16, bits: u16) -> Result<(), Fault> {
        let word = self.get(offset)?;
        *word = (u16::from_le_bytes(*word) & !mask | bits & mask).to_le_bytes();
        Ok(())
    }
}

/// `value`, if it is a signed number of `bits` bits.
pub(crate) fn signed(value: i64, bits: u32) -> Result<i64, Fault> {
    let spare = 64 - bits;
    if value << spare >> spare == value { Ok(value) } else { Err(Fault::Overflow { value, bits }) }
}

/// `value`, if it is an unsigned number of `bits` bits.
pub(crate) fn unsigned(value: u64, bits: u32) -> Result<u64, Fault> {
    if bits == 64 || value >> bits == 0 {
        Ok(value)
    } else {
        Err(Fault::Overflow { value: value.cast_signed(), bits })
    }
}

/// `value`, if it is a signed or an unsigned number of `bits` bits.
pub(crate) fn either(value: i64, bits: u32) -> Result<i64, Fault> {
    signed(value, bits)
        .or_else(|fault| unsigned(value.cast_unsigned(), bits).map(u64::cast_signed).or(Err(fault)))
}

/// `value` divided by `unit` (a power of two), if that leaves nothing.
pub(crate) fn scaled(value: i64, unit: u64) -> Result<i64, Fault> {
    if value & (unit - 1).cast_signed() == 0 {
        Ok(value >> unit.trailing_zeros())
    } else {
        Err(Fault::Misaligned { value, unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_should() {
        assert!(signed(127, 8).is_ok() && signed(128, 8).is_err());
        assert!(signed(-128, 8).is_ok() && signed(-129, 8).is_err());
        assert!(signed(i64::MIN, 64).is_ok());
        assert!(unsigned(255, 8).is_ok() && unsigned(256, 8).is_err());
        assert!(unsigned(u64::MAX, 64).is_ok());
        assert!(either(255, 8).is_ok() && either(-128, 8).is_ok());
        assert!(either(256, 8).is_err() && either(-129, 8).is_err());
        assert_eq!(scaled(-8, 4), Ok(-2));
        assert_eq!(scaled(6, 4), Err(Fault::Misaligned { value: 6, unit: 4 }));
    }

    #[test]
    fn nothing_outside_is_touched() {
        let mut bytes = [0; 6];
        let mut patch = Patch { bytes: &mut bytes, address: 0x1000 };
        assert!(patch.insert_le32(2, 0xff00, u32::MAX).is_ok());
        assert_eq!(patch.insert_le32(3, 0, 0), Err(Fault::OutsideSection));
        assert_eq!(patch.set(u64::MAX, [0u8]), Err(Fault::OutsideSection));
        assert_eq!(bytes, [0, 0, 0, 0xff, 0, 0]);
    }
}
