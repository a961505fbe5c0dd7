//! Instructions that see a vector as 128 bits, and tests of its lanes that need no lane arithmetic.

/// Bit 0 of every lane, for lanes of 8, 16 and 32 bits.
const LOW_8: u128 = u128::MAX / 0xff;
const LOW_16: u128 = u128::MAX / 0xffff;
const LOW_32: u128 = u128::MAX / 0xffff_ffff;

#[inline]
pub(crate) fn v128_not(a: u128) -> u128 {
    !a
}

#[inline]
pub(crate) fn v128_and(a: u128, b: u128) -> u128 {
    a & b
}

#[inline]
pub(crate) fn v128_andnot(a: u128, b: u128) -> u128 {
    a & !b
}

#[inline]
pub(crate) fn v128_or(a: u128, b: u128) -> u128 {
    a | b
}

#[inline]
pub(crate) fn v128_xor(a: u128, b: u128) -> u128 {
    a ^ b
}

/// Bits of `a` where `mask` has a one, bits of `b` elsewhere.
#[inline]
pub(crate) fn v128_bitselect(a: u128, b: u128, mask: u128) -> u128 {
    ((a ^ b) & mask) ^ b
}

#[inline]
pub(crate) fn v128_any_true(a: u128) -> u32 {
    u32::from(a != 0)
}

/// Whether no lane is zero: subtracting 1 from every lane borrows into the top bit of a zero lane. A borrow out
/// of a zero lane can only raise a false alarm in a lane above one that is zero, so the answer stays right.
#[inline]
fn all_true(a: u128, low: u128, lane_bits: u32) -> u32 {
    let high = low << (lane_bits - 1);
    u32::from(a.wrapping_sub(low) & !a & high == 0)
}

#[inline]
pub(crate) fn i8x16_all_true(a: u128) -> u32 {
    all_true(a, LOW_8, 8)
}

#[inline]
pub(crate) fn i16x8_all_true(a: u128) -> u32 {
    all_true(a, LOW_16, 16)
}

#[inline]
pub(crate) fn i32x4_all_true(a: u128) -> u32 {
    all_true(a, LOW_32, 32)
}

#[inline]
pub(crate) fn i64x2_all_true(a: u128) -> u32 {
    u32::from(a as u64 != 0 && (a >> 64) as u64 != 0)
}

// The sign of a float is its top bit, also that of a NaN: absolute value and negation must not touch anything else.

#[inline]
pub(crate) fn f32x4_abs(a: u128) -> u128 {
    a & !(LOW_32 << 31)
}

#[inline]
pub(crate) fn f32x4_neg(a: u128) -> u128 {
    a ^ (LOW_32 << 31)
}

#[inline]
pub(crate) fn f64x2_abs(a: u128) -> u128 {
    a & !(1 << 127 | 1 << 63)
}

#[inline]
pub(crate) fn f64x2_neg(a: u128) -> u128 {
    a ^ (1 << 127 | 1 << 63)
}
