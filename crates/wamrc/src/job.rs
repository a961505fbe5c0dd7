//! From a module's file to its code's.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use wasmparser::{Validator, WasmFeatures};
use wayfarer_aot::Artifact;
use wayfarer_compiler::{Options, check_target, compile, compile_artifact, llvm_options, size_level};
use wayfarer_module::{ExternKind, Module};
use wayfarer_progress::Bar;

use crate::args::{Job, Kind, Without};
use crate::{output, text};

/// From this log level on, notes appear.
const LOG_NOTES: u32 = 2;

/// From this log level on, time and memory are reported.
const LOG_USAGE: u32 = 3;

/// Why nothing was compiled.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What to print.
    pub(crate) message: String,
    /// What is the matter with a file, and what to do, for standard error.
    pub(crate) advice: Option<String>,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure { message, advice: None }
    }
}

/// Compiles. The files that were written.
///
/// # Errors
/// What to print.
pub(crate) fn run(job: &Job) -> Result<Vec<PathBuf>, Failure> {
    let started = Instant::now();
    if let Some(profile) = &job.profile {
        File::open(profile)
            .map_err(|e| format!("Error: --use-prof-file={}: {}", profile.display(), reason(&e)))?;
    }
    if job.log_level >= LOG_NOTES {
        job.notes.iter().for_each(|note| println!("note: {note}"));
    }
    let bytes = read(job)?;
    let mut module = wayfarer_module::parse(bytes.clone()).map_err(|e| Failure {
        advice: advice(job, &bytes),
        ..format!("WASM module load failed: {e}").into()
    })?;
    refuse_proposals(&module.bytes, job.without)?;
    module.stdio = job.stdio.clone();
    module.stdio_functions().map_err(|e| format!("Error: --stdio-map: {e}"))?;
    let watched = watched(&module, &job.watched)?;
    if !job.llvm.is_empty() {
        llvm_options(&job.llvm).map_err(|e| format!("Error: --mllvm: {e}"))?;
    }

    let fail = |e: wayfarer_compiler::CompileError| format!("Error: {e}");
    let size_level = size_level(&job.options).map_err(fail)?;
    let options = &Options { size_level, watched, ..job.options.clone() };
    if options.size_level != job.options.size_level && job.log_level >= LOG_NOTES {
        println!(
            "note: --size-level={} has no effect: there is no such code for the target",
            job.options.size_level
        );
    }
    let bar = Bar::new("compiling");
    let progress = |done, total| bar.show(done, total);
    let contents = match job.kind {
        Kind::Aot => vec![compile_artifact(&module, options, &progress).map_err(fail)?.to_bytes()],
        Kind::Object | Kind::IrUnoptimized | Kind::IrOptimized => {
            check_target(options).map_err(fail)?;
            // Continuations are of no use to whoever links the functions.
            let options = Options { continuations: false, ..options.clone() };
            compile(&module, &options, &progress).map_err(fail)?.code
        }
    };
    drop(bar);
    let mut files = Vec::with_capacity(contents.len());
    for (nth, content) in contents.iter().enumerate() {
        let path = output::numbered(&job.output, nth);
        output::write(&path, content)?;
        files.push(path);
    }
    if job.log_level >= LOG_USAGE {
        println!("{}", text::usage(started.elapsed()));
    }
    Ok(files)
}

/// Functions by name or index.
fn watched(module: &Module, names: &[String]) -> Result<Vec<u32>, String> {
    let local = module.num_imported_funcs..module.funcs.len() as u32;
    let find = |name: &String| {
        let exported = module.export(name).filter(|export| export.kind == ExternKind::Func);
        let named = || local.clone().filter(|&func| module.func_name(func) == Some(name)).collect();
        let found: Vec<u32> = match (name.parse().ok(), exported) {
            (Some(index), _) => vec![index],
            (None, Some(export)) => vec![export.index],
            (None, None) => named(),
        };
        match found[..] {
            [index] if local.contains(&index) => Ok(index),
            [_] => Err(format!("Error: --watch: {name} is no function of the module's own")),
            [] => Err(format!("Error: --watch: no function of the module is called {name}")),
            _ => Err(format!("Error: --watch: several functions are called {name}: name one by its index")),
        }
    };
    names.iter().map(find).collect()
}

/// What a refused file is.
fn advice(job: &Job, bytes: &[u8]) -> Option<String> {
    wayfarer_module::diagnose(bytes).map(|what| format!("{}: {what}", job.input.display()))
}

/// An error of the system's, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// The module's bytes. Those of an `.aot` file are in it.
fn read(job: &Job) -> Result<Arc<[u8]>, Failure> {
    let shown = job.input.display();
    let mut file = File::open(&job.input).map_err(|e| Failure {
        message: format!("Read file to buffer failed: open file {shown} failed."),
        advice: Some(format!("{shown}: {}", reason(&e))),
    })?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| Failure {
        message: "Read file to buffer failed: read file content failed.".to_owned(),
        advice: Some(format!("{shown}: {}", reason(&e))),
    })?;
    if wayfarer_aot::is_artifact(&bytes) {
        return Ok(Artifact::parse(&bytes).map(|a| a.module).map_err(|e| format!("Error: {e}"))?);
    }
    if !bytes.starts_with(b"\0asm") {
        let message = "Invalid wasm file: magic header not detected".to_owned();
        return Err(Failure { message, advice: advice(job, &bytes) });
    }
    Ok(bytes.into())
}

/// Refuses a module that needs what is switched off.
fn refuse_proposals(wasm: &[u8], without: Without) -> Result<(), String> {
    for (off, features, option) in [
        (without.simd, WasmFeatures::SIMD, "--disable-simd"),
        (without.bulk_memory, WasmFeatures::BULK_MEMORY, "--disable-bulk-memory"),
        (without.reference_types, WasmFeatures::REFERENCE_TYPES, "--disable-ref-types"),
    ] {
        let rest = wayfarer_module::FEATURES.difference(features);
        if off && let Err(e) = Validator::new_with_features(rest).validate_all(wasm) {
            return Err(format!("WASM module load failed: {e} ({option} was given)"));
        }
    }
    Ok(())
}
