//! The engines, behind one interface.

#[cfg(feature = "others")]
mod wasmi;
#[cfg(feature = "others")]
mod wasmtime;
mod wayfarer;

pub use wayfarer::Wayfarer;

use crate::Error;
use std::time::Duration;

/// A way to run WebAssembly.
pub trait Engine {
    /// Name on the command line and in the table.
    fn name(&self) -> &'static str;

    /// Compiles or otherwise prepares a module without imports.
    ///
    /// # Errors
    /// The engine's.
    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Program>, Error>;

    /// Loads a WASI command, runs it and gives the CPU time of both. Output goes to the process's own. `None` if the
    /// engine is here without WASI.
    ///
    /// # Errors
    /// The engine's; also if the program ends with a status other than 0.
    fn run_command(&self, wasm: &[u8], args: &[&str]) -> Result<Option<Duration>, Error> {
        let _ = (wasm, args);
        Ok(None)
    }
}

/// A module that exports `run`.
pub trait Program {
    /// Makes a fresh instance and calls its `run(n)`. Gives the result and the CPU time of the call.
    ///
    /// # Errors
    /// The engine's.
    fn run(&self, n: i32) -> Result<(i32, Duration), Error>;
}

/// The engines of these names.
///
/// # Errors
/// Says which name is unknown.
#[cfg(feature = "others")]
pub fn all(names: &[String]) -> Result<Vec<Box<dyn Engine>>, Error> {
    names.iter().map(|name| by_name(name)).collect()
}

#[cfg(feature = "others")]
fn by_name(name: &str) -> Result<Box<dyn Engine>, Error> {
    Ok(match name {
        "wayfarer" => Box::new(Wayfarer::default()),
        "wasmi" => Box::new(wasmi::Wasmi),
        "cranelift" => Box::new(wasmtime::Wasmtime::cranelift()?),
        "pulley" => Box::new(wasmtime::Wasmtime::pulley()?),
        _ => {
            return Err(format!("no engine {name:?}; there are wayfarer, wasmi, cranelift and pulley").into());
        }
    })
}
