//! Floating-point instructions of scalars.

use super::Translator;
use super::float_ops::{Arithmetic, Rounding};
use crate::error::Result;
use inkwell::FloatPredicate;
use inkwell::types::{FloatType, IntType};
use inkwell::values::{BasicValueEnum, FloatValue, InstructionOpcode, IntValue};
use wasmparser::Operator;
use wayfarer_abi::TrapCode;

fn arithmetic(operator: &Operator<'_>) -> Option<Arithmetic> {
    Some(match operator {
        Operator::F32Add | Operator::F64Add => Arithmetic::Add,
        Operator::F32Sub | Operator::F64Sub => Arithmetic::Sub,
        Operator::F32Mul | Operator::F64Mul => Arithmetic::Mul,
        Operator::F32Div | Operator::F64Div => Arithmetic::Div,
        Operator::F32Min | Operator::F64Min => Arithmetic::Min,
        Operator::F32Max | Operator::F64Max => Arithmetic::Max,
        _ => return None,
    })
}

fn rounding(operator: &Operator<'_>) -> Option<Rounding> {
    Some(match operator {
        Operator::F32Ceil | Operator::F64Ceil => Rounding::Ceil,
        Operator::F32Floor | Operator::F64Floor => Rounding::Floor,
        Operator::F32Trunc | Operator::F64Trunc => Rounding::Trunc,
        Operator::F32Nearest | Operator::F64Nearest => Rounding::Nearest,
        _ => return None,
    })
}

/// False if there is a NaN, but for `ne`.
fn comparison(operator: &Operator<'_>) -> Option<FloatPredicate> {
    Some(match operator {
        Operator::F32Eq | Operator::F64Eq => FloatPredicate::OEQ,
        Operator::F32Ne | Operator::F64Ne => FloatPredicate::UNE,
        Operator::F32Lt | Operator::F64Lt => FloatPredicate::OLT,
        Operator::F32Gt | Operator::F64Gt => FloatPredicate::OGT,
        Operator::F32Le | Operator::F64Le => FloatPredicate::OLE,
        Operator::F32Ge | Operator::F64Ge => FloatPredicate::OGE,
        _ => return None,
    })
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn float(&mut self, operator: &Operator<'_>) -> Result<bool> {
        if let Some(op) = arithmetic(operator) {
            let (b, a) = (self.pop()?, self.pop()?);
            let value = self.float_arithmetic(op, a, b)?;
            self.push(value);
            return Ok(true);
        }
        if let Some(how) = rounding(operator) {
            let value = self.pop()?;
            let value = self.round(how, value)?;
            self.push(value);
            return Ok(true);
        }
        if let Some(predicate) = comparison(operator) {
            let (b, a) = (self.pop_float()?, self.pop_float()?);
            let condition = self.builder.build_float_compare(predicate, a, b, "")?;
            let value = self.bool_to_i32(condition)?;
            self.push(value);
            return Ok(true);
        }
        let types = self.unit.types;
        match *operator {
            Operator::F32Const { value } => self.float_const(self.i32(value.bits()), types.f32)?,
            Operator::F64Const { value } => self.float_const(self.i64(value.bits()), types.f64)?,
            Operator::F32Abs | Operator::F64Abs => {
                let a = self.pop_float()?;
                let value = self.intrinsic("llvm.fabs", &[a.get_type().into()], &[a.into()])?;
                self.push(value);
            }
            Operator::F32Sqrt | Operator::F64Sqrt => {
                let a = self.pop()?;
                let value = self.square_root(a)?;
                self.push(value);
            }
            Operator::F32Neg | Operator::F64Neg => {
                let a = self.pop_float()?;
                let value = self.builder.build_float_neg(a, "")?;
                self.push(value);
            }
            Operator::F32Copysign | Operator::F64Copysign => {
                let (b, a) = (self.pop_float()?, self.pop_float()?);
                let value = self.intrinsic("llvm.copysign", &[a.get_type().into()], &[a.into(), b.into()])?;
                self.push(value);
            }
            Operator::F32DemoteF64 => {
                let value = self.pop()?;
                let value = self.demote(value, types.f32.into())?;
                self.push(value);
            }
            Operator::F64PromoteF32 => {
                let a = self.pop_float()?;
                let value = self.builder.build_float_ext(a, types.f64, "")?;
                let value = self.canonical(value.into())?;
                self.push(value);
            }
            Operator::I32ReinterpretF32 => self.reinterpret(types.i32.into())?,
            Operator::I64ReinterpretF64 => self.reinterpret(types.i64.into())?,
            Operator::F32ReinterpretI32 => self.reinterpret(types.f32.into())?,
            Operator::F64ReinterpretI64 => self.reinterpret(types.f64.into())?,
            Operator::F32ConvertI32S | Operator::F32ConvertI64S => self.convert(types.f32, true)?,
            Operator::F32ConvertI32U | Operator::F32ConvertI64U => self.convert(types.f32, false)?,
            Operator::F64ConvertI32S | Operator::F64ConvertI64S => self.convert(types.f64, true)?,
            Operator::F64ConvertI32U | Operator::F64ConvertI64U => self.convert(types.f64, false)?,
            Operator::I32TruncF32S | Operator::I32TruncF64S => self.truncate(types.i32, true)?,
            Operator::I32TruncF32U | Operator::I32TruncF64U => self.truncate(types.i32, false)?,
            Operator::I64TruncF32S | Operator::I64TruncF64S => self.truncate(types.i64, true)?,
            Operator::I64TruncF32U | Operator::I64TruncF64U => self.truncate(types.i64, false)?,
            Operator::I32TruncSatF32S | Operator::I32TruncSatF64S => self.saturate(types.i32, true)?,
            Operator::I32TruncSatF32U | Operator::I32TruncSatF64U => self.saturate(types.i32, false)?,
            Operator::I64TruncSatF32S | Operator::I64TruncSatF64S => self.saturate(types.i64, true)?,
            Operator::I64TruncSatF32U | Operator::I64TruncSatF64U => self.saturate(types.i64, false)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A constant with exactly these bits, whatever NaN they may be.
    fn float_const(&mut self, bits: IntValue<'c>, ty: FloatType<'c>) -> Result<()> {
        let value = self.builder.build_bit_cast(bits, ty, "")?;
        self.push(value);
        Ok(())
    }

    fn reinterpret(&mut self, ty: inkwell::types::BasicTypeEnum<'c>) -> Result<()> {
        let a = self.pop()?;
        let value = self.builder.build_bit_cast(a, ty, "")?;
        self.push(value);
        Ok(())
    }

    fn convert(&mut self, ty: FloatType<'c>, signed: bool) -> Result<()> {
        let a = self.pop_int()?;
        let value = match signed {
            true => self.builder.build_signed_int_to_float(a, ty, "")?,
            false => self.builder.build_unsigned_int_to_float(a, ty, "")?,
        };
        self.push(value);
        Ok(())
    }

    /// Converts to an integer, or traps.
    fn truncate(&mut self, ty: IntType<'c>, signed: bool) -> Result<()> {
        let a = self.pop_float()?;
        self.trap_if_not_within(a, ty.get_bit_width(), signed)?;
        let value = match signed {
            true => self.builder.build_float_to_signed_int(a, ty, "")?,
            false => self.builder.build_float_to_unsigned_int(a, ty, "")?,
        };
        self.push(value);
        Ok(())
    }

    /// Traps unless the integral part of a float is an integer of so many bits.
    fn trap_if_not_within(&mut self, a: FloatValue<'c>, bits: u32, signed: bool) -> Result<()> {
        let ty = a.get_type();
        let (above, least, below) = bounds(bits, signed, ty == self.unit.types.f32);
        let low = if least { FloatPredicate::OGE } else { FloatPredicate::OGT };
        let high = self.builder.build_float_compare(FloatPredicate::OLT, a, ty.const_float(below), "")?;
        let low = self.builder.build_float_compare(low, a, ty.const_float(above), "")?;
        let within = self.builder.build_and(low, high, "")?;
        // Only then is it asked why.
        let outside = self.block("outside");
        let next = self.block("");
        let branch = self.builder.build_conditional_branch(within, next, outside)?;
        self.unit.mark_likely(branch);
        self.builder.position_at_end(outside);
        let (invalid, overflow) =
            (self.trap_block(TrapCode::InvalidConversion)?, self.trap_block(TrapCode::IntegerOverflow)?);
        let nan = self.builder.build_float_compare(FloatPredicate::UNO, a, a, "")?;
        self.builder.build_conditional_branch(nan, invalid, overflow)?;
        self.builder.position_at_end(next);
        Ok(())
    }

    /// Converts to the nearest integer there is; a NaN to 0.
    fn saturate(&mut self, ty: IntType<'c>, signed: bool) -> Result<()> {
        let a = self.pop_float()?;
        let value = self.saturated(a.into(), ty.into(), signed)?;
        self.push(value);
        Ok(())
    }

    /// The same for scalars and vectors.
    pub(super) fn saturated(
        &mut self,
        value: BasicValueEnum<'c>,
        to: inkwell::types::BasicTypeEnum<'c>,
        signed: bool,
    ) -> Result<BasicValueEnum<'c>> {
        let name = if signed { "llvm.fptosi.sat" } else { "llvm.fptoui.sat" };
        self.intrinsic(name, &[to, value.get_type()], &[value.into()])
    }

    /// The nearest floats of a shorter type, of a scalar or a vector.
    pub(super) fn demote(
        &mut self,
        value: BasicValueEnum<'c>,
        to: inkwell::types::BasicTypeEnum<'c>,
    ) -> Result<BasicValueEnum<'c>> {
        // There and back again would be simplified away, and a signalling NaN not become a quiet one.
        use inkwell::values::BasicValue;
        let promoted =
            value.as_instruction_value().is_some_and(|i| i.get_opcode() == InstructionOpcode::FPExt);
        let value = if promoted && !self.unit.options.deterministic { self.opaque(value)? } else { value };
        let value = self.builder.build_cast(InstructionOpcode::FPTrunc, value, to, "")?;
        self.canonical(value)
    }
}

/// Between what a float must be for its integral part to be an integer of so many bits: a lower bound, whether that is
/// the least such float or the next one less, and an upper bound that is too much.
fn bounds(bits: u32, signed: bool, single: bool) -> (f64, bool, f64) {
    let power = |n: u32| 2f64.powi(n as i32);
    match (signed, bits) {
        (false, bits) => (-1.0, false, power(bits)),
        // In between the minimum and the next integer less there are floats.
        (true, 32) if !single => (-power(31) - 1.0, false, power(31)),
        (true, bits) => (-power(bits - 1), true, power(bits - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::bounds;

    /// The last float that is converted and the first that traps, at both ends.
    #[test]
    fn bounds_are_exact() {
        let within = |x: f64, bits, signed, single| {
            let (above, least, below) = bounds(bits, signed, single);
            (if least { x >= above } else { x > above }) && x < below
        };
        for (bits, signed, min, max) in [
            (32, true, i32::MIN as i128, i32::MAX as i128),
            (32, false, 0, u32::MAX as i128),
            (64, true, i64::MIN as i128, i64::MAX as i128),
            (64, false, 0, u64::MAX as i128),
        ] {
            // Neighbours of the ends: a float is in if its integral part is.
            for end in [min as f64, min as f64 - 1.0, max as f64, max as f64 + 1.0] {
                for x in [end.next_down(), end, end.next_up(), end.next_up().next_up()] {
                    let right = (min..=max).contains(&(x.trunc() as i128));
                    assert_eq!(within(x, bits, signed, false), right, "f64 {x} to {bits}, signed {signed}");
                }
                let end = end as f32;
                for x in [end.next_down(), end, end.next_up(), end.next_up().next_up()] {
                    let right = (min..=max).contains(&(x.trunc() as i128));
                    assert_eq!(within(x.into(), bits, signed, true), right, "f32 {x} to {bits}, {signed}");
                }
            }
        }
    }
}
