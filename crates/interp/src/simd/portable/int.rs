//! Integer arithmetic, comparisons, shifts, shuffles.

use super::{Lane, binary, compare, comparison, from_fn, map, unary, zip};

binary! {
    i8x16_add: i8, i8::wrapping_add;
    i8x16_sub: i8, i8::wrapping_sub;
    i8x16_add_sat_s: i8, i8::saturating_add;
    i8x16_add_sat_u: u8, u8::saturating_add;
    i8x16_sub_sat_s: i8, i8::saturating_sub;
    i8x16_sub_sat_u: u8, u8::saturating_sub;
    i8x16_min_s: i8, Ord::min;
    i8x16_min_u: u8, Ord::min;
    i8x16_max_s: i8, Ord::max;
    i8x16_max_u: u8, Ord::max;
    i8x16_avgr_u: u8, |x, y| (u16::from(x) + u16::from(y)).div_ceil(2) as u8;

    i16x8_add: i16, i16::wrapping_add;
    i16x8_sub: i16, i16::wrapping_sub;
    i16x8_mul: i16, i16::wrapping_mul;
    i16x8_add_sat_s: i16, i16::saturating_add;
    i16x8_add_sat_u: u16, u16::saturating_add;
    i16x8_sub_sat_s: i16, i16::saturating_sub;
    i16x8_sub_sat_u: u16, u16::saturating_sub;
    i16x8_min_s: i16, Ord::min;
    i16x8_min_u: u16, Ord::min;
    i16x8_max_s: i16, Ord::max;
    i16x8_max_u: u16, Ord::max;
    i16x8_avgr_u: u16, |x, y| (u32::from(x) + u32::from(y)).div_ceil(2) as u16;
    i16x8_q15mulr_sat_s: i16, q15mulr_sat;

    i32x4_add: i32, i32::wrapping_add;
    i32x4_sub: i32, i32::wrapping_sub;
    i32x4_mul: i32, i32::wrapping_mul;
    i32x4_min_s: i32, Ord::min;
    i32x4_min_u: u32, Ord::min;
    i32x4_max_s: i32, Ord::max;
    i32x4_max_u: u32, Ord::max;

    i64x2_add: i64, i64::wrapping_add;
    i64x2_sub: i64, i64::wrapping_sub;
    i64x2_mul: i64, i64::wrapping_mul;
}

unary! {
    i8x16_abs: i8, i8::wrapping_abs;
    i8x16_neg: i8, i8::wrapping_neg;
    i8x16_popcnt: u8, |x| x.count_ones() as u8;
    i16x8_abs: i16, i16::wrapping_abs;
    i16x8_neg: i16, i16::wrapping_neg;
    i32x4_abs: i32, i32::wrapping_abs;
    i32x4_neg: i32, i32::wrapping_neg;
    i64x2_abs: i64, i64::wrapping_abs;
    i64x2_neg: i64, i64::wrapping_neg;
}

comparison! {
    i8x16_eq: i8 => i8, eq;
    i8x16_ne: i8 => i8, ne;
    i8x16_lt_s: i8 => i8, lt;
    i8x16_lt_u: u8 => i8, lt;
    i8x16_gt_s: i8 => i8, gt;
    i8x16_gt_u: u8 => i8, gt;
    i8x16_le_s: i8 => i8, le;
    i8x16_le_u: u8 => i8, le;
    i8x16_ge_s: i8 => i8, ge;
    i8x16_ge_u: u8 => i8, ge;

    i16x8_eq: i16 => i16, eq;
    i16x8_ne: i16 => i16, ne;
    i16x8_lt_s: i16 => i16, lt;
    i16x8_lt_u: u16 => i16, lt;
    i16x8_gt_s: i16 => i16, gt;
    i16x8_gt_u: u16 => i16, gt;
    i16x8_le_s: i16 => i16, le;
    i16x8_le_u: u16 => i16, le;
    i16x8_ge_s: i16 => i16, ge;
    i16x8_ge_u: u16 => i16, ge;

    i32x4_eq: i32 => i32, eq;
    i32x4_ne: i32 => i32, ne;
    i32x4_lt_s: i32 => i32, lt;
    i32x4_lt_u: u32 => i32, lt;
    i32x4_gt_s: i32 => i32, gt;
    i32x4_gt_u: u32 => i32, gt;
    i32x4_le_s: i32 => i32, le;
    i32x4_le_u: u32 => i32, le;
    i32x4_ge_s: i32 => i32, ge;
    i32x4_ge_u: u32 => i32, ge;

    i64x2_eq: i64 => i64, eq;
    i64x2_ne: i64 => i64, ne;
    i64x2_lt_s: i64 => i64, lt;
    i64x2_gt_s: i64 => i64, gt;
    i64x2_le_s: i64 => i64, le;
    i64x2_ge_s: i64 => i64, ge;
}

/// Shifts take their count modulo the width of a lane; so do Rust's `wrapping_` shifts.
macro_rules! shift {
    ($($name:ident: $lane:ty, $f:ident;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128, n: u32) -> u128 {
            map::<$lane, _>(a, |x| x.$f(n))
        }
    )*};
}

shift! {
    i8x16_shl: u8, wrapping_shl;
    i8x16_shr_s: i8, wrapping_shr;
    i8x16_shr_u: u8, wrapping_shr;
    i16x8_shl: u16, wrapping_shl;
    i16x8_shr_s: i16, wrapping_shr;
    i16x8_shr_u: u16, wrapping_shr;
    i32x4_shl: u32, wrapping_shl;
    i32x4_shr_s: i32, wrapping_shr;
    i32x4_shr_u: u32, wrapping_shr;
    i64x2_shl: u64, wrapping_shl;
    i64x2_shr_s: i64, wrapping_shr;
    i64x2_shr_u: u64, wrapping_shr;
}

/// Fixed-point multiplication in Q15 format, rounded. Only -1 * -1 saturates.
#[inline(always)]
fn q15mulr_sat(x: i16, y: i16) -> i16 {
    let product = (i32::from(x) * i32::from(y) + 0x4000) >> 15;
    product.min(i32::from(i16::MAX)) as i16
}

/// Products of neighbours, added in pairs. The sum wraps in one case only, -2^15 four times.
#[inline]
pub(crate) fn i32x4_dot_i16x8_s(a: u128, b: u128) -> u128 {
    let (a, b) = (i16::split(a), i16::split(b));
    let product = |i| i32::from(a[i]) * i32::from(b[i]);
    i32::join(from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1))))
}

/// The top bit of each lane, gathered: lane 0 in bit 0.
#[inline(always)]
fn bitmask<T: Lane<N> + Default + Ord, const N: usize>(a: u128) -> u32 {
    T::split(a).iter().rev().fold(0, |mask, lane| mask << 1 | u32::from(*lane < T::default()))
}

#[inline]
pub(crate) fn i8x16_bitmask(a: u128) -> u32 {
    bitmask::<i8, _>(a)
}

#[inline]
pub(crate) fn i16x8_bitmask(a: u128) -> u32 {
    bitmask::<i16, _>(a)
}

#[inline]
pub(crate) fn i32x4_bitmask(a: u128) -> u32 {
    bitmask::<i32, _>(a)
}

#[inline]
pub(crate) fn i64x2_bitmask(a: u128) -> u32 {
    bitmask::<i64, _>(a)
}

/// Lanes chosen by immediate (a vector of their numbers) from `a` (0 to 15) and `b` (16 to 31).
#[inline]
pub(crate) fn i8x16_shuffle(a: u128, b: u128, lanes: u128) -> u128 {
    let mut both = [0; 32];
    both[..16].copy_from_slice(&a.to_le_bytes());
    both[16..].copy_from_slice(&b.to_le_bytes());
    u128::from_le_bytes(lanes.to_le_bytes().map(|lane| both[usize::from(lane & 31)]))
}

/// Lanes of `a` chosen by the lanes of `indices`; an index out of range gives zero.
#[inline]
pub(crate) fn i8x16_swizzle(a: u128, indices: u128) -> u128 {
    let a = a.to_le_bytes();
    u128::from_le_bytes(indices.to_le_bytes().map(|i| a.get(usize::from(i)).copied().unwrap_or(0)))
}
