use super::{Binary, Forms, Shift, Test, Unary, both, build, int_vectors, signed, unsigned};
use crate::simd::*;

type Get = fn(u128, u32, u32) -> i128;

fn check_unary(name: &str, forms: Forms<Unary>, bits: u32, expect: impl Fn(u128) -> u128) {
    for a in int_vectors(bits) {
        for (form, f) in forms {
            assert_eq!(f(a), expect(a), "{form} {name}({a:#034x})");
        }
    }
}

fn check_binary(name: &str, forms: Forms<Binary>, bits: u32, expect: impl Fn(u128, u128) -> u128) {
    let vectors = int_vectors(bits);
    for &a in &vectors {
        for &b in &vectors {
            for (form, f) in forms {
                assert_eq!(f(a, b), expect(a, b), "{form} {name}({a:#034x}, {b:#034x})");
            }
        }
    }
}

/// `name: bits, how lanes are read, function of lanes in i128`.
macro_rules! binary {
    ($($name:ident: $bits:literal, $get:ident, $f:expr;)*) => {$(
        #[test]
        fn $name() {
            let f: fn(i128, i128) -> i128 = $f;
            let get: Get = $get;
            check_binary(stringify!($name), both!($name), $bits, |a, b| {
                build($bits, |i| f(get(a, $bits, i), get(b, $bits, i)))
            });
        }
    )*};
}

macro_rules! unary {
    ($($name:ident: $bits:literal, $get:ident, $f:expr;)*) => {$(
        #[test]
        fn $name() {
            let f: fn(i128) -> i128 = $f;
            let get: Get = $get;
            check_unary(stringify!($name), both!($name), $bits, |a| build($bits, |i| f(get(a, $bits, i))));
        }
    )*};
}

fn all_ones_if(condition: bool) -> i128 {
    -i128::from(condition)
}

binary! {
    i8x16_add: 8, signed, |x, y| x + y;
    i8x16_sub: 8, signed, |x, y| x - y;
    i8x16_add_sat_s: 8, signed, |x, y| (x + y).clamp(-128, 127);
    i8x16_add_sat_u: 8, unsigned, |x, y| (x + y).min(255);
    i8x16_sub_sat_s: 8, signed, |x, y| (x - y).clamp(-128, 127);
    i8x16_sub_sat_u: 8, unsigned, |x, y| (x - y).max(0);
    i8x16_min_s: 8, signed, |x, y| x.min(y);
    i8x16_min_u: 8, unsigned, |x, y| x.min(y);
    i8x16_max_s: 8, signed, |x, y| x.max(y);
    i8x16_max_u: 8, unsigned, |x, y| x.max(y);
    i8x16_avgr_u: 8, unsigned, |x, y| (x + y + 1) / 2;
    i8x16_eq: 8, signed, |x, y| all_ones_if(x == y);
    i8x16_ne: 8, signed, |x, y| all_ones_if(x != y);
    i8x16_lt_s: 8, signed, |x, y| all_ones_if(x < y);
    i8x16_lt_u: 8, unsigned, |x, y| all_ones_if(x < y);
    i8x16_gt_s: 8, signed, |x, y| all_ones_if(x > y);
    i8x16_gt_u: 8, unsigned, |x, y| all_ones_if(x > y);
    i8x16_le_s: 8, signed, |x, y| all_ones_if(x <= y);
    i8x16_le_u: 8, unsigned, |x, y| all_ones_if(x <= y);
    i8x16_ge_s: 8, signed, |x, y| all_ones_if(x >= y);
    i8x16_ge_u: 8, unsigned, |x, y| all_ones_if(x >= y);

    i16x8_add: 16, signed, |x, y| x + y;
    i16x8_sub: 16, signed, |x, y| x - y;
    i16x8_mul: 16, signed, |x, y| x * y;
    i16x8_add_sat_s: 16, signed, |x, y| (x + y).clamp(-0x8000, 0x7fff);
    i16x8_add_sat_u: 16, unsigned, |x, y| (x + y).min(0xffff);
    i16x8_sub_sat_s: 16, signed, |x, y| (x - y).clamp(-0x8000, 0x7fff);
    i16x8_sub_sat_u: 16, unsigned, |x, y| (x - y).max(0);
    i16x8_min_s: 16, signed, |x, y| x.min(y);
    i16x8_min_u: 16, unsigned, |x, y| x.min(y);
    i16x8_max_s: 16, signed, |x, y| x.max(y);
    i16x8_max_u: 16, unsigned, |x, y| x.max(y);
    i16x8_avgr_u: 16, unsigned, |x, y| (x + y + 1) / 2;
    i16x8_q15mulr_sat_s: 16, signed, |x, y| ((x * y + 0x4000) >> 15).clamp(-0x8000, 0x7fff);
    i16x8_eq: 16, signed, |x, y| all_ones_if(x == y);
    i16x8_ne: 16, signed, |x, y| all_ones_if(x != y);
    i16x8_lt_s: 16, signed, |x, y| all_ones_if(x < y);
    i16x8_lt_u: 16, unsigned, |x, y| all_ones_if(x < y);
    i16x8_gt_s: 16, signed, |x, y| all_ones_if(x > y);
    i16x8_gt_u: 16, unsigned, |x, y| all_ones_if(x > y);
    i16x8_le_s: 16, signed, |x, y| all_ones_if(x <= y);
    i16x8_le_u: 16, unsigned, |x, y| all_ones_if(x <= y);
    i16x8_ge_s: 16, signed, |x, y| all_ones_if(x >= y);
    i16x8_ge_u: 16, unsigned, |x, y| all_ones_if(x >= y);

    i32x4_add: 32, signed, |x, y| x + y;
    i32x4_sub: 32, signed, |x, y| x - y;
    i32x4_mul: 32, signed, |x, y| x * y;
    i32x4_min_s: 32, signed, |x, y| x.min(y);
    i32x4_min_u: 32, unsigned, |x, y| x.min(y);
    i32x4_max_s: 32, signed, |x, y| x.max(y);
    i32x4_max_u: 32, unsigned, |x, y| x.max(y);
    i32x4_eq: 32, signed, |x, y| all_ones_if(x == y);
    i32x4_ne: 32, signed, |x, y| all_ones_if(x != y);
    i32x4_lt_s: 32, signed, |x, y| all_ones_if(x < y);
    i32x4_lt_u: 32, unsigned, |x, y| all_ones_if(x < y);
    i32x4_gt_s: 32, signed, |x, y| all_ones_if(x > y);
    i32x4_gt_u: 32, unsigned, |x, y| all_ones_if(x > y);
    i32x4_le_s: 32, signed, |x, y| all_ones_if(x <= y);
    i32x4_le_u: 32, unsigned, |x, y| all_ones_if(x <= y);
    i32x4_ge_s: 32, signed, |x, y| all_ones_if(x >= y);
    i32x4_ge_u: 32, unsigned, |x, y| all_ones_if(x >= y);

    i64x2_add: 64, signed, |x, y| x + y;
    i64x2_sub: 64, signed, |x, y| x - y;
    i64x2_mul: 64, signed, |x, y| x * y;
    i64x2_eq: 64, signed, |x, y| all_ones_if(x == y);
    i64x2_ne: 64, signed, |x, y| all_ones_if(x != y);
    i64x2_lt_s: 64, signed, |x, y| all_ones_if(x < y);
    i64x2_gt_s: 64, signed, |x, y| all_ones_if(x > y);
    i64x2_le_s: 64, signed, |x, y| all_ones_if(x <= y);
    i64x2_ge_s: 64, signed, |x, y| all_ones_if(x >= y);
}

unary! {
    i8x16_abs: 8, signed, i128::abs;
    i8x16_neg: 8, signed, |x| -x;
    i8x16_popcnt: 8, unsigned, |x| x.count_ones().into();
    i16x8_abs: 16, signed, i128::abs;
    i16x8_neg: 16, signed, |x| -x;
    i32x4_abs: 32, signed, i128::abs;
    i32x4_neg: 32, signed, |x| -x;
    i64x2_abs: 64, signed, i128::abs;
    i64x2_neg: 64, signed, |x| -x;
}

macro_rules! shift {
    ($($name:ident: $bits:literal, $get:ident, $f:expr;)*) => {$(
        #[test]
        fn $name() {
            let f: fn(i128, u32) -> i128 = $f;
            let get: Get = $get;
            let forms: Forms<Shift> = both!($name);
            for a in int_vectors($bits) {
                for n in (0..=130).chain([u32::MAX - 64, u32::MAX - 1, u32::MAX]) {
                    let expect = build($bits, |i| f(get(a, $bits, i), n % $bits));
                    for (form, shift) in forms {
                        assert_eq!(shift(a, n), expect, "{form} {a:#034x} by {n}");
                    }
                }
            }
        }
    )*};
}

shift! {
    i8x16_shl: 8, signed, |x, n| x << n;
    i8x16_shr_s: 8, signed, |x, n| x >> n;
    i8x16_shr_u: 8, unsigned, |x, n| x >> n;
    i16x8_shl: 16, signed, |x, n| x << n;
    i16x8_shr_s: 16, signed, |x, n| x >> n;
    i16x8_shr_u: 16, unsigned, |x, n| x >> n;
    i32x4_shl: 32, signed, |x, n| x << n;
    i32x4_shr_s: 32, signed, |x, n| x >> n;
    i32x4_shr_u: 32, unsigned, |x, n| x >> n;
    i64x2_shl: 64, signed, |x, n| x << n;
    i64x2_shr_s: 64, signed, |x, n| x >> n;
    i64x2_shr_u: 64, unsigned, |x, n| x >> n;
}

/// `extend, extmul: bits of the source lanes, how they are read, first source lane`.
macro_rules! widen {
    ($($extend:ident, $extmul:ident: $bits:literal, $get:ident, $first:literal;)*) => {$(
        #[test]
        fn $extend() {
            check_unary(stringify!($extend), both!($extend), $bits, |a| {
                build(2 * $bits, |i| $get(a, $bits, $first + i))
            });
        }

        #[test]
        fn $extmul() {
            check_binary(stringify!($extmul), both!($extmul), $bits, |a, b| {
                build(2 * $bits, |i| $get(a, $bits, $first + i) * $get(b, $bits, $first + i))
            });
        }
    )*};
}

widen! {
    i16x8_extend_low_i8x16_s, i16x8_extmul_low_i8x16_s: 8, signed, 0;
    i16x8_extend_low_i8x16_u, i16x8_extmul_low_i8x16_u: 8, unsigned, 0;
    i16x8_extend_high_i8x16_s, i16x8_extmul_high_i8x16_s: 8, signed, 8;
    i16x8_extend_high_i8x16_u, i16x8_extmul_high_i8x16_u: 8, unsigned, 8;
    i32x4_extend_low_i16x8_s, i32x4_extmul_low_i16x8_s: 16, signed, 0;
    i32x4_extend_low_i16x8_u, i32x4_extmul_low_i16x8_u: 16, unsigned, 0;
    i32x4_extend_high_i16x8_s, i32x4_extmul_high_i16x8_s: 16, signed, 4;
    i32x4_extend_high_i16x8_u, i32x4_extmul_high_i16x8_u: 16, unsigned, 4;
    i64x2_extend_low_i32x4_s, i64x2_extmul_low_i32x4_s: 32, signed, 0;
    i64x2_extend_low_i32x4_u, i64x2_extmul_low_i32x4_u: 32, unsigned, 0;
    i64x2_extend_high_i32x4_s, i64x2_extmul_high_i32x4_s: 32, signed, 2;
    i64x2_extend_high_i32x4_u, i64x2_extmul_high_i32x4_u: 32, unsigned, 2;
}

macro_rules! extadd_pairwise {
    ($($name:ident: $bits:literal, $get:ident;)*) => {$(
        #[test]
        fn $name() {
            check_unary(stringify!($name), both!($name), $bits, |a| {
                build(2 * $bits, |i| $get(a, $bits, 2 * i) + $get(a, $bits, 2 * i + 1))
            });
        }
    )*};
}

extadd_pairwise! {
    i16x8_extadd_pairwise_i8x16_s: 8, signed;
    i16x8_extadd_pairwise_i8x16_u: 8, unsigned;
    i32x4_extadd_pairwise_i16x8_s: 16, signed;
    i32x4_extadd_pairwise_i16x8_u: 16, unsigned;
}

/// `name: bits of the source lanes, least and greatest value of a result lane`.
macro_rules! narrow {
    ($($name:ident: $bits:literal, $min:literal, $max:literal;)*) => {$(
        #[test]
        fn $name() {
            check_binary(stringify!($name), both!($name), $bits, |a, b| {
                let half = 128 / $bits;
                build($bits / 2, |i| {
                    let x = if i < half { signed(a, $bits, i) } else { signed(b, $bits, i - half) };
                    x.clamp($min, $max)
                })
            });
        }
    )*};
}

narrow! {
    i8x16_narrow_i16x8_s: 16, -128, 127;
    i8x16_narrow_i16x8_u: 16, 0, 255;
    i16x8_narrow_i32x4_s: 32, -0x8000, 0x7fff;
    i16x8_narrow_i32x4_u: 32, 0, 0xffff;
}

#[test]
fn i32x4_dot_i16x8_s() {
    check_binary("i32x4_dot_i16x8_s", both!(i32x4_dot_i16x8_s), 16, |a, b| {
        let product = |i| signed(a, 16, i) * signed(b, 16, i);
        build(32, |i| product(2 * i) + product(2 * i + 1))
    });
}

#[test]
fn bitmasks() {
    let instructions: [(u32, Forms<Test>); 4] = [
        (8, both!(i8x16_bitmask)),
        (16, both!(i16x8_bitmask)),
        (32, both!(i32x4_bitmask)),
        (64, both!(i64x2_bitmask)),
    ];
    for (bits, forms) in instructions {
        for a in int_vectors(bits) {
            let expect = (0..128 / bits).map(|i| u32::from(signed(a, bits, i) < 0) << i).sum::<u32>();
            for (form, f) in forms {
                assert_eq!(f(a), expect, "{form}, {bits} bits, {a:#034x}");
            }
        }
    }
}

#[test]
fn tests_for_zero() {
    let all_true: [(u32, Test); 4] =
        [(8, i8x16_all_true), (16, i16x8_all_true), (32, i32x4_all_true), (64, i64x2_all_true)];
    for (bits, f) in all_true {
        for a in int_vectors(bits) {
            assert_eq!(
                f(a),
                u32::from((0..128 / bits).all(|i| unsigned(a, bits, i) != 0)),
                "{bits} {a:#034x}"
            );
        }
        // A single lane that is zero, among lanes that borrow and lanes that do not.
        for lane in 0..128 / bits {
            for other in [1, 1 << (bits - 1), -1] {
                let a = build(bits, |i| if i == lane { 0 } else { other });
                assert_eq!(f(a), 0, "{bits} {a:#034x}");
            }
        }
    }
    assert_eq!(v128_any_true(0), 0);
    for bit in 0..128 {
        assert_eq!(v128_any_true(1 << bit), 1, "bit {bit}");
    }
}
