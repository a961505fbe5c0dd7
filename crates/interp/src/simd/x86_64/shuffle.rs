//! Byte shuffles by SSSE3's `pshufb`, if the processor has it.

use super::Operand;
use crate::simd::portable;
use core::arch::x86_64::*;

// The long portable forms are out of line. All that is passed, there and to what needs SSSE3, is passed in registers: where
// the address of something on the stack is, the instruction's handler could not end in a jump.

#[cold]
#[inline(never)]
fn shuffle_without_ssse3(a: u128, b: u128, lanes: u128) -> u128 {
    portable::i8x16_shuffle(a, b, lanes)
}

#[cold]
#[inline(never)]
fn swizzle_without_ssse3(a: u128, indices: u128) -> u128 {
    portable::i8x16_swizzle(a, indices)
}

/// As [`portable::i8x16_shuffle`].
#[inline]
pub(crate) fn i8x16_shuffle(a: u128, b: u128, lanes: u128) -> u128 {
    if std::arch::is_x86_feature_detected!("ssse3") {
        // SAFETY: the processor has SSSE3.
        unsafe { shuffle(a, b, lanes) }
    } else {
        shuffle_without_ssse3(a, b, lanes)
    }
}

/// As [`portable::i8x16_swizzle`].
#[inline]
pub(crate) fn i8x16_swizzle(a: u128, indices: u128) -> u128 {
    if std::arch::is_x86_feature_detected!("ssse3") {
        // SAFETY: the processor has SSSE3.
        unsafe { swizzle(a, indices) }
    } else {
        swizzle_without_ssse3(a, indices)
    }
}

#[target_feature(enable = "ssse3")]
fn shuffle(a: u128, b: u128, lanes: u128) -> u128 {
    // `pshufb` takes the low four bits of an index and gives zero if the top bit is set. Indices of `a`, 0 to 15,
    // plus 0x70 stay below 0x80 and those of `b` do not; with 16 subtracted it is the other way round.
    let lanes = _mm_and_si128(Operand::from_wasm(lanes), _mm_set1_epi8(31));
    let from_a = _mm_shuffle_epi8(Operand::from_wasm(a), _mm_add_epi8(lanes, _mm_set1_epi8(0x70)));
    let from_b = _mm_shuffle_epi8(Operand::from_wasm(b), _mm_sub_epi8(lanes, _mm_set1_epi8(16)));
    _mm_or_si128(from_a, from_b).into_wasm()
}

#[target_feature(enable = "ssse3")]
fn swizzle(a: u128, indices: u128) -> u128 {
    // Saturating, so that every index from 16 up has its top bit set.
    let indices = _mm_adds_epu8(Operand::from_wasm(indices), _mm_set1_epi8(0x70));
    _mm_shuffle_epi8(Operand::from_wasm(a), indices).into_wasm()
}
