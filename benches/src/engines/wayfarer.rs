//! Wayfarer's interpreter, through the crates its library is made of.

use super::{Engine, Program};
use crate::{Error, cpu_time};
use std::sync::Arc;
use std::time::Duration;
use wayfarer_interp::Interpreter;
use wayfarer_module::{Import, ImportType, Module};
use wayfarer_runtime::{
    Caller, ExecEnv, Extern, HostError, HostFunc, InstantiateOptions, LoadedModule, Runtime, Store, Trap,
};
use wayfarer_wasi::{Outcome, WasiBuilder, WasiCtx, WasiFunction};

/// Bytes of operand stack.
const STACK_SIZE: usize = 8 << 20;

/// The interpreter.
#[derive(Debug)]
pub struct Wayfarer {
    runtime: Arc<Runtime>,
}

impl Default for Wayfarer {
    fn default() -> Wayfarer {
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

    fn run_command(&self, wasm: &[u8], args: &[&str]) -> Result<Option<Duration>, Error> {
        let mut builder = WasiBuilder::new();
        for arg in args {
            builder.arg(*arg);
        }
        let context = Arc::new(builder.build()?);
        let (result, time) = cpu_time::of(|| run_command(wasm, &context));
        result.map(|()| Some(time))
    }
}

fn run_command(wasm: &[u8], context: &Arc<WasiCtx>) -> Result<(), Error> {
    let module = Arc::new(wayfarer_module::parse(wasm.into())?);
    let runtime = Runtime::new(Arc::new(Interpreter));
    let loaded = runtime.load(module.clone());
    let store = Store::new(&runtime);
    let imports = module.imports.iter().map(|import| link(&store, &module, import, context));
    let imports = imports.collect::<Result<Vec<_>, _>>()?;
    // SAFETY: the imports were made in this store.
    let instance = unsafe { store.instantiate(&loaded, &imports, &InstantiateOptions::default())? };
    let Some(Extern::Func(start)) = instance.export("_start") else {
        return Err("no function `_start`".into());
    };
    let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
    // SAFETY: `start` is a function of the store; `_start` takes nothing in every WASI command.
    match unsafe { runtime.engine.call(&mut env, start, &[]) } {
        Ok(_) | Err(Trap::Exit(0)) => Ok(()),
        Err(trap) => Err(trap.to_string().into()),
    }
}

/// The WASI function that `import` asks for.
fn link(
    store: &Arc<Store>,
    module: &Module,
    import: &Import,
    context: &Arc<WasiCtx>,
) -> Result<Extern, Error> {
    let (ImportType::Func(ty), Some(function)) = (import.ty, WasiFunction::find(&import.name)) else {
        return Err(format!("no import {}.{}", import.module, import.name).into());
    };
    let context = context.clone();
    let call = move |caller: &mut Caller<'_>, slots: &mut [u64]| {
        let control = caller.env.store().control().clone();
        match (function.call)(&context, &caller.memory(), &*control, slots) {
            Outcome::Errno(errno) => slots[0] = errno.into(),
            Outcome::Exit(code) => return Err(HostError::Trap(Trap::Exit(code))),
            Outcome::Interrupted => return Err(HostError::Interrupted),
            Outcome::Trap(text) => return Err(HostError::Trap(Trap::Host(text))),
        }
        Ok(())
    };
    let name = (import.module.clone(), import.name.clone());
    let host = HostFunc { name, restartable: true, call: Box::new(call), data: None };
    Ok(Extern::Func(store.add_host_func(&module.types[ty as usize], host)))
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
