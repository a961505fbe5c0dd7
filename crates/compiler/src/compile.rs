//! A whole module to object files: in parts, on several threads.

use crate::effort::{self, Effort};
use crate::error::{CompileError, Result, internal};
use crate::function::Survey;
use crate::options::{Format, Options};
use crate::target::Target;
use crate::unit::Unit;
use crate::{continuations, entries, frames, function, nans, promote, trial};
use inkwell::context::Context;
use inkwell::module::{Linkage, Module as LlvmModule};
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::FileType;
use std::collections::HashSet;
use std::ffi::CStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wayfarer_abi::compiler::Loop;
use wayfarer_abi::symbol;
use wayfarer_module::{FuncIdx, Module};

/// Bytes of function bodies that are compiled as one LLVM module, about. Functions are only inlined within one.
const PART: usize = 200_000;

/// Stack of a thread that compiles (bytes): LLVM recurses over expressions, as deep as they are.
const STACK: usize = 256 << 20;

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

/// A part of the work: becomes one object file, and another one of continuations; or two of each, if not all functions are
/// worth the same effort.
#[derive(Clone, Default, Debug)]
pub(crate) struct Part {
    /// Functions.
    pub(crate) funcs: Vec<u32>,
    /// Continuations that are asked for, besides those that functions have anyway: function and offset of the loop.
    pub(crate) loops: Vec<Loop>,
    /// Entries: indices of types.
    pub(crate) entries: Vec<u32>,
}

impl Part {
    /// Functions that code of this part comes from.
    fn sources(&self) -> impl Iterator<Item = u32> {
        let mut funcs = self.funcs.clone();
        funcs.extend(self.loops.iter().map(|at| at.func));
        funcs.sort_unstable();
        funcs.dedup();
        funcs.into_iter()
    }
}

/// What comes of it.
#[derive(Debug, Default)]
struct Compiled {
    code: Vec<Vec<u8>>,
    continuations: Vec<Vec<u8>>,
}

/// Compiles a module. `progress` is called at the start and whenever something is done, from any thread, with how much of how
/// much is done: bytes of function bodies.
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
    let options = &with_stdio(module, options);
    let survey = Survey::of(module)?;
    let parts = parts(module, options);
    let size_of = |part: &Part| part.funcs.iter().map(|&func| size(module, func)).sum::<usize>();
    let total = parts.iter().map(size_of).sum();
    progress(0, total);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<Result<Compiled>>>> = Mutex::new(parts.iter().map(|_| None).collect());
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
            let bytes = size_of(part);
            progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
        }
    };
    std::thread::scope(|scope| {
        for nth in 0..options.threads.max(1).min(parts.len()) {
            std::thread::Builder::new()
                .name(format!("compile {nth}"))
                .stack_size(STACK)
                .spawn_scoped(scope, work)
                .map_err(|e| CompileError::Thread(e.to_string()))?;
        }
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
    for compiled in objects {
        let compiled = compiled.ok_or_else(|| internal("a part was not compiled"))?;
        output.code.extend(compiled.code);
        output.continuations.extend(compiled.continuations);
    }
    Ok(output)
}

/// Functions of C's streams can be watched, too.
fn with_stdio(module: &Module, options: &Options) -> Options {
    let mut options = options.clone();
    // What somebody has said of them, and is wrong, is for him to hear of.
    let functions = module.stdio_functions().unwrap_or_default();
    options.watched.extend(functions.into_iter().map(|(_, func)| func));
    options
}

/// Size of a function's body in bytes.
fn size(module: &Module, func: u32) -> usize {
    module.funcs[func as usize].body.as_ref().map_or(0, |body| body.len())
}

/// Splits the work. Neighbours stay together: they come from the same source file, and call each other.
fn parts(module: &Module, options: &Options) -> Vec<Part> {
    let text = options.format != Format::Object;
    let limit = if text { usize::MAX } else { PART };
    let mut parts: Vec<Part> = Vec::new();
    let mut funcs = Vec::new();
    // The first one also has the entries.
    let part = |funcs, first| Part {
        funcs,
        entries: if first { (0..module.types.len() as u32).collect() } else { Vec::new() },
        ..Part::default()
    };
    let mut bytes = 0;
    for FuncIdx(func) in module.defined_funcs() {
        if bytes > 0 && bytes + size(module, func) > limit {
            parts.push(part(std::mem::take(&mut funcs), parts.is_empty()));
            bytes = 0;
        }
        bytes += size(module, func);
        funcs.push(func);
    }
    if !funcs.is_empty() || parts.is_empty() {
        parts.push(part(funcs, parts.is_empty()));
    }
    parts
}

/// Compiles a part: functions that would keep LLVM busy for too long without optimization, or not at all.
fn compile_part(module: &Module, options: &Options, part: &Part, survey: &Survey) -> Result<Compiled> {
    let (mut full, mut little) = (Part { entries: part.entries.clone(), ..Part::default() }, Part::default());
    let mut interpreted = HashSet::new();
    for &func in &part.funcs {
        let is_text = options.format != Format::Object;
        match effort::of(module, func)? {
            Effort::Full => full.funcs.push(func),
            Effort::Little if !is_text => little.funcs.push(func),
            _ => {
                full.funcs.push(func);
                interpreted.insert(func);
            }
        }
    }
    let mut compiled = compile_alike(module, options, &full, survey, interpreted)?;
    if !little.funcs.is_empty() {
        let options = Options { opt_level: 0, ..options.clone() };
        let more = compile_alike(module, &options, &little, survey, HashSet::new())?;
        compiled.code.extend(more.code);
        compiled.continuations.extend(more.continuations);
    }
    Ok(compiled)
}

/// Compiles what is asked for of a module that runs, to one object file: with little effort if a function of it is not worth
/// more.
pub(crate) fn compile_asked(
    module: &Module,
    options: &Options,
    part: &Part,
    survey: &Survey,
) -> Result<Vec<u8>> {
    let mut options = options.clone();
    let mut interpreted = HashSet::new();
    for func in part.sources() {
        match effort::of(module, func)? {
            Effort::Full => {}
            Effort::Little => options.opt_level = 0,
            Effort::None => {
                interpreted.insert(func);
            }
        }
    }
    let compiled = compile_alike(module, &options, part, survey, interpreted)?;
    compiled.code.into_iter().next().ok_or_else(|| internal("no object file"))
}

/// Compiles a part with the same effort for all functions but those that are `interpreted`. What turns out to be too large
/// for a native stack, by symbol, is left out: functions are interpreted, there are no continuations.
fn compile_alike(
    module: &Module,
    options: &Options,
    part: &Part,
    survey: &Survey,
    interpreted: HashSet<u32>,
) -> Result<Compiled> {
    let target = Target::new(options)?;
    let tried = part.sources().filter(|func| !interpreted.contains(func));
    let found = match options.checkpoints && !options.precise && options.opt_level >= 2 {
        true => trial::run(module, options, &target, survey, tried)?,
        false => trial::Found::default(),
    };
    let mut left_out: HashSet<String> = interpreted.iter().map(|&func| symbol::func(func)).collect();
    loop {
        let context = Context::create();
        let unit = Unit::new(&context, module, options, &target, survey, &found);
        let (compiled, large) = compile_without(&unit, part, &interpreted, &left_out)?;
        let before = left_out.len();
        left_out.extend(large);
        if left_out.len() == before {
            return Ok(compiled);
        }
    }
}

/// Compiles all but what is left out, and the continuations of what is not `interpreted`. Also gives what turned out to be
/// too large.
fn compile_without(
    unit: &Unit<'_, '_>,
    part: &Part,
    interpreted: &HashSet<u32>,
    left_out: &HashSet<String>,
) -> Result<(Compiled, HashSet<String>)> {
    let (options, target) = (unit.options, unit.target);
    let unoptimized = options.format == Format::IrUnoptimized;
    // Of a module that runs, continuations are asked for.
    let continued = options.checkpoints && options.continuations && !unoptimized && !options.in_parts;
    let mut loops = Vec::new();
    for &func in &part.funcs {
        let tail_calls = !unit.tail_calls && unit.survey.has_tail_calls(func);
        if tail_calls || options.watched.contains(&func) || left_out.contains(&symbol::func(func)) {
            entries::compile_interpreted(unit, func)?;
        } else {
            function::compile(unit, func)?;
        }
        if continued && !interpreted.contains(&func) {
            let chosen = continuations::choose(unit.source(func)?.long_loops(), size(unit.module, func));
            loops.extend(chosen.into_iter().map(|offset| Loop { func, offset }));
        }
    }
    for &at in &part.loops {
        if !interpreted.contains(&at.func) && unit.source(at.func)?.has_loop(at.offset) {
            loops.push(at);
        }
    }
    let mut continuations = HashSet::new();
    for at in loops {
        let name = symbol::continuation(at);
        if !left_out.contains(&name) {
            function::compile_continuation(unit, at)?;
            continuations.insert(name);
        }
    }
    for &index in &part.entries {
        entries::compile_entry(unit, index)?;
    }
    if options.in_parts {
        for func in unit.undefined() {
            entries::compile_stub(unit, func)?;
        }
    }
    unit.verify()?;
    if unoptimized {
        return Ok((Compiled { code: vec![text(&unit.llvm)], ..Compiled::default() }, HashSet::new()));
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
        promote::run(&unit.llvm, unit.target);
    }
    nans::run(&unit.llvm, options.deterministic);
    let emit = |llvm: &LlvmModule<'_>| match options.format {
        Format::Object => object(unit, llvm),
        Format::IrOptimized | Format::IrUnoptimized => Ok((text(llvm), HashSet::new())),
    };
    if continuations.is_empty() || options.in_parts {
        let (code, large) = emit(&unit.llvm)?;
        return Ok((Compiled { code: vec![code], ..Compiled::default() }, large));
    }
    // They were optimized together, so that the same functions are inlined into both.
    let apart = unit.llvm.clone();
    keep(unit, &unit.llvm, |name| !continuations.contains(name))?;
    keep(unit, &apart, |name| continuations.contains(name))?;
    let (code, mut large) = emit(&unit.llvm)?;
    let (continuations, more) = emit(&apart)?;
    large.extend(more);
    Ok((Compiled { code: vec![code], continuations: vec![continuations] }, large))
}

/// Drops all definitions of an LLVM module that others can refer to, but these, and what is only needed for those.
fn keep<'c>(unit: &Unit<'c, '_>, llvm: &LlvmModule<'c>, kept: impl Fn(&str) -> bool) -> Result<()> {
    let dropped = |name: &CStr| !name.to_str().is_ok_and(&kept);
    for func in llvm.get_functions() {
        let external = func.get_linkage() == Linkage::External && func.count_basic_blocks() > 0;
        if external && dropped(func.get_name()) {
            func.set_linkage(Linkage::AvailableExternally);
        }
    }
    for global in llvm.get_globals() {
        if global.get_linkage() == Linkage::External
            && global.get_initializer().is_some()
            && dropped(global.get_name())
        {
            global.set_linkage(Linkage::AvailableExternally);
        }
    }
    llvm.run_passes("elim-avail-extern,globaldce", &unit.target.machine, PassBuilderOptions::create())
        .map_err(|e| CompileError::Llvm(e.to_string()))
}

/// An LLVM module in text form.
fn text(llvm: &LlvmModule<'_>) -> Vec<u8> {
    llvm.print_to_string().to_bytes().to_vec()
}

/// An LLVM module as an object file, and the functions of it that have too large a frame.
fn object(unit: &Unit<'_, '_>, llvm: &LlvmModule<'_>) -> Result<(Vec<u8>, HashSet<String>)> {
    let (object, heard) =
        frames::listen(unit.context, || unit.target.machine.write_to_memory_buffer(llvm, FileType::Object));
    if let Some(error) = heard.error {
        return Err(CompileError::Llvm(error));
    }
    let object = object.map_err(|e| CompileError::Llvm(e.to_string()))?;
    Ok((object.as_slice().to_vec(), heard.large))
}
