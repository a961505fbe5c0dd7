//! SIMD instructions. A v128 is on the stack as two lanes of 64 bits; how it becomes lanes of other types and back is said
//! at `cast_vector`.
//!
//! - `lanes`: constants, and moving lanes; `memory`
//! - `int`, `float`: lane by lane; `convert`: between lanes of different types

mod convert;
mod float;
mod int;
mod lanes;
mod memory;

use super::Translator;
use crate::error::Result;
use inkwell::types::VectorType;
use inkwell::values::VectorValue;
use wasmparser::Operator;

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn simd(&mut self, operator: &Operator<'_>) -> Result<bool> {
        Ok(self.simd_memory(operator)?
            || self.simd_lanes(operator)?
            || self.simd_int(operator)?
            || self.simd_float(operator)?
            || self.simd_convert(operator)?)
    }

    /// The vector of integers of so many bits.
    fn ints(&self, bits: u32) -> VectorType<'c> {
        let types = self.unit.types;
        let lane = match bits {
            8 => types.i8,
            16 => types.i16,
            32 => types.i32,
            _ => types.i64,
        };
        lane.vec_type(128 / bits)
    }

    /// The vector of floats of so many bits.
    fn floats(&self, bits: u32) -> VectorType<'c> {
        let types = self.unit.types;
        if bits == 32 { types.f32.vec_type(4) } else { types.f64.vec_type(2) }
    }

    /// Pops two vectors; the first is the one below.
    fn pop_vectors(&mut self, ty: VectorType<'c>) -> Result<(VectorValue<'c>, VectorValue<'c>)> {
        let b = self.pop_vector(ty)?;
        Ok((self.pop_vector(ty)?, b))
    }

    /// An integer in all lanes of a vector of integers.
    fn int_splat(&self, ty: VectorType<'c>, value: u64) -> VectorValue<'c> {
        let lane = ty.get_element_type().into_int_type().const_int(value, false);
        VectorType::const_vector(&vec![lane; ty.get_size() as usize])
    }

    /// Ones in the lanes where a condition holds, zeros in the others.
    fn mask(&mut self, condition: VectorValue<'c>, ty: VectorType<'c>) -> Result<VectorValue<'c>> {
        Ok(self.builder.build_int_s_extend(condition, ty, "")?)
    }
}
