//! Compiled code of modules: out of `.aot` files, or made while a module is loaded.
//!
//! - `compiler`: the compiler, a shared object that is loaded when something must be compiled
//! - `lazy`: modules that are compiled while they run
//! - `cache`: what was compiled before, on disk; `processor`: which machine it is for
//! - `tools`: perf and gdb are told about code

mod cache;
pub(crate) mod compiler;
mod lazy;
mod listing;
mod processor;
pub(crate) mod tools;

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use wayfarer_abi::compiler::Options;
use wayfarer_aot::{Artifact, Bounds, ObjectKind, Options as CompileOptions};
use wayfarer_module::{FuncIdx, Module, Stdio};
use wayfarer_native::CompiledModule;
use wayfarer_runtime::NativeCode;

pub(crate) use lazy::cancel;
pub use listing::NativeListings;

use crate::log::{verbose, warning};

/// The variables that this part of the library reads.
pub const VARIABLES: [&str; 6] = [
    MODE_VARIABLE,
    compiler::VARIABLE,
    cache::VARIABLE,
    JIT_VARIABLE,
    tools::PERF_VARIABLE,
    tools::GDB_VARIABLE,
];

/// How modules are run in a host that leaves it open: `interp` or `jit`; with `!`, also in one that does not.
const MODE_VARIABLE: &str = "WAYFARER_MODE";

/// When modules are compiled: `lazy` (while they run, what is hot) or `eager` (all, when they are loaded).
const JIT_VARIABLE: &str = "WAYFARER_JIT";

/// Levels that code is compiled with if nothing else was asked for.
const LEVEL: u8 = 3;

/// Optimization and size level of what is compiled in this process.
static LEVELS: [AtomicU8; 2] = [AtomicU8::new(LEVEL), AtomicU8::new(LEVEL)];

/// Levels to compile with. Zeroed arguments mean the default, as in all their fields.
pub(crate) fn set_levels(opt_level: u32, size_level: u32) {
    for (level, asked) in LEVELS.iter().zip([opt_level, size_level]) {
        let asked = if asked == 0 { LEVEL } else { asked.min(3) as u8 };
        level.store(asked, Ordering::Relaxed);
    }
}

/// Optimization and size level of what is compiled in this process.
fn levels() -> (u8, u8) {
    (LEVELS[0].load(Ordering::Relaxed), LEVELS[1].load(Ordering::Relaxed))
}

/// How far the compilation of a whole module is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So much of so much is done: nothing yet, when it begins.
    Done {
        /// Bytes of function bodies.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// It is over, however it ended.
    Over,
}

/// Who is told of it, from any thread.
type Observer = fn(Progress);

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Has a function told, from any thread, how far the compilation of a whole module is: of one that is compiled when it is
/// loaded. For the program that this library is part of; the first function stays.
pub fn observe(observer: fn(Progress)) {
    let _ = OBSERVER.set(observer);
}

/// The value of a variable, if it is set to anything. Programs that run with more rights than their user has don't look.
pub(crate) fn variable(name: &CStr) -> Option<OsString> {
    // SAFETY: plain numbers.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return None;
    }
    // Rust's own function reads the same environment, but hosts of C change it without Rust's lock.
    // SAFETY: a string; the value is copied at once.
    let value = unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    };
    value.filter(|v| !v.is_empty()).map(|v| OsString::from_vec(v.to_bytes().to_vec()))
}

/// Takes the code of an artifact into this process.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn link(module: &Module, artifact: &Artifact) -> Result<Arc<CompiledModule>, String> {
    let objects = artifact.objects.iter();
    let objects = objects.filter(|o| matches!(o.kind, ObjectKind::Code | ObjectKind::Continuations));
    let objects: Vec<&[u8]> = objects.map(|o| &*o.bytes).collect();
    let needs_guard = artifact.options.bounds == Bounds::Guard;
    let mut code =
        CompiledModule::load(module, artifact.abi, &objects, needs_guard).map_err(|e| e.to_string())?;
    if let Some(code) = Arc::get_mut(&mut code) {
        tools::announce(module, code.code_mut());
    }
    Ok(code)
}

/// The module of an `.aot` file, its code, and what that was compiled for. `deterministic`: modules are to be so.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn load(
    file: &[u8],
    deterministic: bool,
    stdio: Stdio,
) -> Result<(Module, Arc<CompiledModule>, CompileOptions), String> {
    let artifact = Artifact::parse(file).map_err(|e| e.to_string())?;
    artifact.target.check_host().map_err(|e| e.to_string())?;
    if deterministic && !artifact.options.deterministic {
        return Err(
            "the code is not for deterministic mode, compile it with wamrc --deterministic".to_owned()
        );
    }
    let mut module = wayfarer_module::parse(artifact.module.clone()).map_err(|e| e.to_string())?;
    wayfarer_module::check_wasi_abi(&module).map_err(|e| e.to_string())?;
    module.deterministic = artifact.options.deterministic;
    module.stdio = stdio;
    let native = link(&module, &artifact)?;
    Ok((module, native, artifact.options))
}

/// How the environment wants modules to be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mode {
    /// Compiled, not interpreted.
    pub(crate) compiles: bool,
    /// Whatever the host wants.
    pub(crate) forced: bool,
}

impl Mode {
    fn parse(text: &str) -> Option<Mode> {
        let (name, forced) = text.strip_suffix('!').map_or((text, false), |name| (name, true));
        let compiles = match name {
            "interp" => false,
            "jit" => true,
            _ => return None,
        };
        Some(Mode { compiles, forced })
    }
}

/// How the environment wants modules to be run, if it says so.
pub(crate) fn mode() -> Option<Mode> {
    let value = variable(c"WAYFARER_MODE")?;
    let mode = value.to_str().and_then(Mode::parse);
    if mode.is_none() {
        warning!("{MODE_VARIABLE}={}: expected interp, jit, interp! or jit!", value.display());
    }
    mode
}

/// Whether modules are compiled while they run.
fn is_lazy() -> bool {
    match variable(c"WAYFARER_JIT") {
        Some(value) if value == "eager" => false,
        Some(value) if value == "lazy" => true,
        Some(value) => {
            warning!("{JIT_VARIABLE}={}: expected lazy or eager", value.display());
            true
        }
        None => true,
    }
}

/// How modules are compiled that run here.
fn options(module: &Module, (opt_level, size_level): (u8, u8)) -> Options {
    Options {
        opt_level,
        size_level,
        explicit_bounds: 0,
        checkpoints: 1,
        precise: 0,
        continuations: 1,
        deterministic: module.deterministic.into(),
        threads: 0,
    }
}

/// Whether there is no code of the functions of C's streams that somebody has named.
fn is_left_out(module: &Module, code: &CompiledModule) -> bool {
    let functions = match &module.stdio {
        Stdio::At(functions) => &functions[..],
        _ => &[],
    };
    functions
        .iter()
        .all(|(_, func)| module.defined(FuncIdx(*func)).is_none_or(|func| code.keep_interpreted(func)))
}

/// Compiles a module for this machine, in the mode that it runs in, or begins to, unless the cache has its code.
///
/// # Errors
/// There is no compiler, or what it says.
pub(crate) fn compile(module: &Arc<Module>) -> Result<Arc<dyn NativeCode>, String> {
    let (place, lazy) = (compiler::find()?, is_lazy());
    let options = options(module, levels());
    let entry = cache::Entry::of(module, &place, &options);
    if let Some(artifact) = entry.as_ref().and_then(|entry| entry.read(module, &options)) {
        match link(module, &artifact) {
            // What is in the cache, the module's names alone have decided.
            Ok(code) if !is_left_out(module, &code) => {
                verbose!("cache: functions of C's streams are not where they are said to be; not used");
            }
            Ok(code) => return Ok(code),
            Err(why) => verbose!("cache: {why}; compiling again"),
        }
    }
    let library = place.library()?;
    // The compiler knows the names only.
    if lazy || matches!(module.stdio, Stdio::At(_)) {
        return Ok(lazy::load(module, library, options, entry.as_ref()));
    }
    let observer = OBSERVER.get();
    let progress = |done, total| {
        if let Some(observer) = observer {
            observer(Progress::Done { done, total });
        }
    };
    let compiled = library.compile(&module.bytes, &options, &progress);
    if let Some(observer) = observer {
        observer(Progress::Over);
    }
    let bytes = compiled?;
    let artifact = Artifact::parse(&bytes).map_err(|e| e.to_string())?;
    let code = link(module, &artifact)?;
    if let Some(entry) = entry {
        entry.write(&bytes);
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        let mode = |compiles, forced| Some(Mode { compiles, forced });
        assert_eq!(Mode::parse("interp"), mode(false, false));
        assert_eq!(Mode::parse("jit"), mode(true, false));
        assert_eq!(Mode::parse("interp!"), mode(false, true));
        assert_eq!(Mode::parse("jit!"), mode(true, true));
        for text in ["", "!", "JIT", "jit!!", "fast"] {
            assert_eq!(Mode::parse(text), None, "{text}");
        }
    }
}
