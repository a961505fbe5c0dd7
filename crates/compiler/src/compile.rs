//! A whole module to object files: in parts, on several threads.

use crate::error::{CompileError, Result, internal};
use crate::function::Survey;
use crate::options::{Format, Options};
use crate::target::Target;
use crate::trial::{Found, Trials};
use crate::unit::Unit;
use crate::{continuations, entries, frames, function, promote};
use inkwell::context::Context;
use inkwell::module::Linkage;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::FileType;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wayfarer_abi::symbol;
use wayfarer_module::Module;

/// Bytes of function bodies that are compiled as one LLVM module, about. Functions are only inlined within one.
const PART: usize = 200_000;

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
#[derive(Clone, Debug)]
enum Part {
    /// Functions. The first part also has the entries.
    Functions { funcs: Vec<u32>, entries: bool },
    /// Continuations: function and offset of the loop.
    Continuations(Vec<(u32, u32)>),
}

impl Part {
    /// Functions that code of this part comes from.
    fn funcs(&self) -> Vec<u32> {
        match self {
            Part::Functions { funcs, .. } => funcs.clone(),
            Part::Continuations(loops) => {
                let mut funcs: Vec<u32> = loops.iter().map(|&(func, _)| func).collect();
                funcs.dedup();
                funcs
            }
        }
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
    let parts = parts(module, options);
    let trials = Trials::default();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<Result<Vec<u8>>>>> = Mutex::new(parts.iter().map(|_| None).collect());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(at) else { return };
            let result = compile_part(module, options, part, &survey, &trials);
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
        match part {
            Part::Functions { .. } => output.code.push(object),
            Part::Continuations(_) => output.continuations.push(object),
        }
    }
    Ok(output)
}

/// Splits the work. Neighbours stay together: they come from the same source file, and call each other.
fn parts(module: &Module, options: &Options) -> Vec<Part> {
    let text = options.format != Format::Object;
    let limit = if text { usize::MAX } else { PART };
    let size = |func: u32| module.funcs[func as usize].body.as_ref().map_or(0, |body| body.len());
    let mut parts = Vec::new();
    let mut funcs = Vec::new();
    let mut bytes = 0;
    for func in module.num_imported_funcs..module.funcs.len() as u32 {
        if bytes > 0 && bytes + size(func) > limit {
            parts.push(Part::Functions { funcs: std::mem::take(&mut funcs), entries: parts.is_empty() });
            bytes = 0;
        }
        bytes += size(func);
        funcs.push(func);
    }
    if !funcs.is_empty() || parts.is_empty() {
        parts.push(Part::Functions { funcs, entries: parts.is_empty() });
    }
    if !options.checkpoints || !options.continuations || text {
        return parts;
    }
    let (mut loops, mut bytes) = (Vec::new(), 0);
    for func in module.num_imported_funcs..module.funcs.len() as u32 {
        for (offset, size) in continuations::of(module, func, size(func)) {
            bytes += size;
            loops.push((func, offset));
            if bytes > limit {
                parts.push(Part::Continuations(std::mem::take(&mut loops)));
                bytes = 0;
            }
        }
    }
    if !loops.is_empty() {
        parts.push(Part::Continuations(loops));
    }
    parts
}

/// What is too large for a native stack, by symbol, is left out: functions are interpreted, there are no continuations.
fn compile_part(
    module: &Module,
    options: &Options,
    part: &Part,
    survey: &Survey,
    trials: &Trials,
) -> Result<Vec<u8>> {
    let target = Target::new(options)?;
    let mut funcs = part.funcs();
    let inlined = match part {
        Part::Continuations(_) if options.opt_level >= 2 => survey.inlined(&funcs),
        _ => HashSet::new(),
    };
    funcs.extend(&inlined);
    let found = match options.checkpoints && !options.precise && options.opt_level >= 2 {
        true => trials.run(module, options, &target, survey, funcs)?,
        false => Found::default(),
    };
    let mut left_out = HashSet::new();
    loop {
        let context = Context::create();
        let unit = Unit::new(&context, module, options, &target, survey, found.clone());
        let (object, large) = compile_without(&unit, part, &inlined, &left_out)?;
        let before = left_out.len();
        left_out.extend(large);
        if left_out.len() == before {
            return Ok(object);
        }
    }
}

/// Compiles all but what is left out. `inlined` are functions of other parts that this one's may have copies of. Also gives
/// what turned out to be too large.
fn compile_without(
    unit: &Unit<'_, '_>,
    part: &Part,
    inlined: &HashSet<u32>,
    left_out: &HashSet<String>,
) -> Result<(Vec<u8>, HashSet<String>)> {
    let (module, options, target) = (unit.module, unit.options, unit.target);
    match part {
        Part::Functions { funcs, entries } => {
            for &func in funcs {
                let tail_calls = !unit.tail_calls && unit.survey.has_tail_calls(func);
                if tail_calls || left_out.contains(&symbol::func(func)) {
                    entries::compile_interpreted(unit, func)?;
                } else {
                    function::compile(unit, func)?;
                }
            }
            if *entries {
                for index in 0..module.types.len() as u32 {
                    entries::compile_entry(unit, index)?;
                }
            }
        }
        Part::Continuations(loops) => {
            for &(func, offset) in loops {
                if left_out.contains(&symbol::continuation(func, offset)) {
                    continue;
                }
                function::compile_continuation(unit, func, offset)?;
            }
            // Only for inlining: they are defined elsewhere.
            while let Some(func) = unit.undefined().into_iter().find(|func| inlined.contains(func)) {
                function::compile(unit, func)?;
                unit.func(func).set_linkage(Linkage::AvailableExternally);
            }
        }
    }
    unit.verify()?;
    let text = |unit: &Unit<'_, '_>| unit.llvm.print_to_string().to_bytes().to_vec();
    if options.format == Format::IrUnoptimized {
        return Ok((text(unit), HashSet::new()));
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
    if level >= 2 {
        promote::run(&unit.llvm, target);
    }
    if options.format == Format::IrOptimized {
        return Ok((text(unit), HashSet::new()));
    }
    let (object, heard) =
        frames::listen(unit.context, || target.machine.write_to_memory_buffer(&unit.llvm, FileType::Object));
    if let Some(error) = heard.error {
        return Err(CompileError::Llvm(error));
    }
    let object = object.map_err(|e| CompileError::Llvm(e.to_string()))?;
    Ok((object.as_slice().to_vec(), heard.large))
}
