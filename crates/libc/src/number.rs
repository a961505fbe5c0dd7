//! Reading integers from text: what `atoi`, `strtol` and `strtoul` share.

use wayfarer_guest::{GuestMemory, OutOfBounds};

use crate::ctype::is_space;

/// An integer as it stands in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Parsed {
    /// Absolute value; `u64::MAX` if it is larger than that.
    pub(crate) magnitude: u64,
    /// Whether a minus sign stood in front.
    pub(crate) negative: bool,
    /// How many bytes were used, white space and sign included; 0 if there is no number.
    pub(crate) length: u32,
}

impl Parsed {
    /// As `long`, at the end of its range if it does not fit.
    pub(crate) fn to_i32(self) -> i32 {
        match (self.negative, i32::try_from(self.magnitude)) {
            (false, Ok(value)) => value,
            (false, Err(_)) => i32::MAX,
            (true, Ok(value)) => -value,
            (true, Err(_)) => i32::MIN,
        }
    }

    /// As `unsigned long`: its largest value if it does not fit, and otherwise negated as unsigned numbers are.
    pub(crate) fn to_u32(self) -> u32 {
        match (self.negative, u32::try_from(self.magnitude)) {
            (false, Ok(value)) => value,
            (true, Ok(value)) => value.wrapping_neg(),
            (_, Err(_)) => u32::MAX,
        }
    }
}

/// Whether `strtol` takes this base.
pub(crate) fn valid_base(base: u32) -> bool {
    base == 0 || (2..=36).contains(&base)
}

/// Reads an integer at `addr` by the rules of C's `strtol`. `base` must be [valid](valid_base).
pub(crate) fn parse(memory: GuestMemory<'_>, addr: u32, base: u32) -> Result<Parsed, OutOfBounds> {
    let start = u64::from(addr);
    let digit = |at: u64, base: u32| -> Result<Option<u32>, OutOfBounds> {
        Ok(char::from(memory.read_u8(at)?).to_digit(base))
    };
    let mut at = start;
    while is_space(&memory.read_u8(at)?) {
        at += 1;
    }
    let sign = memory.read_u8(at)?;
    let negative = sign == b'-';
    if negative || sign == b'+' {
        at += 1;
    }
    let mut base = base;
    if memory.read_u8(at)? == b'0' {
        // "0x" counts as a prefix only with a digit after it; without, it is the number 0 and then an x.
        let hexadecimal = memory.read_u8(at + 1)? | 0x20 == b'x' && digit(at + 2, 16)?.is_some();
        match base {
            0 | 16 if hexadecimal => {
                at += 2;
                base = 16;
            }
            0 => base = 8,
            _ => {}
        }
    } else if base == 0 {
        base = 10;
    }
    let digits = at;
    let mut magnitude = 0u64;
    while let Some(value) = digit(at, base)? {
        magnitude = magnitude.saturating_mul(base.into()).saturating_add(value.into());
        at += 1;
    }
    // A string of spaces can be longer than the address space only if memory is: 32-bit guests never are.
    let length = if at == digits { 0 } else { (at - start) as u32 };
    Ok(if length == 0 { Parsed::default() } else { Parsed { magnitude, negative, length } })
}
