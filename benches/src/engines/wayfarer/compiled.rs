//! Wayfarer's compiled code, with what stops it and without.

use super::Wayfarer;
use crate::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use wayfarer_compiler::{Options, Output};
use wayfarer_loader::PerfMode;
use wayfarer_module::Module;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::Runtime;

/// Whether perf is told of what is loaded from now on, by a `/tmp/jit-PID.dump`.
pub static ANNOUNCE: AtomicBool = AtomicBool::new(false);

impl Wayfarer {
    /// Compiled code that can be stopped: as the compiler makes it by default, for this machine's processor.
    pub fn compiled() -> Wayfarer {
        Wayfarer::with("compiled", checkpointable())
    }

    /// The same without what stops it.
    pub fn plain() -> Wayfarer {
        Wayfarer::with("plain", plain())
    }

    fn with(name: &'static str, options: Options) -> Wayfarer {
        Wayfarer {
            name,
            runtime: Runtime::new(Arc::new(NativeEngine)),
            deterministic: false,
            options: Some(options),
        }
    }
}

/// Options for code that can be stopped.
pub fn checkpointable() -> Options {
    Options::default()
}

/// Options for code that cannot.
pub fn plain() -> Options {
    Options { checkpoints: false, ..Options::default() }
}

/// Where object files go that are compiled from now on, for disassemblers.
pub static DUMP: OnceLock<PathBuf> = OnceLock::new();

/// Compiles a module and loads its code.
///
/// # Errors
/// The compiler's, the loader's.
pub fn compile(name: &str, module: &Module, options: &Options) -> Result<Arc<CompiledModule>, Error> {
    let output = wayfarer_compiler::compile(module, options, &|_, _| {})?;
    if let Some(directory) = DUMP.get() {
        dump(directory, name, options, &output)?;
    }
    load(name, module, &output)
}

fn dump(directory: &Path, name: &str, options: &Options, output: &Output) -> Result<(), Error> {
    std::fs::create_dir_all(directory)?;
    let name = name.replace('/', ".");
    let kind = if options.checkpoints { "compiled" } else { "plain" };
    for (part, objects) in [("functions", &output.code), ("continuations", &output.continuations)] {
        for (index, object) in objects.iter().enumerate() {
            std::fs::write(directory.join(format!("{name}.{kind}.{part}.{index}.o")), object)?;
        }
    }
    Ok(())
}

/// Loads a module's code.
///
/// # Errors
/// The loader's.
pub fn load(name: &str, module: &Module, output: &Output) -> Result<Arc<CompiledModule>, Error> {
    let objects: Vec<&[u8]> = output.code.iter().chain(&output.continuations).map(|o| &**o).collect();
    let mut code = CompiledModule::load(module, wayfarer_abi::VERSION, &objects, true)?;
    if ANNOUNCE.load(Ordering::Relaxed)
        && let Some(code) = Arc::get_mut(&mut code)
    {
        code.code_mut().announce(PerfMode::JitDump, false, |symbol| Some(format!("{name}:{symbol}")))?;
    }
    Ok(code)
}
