//! Floating-point arithmetic and rounding, of scalars and vectors alike.
//!
//! LLVM's floating-point instructions keep WebAssembly's rules with two exceptions. Some of them are simplified away
//! (`x * 1`), and a signalling NaN then passes through as it is, where WebAssembly wants a quiet one; constants that
//! invite that are hidden. And some intrinsics become instructions, on some targets, that pass on such NaNs too.
//!
//! Constants are hidden as well where LLVM would have another NaN come out than the machine has: so that compiled code gives
//! the interpreter's, where that costs nothing.

use super::Translator;
use crate::error::{Result, internal};
use crate::target::Arch;
use inkwell::FloatPredicate;
use inkwell::types::{BasicTypeEnum, VectorType};
use inkwell::values::{BasicValueEnum, InstructionOpcode};

/// Instructions from two floats to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
}

/// Which integer a float is rounded to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rounding {
    Ceil,
    Floor,
    Trunc,
    /// Ties to even.
    Nearest,
}

impl<'c> Translator<'_, 'c, '_> {
    pub(super) fn float_arithmetic(
        &mut self,
        op: Arithmetic,
        a: BasicValueEnum<'c>,
        b: BasicValueEnum<'c>,
    ) -> Result<BasicValueEnum<'c>> {
        // What may leave the other operand as it is, or only change its sign.
        type Neutral = fn(f64) -> bool;
        let (first, second): (Neutral, Neutral) = match op {
            Arithmetic::Add => (|x| x == 0.0 || x.is_nan(), |x| x == 0.0 || x.is_nan()),
            Arithmetic::Sub => {
                (|x| x == 0.0 && x.is_sign_negative() || x.is_nan(), |x| x == 0.0 || x.is_nan())
            }
            Arithmetic::Mul => (|x| x.abs() == 1.0 || x.is_nan(), |x| x.abs() == 1.0 || x.is_nan()),
            Arithmetic::Div => (f64::is_nan, |x| x.abs() == 1.0 || x.is_nan()),
            // Zero because there may be an addition in it, and of a constant NaN LLVM makes the result itself.
            Arithmetic::Min | Arithmetic::Max => {
                (|x| !x.is_finite() || x == 0.0, |x| !x.is_finite() || x == 0.0)
            }
        };
        let deterministic = self.unit.options.deterministic;
        // Of two constants LLVM knows the result, and has its own NaN for it.
        let known = !deterministic && has_constant(a, |_| true) && has_constant(b, |_| true);
        let a = if known { self.opaque(a)? } else { a };
        // Where NaNs become the canonical one, whatever LLVM passes on does.
        let a = if !deterministic && has_constant(a, first) { self.opaque(a)? } else { a };
        let b = if !deterministic && has_constant(b, second) { self.opaque(b)? } else { b };
        let opcode = match op {
            Arithmetic::Add => InstructionOpcode::FAdd,
            Arithmetic::Sub => InstructionOpcode::FSub,
            Arithmetic::Mul => InstructionOpcode::FMul,
            Arithmetic::Div => InstructionOpcode::FDiv,
            Arithmetic::Min | Arithmetic::Max => return self.extreme(op == Arithmetic::Min, a, b),
        };
        let value = self.builder.build_binop(opcode, a, b, "")?;
        self.canonical(value)
    }

    /// The result of an instruction whose NaNs the specification leaves open: in deterministic mode it is the canonical one
    /// if it is a NaN.
    pub(super) fn canonical(&mut self, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        if !self.unit.options.deterministic {
            return Ok(value);
        }
        let nan = self.canonical_nan(value.get_type())?;
        self.choose_if(FloatPredicate::UNO, (value, value), (nan, value))
    }

    /// The canonical NaN: positive, and of its fraction the highest bit only.
    fn canonical_nan(&self, ty: BasicTypeEnum<'c>) -> Result<BasicValueEnum<'c>> {
        // LLVM makes the same of it in single precision.
        self.float_like(ty, f64::from_bits(0x7ff8_0000_0000_0000))
    }

    /// The lesser or greater of two; -0 is less than 0.
    fn extreme(
        &mut self,
        least: bool,
        a: BasicValueEnum<'c>,
        b: BasicValueEnum<'c>,
    ) -> Result<BasicValueEnum<'c>> {
        let ty = a.get_type();
        if self.unit.isa.arch != Arch::X86_64 {
            let name = if least { "llvm.minimum" } else { "llvm.maximum" };
            let value = self.intrinsic(name, &[ty], &[a.into(), b.into()])?;
            return self.canonical(value);
        }
        // An instruction there does `a < b ? a : b`: the second if they are equal or there is a NaN. Both ways round, the
        // answers differ only in those cases. Of zeros the negative one has a bit more; a sum with a NaN is a quiet NaN.
        let predicate = if least { FloatPredicate::OLT } else { FloatPredicate::OGT };
        let opcode = if least { InstructionOpcode::Or } else { InstructionOpcode::And };
        let first = self.choose_if(predicate, (a, b), (a, b))?;
        let second = self.choose_if(predicate, (b, a), (b, a))?;
        let bits = self.bits_type(ty)?;
        let first = self.builder.build_bit_cast(first, bits, "")?;
        let second = self.builder.build_bit_cast(second, bits, "")?;
        let value = self.builder.build_binop(opcode, first, second, "")?;
        let value = self.builder.build_bit_cast(value, ty, "")?;
        let nan = match self.unit.options.deterministic {
            true => self.canonical_nan(ty)?,
            false => self.builder.build_binop(InstructionOpcode::FAdd, a, b, "")?,
        };
        self.choose_if(FloatPredicate::UNO, (a, b), (nan, value))
    }

    pub(super) fn square_root(&mut self, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let known = !self.unit.options.deterministic && has_constant(value, |x| x < 0.0);
        let value = if known { self.opaque(value)? } else { value };
        let root = self.intrinsic("llvm.sqrt", &[value.get_type()], &[value.into()])?;
        self.canonical(root)
    }

    pub(super) fn round(&mut self, how: Rounding, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let rounded = self.rounded(how, value)?;
        self.canonical(rounded)
    }

    fn rounded(&mut self, how: Rounding, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let isa = self.unit.isa;
        if !isa.rounds {
            return self.round_by_adding(how, value);
        }
        let name = match how {
            Rounding::Ceil => "llvm.ceil",
            Rounding::Floor => "llvm.floor",
            Rounding::Trunc => "llvm.trunc",
            // The same, as nothing ever changes the rounding mode; there is an instruction for this one only.
            Rounding::Nearest if isa.arch == Arch::S390x => "llvm.nearbyint",
            Rounding::Nearest => "llvm.roundeven",
        };
        let rounded = self.intrinsic(name, &[value.get_type()], &[value.into()])?;
        if isa.arch != Arch::Riscv64 {
            return Ok(rounded);
        }
        // By way of an integer there, which a NaN goes round.
        let nan = self.builder.build_binop(InstructionOpcode::FAdd, value, value, "")?;
        self.choose_if(FloatPredicate::UNO, (value, value), (nan, rounded))
    }

    /// Rounds with additions only: from 2^(bits of the fraction) on all floats are integers, so that adding this number
    /// rounds to an integer.
    fn round_by_adding(&mut self, how: Rounding, value: BasicValueEnum<'c>) -> Result<BasicValueEnum<'c>> {
        let ty = value.get_type();
        let single = scalar_type(ty) == self.unit.types.f32.into();
        let all_integers = self.float_like(ty, if single { 8_388_608.0 } else { 4_503_599_627_370_496.0 })?;
        let magnitude = self.intrinsic("llvm.fabs", &[ty], &[value.into()])?;
        let sum = self.builder.build_binop(InstructionOpcode::FAdd, magnitude, all_integers, "")?;
        let nearest = self.builder.build_binop(InstructionOpcode::FSub, sum, all_integers, "")?;
        let nearest = self.intrinsic("llvm.copysign", &[ty], &[nearest.into(), value.into()])?;
        let one = self.float_like(ty, 1.0)?;
        let less = self.builder.build_binop(InstructionOpcode::FSub, nearest, one, "")?;
        let more = self.builder.build_binop(InstructionOpcode::FAdd, nearest, one, "")?;
        let down = self.choose_if(FloatPredicate::OGT, (nearest, value), (less, nearest))?;
        let up = self.choose_if(FloatPredicate::OLT, (nearest, value), (more, nearest))?;
        let zero = self.float_like(ty, 0.0)?;
        let rounded = match how {
            Rounding::Nearest => nearest,
            Rounding::Floor => down,
            Rounding::Ceil => up,
            Rounding::Trunc => self.choose_if(FloatPredicate::OLT, (value, zero), (up, down))?,
        };
        // Zeros have the sign of what was rounded.
        let rounded = self.intrinsic("llvm.copysign", &[ty], &[rounded.into(), value.into()])?;
        // An integer already, or a NaN, which this makes quiet.
        let zero = self.opaque(zero)?;
        let same = self.builder.build_binop(InstructionOpcode::FSub, value, zero, "")?;
        self.choose_if(FloatPredicate::OLT, (magnitude, all_integers), (rounded, same))
    }

    /// The first of two values where a comparison holds, else the second: lane by lane, if they are vectors.
    pub(super) fn choose_if(
        &mut self,
        predicate: FloatPredicate,
        (a, b): (BasicValueEnum<'c>, BasicValueEnum<'c>),
        (then, otherwise): (BasicValueEnum<'c>, BasicValueEnum<'c>),
    ) -> Result<BasicValueEnum<'c>> {
        match (a, b) {
            (BasicValueEnum::FloatValue(a), BasicValueEnum::FloatValue(b)) => {
                let condition = self.builder.build_float_compare(predicate, a, b, "")?;
                Ok(self.builder.build_select(condition, then, otherwise, "")?)
            }
            (BasicValueEnum::VectorValue(a), BasicValueEnum::VectorValue(b)) => {
                let condition = self.builder.build_float_compare(predicate, a, b, "")?;
                Ok(self.builder.build_select(condition, then, otherwise, "")?)
            }
            (a, b) => Err(internal(format!("not floats: {a} and {b}"))),
        }
    }

    /// A float, or a vector of it in all lanes.
    pub(super) fn float_like(&self, ty: BasicTypeEnum<'c>, value: f64) -> Result<BasicValueEnum<'c>> {
        match (ty, scalar_type(ty)) {
            (BasicTypeEnum::FloatType(ty), _) => Ok(ty.const_float(value).into()),
            (BasicTypeEnum::VectorType(ty), BasicTypeEnum::FloatType(lane)) => {
                Ok(VectorType::const_vector(&vec![lane.const_float(value); ty.get_size() as usize]).into())
            }
            (other, _) => Err(internal(format!("no float: {other}"))),
        }
    }

    /// Integers as wide as these floats.
    fn bits_type(&self, ty: BasicTypeEnum<'c>) -> Result<BasicTypeEnum<'c>> {
        let types = self.unit.types;
        let bits = if scalar_type(ty) == types.f32.into() { types.i32 } else { types.i64 };
        match ty {
            BasicTypeEnum::FloatType(_) => Ok(bits.into()),
            BasicTypeEnum::VectorType(ty) => Ok(bits.vec_type(ty.get_size()).into()),
            other => Err(internal(format!("no float: {other}"))),
        }
    }
}

/// A vector's lanes' type, or the scalar's own.
fn scalar_type(ty: BasicTypeEnum<'_>) -> BasicTypeEnum<'_> {
    match ty {
        BasicTypeEnum::VectorType(ty) => ty.get_element_type(),
        other => other,
    }
}

/// Whether it is a constant of this kind, or a constant vector with such a lane.
fn has_constant(value: BasicValueEnum<'_>, is: fn(f64) -> bool) -> bool {
    match value {
        // What LLVM does not define is a constant, too, but without a value.
        BasicValueEnum::FloatValue(value) if !value.is_undef() => {
            value.get_constant().is_some_and(|(value, _)| is(value))
        }
        BasicValueEnum::VectorValue(vector) if vector.is_null() => is(0.0),
        BasicValueEnum::VectorValue(vector) if vector.is_constant_data_vector() => {
            let mut lanes = 0..vector.get_type().get_size();
            lanes.any(|lane| has_constant(vector.get_element_as_constant(lane), is))
        }
        _ => false,
    }
}
