//! Where instructions take their operands from, as types: each combination becomes a handler of its own.

use super::dispatch::State;
use crate::ir::name::Named;
use crate::ir::{Acc, Imm, Operand, Slot};

/// A scalar in a slot, an accumulator or an instruction.
pub(crate) trait Scalar: Copy + Named {
    /// From a slot.
    fn from_bits(bits: u64) -> Self;
    /// Into a slot; i32 and f32 are zero-extended.
    fn to_bits(self) -> u64;
    /// From an immediate (see [`crate::ir::imm`]).
    fn from_imm(imm: Imm) -> Self;
    /// From its accumulator.
    fn acc(s: &State) -> Self;
    /// Into its accumulator.
    fn set_acc(s: &mut State, v: Self);
}

impl Scalar for u32 {
    #[inline(always)]
    fn from_bits(bits: u64) -> u32 {
        bits as u32
    }
    #[inline(always)]
    fn to_bits(self) -> u64 {
        u64::from(self)
    }
    #[inline(always)]
    fn from_imm(imm: Imm) -> u32 {
        imm.0
    }
    #[inline(always)]
    fn acc(s: &State) -> u32 {
        s.acc as u32
    }
    #[inline(always)]
    fn set_acc(s: &mut State, v: u32) {
        s.acc = u64::from(v);
    }
}

impl Scalar for u64 {
    #[inline(always)]
    fn from_bits(bits: u64) -> u64 {
        bits
    }
    #[inline(always)]
    fn to_bits(self) -> u64 {
        self
    }
    #[inline(always)]
    fn from_imm(imm: Imm) -> u64 {
        i64::from(imm.0 as i32) as u64
    }
    #[inline(always)]
    fn acc(s: &State) -> u64 {
        s.acc
    }
    #[inline(always)]
    fn set_acc(s: &mut State, v: u64) {
        s.acc = v;
    }
}

impl Scalar for f32 {
    #[inline(always)]
    fn from_bits(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
    #[inline(always)]
    fn to_bits(self) -> u64 {
        u64::from(f32::to_bits(self))
    }
    #[inline(always)]
    fn from_imm(imm: Imm) -> f32 {
        f32::from_bits(imm.0)
    }
    #[inline(always)]
    fn acc(s: &State) -> f32 {
        s.f4
    }
    #[inline(always)]
    fn set_acc(s: &mut State, v: f32) {
        s.f4 = v;
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn from_bits(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
    #[inline(always)]
    fn to_bits(self) -> u64 {
        f64::to_bits(self)
    }
    #[inline(always)]
    fn from_imm(imm: Imm) -> f64 {
        f64::from(f32::from_bits(imm.0))
    }
    #[inline(always)]
    fn acc(s: &State) -> f64 {
        s.f8
    }
    #[inline(always)]
    fn set_acc(s: &mut State, v: f64) {
        s.f8 = v;
    }
}

/// Where an operand is.
pub(crate) trait Source: Operand + Named {
    /// Fetches it.
    ///
    /// # Safety
    /// It must be an operand of the instruction at `s.ip`.
    unsafe fn get<T: Scalar>(self, s: &State) -> T;
}

impl Source for Acc {
    #[inline(always)]
    unsafe fn get<T: Scalar>(self, s: &State) -> T {
        T::acc(s)
    }
}

impl Source for Slot {
    #[inline(always)]
    unsafe fn get<T: Scalar>(self, s: &State) -> T {
        // SAFETY: passed on.
        unsafe { T::from_bits(*s.slot(self)) }
    }
}

impl Source for Imm {
    #[inline(always)]
    unsafe fn get<T: Scalar>(self, _: &State) -> T {
        T::from_imm(self)
    }
}

/// Leaves a result in its slot and in the accumulator.
#[inline(always)]
pub(crate) unsafe fn put<T: Scalar>(s: &mut State, result: Slot, v: T) {
    // SAFETY: passed on.
    unsafe { *s.slot(result) = v.to_bits() };
    T::set_acc(s, v);
}
