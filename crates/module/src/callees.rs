//! Which functions a function calls by name.

use crate::module::Module;
use crate::operators::{UnknownOperator, check_operator};
use wasmparser::{Operator, OperatorsReader, ValType};

impl Module {
    /// The functions that the body of local function `func` calls directly, in the order of the first calls.
    ///
    /// # Errors
    /// An instruction of which it is not known whether it calls something.
    ///
    /// # Panics
    /// If `func` is imported or out of range.
    pub fn callees(&self, func: u32) -> Result<Vec<u32>, UnknownOperator> {
        let mut callees = Vec::new();
        let walked = self.each_operator(func, |operator, at| match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                if !callees.contains(&function_index) {
                    callees.push(function_index);
                }
                Ok(())
            }
            ref other => check_operator(other, at),
        });
        match walked {
            // The module was validated: nothing is lost by ending at an error of the parser's.
            Ok(Ok(())) | Err(_) => Ok(callees),
            Ok(Err(unknown)) => Err(unknown),
        }
    }

    /// Ends at the first error of `each`.
    fn each_operator<E>(
        &self,
        func: u32,
        mut each: impl FnMut(Operator<'_>, u64) -> Result<(), E>,
    ) -> wasmparser::Result<Result<(), E>> {
        let mut reader = self.body_reader(func);
        for _ in 0..reader.read_var_u32()? {
            reader.read_var_u32()?;
            reader.read::<ValType>()?;
        }
        let mut operators = OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset()?;
            if let Err(error) = each(operator, at) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_callee_once() {
        let wasm = wat::parse_str(
            "(module (import \"m\" \"f\" (func)) (table 1 funcref)
                (func (local i32 i64) (call 2) (call 0) (loop (call 2) (call_indirect (i32.const 0))) (return_call 1))
                (func))",
        )
        .unwrap();
        let module = crate::parse(wasm.into()).unwrap();
        assert_eq!(module.callees(1), Ok(vec![2, 0, 1]));
        assert_eq!(module.callees(2), Ok(vec![]));
    }
}
