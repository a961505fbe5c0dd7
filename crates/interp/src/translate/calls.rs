//! Calls.

use super::Translator;
use super::stack::{Place, acc_of};
use crate::code::{Site, Word};
use crate::exec::call::op;
use crate::ir::{
    Base, Call, CallImport, CallIndirect, CodePtr, FuncIdx, ReturnCall, ReturnCallImport, ReturnCallIndirect,
    SlotCount, TableIdx,
};
use wasmparser::Operator;
use wayfarer_module::FuncType;

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn calls(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::Call { function_index } => {
                let ty = self.module.func_type(function_index).clone();
                let base = self.arguments(&ty);
                let start = match self.local_function(FuncIdx(function_index)) {
                    Some(func) => self.code.emit(op::call(), Call { func, base }),
                    None => {
                        let (func, slots) = (FuncIdx(function_index), most_slots(&ty));
                        self.code.emit(op::call_import(), CallImport { func, base, slots })
                    }
                };
                self.called(start, &ty, false);
            }
            Operator::CallIndirect { type_index, table_index } => {
                let ty = self.module.types[type_index as usize].clone();
                let entry = self.pop();
                let index = self.slot(entry);
                let base = self.arguments(&ty);
                let call = CallIndirect {
                    index,
                    table: TableIdx(table_index),
                    base,
                    slots: most_slots(&ty),
                    ty: self.interp.types[type_index as usize],
                };
                let start = self.code.emit(op::call_indirect(), call);
                self.push(entry.ty, entry.place);
                self.called(start, &ty, true);
            }
            Operator::ReturnCall { function_index } => {
                let ty = self.module.func_type(function_index).clone();
                let base = self.arguments(&ty);
                let start = match self.local_function(FuncIdx(function_index)) {
                    Some(func) => {
                        let args = SlotCount(ty.param_slots());
                        self.code.emit(op::return_call(), ReturnCall { func, base, args })
                    }
                    None => {
                        let func = FuncIdx(function_index);
                        let (args, results) = (SlotCount(ty.param_slots()), SlotCount(ty.result_slots()));
                        let call = ReturnCallImport { func, base, args, results };
                        self.code.emit(op::return_call_import(), call)
                    }
                };
                self.tail_called(start, &ty, false);
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                let ty = self.module.types[type_index as usize].clone();
                let entry = self.pop();
                let index = self.slot(entry);
                let base = self.arguments(&ty);
                let call = ReturnCallIndirect {
                    index,
                    table: TableIdx(table_index),
                    base,
                    args: SlotCount(ty.param_slots()),
                    results: SlotCount(ty.result_slots()),
                    ty: self.interp.types[type_index as usize],
                };
                let start = self.code.emit(op::return_call_indirect(), call);
                self.push(entry.ty, entry.place);
                self.tail_called(start, &ty, true);
            }
            _ => return false,
        }
        true
    }

    /// Address of the code of a function of this module; `None` for an import.
    fn local_function(&self, index: FuncIdx) -> Option<CodePtr> {
        self.interp.defined(index).map(|func| func.as_operand())
    }

    /// Puts the arguments on top of the stack in their slots and returns the first. The callee's frame starts there.
    fn arguments(&mut self, ty: &FuncType) -> Base {
        self.settle_top(ty.params.len());
        let first = self.stack.len() - ty.params.len();
        let base = self.stack.get(first).map_or(self.height, |entry| u32::from(entry.slot.0));
        // A host function's results may need more room than its arguments.
        self.max_height = self.max_height.max(base + ty.result_slots());
        Base(base as u16)
    }

    /// Notes a call site and replaces the arguments (and the table index) by the results.
    fn called(&mut self, start: Word, ty: &FuncType, indirect: bool) {
        self.site(start);
        self.truncate(self.stack.len() - ty.params.len() - usize::from(indirect));
        self.forget();
        for &result in &ty.results {
            self.push(result, Place::Temp);
        }
        // A callee leaves a single result in its accumulator, too.
        if let [result] = *ty.results
            && let (Some(kind), Some(entry)) = (acc_of(result), self.stack.last())
        {
            self.acc[kind] = Some(entry.slot);
        }
    }

    fn tail_called(&mut self, start: Word, ty: &FuncType, indirect: bool) {
        self.site(start);
        self.truncate(self.stack.len() - ty.params.len() - usize::from(indirect));
        self.last = None;
        self.dead = Some(0);
    }

    pub(super) fn site(&mut self, start: Word) {
        let elsewhere = self.elsewhere(&self.stack);
        self.calls.push(Site {
            word: start,
            return_word: self.code.here(),
            offset: self.code.offset,
            elsewhere,
        });
    }
}

/// Slots of the arguments or of the results, whichever are more.
fn most_slots(ty: &FuncType) -> SlotCount {
    SlotCount(ty.param_slots().max(ty.result_slots()))
}
