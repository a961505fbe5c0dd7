//! From a module's file to its code's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use wasmparser::{Validator, WasmFeatures};
use wayfarer_aot::Artifact;
use wayfarer_compiler::{Options, check_target, compile, compile_artifact, llvm_options, size_level};

use crate::args::{Job, Kind, Without};
use crate::progress::Bar;
use crate::{output, text};

/// From this log level on, notes appear.
const LOG_NOTES: u32 = 2;

/// From this log level on, time and memory are reported.
const LOG_USAGE: u32 = 3;

/// Compiles. The files that were written.
///
/// # Errors
/// What to print.
pub(crate) fn run(job: &Job) -> Result<Vec<PathBuf>, String> {
    let started = Instant::now();
    if job.log_level >= LOG_NOTES {
        job.notes.iter().for_each(|note| println!("note: {note}"));
    }
    let bytes = read(job)?;
    let module = wayfarer_module::parse(bytes).map_err(|e| format!("WASM module load failed: {e}"))?;
    refuse_proposals(&module.bytes, job.without)?;
    if !job.llvm.is_empty() {
        llvm_options(&job.llvm).map_err(|e| format!("Error: --mllvm: {e}"))?;
    }

    let fail = |e: wayfarer_compiler::CompileError| format!("Error: {e}");
    let options = &Options { size_level: size_level(&job.options).map_err(fail)?, ..job.options.clone() };
    if options.size_level != job.options.size_level && job.log_level >= LOG_NOTES {
        println!(
            "note: --size-level={} has no effect: there is no such code for the target",
            job.options.size_level
        );
    }
    let bar = Bar::new();
    let progress = |done, parts| bar.show(done, parts);
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

/// The module's bytes. Those of an `.aot` file are in it.
fn read(job: &Job) -> Result<Arc<[u8]>, String> {
    let bytes = std::fs::read(&job.input)
        .map_err(|_| format!("Read file to buffer failed: open file {} failed.", job.input.display()))?;
    if wayfarer_aot::is_artifact(&bytes) {
        return Artifact::parse(&bytes).map(|a| a.module).map_err(|e| format!("Error: {e}"));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err("Invalid wasm file: magic header not detected".to_owned());
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
