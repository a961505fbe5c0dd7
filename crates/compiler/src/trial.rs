//! Which loops LLVM would vectorize or unroll. A poll keeps it from that, and what lets it do so nevertheless (see
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

/// What LLVM does before it vectorizes and unrolls, as far as it matters for that.
const PASSES: &str = "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,\
    loop-mssa(loop-simplifycfg,licm,loop-rotate,licm),simplifycfg,instcombine<no-verify-fixpoint>,loop(indvars,loop-deletion),\
    sroa,gvn,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),loop-simplify,lcssa,loop-vectorize,\
    loop-unroll<O3>)";

/// Name of the block that a loop starts with.
pub(crate) fn header_name(offset: u32) -> String {
    format!("loop.{offset}")
}

/// What LLVM's vectorizer calls the block before what is left of a loop that it vectorized; and if it vectorized that, too,
/// with shorter vectors, the one before what is left then.
const RESTS: [&str; 2] = ["scalar.ph", "vec.epilog.scalar.ph"];

/// What LLVM calls the blocks of what is left of a loop, besides the loop's own name, if it was unrolled by a number that
/// does not divide that of its repetitions, or may not.
const UNROLLED: [&str; 2] = [".epil", ".prol"];

/// What LLVM does to loops without polls. Loops are known by their offsets.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) vectorized: HashSet<u32>,
    /// Those that are repeated one does not know how often before. (Of others, LLVM unrolls loops with polls as well.)
    pub(crate) unrolled: HashSet<u32>,
}

/// Finds out about the loops of these functions.
pub(crate) fn run(
    module: &Module,
    options: &Options,
    target: &Target,
    survey: &Survey,
    funcs: impl Iterator<Item = u32>,
) -> Result<Found> {
    let mut found = Found::default();
    let funcs: Vec<u32> = funcs.filter(|&func| survey.has_plain_loops(func)).collect();
    if funcs.is_empty() {
        return Ok(found);
    }
    let context = Context::create();
    let options = Options { checkpoints: false, ..options.clone() };
    let none = Found::default();
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
            let name = block.get_name().to_bytes();
            if RESTS.iter().any(|rest| name.starts_with(rest.as_bytes())) {
                found.vectorized.extend(successors(block).into_iter().filter_map(offset_of));
            }
            found.unrolled.extend(unrolled(&String::from_utf8_lossy(name)));
        }
    }
    Ok(found)
}

/// The loop that a block with this name is what is left of, after it was unrolled.
fn unrolled(name: &str) -> Option<u32> {
    let name = name.strip_prefix("loop.")?;
    let end = UNROLLED.iter().find_map(|rest| name.find(rest))?;
    name[..end].parse().ok()
}

fn successors(block: BasicBlock<'_>) -> Vec<BasicBlock<'_>> {
    let Some(end) = block.get_terminator() else { return Vec::new() };
    end.get_operands().flatten().filter_map(|operand| operand.block()).collect()
}

fn offset_of(block: BasicBlock<'_>) -> Option<u32> {
    block.get_name().to_str().ok()?.strip_prefix("loop.")?.parse().ok()
}
