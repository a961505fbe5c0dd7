//! Strip-mining of innermost loops: a poll in a loop keeps LLVM from vectorizing it, so such a loop runs a number of times
//! without one, inside another that polls.

use super::Translator;
use super::control::Target;
use super::counted::Test;
use crate::error::{Result, internal};
use inkwell::IntPredicate;
use inkwell::values::{IntValue, PointerValue};

/// Instructions that a strip executes at most, about.
pub(super) const STRIP: u32 = 1 << 18;

/// Number of instructions in a loop that a poll would slow down.
const LITTLE: u32 = 24;

/// A strip-mined loop: how often it may still repeat without a poll.
#[derive(Clone, Debug)]
pub(super) struct Strip<'c> {
    left: PointerValue<'c>,
    /// Repetitions of a strip at most.
    times: u32,
    /// What the loop is repeated for, if that says how often. Then a strip only ends when it has made as many repetitions as
    /// were foreseen, and that is the one way out of it.
    test: Option<Test>,
    /// Repetitions of this strip.
    length: PointerValue<'c>,
    /// How often it was repeated in the strips before this one.
    done: PointerValue<'c>,
    /// Locals that change by a constant each time round: variable, value before the loop, and the constant. Each strip
    /// starts with what they must be by then, so that LLVM sees them as it would without strips.
    inductions: Vec<(PointerValue<'c>, IntValue<'c>, i64)>,
    /// Whether LLVM vectorizes the loop. If it would not without polls, it must not think that it should with strips,
    /// because of what it then knows of their length.
    vectorized: bool,
    /// Where each strip starts.
    outer: Option<Target<'c>>,
}

impl<'c> Strip<'c> {
    /// A strip starts.
    pub(super) fn start(&self, t: &mut Translator<'_, 'c, '_>) -> Result<()> {
        let done = t.builder.build_load(t.unit.types.i64, self.done, "done")?.into_int_value();
        for &(place, first, step) in &self.inductions {
            let ty = first.get_type();
            let times = t.builder.build_int_cast(done, ty, "")?;
            let added = t.builder.build_int_mul(times, ty.const_int(step as u64, true), "")?;
            let now = t.builder.build_int_add(first, added, "")?;
            t.builder.build_store(place, now)?;
        }
        let mut length = t.i32(self.times);
        if let Some(test) = self.test {
            let times = test.estimate(t)?;
            let fewer = t.builder.build_int_compare(IntPredicate::ULT, times, length, "")?;
            length = t.builder.build_select(fewer, times, length, "")?.into_int_value();
        }
        t.builder.build_store(self.length, length)?;
        t.builder.build_store(self.left, length)?;
        Ok(())
    }

    /// Whether another repetition is left before a poll.
    pub(super) fn step(&self, t: &mut Translator<'_, 'c, '_>) -> Result<IntValue<'c>> {
        if !self.vectorized && self.test.is_none() {
            t.barrier()?;
        }
        let left = t.builder.build_load(t.unit.types.i32, self.left, "")?.into_int_value();
        let left = t.builder.build_int_sub(left, t.i32(1), "")?;
        t.builder.build_store(self.left, left)?;
        Ok(t.builder.build_int_compare(IntPredicate::NE, left, t.i32(0), "")?)
    }

    /// Before the only branch back of a counted loop: repeats it within the strip. After the strip, whether another follows.
    pub(super) fn repeat(&self, t: &mut Translator<'_, 'c, '_>) -> Result<Option<IntValue<'c>>> {
        let Some(test) = self.test else { return Ok(None) };
        let left = self.step(t)?;
        let header = t.loop_headers.last().cloned().ok_or_else(|| internal("loop without a header"))?;
        let block = t.block("strip.last");
        t.bring(&header)?;
        t.builder.build_conditional_branch(left, header.block, block)?;
        t.builder.position_at_end(block);
        test.holds(t).map(Some)
    }

    /// Whether it is the branch in [`Strip::repeat`] that repeats it.
    pub(super) fn is_counted(&self) -> bool {
        self.test.is_some()
    }

    /// A strip ended, and another follows.
    pub(super) fn end(&self, t: &mut Translator<'_, 'c, '_>) -> Result<()> {
        let done = t.builder.build_load(t.unit.types.i64, self.done, "")?.into_int_value();
        let length = t.builder.build_load(t.unit.types.i32, self.length, "")?.into_int_value();
        let length = t.builder.build_int_z_extend(length, t.unit.types.i64, "")?;
        let done = t.builder.build_int_nuw_add(done, length, "")?;
        t.builder.build_store(self.done, done)?;
        Ok(())
    }

    pub(super) fn with_outer(mut self, outer: Option<Target<'c>>) -> Strip<'c> {
        self.outer = outer;
        self
    }

    pub(super) fn outer(&self) -> Result<&Target<'c>> {
        self.outer.as_ref().ok_or_else(|| internal("a strip that starts nowhere"))
    }
}

/// Of a loop whose number of repetitions is known: how often it was executed.
#[derive(Clone, Debug)]
pub(super) struct Count<'c> {
    done: PointerValue<'c>,
    times: u64,
}

impl<'c> Count<'c> {
    /// Whether it is executed once more.
    pub(super) fn step(&self, t: &mut Translator<'_, 'c, '_>) -> Result<IntValue<'c>> {
        let done = t.builder.build_load(t.unit.types.i64, self.done, "")?.into_int_value();
        let done = t.builder.build_int_nuw_add(done, t.i64(1), "")?;
        t.builder.build_store(self.done, done)?;
        Ok(t.builder.build_int_compare(IntPredicate::NE, done, t.i64(self.times), "")?)
    }
}

impl<'c> Translator<'_, 'c, '_> {
    /// Counts the loop at `offset`, if that is what LLVM needs to know how often it is executed. Before it is entered.
    pub(super) fn count(&mut self, offset: u32) -> Result<Option<Count<'c>>> {
        let options = self.unit.options;
        let source = self.source.clone();
        let Some(info) = source.shape.loops.get(&offset) else { return Ok(None) };
        // Of others there are continuations, which start with any number of repetitions left; of this one, maybe here.
        let whole = !options.checkpoints || info.needs_no_poll() && !self.continues_at(offset);
        let Some(times) = info.hidden_repeats().filter(|_| whole && !options.precise) else {
            return Ok(None);
        };
        let here = self.here()?;
        self.builder.position_at_end(self.allocas);
        let done = self.builder.build_alloca(self.unit.types.i64, "count")?;
        self.builder.position_at_end(here);
        self.builder.build_store(done, self.i64(0))?;
        Ok(Some(Count { done, times }))
    }

    /// How the loop at `offset` is strip-mined, if it is. Before it is entered.
    pub(super) fn strip(&mut self, offset: u32) -> Result<Option<Strip<'c>>> {
        let options = self.unit.options;
        let source = self.source.clone();
        let Some(info) = source.shape.loops.get(&offset) else { return Ok(None) };
        let vectorized = self.unit.trial.vectorized.contains(&offset);
        let unrolled = self.unit.trial.unrolled.contains(&offset);
        // Of a loop that does little else, the poll would be a large part; counting is cheaper.
        let little = info.is_plain() && !info.loads && info.size <= LITTLE;
        let test = info.counted().filter(|_| vectorized || unrolled);
        let wanted = vectorized || little || test.is_some();
        if !options.checkpoints || options.precise || info.needs_no_poll() || !wanted {
            return Ok(None);
        }
        let steps: Vec<_> = if vectorized { info.inductions().collect() } else { Vec::new() };
        let size = info.size;
        let here = self.here()?;
        self.builder.position_at_end(self.allocas);
        let left = self.builder.build_alloca(self.unit.types.i32, "left")?;
        let length = self.builder.build_alloca(self.unit.types.i32, "length")?;
        let done = self.builder.build_alloca(self.unit.types.i64, "done")?;
        self.builder.position_at_end(here);
        self.builder.build_store(done, self.i64(0))?;
        let mut inductions = Vec::with_capacity(steps.len());
        for (local, step) in steps {
            let (ty, place) = self.variable(local)?;
            let first = self.builder.build_load(self.local_type(ty), place, "")?.into_int_value();
            inductions.push((place, first, step));
        }
        let times = (STRIP / size.max(1)).clamp(64, 1 << 16);
        Ok(Some(Strip { left, times, test, length, done, inductions, vectorized, outer: None }))
    }

    /// Whether the loop at `offset` is one that LLVM may vectorize.
    pub(super) fn is_plain(&self, offset: u32) -> bool {
        self.source.shape.loops.get(&offset).is_some_and(|info| info.is_plain())
    }
}
