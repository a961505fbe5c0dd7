//! Calls.

use super::Translator;
use super::stack::{Place, acc_of};
use crate::code::Site;
use crate::exec::call;
use wasmparser::Operator;
use wayfarer_module::FuncType;

impl Translator<'_> {
    /// Translates an instruction of this file; false if it is none.
    pub(super) fn calls(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::Call { function_index } => {
                let ty = self.module.func_type(function_index).clone();
                let base = self.arguments(&ty);
                let start = match self.local_function(function_index) {
                    Some(code) => {
                        let start = self.code.op(call::call);
                        self.code.word(code);
                        self.code.slots(base, 0, 0, 0);
                        start
                    }
                    None => {
                        let start = self.code.op(call::call_import);
                        self.code.pair(function_index, 0);
                        self.code.slots_imm(base, 0, ty.param_slots().max(ty.result_slots()));
                        start
                    }
                };
                self.called(start, &ty, false);
            }
            Operator::CallIndirect { type_index, table_index } => {
                let ty = self.module.types[type_index as usize].clone();
                let index = self.pop();
                let index_slot = self.slot(index);
                let base = self.arguments(&ty);
                let start = self.code.op(call::call_indirect);
                self.code.slots_imm(index_slot, 0, table_index);
                self.code.slots_imm(base, 0, ty.param_slots().max(ty.result_slots()));
                self.code.pair(self.interp.types[type_index as usize].0, 0);
                self.push(index.ty, index.place);
                self.called(start, &ty, true);
            }
            Operator::ReturnCall { function_index } => {
                let ty = self.module.func_type(function_index).clone();
                let base = self.arguments(&ty);
                let start = match self.local_function(function_index) {
                    Some(code) => {
                        let start = self.code.op(call::return_call);
                        self.code.word(code);
                        self.code.slots_imm(base, 0, ty.param_slots());
                        start
                    }
                    None => {
                        let start = self.code.op(call::return_call_import);
                        self.code.pair(function_index, 0);
                        self.code.slots_imm(base, 0, ty.param_slots().max(ty.result_slots()));
                        self.code.pair(ty.param_slots(), ty.result_slots());
                        start
                    }
                };
                self.tail_called(start, &ty, false);
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                let ty = self.module.types[type_index as usize].clone();
                let index = self.pop();
                let index_slot = self.slot(index);
                let base = self.arguments(&ty);
                let start = self.code.op(call::return_call_indirect);
                self.code.slots_imm(index_slot, 0, table_index);
                self.code.slots_imm(base, 0, ty.param_slots().max(ty.result_slots()));
                self.code.pair(self.interp.types[type_index as usize].0, 0);
                self.code.pair(ty.param_slots(), ty.result_slots());
                self.push(index.ty, index.place);
                self.tail_called(start, &ty, true);
            }
            _ => return false,
        }
        true
    }

    /// Address of the code of a function of this module; `None` for an import.
    fn local_function(&self, index: u32) -> Option<u64> {
        (index >= self.module.num_imported_funcs)
            .then(|| std::ptr::from_ref(self.interp.func(index)) as usize as u64)
    }

    /// Puts the arguments on top of the stack in their slots and returns the first. The callee's frame starts there.
    fn arguments(&mut self, ty: &FuncType) -> u16 {
        self.settle_top(ty.params.len());
        let first = self.stack.len() - ty.params.len();
        let base = self.stack.get(first).map_or(self.height, |entry| u32::from(entry.slot));
        // A host function's results may need more room than its arguments.
        self.max_height = self.max_height.max(base + ty.result_slots());
        base as u16
    }

    /// Notes a call site and replaces the arguments (and the table index) by the results.
    fn called(&mut self, start: usize, ty: &FuncType, indirect: bool) {
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

    fn tail_called(&mut self, start: usize, ty: &FuncType, indirect: bool) {
        self.site(start);
        self.truncate(self.stack.len() - ty.params.len() - usize::from(indirect));
        self.last = None;
        self.dead = Some(0);
    }

    fn site(&mut self, start: usize) {
        let elsewhere = self.elsewhere(&self.stack);
        self.calls.push(Site {
            word: start as u32,
            return_word: self.code.here() as u32,
            offset: self.offset,
            elsewhere,
        });
    }
}
