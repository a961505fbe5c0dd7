use super::{Binary, Forms, Shuffle, both, build, int_vectors, signed, unsigned};
use crate::simd::*;

#[test]
fn bits() {
    let (a, b, mask) = (0b1100, 0b1010, 0b0110);
    assert_eq!(v128_not(a), u128::MAX - 0b1100);
    assert_eq!(v128_and(a, b), 0b1000);
    assert_eq!(v128_andnot(a, b), 0b0100);
    assert_eq!(v128_or(a, b), 0b1110);
    assert_eq!(v128_xor(a, b), 0b0110);
    assert_eq!(v128_bitselect(a, b, mask), 0b1100);
    assert_eq!(v128_bitselect(a, b, u128::MAX), a);
    assert_eq!(v128_bitselect(a, b, 0), b);
}

#[test]
fn splats() {
    let x = 0x8123_4567_89ab_cdef_u64;
    assert_eq!(i8x16_splat(x as u32), build(8, |_| 0xef));
    assert_eq!(i16x8_splat(x as u32), build(16, |_| 0xcdef));
    assert_eq!(i32x4_splat(x as u32), build(32, |_| 0x89ab_cdef));
    assert_eq!(i64x2_splat(x), build(64, |_| x.into()));
    assert_eq!(f32x4_splat(-1.5), build(32, |_| (-1.5_f32).to_bits().into()));
    assert_eq!(f64x2_splat(-1.5), build(64, |_| (-1.5_f64).to_bits().into()));
}

#[test]
fn extracts() {
    for v in int_vectors(8) {
        for lane in 0..16 {
            assert_eq!(i8x16_extract_lane_s(v, lane), signed(v, 8, lane.into()) as u32);
            assert_eq!(i8x16_extract_lane_u(v, lane), unsigned(v, 8, lane.into()) as u32);
            assert_eq!(v128_store8_lane(v, lane), unsigned(v, 8, lane.into()) as u8);
        }
        for lane in 0..8 {
            assert_eq!(i16x8_extract_lane_s(v, lane), signed(v, 16, lane.into()) as u32);
            assert_eq!(i16x8_extract_lane_u(v, lane), unsigned(v, 16, lane.into()) as u32);
            assert_eq!(v128_store16_lane(v, lane), unsigned(v, 16, lane.into()) as u16);
        }
        for lane in 0..4 {
            let expect = unsigned(v, 32, lane.into()) as u32;
            assert_eq!(i32x4_extract_lane(v, lane), expect);
            assert_eq!(f32x4_extract_lane(v, lane).to_bits(), expect);
            assert_eq!(v128_store32_lane(v, lane), expect);
        }
        for lane in 0..2 {
            let expect = unsigned(v, 64, lane.into()) as u64;
            assert_eq!(i64x2_extract_lane(v, lane), expect);
            assert_eq!(f64x2_extract_lane(v, lane).to_bits(), expect);
            assert_eq!(v128_store64_lane(v, lane), expect);
        }
    }
}

#[test]
fn replacements() {
    let x = 0x8123_4567_89ab_cdef_u64;
    for v in int_vectors(8) {
        let expect = |bits, lane: u8| {
            build(bits, |i| if i == u32::from(lane) { x.into() } else { unsigned(v, bits, i) })
        };
        for lane in 0..16 {
            assert_eq!(i8x16_replace_lane(v, x as u32, lane), expect(8, lane));
            assert_eq!(v128_load8_lane(x as u8, v, lane), expect(8, lane));
        }
        for lane in 0..8 {
            assert_eq!(i16x8_replace_lane(v, x as u32, lane), expect(16, lane));
            assert_eq!(v128_load16_lane(x as u16, v, lane), expect(16, lane));
        }
        for lane in 0..4 {
            assert_eq!(i32x4_replace_lane(v, x as u32, lane), expect(32, lane));
            assert_eq!(f32x4_replace_lane(v, f32::from_bits(x as u32), lane), expect(32, lane));
            assert_eq!(v128_load32_lane(x as u32, v, lane), expect(32, lane));
        }
        for lane in 0..2 {
            assert_eq!(i64x2_replace_lane(v, x, lane), expect(64, lane));
            assert_eq!(f64x2_replace_lane(v, f64::from_bits(x), lane), expect(64, lane));
            assert_eq!(v128_load64_lane(x, v, lane), expect(64, lane));
        }
    }
}

#[test]
fn loads() {
    for x in int_vectors(8).into_iter().map(|v| v as u64) {
        let v = u128::from(x);
        assert_eq!(v128_load8x8_s(x), build(16, |i| signed(v, 8, i)));
        assert_eq!(v128_load8x8_u(x), build(16, |i| unsigned(v, 8, i)));
        assert_eq!(v128_load16x4_s(x), build(32, |i| signed(v, 16, i)));
        assert_eq!(v128_load16x4_u(x), build(32, |i| unsigned(v, 16, i)));
        assert_eq!(v128_load32x2_s(x), build(64, |i| signed(v, 32, i)));
        assert_eq!(v128_load32x2_u(x), build(64, |i| unsigned(v, 32, i)));
        assert_eq!(v128_load8_splat(x as u8), build(8, |_| x.into()));
        assert_eq!(v128_load16_splat(x as u16), build(16, |_| x.into()));
        assert_eq!(v128_load32_splat(x as u32), build(32, |_| x.into()));
        assert_eq!(v128_load64_splat(x), build(64, |_| x.into()));
        assert_eq!(v128_load32_zero(x as u32), u128::from(x as u32));
        assert_eq!(v128_load64_zero(x), v);
    }
}

#[test]
fn shuffle() {
    let forms: Forms<Shuffle> = both!(i8x16_shuffle);
    let a = build(8, |i| (0x10 + i).into());
    let b = build(8, |i| (0xe0 + i).into());
    for indices in int_vectors(8) {
        let lanes = build(8, |i| unsigned(indices, 8, i) & 31);
        let expect = build(8, |i| match unsigned(lanes, 8, i) as u32 {
            from @ 0..16 => unsigned(a, 8, from),
            from => unsigned(b, 8, from - 16),
        });
        for (form, f) in forms {
            assert_eq!(f(a, b, lanes), expect, "{form} {lanes:#034x}");
        }
    }
}

#[test]
fn swizzle() {
    let forms: Forms<Binary> = both!(i8x16_swizzle);
    let a = build(8, |i| (0x90 + i).into());
    let every_index = (0..16).map(|high| build(8, |low| (high << 4 | low).into()));
    for indices in int_vectors(8).into_iter().chain(every_index) {
        let expect = build(8, |i| match unsigned(indices, 8, i) {
            index @ 0..16 => unsigned(a, 8, index as u32),
            _ => 0,
        });
        for (form, f) in forms {
            assert_eq!(f(a, indices), expect, "{form} {indices:#034x}");
        }
    }
}
