//! NaN results are compared as the specification words them: if all NaN operands are canonical the result is
//! canonical, else any quiet NaN will do. Sign and payload are the processor's business.

use super::{Binary, Forms, Unary, both, build, int_vectors, unsigned, vectors};
use crate::simd::*;

/// What the checks need to know about a float type.
trait Float: Copy {
    const BITS: u32;
    const FRACTION_BITS: u32;
    fn from_lane(bits: i128) -> Self;
    fn lane(self) -> i128;
}

impl Float for f32 {
    const BITS: u32 = 32;
    const FRACTION_BITS: u32 = 23;
    fn from_lane(bits: i128) -> Self {
        Self::from_bits(bits as u32)
    }
    fn lane(self) -> i128 {
        self.to_bits().into()
    }
}

impl Float for f64 {
    const BITS: u32 = 64;
    const FRACTION_BITS: u32 = 52;
    fn from_lane(bits: i128) -> Self {
        Self::from_bits(bits as u64)
    }
    fn lane(self) -> i128 {
        self.to_bits().into()
    }
}

fn is_nan<F: Float>(lane: i128) -> bool {
    let infinity = (1 << (F::BITS - 1)) - (1 << F::FRACTION_BITS);
    lane & ((1 << (F::BITS - 1)) - 1) > infinity
}

fn is_canonical_nan<F: Float>(lane: i128) -> bool {
    is_nan::<F>(lane) && lane & ((1 << F::FRACTION_BITS) - 1) == 1 << (F::FRACTION_BITS - 1)
}

fn is_quiet_nan<F: Float>(lane: i128) -> bool {
    is_nan::<F>(lane) && lane >> (F::FRACTION_BITS - 1) & 1 == 1
}

/// Whether `got` is right for lane `expect` computed from `operands`.
fn agrees<F: Float>(got: i128, expect: i128, operands: &[i128]) -> bool {
    if !is_nan::<F>(expect) {
        got == expect
    } else if operands.iter().all(|&x| !is_nan::<F>(x) || is_canonical_nan::<F>(x)) {
        is_canonical_nan::<F>(got)
    } else {
        is_quiet_nan::<F>(got)
    }
}

fn float_vectors<F: Float>() -> Vec<u128> {
    let top = 1_u64 << (F::BITS - 1);
    let fraction = 1_u64 << F::FRACTION_BITS;
    let infinity = top - fraction;
    // Zero, least subnormal, normals around 1, infinity, NaNs: canonical, signalling, quiet with payload.
    let mut edges = vec![0, 1, fraction - 1, fraction, infinity - 1, infinity];
    edges.extend([
        infinity + 1,
        infinity + fraction / 2,
        infinity + fraction / 2 + 5,
        infinity + fraction / 4,
    ]);
    let values = [0.25, 0.499_999, 0.5, 0.75, 1.0, 1.25, 1.5, 2.5, 3.5, 4.75, 127.5, 65_535.5, 8_388_607.5];
    let large = [8_388_608.0, 8_388_609.0, 16_777_217.0, 2_147_483_520.0, 2_147_483_647.0, 2_147_483_648.0];
    let larger =
        [4_294_967_040.0, 4_294_967_295.0, 4_294_967_296.0, 4_503_599_627_370_495.5, 1e18, 1e40, 1e300];
    for value in values.into_iter().chain(large).chain(larger) {
        let bits = if F::BITS == 32 { u64::from((value as f32).to_bits()) } else { f64::to_bits(value) };
        edges.extend([bits - 1, bits, bits + 1]);
    }
    edges.extend(edges.clone().into_iter().map(|x| x | top));
    vectors(F::BITS, &edges)
}

fn check_unary<F: Float>(name: &str, forms: Forms<Unary>, expect: fn(F) -> F) {
    for a in float_vectors::<F>() {
        for (form, f) in forms {
            let got = f(a);
            for lane in 0..128 / F::BITS {
                let x = unsigned(a, F::BITS, lane);
                let (got, expect) = (unsigned(got, F::BITS, lane), expect(F::from_lane(x)).lane());
                assert!(agrees::<F>(got, expect, &[x]), "{form} {name}({x:#x}): {got:#x}, not {expect:#x}");
            }
        }
    }
}

fn check_binary<F: Float>(name: &str, forms: Forms<Binary>, expect: fn(F, F) -> F) {
    let vectors = float_vectors::<F>();
    for &a in &vectors {
        for &b in &vectors {
            for (form, f) in forms {
                let got = f(a, b);
                for lane in 0..128 / F::BITS {
                    let (x, y) = (unsigned(a, F::BITS, lane), unsigned(b, F::BITS, lane));
                    let expect = expect(F::from_lane(x), F::from_lane(y)).lane();
                    let got = unsigned(got, F::BITS, lane);
                    assert!(
                        agrees::<F>(got, expect, &[x, y]),
                        "{form} {name}({x:#x}, {y:#x}): {got:#x}, not {expect:#x}"
                    );
                }
            }
        }
    }
}

/// Checks that every bit is as expected, NaNs included.
fn check_exact<F: Float>(name: &str, forms: Forms<Binary>, expect: fn(F, F) -> i128) {
    let vectors = float_vectors::<F>();
    for &a in &vectors {
        for &b in &vectors {
            let expect = build(F::BITS, |i| {
                expect(F::from_lane(unsigned(a, F::BITS, i)), F::from_lane(unsigned(b, F::BITS, i)))
            });
            for (form, f) in forms {
                assert_eq!(f(a, b), expect, "{form} {name}({a:#034x}, {b:#034x})");
            }
        }
    }
}

/// The specification's minimum; the standard library's ignores NaNs.
fn min<F: Float + PartialOrd>(x: F, y: F) -> F {
    match x.partial_cmp(&y) {
        None => F::from_lane((1 << (F::BITS - 1)) - (1 << (F::FRACTION_BITS - 1))),
        Some(std::cmp::Ordering::Less) => x,
        Some(std::cmp::Ordering::Greater) => y,
        Some(std::cmp::Ordering::Equal) => F::from_lane(x.lane().max(y.lane())),
    }
}

fn max<F: Float + PartialOrd>(x: F, y: F) -> F {
    match x.partial_cmp(&y) {
        Some(std::cmp::Ordering::Less) => y,
        Some(std::cmp::Ordering::Greater) => x,
        Some(std::cmp::Ordering::Equal) => F::from_lane(x.lane().min(y.lane())),
        None => min(x, y),
    }
}

macro_rules! arithmetic {
    ($($name:ident: $ty:ty, $check:ident, $f:expr;)*) => {$(
        #[test]
        fn $name() {
            $check::<$ty>(stringify!($name), both!($name), $f);
        }
    )*};
}

arithmetic! {
    f32x4_add: f32, check_binary, |x, y| x + y;
    f32x4_sub: f32, check_binary, |x, y| x - y;
    f32x4_mul: f32, check_binary, |x, y| x * y;
    f32x4_div: f32, check_binary, |x, y| x / y;
    f32x4_min: f32, check_binary, min;
    f32x4_max: f32, check_binary, max;
    f32x4_ceil: f32, check_unary, f32::ceil;
    f32x4_floor: f32, check_unary, f32::floor;
    f32x4_trunc: f32, check_unary, f32::trunc;
    f32x4_nearest: f32, check_unary, f32::round_ties_even;
    f32x4_sqrt: f32, check_unary, f32::sqrt;
    f64x2_add: f64, check_binary, |x, y| x + y;
    f64x2_sub: f64, check_binary, |x, y| x - y;
    f64x2_mul: f64, check_binary, |x, y| x * y;
    f64x2_div: f64, check_binary, |x, y| x / y;
    f64x2_min: f64, check_binary, min;
    f64x2_max: f64, check_binary, max;
    f64x2_ceil: f64, check_unary, f64::ceil;
    f64x2_floor: f64, check_unary, f64::floor;
    f64x2_trunc: f64, check_unary, f64::trunc;
    f64x2_nearest: f64, check_unary, f64::round_ties_even;
    f64x2_sqrt: f64, check_unary, f64::sqrt;
}

fn all_ones_if(condition: bool) -> i128 {
    -i128::from(condition)
}

arithmetic! {
    f32x4_pmin: f32, check_exact, |x, y| if y < x { y.lane() } else { x.lane() };
    f32x4_pmax: f32, check_exact, |x, y| if x < y { y.lane() } else { x.lane() };
    f32x4_eq: f32, check_exact, |x, y| all_ones_if(x == y);
    f32x4_ne: f32, check_exact, |x, y| all_ones_if(x != y);
    f32x4_lt: f32, check_exact, |x, y| all_ones_if(x < y);
    f32x4_gt: f32, check_exact, |x, y| all_ones_if(x > y);
    f32x4_le: f32, check_exact, |x, y| all_ones_if(x <= y);
    f32x4_ge: f32, check_exact, |x, y| all_ones_if(x >= y);
    f64x2_pmin: f64, check_exact, |x, y| if y < x { y.lane() } else { x.lane() };
    f64x2_pmax: f64, check_exact, |x, y| if x < y { y.lane() } else { x.lane() };
    f64x2_eq: f64, check_exact, |x, y| all_ones_if(x == y);
    f64x2_ne: f64, check_exact, |x, y| all_ones_if(x != y);
    f64x2_lt: f64, check_exact, |x, y| all_ones_if(x < y);
    f64x2_gt: f64, check_exact, |x, y| all_ones_if(x > y);
    f64x2_le: f64, check_exact, |x, y| all_ones_if(x <= y);
    f64x2_ge: f64, check_exact, |x, y| all_ones_if(x >= y);
}

#[test]
fn sign_changes() {
    for a in float_vectors::<f32>() {
        assert_eq!(f32x4_abs(a), build(32, |i| unsigned(a, 32, i) & 0x7fff_ffff));
        assert_eq!(f32x4_neg(a), build(32, |i| unsigned(a, 32, i) ^ 0x8000_0000));
    }
    for a in float_vectors::<f64>() {
        assert_eq!(f64x2_abs(a), build(64, |i| unsigned(a, 64, i) & i128::from(i64::MAX)));
        assert_eq!(f64x2_neg(a), build(64, |i| unsigned(a, 64, i) ^ i128::from(1_u64 << 63)));
    }
}

/// The integer nearest to zero's side of `x`, clamped: the definition of a saturating truncation.
fn truncate(x: f64, min: i128, max: i128) -> i128 {
    if x.is_nan() {
        0
    } else if x <= min as f64 {
        min
    } else if x >= max as f64 {
        max
    } else {
        x.trunc() as i128
    }
}

fn check_conversion(
    name: &str,
    forms: Forms<Unary>,
    operands: impl IntoIterator<Item = u128>,
    expect: impl Fn(u128) -> u128,
) {
    for a in operands {
        for (form, f) in forms {
            assert_eq!(f(a), expect(a), "{form} {name}({a:#034x})");
        }
    }
}

#[test]
fn saturating_truncations() {
    let (signed_range, unsigned_range) = ((i32::MIN.into(), i32::MAX.into()), (0, u32::MAX.into()));
    let of_f32 = |a, i, (min, max)| truncate(f32::from_lane(unsigned(a, 32, i)).into(), min, max);
    let of_f64 =
        |a, i, (min, max)| if i < 2 { truncate(f64::from_lane(unsigned(a, 64, i)), min, max) } else { 0 };
    let (singles, doubles) = (float_vectors::<f32>(), float_vectors::<f64>());
    check_conversion("f32x4_s", both!(i32x4_trunc_sat_f32x4_s), singles.clone(), |a| {
        build(32, |i| of_f32(a, i, signed_range))
    });
    check_conversion("f32x4_u", both!(i32x4_trunc_sat_f32x4_u), singles, |a| {
        build(32, |i| of_f32(a, i, unsigned_range))
    });
    check_conversion("f64x2_s", both!(i32x4_trunc_sat_f64x2_s_zero), doubles.clone(), |a| {
        build(32, |i| of_f64(a, i, signed_range))
    });
    check_conversion("f64x2_u", both!(i32x4_trunc_sat_f64x2_u_zero), doubles, |a| {
        build(32, |i| of_f64(a, i, unsigned_range))
    });
}

#[test]
fn conversions_from_integers() {
    // More values than the usual ones: rounding depends on every bit.
    let mut operands = int_vectors(32);
    operands.extend((0..1000_u128).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)));
    let signed = |a, i| super::signed(a, 32, i);
    check_conversion("f32x4_convert_i32x4_s", both!(f32x4_convert_i32x4_s), operands.clone(), |a| {
        build(32, |i| (signed(a, i) as f32).lane())
    });
    check_conversion("f32x4_convert_i32x4_u", both!(f32x4_convert_i32x4_u), operands.clone(), |a| {
        build(32, |i| (unsigned(a, 32, i) as f32).lane())
    });
    check_conversion("f64x2_convert_low_i32x4_s", both!(f64x2_convert_low_i32x4_s), operands.clone(), |a| {
        build(64, |i| (signed(a, i) as f64).lane())
    });
    check_conversion("f64x2_convert_low_i32x4_u", both!(f64x2_convert_low_i32x4_u), operands, |a| {
        build(64, |i| (unsigned(a, 32, i) as f64).lane())
    });
}

#[test]
fn promotion_and_demotion() {
    let forms: Forms<Unary> = both!(f64x2_promote_low_f32x4);
    for a in float_vectors::<f32>() {
        for (form, f) in forms {
            for lane in 0..2 {
                let x = unsigned(a, 32, lane);
                let got = unsigned(f(a), 64, lane);
                if is_nan::<f32>(x) {
                    assert!(is_quiet_nan::<f64>(got), "{form} {x:#x}: {got:#x}");
                    assert!(
                        !is_canonical_nan::<f32>(x) || is_canonical_nan::<f64>(got),
                        "{form} {x:#x}: {got:#x}"
                    );
                } else {
                    assert_eq!(got, f64::from(f32::from_lane(x)).lane(), "{form} {x:#x}");
                }
            }
        }
    }
    let forms: Forms<Unary> = both!(f32x4_demote_f64x2_zero);
    for a in float_vectors::<f64>() {
        for (form, f) in forms {
            assert_eq!(f(a) >> 64, 0, "{form} {a:#034x}");
            for lane in 0..2 {
                let x = unsigned(a, 64, lane);
                let got = unsigned(f(a), 32, lane);
                if is_nan::<f64>(x) {
                    assert!(is_quiet_nan::<f32>(got), "{form} {x:#x}: {got:#x}");
                    assert!(
                        !is_canonical_nan::<f64>(x) || is_canonical_nan::<f32>(got),
                        "{form} {x:#x}: {got:#x}"
                    );
                } else {
                    assert_eq!(got, (f64::from_lane(x) as f32).lane(), "{form} {x:#x}");
                }
            }
        }
    }
}
