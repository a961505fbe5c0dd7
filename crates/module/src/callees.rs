//! Which functions a function calls by name.

use crate::module::Module;
use wasmparser::{Operator, OperatorsReader, ValType};

impl Module {
    /// The functions that the body of local function `func` calls directly, in the order of the first calls.
    ///
    /// # Panics
    /// If `func` is imported or out of range.
    pub fn callees(&self, func: u32) -> Vec<u32> {
        let mut callees = Vec::new();
        // The module was validated: nothing is lost by ending at an error.
        let _ = self.each_operator(func, |operator| {
            if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = operator
                && !callees.contains(&function_index)
            {
                callees.push(function_index);
            }
        });
        callees
    }

    fn each_operator(&self, func: u32, mut each: impl FnMut(Operator<'_>)) -> wasmparser::Result<()> {
        let mut reader = self.body_reader(func);
        for _ in 0..reader.read_var_u32()? {
            reader.read_var_u32()?;
            reader.read::<ValType>()?;
        }
        let mut operators = OperatorsReader::new(reader);
        while !operators.eof() {
            each(operators.read()?);
        }
        Ok(())
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
        assert_eq!(module.callees(1), [2, 0, 1]);
        assert_eq!(module.callees(2), []);
    }
}
