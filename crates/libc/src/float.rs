//! Floating-point numbers as `printf` writes them.
//!
//! A binary floating-point number has a finite decimal expansion. All of it is computed, with integers as long as it
//! takes, and then cut to the digits asked for, rounding to the nearest and ties to even: so every digit is right
//! whatever the precision, as in glibc and musl.

use crate::format::Number;

/// A floating-point number taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Float {
    pub(crate) negative: bool,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Infinity,
    NaN,
    /// `mantissa * 2^(exponent - fraction_bits)`, where the mantissa has its leading bit (0 in a subnormal number) above
    /// `fraction_bits` others.
    Finite {
        mantissa: u128,
        exponent: i32,
        fraction_bits: u32,
    },
}

impl Float {
    /// From the bits of an IEEE number with the given widths, right-aligned.
    fn from_ieee(bits: u128, exponent_bits: u32, fraction_bits: u32) -> Float {
        let exponent_mask = (1u32 << exponent_bits) - 1;
        let bias = (exponent_mask >> 1) as i32;
        let fraction = bits & ((1 << fraction_bits) - 1);
        let exponent = (bits >> fraction_bits) as u32 & exponent_mask;
        let kind = match (exponent, fraction) {
            (0, 0) => Kind::Finite { mantissa: 0, exponent: 0, fraction_bits },
            (0, _) => Kind::Finite { mantissa: fraction, exponent: 1 - bias, fraction_bits },
            (e, 0) if e == exponent_mask => Kind::Infinity,
            (e, _) if e == exponent_mask => Kind::NaN,
            (e, _) => Kind::Finite {
                mantissa: fraction | 1 << fraction_bits,
                exponent: e as i32 - bias,
                fraction_bits,
            },
        };
        Float { negative: bits >> (exponent_bits + fraction_bits) & 1 != 0, kind }
    }

    /// From a `double`.
    pub(crate) fn from_f64_bits(bits: u64) -> Float {
        Float::from_ieee(bits.into(), 11, 52)
    }

    /// From a `long double`, which in WebAssembly guests is IEEE binary128.
    pub(crate) fn from_f128_bits(bits: u128) -> Float {
        Float::from_ieee(bits, 15, 112)
    }
}

/// A non-negative number as decimal digits: `0.d1 d2 d3... * 10^point`. No leading zeros; zero has no digits.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Decimal {
    /// Values 0 to 9.
    digits: Vec<u8>,
    point: i64,
}

/// Base of the limbs of a [`Natural`].
const LIMB_BASE: u64 = 1_000_000_000;
const LIMB_DIGITS: usize = 9;

/// A natural number, in limbs of nine decimal digits, lowest first.
struct Natural(Vec<u32>);

impl Natural {
    fn new(mut value: u128) -> Natural {
        let mut limbs = Vec::new();
        while value != 0 {
            limbs.push((value % u128::from(LIMB_BASE)) as u32);
            value /= u128::from(LIMB_BASE);
        }
        Natural(limbs)
    }

    fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = (product % LIMB_BASE) as u32;
            carry = product / LIMB_BASE;
        }
        // The carry is less than the factor, which may be more than one limb holds.
        while carry != 0 {
            self.0.push((carry % LIMB_BASE) as u32);
            carry /= LIMB_BASE;
        }
    }

    /// Multiplies by `base^exponent`, `step` factors at a time; `base^step` must fit 32 bits.
    fn multiply_by_power(&mut self, base: u32, exponent: u32, step: u32) {
        for _ in 0..exponent / step {
            self.multiply(base.pow(step));
        }
        self.multiply(base.pow(exponent % step));
    }

    /// Decimal digits, highest first, without leading zeros.
    fn digits(&self) -> Vec<u8> {
        let mut digits = Vec::with_capacity(self.0.len() * LIMB_DIGITS);
        for &limb in &self.0 {
            let mut limb = limb;
            for _ in 0..LIMB_DIGITS {
                digits.push((limb % 10) as u8);
                limb /= 10;
            }
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        digits.reverse();
        digits
    }
}

impl Decimal {
    /// The exact value of `mantissa * 2^exponent`.
    fn new(mantissa: u128, exponent: i32) -> Decimal {
        if mantissa == 0 {
            return Decimal { digits: Vec::new(), point: 0 };
        }
        let zeros = mantissa.trailing_zeros();
        let (mut value, exponent) = (Natural::new(mantissa >> zeros), exponent + zeros as i32);
        let mut shift = 0;
        if exponent >= 0 {
            value.multiply_by_power(2, exponent as u32, 31);
        } else {
            // m / 2^k is m * 5^k / 10^k.
            value.multiply_by_power(5, exponent.unsigned_abs(), 13);
            shift = i64::from(exponent);
        }
        let digits = value.digits();
        Decimal { point: digits.len() as i64 + shift, digits }
    }

    /// Keeps the first `keep` digits, rounding to the nearest, ties to even. Drops trailing zeros of the result.
    fn round(&mut self, keep: i64) {
        let up = match usize::try_from(keep) {
            // Less than half of the last place that is kept.
            Err(_) => {
                self.digits.clear();
                false
            }
            Ok(keep) if keep >= self.digits.len() => false,
            Ok(keep) => {
                let rest = &self.digits[keep..];
                let more_than_half = rest[0] > 5 || rest[0] == 5 && rest[1..].iter().any(|&d| d != 0);
                let odd = keep > 0 && self.digits[keep - 1] % 2 == 1;
                let up = more_than_half || rest[0] == 5 && odd;
                self.digits.truncate(keep);
                up
            }
        };
        if up {
            while self.digits.last() == Some(&9) {
                self.digits.pop();
            }
            match self.digits.last_mut() {
                Some(last) => *last += 1,
                // All nines, or nothing kept: the result is one unit of the place above.
                None => {
                    self.digits.push(1);
                    self.point += 1;
                }
            }
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    /// Power of ten of the first digit.
    fn exponent(&self) -> i64 {
        if self.digits.is_empty() { 0 } else { self.point - 1 }
    }
}

/// Which form a number is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// `%f`
    Fixed,
    /// `%e`
    Exponent,
    /// `%g`
    General,
    /// `%a`
    Hex,
}

/// Writes a finite number without its sign. `precision` as given in the directive; `alternate` is the `#` flag; letters
/// are lower case.
pub(crate) fn finite(
    mantissa: u128,
    exponent: i32,
    fraction_bits: u32,
    style: Style,
    precision: Option<u32>,
    alternate: bool,
) -> Number {
    if style == Style::Hex {
        return hex(mantissa, exponent, fraction_bits, precision, alternate);
    }
    let mut value = Decimal::new(mantissa, exponent - fraction_bits as i32);
    let precision = i64::from(precision.unwrap_or(6));
    match style {
        Style::Fixed => {
            value.round(value.point.saturating_add(precision));
            fixed(&value, precision, alternate)
        }
        Style::Exponent => {
            value.round(precision + 1);
            scientific(&value, precision, alternate)
        }
        Style::General | Style::Hex => {
            let significant = precision.max(1);
            value.round(significant);
            let exponent = value.exponent();
            let digits = value.digits.len() as i64;
            if (-4..significant).contains(&exponent) {
                let places = significant - 1 - exponent;
                fixed(
                    &value,
                    if alternate { places } else { places.min((digits - value.point).max(0)) },
                    alternate,
                )
            } else {
                let places = significant - 1;
                scientific(
                    &value,
                    if alternate { places } else { places.min((digits - 1).max(0)) },
                    alternate,
                )
            }
        }
    }
}

fn ascii(digits: &[u8]) -> impl Iterator<Item = u8> + '_ {
    digits.iter().map(|d| b'0' + d)
}

/// `value`, already rounded, with `places` digits after the point.
fn fixed(value: &Decimal, places: i64, alternate: bool) -> Number {
    let mut number = Number::default();
    let whole = value.point.clamp(0, value.digits.len() as i64) as usize;
    if value.point <= 0 {
        number.head.push(b'0');
    } else {
        number.head.extend(ascii(&value.digits[..whole]));
        number.head.resize(value.point as usize, b'0');
    }
    if places > 0 || alternate {
        number.head.push(b'.');
    }
    let leading = places.min((-value.point).max(0));
    number.head.resize(number.head.len() + leading as usize, b'0');
    let fraction = &value.digits[whole..];
    let shown = (fraction.len() as i64).min(places - leading) as usize;
    number.head.extend(ascii(&fraction[..shown]));
    number.zeros = (places - leading) as u64 - shown as u64;
    number
}

/// `value`, already rounded, as `d.ddde+xx` with `places` digits after the point.
fn scientific(value: &Decimal, places: i64, alternate: bool) -> Number {
    let mut number = Number::default();
    let (first, fraction) = value.digits.split_first().unwrap_or((&0, &[]));
    number.head.push(b'0' + first);
    if places > 0 || alternate {
        number.head.push(b'.');
    }
    number.head.extend(ascii(fraction));
    number.zeros = places as u64 - fraction.len() as u64;
    let exponent = value.exponent();
    number.tail = format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).into_bytes();
    number
}

/// `h.hhhp+x`, with the leading digit the number itself has: 1, or 0 if it is subnormal.
fn hex(
    mut mantissa: u128,
    exponent: i32,
    fraction_bits: u32,
    precision: Option<u32>,
    alternate: bool,
) -> Number {
    let all = fraction_bits / 4;
    let places = match precision {
        Some(precision) => precision,
        None if mantissa == 0 => 0,
        None => all - (mantissa.trailing_zeros() / 4).min(all),
    };
    let shown = places.min(all);
    let dropped = (all - shown) * 4;
    if dropped > 0 {
        let (rest, half) = (mantissa & ((1 << dropped) - 1), 1 << (dropped - 1));
        mantissa >>= dropped;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
    }
    let mut number = Number::default();
    // Rounding may have made the leading digit a 2.
    number.head.push(b'0' + (mantissa >> (shown * 4)) as u8);
    if places > 0 || alternate {
        number.head.push(b'.');
    }
    for i in (0..shown).rev() {
        number.head.push(b"0123456789abcdef"[(mantissa >> (i * 4) & 15) as usize]);
    }
    number.zeros = u64::from(places - shown);
    number.tail = format!("p{exponent:+}").into_bytes();
    number
}
