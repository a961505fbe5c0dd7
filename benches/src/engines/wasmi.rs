//! wasmi, an interpreter in Rust: the peer to compare with. Default configuration.

use super::{Engine, Program};
use crate::{Error, cpu_time};
use std::time::Duration;
use wasmi::{Linker, Module, Store};
use wasmi_wasi::{WasiCtx, WasiCtxBuilder};

pub(crate) struct Wasmi;

impl Engine for Wasmi {
    fn name(&self) -> &'static str {
        "wasmi"
    }

    fn load(&self, _name: &str, wasm: &[u8]) -> Result<Box<dyn Program>, Error> {
        Ok(Box::new(Loaded(Module::new(&wasmi::Engine::default(), wasm)?)))
    }

    fn run_command(&self, wasm: &[u8], args: &[&str]) -> Result<Option<Duration>, Error> {
        let mut builder = WasiCtxBuilder::new();
        builder.inherit_stdio();
        for arg in args {
            builder.arg(arg)?;
        }
        let context = builder.build();
        let (result, time) = cpu_time::of(|| run_command(wasm, context));
        result.map(|()| Some(time))
    }
}

fn run_command(wasm: &[u8], context: WasiCtx) -> Result<(), Error> {
    let engine = wasmi::Engine::default();
    let module = Module::new(&engine, wasm)?;
    let mut linker = Linker::new(&engine);
    wasmi_wasi::add_to_linker(&mut linker, |context: &mut WasiCtx| context)?;
    let mut store = Store::new(&engine, context);
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&store, "_start")?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(()),
        Err(error) if error.i32_exit_status() == Some(0) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

struct Loaded(Module);

impl Program for Loaded {
    fn run(&self, n: i32) -> Result<(i32, Duration), Error> {
        let mut store = Store::new(self.0.engine(), ());
        let linker = Linker::new(self.0.engine());
        let instance = linker.instantiate_and_start(&mut store, &self.0)?;
        let run = instance.get_typed_func::<i32, i32>(&store, "run")?;
        let (result, time) = cpu_time::of(|| run.call(&mut store, n));
        Ok((result?, time))
    }
}
