//! The official WebAssembly test suite in compiled code.
//!
//! `cargo test --test spec -- FILTER` runs the files whose name contains FILTER.

#[path = "../../../interp/tests/spec/host.rs"]
mod host;
#[path = "../../../interp/tests/spec/run.rs"]
mod run;
#[path = "../../../interp/tests/spec/script.rs"]
mod script;

use script::Setup;
use std::process::ExitCode;
use std::sync::Arc;
use wayfarer_compiler::Options;
use wayfarer_module::Module;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{LoadedModule, Runtime};

fn load(runtime: &Runtime, module: Arc<Module>) -> Result<Arc<LoadedModule>, String> {
    let options = Options { threads: 1, ..Options::default() };
    let output = wayfarer_compiler::compile(&module, &options, &|_, _| {}).map_err(|e| e.to_string())?;
    let objects: Vec<&[u8]> = output.code.iter().chain(&output.continuations).map(|o| &**o).collect();
    let code =
        CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true).map_err(|e| e.to_string())?;
    Ok(runtime.load_compiled(module, Some(code)))
}

fn main() -> ExitCode {
    run::all(&Setup { engine: Arc::new(NativeEngine), load, overflow: "native stack overflow" })
}
