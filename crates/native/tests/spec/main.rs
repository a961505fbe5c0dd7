//! The official WebAssembly test suite in compiled code.
//!
//! `cargo test --test spec -- FILTER` runs the files whose name contains FILTER.

#[path = "../compile/mod.rs"]
mod compile;
#[path = "../../../interp/tests/spec/host.rs"]
mod host;
#[path = "../../../interp/tests/spec/run.rs"]
mod run;
#[path = "../../../interp/tests/spec/script.rs"]
mod script;

use compile::Options;
use script::Setup;
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use wayfarer_module::Module;
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_runtime::{LoadedModule, Runtime};

/// Objects by hash of the module.
type Compiled = HashMap<[u8; 32], Arc<[Vec<u8>]>>;

/// A module's objects: each module comes twice at least, once in each mode.
fn objects(module: &Module) -> Result<Arc<[Vec<u8>]>, String> {
    static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);
    let compiled = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(objects) = compiled().get(&module.sha256) {
        return Ok(objects.clone());
    }
    let options = Options { threads: Some(1), ..Options::default() };
    let objects: Arc<[Vec<u8>]> = compile::objects(module, &options)?.into();
    compiled().insert(module.sha256, objects.clone());
    Ok(objects)
}

fn load(runtime: &Runtime, module: Arc<Module>) -> Result<Arc<LoadedModule>, String> {
    let objects = objects(&module)?;
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    let code =
        CompiledModule::load(&module, wayfarer_abi::VERSION, &objects, true).map_err(|e| e.to_string())?;
    Ok(runtime.load_compiled(module, Some(code)))
}

fn main() -> ExitCode {
    run::all(&Setup { engine: Arc::new(NativeEngine), load, overflow: "native stack overflow" })
}
