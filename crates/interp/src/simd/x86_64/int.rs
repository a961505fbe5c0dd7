//! Integer arithmetic, comparisons, shifts, bit masks.

use super::{Operand, count, not, select, sse2};
use core::arch::x86_64::*;

/// Lanes with their top bit flipped: signed order becomes unsigned order and the other way round.
#[inline]
#[target_feature(enable = "sse2")]
fn flip_sign_32(a: __m128i) -> __m128i {
    _mm_xor_si128(a, _mm_set1_epi32(i32::MIN))
}

sse2! {
    fn i8x16_add(a: __m128i, b: __m128i) -> __m128i { _mm_add_epi8(a, b) }
    fn i8x16_sub(a: __m128i, b: __m128i) -> __m128i { _mm_sub_epi8(a, b) }
    fn i8x16_add_sat_s(a: __m128i, b: __m128i) -> __m128i { _mm_adds_epi8(a, b) }
    fn i8x16_add_sat_u(a: __m128i, b: __m128i) -> __m128i { _mm_adds_epu8(a, b) }
    fn i8x16_sub_sat_s(a: __m128i, b: __m128i) -> __m128i { _mm_subs_epi8(a, b) }
    fn i8x16_sub_sat_u(a: __m128i, b: __m128i) -> __m128i { _mm_subs_epu8(a, b) }
    fn i8x16_min_s(a: __m128i, b: __m128i) -> __m128i { select(_mm_cmplt_epi8(a, b), a, b) }
    fn i8x16_min_u(a: __m128i, b: __m128i) -> __m128i { _mm_min_epu8(a, b) }
    fn i8x16_max_s(a: __m128i, b: __m128i) -> __m128i { select(_mm_cmpgt_epi8(a, b), a, b) }
    fn i8x16_max_u(a: __m128i, b: __m128i) -> __m128i { _mm_max_epu8(a, b) }
    fn i8x16_avgr_u(a: __m128i, b: __m128i) -> __m128i { _mm_avg_epu8(a, b) }
    fn i8x16_neg(a: __m128i) -> __m128i { _mm_sub_epi8(_mm_setzero_si128(), a) }
    fn i8x16_abs(a: __m128i) -> __m128i {
        // Of a and -a, taken as unsigned, the magnitude is the smaller; for -128 both are 128.
        _mm_min_epu8(a, _mm_sub_epi8(_mm_setzero_si128(), a))
    }
    fn i8x16_popcnt(a: __m128i) -> __m128i {
        // Sums of bits in fields of 2, 4, then 8 bits; what a 16-bit shift drags in from the next byte is masked.
        let pairs = _mm_sub_epi8(a, _mm_and_si128(_mm_srli_epi16::<1>(a), _mm_set1_epi8(0x55)));
        let mask = _mm_set1_epi8(0x33);
        let nibbles = _mm_add_epi8(_mm_and_si128(pairs, mask), _mm_and_si128(_mm_srli_epi16::<2>(pairs), mask));
        _mm_and_si128(_mm_add_epi8(nibbles, _mm_srli_epi16::<4>(nibbles)), _mm_set1_epi8(0x0f))
    }

    fn i16x8_add(a: __m128i, b: __m128i) -> __m128i { _mm_add_epi16(a, b) }
    fn i16x8_sub(a: __m128i, b: __m128i) -> __m128i { _mm_sub_epi16(a, b) }
    fn i16x8_mul(a: __m128i, b: __m128i) -> __m128i { _mm_mullo_epi16(a, b) }
    fn i16x8_add_sat_s(a: __m128i, b: __m128i) -> __m128i { _mm_adds_epi16(a, b) }
    fn i16x8_add_sat_u(a: __m128i, b: __m128i) -> __m128i { _mm_adds_epu16(a, b) }
    fn i16x8_sub_sat_s(a: __m128i, b: __m128i) -> __m128i { _mm_subs_epi16(a, b) }
    fn i16x8_sub_sat_u(a: __m128i, b: __m128i) -> __m128i { _mm_subs_epu16(a, b) }
    fn i16x8_min_s(a: __m128i, b: __m128i) -> __m128i { _mm_min_epi16(a, b) }
    fn i16x8_min_u(a: __m128i, b: __m128i) -> __m128i { _mm_sub_epi16(a, _mm_subs_epu16(a, b)) }
    fn i16x8_max_s(a: __m128i, b: __m128i) -> __m128i { _mm_max_epi16(a, b) }
    fn i16x8_max_u(a: __m128i, b: __m128i) -> __m128i { _mm_add_epi16(b, _mm_subs_epu16(a, b)) }
    fn i16x8_avgr_u(a: __m128i, b: __m128i) -> __m128i { _mm_avg_epu16(a, b) }
    fn i16x8_neg(a: __m128i) -> __m128i { _mm_sub_epi16(_mm_setzero_si128(), a) }
    fn i16x8_abs(a: __m128i) -> __m128i { _mm_max_epi16(a, _mm_sub_epi16(_mm_setzero_si128(), a)) }
    fn i16x8_q15mulr_sat_s(a: __m128i, b: __m128i) -> __m128i {
        let (low, high) = (_mm_mullo_epi16(a, b), _mm_mulhi_epi16(a, b));
        let half = _mm_set1_epi32(0x4000);
        let x = _mm_srai_epi32::<15>(_mm_add_epi32(_mm_unpacklo_epi16(low, high), half));
        let y = _mm_srai_epi32::<15>(_mm_add_epi32(_mm_unpackhi_epi16(low, high), half));
        _mm_packs_epi32(x, y)
    }

    fn i32x4_add(a: __m128i, b: __m128i) -> __m128i { _mm_add_epi32(a, b) }
    fn i32x4_sub(a: __m128i, b: __m128i) -> __m128i { _mm_sub_epi32(a, b) }
    fn i32x4_mul(a: __m128i, b: __m128i) -> __m128i {
        // There is only a widening multiplication of the even lanes.
        let even = _mm_mul_epu32(a, b);
        let odd = _mm_mul_epu32(_mm_srli_epi64::<32>(a), _mm_srli_epi64::<32>(b));
        _mm_unpacklo_epi32(_mm_shuffle_epi32::<0b10_00>(even), _mm_shuffle_epi32::<0b10_00>(odd))
    }
    fn i32x4_min_s(a: __m128i, b: __m128i) -> __m128i { select(_mm_cmplt_epi32(a, b), a, b) }
    fn i32x4_min_u(a: __m128i, b: __m128i) -> __m128i {
        select(_mm_cmplt_epi32(flip_sign_32(a), flip_sign_32(b)), a, b)
    }
    fn i32x4_max_s(a: __m128i, b: __m128i) -> __m128i { select(_mm_cmpgt_epi32(a, b), a, b) }
    fn i32x4_max_u(a: __m128i, b: __m128i) -> __m128i {
        select(_mm_cmpgt_epi32(flip_sign_32(a), flip_sign_32(b)), a, b)
    }
    fn i32x4_dot_i16x8_s(a: __m128i, b: __m128i) -> __m128i { _mm_madd_epi16(a, b) }
    fn i32x4_neg(a: __m128i) -> __m128i { _mm_sub_epi32(_mm_setzero_si128(), a) }
    fn i32x4_abs(a: __m128i) -> __m128i {
        let sign = _mm_srai_epi32::<31>(a);
        _mm_sub_epi32(_mm_xor_si128(a, sign), sign)
    }

    fn i64x2_add(a: __m128i, b: __m128i) -> __m128i { _mm_add_epi64(a, b) }
    fn i64x2_sub(a: __m128i, b: __m128i) -> __m128i { _mm_sub_epi64(a, b) }
    fn i64x2_neg(a: __m128i) -> __m128i { _mm_sub_epi64(_mm_setzero_si128(), a) }
}

// Comparisons. SSE2 has equality and signed "greater"; unsigned order of 8 and 16-bit lanes comes from minimum,
// maximum and saturating subtraction, of 32-bit lanes from flipped sign bits.
sse2! {
    fn i8x16_eq(a: __m128i, b: __m128i) -> __m128i { _mm_cmpeq_epi8(a, b) }
    fn i8x16_ne(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpeq_epi8(a, b)) }
    fn i8x16_lt_s(a: __m128i, b: __m128i) -> __m128i { _mm_cmplt_epi8(a, b) }
    fn i8x16_gt_s(a: __m128i, b: __m128i) -> __m128i { _mm_cmpgt_epi8(a, b) }
    fn i8x16_le_s(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpgt_epi8(a, b)) }
    fn i8x16_ge_s(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmplt_epi8(a, b)) }
    fn i8x16_le_u(a: __m128i, b: __m128i) -> __m128i { _mm_cmpeq_epi8(_mm_min_epu8(a, b), a) }
    fn i8x16_ge_u(a: __m128i, b: __m128i) -> __m128i { _mm_cmpeq_epi8(_mm_max_epu8(a, b), a) }
    fn i8x16_lt_u(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpeq_epi8(_mm_max_epu8(a, b), a)) }
    fn i8x16_gt_u(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpeq_epi8(_mm_min_epu8(a, b), a)) }

    fn i16x8_eq(a: __m128i, b: __m128i) -> __m128i { _mm_cmpeq_epi16(a, b) }
    fn i16x8_ne(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpeq_epi16(a, b)) }
    fn i16x8_lt_s(a: __m128i, b: __m128i) -> __m128i { _mm_cmplt_epi16(a, b) }
    fn i16x8_gt_s(a: __m128i, b: __m128i) -> __m128i { _mm_cmpgt_epi16(a, b) }
    fn i16x8_le_s(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpgt_epi16(a, b)) }
    fn i16x8_ge_s(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmplt_epi16(a, b)) }
    fn i16x8_le_u(a: __m128i, b: __m128i) -> __m128i {
        _mm_cmpeq_epi16(_mm_subs_epu16(a, b), _mm_setzero_si128())
    }
    fn i16x8_ge_u(a: __m128i, b: __m128i) -> __m128i {
        _mm_cmpeq_epi16(_mm_subs_epu16(b, a), _mm_setzero_si128())
    }
    fn i16x8_lt_u(a: __m128i, b: __m128i) -> __m128i {
        not(_mm_cmpeq_epi16(_mm_subs_epu16(b, a), _mm_setzero_si128()))
    }
    fn i16x8_gt_u(a: __m128i, b: __m128i) -> __m128i {
        not(_mm_cmpeq_epi16(_mm_subs_epu16(a, b), _mm_setzero_si128()))
    }

    fn i32x4_eq(a: __m128i, b: __m128i) -> __m128i { _mm_cmpeq_epi32(a, b) }
    fn i32x4_ne(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpeq_epi32(a, b)) }
    fn i32x4_lt_s(a: __m128i, b: __m128i) -> __m128i { _mm_cmplt_epi32(a, b) }
    fn i32x4_gt_s(a: __m128i, b: __m128i) -> __m128i { _mm_cmpgt_epi32(a, b) }
    fn i32x4_le_s(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmpgt_epi32(a, b)) }
    fn i32x4_ge_s(a: __m128i, b: __m128i) -> __m128i { not(_mm_cmplt_epi32(a, b)) }
    fn i32x4_lt_u(a: __m128i, b: __m128i) -> __m128i { _mm_cmplt_epi32(flip_sign_32(a), flip_sign_32(b)) }
    fn i32x4_gt_u(a: __m128i, b: __m128i) -> __m128i { _mm_cmpgt_epi32(flip_sign_32(a), flip_sign_32(b)) }
    fn i32x4_le_u(a: __m128i, b: __m128i) -> __m128i {
        not(_mm_cmpgt_epi32(flip_sign_32(a), flip_sign_32(b)))
    }
    fn i32x4_ge_u(a: __m128i, b: __m128i) -> __m128i {
        not(_mm_cmplt_epi32(flip_sign_32(a), flip_sign_32(b)))
    }

    fn i64x2_eq(a: __m128i, b: __m128i) -> __m128i {
        // Equal in both halves of the lane.
        let halves = _mm_cmpeq_epi32(a, b);
        _mm_and_si128(halves, _mm_shuffle_epi32::<0b10_11_00_01>(halves))
    }
    fn i64x2_ne(a: __m128i, b: __m128i) -> __m128i {
        let halves = _mm_cmpeq_epi32(a, b);
        not(_mm_and_si128(halves, _mm_shuffle_epi32::<0b10_11_00_01>(halves)))
    }
}

// Shifts. Those of bytes shift 16-bit lanes and mask, or widen and narrow again.
sse2! {
    fn i8x16_shl(a: __m128i, n: u32) -> __m128i {
        let mask = _mm_set1_epi8((0xff_u8 << (n % 8)) as i8);
        _mm_and_si128(_mm_sll_epi16(a, count(n, 8)), mask)
    }
    fn i8x16_shr_u(a: __m128i, n: u32) -> __m128i {
        let mask = _mm_set1_epi8((0xff_u8 >> (n % 8)) as i8);
        _mm_and_si128(_mm_srl_epi16(a, count(n, 8)), mask)
    }
    fn i8x16_shr_s(a: __m128i, n: u32) -> __m128i {
        let n = _mm_cvtsi32_si128((n % 8 + 8) as i32);
        let low = _mm_sra_epi16(_mm_unpacklo_epi8(a, a), n);
        let high = _mm_sra_epi16(_mm_unpackhi_epi8(a, a), n);
        _mm_packs_epi16(low, high)
    }
    fn i16x8_shl(a: __m128i, n: u32) -> __m128i { _mm_sll_epi16(a, count(n, 16)) }
    fn i16x8_shr_s(a: __m128i, n: u32) -> __m128i { _mm_sra_epi16(a, count(n, 16)) }
    fn i16x8_shr_u(a: __m128i, n: u32) -> __m128i { _mm_srl_epi16(a, count(n, 16)) }
    fn i32x4_shl(a: __m128i, n: u32) -> __m128i { _mm_sll_epi32(a, count(n, 32)) }
    fn i32x4_shr_s(a: __m128i, n: u32) -> __m128i { _mm_sra_epi32(a, count(n, 32)) }
    fn i32x4_shr_u(a: __m128i, n: u32) -> __m128i { _mm_srl_epi32(a, count(n, 32)) }
    fn i64x2_shl(a: __m128i, n: u32) -> __m128i { _mm_sll_epi64(a, count(n, 64)) }
    fn i64x2_shr_u(a: __m128i, n: u32) -> __m128i { _mm_srl_epi64(a, count(n, 64)) }
}

sse2! {
    fn i8x16_bitmask(a: __m128i) -> u32 { _mm_movemask_epi8(a) as u32 }
    fn i16x8_bitmask(a: __m128i) -> u32 { _mm_movemask_epi8(_mm_packs_epi16(a, _mm_setzero_si128())) as u32 }
    fn i32x4_bitmask(a: __m128) -> u32 { _mm_movemask_ps(a) as u32 }
    fn i64x2_bitmask(a: __m128d) -> u32 { _mm_movemask_pd(a) as u32 }
}
