//! Integer instructions.

use super::Translator;
use crate::error::Result;
use inkwell::IntPredicate;
use inkwell::types::IntType;
use inkwell::values::{BasicMetadataValueEnum, IntValue};
use wasmparser::Operator;
use wayfarer_abi::TrapCode;

/// Instructions from two integers of a type to one. Counts of shifts and rotations are taken modulo the width.
#[derive(Clone, Copy)]
enum Binary {
    Add,
    Sub,
    Mul,
    DivS,
    DivU,
    RemS,
    RemU,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Rotl,
    Rotr,
}

fn binary(operator: &Operator<'_>) -> Option<Binary> {
    Some(match operator {
        Operator::I32Add | Operator::I64Add => Binary::Add,
        Operator::I32Sub | Operator::I64Sub => Binary::Sub,
        Operator::I32Mul | Operator::I64Mul => Binary::Mul,
        Operator::I32DivS | Operator::I64DivS => Binary::DivS,
        Operator::I32DivU | Operator::I64DivU => Binary::DivU,
        Operator::I32RemS | Operator::I64RemS => Binary::RemS,
        Operator::I32RemU | Operator::I64RemU => Binary::RemU,
        Operator::I32And | Operator::I64And => Binary::And,
        Operator::I32Or | Operator::I64Or => Binary::Or,
        Operator::I32Xor | Operator::I64Xor => Binary::Xor,
        Operator::I32Shl | Operator::I64Shl => Binary::Shl,
        Operator::I32ShrS | Operator::I64ShrS => Binary::ShrS,
        Operator::I32ShrU | Operator::I64ShrU => Binary::ShrU,
        Operator::I32Rotl | Operator::I64Rotl => Binary::Rotl,
        Operator::I32Rotr | Operator::I64Rotr => Binary::Rotr,
        _ => return None,
    })
}

fn comparison(operator: &Operator<'_>) -> Option<IntPredicate> {
    Some(match operator {
        Operator::I32Eq | Operator::I64Eq => IntPredicate::EQ,
        Operator::I32Ne | Operator::I64Ne => IntPredicate::NE,
        Operator::I32LtS | Operator::I64LtS => IntPredicate::SLT,
        Operator::I32LtU | Operator::I64LtU => IntPredicate::ULT,
        Operator::I32GtS | Operator::I64GtS => IntPredicate::SGT,
        Operator::I32GtU | Operator::I64GtU => IntPredicate::UGT,
        Operator::I32LeS | Operator::I64LeS => IntPredicate::SLE,
        Operator::I32LeU | Operator::I64LeU => IntPredicate::ULE,
        Operator::I32GeS | Operator::I64GeS => IntPredicate::SGE,
        Operator::I32GeU | Operator::I64GeU => IntPredicate::UGE,
        _ => return None,
    })
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn numeric(&mut self, operator: &Operator<'_>) -> Result<bool> {
        if let Some(op) = binary(operator) {
            let (b, a) = (self.pop_int()?, self.pop_int()?);
            let value = self.int_binary(op, a, b)?;
            self.push(value);
            return Ok(true);
        }
        if let Some(predicate) = comparison(operator) {
            let (b, a) = (self.pop_int()?, self.pop_int()?);
            let condition = self.builder.build_int_compare(predicate, a, b, "")?;
            let value = self.bool_to_i32(condition)?;
            self.push(value);
            return Ok(true);
        }
        let types = self.unit.types;
        match *operator {
            Operator::I32Const { value } => self.push(self.i32(value as u32)),
            Operator::I64Const { value } => self.push(self.i64(value as u64)),
            Operator::I32Eqz | Operator::I64Eqz => {
                let a = self.pop_int()?;
                let zero = a.get_type().const_zero();
                let condition = self.builder.build_int_compare(IntPredicate::EQ, a, zero, "")?;
                let value = self.bool_to_i32(condition)?;
                self.push(value);
            }
            Operator::I32Clz | Operator::I64Clz => self.count_zeros("llvm.ctlz")?,
            Operator::I32Ctz | Operator::I64Ctz => self.count_zeros("llvm.cttz")?,
            Operator::I32Popcnt | Operator::I64Popcnt => {
                let a = self.pop_int()?;
                let value = self.intrinsic("llvm.ctpop", &[a.get_type().into()], &[a.into()])?;
                self.push(value);
            }
            Operator::I32Extend8S | Operator::I64Extend8S => self.sign_extend(types.i8)?,
            Operator::I32Extend16S | Operator::I64Extend16S => self.sign_extend(types.i16)?,
            Operator::I64Extend32S => self.sign_extend(types.i32)?,
            Operator::I32WrapI64 => {
                let a = self.pop_int()?;
                let value = self.builder.build_int_truncate(a, types.i32, "")?;
                self.push(value);
            }
            Operator::I64ExtendI32S => {
                let a = self.pop_int()?;
                let value = self.builder.build_int_s_extend(a, types.i64, "")?;
                self.push(value);
            }
            Operator::I64ExtendI32U => {
                let a = self.pop_int()?;
                let value = self.builder.build_int_z_extend(a, types.i64, "")?;
                self.push(value);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn int_binary(&mut self, op: Binary, a: IntValue<'c>, b: IntValue<'c>) -> Result<IntValue<'c>> {
        let builder = &self.builder;
        Ok(match op {
            Binary::Add => builder.build_int_add(a, b, "")?,
            Binary::Sub => builder.build_int_sub(a, b, "")?,
            Binary::Mul => builder.build_int_mul(a, b, "")?,
            Binary::And => builder.build_and(a, b, "")?,
            Binary::Or => builder.build_or(a, b, "")?,
            Binary::Xor => builder.build_xor(a, b, "")?,
            Binary::DivS => {
                self.trap_if_zero(b)?;
                self.trap_if_quotient_overflows(a, b)?;
                self.builder.build_int_signed_div(a, b, "")?
            }
            Binary::DivU => {
                self.trap_if_zero(b)?;
                self.builder.build_int_unsigned_div(a, b, "")?
            }
            Binary::RemS => {
                self.trap_if_zero(b)?;
                // The remainder by -1 is 0, as by 1; but of the minimum LLVM does not define it.
                let ty = b.get_type();
                let minus_one =
                    self.builder.build_int_compare(IntPredicate::EQ, b, ty.const_all_ones(), "")?;
                let divisor = self.builder.build_select(minus_one, ty.const_int(1, false), b, "")?;
                self.builder.build_int_signed_rem(a, divisor.into_int_value(), "")?
            }
            Binary::RemU => {
                self.trap_if_zero(b)?;
                self.builder.build_int_unsigned_rem(a, b, "")?
            }
            Binary::Shl => {
                let count = self.shift_count(b)?;
                self.builder.build_left_shift(a, count, "")?
            }
            Binary::ShrS => {
                let count = self.shift_count(b)?;
                self.builder.build_right_shift(a, count, true, "")?
            }
            Binary::ShrU => {
                let count = self.shift_count(b)?;
                self.builder.build_right_shift(a, count, false, "")?
            }
            Binary::Rotl => self.funnel_shift("llvm.fshl", a, b)?,
            Binary::Rotr => self.funnel_shift("llvm.fshr", a, b)?,
        })
    }

    fn trap_if_zero(&mut self, divisor: IntValue<'c>) -> Result<()> {
        let zero = divisor.get_type().const_zero();
        let condition = self.builder.build_int_compare(IntPredicate::EQ, divisor, zero, "")?;
        self.trap_if(condition, TrapCode::IntegerDivideByZero)
    }

    /// Only the minimum divided by -1 does.
    fn trap_if_quotient_overflows(&mut self, a: IntValue<'c>, b: IntValue<'c>) -> Result<()> {
        let ty = a.get_type();
        let min = ty.const_int(1 << (ty.get_bit_width() - 1), false);
        let minimum = self.builder.build_int_compare(IntPredicate::EQ, a, min, "")?;
        let minus_one = self.builder.build_int_compare(IntPredicate::EQ, b, ty.const_all_ones(), "")?;
        let both = self.builder.build_and(minimum, minus_one, "")?;
        self.trap_if(both, TrapCode::IntegerOverflow)
    }

    /// LLVM does not define shifts by the width or more.
    pub(super) fn shift_count(&mut self, count: IntValue<'c>) -> Result<IntValue<'c>> {
        let ty = count.get_type();
        let mask = ty.const_int(u64::from(ty.get_bit_width()) - 1, false);
        Ok(self.builder.build_and(count, mask, "")?)
    }

    /// Rotations are shifts of a number next to itself.
    fn funnel_shift(&mut self, name: &str, a: IntValue<'c>, count: IntValue<'c>) -> Result<IntValue<'c>> {
        let args = [a.into(), a.into(), count.into()];
        Ok(self.intrinsic(name, &[a.get_type().into()], &args)?.into_int_value())
    }

    /// `llvm.ctlz` or `llvm.cttz`; of 0 it is the width.
    fn count_zeros(&mut self, name: &str) -> Result<()> {
        let a = self.pop_int()?;
        let undefined_for_zero: BasicMetadataValueEnum<'c> = self.unit.types.i1.const_zero().into();
        let value = self.intrinsic(name, &[a.get_type().into()], &[a.into(), undefined_for_zero])?;
        self.push(value);
        Ok(())
    }

    /// Sign-extends the low bits, as many as `from` has.
    fn sign_extend(&mut self, from: IntType<'c>) -> Result<()> {
        let a = self.pop_int()?;
        let low = self.builder.build_int_truncate(a, from, "")?;
        let value = self.builder.build_int_s_extend(low, a.get_type(), "")?;
        self.push(value);
        Ok(())
    }
}
