//! Between lanes of different types: widening, narrowing, integers to floats and back.

use crate::error::Result;
use crate::function::Translator;
use crate::target::Arch;
use inkwell::FloatPredicate;
use inkwell::values::{BasicValueEnum, InstructionOpcode, VectorValue};
use wasmparser::Operator;

/// Lanes of so many bits, from the low or the high half of a vector, made twice as wide.
#[derive(Clone, Copy)]
struct Widening {
    bits: u32,
    high: bool,
    signed: bool,
}

const fn widening(bits: u32, high: bool, signed: bool) -> Widening {
    Widening { bits, high, signed }
}

fn extension(operator: &Operator<'_>) -> Option<Widening> {
    Some(match operator {
        Operator::I16x8ExtendLowI8x16S => widening(8, false, true),
        Operator::I16x8ExtendLowI8x16U => widening(8, false, false),
        Operator::I16x8ExtendHighI8x16S => widening(8, true, true),
        Operator::I16x8ExtendHighI8x16U => widening(8, true, false),
        Operator::I32x4ExtendLowI16x8S => widening(16, false, true),
        Operator::I32x4ExtendLowI16x8U => widening(16, false, false),
        Operator::I32x4ExtendHighI16x8S => widening(16, true, true),
        Operator::I32x4ExtendHighI16x8U => widening(16, true, false),
        Operator::I64x2ExtendLowI32x4S => widening(32, false, true),
        Operator::I64x2ExtendLowI32x4U => widening(32, false, false),
        Operator::I64x2ExtendHighI32x4S => widening(32, true, true),
        Operator::I64x2ExtendHighI32x4U => widening(32, true, false),
        _ => return None,
    })
}

fn product(operator: &Operator<'_>) -> Option<Widening> {
    Some(match operator {
        Operator::I16x8ExtMulLowI8x16S => widening(8, false, true),
        Operator::I16x8ExtMulLowI8x16U => widening(8, false, false),
        Operator::I16x8ExtMulHighI8x16S => widening(8, true, true),
        Operator::I16x8ExtMulHighI8x16U => widening(8, true, false),
        Operator::I32x4ExtMulLowI16x8S => widening(16, false, true),
        Operator::I32x4ExtMulLowI16x8U => widening(16, false, false),
        Operator::I32x4ExtMulHighI16x8S => widening(16, true, true),
        Operator::I32x4ExtMulHighI16x8U => widening(16, true, false),
        Operator::I64x2ExtMulLowI32x4S => widening(32, false, true),
        Operator::I64x2ExtMulLowI32x4U => widening(32, false, false),
        Operator::I64x2ExtMulHighI32x4S => widening(32, true, true),
        Operator::I64x2ExtMulHighI32x4U => widening(32, true, false),
        _ => return None,
    })
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn simd_convert(&mut self, operator: &Operator<'_>) -> Result<bool> {
        if let Some(how) = extension(operator) {
            let a = self.pop_vector(self.ints(how.bits))?;
            let value = self.widened(a, how)?;
            self.push_vector(value)?;
            return Ok(true);
        }
        if let Some(how) = product(operator) {
            let (a, b) = self.pop_vectors(self.ints(how.bits))?;
            let (a, b) = (self.widened(a, how)?, self.widened(b, how)?);
            let value = self.builder.build_int_mul(a, b, "")?;
            self.push_vector(value)?;
            return Ok(true);
        }
        match operator {
            Operator::I16x8ExtAddPairwiseI8x16S => self.add_pairs(8, true)?,
            Operator::I16x8ExtAddPairwiseI8x16U => self.add_pairs(8, false)?,
            Operator::I32x4ExtAddPairwiseI16x8S => self.add_pairs(16, true)?,
            Operator::I32x4ExtAddPairwiseI16x8U => self.add_pairs(16, false)?,
            Operator::I8x16NarrowI16x8S => self.narrow(16, true)?,
            Operator::I8x16NarrowI16x8U => self.narrow(16, false)?,
            Operator::I16x8NarrowI32x4S => self.narrow(32, true)?,
            Operator::I16x8NarrowI32x4U => self.narrow(32, false)?,
            Operator::I32x4TruncSatF32x4S => self.truncate_lanes(true)?,
            Operator::I32x4TruncSatF32x4U => self.truncate_lanes(false)?,
            Operator::I32x4TruncSatF64x2SZero => self.truncate_to_low(true)?,
            Operator::I32x4TruncSatF64x2UZero => self.truncate_to_low(false)?,
            Operator::F32x4ConvertI32x4S => self.convert_lanes(InstructionOpcode::SIToFP)?,
            Operator::F32x4ConvertI32x4U => self.convert_lanes(InstructionOpcode::UIToFP)?,
            Operator::F64x2ConvertLowI32x4S => {
                let a = self.pop_vector(self.ints(32))?;
                self.widen_low(a, InstructionOpcode::SIToFP)?;
            }
            Operator::F64x2ConvertLowI32x4U => {
                let a = self.pop_vector(self.ints(32))?;
                self.widen_low(a, InstructionOpcode::UIToFP)?;
            }
            Operator::F64x2PromoteLowF32x4 => {
                let a = self.pop_vector(self.floats(32))?;
                self.widen_low(a, InstructionOpcode::FPExt)?;
            }
            Operator::F32x4DemoteF64x2Zero => {
                let a = self.pop_vector(self.floats(64))?;
                let low = self.demote(a.into(), self.unit.types.f32.vec_type(2).into())?;
                self.push_low(low.into_vector_value())?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Half of a vector's lanes.
    fn half(&mut self, a: VectorValue<'c>, high: bool) -> Result<VectorValue<'c>> {
        let lanes = a.get_type().get_size() / 2;
        let first = if high { lanes } else { 0 };
        let order: Vec<u32> = (first..first + lanes).collect();
        self.shuffle(a, a, &order)
    }

    fn widened(&mut self, a: VectorValue<'c>, how: Widening) -> Result<VectorValue<'c>> {
        let half = self.half(a, how.high)?;
        let ty = self.ints(2 * how.bits);
        Ok(match how.signed {
            true => self.builder.build_int_s_extend(half, ty, "")?,
            false => self.builder.build_int_z_extend(half, ty, "")?,
        })
    }

    /// Sums of neighbours, made wider first so that they cannot overflow.
    fn add_pairs(&mut self, bits: u32, signed: bool) -> Result<()> {
        let wide = self.ints(2 * bits);
        if self.unit.isa.arch == Arch::Aarch64 {
            let narrow = self.ints(bits);
            let a = self.pop_vector(narrow)?;
            let name = if signed { "llvm.aarch64.neon.saddlp" } else { "llvm.aarch64.neon.uaddlp" };
            let value = self.intrinsic(name, &[wide.into(), narrow.into()], &[a.into()])?;
            return self.push_vector(value.into_vector_value());
        }
        // Both are in one wide lane, the first in its low half.
        let a = self.pop_vector(wide)?;
        let width = self.int_splat(wide, u64::from(bits));
        let first = self.builder.build_left_shift(a, width, "")?;
        let first = self.builder.build_right_shift(first, width, signed, "")?;
        let second = self.builder.build_right_shift(a, width, signed, "")?;
        let value = self.builder.build_int_add(first, second, "")?;
        self.push_vector(value)
    }

    /// Signed lanes of two vectors, saturated into lanes half as wide.
    fn narrow(&mut self, bits: u32, signed: bool) -> Result<()> {
        let (a, b) = self.pop_vectors(self.ints(bits))?;
        let order: Vec<u32> = (0..2 * a.get_type().get_size()).collect();
        let both = self.shuffle(a, b, &order)?;
        let ty = both.get_type();
        let half = bits / 2;
        let (least, most) = match signed {
            true => (-(1i64 << (half - 1)), (1i64 << (half - 1)) - 1),
            false => (0, (1i64 << half) - 1),
        };
        let (least, most) = (self.int_splat(ty, least as u64), self.int_splat(ty, most as u64));
        let value = self.intrinsic("llvm.smax", &[ty.into()], &[both.into(), least.into()])?;
        let value = self.intrinsic("llvm.smin", &[ty.into()], &[value.into(), most.into()])?;
        let value = self.builder.build_int_truncate(value.into_vector_value(), self.ints(half), "")?;
        self.push_vector(value)
    }

    /// f32 to integers, to the nearest one there is; a NaN to 0.
    fn truncate_lanes(&mut self, signed: bool) -> Result<()> {
        let a = self.pop_vector(self.floats(32))?;
        let value = match self.unit.isa.arch {
            // LLVM does it one by one there.
            Arch::X86_64 if signed => self.x86_truncate_signed(a)?,
            Arch::X86_64 => self.x86_truncate_unsigned(a)?,
            _ => self.saturated(a.into(), self.ints(32).into(), signed)?.into_vector_value(),
        };
        self.push_vector(value)
    }

    /// x86's instruction gives the minimum for all that it has no integer for.
    fn x86_truncate(&mut self, a: BasicValueEnum<'c>) -> Result<VectorValue<'c>> {
        Ok(self.intrinsic("llvm.x86.sse2.cvttps2dq", &[], &[a.into()])?.into_vector_value())
    }

    fn x86_truncate_signed(&mut self, a: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let (floats, ints) = (self.floats(32).into(), self.ints(32));
        let (zero, limit) = (self.float_like(floats, 0.0)?, self.float_like(floats, 2_147_483_648.0)?);
        let number = self.choose_if(FloatPredicate::ORD, (a.into(), a.into()), (a.into(), zero))?;
        let value = self.x86_truncate(number)?;
        // The complement of the minimum is the maximum.
        let too_much =
            self.builder.build_float_compare(FloatPredicate::OGE, a, limit.into_vector_value(), "")?;
        let too_much = self.mask(too_much, ints)?;
        Ok(self.builder.build_xor(value, too_much, "")?)
    }

    fn x86_truncate_unsigned(&mut self, a: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let (floats, ints) = (self.floats(32).into(), self.ints(32));
        let (zero, limit) = (self.float_like(floats, 0.0)?, self.float_like(floats, 2_147_483_648.0)?);
        // Not negative, and no NaN.
        let number = self.choose_if(FloatPredicate::OGT, (a.into(), zero), (a.into(), zero))?;
        // Below 2^31 this is all; from there on it is 2^31, and the rest comes from the difference.
        let low = self.x86_truncate(number)?;
        let rest = self.builder.build_binop(InstructionOpcode::FSub, number, limit, "")?;
        let high = self.x86_truncate(rest)?;
        let too_much = self.builder.build_float_compare(
            FloatPredicate::OGE,
            rest.into_vector_value(),
            limit.into_vector_value(),
            "",
        )?;
        let too_much = self.mask(too_much, ints)?;
        let high = self.builder.build_xor(high, too_much, "")?;
        let none = ints.const_zero();
        let high = self.intrinsic("llvm.smax", &[ints.into()], &[high.into(), none.into()])?;
        Ok(self.builder.build_int_add(low, high.into_vector_value(), "")?)
    }

    /// Two f64 to integers in the low lanes; the others are zero.
    fn truncate_to_low(&mut self, signed: bool) -> Result<()> {
        let a = self.pop_vector(self.floats(64))?;
        if signed && self.unit.isa.arch == Arch::X86_64 {
            let value = self.x86_truncate_to_low(a)?;
            return self.push_vector(value);
        }
        let low = self.saturated(a.into(), self.unit.types.i32.vec_type(2).into(), signed)?;
        self.push_low(low.into_vector_value())
    }

    /// As [`Self::x86_truncate_signed`]; but here the maximum is a float, so that all that is more can become it before.
    fn x86_truncate_to_low(&mut self, a: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let ty = a.get_type().into();
        let (zero, most) = (self.float_like(ty, 0.0)?, self.float_like(ty, 2_147_483_647.0)?);
        let number = self.choose_if(FloatPredicate::ORD, (a.into(), a.into()), (a.into(), zero))?;
        let number = self.choose_if(FloatPredicate::OLT, (number, most), (number, most))?;
        Ok(self.intrinsic("llvm.x86.sse2.cvttpd2dq", &[], &[number.into()])?.into_vector_value())
    }

    /// Pushes two lanes of 32 bits with zeros above.
    fn push_low(&mut self, low: VectorValue<'c>) -> Result<()> {
        let value = self.shuffle(low, low.get_type().const_zero(), &[0, 1, 2, 3])?;
        self.push_vector(value)
    }

    fn convert_lanes(&mut self, opcode: InstructionOpcode) -> Result<()> {
        let a = self.pop_vector(self.ints(32))?;
        let value = self.builder.build_cast(opcode, a, self.floats(32), "")?;
        self.push_vector(value.into_vector_value())
    }

    /// Pushes the two low lanes as f64.
    fn widen_low(&mut self, a: VectorValue<'c>, opcode: InstructionOpcode) -> Result<()> {
        let low = self.half(a, false)?;
        let mut value = self.builder.build_cast(opcode, low, self.floats(64), "")?;
        if opcode == InstructionOpcode::FPExt {
            value = self.canonical(value)?;
        }
        self.push_vector(value.into_vector_value())
    }
}
