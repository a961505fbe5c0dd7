//! How much LLVM may do for a function. What its passes and its register allocator take grows with the square of how many
//! values are alive at a time, and faster; a module whose functions have tens of thousands must not keep it busy for
//! hours. So it is decided before LLVM is asked, by what is alive at the stable points.

use crate::error::{Result, unknown};
use crate::frames;
use crate::function::invalid;
use wasmparser::{FuncValidatorAllocations, Operator, OperatorsReader};
use wayfarer_module::{Module, PointKind, check_operator, stable_points};

/// How a function is compiled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Effort {
    /// Left to the interpreter.
    None,
    /// Without optimization, which takes time in proportion to the code.
    Little,
    /// As the options say.
    Full,
}

/// Bodies that are smaller (bytes) are not looked at: they are no work, whatever is in them.
const SMALL: usize = 1000;

/// Most values that a loop may take along from round to round.
const CARRIED: usize = 1000;

/// Most pairs of values that are alive at the same stable point, counted at each. CPython has a million in one function.
const PAIRS: usize = 4_000_000;

/// Most values that may be saved at stable points, counted at each, for there to be any code.
const SAVED: usize = 100_000;

/// Most entries of the table that says which local is live where.
const TABLE: usize = 1 << 24;

/// How much is done for local function `func`.
pub(crate) fn of(module: &Module, func: u32) -> Result<Effort> {
    let size = module.funcs[func as usize].body.as_ref().map_or(0, |body| body.len());
    if size < SMALL {
        return Ok(Effort::Full);
    }
    let count = Count::of(module, func)?;
    if count.points.saturating_mul(count.locals) > TABLE || count.operands > SAVED {
        return Ok(Effort::None);
    }
    let points = stable_points(module, func).map_err(unknown)?;
    let (mut carried, mut pairs, mut saved) = (0, 0, 0);
    let mut used = vec![false; count.locals];
    for point in &points.points {
        let values = point.live.iter().filter(|live| **live).count() + point.stack.len();
        used.iter_mut().zip(&point.live).for_each(|(used, live)| *used |= live);
        saved += values;
        pairs += values * values;
        if point.kind == PointKind::Loop {
            carried = carried.max(values);
        }
    }
    if carried <= CARRIED && pairs <= PAIRS {
        return Ok(Effort::Full);
    }
    // Without optimization each local has a place in the frame.
    let locals = points.locals.iter().zip(used).filter(|(_, used)| *used);
    let frame: usize = locals.map(|(ty, _)| 4 * ty.slots() as usize).sum();
    let large = frame > frames::LARGEST;
    Ok(if saved > SAVED || large { Effort::None } else { Effort::Little })
}

/// What is found without asking what is live.
#[derive(Debug, Default)]
struct Count {
    locals: usize,
    points: usize,
    /// Operands on the stack at the stable points, counted at each.
    operands: usize,
}

impl Count {
    fn of(module: &Module, func: u32) -> Result<Count> {
        let mut validator = module.func_validator(func, FuncValidatorAllocations::default());
        let mut reader = module.body_reader(func);
        validator.read_locals(&mut reader).map_err(invalid)?;
        let mut count = Count { locals: validator.len_locals() as usize, ..Count::default() };
        let mut operators = OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset().map_err(invalid)?;
            let points = match operator {
                Operator::Loop { .. }
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::MemoryAtomicWait32 { .. }
                | Operator::MemoryAtomicWait64 { .. } => 1,
                Operator::Call { .. } | Operator::CallIndirect { .. } => 2,
                // It might be a stable point.
                ref other => {
                    check_operator(other, at).map_err(unknown)?;
                    0
                }
            };
            count.points += points;
            count.operands += points * validator.operand_stack_height() as usize;
            validator.op(at, &operator).map_err(invalid)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The effort for a function with so many locals that are alive in a loop with so many calls.
    fn effort(locals: usize, calls: usize) -> Effort {
        let mut text = String::from("(module (func $id (param i32)) (func (param i32) (local");
        (1..locals).for_each(|_| text.push_str(" i32"));
        text.push_str(") (loop $again\n");
        (0..calls).for_each(|_| text.push_str("(call $id (local.get 0))"));
        for n in 1..locals {
            let _ = write!(text, "(local.set {n} (i32.xor (local.get {n}) (local.get {})))", n - 1);
        }
        text.push_str("(br_if $again (local.get 0)))))");
        let module = wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap();
        of(&module, 1).unwrap()
    }

    #[test]
    fn ordinary_functions_are_optimized() {
        assert_eq!(effort(2, 0), Effort::Full);
        assert_eq!(effort(200, 20), Effort::Full);
        // Many calls, few values.
        assert_eq!(effort(10, 5000), Effort::Full);
    }

    #[test]
    fn functions_with_many_values_are_not() {
        assert_eq!(effort(1100, 0), Effort::Little);
        assert_eq!(effort(500, 50), Effort::Little);
    }

    #[test]
    fn what_is_too_much_is_interpreted() {
        // Too large a frame.
        assert_eq!(effort(9000, 0), Effort::None);
        // Too much to save.
        assert_eq!(effort(600, 200), Effort::None);
        // Too much even to ask what is live.
        assert_eq!(effort(40_000, 1000), Effort::None);
    }

    #[test]
    fn locals_that_are_not_alive_do_not_count() {
        let mut text = String::from("(module (func (param i32) (local");
        (0..40_000).for_each(|_| text.push_str(" i32"));
        text.push(')');
        (0..400).for_each(|n| {
            let _ = write!(text, "(local.set {} (local.get 0))", 1 + 100 * n);
        });
        text.push_str("))");
        let module = wayfarer_module::parse(wat::parse_str(text).unwrap().into()).unwrap();
        assert_eq!(of(&module, 0).unwrap(), Effort::Full);
    }
}
