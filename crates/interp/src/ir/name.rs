//! What instructions are called.

use super::operand::{Acc, Imm, Slot, Ty};

/// A type argument of a generic handler, after which an instruction may be called.
pub(crate) trait Named {
    /// As the parser writes the operator (`I32Add`); empty for a type that only says where an operand is.
    const NAME: &'static str;
    /// Type of the operator's operands.
    const TY: Ty = Ty::I32;
    /// Whether NaNs that it gives are made the canonical one.
    const CANONICAL: bool = false;
}

macro_rules! unnamed {
    ($($ty:ty),*) => {
        $(impl Named for $ty {
            const NAME: &'static str = "";
        })*
    };
}
unnamed!(Slot, Acc, Imm);

impl Named for u32 {
    const NAME: &'static str = "i32";
}

/// Also stands for i32 and references, where it makes no difference.
impl Named for u64 {
    const NAME: &'static str = "int";
    const TY: Ty = Ty::I64;
}

impl Named for f32 {
    const NAME: &'static str = "f32";
    const TY: Ty = Ty::F32;
}

impl Named for f64 {
    const NAME: &'static str = "f64";
    const TY: Ty = Ty::F64;
}

/// A name of at most `N` bytes, which holds no address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Name<N> {
    /// Of a name.
    pub(crate) const fn of(name: &str) -> Name<N> {
        Name { bytes: [0; N], len: 0 }.and(name)
    }

    /// Of those names that are marked, with spaces between them.
    pub(crate) const fn joined(names: &[(&str, bool)]) -> Name<N> {
        let mut joined = Name { bytes: [0; N], len: 0 };
        let mut nth = 0;
        while nth < names.len() {
            if names[nth].1 {
                if joined.len > 0 {
                    joined = joined.and(" ");
                }
                joined = joined.and(names[nth].0);
            }
            nth += 1;
        }
        joined
    }

    const fn and(mut self, more: &str) -> Name<N> {
        let more = more.as_bytes();
        let mut nth = 0;
        while nth < more.len() {
            self.bytes[self.len as usize] = more[nth];
            self.len += 1;
            nth += 1;
        }
        self
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// The parser's spelling of an operator as WebAssembly's: `I64ExtendI32S` as `i64.extend_i32_s`. Where the specification
/// writes words together that the parser does not, it is the parser's words.
pub(crate) fn in_wasm(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    // `I32`, `I8x16`: the first word is the type, if it has digits.
    let mut in_type = name.starts_with(|c: char| c.is_ascii_uppercase());
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            let with_digits = name[..at].contains(|c: char| c.is_ascii_digit());
            text.push(if in_type && with_digits { '.' } else { '_' });
            in_type = false;
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_written_as_in_wasm() {
        let pairs = [
            ("I32Add", "i32.add"),
            ("I32Load8U", "i32.load8_u"),
            ("I64ExtendI32S", "i64.extend_i32_s"),
            ("I64TruncSatF32U", "i64.trunc_sat_f32_u"),
            ("I8x16NarrowI16x8S", "i8x16.narrow_i16x8_s"),
            ("V128Load16x4S", "v128.load16x4_s"),
            ("RefIsNull", "ref_is_null"),
            ("int", "int"),
            ("", ""),
        ];
        for (parser, wasm) in pairs {
            assert_eq!(in_wasm(parser), wasm);
        }
    }

    #[test]
    fn names_fit() {
        let longest = "I16x8ExtAddPairwiseI8x16S";
        assert_eq!(Name::<28>::of(longest).as_str(), longest);
        assert_eq!(Name::<12>::joined(&[("UNLESS", true), ("BACK", true)]).as_str(), "UNLESS BACK");
        assert_eq!(Name::<12>::joined(&[("UNLESS", false), ("BACK", true)]).as_str(), "BACK");
        assert_eq!(Name::<12>::joined(&[]).as_str(), "");
    }
}
