//! A whole module to object files: in parts, on several threads.

use crate::error::{CompileError, Result, internal};
use crate::function::Survey;
use crate::options::{Format, Options};
use crate::target::Target;
use crate::unit::Unit;
use crate::{entries, frames, function, trial};
use inkwell::context::Context;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::FileType;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wayfarer_abi::symbol;
use wayfarer_module::{Module, PointKind, stable_points_where};

/// Bytes of function bodies that are compiled as one LLVM module, about. Functions are only inlined within one.
const PART: usize = 200_000;

/// Functions larger than this (bytes) only get continuations for loops that are in no other loop: an inner one is soon
/// left, or a continuation of the loop around it comes to it again.
const LARGE_FUNCTION: usize = 400;

/// The continuations of a function are together about as large as the function this often, or there is only one.
const CONTINUATIONS: usize = 1;

/// What came out.
#[derive(Debug)]
pub struct Output {
    /// LLVM triple.
    pub triple: String,
    /// LLVM's name of the CPU.
    pub cpu: String,
    /// LLVM features, `+a,-b`.
    pub features: String,
    /// Object files, or texts (see [`Format`]), of the module's functions.
    pub code: Vec<Vec<u8>>,
    /// The same of continuations.
    pub continuations: Vec<Vec<u8>>,
}

/// A part of the work: becomes one object file.
#[derive(Clone, Default, Debug)]
pub(crate) struct Part {
    /// Functions.
    pub(crate) funcs: Vec<u32>,
    /// Continuations: function and offset of the loop.
    pub(crate) loops: Vec<(u32, u32)>,
    /// Entries: indices of types.
    pub(crate) entries: Vec<u32>,
}

impl Part {
    /// Functions that code of this part comes from.
    fn sources(&self) -> Vec<u32> {
        let mut funcs = self.funcs.clone();
        funcs.extend(self.loops.iter().map(|&(func, _)| func));
        funcs.sort_unstable();
        funcs.dedup();
        funcs
    }
}

/// Compiles a module. `progress` is called now and then, from any thread, with how many of how many parts are done.
///
/// # Errors
/// [`CompileError`].
pub fn compile(
    module: &Module,
    options: &Options,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Output> {
    // Its own thread has its own machine; this one is asked what it is.
    let target = Target::new(options)?;
    let survey = Survey::of(module)?;
    let parts = parts(module, options, &survey);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<Result<Vec<u8>>>>> = Mutex::new(parts.iter().map(|_| None).collect());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(at) else { return };
            let result = compile_part(module, options, part, &survey);
            let failed = result.is_err();
            results.lock().unwrap_or_else(|e| e.into_inner())[at] = Some(result);
            if failed {
                next.store(parts.len(), Ordering::Relaxed);
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, parts.len());
        }
    };
    std::thread::scope(|scope| {
        for nth in 1..options.threads.max(1).min(parts.len()) {
            std::thread::Builder::new()
                .name(format!("compile {nth}"))
                .spawn_scoped(scope, work)
                .map_err(|e| CompileError::Thread(e.to_string()))?;
        }
        work();
        Ok::<(), CompileError>(())
    })?;
    let mut output = Output {
        triple: target.triple,
        cpu: target.cpu,
        features: target.features,
        code: Vec::new(),
        continuations: Vec::new(),
    };
    let results = results.into_inner().unwrap_or_else(|e| e.into_inner());
    // An error leaves parts after it undone.
    let mut objects = Vec::with_capacity(parts.len());
    for result in results {
        objects.push(result.transpose()?);
    }
    for (part, object) in parts.iter().zip(objects) {
        let object = object.ok_or_else(|| internal("a part was not compiled"))?;
        match part.loops.is_empty() {
            true => output.code.push(object),
            false => output.continuations.push(object),
        }
    }
    Ok(output)
}

/// Splits the work. Neighbours stay together: they come from the same source file, and call each other.
fn parts(module: &Module, options: &Options, survey: &Survey) -> Vec<Part> {
    let text = options.format != Format::Object;
    let limit = if text { usize::MAX } else { PART };
    let size = |func: u32| module.funcs[func as usize].body.as_ref().map_or(0, |body| body.len());
    let mut parts: Vec<Part> = Vec::new();
    let mut funcs = Vec::new();
    // The first one also has the entries.
    let entries = |parts: &[Part]| match parts {
        [] => (0..module.types.len() as u32).collect(),
        _ => Vec::new(),
    };
    let mut bytes = 0;
    for func in module.num_imported_funcs..module.funcs.len() as u32 {
        if bytes > 0 && bytes + size(func) > limit {
            let funcs = std::mem::take(&mut funcs);
            parts.push(Part { funcs, entries: entries(&parts), ..Part::default() });
            bytes = 0;
        }
        bytes += size(func);
        funcs.push(func);
    }
    if !funcs.is_empty() || parts.is_empty() {
        parts.push(Part { funcs, entries: entries(&parts), ..Part::default() });
    }
    if !options.checkpoints || !options.continuations || text {
        return parts;
    }
    let (mut loops, mut bytes) = (Vec::new(), 0);
    for func in module.num_imported_funcs..module.funcs.len() as u32 {
        for (offset, rest) in continuations(module, survey, func, size(func)) {
            bytes += rest;
            loops.push((func, offset));
            if bytes > limit {
                parts.push(Part { loops: std::mem::take(&mut loops), ..Part::default() });
                bytes = 0;
            }
        }
    }
    if !loops.is_empty() {
        parts.push(Part { loops, ..Part::default() });
    }
    parts
}

/// The loops of a function that get continuations, and about how large each is: what follows it in the function.
fn continuations(module: &Module, survey: &Survey, func: u32, size: usize) -> Vec<(u32, usize)> {
    if survey.has_tail_calls(func) {
        return Vec::new();
    }
    let mut offsets = Vec::new();
    let _ = stable_points_where(module, func, |kind, offset| {
        if kind == PointKind::Loop {
            offsets.push(offset);
        }
        false
    });
    let start = module.funcs[func as usize].body.as_ref().map_or(0, |body| body.start - module.code_start);
    let mut loops = function::long_loops(module, func);
    loops.retain(|(offset, _, outermost)| offsets.contains(offset) && (*outermost || size <= LARGE_FUNCTION));
    // The largest first: most of the time is spent there.
    loops.sort_by_key(|&(offset, size, _)| (std::cmp::Reverse(size), offset));
    let mut total = 0;
    let sized = loops.into_iter().map(|(offset, ..)| (offset, size.saturating_sub(offset as usize - start)));
    sized
        .take_while(|&(_, rest)| {
            let fits = total == 0 || total + rest <= CONTINUATIONS * size;
            total += rest;
            fits
        })
        .collect()
}

/// What is too large for a native stack, by symbol, is left out: functions are interpreted, there are no continuations.
pub(crate) fn compile_part(
    module: &Module,
    options: &Options,
    part: &Part,
    survey: &Survey,
) -> Result<Vec<u8>> {
    let mut left_out = HashSet::new();
    loop {
        let (object, large) = compile_without(module, options, part, survey, &left_out)?;
        let before = left_out.len();
        left_out.extend(large);
        if left_out.len() == before {
            return Ok(object);
        }
    }
}

/// Also gives what turned out to be too large.
fn compile_without(
    module: &Module,
    options: &Options,
    part: &Part,
    survey: &Survey,
    left_out: &HashSet<String>,
) -> Result<(Vec<u8>, HashSet<String>)> {
    let context = Context::create();
    let target = Target::new(options)?;
    let vectorized = match options.checkpoints && !options.precise && options.opt_level >= 2 {
        true => trial::vectorized(module, options, &target, survey, &part.sources())?,
        false => HashSet::new(),
    };
    let unit = Unit::new(&context, module, options, &target, survey, vectorized);
    for &func in &part.funcs {
        let tail_calls = !unit.tail_calls && survey.has_tail_calls(func);
        if tail_calls || left_out.contains(&symbol::func(func)) {
            entries::compile_interpreted(&unit, func)?;
        } else {
            function::compile(&unit, func)?;
        }
    }
    for &index in &part.entries {
        entries::compile_entry(&unit, index)?;
    }
    for &(func, offset) in &part.loops {
        if !left_out.contains(&symbol::continuation(func, offset)) {
            function::compile_continuation(&unit, func, offset)?;
        }
    }
    if options.in_parts {
        for func in unit.undefined() {
            entries::compile_stub(&unit, func)?;
        }
    }
    unit.verify()?;
    let text = |unit: &Unit<'_, '_>| unit.llvm.print_to_string().to_bytes().to_vec();
    if options.format == Format::IrUnoptimized {
        return Ok((text(&unit), HashSet::new()));
    }
    let level = options.opt_level.min(3);
    let pass_options = PassBuilderOptions::create();
    pass_options.set_loop_vectorization(level >= 2);
    pass_options.set_loop_slp_vectorization(level >= 2);
    pass_options.set_loop_interleaving(level >= 2);
    pass_options.set_loop_unrolling(level >= 2);
    unit.llvm
        .run_passes(&format!("default<O{level}>"), &target.machine, pass_options)
        .map_err(|e| CompileError::Llvm(e.to_string()))?;
    if options.format == Format::IrOptimized {
        return Ok((text(&unit), HashSet::new()));
    }
    let (object, heard) =
        frames::listen(&context, || target.machine.write_to_memory_buffer(&unit.llvm, FileType::Object));
    if let Some(error) = heard.error {
        return Err(CompileError::Llvm(error));
    }
    let object = object.map_err(|e| CompileError::Llvm(e.to_string()))?;
    Ok((object.as_slice().to_vec(), heard.large))
}
