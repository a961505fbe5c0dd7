//! Moving scalars in and out of lanes.
//!
//! Validation guarantees that a lane immediate is in range; the functions take it modulo the number of lanes, so
//! that they are total.

#[inline]
pub(crate) fn i8x16_splat(x: u32) -> u128 {
    i64x2_splat(u64::from(x as u8) * 0x0101_0101_0101_0101)
}

#[inline]
pub(crate) fn i16x8_splat(x: u32) -> u128 {
    i64x2_splat(u64::from(x as u16) * 0x0001_0001_0001_0001)
}

#[inline]
pub(crate) fn i32x4_splat(x: u32) -> u128 {
    i64x2_splat(u64::from(x) | u64::from(x) << 32)
}

#[inline]
pub(crate) fn i64x2_splat(x: u64) -> u128 {
    u128::from(x) | u128::from(x) << 64
}

#[inline]
pub(crate) fn f32x4_splat(x: f32) -> u128 {
    i32x4_splat(x.to_bits())
}

#[inline]
pub(crate) fn f64x2_splat(x: f64) -> u128 {
    i64x2_splat(x.to_bits())
}

#[inline]
pub(crate) fn i8x16_extract_lane_s(a: u128, lane: u8) -> u32 {
    (a >> (8 * (lane & 15))) as i8 as u32
}

#[inline]
pub(crate) fn i8x16_extract_lane_u(a: u128, lane: u8) -> u32 {
    u32::from((a >> (8 * (lane & 15))) as u8)
}

#[inline]
pub(crate) fn i16x8_extract_lane_s(a: u128, lane: u8) -> u32 {
    (a >> (16 * (lane & 7))) as i16 as u32
}

#[inline]
pub(crate) fn i16x8_extract_lane_u(a: u128, lane: u8) -> u32 {
    u32::from((a >> (16 * (lane & 7))) as u16)
}

#[inline]
pub(crate) fn i32x4_extract_lane(a: u128, lane: u8) -> u32 {
    (a >> (32 * (lane & 3))) as u32
}

#[inline]
pub(crate) fn i64x2_extract_lane(a: u128, lane: u8) -> u64 {
    (a >> (64 * (lane & 1))) as u64
}

#[inline]
pub(crate) fn f32x4_extract_lane(a: u128, lane: u8) -> f32 {
    f32::from_bits(i32x4_extract_lane(a, lane))
}

#[inline]
pub(crate) fn f64x2_extract_lane(a: u128, lane: u8) -> f64 {
    f64::from_bits(i64x2_extract_lane(a, lane))
}

/// Puts the low bits of `x` selected by `mask` at bit `at` of `a`.
#[inline]
fn insert(a: u128, x: u64, mask: u64, at: u8) -> u128 {
    a & !(u128::from(mask) << at) | u128::from(x & mask) << at
}

#[inline]
pub(crate) fn i8x16_replace_lane(a: u128, x: u32, lane: u8) -> u128 {
    insert(a, u64::from(x), u64::from(u8::MAX), 8 * (lane & 15))
}

#[inline]
pub(crate) fn i16x8_replace_lane(a: u128, x: u32, lane: u8) -> u128 {
    insert(a, u64::from(x), u64::from(u16::MAX), 16 * (lane & 7))
}

#[inline]
pub(crate) fn i32x4_replace_lane(a: u128, x: u32, lane: u8) -> u128 {
    insert(a, u64::from(x), u64::from(u32::MAX), 32 * (lane & 3))
}

#[inline]
pub(crate) fn i64x2_replace_lane(a: u128, x: u64, lane: u8) -> u128 {
    insert(a, x, u64::MAX, 64 * (lane & 1))
}

#[inline]
pub(crate) fn f32x4_replace_lane(a: u128, x: f32, lane: u8) -> u128 {
    i32x4_replace_lane(a, x.to_bits(), lane)
}

#[inline]
pub(crate) fn f64x2_replace_lane(a: u128, x: f64, lane: u8) -> u128 {
    i64x2_replace_lane(a, x.to_bits(), lane)
}
