//! Looks through unwind tables before libgcc gets them: it trusts them, reads what they point to, and ends the process if
//! it meets something unknown.
//!
//! The format is that of DWARF's `.debug_frame`, as changed by the Linux Standard Base ("Exception Frames").

use crate::LoadError;
use std::collections::HashMap;
use std::ops::Range;

/// Where what the tables point to may be.
pub(crate) struct Bounds {
    /// Code.
    pub(crate) text: Range<u64>,
    /// Landing pad tables, references to personality functions.
    pub(crate) read_only: Range<u64>,
}

/// Checks tables at `address`, in relocated form, with the zero that ends them. Returns for how many functions there are
/// entries.
pub(crate) fn check(bytes: &[u8], address: u64, big: bool, bounds: &Bounds) -> Result<usize, LoadError> {
    let mut cursor = Cursor { bytes, at: 0, address, big };
    let mut cies = HashMap::new();
    let mut functions = 0;
    loop {
        let start = cursor.at;
        let error = |why| LoadError::Unwind { offset: start, why };
        let len = cursor.unsigned(4).ok_or_else(|| error("they do not end"))?;
        if len == 0 {
            return if cursor.at == bytes.len() { Ok(functions) } else { Err(error("they end early")) };
        }
        if len % 4 != 0 || len > (bytes.len() - cursor.at) as u64 {
            return Err(error("an entry's length is wrong"));
        }
        let end = cursor.at + len as usize;
        let id_at = cursor.at;
        let mut entry = Cursor { bytes: &bytes[..end], ..cursor };
        let id = entry.unsigned(4).ok_or_else(|| error("an entry is too short"))?;
        if id == 0 {
            let cie = Cie::parse(&mut entry, bounds).map_err(error)?;
            cies.insert(start, cie);
        } else {
            let cie = (id_at as u64).checked_sub(id).and_then(|at| cies.get(&(at as usize)));
            let cie = cie.ok_or_else(|| error("an entry refers to no common entry before it"))?;
            cie.check_fde(&mut entry, bounds).map_err(error)?;
            functions += 1;
        }
        cursor.at = end;
    }
}

/// What functions' entries share.
struct Cie {
    /// How the function's address is encoded.
    pointers: u8,
    /// How the landing pad table's address is, if there is one.
    tables: Option<u8>,
    /// Whether entries say how long their augmentation data is.
    augmented: bool,
}

type Check<T> = Result<T, &'static str>;

impl Cie {
    fn parse(c: &mut Cursor<'_>, bounds: &Bounds) -> Check<Cie> {
        const SHORT: &str = "a common entry is too short";
        let version = c.unsigned(1).ok_or(SHORT)?;
        if version != 1 && version != 3 {
            return Err("a common entry has an unknown version");
        }
        let mut letters = Vec::new();
        loop {
            match c.unsigned(1).ok_or(SHORT)? as u8 {
                0 => break,
                letter => letters.push(letter),
            }
        }
        c.leb128().ok_or(SHORT)?;
        c.leb128().ok_or(SHORT)?;
        if version == 1 { c.unsigned(1) } else { c.leb128() }.ok_or(SHORT)?;
        let mut cie = Cie { pointers: 0, tables: None, augmented: false };
        let Some((first, letters)) = letters.split_first() else { return Ok(cie) };
        if *first != b'z' {
            return Err("a common entry has an unknown augmentation");
        }
        cie.augmented = true;
        let len = c.leb128().ok_or(SHORT)?;
        if len > (c.bytes.len() - c.at) as u64 {
            return Err(SHORT);
        }
        for letter in letters {
            match letter {
                b'R' => cie.pointers = c.unsigned(1).ok_or(SHORT)? as u8,
                b'L' => cie.tables = Some(c.unsigned(1).ok_or(SHORT)? as u8),
                b'P' => {
                    let encoding = c.unsigned(1).ok_or(SHORT)? as u8;
                    let personality = c.pointer(encoding & !INDIRECT).ok_or("unknown pointer encoding")?;
                    let inside = bounds.read_only.contains(&personality)
                        && bounds.read_only.contains(&personality.wrapping_add(7));
                    if encoding & INDIRECT != 0 && !inside {
                        return Err("the personality function's address is not in the image");
                    }
                }
                // Signal frames; return addresses signed with the other key.
                b'S' | b'B' => {}
                _ => return Err("a common entry has an unknown augmentation"),
            }
        }
        Ok(cie)
    }

    fn check_fde(&self, c: &mut Cursor<'_>, bounds: &Bounds) -> Check<()> {
        let start = c.pointer(self.pointers).ok_or("unknown pointer encoding, or too short")?;
        // A length has the pointers' format, but is no address.
        let len = c.pointer(self.pointers & 0xf).ok_or("an entry is too short")?;
        // A function that is known to be unreachable may have no code at all.
        let inside = start.checked_add(len).is_some_and(|end| end <= bounds.text.end);
        if !inside || start < bounds.text.start {
            return Err("an entry is not for code of the image");
        }
        if self.augmented {
            let augmentation = c.leb128().ok_or("an entry is too short")?;
            if augmentation > (c.bytes.len() - c.at) as u64 {
                return Err("an entry is too short");
            }
            if let Some(encoding) = self.tables {
                let at = c.at;
                let table = c.pointer(encoding).ok_or("unknown pointer encoding, or too short")?;
                let none = c.is_zero(at);
                if !none && !bounds.read_only.contains(&table) {
                    return Err("a landing pad table is not in the image");
                }
            }
        }
        Ok(())
    }
}

/// The pointer is to where the address is.
const INDIRECT: u8 = 0x80;

#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Of the first byte.
    address: u64,
    big: bool,
}

impl Cursor<'_> {
    fn unsigned(&mut self, size: usize) -> Option<u64> {
        let field = self.bytes.get(self.at..)?.get(..size)?;
        self.at += size;
        let add = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(if self.big { field.iter().fold(0, add) } else { field.iter().rev().fold(0, add) })
    }

    /// The lowest 64 bits of a number, signed or not.
    fn leb128(&mut self) -> Option<u64> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.unsigned(1)?;
            value |= (byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift = shift.saturating_add(7);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// An address, in one of the encodings that compilers use: absolute or relative to itself, with a fixed size.
    fn pointer(&mut self, encoding: u8) -> Option<u64> {
        let here = self.address + self.at as u64;
        let value = match encoding & 0xf {
            0x0 | 0x4 | 0xc => self.unsigned(8)?,
            0x2 => self.unsigned(2)?,
            0x3 => self.unsigned(4)?,
            0xa => i64::from(self.unsigned(2)? as i16).cast_unsigned(),
            0xb => i64::from(self.unsigned(4)? as i32).cast_unsigned(),
            _ => return None,
        };
        match encoding & 0xf0 {
            0x00 => Some(value),
            0x10 => Some(value.wrapping_add(here)),
            _ => None,
        }
    }

    /// Whether the bytes from `start` to here are all zero: a pointer that is none.
    fn is_zero(&self, start: usize) -> bool {
        self.bytes[start..self.at].iter().all(|&b| b == 0)
    }
}
