//! Constants, and moving lanes: splat, extract, replace, shuffle, swizzle.

use crate::error::Result;
use crate::function::Translator;
use crate::target::Arch;
use inkwell::IntPredicate;
use inkwell::types::VectorType;
use inkwell::values::VectorValue;
use wasmparser::Operator;

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn simd_lanes(&mut self, operator: &Operator<'_>) -> Result<bool> {
        match *operator {
            Operator::V128Const { value } => {
                let value = self.v128(value.i128() as u128);
                self.push(value);
            }
            Operator::I8x16Splat => self.splat_int(8)?,
            Operator::I16x8Splat => self.splat_int(16)?,
            Operator::I32x4Splat => self.splat_int(32)?,
            Operator::I64x2Splat => self.splat_int(64)?,
            Operator::F32x4Splat => self.splat_float(4)?,
            Operator::F64x2Splat => self.splat_float(2)?,
            Operator::I8x16ExtractLaneS { lane } => self.extract_narrow(8, lane, true)?,
            Operator::I8x16ExtractLaneU { lane } => self.extract_narrow(8, lane, false)?,
            Operator::I16x8ExtractLaneS { lane } => self.extract_narrow(16, lane, true)?,
            Operator::I16x8ExtractLaneU { lane } => self.extract_narrow(16, lane, false)?,
            Operator::I32x4ExtractLane { lane } => self.extract(self.ints(32), lane)?,
            Operator::I64x2ExtractLane { lane } => self.extract(self.ints(64), lane)?,
            Operator::F32x4ExtractLane { lane } => self.extract(self.floats(32), lane)?,
            Operator::F64x2ExtractLane { lane } => self.extract(self.floats(64), lane)?,
            Operator::I8x16ReplaceLane { lane } => self.replace(self.ints(8), lane)?,
            Operator::I16x8ReplaceLane { lane } => self.replace(self.ints(16), lane)?,
            Operator::I32x4ReplaceLane { lane } => self.replace(self.ints(32), lane)?,
            Operator::I64x2ReplaceLane { lane } => self.replace(self.ints(64), lane)?,
            Operator::F32x4ReplaceLane { lane } => self.replace(self.floats(32), lane)?,
            Operator::F64x2ReplaceLane { lane } => self.replace(self.floats(64), lane)?,
            Operator::I8x16Shuffle { lanes } => {
                let (a, b) = self.pop_vectors(self.ints(8))?;
                let value = self.shuffle(a, b, &lanes.map(u32::from))?;
                self.push_vector(value)?;
            }
            Operator::I8x16Swizzle => {
                let (a, indices) = self.pop_vectors(self.ints(8))?;
                let value = self.swizzle(a, indices)?;
                self.push_vector(value)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The low bits of an integer in each lane.
    fn splat_int(&mut self, bits: u32) -> Result<()> {
        let value = self.pop_int()?;
        let lane = self.ints(bits).get_element_type().into_int_type();
        let value = self.builder.build_int_truncate_or_bit_cast(value, lane, "")?;
        let value = self.splat(value, 128 / bits)?;
        self.push_vector(value)
    }

    fn splat_float(&mut self, lanes: u32) -> Result<()> {
        let value = self.pop_float()?;
        let value = self.splat(value, lanes)?;
        self.push_vector(value)
    }

    fn extract(&mut self, ty: VectorType<'c>, lane: u8) -> Result<()> {
        let vector = self.pop_vector(ty)?;
        let value = self.builder.build_extract_element(vector, self.i32(lane.into()), "")?;
        self.push(value);
        Ok(())
    }

    /// A lane made an i32.
    fn extract_narrow(&mut self, bits: u32, lane: u8, signed: bool) -> Result<()> {
        let vector = self.pop_vector(self.ints(bits))?;
        let value = self.builder.build_extract_element(vector, self.i32(lane.into()), "")?.into_int_value();
        let i32 = self.unit.types.i32;
        let value = match signed {
            true => self.builder.build_int_s_extend(value, i32, "")?,
            false => self.builder.build_int_z_extend(value, i32, "")?,
        };
        self.push(value);
        Ok(())
    }

    fn replace(&mut self, ty: VectorType<'c>, lane: u8) -> Result<()> {
        let mut value = self.pop()?;
        let vector = self.pop_vector(ty)?;
        if value.is_int_value() {
            let lane = ty.get_element_type().into_int_type();
            value = self.builder.build_int_truncate_or_bit_cast(value.into_int_value(), lane, "")?.into();
        }
        let value = self.builder.build_insert_element(vector, value, self.i32(lane.into()), "")?;
        self.push_vector(value)
    }

    /// Bytes of `a` by number; 0 where there is no such byte.
    fn swizzle(&mut self, a: VectorValue<'c>, indices: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let ty = a.get_type();
        let isa = self.unit.isa;
        let value = match isa.arch {
            Arch::X86_64 if isa.moves_bytes => {
                // The instruction gives 0 where an index has its top bit set, and else looks at the low 4 bits.
                let bias = self.int_splat(ty, 0x70);
                let indices =
                    self.intrinsic("llvm.uadd.sat", &[ty.into()], &[indices.into(), bias.into()])?;
                self.intrinsic("llvm.x86.ssse3.pshuf.b.128", &[], &[a.into(), indices.into()])?
            }
            Arch::Aarch64 => {
                self.intrinsic("llvm.aarch64.neon.tbl1", &[ty.into()], &[a.into(), indices.into()])?
            }
            Arch::S390x if isa.moves_bytes => {
                // The instruction looks at the low 5 bits, in `a` and a vector of zeros.
                let beyond = self.int_splat(ty, 16);
                let indices = self.intrinsic("llvm.umin", &[ty.into()], &[indices.into(), beyond.into()])?;
                let zeros = ty.const_zero();
                self.intrinsic("llvm.s390.vperm", &[], &[a.into(), zeros.into(), indices.into()])?
            }
            _ => return self.swizzle_each(a, indices),
        };
        Ok(value.into_vector_value())
    }

    /// The same one byte after the other.
    fn swizzle_each(&mut self, a: VectorValue<'c>, indices: VectorValue<'c>) -> Result<VectorValue<'c>> {
        let ty = a.get_type();
        let low = self.builder.build_and(indices, self.int_splat(ty, 15), "")?;
        let mut value = ty.const_zero();
        for lane in 0..ty.get_size() {
            let lane = self.i32(lane);
            let index = self.builder.build_extract_element(low, lane, "")?.into_int_value();
            let byte = self.builder.build_extract_element(a, index, "")?;
            value = self.builder.build_insert_element(value, byte, lane, "")?;
        }
        let inside =
            self.builder.build_int_compare(IntPredicate::ULT, indices, self.int_splat(ty, 16), "")?;
        Ok(self.builder.build_select(inside, value, ty.const_zero(), "")?.into_vector_value())
    }
}
