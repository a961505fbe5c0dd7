//! Which loops LLVM would vectorize. A poll keeps it from that, and what lets it vectorize nevertheless (see
//! `function::loops`) makes other loops slower: so functions with loops that come into question are first compiled without
//! polls, up to that point.

use crate::error::{CompileError, Result};
use crate::function::{self, Survey};
use crate::options::Options;
use crate::target::Target;
use crate::unit::Unit;
use inkwell::basic_block::BasicBlock;
use inkwell::context::Context;
use inkwell::passes::PassBuilderOptions;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use wayfarer_module::Module;

/// What LLVM does before it vectorizes, as far as it matters for that.
const PASSES: &str = "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,\
    loop-mssa(loop-simplifycfg,licm,loop-rotate,licm),simplifycfg,instcombine<no-verify-fixpoint>,loop(indvars,loop-deletion),\
    sroa,gvn,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),loop-simplify,lcssa,loop-vectorize)";

/// Name of the block that a loop starts with.
pub(crate) fn header_name(offset: u32) -> String {
    format!("loop.{offset}")
}

/// What LLVM's vectorizer calls the block before what is left of a loop that it vectorized.
const REST: &str = "scalar.ph";

/// What was found out, for all parts of a module: a function's continuations need it again.
#[derive(Debug, Default)]
pub(crate) struct Trials(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    /// Functions that were tried.
    funcs: HashSet<u32>,
    /// Loops that LLVM vectorizes, by offset.
    vectorized: HashSet<u32>,
}

impl Trials {
    /// Loops that LLVM vectorizes, by offset: all of these functions, and some of others.
    pub(crate) fn vectorized(
        &self,
        module: &Module,
        options: &Options,
        target: &Target,
        survey: &Survey,
        funcs: impl IntoIterator<Item = u32>,
    ) -> Result<HashSet<u32>> {
        let found = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<u32> = funcs.into_iter().filter(|&func| survey.has_plain_loops(func)).collect();
        new.retain(|func| !found().funcs.contains(func));
        if !new.is_empty() {
            let vectorized = vectorized(module, options, target, survey, &new)?;
            let mut found = found();
            found.funcs.extend(new);
            found.vectorized.extend(vectorized);
        }
        Ok(found().vectorized.clone())
    }
}

/// The loops of these functions that LLVM vectorizes, by offset.
fn vectorized(
    module: &Module,
    options: &Options,
    target: &Target,
    survey: &Survey,
    funcs: &[u32],
) -> Result<HashSet<u32>> {
    let mut found = HashSet::new();
    let context = Context::create();
    let options = Options { checkpoints: false, ..options.clone() };
    let unit = Unit::new(&context, module, &options, target, survey, HashSet::new());
    for &func in funcs {
        function::compile(&unit, func)?;
    }
    let passes = PassBuilderOptions::create();
    passes.set_loop_vectorization(true);
    passes.set_loop_interleaving(true);
    unit.llvm.run_passes(PASSES, &target.machine, passes).map_err(|e| CompileError::Llvm(e.to_string()))?;
    for &func in funcs {
        for block in unit.func(func).get_basic_blocks() {
            if block.get_name().to_bytes().starts_with(REST.as_bytes()) {
                found.extend(successors(block).into_iter().filter_map(offset_of));
            }
        }
    }
    Ok(found)
}

fn successors(block: BasicBlock<'_>) -> Vec<BasicBlock<'_>> {
    let Some(end) = block.get_terminator() else { return Vec::new() };
    end.get_operands().flatten().filter_map(|operand| operand.block()).collect()
}

fn offset_of(block: BasicBlock<'_>) -> Option<u32> {
    block.get_name().to_str().ok()?.strip_prefix("loop.")?.parse().ok()
}
