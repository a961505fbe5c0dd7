//! `ctype.h`, in the C locale: bytes above 127, negative values and EOF belong to no class.

use crate::call::{LibcCall, LibcTrap, int, params};

fn class(args: &[u64], holds: fn(&u8) -> bool) -> Result<u64, LibcTrap> {
    let [c] = params(args)?;
    int(u8::try_from(c).is_ok_and(|c| holds(&c)).into())
}

fn map(args: &[u64], map: fn(&u8) -> u8) -> Result<u64, LibcTrap> {
    let [c] = params(args)?;
    int(u8::try_from(c).map_or(c as i32, |c| map(&c).into()))
}

macro_rules! classes {
    ($($name:ident $holds:expr;)*) => {
        $(pub(crate) fn $name(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
            class(args, $holds)
        })*
    };
}

classes! {
    isupper u8::is_ascii_uppercase;
    isalpha u8::is_ascii_alphabetic;
    isspace is_space;
    isgraph u8::is_ascii_graphic;
    isprint |c| c.is_ascii_graphic() || *c == b' ';
    isdigit u8::is_ascii_digit;
    isxdigit u8::is_ascii_hexdigit;
    isalnum u8::is_ascii_alphanumeric;
}

pub(crate) fn tolower(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    map(args, u8::to_ascii_lowercase)
}

pub(crate) fn toupper(_: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    map(args, u8::to_ascii_uppercase)
}

/// White space as C has it: with vertical tab, which [`u8::is_ascii_whitespace`] leaves out.
pub(crate) fn is_space(c: &u8) -> bool {
    matches!(c, b' ' | b'\t'..=b'\r')
}
