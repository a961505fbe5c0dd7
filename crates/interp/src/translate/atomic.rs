//! Atomic instructions.

use super::Translator;
use super::stack::Place;
use crate::exec::atomic::{self as a, op};
use crate::ir::{
    AtomicCmpxchg, AtomicFence, AtomicLoad, AtomicNotify, AtomicRmw, AtomicStore, AtomicWait32, AtomicWait64,
    MemOffset, Op, Slot,
};
use wasmparser::{MemArg, Operator};
use wayfarer_module::ValType;

macro_rules! accesses {
    (
        $self:ident, $op:ident;
        loads { $($load:ident $lt:ident;)* }
        stores { $($store:ident;)* }
        rmws { $($rmw:ident $rt:ident;)* }
        cmpxchgs { $($cmpxchg:ident $ct:ident;)* }
    ) => {
        match $op {
            $(Operator::$load { memarg } => {
                $self.atomic_load(op::load::<a::$load>(), memarg, ValType::$lt)
            })*
            $(Operator::$store { memarg } => $self.atomic_store(op::store::<a::$store>(), memarg),)*
            $(Operator::$rmw { memarg } => $self.atomic_rmw(op::rmw::<a::$rmw>(), memarg, ValType::$rt),)*
            $(Operator::$cmpxchg { memarg } => {
                $self.atomic_cmpxchg(op::cmpxchg::<a::$cmpxchg>(), memarg, ValType::$ct)
            })*
            _ => return $self.wait_or_notify($op),
        }
    };
}

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn atomic(&mut self, op: &Operator<'_>) -> bool {
        accesses! {
            self, op;
            loads {
                I32AtomicLoad I32; I64AtomicLoad I64; I32AtomicLoad8U I32; I32AtomicLoad16U I32;
                I64AtomicLoad8U I64; I64AtomicLoad16U I64; I64AtomicLoad32U I64;
            }
            stores {
                I32AtomicStore; I64AtomicStore; I32AtomicStore8; I32AtomicStore16;
                I64AtomicStore8; I64AtomicStore16; I64AtomicStore32;
            }
            rmws {
                I32AtomicRmwAdd I32; I64AtomicRmwAdd I64; I32AtomicRmw8AddU I32; I32AtomicRmw16AddU I32;
                I64AtomicRmw8AddU I64; I64AtomicRmw16AddU I64; I64AtomicRmw32AddU I64;
                I32AtomicRmwSub I32; I64AtomicRmwSub I64; I32AtomicRmw8SubU I32; I32AtomicRmw16SubU I32;
                I64AtomicRmw8SubU I64; I64AtomicRmw16SubU I64; I64AtomicRmw32SubU I64;
                I32AtomicRmwAnd I32; I64AtomicRmwAnd I64; I32AtomicRmw8AndU I32; I32AtomicRmw16AndU I32;
                I64AtomicRmw8AndU I64; I64AtomicRmw16AndU I64; I64AtomicRmw32AndU I64;
                I32AtomicRmwOr I32; I64AtomicRmwOr I64; I32AtomicRmw8OrU I32; I32AtomicRmw16OrU I32;
                I64AtomicRmw8OrU I64; I64AtomicRmw16OrU I64; I64AtomicRmw32OrU I64;
                I32AtomicRmwXor I32; I64AtomicRmwXor I64; I32AtomicRmw8XorU I32; I32AtomicRmw16XorU I32;
                I64AtomicRmw8XorU I64; I64AtomicRmw16XorU I64; I64AtomicRmw32XorU I64;
                I32AtomicRmwXchg I32; I64AtomicRmwXchg I64; I32AtomicRmw8XchgU I32; I32AtomicRmw16XchgU I32;
                I64AtomicRmw8XchgU I64; I64AtomicRmw16XchgU I64; I64AtomicRmw32XchgU I64;
            }
            cmpxchgs {
                I32AtomicRmwCmpxchg I32; I64AtomicRmwCmpxchg I64; I32AtomicRmw8CmpxchgU I32; I32AtomicRmw16CmpxchgU I32;
                I64AtomicRmw8CmpxchgU I64; I64AtomicRmw16CmpxchgU I64; I64AtomicRmw32CmpxchgU I64;
            }
        }
        true
    }

    /// Pops an operand: the slot where an instruction finds it.
    fn pop_slot(&mut self) -> Slot {
        let entry = self.pop();
        self.slot(entry)
    }

    fn atomic_load(&mut self, op: Op<AtomicLoad>, memarg: &MemArg, ty: ValType) {
        let (address, offset) = (self.pop_slot(), offset(memarg));
        self.result_in_acc(op, ty, |result| AtomicLoad { result, address, offset });
    }

    fn atomic_store(&mut self, op: Op<AtomicStore>, memarg: &MemArg) {
        let (value, address) = (self.pop_slot(), self.pop_slot());
        self.code.emit(op, AtomicStore { value, address, offset: offset(memarg) });
        self.last = None;
    }

    fn atomic_rmw(&mut self, op: Op<AtomicRmw>, memarg: &MemArg, ty: ValType) {
        let (value, address, offset) = (self.pop_slot(), self.pop_slot(), offset(memarg));
        self.result_in_acc(op, ty, |result| AtomicRmw { result, address, offset, value });
    }

    fn atomic_cmpxchg(&mut self, op: Op<AtomicCmpxchg>, memarg: &MemArg, ty: ValType) {
        let (value, expected) = (self.pop_slot(), self.pop_slot());
        let (address, offset) = (self.pop_slot(), offset(memarg));
        self.result_in_acc(op, ty, |result| AtomicCmpxchg { result, address, offset, expected, value });
    }

    fn wait_or_notify(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::MemoryAtomicNotify { ref memarg } => {
                let (count, address, offset) = (self.pop_slot(), self.pop_slot(), offset(memarg));
                let notify = |result| AtomicNotify { result, address, offset, count };
                self.result_in_acc(op::notify(), ValType::I32, notify);
            }
            Operator::MemoryAtomicWait32 { ref memarg } => self.wait(memarg, false),
            Operator::MemoryAtomicWait64 { ref memarg } => self.wait(memarg, true),
            Operator::AtomicFence { .. } => {
                self.code.emit(op::fence_all(), AtomicFence {});
                self.last = None;
            }
            _ => return false,
        }
        true
    }

    /// A stable point: the operands are on the stack when the instruction is executed, and again if it is interrupted.
    fn wait(&mut self, memarg: &MemArg, wide: bool) {
        let entries = [self.pop(), self.pop(), self.pop()];
        let [timeout, expected, address] = entries.map(|entry| self.slot(entry));
        let (result, offset) = (entries[2].slot, offset(memarg));
        let start = match wide {
            false => {
                self.code.emit(op::wait32(), AtomicWait32 { result, address, offset, expected, timeout })
            }
            true => self.code.emit(op::wait64(), AtomicWait64 { result, address, offset, expected, timeout }),
        };
        for entry in entries.into_iter().rev() {
            self.push(entry.ty, entry.place);
        }
        self.site(start);
        self.truncate(self.stack.len() - 3);
        self.forget();
        self.push(ValType::I32, Place::Temp);
    }
}

fn offset(memarg: &MemArg) -> MemOffset {
    MemOffset(memarg.offset as u32)
}
