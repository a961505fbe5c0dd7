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

/// The loops of these functions that LLVM vectorizes, by offset.
pub(crate) fn vectorized(
    module: &Module,
    options: &Options,
    target: &Target,
    survey: &Survey,
    funcs: impl Iterator<Item = u32>,
) -> Result<HashSet<u32>> {
    let mut found = HashSet::new();
    let funcs: Vec<u32> = funcs.filter(|&func| survey.has_plain_loops(func)).collect();
    if funcs.is_empty() {
        return Ok(found);
    }
    let context = Context::create();
    let options = Options { checkpoints: false, ..options.clone() };
    let none = HashSet::new();
    let unit = Unit::new(&context, module, &options, target, survey, &none);
    for &func in &funcs {
        function::compile(&unit, func)?;
    }
    let passes = PassBuilderOptions::create();
    passes.set_loop_vectorization(true);
    passes.set_loop_interleaving(true);
    unit.llvm.run_passes(PASSES, &target.machine, passes).map_err(|e| CompileError::Llvm(e.to_string()))?;
    for func in funcs {
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
