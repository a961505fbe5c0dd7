//! Loads, stores, bulk memory, globals, tables.

use super::stack::{Place, Src, acc_of};
use super::{Other, Sum, Translator};
use crate::exec::memory::{self as m, LoadOps, StoreOps, Table};
use crate::exec::tables as t;
use crate::ir::{
    Acc, Bits64, DataDrop, DataIdx, ElemDrop, ElemIdx, FuncIdx, GlobalGet, GlobalGetV128, GlobalIdx,
    GlobalSet, GlobalSetConst, GlobalSetV128, Instruction, Load, LoadSum, MemOffset, MemoryCopy, MemoryFill,
    MemoryGrow, MemoryInit, MemorySize, Op, RefFunc, Slot, Store, StoreImm, TableCopy, TableFill, TableGet,
    TableGrow, TableIdx, TableInit, TableSet, TableSize,
};
use wasmparser::{MemArg, Operator};
use wayfarer_module::ValType;

macro_rules! accesses {
    ($self:ident, $op:ident; loads { $($load:ident $lt:ident;)* } stores { $($store:ident $st:ident;)* }) => {
        match $op {
            $(Operator::$load { memarg } => $self.load(Table::<m::$load>::LOAD, memarg, ValType::$lt),)*
            $(Operator::$store { memarg } => $self.store(Table::<m::$store>::STORE, memarg, ValType::$st),)*
            _ => return $self.other_memory($op),
        }
    };
}

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn memory(&mut self, op: &Operator<'_>) -> bool {
        accesses! {
            self, op;
            loads {
                I32Load I32; I64Load I64; F32Load F32; F64Load F64;
                I32Load8S I32; I32Load8U I32; I32Load16S I32; I32Load16U I32;
                I64Load8S I64; I64Load8U I64; I64Load16S I64; I64Load16U I64; I64Load32S I64; I64Load32U I64;
            }
            stores {
                I32Store I32; I64Store I64; F32Store F32; F64Store F64;
                I32Store8 I32; I32Store16 I32; I64Store8 I64; I64Store16 I64; I64Store32 I64;
            }
        }
        true
    }

    fn load(&mut self, ops: &LoadOps, memarg: &MemArg, ty: ValType) {
        let entry = self.pop();
        let offset = MemOffset(memarg.offset as u32);
        if let Some(Sum { first, second }) = self.take_sum(entry) {
            return match (first, second) {
                (Src::Slot(address), Other::Imm(addend)) => {
                    self.result_in_acc(ops.sum_si, ty, |result| LoadSum { result, address, offset, addend })
                }
                (Src::Slot(address), Other::Slot(addend)) => {
                    self.result_in_acc(ops.sum_ss, ty, |result| LoadSum { result, address, offset, addend })
                }
                (Src::Acc(address), Other::Imm(addend)) => {
                    self.result_in_acc(ops.sum_ai, ty, |result| LoadSum { result, address, offset, addend })
                }
                (Src::Acc(address), Other::Slot(addend)) => {
                    self.result_in_acc(ops.sum_as, ty, |result| LoadSum { result, address, offset, addend })
                }
            };
        }
        match self.src(entry) {
            Src::Slot(address) => self.result_in_acc(ops.s, ty, |result| Load { result, address, offset }),
            Src::Acc(address) => self.result_in_acc(ops.a, ty, |result| Load { result, address, offset }),
        }
    }

    /// If a popped entry was just made by an `i32.add`, takes that instruction back and returns what it added.
    fn take_sum(&mut self, entry: super::Entry) -> Option<Sum> {
        let last = self
            .last
            .take_if(|last| entry.place == Place::Temp && last.slot == entry.slot && last.sum.is_some())?;
        self.code.take_back(last.start);
        self.acc = last.acc;
        last.sum
    }

    fn store(&mut self, ops: &StoreOps, memarg: &MemArg, ty: ValType) {
        let value = self.pop();
        let addr = self.pop();
        let offset = MemOffset(memarg.offset as u32);
        let imm = self.as_imm(value);
        // Writing a constant may change what accumulators hold, so both come first.
        if imm.is_none() && matches!(value.place, Place::Const(_)) {
            self.slot(value);
        }
        if matches!(addr.place, Place::Const(_)) {
            self.slot(addr);
        }
        let addr = self.settled_src(addr);
        if let Some(value) = imm {
            match addr {
                Src::Slot(address) => self.code.emit(ops.si, StoreImm { address, offset, value }),
                Src::Acc(address) => self.code.emit(ops.ai, StoreImm { address, offset, value }),
            };
        } else {
            match (addr, self.settled_src(value)) {
                (Src::Slot(address), Src::Slot(value)) => {
                    self.code.emit(ops.ss, Store { value, address, offset })
                }
                (Src::Slot(address), Src::Acc(value)) => {
                    self.code.emit(ops.sa, Store { value, address, offset })
                }
                (Src::Acc(address), Src::Slot(value)) => {
                    self.code.emit(ops.as_, Store { value, address, offset })
                }
                // One accumulator holds one slot: both are the same value there, or they are of different kinds.
                (Src::Acc(address), Src::Acc(value)) if acc_of(ty) == Some(0) => {
                    self.code.emit(ops.sa, Store { value, address: address.slot(), offset })
                }
                (Src::Acc(address), Src::Acc(value)) => {
                    self.code.emit(ops.aa, Store { value, address, offset })
                }
            };
        }
        self.last = None;
    }

    /// Where an instruction finds a popped entry, once constants were written to their slots.
    pub(super) fn settled_src(&self, entry: super::Entry) -> Src {
        let slot = match entry.place {
            Place::Local(local) => self.local_slots[local.0 as usize],
            Place::Temp | Place::Const(_) => entry.slot,
        };
        match acc_of(entry.ty) {
            Some(kind) if self.acc[kind] == Some(slot) => Src::Acc(Acc(slot.0)),
            _ => Src::Slot(slot),
        }
    }

    /// Pops three operands and writes an instruction that takes them in slots and has no result.
    fn three<I: Instruction>(&mut self, op: Op<I>, operands: impl FnOnce(Slot, Slot, Slot) -> I) {
        let (c, b, a) = (self.pop(), self.pop(), self.pop());
        let (a, b, c) = (self.slot(a), self.slot(b), self.slot(c));
        self.code.emit(op, operands(a, b, c));
        self.last = None;
    }

    fn other_memory(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::MemorySize { .. } => {
                let shared = self.module.memories.first().is_some_and(|memory| memory.shared);
                let op = if shared { m::op::memory_size::<true>() } else { m::op::memory_size::<false>() };
                self.result_in_acc(op, ValType::I32, |result| MemorySize { result });
            }
            Operator::MemoryGrow { .. } => {
                let delta = self.pop();
                let delta = self.slot(delta);
                self.result_in_acc(m::op::memory_grow(), ValType::I32, |result| MemoryGrow { result, delta });
            }
            Operator::MemoryCopy { .. } => {
                self.three(m::op::memory_copy(), |to, from, size| MemoryCopy { to, from, size });
            }
            Operator::MemoryFill { .. } => {
                self.three(m::op::memory_fill(), |to, value, size| MemoryFill { to, value, size });
            }
            Operator::MemoryInit { data_index, .. } => {
                let segment = DataIdx(data_index);
                self.three(m::op::memory_init(), |to, from, size| MemoryInit { to, from, size, segment });
            }
            Operator::DataDrop { data_index } => {
                self.code.emit(m::op::data_drop(), DataDrop { segment: DataIdx(data_index) });
                self.last = None;
            }
            Operator::GlobalGet { global_index } => self.global_get(global_index),
            Operator::GlobalSet { global_index } => self.global_set(global_index),
            Operator::RefFunc { function_index } => {
                let func = FuncIdx(function_index);
                self.result_in_acc(t::op::ref_func(), ValType::FuncRef, |result| RefFunc { result, func });
            }
            _ => return self.table(op),
        }
        true
    }

    fn table(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::TableGet { table } => {
                let index = self.pop();
                let index = self.slot(index);
                let ty = self.module.tables[table as usize].ty.elem;
                let table = TableIdx(table);
                self.result_in_acc(t::op::table_get(), ty, |result| TableGet { result, index, table });
            }
            Operator::TableSet { table } => {
                let (value, index) = (self.pop(), self.pop());
                let (index, value) = (self.slot(index), self.slot(value));
                self.code.emit(t::op::table_set(), TableSet { value, index, table: TableIdx(table) });
                self.last = None;
            }
            Operator::TableSize { table } => {
                let table = TableIdx(table);
                self.result_in_acc(t::op::table_size(), ValType::I32, |result| TableSize { result, table });
            }
            Operator::TableGrow { table } => {
                let (count, value) = (self.pop(), self.pop());
                let (value, count) = (self.slot(value), self.slot(count));
                let table = TableIdx(table);
                self.result_in_acc(t::op::table_grow(), ValType::I32, |result| TableGrow {
                    result,
                    value,
                    count,
                    table,
                });
            }
            Operator::TableFill { table } => {
                let table = TableIdx(table);
                self.three(t::op::table_fill(), |to, value, count| TableFill { to, value, count, table });
            }
            Operator::TableCopy { dst_table, src_table } => {
                let (to_table, from_table) = (TableIdx(dst_table), TableIdx(src_table));
                self.three(t::op::table_copy(), |to, from, count| TableCopy {
                    to,
                    from,
                    count,
                    to_table,
                    from_table,
                });
            }
            Operator::TableInit { elem_index, table } => {
                let (table, segment) = (TableIdx(table), ElemIdx(elem_index));
                self.three(t::op::table_init(), |to, from, count| TableInit {
                    to,
                    from,
                    count,
                    table,
                    segment,
                });
            }
            Operator::ElemDrop { elem_index } => {
                self.code.emit(t::op::elem_drop(), ElemDrop { segment: ElemIdx(elem_index) });
                self.last = None;
            }
            _ => return false,
        }
        true
    }

    fn global_get(&mut self, global: u32) {
        let ty = self.module.globals[global as usize].ty.val;
        let global = GlobalIdx(global);
        match ty {
            ValType::V128 => self.result(t::op::global_get_v128(), ty, |result| GlobalGetV128 {
                result: result.wide(),
                global,
            }),
            ValType::F32 => {
                self.result_in_acc(t::op::global_get::<f32>(), ty, |result| GlobalGet { result, global });
            }
            ValType::F64 => {
                self.result_in_acc(t::op::global_get::<f64>(), ty, |result| GlobalGet { result, global });
            }
            ValType::I32 | ValType::I64 | ValType::FuncRef | ValType::ExternRef => {
                self.result_in_acc(t::op::global_get::<u64>(), ty, |result| GlobalGet { result, global });
            }
        }
    }

    fn global_set(&mut self, global: u32) {
        let global = GlobalIdx(global);
        let value = self.pop();
        let ty = value.ty;
        if let Place::Const(bits) = value.place
            && ty != ValType::V128
        {
            self.code.emit(t::op::global_set_const(), GlobalSetConst { global, value: Bits64(bits as u64) });
            self.last = None;
            return;
        }
        match self.src(value) {
            // Only it has no accumulator.
            Src::Slot(value) if ty == ValType::V128 => {
                self.code.emit(t::op::global_set_v128(), GlobalSetV128 { value: value.wide(), global })
            }
            Src::Slot(value) => self.code.emit(t::op::global_set::<_, u64>(), GlobalSet { value, global }),
            Src::Acc(value) => {
                let op = match ty {
                    ValType::F32 => t::op::global_set::<_, f32>(),
                    ValType::F64 => t::op::global_set::<_, f64>(),
                    _ => t::op::global_set::<_, u64>(),
                };
                self.code.emit(op, GlobalSet { value, global })
            }
        };
        self.last = None;
    }
}
