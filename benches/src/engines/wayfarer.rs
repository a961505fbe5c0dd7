//! Wayfarer's interpreter, through the crates its library is made of.

use super::{Engine, Program};
use crate::{Error, cpu_time};
use std::sync::Arc;
use std::time::Duration;
use wayfarer_interp::Interpreter;
use wayfarer_runtime::{ExecEnv, Extern, InstantiateOptions, LoadedModule, Runtime, Store};

/// Bytes of operand stack.
const STACK_SIZE: usize = 8 << 20;

pub(crate) struct Wayfarer {
    runtime: Arc<Runtime>,
}

impl Wayfarer {
    pub(crate) fn new() -> Wayfarer {
        Wayfarer { runtime: Runtime::new(Arc::new(Interpreter)) }
    }
}

impl Engine for Wayfarer {
    fn name(&self) -> &'static str {
        "wayfarer"
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Program>, Error> {
        let module = Arc::new(wayfarer_module::parse(wasm.into())?);
        Ok(Box::new(Loaded { runtime: self.runtime.clone(), module: self.runtime.load(module) }))
    }
}

struct Loaded {
    runtime: Arc<Runtime>,
    module: Arc<LoadedModule>,
}

impl Program for Loaded {
    fn run(&self, n: i32) -> Result<(i32, Duration), Error> {
        let store = Store::new(&self.runtime);
        // SAFETY: there are no imports.
        let instance = unsafe { store.instantiate(&self.module, &[], &InstantiateOptions::default())? };
        let Some(Extern::Func(run)) = instance.export("run") else {
            return Err("no function `run`".into());
        };
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
        let (result, time) = cpu_time::of(|| {
            // SAFETY: `run` is a function of the store. Every program has the same signature, one i32 to one i32.
            unsafe { self.runtime.engine.call(&mut env, run, &[u64::from(n as u32)]) }
        });
        Ok((result?[0] as i32, time))
    }
}
