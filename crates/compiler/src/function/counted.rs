//! How often a loop is executed: what the test before its only branch back says of that.

use super::Translator;
use crate::error::Result;
use inkwell::IntPredicate;
use inkwell::values::IntValue;
use std::collections::HashMap;
use wasmparser::Operator;

/// So many instructions before a branch are looked at.
pub(super) const WINDOW: usize = 6;

/// The last instructions.
pub(super) type Window<'a> = [Operator<'a>; WINDOW];

/// What a loop is repeated for: that one of its inductions, an i32, compares in this way after its step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    /// The local that is the induction.
    pub(super) local: u32,
    /// What is added to it each time round.
    step: i64,
    predicate: IntPredicate,
    bound: Bound,
}

/// What an induction is compared with.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Constant(i32),
    /// A local that the loop does not write.
    Local(u32),
}

/// How often a loop is executed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeats {
    pub(super) times: u64,
    /// Whether the induction counts from negative to not negative numbers. LLVM takes it for an unsigned one, which overflows
    /// there.
    pub(super) wraps: bool,
}

impl Test {
    /// The test before a branch to a loop's header. `step_of` gives the step of a local that changes by a constant each time
    /// round, before the branch, and in no other way; `straight`: whether each instruction in the loop is executed each time
    /// round; `written`: whether the loop writes a local.
    pub(super) fn of(
        before: &Window<'_>,
        straight: bool,
        step_of: impl Fn(u32) -> Option<i64>,
        written: impl Fn(u32) -> bool,
    ) -> Option<Test> {
        use Operator::{I32Add, I32Const, I32Sub, LocalGet, LocalTee};
        let bound = |operator: &Operator<'_>| match *operator {
            I32Const { value } => Some(Bound::Constant(value)),
            LocalGet { local_index } if !written(local_index) => Some(Bound::Local(local_index)),
            _ => None,
        };
        let (local, predicate, bound) = match before {
            [.., LocalTee { local_index }] => (*local_index, IntPredicate::NE, Bound::Constant(0)),
            [.., LocalTee { local_index }, other, test] => (*local_index, predicate(test)?, bound(other)?),
            [other, LocalGet { .. }, I32Const { .. }, I32Add | I32Sub, LocalTee { local_index }, test] => {
                (*local_index, flipped(predicate(test)?), bound(other)?)
            }
            // Its step is somewhere before.
            [.., LocalGet { local_index: a }, other, test] if straight && step_of(*a).is_some() => {
                (*a, predicate(test)?, bound(other)?)
            }
            [.., other, LocalGet { local_index }, test] if straight => {
                (*local_index, flipped(predicate(test)?), bound(other)?)
            }
            _ => return None,
        };
        Some(Test { local, step: step_of(local)?, predicate, bound })
    }

    /// How often the loop is executed, if that is a constant. `constants`: locals that are, when it is entered.
    pub(super) fn repeats(&self, constants: &HashMap<u32, i64>) -> Option<Repeats> {
        let (first, step) = (*constants.get(&self.local)?, self.step);
        let last = match self.bound {
            Bound::Constant(value) => i64::from(value),
            Bound::Local(local) => *constants.get(&local)?,
        };
        let times = match self.predicate {
            IntPredicate::NE => {
                let way = last - first;
                let times = way.checked_div(step)?;
                (way % step == 0 && times > 0).then_some(times as u64)?
            }
            IntPredicate::ULT | IntPredicate::SLT => {
                let fits = first >= 0 && last > 0 && step > 0 && last + step <= i64::from(i32::MAX);
                fits.then(|| ((last - first).max(1) as u64).div_ceil(step as u64))?
            }
            _ => return None,
        };
        Some(Repeats { times, wraps: step > 0 && first < 0 })
    }

    /// Whether [`Test::estimate`] can be built.
    pub(super) fn can_estimate(&self) -> bool {
        match self.predicate {
            IntPredicate::NE => self.step != 0,
            IntPredicate::ULT | IntPredicate::SLT => self.step > 0,
            IntPredicate::UGT | IntPredicate::SGT => self.step < 0,
            _ => false,
        }
    }

    /// How often the loop is executed from here on, as an i32: at least once, and not more often than it really is. It may be
    /// less where the induction passes the largest or smallest number.
    pub(super) fn estimate<'c>(&self, t: &mut Translator<'_, 'c, '_>) -> Result<IntValue<'c>> {
        let (now, bound) = self.operands(t)?;
        let (low, high) = if self.step > 0 { (now, bound) } else { (bound, now) };
        let way = t.builder.build_int_sub(high, low, "")?;
        let (by, one) = (t.i32(self.step.unsigned_abs() as u32), t.i32(1));
        let (times, some) = match self.predicate {
            // If it passes the bound by, it is executed more often.
            IntPredicate::NE => {
                let times = t.builder.build_int_unsigned_div(way, by, "")?;
                (times, t.is_true(times)?)
            }
            predicate => {
                let whole = t.builder.build_int_sub(way, one, "")?;
                let whole = t.builder.build_int_unsigned_div(whole, by, "")?;
                let times = t.builder.build_int_add(whole, one, "")?;
                (times, t.builder.build_int_compare(predicate, now, bound, "")?)
            }
        };
        Ok(t.builder.build_select(some, times, one, "")?.into_int_value())
    }

    /// Whether the loop is repeated.
    pub(super) fn holds<'c>(&self, t: &mut Translator<'_, 'c, '_>) -> Result<IntValue<'c>> {
        let (now, bound) = self.operands(t)?;
        Ok(t.builder.build_int_compare(self.predicate, now, bound, "")?)
    }

    fn operands<'c>(&self, t: &mut Translator<'_, 'c, '_>) -> Result<(IntValue<'c>, IntValue<'c>)> {
        let mut load = |local: u32| -> Result<IntValue<'c>> {
            let (_, place) = t.variable(local)?;
            Ok(t.builder.build_load(t.unit.types.i32, place, "")?.into_int_value())
        };
        let now = load(self.local)?;
        let bound = match self.bound {
            Bound::Constant(value) => t.i32(value as u32),
            Bound::Local(local) => load(local)?,
        };
        Ok((now, bound))
    }
}

/// The comparison that an instruction is; compilers make no others of loops.
fn predicate(operator: &Operator<'_>) -> Option<IntPredicate> {
    Some(match operator {
        Operator::I32Ne => IntPredicate::NE,
        Operator::I32LtU => IntPredicate::ULT,
        Operator::I32LtS => IntPredicate::SLT,
        Operator::I32GtU => IntPredicate::UGT,
        Operator::I32GtS => IntPredicate::SGT,
        _ => return None,
    })
}

/// The comparison with its operands the other way round.
fn flipped(predicate: IntPredicate) -> IntPredicate {
    match predicate {
        IntPredicate::ULT => IntPredicate::UGT,
        IntPredicate::UGT => IntPredicate::ULT,
        IntPredicate::SLT => IntPredicate::SGT,
        IntPredicate::SGT => IntPredicate::SLT,
        same => same,
    }
}
