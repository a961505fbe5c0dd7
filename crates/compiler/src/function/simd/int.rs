//! Integers lane by lane, bits, and questions about all lanes.

use crate::error::{Result, internal};
use crate::function::Translator;
use crate::target::Arch;
use inkwell::IntPredicate;
use inkwell::values::{InstructionOpcode, VectorValue};
use std::num::NonZero;
use wasmparser::Operator;

/// Instructions from two vectors to one.
#[derive(Clone, Copy)]
enum Binary {
    /// An LLVM instruction.
    Op(InstructionOpcode),
    /// An LLVM intrinsic.
    Call(&'static str),
    Compare(IntPredicate),
    /// Rounded average.
    Average,
}

/// Of lanes of so many bits. Of bitwise instructions they do not matter.
fn binary(operator: &Operator<'_>) -> Option<(u32, Binary)> {
    use Binary::{Average, Call, Compare, Op};
    use InstructionOpcode::{Add, And, Mul, Or, Sub, Xor};
    use IntPredicate::{EQ, NE, SGE, SGT, SLE, SLT, UGE, UGT, ULE, ULT};
    Some(match operator {
        Operator::V128And => (64, Op(And)),
        Operator::V128Or => (64, Op(Or)),
        Operator::V128Xor => (64, Op(Xor)),

        Operator::I8x16Add => (8, Op(Add)),
        Operator::I8x16Sub => (8, Op(Sub)),
        Operator::I8x16AddSatS => (8, Call("llvm.sadd.sat")),
        Operator::I8x16AddSatU => (8, Call("llvm.uadd.sat")),
        Operator::I8x16SubSatS => (8, Call("llvm.ssub.sat")),
        Operator::I8x16SubSatU => (8, Call("llvm.usub.sat")),
        Operator::I8x16MinS => (8, Call("llvm.smin")),
        Operator::I8x16MinU => (8, Call("llvm.umin")),
        Operator::I8x16MaxS => (8, Call("llvm.smax")),
        Operator::I8x16MaxU => (8, Call("llvm.umax")),
        Operator::I8x16AvgrU => (8, Average),
        Operator::I8x16Eq => (8, Compare(EQ)),
        Operator::I8x16Ne => (8, Compare(NE)),
        Operator::I8x16LtS => (8, Compare(SLT)),
        Operator::I8x16LtU => (8, Compare(ULT)),
        Operator::I8x16GtS => (8, Compare(SGT)),
        Operator::I8x16GtU => (8, Compare(UGT)),
        Operator::I8x16LeS => (8, Compare(SLE)),
        Operator::I8x16LeU => (8, Compare(ULE)),
        Operator::I8x16GeS => (8, Compare(SGE)),
        Operator::I8x16GeU => (8, Compare(UGE)),

        Operator::I16x8Add => (16, Op(Add)),
        Operator::I16x8Sub => (16, Op(Sub)),
        Operator::I16x8Mul => (16, Op(Mul)),
        Operator::I16x8AddSatS => (16, Call("llvm.sadd.sat")),
        Operator::I16x8AddSatU => (16, Call("llvm.uadd.sat")),
        Operator::I16x8SubSatS => (16, Call("llvm.ssub.sat")),
        Operator::I16x8SubSatU => (16, Call("llvm.usub.sat")),
        Operator::I16x8MinS => (16, Call("llvm.smin")),
        Operator::I16x8MinU => (16, Call("llvm.umin")),
        Operator::I16x8MaxS => (16, Call("llvm.smax")),
        Operator::I16x8MaxU => (16, Call("llvm.umax")),
        Operator::I16x8AvgrU => (16, Average),
        Operator::I16x8Eq => (16, Compare(EQ)),
        Operator::I16x8Ne => (16, Compare(NE)),
        Operator::I16x8LtS => (16, Compare(SLT)),
        Operator::I16x8LtU => (16, Compare(ULT)),
        Operator::I16x8GtS => (16, Compare(SGT)),
        Operator::I16x8GtU => (16, Compare(UGT)),
        Operator::I16x8LeS => (16, Compare(SLE)),
        Operator::I16x8LeU => (16, Compare(ULE)),
        Operator::I16x8GeS => (16, Compare(SGE)),
        Operator::I16x8GeU => (16, Compare(UGE)),

        Operator::I32x4Add => (32, Op(Add)),
        Operator::I32x4Sub => (32, Op(Sub)),
        Operator::I32x4Mul => (32, Op(Mul)),
        Operator::I32x4MinS => (32, Call("llvm.smin")),
        Operator::I32x4MinU => (32, Call("llvm.umin")),
        Operator::I32x4MaxS => (32, Call("llvm.smax")),
        Operator::I32x4MaxU => (32, Call("llvm.umax")),
        Operator::I32x4Eq => (32, Compare(EQ)),
        Operator::I32x4Ne => (32, Compare(NE)),
        Operator::I32x4LtS => (32, Compare(SLT)),
        Operator::I32x4LtU => (32, Compare(ULT)),
        Operator::I32x4GtS => (32, Compare(SGT)),
        Operator::I32x4GtU => (32, Compare(UGT)),
        Operator::I32x4LeS => (32, Compare(SLE)),
        Operator::I32x4LeU => (32, Compare(ULE)),
        Operator::I32x4GeS => (32, Compare(SGE)),
        Operator::I32x4GeU => (32, Compare(UGE)),

        Operator::I64x2Add => (64, Op(Add)),
        Operator::I64x2Sub => (64, Op(Sub)),
        Operator::I64x2Mul => (64, Op(Mul)),
        Operator::I64x2Eq => (64, Compare(EQ)),
        Operator::I64x2Ne => (64, Compare(NE)),
        Operator::I64x2LtS => (64, Compare(SLT)),
        Operator::I64x2GtS => (64, Compare(SGT)),
        Operator::I64x2LeS => (64, Compare(SLE)),
        Operator::I64x2GeS => (64, Compare(SGE)),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Unary {
    Abs,
    Neg,
    Popcnt,
}

fn unary(operator: &Operator<'_>) -> Option<(u32, Unary)> {
    Some(match operator {
        Operator::I8x16Abs => (8, Unary::Abs),
        Operator::I16x8Abs => (16, Unary::Abs),
        Operator::I32x4Abs => (32, Unary::Abs),
        Operator::I64x2Abs => (64, Unary::Abs),
        Operator::I8x16Neg => (8, Unary::Neg),
        Operator::I16x8Neg => (16, Unary::Neg),
        Operator::I32x4Neg => (32, Unary::Neg),
        Operator::I64x2Neg => (64, Unary::Neg),
        Operator::I8x16Popcnt => (8, Unary::Popcnt),
        _ => return None,
    })
}

fn shift(operator: &Operator<'_>) -> Option<(u32, InstructionOpcode)> {
    use InstructionOpcode::{AShr, LShr, Shl};
    Some(match operator {
        Operator::I8x16Shl => (8, Shl),
        Operator::I8x16ShrS => (8, AShr),
        Operator::I8x16ShrU => (8, LShr),
        Operator::I16x8Shl => (16, Shl),
        Operator::I16x8ShrS => (16, AShr),
        Operator::I16x8ShrU => (16, LShr),
        Operator::I32x4Shl => (32, Shl),
        Operator::I32x4ShrS => (32, AShr),
        Operator::I32x4ShrU => (32, LShr),
        Operator::I64x2Shl => (64, Shl),
        Operator::I64x2ShrS => (64, AShr),
        Operator::I64x2ShrU => (64, LShr),
        _ => return None,
    })
}

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn simd_int(&mut self, operator: &Operator<'_>) -> Result<bool> {
        if let Some((bits, op)) = binary(operator) {
            let (a, b) = self.pop_vectors(self.ints(bits))?;
            let value = self.vector_binary(op, a, b)?;
            self.push_vector(value)?;
            return Ok(true);
        }
        if let Some((bits, op)) = unary(operator) {
            let a = self.pop_vector(self.ints(bits))?;
            let value = self.vector_unary(op, a)?;
            self.push_vector(value)?;
            return Ok(true);
        }
        if let Some((bits, op)) = shift(operator) {
            self.vector_shift(bits, op)?;
            return Ok(true);
        }
        match operator {
            Operator::V128Not => {
                let a = self.pop_vector(self.ints(64))?;
                let value = self.builder.build_not(a, "")?;
                self.push_vector(value)?;
            }
            Operator::V128AndNot => {
                let (a, b) = self.pop_vectors(self.ints(64))?;
                let b = self.builder.build_not(b, "")?;
                let value = self.builder.build_and(a, b, "")?;
                self.push_vector(value)?;
            }
            Operator::V128Bitselect => {
                let mask = self.pop_vector(self.ints(64))?;
                let (a, b) = self.pop_vectors(self.ints(64))?;
                let a = self.builder.build_and(a, mask, "")?;
                let mask = self.builder.build_not(mask, "")?;
                let b = self.builder.build_and(b, mask, "")?;
                let value = self.builder.build_or(a, b, "")?;
                self.push_vector(value)?;
            }
            Operator::I16x8Q15MulrSatS => self.q15mulr_sat()?,
            Operator::I32x4DotI16x8S => self.dot()?,
            Operator::V128AnyTrue => {
                let a = self.pop_vector(self.ints(64))?;
                let all = self.builder.build_bit_cast(a, self.unit.types.i128, "")?.into_int_value();
                let condition = self.is_true(all)?;
                let value = self.bool_to_i32(condition)?;
                self.push(value);
            }
            Operator::I8x16AllTrue => self.all_true(8)?,
            Operator::I16x8AllTrue => self.all_true(16)?,
            Operator::I32x4AllTrue => self.all_true(32)?,
            Operator::I64x2AllTrue => self.all_true(64)?,
            Operator::I8x16Bitmask => self.bitmask(8)?,
            Operator::I16x8Bitmask => self.bitmask(16)?,
            Operator::I32x4Bitmask => self.bitmask(32)?,
            Operator::I64x2Bitmask => self.bitmask(64)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn vector_binary(
        &mut self,
        op: Binary,
        a: VectorValue<'c>,
        b: VectorValue<'c>,
    ) -> Result<VectorValue<'c>> {
        let ty = a.get_type();
        Ok(match op {
            Binary::Op(opcode) => self.builder.build_binop(opcode, a, b, "")?.into_vector_value(),
            Binary::Call(name) => {
                self.intrinsic(name, &[ty.into()], &[a.into(), b.into()])?.into_vector_value()
            }
            Binary::Compare(predicate) => {
                let condition = self.builder.build_int_compare(predicate, a, b, "")?;
                self.mask(condition, ty)?
            }
            Binary::Average => {
                // One more bit is needed on the way. LLVM knows this form.
                let types = self.unit.types;
                let lane = if ty == self.ints(8) { types.i16 } else { types.i32 };
                let wide = lane.vec_type(ty.get_size());
                let a = self.builder.build_int_z_extend(a, wide, "")?;
                let b = self.builder.build_int_z_extend(b, wide, "")?;
                let one = self.int_splat(wide, 1);
                let sum = self.builder.build_int_add(a, b, "")?;
                let sum = self.builder.build_int_add(sum, one, "")?;
                let half = self.builder.build_right_shift(sum, one, false, "")?;
                self.builder.build_int_truncate(half, ty, "")?
            }
        })
    }

    fn vector_unary(&mut self, op: Unary, a: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let ty = a.get_type();
        let value = match op {
            Unary::Neg => return Ok(self.builder.build_int_neg(a, "")?),
            Unary::Abs => {
                let minimum_undefined = self.unit.types.i1.const_zero();
                self.intrinsic("llvm.abs", &[ty.into()], &[a.into(), minimum_undefined.into()])?
            }
            Unary::Popcnt => self.intrinsic("llvm.ctpop", &[ty.into()], &[a.into()])?,
        };
        Ok(value.into_vector_value())
    }

    /// Shifts each lane by the same count, modulo its width.
    fn vector_shift(&mut self, bits: u32, op: InstructionOpcode) -> Result<()> {
        let count = self.pop_int()?;
        let ty = self.ints(bits);
        let a = self.pop_vector(ty)?;
        let count = self.builder.build_and(count, self.i32(bits - 1), "")?;
        let lane = ty.get_element_type().into_int_type();
        let count = match bits {
            64 => self.builder.build_int_z_extend(count, lane, "")?,
            _ => self.builder.build_int_truncate_or_bit_cast(count, lane, "")?,
        };
        let count = self.splat(count, 128 / bits)?;
        let value = self.builder.build_binop(op, a, count, "")?;
        self.push_vector(value.into_vector_value())
    }

    /// Fixed-point multiplication in Q15 format, rounded. Only -1 * -1 saturates.
    fn q15mulr_sat(&mut self) -> Result<()> {
        let ty = self.ints(16);
        let (a, b) = self.pop_vectors(ty)?;
        if self.unit.isa.arch == Arch::Aarch64 {
            let args = [a.into(), b.into()];
            let value = self.intrinsic("llvm.aarch64.neon.sqrdmulh", &[ty.into()], &args)?;
            return self.push_vector(value.into_vector_value());
        }
        let product = if self.unit.isa.arch == Arch::X86_64 && self.unit.isa.moves_bytes {
            // SSSE3, as the instruction that moves bytes.
            self.intrinsic("llvm.x86.ssse3.pmul.hr.sw.128", &[], &[a.into(), b.into()])?.into_vector_value()
        } else {
            self.q15mulr_wrapping(a, b)?
        };
        // The minimum only comes from 1, which is too much; its complement is the maximum.
        let minimum = self.int_splat(ty, 0x8000);
        let saturates = self.builder.build_int_compare(IntPredicate::EQ, product, minimum, "")?;
        let saturates = self.mask(saturates, ty)?;
        let value = self.builder.build_xor(product, saturates, "")?;
        self.push_vector(value)
    }

    /// The same, but that 1 becomes -1.
    fn q15mulr_wrapping(&mut self, a: VectorValue<'c>, b: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let wide = self.unit.types.i32.vec_type(8);
        let a = self.builder.build_int_s_extend(a, wide, "")?;
        let b = self.builder.build_int_s_extend(b, wide, "")?;
        let product = self.builder.build_int_mul(a, b, "")?;
        let product = self.builder.build_int_add(product, self.int_splat(wide, 1 << 14), "")?;
        let product = self.builder.build_right_shift(product, self.int_splat(wide, 15), false, "")?;
        Ok(self.builder.build_int_truncate(product, self.ints(16), "")?)
    }

    /// Products of neighbours, added in pairs.
    fn dot(&mut self) -> Result<()> {
        let (a, b) = self.pop_vectors(self.ints(16))?;
        let wide = self.unit.types.i32.vec_type(8);
        let a = self.builder.build_int_s_extend(a, wide, "")?;
        let b = self.builder.build_int_s_extend(b, wide, "")?;
        let product = self.builder.build_int_mul(a, b, "")?;
        let even = self.shuffle(product, product, &[0, 2, 4, 6])?;
        let odd = self.shuffle(product, product, &[1, 3, 5, 7])?;
        let value = self.builder.build_int_add(even, odd, "")?;
        self.push_vector(value)
    }

    fn all_true(&mut self, bits: u32) -> Result<()> {
        let ty = self.ints(bits);
        let a = self.pop_vector(ty)?;
        let nonzero = self.builder.build_int_compare(IntPredicate::NE, a, ty.const_zero(), "")?;
        let all =
            self.intrinsic("llvm.vector.reduce.and", &[nonzero.get_type().into()], &[nonzero.into()])?;
        let value = self.bool_to_i32(all.into_int_value())?;
        self.push(value);
        Ok(())
    }

    /// The top bit of each lane, gathered: lane 0 in bit 0.
    fn bitmask(&mut self, bits: u32) -> Result<()> {
        let ty = self.ints(bits);
        let a = self.pop_vector(ty)?;
        let mut negative = self.builder.build_int_compare(IntPredicate::SLT, a, ty.const_zero(), "")?;
        let lanes = ty.get_size();
        if self.unit.big_endian {
            // The cast puts lane 0 in the top bit there.
            let order: Vec<u32> = (0..lanes).rev().collect();
            negative = self.shuffle(negative, negative, &order)?;
        }
        let mask = NonZero::new(lanes)
            .and_then(|bits| self.unit.context.custom_width_int_type(bits).ok())
            .ok_or_else(|| internal("a mask without bits"))?;
        let mask = self.builder.build_bit_cast(negative, mask, "")?.into_int_value();
        let value = self.bool_to_i32(mask)?;
        self.push(value);
        Ok(())
    }
}
