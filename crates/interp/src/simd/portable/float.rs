//! Floating-point arithmetic and comparisons.
//!
//! Where an operand is a NaN, the result is a quiet NaN (an "arithmetic NaN" of the specification). For addition,
//! multiplication and the like the hardware sees to it; functions that only choose or round do it themselves.
//! `pmin`, `pmax`, `abs` and `neg` never change a NaN's payload.

use super::{binary, compare, comparison, map, unary, zip};

/// The lane functions Rust's floats do not have, for one type and the integer that holds its bits.
macro_rules! lane_functions {
    ($module:ident, $float:ty, $bits:ty, $fraction_bits:literal) => {
        mod $module {
            /// 2^(fraction bits): from here on every value is an integer.
            const INTEGERS: $float = (1u64 << $fraction_bits) as $float;

            /// `x`, made quiet if it is a NaN.
            #[inline(always)]
            fn quiet(x: $float) -> $float {
                let nan = <$bits>::from(x.is_nan());
                <$float>::from_bits(x.to_bits() | nan << ($fraction_bits - 1))
            }

            /// `x`, or the canonical NaN if it is one.
            #[inline(always)]
            pub(super) fn canonical(x: $float) -> $float {
                if x.is_nan() {
                    <$float>::from_bits(<$float>::INFINITY.to_bits() | 1 << ($fraction_bits - 1))
                } else {
                    x
                }
            }

            #[inline(always)]
            pub(super) fn min(x: $float, y: $float) -> $float {
                if x.is_nan() {
                    quiet(x)
                } else if x == y {
                    // Equal but perhaps zeros of both signs: the negative one has a bit more.
                    <$float>::from_bits(x.to_bits() | y.to_bits())
                } else if x < y {
                    x
                } else {
                    quiet(y)
                }
            }

            #[inline(always)]
            pub(super) fn max(x: $float, y: $float) -> $float {
                if x.is_nan() {
                    quiet(x)
                } else if x == y {
                    <$float>::from_bits(x.to_bits() & y.to_bits())
                } else if x > y {
                    x
                } else {
                    quiet(y)
                }
            }

            #[inline(always)]
            pub(super) fn pmin(x: $float, y: $float) -> $float {
                if y < x { y } else { x }
            }

            #[inline(always)]
            pub(super) fn pmax(x: $float, y: $float) -> $float {
                if x < y { y } else { x }
            }

            /// Rounds the magnitude of `x` by `adjust`, which is given it and the nearest integer, ties to even;
            /// the sign, also of a zero, is kept. Adding 2^(fraction bits) leaves no bits for a fraction, so the
            /// addition itself rounds. No library call, and it vectorizes.
            #[inline(always)]
            fn round(x: $float, adjust: impl Fn($float, $float) -> $float) -> $float {
                let magnitude = x.abs();
                if magnitude < INTEGERS {
                    adjust(magnitude, magnitude + INTEGERS - INTEGERS).copysign(x)
                } else {
                    quiet(x)
                }
            }

            #[inline(always)]
            fn down(magnitude: $float, nearest: $float) -> $float {
                if nearest > magnitude { nearest - 1.0 } else { nearest }
            }

            #[inline(always)]
            fn up(magnitude: $float, nearest: $float) -> $float {
                if nearest < magnitude { nearest + 1.0 } else { nearest }
            }

            #[inline(always)]
            pub(super) fn nearest(x: $float) -> $float {
                round(x, |_, nearest| nearest)
            }

            #[inline(always)]
            pub(super) fn trunc(x: $float) -> $float {
                round(x, down)
            }

            #[inline(always)]
            pub(super) fn floor(x: $float) -> $float {
                if x.is_sign_negative() { round(x, up) } else { round(x, down) }
            }

            #[inline(always)]
            pub(super) fn ceil(x: $float) -> $float {
                if x.is_sign_negative() { round(x, down) } else { round(x, up) }
            }
        }
    };
}

lane_functions!(single, f32, u32, 23);
lane_functions!(double, f64, u64, 52);

binary! {
    f32x4_add: f32, |x, y| x + y;
    f32x4_sub: f32, |x, y| x - y;
    f32x4_mul: f32, |x, y| x * y;
    f32x4_div: f32, |x, y| x / y;
    f32x4_min: f32, single::min;
    f32x4_max: f32, single::max;
    f32x4_pmin: f32, single::pmin;
    f32x4_pmax: f32, single::pmax;

    f64x2_add: f64, |x, y| x + y;
    f64x2_sub: f64, |x, y| x - y;
    f64x2_mul: f64, |x, y| x * y;
    f64x2_div: f64, |x, y| x / y;
    f64x2_min: f64, double::min;
    f64x2_max: f64, double::max;
    f64x2_pmin: f64, double::pmin;
    f64x2_pmax: f64, double::pmax;
}

unary! {
    f32x4_canonical_nans: f32, single::canonical;
    f64x2_canonical_nans: f64, double::canonical;
}

unary! {
    f32x4_ceil: f32, single::ceil;
    f32x4_floor: f32, single::floor;
    f32x4_trunc: f32, single::trunc;
    f32x4_nearest: f32, single::nearest;
    f32x4_sqrt: f32, f32::sqrt;

    f64x2_ceil: f64, double::ceil;
    f64x2_floor: f64, double::floor;
    f64x2_trunc: f64, double::trunc;
    f64x2_nearest: f64, double::nearest;
    f64x2_sqrt: f64, f64::sqrt;
}

comparison! {
    f32x4_eq: f32 => i32, eq;
    f32x4_ne: f32 => i32, ne;
    f32x4_lt: f32 => i32, lt;
    f32x4_gt: f32 => i32, gt;
    f32x4_le: f32 => i32, le;
    f32x4_ge: f32 => i32, ge;

    f64x2_eq: f64 => i64, eq;
    f64x2_ne: f64 => i64, ne;
    f64x2_lt: f64 => i64, lt;
    f64x2_gt: f64 => i64, gt;
    f64x2_le: f64 => i64, le;
    f64x2_ge: f64 => i64, ge;
}
