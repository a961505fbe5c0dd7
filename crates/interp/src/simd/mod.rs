//! The SIMD instructions of WebAssembly 2.0 as pure functions, one for each instruction.
//!
//! A vector is a `u128` with lane 0 in its low bits, whatever the byte order of the host. Functions are named
//! after their instruction, `i8x16.add_sat_s` is [`i8x16_add_sat_s`], and take operands in stack order, then
//! immediates. Scalars are `u32`, `u64`, `f32` or `f64`. Memory instructions take or return the bytes they move,
//! already in host order; the bounds check is the caller's. `v128.load`, `v128.store` and `v128.const` move a vector
//! as it is and need no function.
//!
//! Every instruction has a portable form. LLVM does not turn lanes carved out of an `i128` into vector code
//! when lanes are narrower than 32 bits, so on x86-64 `x86_64` replaces those that gain by it. Which form is
//! chosen is decided here and nowhere else; the tests hold both to the same naive definitions.

mod bits;
mod lane;
mod memory;
// Most of it is replaced on x86-64, where only the tests use all of it.
#[cfg_attr(target_arch = "x86_64", allow(dead_code, unused_imports))]
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub(crate) use bits::*;
pub(crate) use lane::*;
pub(crate) use memory::*;
pub(crate) use portable::*;

// An explicit import takes precedence over the glob imports above.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub(crate) use x86_64::{
    f32x4_add, f32x4_canonical_nans, f32x4_ceil, f32x4_convert_i32x4_s, f32x4_convert_i32x4_u, f32x4_demote_f64x2_zero, f32x4_div,
    f32x4_eq, f32x4_floor, f32x4_ge, f32x4_gt, f32x4_le, f32x4_lt, f32x4_max, f32x4_min, f32x4_mul, f32x4_ne,
    f32x4_nearest, f32x4_pmax, f32x4_pmin, f32x4_sqrt, f32x4_sub, f32x4_trunc,
    f64x2_add, f64x2_canonical_nans, f64x2_ceil, f64x2_convert_low_i32x4_s, f64x2_convert_low_i32x4_u, f64x2_div, f64x2_eq,
    f64x2_floor, f64x2_ge, f64x2_gt, f64x2_le, f64x2_lt, f64x2_max, f64x2_min, f64x2_mul, f64x2_ne,
    f64x2_nearest, f64x2_pmax, f64x2_pmin, f64x2_promote_low_f32x4, f64x2_sqrt, f64x2_sub, f64x2_trunc,
    i8x16_abs, i8x16_add, i8x16_add_sat_s, i8x16_add_sat_u, i8x16_avgr_u, i8x16_bitmask, i8x16_eq, i8x16_ge_s,
    i8x16_ge_u, i8x16_gt_s, i8x16_gt_u, i8x16_le_s, i8x16_le_u, i8x16_lt_s, i8x16_lt_u, i8x16_max_s,
    i8x16_max_u, i8x16_min_s, i8x16_min_u, i8x16_narrow_i16x8_s, i8x16_narrow_i16x8_u, i8x16_ne, i8x16_neg,
    i8x16_popcnt, i8x16_shl, i8x16_shr_s, i8x16_shr_u, i8x16_shuffle, i8x16_sub, i8x16_sub_sat_s,
    i8x16_sub_sat_u, i8x16_swizzle,
    i16x8_abs, i16x8_add, i16x8_add_sat_s, i16x8_add_sat_u, i16x8_avgr_u, i16x8_bitmask, i16x8_eq,
    i16x8_extadd_pairwise_i8x16_s, i16x8_extadd_pairwise_i8x16_u, i16x8_extend_high_i8x16_s,
    i16x8_extend_high_i8x16_u, i16x8_extend_low_i8x16_s, i16x8_extend_low_i8x16_u, i16x8_extmul_high_i8x16_s,
    i16x8_extmul_high_i8x16_u, i16x8_extmul_low_i8x16_s, i16x8_extmul_low_i8x16_u, i16x8_ge_s, i16x8_ge_u,
    i16x8_gt_s, i16x8_gt_u, i16x8_le_s, i16x8_le_u, i16x8_lt_s, i16x8_lt_u, i16x8_max_s, i16x8_max_u,
    i16x8_min_s, i16x8_min_u, i16x8_mul, i16x8_narrow_i32x4_s, i16x8_narrow_i32x4_u, i16x8_ne, i16x8_neg,
    i16x8_q15mulr_sat_s, i16x8_shl, i16x8_shr_s, i16x8_shr_u, i16x8_sub, i16x8_sub_sat_s, i16x8_sub_sat_u,
    i32x4_abs, i32x4_add, i32x4_bitmask, i32x4_dot_i16x8_s, i32x4_eq, i32x4_extadd_pairwise_i16x8_s,
    i32x4_extadd_pairwise_i16x8_u, i32x4_extend_high_i16x8_s, i32x4_extend_high_i16x8_u,
    i32x4_extend_low_i16x8_s, i32x4_extend_low_i16x8_u, i32x4_extmul_high_i16x8_s, i32x4_extmul_high_i16x8_u,
    i32x4_extmul_low_i16x8_s, i32x4_extmul_low_i16x8_u, i32x4_ge_s, i32x4_ge_u, i32x4_gt_s, i32x4_gt_u,
    i32x4_le_s, i32x4_le_u, i32x4_lt_s, i32x4_lt_u, i32x4_max_s, i32x4_max_u, i32x4_min_s, i32x4_min_u,
    i32x4_mul, i32x4_ne, i32x4_neg, i32x4_shl, i32x4_shr_s, i32x4_shr_u, i32x4_sub, i32x4_trunc_sat_f32x4_s,
    i32x4_trunc_sat_f32x4_u,
    i64x2_add, i64x2_bitmask, i64x2_eq, i64x2_extend_high_i32x4_s, i64x2_extend_high_i32x4_u,
    i64x2_extend_low_i32x4_s, i64x2_extend_low_i32x4_u, i64x2_extmul_high_i32x4_u, i64x2_extmul_low_i32x4_u,
    i64x2_ne, i64x2_neg, i64x2_shl, i64x2_shr_u, i64x2_sub,
};

#[cfg(test)]
mod tests;
