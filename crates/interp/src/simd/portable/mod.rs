//! Lane-wise instructions in plain Rust, right on every target.

mod convert;
mod float;
mod int;

pub(crate) use convert::*;
pub(crate) use float::*;
pub(crate) use int::*;

use std::array::from_fn;

/// A type that fills a vector in `N` lanes.
trait Lane<const N: usize>: Copy {
    /// The lanes of `v`, lane 0 first.
    fn split(v: u128) -> [Self; N];
    /// The vector made of `lanes`.
    fn join(lanes: [Self; N]) -> u128;
}

macro_rules! impl_lane {
    ($($ty:ty, $lanes:literal;)*) => {$(
        impl Lane<$lanes> for $ty {
            #[inline(always)]
            fn split(v: u128) -> [Self; $lanes] {
                let bytes = v.to_le_bytes();
                let (lanes, _) = bytes.as_chunks::<{ 16 / $lanes }>();
                from_fn(|i| Self::from_le_bytes(lanes[i]))
            }

            #[inline(always)]
            fn join(lanes: [Self; $lanes]) -> u128 {
                let mut bytes = [0; 16];
                let (chunks, _) = bytes.as_chunks_mut::<{ 16 / $lanes }>();
                for (chunk, lane) in chunks.iter_mut().zip(lanes) {
                    *chunk = lane.to_le_bytes();
                }
                u128::from_le_bytes(bytes)
            }
        }
    )*};
}

impl_lane! {
    i8, 16; u8, 16;
    i16, 8; u16, 8;
    i32, 4; u32, 4; f32, 4;
    i64, 2; u64, 2; f64, 2;
}

/// `f` of every lane.
#[inline(always)]
fn map<T: Lane<N>, const N: usize>(a: u128, f: impl Fn(T) -> T) -> u128 {
    T::join(T::split(a).map(f))
}

/// `f` of every pair of lanes.
#[inline(always)]
fn zip<T: Lane<N>, const N: usize>(a: u128, b: u128, f: impl Fn(T, T) -> T) -> u128 {
    let (a, b) = (T::split(a), T::split(b));
    T::join(from_fn(|i| f(a[i], b[i])))
}

/// A lane of ones where `f` of a pair of lanes holds, of zeros elsewhere.
#[inline(always)]
fn compare<T, M, const N: usize>(a: u128, b: u128, f: impl Fn(&T, &T) -> bool) -> u128
where
    T: Lane<N>,
    M: Lane<N> + From<bool> + std::ops::Neg<Output = M>,
{
    let (a, b) = (T::split(a), T::split(b));
    M::join(from_fn(|i| -M::from(f(&a[i], &b[i]))))
}

/// A group of instructions with one shape, each given as `name: lane type, function of lanes`.
macro_rules! unary {
    ($($name:ident: $lane:ty, $f:expr;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128) -> u128 {
            map::<$lane, _>(a, $f)
        }
    )*};
}
use unary;

macro_rules! binary {
    ($($name:ident: $lane:ty, $f:expr;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128, b: u128) -> u128 {
            zip::<$lane, _>(a, b, $f)
        }
    )*};
}
use binary;

/// Comparisons: the second type is the integer lane that holds the answer.
macro_rules! comparison {
    ($($name:ident: $lane:ty => $mask:ty, $f:ident;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128, b: u128) -> u128 {
            compare::<$lane, $mask, _>(a, b, <$lane>::$f)
        }
    )*};
}
use comparison;
