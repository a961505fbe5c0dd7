//! wasmtime, as the far mark: compiled by Cranelift, and with Pulley, its interpreter of code optimized by Cranelift.

use super::{Engine, Program};
use crate::{Error, cpu_time};
use std::time::Duration;
use wasmtime::{Config, Instance, Module, Store};

pub(crate) struct Wasmtime {
    name: &'static str,
    engine: wasmtime::Engine,
}

impl Wasmtime {
    pub(crate) fn cranelift() -> Result<Wasmtime, Error> {
        Ok(Wasmtime { name: "cranelift", engine: wasmtime::Engine::new(&Config::new())? })
    }

    pub(crate) fn pulley() -> Result<Wasmtime, Error> {
        let mut config = Config::new();
        config.target("pulley64")?;
        Ok(Wasmtime { name: "pulley", engine: wasmtime::Engine::new(&config)? })
    }
}

impl Engine for Wasmtime {
    fn name(&self) -> &'static str {
        self.name
    }

    fn load(&self, _name: &str, wasm: &[u8]) -> Result<Box<dyn Program>, Error> {
        Ok(Box::new(Loaded(Module::new(&self.engine, wasm)?)))
    }
}

struct Loaded(Module);

impl Program for Loaded {
    fn run(&self, n: i32) -> Result<(i32, Duration), Error> {
        let mut store = Store::new(self.0.engine(), ());
        let instance = Instance::new(&mut store, &self.0, &[])?;
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
        let (result, time) = cpu_time::of(|| run.call(&mut store, n));
        Ok((result?, time))
    }
}
