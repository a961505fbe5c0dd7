//! A function's body to LLVM: one walk over the validated instructions, with the operand stack as a list of LLVM values.
//!
//! - `control`: blocks, loops, branches; `loops`, `counted`: how often those are repeated without a poll; `calls`; `points`: polls,
//!   landing pads, what they save
//! - `body`: a function as it is called; `continuation`: one of its loops, as it is continued there
//! - `numeric`, `float`, `memory`, `atomic`, `tables`, `simd`: everything else, by kind

mod atomic;
mod body;
mod build;
mod calls;
mod continuation;
mod control;
mod counted;
mod float;
mod float_ops;
mod keep;
mod loops;
mod memory;
mod numeric;
mod outside;
mod points;
mod shape;
mod simd;
mod source;
mod tables;
mod used;

use crate::error::{Result, internal};
use crate::unit::Unit;
pub(crate) use body::{compile, invalid};
pub(crate) use continuation::compile_continuation;
use control::Block;
use inkwell::basic_block::BasicBlock;
use inkwell::builder::Builder;
use inkwell::values::{BasicValueEnum, FunctionValue, PointerValue};
pub(crate) use shape::Survey;
pub(crate) use source::{LongLoop, Source};
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::Operator;
use wayfarer_abi::TrapCode;

/// A function being compiled.
pub(crate) struct Translator<'u, 'c, 'm> {
    pub(crate) unit: &'u Unit<'c, 'm>,
    /// Where instructions are added.
    pub(crate) builder: Builder<'c>,
    /// What they are added to.
    pub(crate) func: FunctionValue<'c>,
    /// Function index.
    index: u32,
    /// The context, the function's first parameter.
    vmctx: PointerValue<'c>,
    /// First byte of memory 0, loaded once.
    memory_base: Option<PointerValue<'c>>,
    /// The variables that hold locals (LLVM makes values of them): of those that were asked for, see
    /// [`Translator::variable`].
    variables: HashMap<u32, PointerValue<'c>>,
    /// The operand stack. Types are those of [`Unit::value_type`].
    stack: Vec<BasicValueEnum<'c>>,
    /// Blocks that are open, outermost first; the first is the function's body.
    blocks: Vec<Block<'c>>,
    /// Blocks that were opened in code that cannot be reached; nothing is built while there are any, or while
    /// `reachable` is false.
    skipped: u32,
    reachable: bool,
    /// Offset of the current instruction relative to the start of the code section.
    offset: u32,
    /// The function's body.
    source: Rc<Source<'m>>,
    /// The function's first block: variables are made there.
    allocas: BasicBlock<'c>,
    /// Headers of the loops that are open, outermost first.
    loop_headers: Vec<control::Target<'c>>,
    /// Loads in the loop that is being translated, if it is one that LLVM may vectorize.
    plain_loads: Option<Vec<BasicValueEnum<'c>>>,
    /// In a continuation: how it is left.
    leaving: Option<continuation::Leaving<'c>>,
    /// Blocks that trap, one for each reason.
    traps: HashMap<TrapCode, BasicBlock<'c>>,
}

impl<'u, 'c, 'm> Translator<'u, 'c, 'm> {
    /// The operator's translation, if it does not concern control flow, locals or calls.
    fn plain(&mut self, operator: &Operator<'_>) -> Result<()> {
        let known = self.numeric(operator)?
            || self.float(operator)?
            || self.memory_access(operator)?
            || self.atomic_access(operator)?
            || self.table_access(operator)?
            || self.simd(operator)?;
        if known { Ok(()) } else { Err(internal(format!("unexpected instruction {operator:?}"))) }
    }
}
