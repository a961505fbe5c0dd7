//! Instructions whose operands and result have different lanes: widening, narrowing, int to float and back.

use super::{Lane, from_fn};

/// Lanes of `T` made wider, from the low half of `a` (`FROM` 0) or the high half (`FROM` = lanes of `U`).
#[inline(always)]
fn extend<T, U, const FROM: usize, const N: usize, const M: usize>(a: u128) -> [U; M]
where
    T: Lane<N>,
    U: Lane<M> + From<T>,
{
    let a = T::split(a);
    from_fn(|i| U::from(a[FROM + i]))
}

/// Widening of one half, and multiplication of widened halves, which cannot overflow.
macro_rules! widen {
    ($($extend:ident, $extmul:ident: $from:ty => $to:ty, $first:literal;)*) => {$(
        #[inline]
        pub(crate) fn $extend(a: u128) -> u128 {
            <$to>::join(extend::<$from, $to, $first, _, _>(a))
        }

        #[inline]
        pub(crate) fn $extmul(a: u128, b: u128) -> u128 {
            let a = extend::<$from, $to, $first, _, _>(a);
            let b = extend::<$from, $to, $first, _, _>(b);
            <$to>::join(from_fn(|i| a[i] * b[i]))
        }
    )*};
}

widen! {
    i16x8_extend_low_i8x16_s, i16x8_extmul_low_i8x16_s: i8 => i16, 0;
    i16x8_extend_low_i8x16_u, i16x8_extmul_low_i8x16_u: u8 => u16, 0;
    i16x8_extend_high_i8x16_s, i16x8_extmul_high_i8x16_s: i8 => i16, 8;
    i16x8_extend_high_i8x16_u, i16x8_extmul_high_i8x16_u: u8 => u16, 8;
    i32x4_extend_low_i16x8_s, i32x4_extmul_low_i16x8_s: i16 => i32, 0;
    i32x4_extend_low_i16x8_u, i32x4_extmul_low_i16x8_u: u16 => u32, 0;
    i32x4_extend_high_i16x8_s, i32x4_extmul_high_i16x8_s: i16 => i32, 4;
    i32x4_extend_high_i16x8_u, i32x4_extmul_high_i16x8_u: u16 => u32, 4;
    i64x2_extend_low_i32x4_s, i64x2_extmul_low_i32x4_s: i32 => i64, 0;
    i64x2_extend_low_i32x4_u, i64x2_extmul_low_i32x4_u: u32 => u64, 0;
    i64x2_extend_high_i32x4_s, i64x2_extmul_high_i32x4_s: i32 => i64, 2;
    i64x2_extend_high_i32x4_u, i64x2_extmul_high_i32x4_u: u32 => u64, 2;
}

/// Sums of neighbours, made wider first so that they cannot overflow.
macro_rules! extadd_pairwise {
    ($($name:ident: $from:ty => $to:ty;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128) -> u128 {
            let a = <$from>::split(a);
            <$to>::join(from_fn(|i| <$to>::from(a[2 * i]) + <$to>::from(a[2 * i + 1])))
        }
    )*};
}

extadd_pairwise! {
    i16x8_extadd_pairwise_i8x16_s: i8 => i16;
    i16x8_extadd_pairwise_i8x16_u: u8 => u16;
    i32x4_extadd_pairwise_i16x8_s: i16 => i32;
    i32x4_extadd_pairwise_i16x8_u: u16 => u32;
}

/// Signed lanes of `a`, then of `b`, saturated into a narrower type.
macro_rules! narrow {
    ($($name:ident: $from:ty => $to:ty;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128, b: u128) -> u128 {
            let (a, b) = (<$from>::split(a), <$from>::split(b));
            let saturate = |x: $from| x.clamp(<$to>::MIN.into(), <$to>::MAX.into()) as $to;
            <$to>::join(from_fn(|i| saturate(if i < a.len() { a[i] } else { b[i - a.len()] })))
        }
    )*};
}

narrow! {
    i8x16_narrow_i16x8_s: i16 => i8;
    i8x16_narrow_i16x8_u: i16 => u8;
    i16x8_narrow_i32x4_s: i32 => i16;
    i16x8_narrow_i32x4_u: i32 => u16;
}

/// Conversions between as many lanes; Rust's `as` saturates and makes a NaN 0, as the instructions do.
macro_rules! convert {
    ($($name:ident: $from:ty => $to:ty;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128) -> u128 {
            <$to>::join(<$from>::split(a).map(|x| x as $to))
        }
    )*};
}

convert! {
    i32x4_trunc_sat_f32x4_s: f32 => i32;
    i32x4_trunc_sat_f32x4_u: f32 => u32;
    f32x4_convert_i32x4_s: i32 => f32;
    f32x4_convert_i32x4_u: u32 => f32;
}

/// Conversions of two lanes to two narrower ones; the upper half of the result is zero.
macro_rules! convert_zero {
    ($($name:ident: $from:ty => $to:ty;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128) -> u128 {
            let [x, y] = <$from>::split(a);
            <$to>::join([x as $to, y as $to, 0 as $to, 0 as $to])
        }
    )*};
}

convert_zero! {
    i32x4_trunc_sat_f64x2_s_zero: f64 => i32;
    i32x4_trunc_sat_f64x2_u_zero: f64 => u32;
    f32x4_demote_f64x2_zero: f64 => f32;
}

/// Conversions of the two low lanes to two wider ones.
macro_rules! convert_low {
    ($($name:ident: $from:ty => $to:ty;)*) => {$(
        #[inline]
        pub(crate) fn $name(a: u128) -> u128 {
            let [x, y, ..] = <$from>::split(a);
            <$to>::join([<$to>::from(x), <$to>::from(y)])
        }
    )*};
}

convert_low! {
    f64x2_convert_low_i32x4_s: i32 => f64;
    f64x2_convert_low_i32x4_u: u32 => f64;
    f64x2_promote_low_f32x4: f32 => f64;
}
