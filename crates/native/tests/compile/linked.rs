//! The compiler, linked to the test.

use super::Options;
use std::hash::{DefaultHasher, Hash, Hasher};
use wayfarer_compiler::{Bounds, Session};
use wayfarer_module::{FuncIdx, Module, PointKind};
use wayfarer_native::Part;
use wayfarer_runtime::Loop;

/// Functions and loops of a part.
const PART: usize = 8;

pub(super) fn compiler() -> String {
    wayfarer_compiler::llvm_version()
}

pub(super) fn objects(module: &Module, options: &Options) -> Result<Vec<Vec<u8>>, String> {
    let mut options = translated(options);
    options.size_level = wayfarer_compiler::size_level(&options).map_err(|e| e.to_string())?;
    let output = wayfarer_compiler::compile(module, &options, &|_, _| {});
    let output = output.map_err(|e| e.to_string())?;
    Ok([output.code, output.continuations].concat())
}

pub(super) fn aot(module: &Module, options: &Options) -> Result<Vec<u8>, String> {
    let artifact = wayfarer_compiler::compile_artifact(module, &translated(options), &|_, _| {});
    Ok(artifact.map_err(|e| e.to_string())?.to_bytes())
}

pub(super) fn halves(module: &Module, seed: u64) -> Vec<Part> {
    let chosen = |a: u32, b: u32| {
        let mut hasher = DefaultHasher::new();
        (seed, a, b).hash(&mut hasher);
        hasher.finish() & 1 == 0
    };
    let mut parts = Vec::new();
    let mut part = Part::default();
    for FuncIdx(func) in module.defined_funcs() {
        if chosen(func, 0) {
            part.funcs.push(func);
        }
        let _ = wayfarer_module::stable_points_where(module, func, |kind, offset| {
            if kind == PointKind::Loop && chosen(func, offset) {
                part.loops.push(Loop { func, offset });
            }
            false
        });
        if part.funcs.len() + part.loops.len() >= PART {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts.push(part);
    parts
}

pub(super) fn parts(module: &Module, options: &Options, parts: &[Part]) -> Result<Vec<Vec<u8>>, String> {
    let module = wayfarer_module::parse(module.bytes.clone()).map_err(|e| e.to_string())?;
    let session = Session::new(module, translated(options)).map_err(|e| e.to_string())?;
    let fatal = |why: &str| panic!("{why}");
    let compile = |part: &Part| session.compile(&part.funcs, &part.loops, &fatal).map_err(|e| e.to_string());
    parts.iter().map(compile).collect()
}

fn translated(options: &Options) -> wayfarer_compiler::Options {
    let defaults = wayfarer_compiler::Options::default();
    wayfarer_compiler::Options {
        opt_level: options.opt_level,
        size_level: options.size_level,
        deterministic: options.deterministic,
        bounds: if options.compare_bounds { Bounds::Explicit } else { Bounds::Guard },
        precise: options.precise,
        continuations: options.continuations,
        threads: options.threads.unwrap_or(defaults.threads),
        ..defaults
    }
}
