//! Loads and stores of vectors, and of lanes.

use crate::error::Result;
use crate::function::Translator;
use inkwell::types::IntType;
use wasmparser::{MemArg, Operator};

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn simd_memory(&mut self, operator: &Operator<'_>) -> Result<bool> {
        let types = self.unit.types;
        let (i8, i16, i32, i64) = (types.i8, types.i16, types.i32, types.i64);
        match *operator {
            Operator::V128Load { memarg } => {
                let value = self.load_value(&memarg, types.v128.into())?;
                self.loaded(value)?;
                self.push(value);
            }
            Operator::V128Store { memarg } => {
                let value = self.pop()?;
                self.store(&memarg, value)?;
            }
            Operator::V128Load8x8S { memarg } => self.load_extended(&memarg, i8, true)?,
            Operator::V128Load8x8U { memarg } => self.load_extended(&memarg, i8, false)?,
            Operator::V128Load16x4S { memarg } => self.load_extended(&memarg, i16, true)?,
            Operator::V128Load16x4U { memarg } => self.load_extended(&memarg, i16, false)?,
            Operator::V128Load32x2S { memarg } => self.load_extended(&memarg, i32, true)?,
            Operator::V128Load32x2U { memarg } => self.load_extended(&memarg, i32, false)?,
            Operator::V128Load8Splat { memarg } => self.load_splat(&memarg, i8)?,
            Operator::V128Load16Splat { memarg } => self.load_splat(&memarg, i16)?,
            Operator::V128Load32Splat { memarg } => self.load_splat(&memarg, i32)?,
            Operator::V128Load64Splat { memarg } => self.load_splat(&memarg, i64)?,
            Operator::V128Load32Zero { memarg } => self.load_zero(&memarg, i32)?,
            Operator::V128Load64Zero { memarg } => self.load_zero(&memarg, i64)?,
            Operator::V128Load8Lane { memarg, lane } => self.load_lane(&memarg, i8, lane)?,
            Operator::V128Load16Lane { memarg, lane } => self.load_lane(&memarg, i16, lane)?,
            Operator::V128Load32Lane { memarg, lane } => self.load_lane(&memarg, i32, lane)?,
            Operator::V128Load64Lane { memarg, lane } => self.load_lane(&memarg, i64, lane)?,
            Operator::V128Store8Lane { memarg, lane } => self.store_lane(&memarg, i8, lane)?,
            Operator::V128Store16Lane { memarg, lane } => self.store_lane(&memarg, i16, lane)?,
            Operator::V128Store32Lane { memarg, lane } => self.store_lane(&memarg, i32, lane)?,
            Operator::V128Store64Lane { memarg, lane } => self.store_lane(&memarg, i64, lane)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    // What is kept is the whole vector, as there are instructions that load and make it at once.

    /// Loads 64 bits of lanes, and makes them twice as wide.
    fn load_extended(&mut self, memarg: &MemArg, lane: IntType<'c>, signed: bool) -> Result<()> {
        let bits = lane.get_bit_width();
        let narrow = self.load_value(memarg, lane.vec_type(64 / bits).into())?.into_vector_value();
        let ty = self.ints(2 * bits);
        let value = match signed {
            true => self.builder.build_int_s_extend(narrow, ty, "")?,
            false => self.builder.build_int_z_extend(narrow, ty, "")?,
        };
        self.loaded(value.into())?;
        self.push_vector(value)
    }

    fn load_splat(&mut self, memarg: &MemArg, lane: IntType<'c>) -> Result<()> {
        let value = self.load_value(memarg, lane.into())?;
        let value = self.splat(value, 128 / lane.get_bit_width())?;
        self.loaded(value.into())?;
        self.push_vector(value)
    }

    fn load_zero(&mut self, memarg: &MemArg, lane: IntType<'c>) -> Result<()> {
        let value = self.load_value(memarg, lane.into())?;
        let zero = self.ints(lane.get_bit_width()).const_zero();
        let value = self.builder.build_insert_element(zero, value, self.i32(0), "")?;
        self.loaded(value.into())?;
        self.push_vector(value)
    }

    fn load_lane(&mut self, memarg: &MemArg, ty: IntType<'c>, lane: u8) -> Result<()> {
        let vector = self.pop_vector(self.ints(ty.get_bit_width()))?;
        let value = self.load_value(memarg, ty.into())?;
        let value = self.builder.build_insert_element(vector, value, self.i32(lane.into()), "")?;
        self.loaded(value.into())?;
        self.push_vector(value)
    }

    fn store_lane(&mut self, memarg: &MemArg, ty: IntType<'c>, lane: u8) -> Result<()> {
        let vector = self.pop_vector(self.ints(ty.get_bit_width()))?;
        let value = self.builder.build_extract_element(vector, self.i32(lane.into()), "")?;
        self.store(memarg, value)
    }
}
