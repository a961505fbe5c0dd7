//! The format language of `printf`.
//!
//! Supported: flags `-+ #0'`, width and precision (also `*`), lengths `hh h l ll q j z t L`, conversions
//! `d i u o x X c s p f F e E g G a A %`. A directive with any other conversion is written out as it stands, as glibc does;
//! `%n` takes its argument and writes nothing: neither there nor to the output.

use wayfarer_guest::{GuestMemory, OutOfBounds};

use crate::LibcTrap;
use crate::float::{self, Float, Kind, Style};
use crate::string;

/// Why formatting ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The program ends.
    Trap(LibcTrap),
    /// The function returns a negative number.
    Failed,
}

impl From<OutOfBounds> for Stop {
    fn from(_: OutOfBounds) -> Self {
        Stop::Trap(LibcTrap::OutOfBounds)
    }
}

/// Where formatted text goes.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop>;
}

/// The variable arguments of a guest's call: they lie in its memory one after the other, each aligned to its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VaList<'a> {
    memory: GuestMemory<'a>,
    at: u64,
}

impl<'a> VaList<'a> {
    pub(crate) fn new(memory: GuestMemory<'a>, addr: u32) -> Self {
        VaList { memory, at: addr.into() }
    }

    fn next<const SIZE: usize>(&mut self, align: u64) -> Result<[u8; SIZE], OutOfBounds> {
        let mut bytes = [0; SIZE];
        let at = self.at.next_multiple_of(align);
        self.memory.read(at, &mut bytes)?;
        self.at = at + SIZE as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, OutOfBounds> {
        Ok(u32::from_le_bytes(self.next(4)?))
    }

    fn u64(&mut self) -> Result<u64, OutOfBounds> {
        Ok(u64::from_le_bytes(self.next(8)?))
    }

    fn u128(&mut self) -> Result<u128, OutOfBounds> {
        Ok(u128::from_le_bytes(self.next(16)?))
    }
}

/// A number's text without sign and padding: `head`, then `zeros` zeros, then `tail`. Zeros are counted, not stored, since a
/// guest may ask for two thousand million of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Number {
    pub(crate) head: Vec<u8>,
    pub(crate) zeros: u64,
    pub(crate) tail: Vec<u8>,
}

/// Argument size that a length modifier asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Length {
    /// `hh`
    Char,
    /// `h`
    Short,
    /// None.
    Int,
    /// `l`: four bytes for integers, wide for characters.
    Long,
    /// `z`, `t`
    Size,
    /// `ll`, `q`, `j`
    LongLong,
    /// `L`: `long double`; for integers the same as `ll`.
    LongDouble,
}

/// A directive, up to its conversion letter.
#[derive(Clone, Copy, Debug)]
struct Directive {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: u32,
    precision: Option<u32>,
    length: Length,
}

/// Bytes of padding written at a time.
const PADDING: usize = 64;

struct Formatter<'a, 's> {
    memory: GuestMemory<'a>,
    args: VaList<'a>,
    sink: &'s mut dyn Sink,
    /// Bytes put so far.
    count: u64,
}

/// Writes `format` with `args` to `sink`. Returns the number of bytes, also of those the sink may have dropped.
///
/// # Errors
/// [`Stop::Failed`] if the text is longer than `INT_MAX` bytes, the format ends inside a directive, a wide character does
/// not exist, or the sink fails; [`Stop::Trap`] for addresses outside memory.
pub(crate) fn format(
    memory: GuestMemory<'_>,
    format: u32,
    args: VaList<'_>,
    sink: &mut dyn Sink,
) -> Result<i32, Stop> {
    let text = string::read(memory, format)?;
    let mut formatter = Formatter { memory, args, sink, count: 0 };
    let mut rest = text.as_slice();
    while let Some(percent) = rest.iter().position(|&b| b == b'%') {
        formatter.put(&rest[..percent])?;
        rest = formatter.directive(&rest[percent..])?;
    }
    formatter.put(rest)?;
    // `put` and `pad` keep the count within an i32.
    Ok(formatter.count as i32)
}

/// A decimal number at the start of `text`, and what follows it. `None` if it is larger than `INT_MAX`.
fn leading_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let value = digits.iter().try_fold(0u32, |value, digit| {
        value.checked_mul(10)?.checked_add(u32::from(digit - b'0')).filter(|v| *v <= i32::MAX as u32)
    })?;
    Some((value, rest))
}

impl Formatter<'_, '_> {
    /// Counts `size` bytes about to be put: before they are, so that a text that gets too long costs nothing.
    fn account(&mut self, size: u64) -> Result<(), Stop> {
        self.count = self.count.saturating_add(size);
        if self.count > i32::MAX as u64 { Err(Stop::Failed) } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.account(bytes.len() as u64)?;
        self.sink.put(bytes)
    }

    fn pad(&mut self, byte: u8, mut count: u64) -> Result<(), Stop> {
        self.account(count)?;
        while count > 0 {
            let size = count.min(PADDING as u64);
            self.sink.put(&[byte; PADDING][..size as usize])?;
            count -= size;
        }
        Ok(())
    }

    /// Writes the directive at the start of `text`, which begins with its `%`; returns what follows it.
    fn directive<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], Stop> {
        let (directive, rest) = self.parse(&text[1..])?;
        let (&conversion, rest) = rest.split_first().ok_or(Stop::Failed)?;
        match conversion {
            b'd' | b'i' => self.signed(&directive)?,
            b'u' | b'o' | b'x' | b'X' => self.unsigned(&directive, conversion)?,
            b'c' => self.character(&directive)?,
            b's' => self.string(&directive)?,
            b'p' => self.pointer(&directive)?,
            b'f' | b'F' => self.float(&directive, Style::Fixed, conversion)?,
            b'e' | b'E' => self.float(&directive, Style::Exponent, conversion)?,
            b'g' | b'G' => self.float(&directive, Style::General, conversion)?,
            b'a' | b'A' => self.float(&directive, Style::Hex, conversion)?,
            b'%' => self.put(b"%")?,
            // A format that the guest does not control must not write to its memory. The argument is taken, so that those
            // behind it are printed where they belong.
            b'n' => {
                self.args.u32()?;
            }
            _ => self.put(&text[..text.len() - rest.len()])?,
        }
        Ok(rest)
    }

    /// Reads flags, width, precision and length, taking `*` arguments; returns them and what follows.
    fn parse<'t>(&mut self, mut text: &'t [u8]) -> Result<(Directive, &'t [u8]), Stop> {
        let mut directive = Directive {
            left: false,
            plus: false,
            space: false,
            alternate: false,
            zero: false,
            width: 0,
            precision: None,
            length: Length::Int,
        };
        while let Some((flag, rest)) = text.split_first() {
            match flag {
                b'-' => directive.left = true,
                b'+' => directive.plus = true,
                b' ' => directive.space = true,
                b'#' => directive.alternate = true,
                b'0' => directive.zero = true,
                // Groups thousands where the locale has a separator; the C locale has none.
                b'\'' => {}
                _ => break,
            }
            text = rest;
        }
        if let Some(rest) = text.strip_prefix(b"*") {
            let width = self.args.u32()? as i32;
            directive.left |= width < 0;
            directive.width = width.unsigned_abs();
            text = rest;
        } else {
            (directive.width, text) = leading_number(text).ok_or(Stop::Failed)?;
        }
        if let Some(rest) = text.strip_prefix(b".") {
            if let Some(rest) = rest.strip_prefix(b"*") {
                directive.precision = u32::try_from(self.args.u32()? as i32).ok();
                text = rest;
            } else {
                let (precision, rest) = leading_number(rest).ok_or(Stop::Failed)?;
                directive.precision = Some(precision);
                text = rest;
            }
        }
        let (length, size) = match text {
            [b'h', b'h', ..] => (Length::Char, 2),
            [b'h', ..] => (Length::Short, 1),
            [b'l', b'l', ..] => (Length::LongLong, 2),
            [b'l', ..] => (Length::Long, 1),
            [b'q' | b'j', ..] => (Length::LongLong, 1),
            [b'z' | b't', ..] => (Length::Size, 1),
            [b'L', ..] => (Length::LongDouble, 1),
            _ => (Length::Int, 0),
        };
        directive.length = length;
        Ok((directive, &text[size..]))
    }

    /// Writes a number with sign or base prefix, padded to the width.
    fn number(&mut self, directive: &Directive, prefix: &[u8], number: &Number) -> Result<(), Stop> {
        let size = (prefix.len() + number.head.len() + number.tail.len()) as u64 + number.zeros;
        let padding = u64::from(directive.width).saturating_sub(size);
        let (before, zeros, after) = match (directive.left, directive.zero) {
            (true, _) => (0, 0, padding),
            (false, true) => (0, padding, 0),
            (false, false) => (padding, 0, 0),
        };
        self.pad(b' ', before)?;
        self.put(prefix)?;
        self.pad(b'0', zeros)?;
        self.put(&number.head)?;
        self.pad(b'0', number.zeros)?;
        self.put(&number.tail)?;
        self.pad(b' ', after)
    }

    /// Writes an integer whose digits are `digits` (empty for zero).
    fn integer(
        &mut self,
        directive: &Directive,
        prefix: &[u8],
        digits: &str,
        octal: bool,
    ) -> Result<(), Stop> {
        let mut least = u64::from(directive.precision.unwrap_or(1));
        if octal && directive.alternate {
            least = least.max(digits.len() as u64 + 1);
        }
        // The missing digits go before those that are there: as the zeros of a number whose digits are its tail.
        let number = Number {
            head: Vec::new(),
            zeros: least.saturating_sub(digits.len() as u64),
            tail: digits.as_bytes().to_vec(),
        };
        let directive = Directive { zero: directive.zero && directive.precision.is_none(), ..*directive };
        self.number(&directive, prefix, &number)
    }

    fn signed(&mut self, directive: &Directive) -> Result<(), Stop> {
        let value = match directive.length {
            Length::Char => (self.args.u32()? as i8).into(),
            Length::Short => (self.args.u32()? as i16).into(),
            Length::Int | Length::Long | Length::Size => (self.args.u32()? as i32).into(),
            Length::LongLong | Length::LongDouble => self.args.u64()? as i64,
        };
        let digits = if value == 0 { String::new() } else { value.unsigned_abs().to_string() };
        self.integer(directive, sign(directive, value < 0), &digits, false)
    }

    fn unsigned(&mut self, directive: &Directive, conversion: u8) -> Result<(), Stop> {
        let value = match directive.length {
            Length::Char => (self.args.u32()? as u8).into(),
            Length::Short => (self.args.u32()? as u16).into(),
            Length::Int | Length::Long | Length::Size => self.args.u32()?.into(),
            Length::LongLong | Length::LongDouble => self.args.u64()?,
        };
        let digits = match conversion {
            _ if value == 0 => String::new(),
            b'o' => format!("{value:o}"),
            b'x' => format!("{value:x}"),
            b'X' => format!("{value:X}"),
            _ => value.to_string(),
        };
        let prefix: &[u8] = match conversion {
            b'x' if directive.alternate && value != 0 => b"0x",
            b'X' if directive.alternate && value != 0 => b"0X",
            _ => b"",
        };
        self.integer(directive, prefix, &digits, conversion == b'o')
    }

    fn pointer(&mut self, directive: &Directive) -> Result<(), Stop> {
        let addr = self.args.u32()?;
        if addr == 0 {
            return self.padded(directive, b"(nil)");
        }
        let prefix: &[u8] = match sign(directive, false) {
            b"+" => b"+0x",
            b" " => b" 0x",
            _ => b"0x",
        };
        self.integer(directive, prefix, &format!("{addr:x}"), false)
    }

    fn float(&mut self, directive: &Directive, style: Style, conversion: u8) -> Result<(), Stop> {
        let float = match directive.length {
            Length::LongDouble => Float::from_f128_bits(self.args.u128()?),
            _ => Float::from_f64_bits(self.args.u64()?),
        };
        let upper = conversion.is_ascii_uppercase();
        let mut prefix = sign(directive, float.negative).to_vec();
        let mut directive = *directive;
        let mut number = match float.kind {
            Kind::Infinity | Kind::NaN => {
                directive.zero = false;
                let name: &[u8] = if float.kind == Kind::NaN { b"nan" } else { b"inf" };
                Number { head: name.to_vec(), ..Number::default() }
            }
            Kind::Finite { mantissa, exponent, fraction_bits } => {
                if style == Style::Hex {
                    prefix.extend_from_slice(b"0x");
                }
                let Directive { precision, alternate, .. } = directive;
                float::finite(mantissa, exponent, fraction_bits, style, precision, alternate)
            }
        };
        if upper {
            prefix.make_ascii_uppercase();
            number.head.make_ascii_uppercase();
            number.tail.make_ascii_uppercase();
        }
        self.number(&directive, &prefix, &number)
    }

    /// Writes text padded to the width with spaces.
    fn padded(&mut self, directive: &Directive, text: &[u8]) -> Result<(), Stop> {
        let padding = u64::from(directive.width).saturating_sub(text.len() as u64);
        self.pad(b' ', if directive.left { 0 } else { padding })?;
        self.put(text)?;
        self.pad(b' ', if directive.left { padding } else { 0 })
    }

    fn character(&mut self, directive: &Directive) -> Result<(), Stop> {
        let c = self.args.u32()?;
        if directive.length == Length::Long {
            let text = wide(c)?.to_string();
            return self.padded(directive, text.as_bytes());
        }
        self.padded(directive, &[c as u8])
    }

    fn string(&mut self, directive: &Directive) -> Result<(), Stop> {
        let addr = self.args.u32()?;
        let limit = directive.precision.unwrap_or(u32::MAX);
        if addr == 0 {
            // glibc leaves it out when there is no room for all of it.
            let text: &[u8] = if limit < 6 { b"" } else { b"(null)" };
            return self.padded(directive, text);
        }
        if directive.length == Length::Long {
            let text = self.wide_string(addr, limit)?;
            return self.padded(directive, text.as_bytes());
        }
        let text = match directive.precision {
            None => string::read(self.memory, addr)?,
            Some(limit) => {
                let size = string::length_within(self.memory, addr, limit)?;
                self.memory.read_vec(addr.into(), size.into())?
            }
        };
        self.padded(directive, &text)
    }

    /// The string of 32-bit characters at `addr` in UTF-8, as much of it as `limit` bytes hold.
    fn wide_string(&self, addr: u32, limit: u32) -> Result<String, Stop> {
        let mut text = String::new();
        let mut at = u64::from(addr);
        while text.len() < limit as usize {
            let c = self.memory.read_u32(at)?;
            if c == 0 {
                break;
            }
            let c = wide(c)?;
            if text.len() + c.len_utf8() > limit as usize {
                break;
            }
            text.push(c);
            at += 4;
        }
        Ok(text)
    }
}

fn wide(c: u32) -> Result<char, Stop> {
    char::from_u32(c).ok_or(Stop::Failed)
}

fn sign(directive: &Directive, negative: bool) -> &'static [u8] {
    match (negative, directive.plus, directive.space) {
        (true, ..) => b"-",
        (false, true, _) => b"+",
        (false, false, true) => b" ",
        (false, false, false) => b"",
    }
}
