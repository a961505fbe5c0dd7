//! Floats lane by lane.

use crate::error::Result;
use crate::function::Translator;
use crate::function::float_ops::{Arithmetic, Rounding};
use inkwell::FloatPredicate;
use wasmparser::Operator;

fn arithmetic(operator: &Operator<'_>) -> Option<(u32, Arithmetic)> {
    Some(match operator {
        Operator::F32x4Add => (32, Arithmetic::Add),
        Operator::F32x4Sub => (32, Arithmetic::Sub),
        Operator::F32x4Mul => (32, Arithmetic::Mul),
        Operator::F32x4Div => (32, Arithmetic::Div),
        Operator::F32x4Min => (32, Arithmetic::Min),
        Operator::F32x4Max => (32, Arithmetic::Max),
        Operator::F64x2Add => (64, Arithmetic::Add),
        Operator::F64x2Sub => (64, Arithmetic::Sub),
        Operator::F64x2Mul => (64, Arithmetic::Mul),
        Operator::F64x2Div => (64, Arithmetic::Div),
        Operator::F64x2Min => (64, Arithmetic::Min),
        Operator::F64x2Max => (64, Arithmetic::Max),
        _ => return None,
    })
}

fn rounding(operator: &Operator<'_>) -> Option<(u32, Rounding)> {
    Some(match operator {
        Operator::F32x4Ceil => (32, Rounding::Ceil),
        Operator::F32x4Floor => (32, Rounding::Floor),
        Operator::F32x4Trunc => (32, Rounding::Trunc),
        Operator::F32x4Nearest => (32, Rounding::Nearest),
        Operator::F64x2Ceil => (64, Rounding::Ceil),
        Operator::F64x2Floor => (64, Rounding::Floor),
        Operator::F64x2Trunc => (64, Rounding::Trunc),
        Operator::F64x2Nearest => (64, Rounding::Nearest),
        _ => return None,
    })
}

/// False if there is a NaN, but for `ne`.
fn comparison(operator: &Operator<'_>) -> Option<(u32, FloatPredicate)> {
    Some(match operator {
        Operator::F32x4Eq => (32, FloatPredicate::OEQ),
        Operator::F32x4Ne => (32, FloatPredicate::UNE),
        Operator::F32x4Lt => (32, FloatPredicate::OLT),
        Operator::F32x4Gt => (32, FloatPredicate::OGT),
        Operator::F32x4Le => (32, FloatPredicate::OLE),
        Operator::F32x4Ge => (32, FloatPredicate::OGE),
        Operator::F64x2Eq => (64, FloatPredicate::OEQ),
        Operator::F64x2Ne => (64, FloatPredicate::UNE),
        Operator::F64x2Lt => (64, FloatPredicate::OLT),
        Operator::F64x2Gt => (64, FloatPredicate::OGT),
        Operator::F64x2Le => (64, FloatPredicate::OLE),
        Operator::F64x2Ge => (64, FloatPredicate::OGE),
        _ => return None,
    })
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn simd_float(&mut self, operator: &Operator<'_>) -> Result<bool> {
        if let Some((bits, op)) = arithmetic(operator) {
            let (a, b) = self.pop_vectors(self.floats(bits))?;
            let value = self.float_arithmetic(op, a.into(), b.into())?;
            self.push_vector(value.into_vector_value())?;
            return Ok(true);
        }
        if let Some((bits, how)) = rounding(operator) {
            let a = self.pop_vector(self.floats(bits))?;
            let value = self.round(how, a.into())?;
            self.push_vector(value.into_vector_value())?;
            return Ok(true);
        }
        if let Some((bits, predicate)) = comparison(operator) {
            let (a, b) = self.pop_vectors(self.floats(bits))?;
            let condition = self.builder.build_float_compare(predicate, a, b, "")?;
            let value = self.mask(condition, self.ints(bits))?;
            self.push_vector(value)?;
            return Ok(true);
        }
        match operator {
            Operator::F32x4Abs => self.vector_abs(32)?,
            Operator::F64x2Abs => self.vector_abs(64)?,
            Operator::F32x4Sqrt => self.vector_sqrt(32)?,
            Operator::F64x2Sqrt => self.vector_sqrt(64)?,
            Operator::F32x4Neg => self.vector_float_neg(32)?,
            Operator::F64x2Neg => self.vector_float_neg(64)?,
            Operator::F32x4PMin => self.pseudo_extreme(32, FloatPredicate::OLT)?,
            Operator::F64x2PMin => self.pseudo_extreme(64, FloatPredicate::OLT)?,
            Operator::F32x4PMax => self.pseudo_extreme(32, FloatPredicate::OGT)?,
            Operator::F64x2PMax => self.pseudo_extreme(64, FloatPredicate::OGT)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn vector_abs(&mut self, bits: u32) -> Result<()> {
        let ty = self.floats(bits);
        let a = self.pop_vector(ty)?;
        let value = self.intrinsic("llvm.fabs", &[ty.into()], &[a.into()])?;
        self.push_vector(value.into_vector_value())
    }

    fn vector_sqrt(&mut self, bits: u32) -> Result<()> {
        let ty = self.floats(bits);
        let a = self.pop_vector(ty)?;
        let value = self.square_root(a.into())?;
        self.push_vector(value.into_vector_value())
    }

    fn vector_float_neg(&mut self, bits: u32) -> Result<()> {
        let a = self.pop_vector(self.floats(bits))?;
        let value = self.builder.build_float_neg(a, "")?;
        self.push_vector(value)
    }

    /// `b` where it is less (greater) than `a`, else `a`.
    fn pseudo_extreme(&mut self, bits: u32, predicate: FloatPredicate) -> Result<()> {
        let (a, b) = self.pop_vectors(self.floats(bits))?;
        let value = self.choose_if(predicate, (b.into(), a.into()), (b.into(), a.into()))?;
        self.push_vector(value.into_vector_value())
    }
}
