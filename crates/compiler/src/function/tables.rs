//! Tables, references, globals.

use super::Translator;
use crate::error::{Result, internal};
use inkwell::IntPredicate;
use inkwell::values::{BasicValueEnum, IntValue, PointerValue};
use wasmparser::Operator;
use wayfarer_abi::{Helper, TrapCode, table, vmctx};
use wayfarer_module::{ConstExpr, ConstOp, ExternKind, ValType};

/// The null reference, of either type.
const NULL: u64 = 0;

impl<'c> Translator<'_, 'c, '_> {
    /// Translates an instruction of this kind; false if it is of another kind.
    pub(super) fn table_access(&mut self, operator: &Operator<'_>) -> Result<bool> {
        let types = self.unit.types;
        match *operator {
            Operator::GlobalGet { global_index } => self.global_get(global_index)?,
            Operator::GlobalSet { global_index } => self.global_set(global_index)?,
            Operator::RefNull { .. } => self.push(self.i64(NULL)),
            Operator::RefIsNull => {
                let value = self.pop_int()?;
                let null = self.i64(NULL);
                let condition = self.builder.build_int_compare(IntPredicate::EQ, value, null, "")?;
                let value = self.bool_to_i32(condition)?;
                self.push(value);
            }
            Operator::RefFunc { function_index } => {
                let index = self.i32(function_index).into();
                self.push_helper(Helper::RefFunc, types.i64.into(), &[index])?;
            }
            Operator::TableGet { table } => {
                let index = self.pop_int()?;
                let place = self.element(table, index)?;
                let value = self.load_context(place, types.i64.into(), "")?;
                self.push(value);
            }
            Operator::TableSet { table } => {
                let (value, index) = (self.pop()?, self.pop_int()?);
                let place = self.element(table, index)?;
                self.store_context(place, value)?;
            }
            Operator::TableSize { table } => {
                let table = self.table(table)?;
                let len = self.table_len(table)?;
                let len = self.builder.build_int_truncate(len, types.i32, "")?;
                self.push(len);
            }
            Operator::TableGrow { table } => {
                let (count, value) = (self.pop()?, self.pop()?);
                let table = self.i32(table).into();
                self.push_helper(Helper::TableGrow, types.i32.into(), &[table, value, count])?;
            }
            Operator::TableFill { table } => {
                let (count, value, start) = (self.pop()?, self.pop()?, self.pop()?);
                let table = self.i32(table).into();
                self.call_helper(Helper::TableFill, None, &[table, start, value, count])?;
            }
            Operator::TableCopy { dst_table, src_table } => {
                let tables = [self.i32(dst_table).into(), self.i32(src_table).into()];
                self.three_more(Helper::TableCopy, tables)?;
            }
            Operator::TableInit { elem_index, table } => {
                let table_and_segment = [self.i32(table).into(), self.i32(elem_index).into()];
                self.three_more(Helper::TableInit, table_and_segment)?;
            }
            Operator::ElemDrop { elem_index } => {
                let segment = self.i32(elem_index).into();
                self.call_helper(Helper::ElemDrop, None, &[segment])?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Calls a helper with these arguments and three operands.
    fn three_more(&mut self, helper: Helper, [first, second]: [BasicValueEnum<'c>; 2]) -> Result<()> {
        let (count, from, to) = (self.pop()?, self.pop()?, self.pop()?);
        self.call_helper(helper, None, &[first, second, to, from, count])?;
        Ok(())
    }

    /// A table's address.
    fn table(&mut self, index: u32) -> Result<PointerValue<'c>> {
        let globals = self.unit.module.globals.len() as u32;
        self.context_word(vmctx::table(globals, index), "table")
    }

    fn table_len(&mut self, table: PointerValue<'c>) -> Result<IntValue<'c>> {
        let place = self.offset_pointer(table, table::LEN)?;
        Ok(self.load_context(place, self.unit.types.i64.into(), "")?.into_int_value())
    }

    /// Where a table's element is; traps if there is none.
    fn element(&mut self, table: u32, index: IntValue<'c>) -> Result<PointerValue<'c>> {
        let types = self.unit.types;
        let table = self.table(table)?;
        let len = self.table_len(table)?;
        let index = self.builder.build_int_z_extend(index, types.i64, "")?;
        let outside = self.builder.build_int_compare(IntPredicate::UGE, index, len, "")?;
        self.trap_if(outside, TrapCode::TableOutOfBounds)?;
        let place = self.offset_pointer(table, table::ELEMS)?;
        let elems = self.load_context(place, types.ptr.into(), "")?.into_pointer_value();
        let offset = self.builder.build_int_mul(index, self.i64(8), "")?;
        self.index_pointer(elems, offset)
    }

    fn global_get(&mut self, index: u32) -> Result<()> {
        if let Some(value) = self.constant_global(index)? {
            self.push(value);
            return Ok(());
        }
        let (place, ty) = self.global_place(index)?;
        let value = match ty {
            ValType::V128 => {
                let low = self.load_context(place, self.unit.types.i64.into(), "")?;
                let high_place = self.offset_pointer(place, 8)?;
                let high = self.load_context(high_place, self.unit.types.i64.into(), "")?;
                self.join_halves(low, high)?.into()
            }
            ty => {
                let ty = self.unit.value_type(ty);
                self.load_context(place, ty, "")?
            }
        };
        self.push(value);
        Ok(())
    }

    fn global_set(&mut self, index: u32) -> Result<()> {
        let value = self.pop()?;
        let (place, ty) = self.global_place(index)?;
        if ty != ValType::V128 {
            return self.store_context(place, value);
        }
        let (low, high) = self.split_halves(value.into_vector_value())?;
        self.store_context(place, low)?;
        let place = self.offset_pointer(place, 8)?;
        self.store_context(place, high)
    }

    /// Where a global's value is, and of what type it is. Of a value of 32 bits this is the lower half of the storage: the
    /// other half is zero, and stays so.
    fn global_place(&mut self, index: u32) -> Result<(PointerValue<'c>, ValType)> {
        let global =
            self.unit.module.globals.get(index as usize).ok_or_else(|| internal("no such global"))?;
        let ty = global.ty.val;
        let storage = self.context_word(vmctx::global(index), "global")?;
        let narrow = matches!(ty, ValType::I32 | ValType::F32);
        let place = self.offset_pointer(storage, if narrow && self.unit.big_endian { 4 } else { 0 })?;
        Ok((place, ty))
    }

    /// The value of a global that never has another one, where the module says which.
    fn constant_global(&mut self, index: u32) -> Result<Option<BasicValueEnum<'c>>> {
        let types = self.unit.types;
        let Some(global) = self.unit.module.globals.get(index as usize).filter(|global| !global.ty.mutable)
        else {
            return Ok(None);
        };
        // The runtime gives this one another value if it puts a heap before what the module takes to be free.
        let heap_base = self.unit.module.export("__heap_base");
        if heap_base.is_some_and(|export| export.kind == ExternKind::Global && export.index == index) {
            return Ok(None);
        }
        let Some(ConstExpr(ops)) = &global.init else { return Ok(None) };
        let [op] = &**ops else { return Ok(None) };
        Ok(Some(match *op {
            ConstOp::I32Const(value) => self.i32(value as u32).into(),
            ConstOp::I64Const(value) => self.i64(value as u64).into(),
            ConstOp::F32Const(bits) => self.builder.build_bit_cast(self.i32(bits), types.f32, "")?,
            ConstOp::F64Const(bits) => self.builder.build_bit_cast(self.i64(bits), types.f64, "")?,
            ConstOp::V128Const(bits) => self.v128(bits).into(),
            ConstOp::RefNull(_) => self.i64(NULL).into(),
            _ => return Ok(None),
        }))
    }
}
