//! The official WebAssembly test suite in the interpreter.
//!
//! `cargo test --test spec -- FILTER` runs the files whose name contains FILTER.

mod host;
mod run;
mod script;

use script::Setup;
use std::process::ExitCode;
use std::sync::Arc;
use wayfarer_interp::Interpreter;

fn main() -> ExitCode {
    run::all(&Setup {
        engine: Arc::new(Interpreter),
        load: |runtime, module| Ok(runtime.load(module)),
        overflow: "wasm operand stack overflow",
    })
}
