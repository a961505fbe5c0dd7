//! Handlers of SIMD instructions. A v128 is two slots; there is no accumulator for it.

use super::dispatch::{handlers, past};
use super::memory::{effective, outside};
use super::num::opaque;
use super::operand::{Scalar, put};
use super::vector_lists::*;
use crate::ir::name::Named;
use crate::ir::{self, BinaryV128, Bitselect, LoadV128, Shuffle, StoreV128, UnaryV128};
use crate::simd;
use std::marker::PhantomData;
use std::ptr;

/// Vector to vector.
pub(crate) trait Unary: Named {
    /// Computes it.
    fn apply(a: u128) -> u128;
}

/// Two vectors to one.
pub(crate) trait Binary: Named {
    /// Computes it.
    fn apply(a: u128, b: u128) -> u128;
}

/// Vector and i32 to vector.
pub(crate) trait Shift: Named {
    /// Computes it.
    fn apply(a: u128, n: u32) -> u128;
}

/// Vector to i32.
pub(crate) trait Test: Named {
    /// Computes it.
    fn apply(a: u128) -> u32;
}

/// Scalar to vector.
pub(crate) trait Splat: Named {
    /// Type of the scalar.
    type In: Scalar;
    /// Computes it.
    fn apply(a: Self::In) -> u128;
}

/// Vector and lane to scalar.
pub(crate) trait Extract: Named {
    /// Type of the scalar.
    type Out: Scalar;
    /// Computes it.
    fn apply(a: u128, lane: u8) -> Self::Out;
}

/// Vector, scalar and lane to vector.
pub(crate) trait Replace: Named {
    /// Type of the scalar.
    type In: Scalar;
    /// Computes it.
    fn apply(a: u128, x: Self::In, lane: u8) -> u128;
}

/// Bytes of memory to vector.
pub(crate) trait Load: Named {
    /// Bytes read.
    const SIZE: usize;
    /// Reads them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be readable.
    unsafe fn load(at: *const u8) -> u128;
}

/// Bytes of memory into a lane.
pub(crate) trait LoadLane: Named {
    /// Bytes read.
    const SIZE: usize;
    /// Reads them.
    ///
    /// # Safety
    /// `SIZE` bytes at `at` must be readable.
    unsafe fn load(at: *const u8, a: u128, lane: u8) -> u128;
}

/// A lane to bytes of memory.
pub(crate) trait StoreLane: Named {
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

impl<O: Named, L> Named for Canonical<O, L> {
    const NAME: &'static str = O::NAME;
    const CANONICAL: bool = true;
}

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

impl<O: Named> Named for Hidden<O> {
    const NAME: &'static str = O::NAME;
}

impl<O: Unary> Unary for Hidden<O> {
    #[inline(always)]
    fn apply(a: u128) -> u128 {
        opaque(O::apply(a))
    }
}

/// The instructions, as types.
pub(crate) mod ops {
    use super::*;

    macro_rules! named {
        ($op:ident) => {
            impl Named for $op {
                const NAME: &'static str = stringify!($op);
            }
        };
    }
    macro_rules! simple {
        ($trait:ident $params:tt $args:tt $out:ty; $($op:ident $f:ident;)*) => {
            $(
                pub(crate) struct $op;
                named!($op);
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
                named!($op);
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
                named!($op);
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
                named!($op);
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
                named!($op);
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
                named!($op);
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
                named!($op);
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
    named!(V128Load);
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
    unary<O: Unary> |s, i: UnaryV128| {
        let v = O::apply(s.v128(i.x));
        s.set_v128(i.result, v);
        past(s, i)
    }

    binary<O: Binary> |s, i: BinaryV128| {
        let v = O::apply(s.v128(i.x), s.v128(i.y));
        s.set_v128(i.result, v);
        past(s, i)
    }

    bitselect |s, i: Bitselect| {
        let v = simd::v128_bitselect(s.v128(i.x), s.v128(i.y), s.v128(i.mask));
        s.set_v128(i.result, v);
        past(s, i)
    }

    shift<O: Shift> |s, i: ir::Shift| {
        let v = O::apply(s.v128(i.x), *s.slot(i.count) as u32);
        s.set_v128(i.result, v);
        past(s, i)
    }

    test<O: Test> |s, i: ir::Test| {
        let v = O::apply(s.v128(i.x));
        put::<u32>(&mut s, i.result, v);
        past(s, i)
    }

    splat<O: Splat> |s, i: ir::Splat| {
        let v = O::apply(Scalar::from_bits(*s.slot(i.x)));
        s.set_v128(i.result, v);
        past(s, i)
    }

    extract<O: Extract> |s, i: ir::Extract| {
        let v = O::apply(s.v128(i.x), i.lane.0 as u8);
        put::<O::Out>(&mut s, i.result, v);
        past(s, i)
    }

    replace<O: Replace> |s, i: ir::Replace| {
        let v = O::apply(s.v128(i.x), Scalar::from_bits(*s.slot(i.value)), i.lane.0 as u8);
        s.set_v128(i.result, v);
        past(s, i)
    }

    shuffle |s, i: Shuffle| {
        let lanes = u128::from(i.low.0) | u128::from(i.high.0) << 64;
        let v = simd::i8x16_shuffle(s.v128(i.x), s.v128(i.y), lanes);
        s.set_v128(i.result, v);
        past(s, i)
    }

    load<O: Load> |s, i: LoadV128| {
        match effective(&s, *s.slot(i.address) as u32, i.offset, O::SIZE) {
            Some(at) => {
                let v = O::load(at);
                s.set_v128(i.result, v);
                past(s, i)
            }
            None => outside(s),
        }
    }

    store |s, i: StoreV128| {
        match effective(&s, *s.slot(i.address) as u32, i.offset, 16) {
            Some(at) => {
                ptr::write_unaligned(at.cast(), s.v128(i.value).to_le());
                past(s, i)
            }
            None => outside(s),
        }
    }

    load_lane<O: LoadLane> |s, i: ir::LoadLane| {
        match effective(&s, *s.slot(i.address) as u32, i.offset, O::SIZE) {
            Some(at) => {
                let v = O::load(at, s.v128(i.x), i.lane.0 as u8);
                s.set_v128(i.result, v);
                past(s, i)
            }
            None => outside(s),
        }
    }

    store_lane<O: StoreLane> |s, i: ir::StoreLane| {
        match effective(&s, *s.slot(i.address) as u32, i.offset, O::SIZE) {
            Some(at) => {
                O::store(at, s.v128(i.value), i.lane.0 as u8);
                past(s, i)
            }
            None => outside(s),
        }
    }
}
