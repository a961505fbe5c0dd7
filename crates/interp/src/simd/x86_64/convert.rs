//! Widening, narrowing, int to float and back.

use super::{Operand, sse2};
use core::arch::x86_64::*;

sse2! {
    fn i8x16_narrow_i16x8_s(a: __m128i, b: __m128i) -> __m128i { _mm_packs_epi16(a, b) }
    fn i8x16_narrow_i16x8_u(a: __m128i, b: __m128i) -> __m128i { _mm_packus_epi16(a, b) }
    fn i16x8_narrow_i32x4_s(a: __m128i, b: __m128i) -> __m128i { _mm_packs_epi32(a, b) }
    fn i16x8_narrow_i32x4_u(a: __m128i, b: __m128i) -> __m128i {
        // Negative lanes become zero; the rest is moved into the range where the signed form saturates right.
        let half = _mm_set1_epi32(0x8000);
        let a = _mm_sub_epi32(_mm_andnot_si128(_mm_srai_epi32::<31>(a), a), half);
        let b = _mm_sub_epi32(_mm_andnot_si128(_mm_srai_epi32::<31>(b), b), half);
        _mm_xor_si128(_mm_packs_epi32(a, b), _mm_set1_epi16(i16::MIN))
    }

    // Signed widening puts each lane into the upper half of a wider one and shifts it down.
    fn i16x8_extend_low_i8x16_s(a: __m128i) -> __m128i { _mm_srai_epi16::<8>(_mm_unpacklo_epi8(a, a)) }
    fn i16x8_extend_high_i8x16_s(a: __m128i) -> __m128i { _mm_srai_epi16::<8>(_mm_unpackhi_epi8(a, a)) }
    fn i16x8_extend_low_i8x16_u(a: __m128i) -> __m128i { _mm_unpacklo_epi8(a, _mm_setzero_si128()) }
    fn i16x8_extend_high_i8x16_u(a: __m128i) -> __m128i { _mm_unpackhi_epi8(a, _mm_setzero_si128()) }
    fn i32x4_extend_low_i16x8_s(a: __m128i) -> __m128i { _mm_srai_epi32::<16>(_mm_unpacklo_epi16(a, a)) }
    fn i32x4_extend_high_i16x8_s(a: __m128i) -> __m128i { _mm_srai_epi32::<16>(_mm_unpackhi_epi16(a, a)) }
    fn i32x4_extend_low_i16x8_u(a: __m128i) -> __m128i { _mm_unpacklo_epi16(a, _mm_setzero_si128()) }
    fn i32x4_extend_high_i16x8_u(a: __m128i) -> __m128i { _mm_unpackhi_epi16(a, _mm_setzero_si128()) }
    fn i64x2_extend_low_i32x4_s(a: __m128i) -> __m128i { _mm_unpacklo_epi32(a, _mm_srai_epi32::<31>(a)) }
    fn i64x2_extend_high_i32x4_s(a: __m128i) -> __m128i { _mm_unpackhi_epi32(a, _mm_srai_epi32::<31>(a)) }
    fn i64x2_extend_low_i32x4_u(a: __m128i) -> __m128i { _mm_unpacklo_epi32(a, _mm_setzero_si128()) }
    fn i64x2_extend_high_i32x4_u(a: __m128i) -> __m128i { _mm_unpackhi_epi32(a, _mm_setzero_si128()) }

    fn i16x8_extmul_low_i8x16_s(a: __m128i, b: __m128i) -> __m128i {
        let a = _mm_srai_epi16::<8>(_mm_unpacklo_epi8(a, a));
        _mm_mullo_epi16(a, _mm_srai_epi16::<8>(_mm_unpacklo_epi8(b, b)))
    }
    fn i16x8_extmul_high_i8x16_s(a: __m128i, b: __m128i) -> __m128i {
        let a = _mm_srai_epi16::<8>(_mm_unpackhi_epi8(a, a));
        _mm_mullo_epi16(a, _mm_srai_epi16::<8>(_mm_unpackhi_epi8(b, b)))
    }
    fn i16x8_extmul_low_i8x16_u(a: __m128i, b: __m128i) -> __m128i {
        let zero = _mm_setzero_si128();
        _mm_mullo_epi16(_mm_unpacklo_epi8(a, zero), _mm_unpacklo_epi8(b, zero))
    }
    fn i16x8_extmul_high_i8x16_u(a: __m128i, b: __m128i) -> __m128i {
        let zero = _mm_setzero_si128();
        _mm_mullo_epi16(_mm_unpackhi_epi8(a, zero), _mm_unpackhi_epi8(b, zero))
    }
    fn i32x4_extmul_low_i16x8_s(a: __m128i, b: __m128i) -> __m128i {
        _mm_unpacklo_epi16(_mm_mullo_epi16(a, b), _mm_mulhi_epi16(a, b))
    }
    fn i32x4_extmul_high_i16x8_s(a: __m128i, b: __m128i) -> __m128i {
        _mm_unpackhi_epi16(_mm_mullo_epi16(a, b), _mm_mulhi_epi16(a, b))
    }
    fn i32x4_extmul_low_i16x8_u(a: __m128i, b: __m128i) -> __m128i {
        _mm_unpacklo_epi16(_mm_mullo_epi16(a, b), _mm_mulhi_epu16(a, b))
    }
    fn i32x4_extmul_high_i16x8_u(a: __m128i, b: __m128i) -> __m128i {
        _mm_unpackhi_epi16(_mm_mullo_epi16(a, b), _mm_mulhi_epu16(a, b))
    }
    fn i64x2_extmul_low_i32x4_u(a: __m128i, b: __m128i) -> __m128i {
        _mm_mul_epu32(_mm_unpacklo_epi32(a, a), _mm_unpacklo_epi32(b, b))
    }
    fn i64x2_extmul_high_i32x4_u(a: __m128i, b: __m128i) -> __m128i {
        _mm_mul_epu32(_mm_unpackhi_epi32(a, a), _mm_unpackhi_epi32(b, b))
    }

    fn i16x8_extadd_pairwise_i8x16_s(a: __m128i) -> __m128i {
        _mm_add_epi16(_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(a)), _mm_srai_epi16::<8>(a))
    }
    fn i16x8_extadd_pairwise_i8x16_u(a: __m128i) -> __m128i {
        _mm_add_epi16(_mm_and_si128(a, _mm_set1_epi16(0xff)), _mm_srli_epi16::<8>(a))
    }
    fn i32x4_extadd_pairwise_i16x8_s(a: __m128i) -> __m128i { _mm_madd_epi16(a, _mm_set1_epi16(1)) }
    fn i32x4_extadd_pairwise_i16x8_u(a: __m128i) -> __m128i {
        _mm_add_epi32(_mm_and_si128(a, _mm_set1_epi32(0xffff)), _mm_srli_epi32::<16>(a))
    }
}

// `cvttps2dq` answers 0x8000_0000 for what does not fit.
sse2! {
    fn i32x4_trunc_sat_f32x4_s(a: __m128) -> __m128i {
        let a = _mm_and_ps(a, _mm_cmpord_ps(a, a));
        let too_large = _mm_castps_si128(_mm_cmpge_ps(a, _mm_set1_ps(2_147_483_648.0)));
        // All ones turn the answer for what does not fit into the largest integer.
        _mm_xor_si128(_mm_cvttps_epi32(a), too_large)
    }
    fn i32x4_trunc_sat_f32x4_u(a: __m128) -> __m128i {
        // `maxps` gives its second operand if the first is a NaN.
        let a = _mm_max_ps(a, _mm_setzero_ps());
        let half = _mm_set1_ps(2_147_483_648.0);
        let upper = _mm_castps_si128(_mm_cmpge_ps(a, half));
        let too_large = _mm_castps_si128(_mm_cmpge_ps(a, _mm_set1_ps(4_294_967_296.0)));
        // In the upper half the first term is 0x8000_0000.
        let excess = _mm_and_si128(upper, _mm_cvttps_epi32(_mm_sub_ps(a, half)));
        _mm_or_si128(_mm_add_epi32(_mm_cvttps_epi32(a), excess), too_large)
    }
    fn f32x4_convert_i32x4_s(a: __m128i) -> __m128 { _mm_cvtepi32_ps(a) }
    fn f32x4_convert_i32x4_u(a: __m128i) -> __m128 {
        // Both halves and the product are exact, so only the addition rounds.
        let high = _mm_cvtepi32_ps(_mm_srli_epi32::<16>(a));
        let low = _mm_cvtepi32_ps(_mm_and_si128(a, _mm_set1_epi32(0xffff)));
        _mm_add_ps(_mm_mul_ps(high, _mm_set1_ps(65_536.0)), low)
    }
    fn f64x2_convert_low_i32x4_s(a: __m128i) -> __m128d { _mm_cvtepi32_pd(a) }
    fn f64x2_convert_low_i32x4_u(a: __m128i) -> __m128d {
        // The bits of 2^52 + a are those of 2^52 with a as its lowest fraction bits.
        let biased = _mm_unpacklo_epi32(a, _mm_set1_epi32(0x4330_0000));
        _mm_sub_pd(_mm_castsi128_pd(biased), _mm_set1_pd(4_503_599_627_370_496.0))
    }
    fn f32x4_demote_f64x2_zero(a: __m128d) -> __m128 { _mm_cvtpd_ps(a) }
    fn f64x2_promote_low_f32x4(a: __m128) -> __m128d { _mm_cvtps_pd(a) }
}
