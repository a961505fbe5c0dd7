//! Floating-point arithmetic and comparisons.

use super::{Operand, sse2};
use core::arch::x86_64::*;

/// `a` where `mask` has a one, `b` elsewhere.
#[inline]
#[target_feature(enable = "sse2")]
fn select_ps(mask: __m128, a: __m128, b: __m128) -> __m128 {
    _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b))
}

#[inline]
#[target_feature(enable = "sse2")]
fn select_pd(mask: __m128d, a: __m128d, b: __m128d) -> __m128d {
    _mm_or_pd(_mm_and_pd(mask, a), _mm_andnot_pd(mask, b))
}

/// Which way [`round_ps`] corrects the nearest integer.
enum Direction {
    Nearest,
    Down,
    Up,
    Zero,
}

/// Rounds by adding and subtracting 2^23 with the operand's sign, which leaves no bits for a fraction.
#[inline]
#[target_feature(enable = "sse2")]
fn round_ps(a: __m128, direction: Direction) -> __m128 {
    let sign = _mm_and_ps(a, _mm_set1_ps(-0.0));
    let magnitude = _mm_xor_ps(a, sign);
    let integers = _mm_set1_ps(8_388_608.0);
    let one = _mm_set1_ps(1.0);
    // False for a NaN too.
    let has_fraction = _mm_cmplt_ps(magnitude, integers);
    let bias = _mm_or_ps(integers, sign);
    let nearest = _mm_sub_ps(_mm_add_ps(a, bias), bias);
    let rounded = match direction {
        Direction::Nearest => nearest,
        Direction::Down => _mm_sub_ps(nearest, _mm_and_ps(_mm_cmpgt_ps(nearest, a), one)),
        Direction::Up => _mm_add_ps(nearest, _mm_and_ps(_mm_cmplt_ps(nearest, a), one)),
        Direction::Zero => {
            let nearest = _mm_andnot_ps(_mm_set1_ps(-0.0), nearest);
            _mm_sub_ps(nearest, _mm_and_ps(_mm_cmpgt_ps(nearest, magnitude), one))
        }
    };
    // A result of zero has lost its sign. Adding zero to the operands left alone makes a NaN quiet.
    let rounded = _mm_or_ps(_mm_andnot_ps(_mm_set1_ps(-0.0), rounded), sign);
    select_ps(has_fraction, rounded, _mm_add_ps(a, _mm_setzero_ps()))
}

/// As [`round_ps`], with 2^52.
#[inline]
#[target_feature(enable = "sse2")]
fn round_pd(a: __m128d, direction: Direction) -> __m128d {
    let sign = _mm_and_pd(a, _mm_set1_pd(-0.0));
    let magnitude = _mm_xor_pd(a, sign);
    let integers = _mm_set1_pd(4_503_599_627_370_496.0);
    let one = _mm_set1_pd(1.0);
    let has_fraction = _mm_cmplt_pd(magnitude, integers);
    let bias = _mm_or_pd(integers, sign);
    let nearest = _mm_sub_pd(_mm_add_pd(a, bias), bias);
    let rounded = match direction {
        Direction::Nearest => nearest,
        Direction::Down => _mm_sub_pd(nearest, _mm_and_pd(_mm_cmpgt_pd(nearest, a), one)),
        Direction::Up => _mm_add_pd(nearest, _mm_and_pd(_mm_cmplt_pd(nearest, a), one)),
        Direction::Zero => {
            let nearest = _mm_andnot_pd(_mm_set1_pd(-0.0), nearest);
            _mm_sub_pd(nearest, _mm_and_pd(_mm_cmpgt_pd(nearest, magnitude), one))
        }
    };
    let rounded = _mm_or_pd(_mm_andnot_pd(_mm_set1_pd(-0.0), rounded), sign);
    select_pd(has_fraction, rounded, _mm_add_pd(a, _mm_setzero_pd()))
}

sse2! {
    fn f32x4_canonical_nans(a: __m128) -> __m128 {
        select_ps(_mm_cmpunord_ps(a, a), _mm_set1_ps(f32::from_bits(0x7fc0_0000)), a)
    }
    fn f64x2_canonical_nans(a: __m128d) -> __m128d {
        select_pd(_mm_cmpunord_pd(a, a), _mm_set1_pd(f64::from_bits(0x7ff8_0000_0000_0000)), a)
    }

    fn f32x4_add(a: __m128, b: __m128) -> __m128 { _mm_add_ps(a, b) }
    fn f32x4_sub(a: __m128, b: __m128) -> __m128 { _mm_sub_ps(a, b) }
    fn f32x4_mul(a: __m128, b: __m128) -> __m128 { _mm_mul_ps(a, b) }
    fn f32x4_div(a: __m128, b: __m128) -> __m128 { _mm_div_ps(a, b) }
    fn f32x4_sqrt(a: __m128) -> __m128 { _mm_sqrt_ps(a) }
    fn f32x4_ceil(a: __m128) -> __m128 { round_ps(a, Direction::Up) }
    fn f32x4_floor(a: __m128) -> __m128 { round_ps(a, Direction::Down) }
    fn f32x4_trunc(a: __m128) -> __m128 { round_ps(a, Direction::Zero) }
    fn f32x4_nearest(a: __m128) -> __m128 { round_ps(a, Direction::Nearest) }
    // `minps` gives its second operand for two zeros and for NaNs. Taking the minimum both ways round, one of the
    // two has the negative zero; sums of the operands are the quiet NaNs.
    fn f32x4_min(a: __m128, b: __m128) -> __m128 {
        let least = _mm_or_ps(_mm_min_ps(a, b), _mm_min_ps(b, a));
        select_ps(_mm_cmpunord_ps(a, b), _mm_add_ps(a, b), least)
    }
    fn f32x4_max(a: __m128, b: __m128) -> __m128 {
        let most = _mm_and_ps(_mm_max_ps(a, b), _mm_max_ps(b, a));
        select_ps(_mm_cmpunord_ps(a, b), _mm_add_ps(a, b), most)
    }
    fn f32x4_pmin(a: __m128, b: __m128) -> __m128 { _mm_min_ps(b, a) }
    fn f32x4_pmax(a: __m128, b: __m128) -> __m128 { _mm_max_ps(b, a) }
    fn f32x4_eq(a: __m128, b: __m128) -> __m128 { _mm_cmpeq_ps(a, b) }
    fn f32x4_ne(a: __m128, b: __m128) -> __m128 { _mm_cmpneq_ps(a, b) }
    fn f32x4_lt(a: __m128, b: __m128) -> __m128 { _mm_cmplt_ps(a, b) }
    fn f32x4_gt(a: __m128, b: __m128) -> __m128 { _mm_cmpgt_ps(a, b) }
    fn f32x4_le(a: __m128, b: __m128) -> __m128 { _mm_cmple_ps(a, b) }
    fn f32x4_ge(a: __m128, b: __m128) -> __m128 { _mm_cmpge_ps(a, b) }

    fn f64x2_add(a: __m128d, b: __m128d) -> __m128d { _mm_add_pd(a, b) }
    fn f64x2_sub(a: __m128d, b: __m128d) -> __m128d { _mm_sub_pd(a, b) }
    fn f64x2_mul(a: __m128d, b: __m128d) -> __m128d { _mm_mul_pd(a, b) }
    fn f64x2_div(a: __m128d, b: __m128d) -> __m128d { _mm_div_pd(a, b) }
    fn f64x2_sqrt(a: __m128d) -> __m128d { _mm_sqrt_pd(a) }
    fn f64x2_ceil(a: __m128d) -> __m128d { round_pd(a, Direction::Up) }
    fn f64x2_floor(a: __m128d) -> __m128d { round_pd(a, Direction::Down) }
    fn f64x2_trunc(a: __m128d) -> __m128d { round_pd(a, Direction::Zero) }
    fn f64x2_nearest(a: __m128d) -> __m128d { round_pd(a, Direction::Nearest) }
    fn f64x2_min(a: __m128d, b: __m128d) -> __m128d {
        let least = _mm_or_pd(_mm_min_pd(a, b), _mm_min_pd(b, a));
        select_pd(_mm_cmpunord_pd(a, b), _mm_add_pd(a, b), least)
    }
    fn f64x2_max(a: __m128d, b: __m128d) -> __m128d {
        let most = _mm_and_pd(_mm_max_pd(a, b), _mm_max_pd(b, a));
        select_pd(_mm_cmpunord_pd(a, b), _mm_add_pd(a, b), most)
    }
    fn f64x2_pmin(a: __m128d, b: __m128d) -> __m128d { _mm_min_pd(b, a) }
    fn f64x2_pmax(a: __m128d, b: __m128d) -> __m128d { _mm_max_pd(b, a) }
    fn f64x2_eq(a: __m128d, b: __m128d) -> __m128d { _mm_cmpeq_pd(a, b) }
    fn f64x2_ne(a: __m128d, b: __m128d) -> __m128d { _mm_cmpneq_pd(a, b) }
    fn f64x2_lt(a: __m128d, b: __m128d) -> __m128d { _mm_cmplt_pd(a, b) }
    fn f64x2_gt(a: __m128d, b: __m128d) -> __m128d { _mm_cmpgt_pd(a, b) }
    fn f64x2_le(a: __m128d, b: __m128d) -> __m128d { _mm_cmple_pd(a, b) }
    fn f64x2_ge(a: __m128d, b: __m128d) -> __m128d { _mm_cmpge_pd(a, b) }
}
