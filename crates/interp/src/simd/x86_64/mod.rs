//! Instructions whose portable form compiles badly, in SSE2, which every x86-64 processor has.
//!
//! Function bodies are safe code: each is compiled with `target_feature(enable = "sse2")`, so an intrinsic that
//! needs more, or a pointer, is a compile error. Two byte shuffles use SSSE3 where the processor has it.

mod convert;
mod float;
mod int;
mod shuffle;

pub(crate) use convert::*;
pub(crate) use float::*;
pub(crate) use int::*;
pub(crate) use shuffle::*;

use core::arch::x86_64::*;

/// How an intrinsic's operand type looks to the interpreter.
pub(crate) trait Operand {
    type Wasm;
    fn from_wasm(value: Self::Wasm) -> Self;
    fn into_wasm(self) -> Self::Wasm;
}

macro_rules! impl_operand_for_vector {
    ($($ty:ty),*) => {$(
        impl Operand for $ty {
            type Wasm = u128;

            #[inline(always)]
            fn from_wasm(value: u128) -> Self {
                // SAFETY: both types have 16 bytes and no invalid bit patterns. Lane 0 is in the low bits of a
                // u128, which on x86-64 come first in memory, like lane 0 of a vector register.
                unsafe { core::mem::transmute::<u128, $ty>(value) }
            }

            #[inline(always)]
            fn into_wasm(self) -> u128 {
                // SAFETY: as in `from_wasm`.
                unsafe { core::mem::transmute::<$ty, u128>(self) }
            }
        }
    )*};
}

impl_operand_for_vector!(__m128i, __m128, __m128d);

/// A shift count or a bit mask.
impl Operand for u32 {
    type Wasm = u32;

    #[inline(always)]
    fn from_wasm(value: u32) -> Self {
        value
    }

    #[inline(always)]
    fn into_wasm(self) -> u32 {
        self
    }
}

/// Defines instructions by bodies over SSE2 types.
macro_rules! sse2 {
    ($($(#[$attr:meta])* fn $name:ident($($arg:ident: $ty:ty),+) -> $ret:ty { $($body:tt)+ })*) => {$(
        $(#[$attr])*
        #[inline]
        pub(crate) fn $name($($arg: <$ty as Operand>::Wasm),+) -> <$ret as Operand>::Wasm {
            #[inline]
            #[target_feature(enable = "sse2")]
            fn body($($arg: $ty),+) -> $ret { $($body)+ }

            // SAFETY: SSE2 is part of the x86-64 architecture.
            unsafe { body($(Operand::from_wasm($arg)),+) }.into_wasm()
        }
    )*};
}
use sse2;

/// All bits flipped.
#[inline]
#[target_feature(enable = "sse2")]
fn not(a: __m128i) -> __m128i {
    _mm_xor_si128(a, _mm_set1_epi32(-1))
}

/// Bits of `a` where `mask` has a one, bits of `b` elsewhere.
#[inline]
#[target_feature(enable = "sse2")]
fn select(mask: __m128i, a: __m128i, b: __m128i) -> __m128i {
    _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b))
}

/// A shift count as the shift instructions take it, modulo the width of a lane.
#[inline]
#[target_feature(enable = "sse2")]
fn count(n: u32, lane_bits: u32) -> __m128i {
    _mm_cvtsi32_si128((n % lane_bits) as i32)
}
