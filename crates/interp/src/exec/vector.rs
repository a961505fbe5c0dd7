//! Handlers of SIMD instructions. A v128 is two slots; there is no accumulator for it.
//!
//! Encoding: result slot 8, operand slots 10, 12, 14; a lane or shuffle follows at 16. Loads and stores have their vector
//! at 8 (a load of a lane its input at 16), address slot 10, offset (32 bits) 12, lane at 18.

use super::dispatch::{handlers, next};
use super::memory::effective;
use super::num::opaque;
use super::operand::{Scalar, put};
use super::vector_lists::*;
use crate::simd;
use std::marker::PhantomData;
use std::ptr;
use wayfarer_runtime::TrapCode;

/// Vector to vector.
pub(crate) trait Unary {
    /// Computes it.
    fn apply(a: u128) -> u128;
}

/// Two vectors to one.
pub(crate) trait Binary {
    /// Computes it.
    fn apply(a: u128, b: u128) -> u128;
}

/// Vector and i32 to vector.
pub(crate) trait Shift {
    /// Computes it.
    fn apply(a: u128, n: u32) -> u128;
}

/// Vector to i32.
pub(crate) trait Test {
    /// Computes it.
    fn apply(a: u128) -> u32;
}

/// Scalar to vector.
pub(crate) trait Splat {
    /// Type of the scalar.
    type In: Scalar;
    /// Computes it.
    fn apply(a: Self::In) -> u128;
}

/// Vector and lane to scalar.
pub(crate) trait Extract {
    /// Type of the scalar.
    type Out: Scalar;
    /// Computes it.
    fn apply(a: u128, lane: u8) -> Self::Out;
}

/// Vector, scalar and lane to vector.
pub(crate) trait Replace {
    /// Type of the scalar.
    type In: Scalar;
    /// Computes it.
    fn apply(a: u128, x: Self::In, lane: u8) -> u128;
}

/// Bytes of memory to vector.
pub(crate) trait Load {
    /// Bytes read.
    const SIZE: usize;
    /// Reads them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be readable.
    unsafe fn load(at: *const u8) -> u128;
}

/// Bytes of memory into a lane.
pub(crate) trait LoadLane {
    /// Bytes read.
    const SIZE: usize;
    /// Reads them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be readable.
    unsafe fn load(at: *const u8, a: u128, lane: u8) -> u128;
}

/// A lane to bytes of memory.
pub(crate) trait StoreLane {
    /// Bytes written.
    const SIZE: usize;
    /// Writes them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be writable.
    unsafe fn store(at: *mut u8, a: u128, lane: u8);
}

/// The type of lanes that may be NaNs.
pub(crate) trait Lanes {
    /// The same, with the canonical NaN in lanes that are NaNs.
    fn canonical(a: u128) -> u128;
}

/// Four f32.
pub(crate) struct F32x4;
/// Two f64.
pub(crate) struct F64x2;

impl Lanes for F32x4 {
    #[inline(always)]
    fn canonical(a: u128) -> u128 {
        simd::f32x4_canonical_nans(a)
    }
}

impl Lanes for F64x2 {
    #[inline(always)]
    fn canonical(a: u128) -> u128 {
        simd::f64x2_canonical_nans(a)
    }
}

/// An instruction as deterministic mode has it: NaNs that it gives are the canonical one.
pub(crate) struct Canonical<O, L>(PhantomData<(O, L)>);

impl<O: Unary, L: Lanes> Unary for Canonical<O, L> {
    #[inline(always)]
    fn apply(a: u128) -> u128 {
        L::canonical(O::apply(a))
    }
}

impl<O: Binary, L: Lanes> Binary for Canonical<O, L> {
    #[inline(always)]
    fn apply(a: u128, b: u128) -> u128 {
        L::canonical(O::apply(a, b))
    }
}

/// An instruction whose result the optimizer is not to look into (see `num::Hidden`).
pub(crate) struct Hidden<O>(PhantomData<O>);

impl<O: Unary> Unary for Hidden<O> {
    #[inline(always)]
    fn apply(a: u128) -> u128 {
        opaque(O::apply(a))
    }
}

/// The instructions, as types.
pub(crate) mod ops {
    use super::*;

    macro_rules! simple {
        ($trait:ident $params:tt $args:tt $out:ty; $($op:ident $f:ident;)*) => {
            $(
                pub(crate) struct $op;
                impl $trait for $op {
                    #[inline(always)]
                    fn apply $params -> $out {
                        simd::$f $args
                    }
                }
            )*
        };
    }
    macro_rules! unary {
        ($($t:tt)*) => { simple! { Unary (a: u128) (a) u128; $($t)* } };
    }
    macro_rules! binary {
        ($($t:tt)*) => { simple! { Binary (a: u128, b: u128) (a, b) u128; $($t)* } };
    }
    macro_rules! shift {
        ($($t:tt)*) => { simple! { Shift (a: u128, n: u32) (a, n) u128; $($t)* } };
    }
    macro_rules! test {
        ($($t:tt)*) => { simple! { Test (a: u128) (a) u32; $($t)* } };
    }
    macro_rules! splat {
        ($($op:ident $f:ident $ty:ty;)*) => {
            $(
                pub(crate) struct $op;
                impl Splat for $op {
                    type In = $ty;
                    #[inline(always)]
                    fn apply(a: $ty) -> u128 {
                        simd::$f(a)
                    }
                }
            )*
        };
    }
    macro_rules! extract {
        ($($op:ident $f:ident $ty:ty;)*) => {
            $(
                pub(crate) struct $op;
                impl Extract for $op {
                    type Out = $ty;
                    #[inline(always)]
                    fn apply(a: u128, lane: u8) -> $ty {
                        simd::$f(a, lane)
                    }
                }
            )*
        };
    }
    macro_rules! replace {
        ($($op:ident $f:ident $ty:ty;)*) => {
            $(
                pub(crate) struct $op;
                impl Replace for $op {
                    type In = $ty;
                    #[inline(always)]
                    fn apply(a: u128, x: $ty, lane: u8) -> u128 {
                        simd::$f(a, x, lane)
                    }
                }
            )*
        };
    }
    macro_rules! load {
        ($($op:ident $f:ident $ty:ty;)*) => {
            $(
                pub(crate) struct $op;
                impl Load for $op {
                    const SIZE: usize = size_of::<$ty>();
                    #[inline(always)]
                    unsafe fn load(at: *const u8) -> u128 {
                        // SAFETY: passed on; the read needs no alignment.
                        simd::$f(<$ty>::from_le(unsafe { ptr::read_unaligned(at.cast::<$ty>()) }))
                    }
                }
            )*
        };
    }
    macro_rules! load_lane {
        ($($op:ident $f:ident $ty:ty;)*) => {
            $(
                pub(crate) struct $op;
                impl LoadLane for $op {
                    const SIZE: usize = size_of::<$ty>();
                    #[inline(always)]
                    unsafe fn load(at: *const u8, a: u128, lane: u8) -> u128 {
                        // SAFETY: passed on; the read needs no alignment.
                        simd::$f(<$ty>::from_le(unsafe { ptr::read_unaligned(at.cast::<$ty>()) }), a, lane)
                    }
                }
            )*
        };
    }
    macro_rules! store_lane {
        ($($op:ident $f:ident $ty:ty;)*) => {
            $(
                pub(crate) struct $op;
                impl StoreLane for $op {
                    const SIZE: usize = size_of::<$ty>();
                    #[inline(always)]
                    unsafe fn store(at: *mut u8, a: u128, lane: u8) {
                        let x: $ty = simd::$f(a, lane);
                        // SAFETY: passed on; the write needs no alignment.
                        unsafe { ptr::write_unaligned(at.cast::<$ty>(), x.to_le()) }
                    }
                }
            )*
        };
    }

    unary_vectors!(unary);
    binary_vectors!(binary);
    shift_vectors!(shift);
    test_vectors!(test);
    splat_vectors!(splat);
    extract_vectors!(extract);
    replace_vectors!(replace);
    load_vectors!(load);
    load_lane_vectors!(load_lane);
    store_lane_vectors!(store_lane);

    /// `v128.load`.
    pub(crate) struct V128Load;
    impl Load for V128Load {
        const SIZE: usize = 16;
        #[inline(always)]
        unsafe fn load(at: *const u8) -> u128 {
            // SAFETY: passed on; the read needs no alignment.
            u128::from_le(unsafe { ptr::read_unaligned(at.cast()) })
        }
    }
}

handlers! {
    unary<O: Unary> |s| {
        s.set_v128(8, O::apply(s.v128(10)));
        s.ip = s.ip.add(2);
        next(s)
    }

    binary<O: Binary> |s| {
        s.set_v128(8, O::apply(s.v128(10), s.v128(12)));
        s.ip = s.ip.add(2);
        next(s)
    }

    bitselect |s| {
        s.set_v128(8, simd::v128_bitselect(s.v128(10), s.v128(12), s.v128(14)));
        s.ip = s.ip.add(2);
        next(s)
    }

    shift<O: Shift> |s| {
        s.set_v128(8, O::apply(s.v128(10), *s.slot(12) as u32));
        s.ip = s.ip.add(2);
        next(s)
    }

    test<O: Test> |s| {
        let v = O::apply(s.v128(10));
        put::<u32>(&mut s, 8, v);
        s.ip = s.ip.add(2);
        next(s)
    }

    splat<O: Splat> |s| {
        s.set_v128(8, O::apply(Scalar::from_bits(*s.slot(10))));
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Lane at 12.
    extract<O: Extract> |s| {
        let v = O::apply(s.v128(10), s.u16(12) as u8);
        put::<O::Out>(&mut s, 8, v);
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Lane at 14.
    replace<O: Replace> |s| {
        s.set_v128(8, O::apply(s.v128(10), Scalar::from_bits(*s.slot(12)), s.u16(14) as u8));
        s.ip = s.ip.add(2);
        next(s)
    }

    /// Lanes in the words at 16 and 24.
    shuffle |s| {
        let lanes = u128::from(s.u64(16)) | u128::from(s.u64(24)) << 64;
        s.set_v128(8, simd::i8x16_shuffle(s.v128(10), s.v128(12), lanes));
        s.ip = s.ip.add(4);
        next(s)
    }

    load<O: Load> |s| {
        match effective(&s, *s.slot(10) as u32, s.u32(12), O::SIZE) {
            Some(at) => {
                s.set_v128(8, O::load(at));
                s.ip = s.ip.add(2);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    store |s| {
        match effective(&s, *s.slot(10) as u32, s.u32(12), 16) {
            Some(at) => {
                ptr::write_unaligned(at.cast(), s.v128(8).to_le());
                s.ip = s.ip.add(2);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    load_lane<O: LoadLane> |s| {
        match effective(&s, *s.slot(10) as u32, s.u32(12), O::SIZE) {
            Some(at) => {
                s.set_v128(8, O::load(at, s.v128(16), s.u16(18) as u8));
                s.ip = s.ip.add(3);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }

    store_lane<O: StoreLane> |s| {
        match effective(&s, *s.slot(10) as u32, s.u32(12), O::SIZE) {
            Some(at) => {
                O::store(at, s.v128(8), s.u16(18) as u8);
                s.ip = s.ip.add(3);
                next(s)
            }
            None => s.trap(TrapCode::MemoryOutOfBounds),
        }
    }
}
