//! Numeric instructions: what each computes (WebAssembly 2.0, section 4.3), apart from where operands come from.

use super::operand::Scalar;
use crate::ir::name::Named;
use crate::ir::operand::Ty;
use std::hint::black_box;
use std::marker::PhantomData;
use wayfarer_runtime::TrapCode;

/// An instruction with two operands.
pub(crate) trait Binary: Named {
    /// Type of both operands.
    type In: Scalar;
    /// Type of the result.
    type Out: Scalar;
    /// Whether operands may be exchanged.
    const COMMUTES: bool = false;
    /// Computes it.
    fn apply(a: Self::In, b: Self::In) -> Result<Self::Out, TrapCode>;
}

/// An instruction with one operand.
pub(crate) trait Unary: Named {
    /// Type of the operand.
    type In: Scalar;
    /// Type of the result.
    type Out: Scalar;
    /// Computes it.
    fn apply(a: Self::In) -> Result<Self::Out, TrapCode>;
}

macro_rules! named {
    ($name:ident, $in:ty) => {
        impl Named for $name {
            const NAME: &'static str = stringify!($name);
            const TY: Ty = <$in as Named>::TY;
        }
    };
}

macro_rules! binary {
    ($($name:ident($in:ty) -> $out:ty $(, $commutes:literal)? = |$a:ident, $b:ident| $e:expr;)*) => {
        $(
            pub(crate) struct $name;
            named!($name, $in);
            impl Binary for $name {
                type In = $in;
                type Out = $out;
                $(const COMMUTES: bool = $commutes;)?
                #[inline(always)]
                fn apply($a: $in, $b: $in) -> Result<$out, TrapCode> {
                    Ok($e)
                }
            }
        )*
    };
}

macro_rules! trapping {
    ($($name:ident($in:ty) = |$a:ident, $b:ident| $e:expr;)*) => {
        $(
            pub(crate) struct $name;
            named!($name, $in);
            impl Binary for $name {
                type In = $in;
                type Out = $in;
                #[inline(always)]
                fn apply($a: $in, $b: $in) -> Result<$in, TrapCode> {
                    if $b == 0 {
                        return Err(TrapCode::IntegerDivideByZero);
                    }
                    $e
                }
            }
        )*
    };
}

macro_rules! unary {
    ($($name:ident($in:ty) -> $out:ty = |$a:ident| $e:expr;)*) => {
        $(
            pub(crate) struct $name;
            named!($name, $in);
            impl Unary for $name {
                type In = $in;
                type Out = $out;
                #[inline(always)]
                fn apply($a: $in) -> Result<$out, TrapCode> {
                    Ok($e)
                }
            }
        )*
    };
}

/// A type whose values may be NaNs.
pub(crate) trait Float: Scalar {
    /// The same, or the canonical NaN for a NaN.
    fn canonical(self) -> Self;
}

impl Float for f32 {
    #[inline(always)]
    fn canonical(self) -> f32 {
        if self.is_nan() { f32::from_bits(0x7fc0_0000) } else { self }
    }
}

impl Float for f64 {
    #[inline(always)]
    fn canonical(self) -> f64 {
        if self.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { self }
    }
}

/// An instruction as deterministic mode has it: NaNs that it gives are the canonical one.
pub(crate) struct Canonical<O>(PhantomData<O>);

impl<O: Named> Named for Canonical<O> {
    const NAME: &'static str = O::NAME;
    const TY: Ty = O::TY;
    const CANONICAL: bool = true;
}

impl<O: Binary<Out: Float>> Binary for Canonical<O> {
    type In = O::In;
    type Out = O::Out;
    const COMMUTES: bool = O::COMMUTES;
    #[inline(always)]
    fn apply(a: O::In, b: O::In) -> Result<O::Out, TrapCode> {
        Ok(O::apply(a, b)?.canonical())
    }
}

impl<O: Unary<Out: Float>> Unary for Canonical<O> {
    type In = O::In;
    type Out = O::Out;
    #[inline(always)]
    fn apply(a: O::In) -> Result<O::Out, TrapCode> {
        Ok(O::apply(a)?.canonical())
    }
}

/// An instruction whose result the optimizer is not to look into: of a root below zero it knows that it is a NaN, and leaves
/// out what would make it the canonical one.
pub(crate) struct Hidden<O>(PhantomData<O>);

impl<O: Named> Named for Hidden<O> {
    const NAME: &'static str = O::NAME;
    const TY: Ty = O::TY;
}

impl<O: Unary> Unary for Hidden<O> {
    type In = O::In;
    type Out = O::Out;
    #[inline(always)]
    fn apply(a: O::In) -> Result<O::Out, TrapCode> {
        O::apply(a).map(opaque)
    }
}

/// The same, of which the optimizer knows nothing. A function of its own: what it takes the address of must not be in the
/// frame of a handler, which could not end in a jump then.
#[inline(never)]
pub(crate) fn opaque<T>(x: T) -> T {
    black_box(x)
}

binary! {
    I32Eq(u32) -> u32, true = |a, b| u32::from(a == b);
    I32Ne(u32) -> u32, true = |a, b| u32::from(a != b);
    I32LtS(u32) -> u32 = |a, b| u32::from((a as i32) < b as i32);
    I32LtU(u32) -> u32 = |a, b| u32::from(a < b);
    I32GtS(u32) -> u32 = |a, b| u32::from(a as i32 > b as i32);
    I32GtU(u32) -> u32 = |a, b| u32::from(a > b);
    I32LeS(u32) -> u32 = |a, b| u32::from(a as i32 <= b as i32);
    I32LeU(u32) -> u32 = |a, b| u32::from(a <= b);
    I32GeS(u32) -> u32 = |a, b| u32::from(a as i32 >= b as i32);
    I32GeU(u32) -> u32 = |a, b| u32::from(a >= b);
    I64Eq(u64) -> u32, true = |a, b| u32::from(a == b);
    I64Ne(u64) -> u32, true = |a, b| u32::from(a != b);
    I64LtS(u64) -> u32 = |a, b| u32::from((a as i64) < b as i64);
    I64LtU(u64) -> u32 = |a, b| u32::from(a < b);
    I64GtS(u64) -> u32 = |a, b| u32::from(a as i64 > b as i64);
    I64GtU(u64) -> u32 = |a, b| u32::from(a > b);
    I64LeS(u64) -> u32 = |a, b| u32::from(a as i64 <= b as i64);
    I64LeU(u64) -> u32 = |a, b| u32::from(a <= b);
    I64GeS(u64) -> u32 = |a, b| u32::from(a as i64 >= b as i64);
    I64GeU(u64) -> u32 = |a, b| u32::from(a >= b);
    F32Eq(f32) -> u32, true = |a, b| u32::from(a == b);
    F32Ne(f32) -> u32, true = |a, b| u32::from(a != b);
    F32Lt(f32) -> u32 = |a, b| u32::from(a < b);
    F32Gt(f32) -> u32 = |a, b| u32::from(a > b);
    F32Le(f32) -> u32 = |a, b| u32::from(a <= b);
    F32Ge(f32) -> u32 = |a, b| u32::from(a >= b);
    F64Eq(f64) -> u32, true = |a, b| u32::from(a == b);
    F64Ne(f64) -> u32, true = |a, b| u32::from(a != b);
    F64Lt(f64) -> u32 = |a, b| u32::from(a < b);
    F64Gt(f64) -> u32 = |a, b| u32::from(a > b);
    F64Le(f64) -> u32 = |a, b| u32::from(a <= b);
    F64Ge(f64) -> u32 = |a, b| u32::from(a >= b);

    I32Add(u32) -> u32, true = |a, b| a.wrapping_add(b);
    I32Sub(u32) -> u32 = |a, b| a.wrapping_sub(b);
    I32Mul(u32) -> u32, true = |a, b| a.wrapping_mul(b);
    I32And(u32) -> u32, true = |a, b| a & b;
    I32Or(u32) -> u32, true = |a, b| a | b;
    I32Xor(u32) -> u32, true = |a, b| a ^ b;
    I32Shl(u32) -> u32 = |a, b| a.wrapping_shl(b);
    I32ShrS(u32) -> u32 = |a, b| (a as i32).wrapping_shr(b) as u32;
    I32ShrU(u32) -> u32 = |a, b| a.wrapping_shr(b);
    I32Rotl(u32) -> u32 = |a, b| a.rotate_left(b & 31);
    I32Rotr(u32) -> u32 = |a, b| a.rotate_right(b & 31);
    I64Add(u64) -> u64, true = |a, b| a.wrapping_add(b);
    I64Sub(u64) -> u64 = |a, b| a.wrapping_sub(b);
    I64Mul(u64) -> u64, true = |a, b| a.wrapping_mul(b);
    I64And(u64) -> u64, true = |a, b| a & b;
    I64Or(u64) -> u64, true = |a, b| a | b;
    I64Xor(u64) -> u64, true = |a, b| a ^ b;
    I64Shl(u64) -> u64 = |a, b| a.wrapping_shl(b as u32);
    I64ShrS(u64) -> u64 = |a, b| (a as i64).wrapping_shr(b as u32) as u64;
    I64ShrU(u64) -> u64 = |a, b| a.wrapping_shr(b as u32);
    I64Rotl(u64) -> u64 = |a, b| a.rotate_left(b as u32 & 63);
    I64Rotr(u64) -> u64 = |a, b| a.rotate_right(b as u32 & 63);
    F32Add(f32) -> f32 = |a, b| a + b;
    F32Sub(f32) -> f32 = |a, b| a - b;
    F32Mul(f32) -> f32 = |a, b| a * b;
    F32Div(f32) -> f32 = |a, b| a / b;
    F32Min(f32) -> f32 = |a, b| min32(a, b);
    F32Max(f32) -> f32 = |a, b| max32(a, b);
    F32Copysign(f32) -> f32 = |a, b| f32::from_bits(a.to_bits() & !SIGN32 | b.to_bits() & SIGN32);
    F64Add(f64) -> f64 = |a, b| a + b;
    F64Sub(f64) -> f64 = |a, b| a - b;
    F64Mul(f64) -> f64 = |a, b| a * b;
    F64Div(f64) -> f64 = |a, b| a / b;
    F64Min(f64) -> f64 = |a, b| min64(a, b);
    F64Max(f64) -> f64 = |a, b| max64(a, b);
    F64Copysign(f64) -> f64 = |a, b| f64::from_bits(a.to_bits() & !SIGN64 | b.to_bits() & SIGN64);
}

trapping! {
    I32DivS(u32) = |a, b| {
        let (q, overflow) = (a as i32).overflowing_div(b as i32);
        if overflow { Err(TrapCode::IntegerOverflow) } else { Ok(q as u32) }
    };
    I32DivU(u32) = |a, b| Ok(a / b);
    I32RemS(u32) = |a, b| Ok((a as i32).wrapping_rem(b as i32) as u32);
    I32RemU(u32) = |a, b| Ok(a % b);
    I64DivS(u64) = |a, b| {
        let (q, overflow) = (a as i64).overflowing_div(b as i64);
        if overflow { Err(TrapCode::IntegerOverflow) } else { Ok(q as u64) }
    };
    I64DivU(u64) = |a, b| Ok(a / b);
    I64RemS(u64) = |a, b| Ok((a as i64).wrapping_rem(b as i64) as u64);
    I64RemU(u64) = |a, b| Ok(a % b);
}

unary! {
    I32Clz(u32) -> u32 = |a| a.leading_zeros();
    I32Ctz(u32) -> u32 = |a| a.trailing_zeros();
    I32Popcnt(u32) -> u32 = |a| a.count_ones();
    I32Extend8S(u32) -> u32 = |a| a as i8 as u32;
    I32Extend16S(u32) -> u32 = |a| a as i16 as u32;
    I32WrapI64(u64) -> u32 = |a| a as u32;
    I64Clz(u64) -> u64 = |a| u64::from(a.leading_zeros());
    I64Ctz(u64) -> u64 = |a| u64::from(a.trailing_zeros());
    I64Popcnt(u64) -> u64 = |a| u64::from(a.count_ones());
    I64Extend8S(u64) -> u64 = |a| a as i8 as u64;
    I64Extend16S(u64) -> u64 = |a| a as i16 as u64;
    I64Extend32S(u64) -> u64 = |a| a as i32 as u64;
    I64ExtendI32S(u32) -> u64 = |a| a as i32 as u64;
    I64ExtendI32U(u32) -> u64 = |a| u64::from(a);
    F32Abs(f32) -> f32 = |a| f32::from_bits(a.to_bits() & !SIGN32);
    F32Neg(f32) -> f32 = |a| f32::from_bits(a.to_bits() ^ SIGN32);
    F32Ceil(f32) -> f32 = |a| quiet32(a, f32::ceil);
    F32Floor(f32) -> f32 = |a| quiet32(a, f32::floor);
    F32Trunc(f32) -> f32 = |a| quiet32(a, f32::trunc);
    F32Nearest(f32) -> f32 = |a| quiet32(a, f32::round_ties_even);
    F32Sqrt(f32) -> f32 = |a| a.sqrt();
    F64Abs(f64) -> f64 = |a| f64::from_bits(a.to_bits() & !SIGN64);
    F64Neg(f64) -> f64 = |a| f64::from_bits(a.to_bits() ^ SIGN64);
    F64Ceil(f64) -> f64 = |a| quiet64(a, f64::ceil);
    F64Floor(f64) -> f64 = |a| quiet64(a, f64::floor);
    F64Trunc(f64) -> f64 = |a| quiet64(a, f64::trunc);
    F64Nearest(f64) -> f64 = |a| quiet64(a, f64::round_ties_even);
    F64Sqrt(f64) -> f64 = |a| a.sqrt();
    F32DemoteF64(f64) -> f32 = |a| a as f32;
    F64PromoteF32(f32) -> f64 = |a| f64::from(a);
    F32ConvertI32S(u32) -> f32 = |a| a as i32 as f32;
    F32ConvertI32U(u32) -> f32 = |a| a as f32;
    F32ConvertI64S(u64) -> f32 = |a| a as i64 as f32;
    F32ConvertI64U(u64) -> f32 = |a| a as f32;
    F64ConvertI32S(u32) -> f64 = |a| f64::from(a as i32);
    F64ConvertI32U(u32) -> f64 = |a| f64::from(a);
    F64ConvertI64S(u64) -> f64 = |a| a as i64 as f64;
    F64ConvertI64U(u64) -> f64 = |a| a as f64;
    I32ReinterpretF32(f32) -> u32 = |a| a.to_bits();
    I64ReinterpretF64(f64) -> u64 = |a| a.to_bits();
    F32ReinterpretI32(u32) -> f32 = |a| f32::from_bits(a);
    F64ReinterpretI64(u64) -> f64 = |a| f64::from_bits(a);
    I32TruncSatF32S(f32) -> u32 = |a| a as i32 as u32;
    I32TruncSatF32U(f32) -> u32 = |a| a as u32;
    I32TruncSatF64S(f64) -> u32 = |a| a as i32 as u32;
    I32TruncSatF64U(f64) -> u32 = |a| a as u32;
    I64TruncSatF32S(f32) -> u64 = |a| a as i64 as u64;
    I64TruncSatF32U(f32) -> u64 = |a| a as u64;
    I64TruncSatF64S(f64) -> u64 = |a| a as i64 as u64;
    I64TruncSatF64U(f64) -> u64 = |a| a as u64;
    RefIsNull(u64) -> u32 = |a| u32::from(a == wayfarer_runtime::values::NULL_REF);
}

macro_rules! truncate {
    ($($name:ident($in:ty) -> $out:ty as $int:ty, $low:expr, $high:expr;)*) => {
        $(
            pub(crate) struct $name;
            named!($name, $in);
            impl Unary for $name {
                type In = $in;
                type Out = $out;
                /// Traps unless `$low < a < $high`; both bounds are exact in the float type, and one step outside or
                /// at the edge of the integer range.
                #[inline(always)]
                fn apply(a: $in) -> Result<$out, TrapCode> {
                    if a > $low && a < $high {
                        Ok(a as $int as $out)
                    } else if a.is_nan() {
                        Err(TrapCode::InvalidConversion)
                    } else {
                        Err(TrapCode::IntegerOverflow)
                    }
                }
            }
        )*
    };
}

// The next f32 below -2^31 is -2147483904, below -2^63 it is -9223373136366403584; the next f64 below -2^63 is
// -9223372036854777856.
truncate! {
    I32TruncF32S(f32) -> u32 as i32, -2147483904.0, 2147483648.0;
    I32TruncF32U(f32) -> u32 as u32, -1.0, 4294967296.0;
    I32TruncF64S(f64) -> u32 as i32, -2147483649.0, 2147483648.0;
    I32TruncF64U(f64) -> u32 as u32, -1.0, 4294967296.0;
    I64TruncF32S(f32) -> u64 as i64, -9223373136366403584.0, 9223372036854775808.0;
    I64TruncF32U(f32) -> u64 as u64, -1.0, 18446744073709551616.0;
    I64TruncF64S(f64) -> u64 as i64, -9223372036854777856.0, 9223372036854775808.0;
    I64TruncF64U(f64) -> u64 as u64, -1.0, 18446744073709551616.0;
}

const SIGN32: u32 = 1 << 31;
const SIGN64: u64 = 1 << 63;

/// Rounding functions of the platform may hand a signalling NaN through; WebAssembly wants it quiet.
#[inline(always)]
fn quiet32(a: f32, round: impl Fn(f32) -> f32) -> f32 {
    if a.is_nan() { f32::from_bits(a.to_bits() | 1 << 22) } else { round(a) }
}

#[inline(always)]
fn quiet64(a: f64, round: impl Fn(f64) -> f64) -> f64 {
    if a.is_nan() { f64::from_bits(a.to_bits() | 1 << 51) } else { round(a) }
}

macro_rules! min_max {
    ($min:ident $max:ident $t:ty) => {
        /// The smaller; a NaN operand gives a NaN, and -0 is less than +0.
        #[inline(always)]
        fn $min(a: $t, b: $t) -> $t {
            if a < b {
                a
            } else if b < a {
                b
            } else if a == b {
                <$t>::from_bits(a.to_bits() | b.to_bits())
            } else {
                a + b
            }
        }

        /// The larger; a NaN operand gives a NaN, and +0 is more than -0.
        #[inline(always)]
        fn $max(a: $t, b: $t) -> $t {
            if a > b {
                a
            } else if b > a {
                b
            } else if a == b {
                <$t>::from_bits(a.to_bits() & b.to_bits())
            } else {
                a + b
            }
        }
    };
}

min_max!(min32 max32 f32);
min_max!(min64 max64 f64);
