//! The value side of vector loads and stores: what a load makes of the bits it read, what a store writes.
//!
//! Bits read come as an integer of the access's width, already converted from little-endian memory.

use super::{
    i8x16_extract_lane_u, i8x16_replace_lane, i8x16_splat, i16x8_extend_low_i8x16_s,
    i16x8_extend_low_i8x16_u, i16x8_extract_lane_u, i16x8_replace_lane, i16x8_splat,
    i32x4_extend_low_i16x8_s, i32x4_extend_low_i16x8_u, i32x4_extract_lane, i32x4_replace_lane, i32x4_splat,
    i64x2_extend_low_i32x4_s, i64x2_extend_low_i32x4_u, i64x2_extract_lane, i64x2_replace_lane, i64x2_splat,
};

#[inline]
pub(crate) fn v128_load8x8_s(x: u64) -> u128 {
    i16x8_extend_low_i8x16_s(u128::from(x))
}

#[inline]
pub(crate) fn v128_load8x8_u(x: u64) -> u128 {
    i16x8_extend_low_i8x16_u(u128::from(x))
}

#[inline]
pub(crate) fn v128_load16x4_s(x: u64) -> u128 {
    i32x4_extend_low_i16x8_s(u128::from(x))
}

#[inline]
pub(crate) fn v128_load16x4_u(x: u64) -> u128 {
    i32x4_extend_low_i16x8_u(u128::from(x))
}

#[inline]
pub(crate) fn v128_load32x2_s(x: u64) -> u128 {
    i64x2_extend_low_i32x4_s(u128::from(x))
}

#[inline]
pub(crate) fn v128_load32x2_u(x: u64) -> u128 {
    i64x2_extend_low_i32x4_u(u128::from(x))
}

#[inline]
pub(crate) fn v128_load8_splat(x: u8) -> u128 {
    i8x16_splat(u32::from(x))
}

#[inline]
pub(crate) fn v128_load16_splat(x: u16) -> u128 {
    i16x8_splat(u32::from(x))
}

#[inline]
pub(crate) fn v128_load32_splat(x: u32) -> u128 {
    i32x4_splat(x)
}

#[inline]
pub(crate) fn v128_load64_splat(x: u64) -> u128 {
    i64x2_splat(x)
}

#[inline]
pub(crate) fn v128_load32_zero(x: u32) -> u128 {
    u128::from(x)
}

#[inline]
pub(crate) fn v128_load64_zero(x: u64) -> u128 {
    u128::from(x)
}

#[inline]
pub(crate) fn v128_load8_lane(x: u8, a: u128, lane: u8) -> u128 {
    i8x16_replace_lane(a, u32::from(x), lane)
}

#[inline]
pub(crate) fn v128_load16_lane(x: u16, a: u128, lane: u8) -> u128 {
    i16x8_replace_lane(a, u32::from(x), lane)
}

#[inline]
pub(crate) fn v128_load32_lane(x: u32, a: u128, lane: u8) -> u128 {
    i32x4_replace_lane(a, x, lane)
}

#[inline]
pub(crate) fn v128_load64_lane(x: u64, a: u128, lane: u8) -> u128 {
    i64x2_replace_lane(a, x, lane)
}

#[inline]
pub(crate) fn v128_store8_lane(a: u128, lane: u8) -> u8 {
    i8x16_extract_lane_u(a, lane) as u8
}

#[inline]
pub(crate) fn v128_store16_lane(a: u128, lane: u8) -> u16 {
    i16x8_extract_lane_u(a, lane) as u16
}

#[inline]
pub(crate) fn v128_store32_lane(a: u128, lane: u8) -> u32 {
    i32x4_extract_lane(a, lane)
}

#[inline]
pub(crate) fn v128_store64_lane(a: u128, lane: u8) -> u64 {
    i64x2_extract_lane(a, lane)
}
