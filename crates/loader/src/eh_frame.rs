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

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 0x10000;
    const BOUNDS: Bounds = Bounds { text: 0x8000..0x9000, read_only: 0x10000..0x11000 };

    /// An entry: its length, then `body`.
    fn entry(body: &[&[u8]]) -> Vec<u8> {
        let mut body = body.concat();
        body.resize(body.len().next_multiple_of(4), 0);
        [&(body.len() as u32).to_le_bytes()[..], &body].concat()
    }

    /// A common entry as LLVM makes it, with one letter changed to another.
    fn cie(from: u8, to: u8) -> Vec<u8> {
        let letters = b"zPLR\0".map(|b| if b == from { to } else { b });
        // Alignment factors, return address; data: where the personality is, in `read_only`; two encodings.
        let personality = 0x1000i32 - 0x100;
        entry(&[
            &[0; 4],
            &[1],
            &letters,
            &[1, 0x78, 16],
            &[7, 0x9b],
            &personality.to_le_bytes(),
            &[0x1b, 0x1b],
        ])
    }

    /// An entry for `len` bytes of code at `start`; the common entry is at the front.
    fn fde(front: usize, start: u64, len: u32, table: u64) -> Vec<u8> {
        let here = AT + front as u64 + 8;
        let relative = |to: u64, place: u64| (to.wrapping_sub(place) as i32).to_le_bytes();
        let id = (front as u32 + 4).to_le_bytes();
        let table = relative(table, here + 9);
        entry(&[&id, &relative(start, here), &len.to_le_bytes(), &[4], &table])
    }

    fn check_with(cie: &[u8], fde: &[u8]) -> Result<usize, String> {
        let bytes = [cie, fde, &[0; 4]].concat();
        check(&bytes, AT, false, &BOUNDS).map_err(|e| e.to_string())
    }

    #[test]
    fn entries_have_to_be_for_the_image() {
        let cie = cie(0, 0);
        let n = cie.len();
        assert_eq!(check_with(&cie, &fde(n, 0x8000, 0x1000, 0x10800)), Ok(1));
        assert_eq!(check_with(&cie, &fde(n, 0x8fff, 0, 0x10800)), Ok(1));
        for (start, len) in [(0x7fff, 1), (0x8fff, 2), (0x9001, 0), (0x8000, u32::MAX)] {
            let error = check_with(&cie, &fde(n, start, len, 0x10800)).unwrap_err();
            assert!(error.ends_with("an entry is not for code of the image"), "{error}");
        }
        for table in [0xffff, 0x11000] {
            let error = check_with(&cie, &fde(n, 0x8000, 1, table)).unwrap_err();
            assert!(error.contains("a landing pad table is not in the image"), "{error}");
        }
        // A function without a table.
        let mut none = fde(n, 0x8000, 1, 0x10800);
        none[17..21].fill(0);
        assert_eq!(check_with(&cie, &none), Ok(1));
    }

    #[test]
    fn what_libgcc_does_not_know_is_refused() {
        let n = cie(0, 0).len();
        let fde = fde(n, 0x8000, 1, 0x10800);
        for from in [b'z', b'P', b'L', b'R'] {
            let error = check_with(&cie(from, b'x'), &fde).unwrap_err();
            assert!(error.contains("unknown augmentation"), "{error}");
        }
        let with = |at: usize, byte: u8| {
            let mut cie = cie(0, 0);
            cie[at] = byte;
            check_with(&cie, &fde).unwrap_err()
        };
        assert!(with(8, 2).contains("unknown version"));
        // The personality: 64 KiB further, or in a format that nobody uses.
        assert!(with(22, 1).contains("personality"), "{}", with(22, 1));
        assert!(with(18, 0x91).contains("unknown pointer encoding"));
        for encoding in [0x2b, 0x5b, 0xff] {
            assert!(with(23, encoding).contains("unknown pointer encoding"));
            assert!(with(24, encoding).contains("unknown pointer encoding"));
        }
    }

    #[test]
    fn tables_end_where_they_should() {
        let cie = cie(0, 0);
        let fde = fde(cie.len(), 0x8000, 1, 0x10800);
        let whole = [&cie[..], &fde, &[0; 4]].concat();
        for len in 0..whole.len() {
            assert!(check(&whole[..len], AT, false, &BOUNDS).is_err(), "{len} bytes");
        }
        assert!(check_with(&[0; 4], &cie).unwrap_err().ends_with("they end early"));
        let mut far = fde.clone();
        far[4] += 4;
        assert!(check_with(&cie, &far).unwrap_err().contains("refers to no common entry"));
        assert_eq!(check(&[0; 4], AT, false, &BOUNDS).unwrap(), 0);
    }
}
