//! The engines, behind one interface.

#[cfg(feature = "others")]
mod native;
#[cfg(feature = "others")]
mod wasmi;
#[cfg(feature = "others")]
mod wasmtime;
pub mod wayfarer;

pub use wayfarer::{STACK_SIZE, Wayfarer};

use crate::Error;
use std::time::Duration;

/// A way to run programs.
pub trait Engine {
    /// Name on the command line and in the table.
    fn name(&self) -> &'static str;

    /// Compiles or otherwise prepares a module without imports: that of the program of this name.
    ///
    /// # Errors
    /// The engine's.
    fn load(&self, name: &str, wasm: &[u8]) -> Result<Box<dyn Program>, Error>;

    /// Compiles or otherwise prepares a WASI command. `None` if the engine is here without WASI.
    ///
    /// # Errors
    /// The engine's.
    fn load_command(&self, wasm: &[u8]) -> Result<Option<Box<dyn Command>>, Error> {
        let _ = wasm;
        Ok(None)
    }

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

/// What exports `run`.
pub trait Program {
    /// Makes a fresh instance and calls its `run(n)`. Gives the result and the CPU time of the call.
    ///
    /// # Errors
    /// The engine's.
    fn run(&self, n: i32) -> Result<(i32, Duration), Error>;
}

/// A WASI command.
pub trait Command {
    /// Makes a fresh instance and runs it. Gives the CPU time of both. Output goes to the process's own.
    ///
    /// # Errors
    /// The engine's; also if the program ends with a status other than 0.
    fn run(&self, args: &[&str]) -> Result<Duration, Error>;
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
        "interpreter" => Box::new(Wayfarer::interpreter()),
        #[cfg(feature = "compiled")]
        "compiled" => Box::new(Wayfarer::compiled()),
        #[cfg(feature = "compiled")]
        "plain" => Box::new(Wayfarer::plain()),
        "native" => Box::new(native::Native::new("native")),
        "baseline" => Box::new(native::Native::new("baseline")),
        "wasmi" => Box::new(wasmi::Wasmi),
        "cranelift" => Box::new(wasmtime::Wasmtime::cranelift()?),
        "pulley" => Box::new(wasmtime::Wasmtime::pulley()?),
        _ => {
            let known = "interpreter, compiled, plain, native, baseline, wasmi, cranelift and pulley";
            return Err(format!("no engine {name:?}; there are {known}").into());
        }
    })
}
