//! Loads, stores, bulk memory, globals, tables.

use super::stack::{Place, Src, acc_of};
use super::{Other, Sum, Translator};
use crate::exec::memory::{self as m, LoadHandlers, StoreHandlers, Table};
use crate::exec::operand::{Acc, Slot};
use crate::exec::tables as t;
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

    fn load(&mut self, handlers: LoadHandlers, memarg: &MemArg, ty: ValType) {
        let addr = self.pop();
        let offset = memarg.offset as u32;
        if let Some(Sum { first, second }) = self.take_sum(addr) {
            let handlers = handlers.sum[usize::from(matches!(first, Src::Acc(_)))];
            let start = self.code.op(handlers[usize::from(matches!(second, Other::Slot(_)))]);
            self.code.slots_imm(0, first.slot(), offset);
            match second {
                Other::Imm(imm) => self.code.pair(imm, 0),
                Other::Slot(slot) => self.code.slots(slot, 0, 0, 0),
            }
            return self.result_in_acc(start, ty);
        }
        let addr = self.src(addr);
        let start = self.code.op(if matches!(addr, Src::Acc(_)) { handlers.a } else { handlers.s });
        self.code.slots_imm(0, addr.slot(), offset);
        self.result_in_acc(start, ty);
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

    fn store(&mut self, handlers: StoreHandlers, memarg: &MemArg, ty: ValType) {
        let value = self.pop();
        let addr = self.pop();
        let offset = memarg.offset as u32;
        let imm = self.as_imm(value);
        // Writing a constant may change what accumulators hold, so both come first.
        if imm.is_none() && matches!(value.place, Place::Const(_)) {
            self.slot(value);
        }
        if matches!(addr.place, Place::Const(_)) {
            self.slot(addr);
        }
        let addr = self.settled_src(addr);
        if let Some(imm) = imm {
            self.code.op(if matches!(addr, Src::Acc(_)) { handlers.ai } else { handlers.si });
            self.code.slots_imm(0, addr.slot(), offset);
            self.code.pair(imm, 0);
        } else {
            let value = self.settled_src(value);
            let handler = match (addr, value) {
                (Src::Slot(_), Src::Slot(_)) => handlers.ss,
                (Src::Slot(_), Src::Acc(_)) => handlers.sa,
                (Src::Acc(_), Src::Slot(_)) => handlers.as_,
                // One accumulator holds one slot: both are the same value there, or they are of different kinds.
                (Src::Acc(_), Src::Acc(_)) if acc_of(ty) == Some(0) => handlers.sa,
                (Src::Acc(_), Src::Acc(_)) => handlers.aa,
            };
            self.code.op(handler);
            self.code.slots_imm(value.slot(), addr.slot(), offset);
        }
        self.last = None;
    }

    /// Where an instruction finds a popped entry, once constants were written to their slots.
    pub(super) fn settled_src(&self, entry: super::Entry) -> Src {
        let slot = match entry.place {
            Place::Local(local) => self.local_slots[local as usize],
            Place::Temp | Place::Const(_) => entry.slot,
        };
        match acc_of(entry.ty) {
            Some(kind) if self.acc[kind] == Some(slot) => Src::Acc(slot),
            _ => Src::Slot(slot),
        }
    }

    /// Pops three operands and emits an instruction that takes them in slots and has no result.
    fn three(&mut self, handler: crate::exec::dispatch::Handler) {
        let (c, b, a) = (self.pop(), self.pop(), self.pop());
        let (a, b, c) = (self.slot(a), self.slot(b), self.slot(c));
        self.code.op(handler);
        self.code.slots(a, b, c, 0);
        self.last = None;
    }

    fn other_memory(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::MemorySize { .. } => {
                let start = self.code.op(m::memory_size);
                self.code.word(0);
                self.result_in_acc(start, ValType::I32);
            }
            Operator::MemoryGrow { .. } => {
                let pages = self.pop();
                let pages = self.slot(pages);
                let start = self.code.op(m::memory_grow);
                self.code.slots(0, pages, 0, 0);
                self.result_in_acc(start, ValType::I32);
            }
            Operator::MemoryCopy { .. } => self.three(m::memory_copy),
            Operator::MemoryFill { .. } => self.three(m::memory_fill),
            Operator::MemoryInit { data_index, .. } => {
                self.three(m::memory_init);
                self.code.pair(data_index, 0);
            }
            Operator::DataDrop { data_index } => {
                self.code.op(m::data_drop);
                self.code.pair(data_index, 0);
                self.last = None;
            }
            Operator::GlobalGet { global_index } => {
                let ty = self.module.globals[global_index as usize].ty.val;
                let start = self.code.op(match ty {
                    ValType::F32 => t::global_get::<f32>,
                    ValType::F64 => t::global_get::<f64>,
                    ValType::V128 => t::global_get_v128,
                    _ => t::global_get::<u64>,
                });
                self.code.slots_imm(0, 0, global_index);
                self.result_in_acc(start, ty);
            }
            Operator::GlobalSet { global_index } => self.global_set(global_index),
            Operator::RefFunc { function_index } => {
                let start = self.code.op(t::ref_func);
                self.code.slots_imm(0, 0, function_index);
                self.result_in_acc(start, ValType::FuncRef);
            }
            Operator::TableGet { table } => {
                let index = self.pop();
                let index = self.slot(index);
                let start = self.code.op(t::table_get);
                self.code.slots_imm(0, index, table);
                let ty = self.module.tables[table as usize].ty.elem;
                self.result_in_acc(start, ty);
            }
            Operator::TableSet { table } => {
                let (value, index) = (self.pop(), self.pop());
                let (index, value) = (self.slot(index), self.slot(value));
                self.code.op(t::table_set);
                self.code.slots_imm(value, index, table);
                self.last = None;
            }
            Operator::TableSize { table } => {
                let start = self.code.op(t::table_size);
                self.code.slots_imm(0, 0, table);
                self.result_in_acc(start, ValType::I32);
            }
            Operator::TableGrow { table } => {
                let (count, value) = (self.pop(), self.pop());
                let (value, count) = (self.slot(value), self.slot(count));
                let start = self.code.op(t::table_grow);
                self.code.slots(0, value, count, 0);
                self.code.pair(table, 0);
                self.result_in_acc(start, ValType::I32);
            }
            Operator::TableFill { table } => {
                self.three(t::table_fill);
                self.code.pair(table, 0);
            }
            Operator::TableCopy { dst_table, src_table } => {
                self.three(t::table_copy);
                self.code.pair(dst_table, src_table);
            }
            Operator::TableInit { elem_index, table } => {
                self.three(t::table_init);
                self.code.pair(table, elem_index);
            }
            Operator::ElemDrop { elem_index } => {
                self.code.op(t::elem_drop);
                self.code.pair(elem_index, 0);
                self.last = None;
            }
            _ => return false,
        }
        true
    }

    fn global_set(&mut self, global: u32) {
        let value = self.pop();
        if let Place::Const(bits) = value.place
            && value.ty != ValType::V128
        {
            self.code.op(t::global_set_const);
            self.code.slots_imm(0, 0, global);
            self.code.word(bits as u64);
            self.last = None;
            return;
        }
        let src = self.src(value);
        let acc = matches!(src, Src::Acc(_));
        self.code.op(match (value.ty, acc) {
            (ValType::V128, _) => t::global_set_v128,
            (ValType::F32, true) => t::global_set::<Acc, f32>,
            (ValType::F64, true) => t::global_set::<Acc, f64>,
            (_, true) => t::global_set::<Acc, u64>,
            (_, false) => t::global_set::<Slot<8>, u64>,
        });
        self.code.slots_imm(src.slot(), 0, global);
        self.last = None;
    }
}
