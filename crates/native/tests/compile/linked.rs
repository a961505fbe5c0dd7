//! The compiler, linked to the test.

use super::Options;
use wayfarer_compiler::Bounds;
use wayfarer_module::Module;

pub(super) fn compiler() -> String {
    wayfarer_compiler::llvm_version()
}

pub(super) fn objects(module: &Module, options: &Options) -> Result<Vec<Vec<u8>>, String> {
    let output = wayfarer_compiler::compile(module, &translated(options), &|_, _| {});
    let output = output.map_err(|e| e.to_string())?;
    Ok([output.code, output.continuations].concat())
}

pub(super) fn aot(module: &Module, options: &Options) -> Result<Vec<u8>, String> {
    let artifact = wayfarer_compiler::compile_artifact(module, &translated(options), &|_, _| {});
    Ok(artifact.map_err(|e| e.to_string())?.to_bytes())
}

fn translated(options: &Options) -> wayfarer_compiler::Options {
    let defaults = wayfarer_compiler::Options::default();
    wayfarer_compiler::Options {
        opt_level: options.opt_level,
        bounds: if options.compare_bounds { Bounds::Explicit } else { Bounds::Guard },
        precise: options.precise,
        continuations: options.continuations,
        threads: options.threads.unwrap_or(defaults.threads),
        ..defaults
    }
}
