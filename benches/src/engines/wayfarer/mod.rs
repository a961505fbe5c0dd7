//! Wayfarer, through the crates its library is made of.

#[cfg(feature = "compiled")]
pub mod compiled;

#[cfg(feature = "compiled")]
use wayfarer_compiler::Options;

use super::{Command, Engine, Program};
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
pub const STACK_SIZE: usize = 8 << 20;

/// The interpreter, or compiled code.
pub struct Wayfarer {
    name: &'static str,
    runtime: Arc<Runtime>,
    deterministic: bool,
    #[cfg(feature = "compiled")]
    options: Option<Options>,
}

impl Wayfarer {
    /// The interpreter.
    pub fn interpreter() -> Wayfarer {
        Wayfarer {
            name: "interpreter",
            runtime: Runtime::new(Arc::new(Interpreter)),
            deterministic: false,
            #[cfg(feature = "compiled")]
            options: None,
        }
    }

    /// The same in deterministic mode.
    #[must_use]
    pub fn deterministic(mut self) -> Wayfarer {
        self.deterministic = true;
        #[cfg(feature = "compiled")]
        if let Some(options) = &mut self.options {
            options.deterministic = true;
        }
        self
    }

    /// Loads a module: its code is compiled if this engine is for that.
    ///
    /// # Errors
    /// The parser's, the compiler's, the loader's.
    pub fn load_module(&self, name: &str, wasm: &[u8]) -> Result<Arc<LoadedModule>, Error> {
        let mut module = wayfarer_module::parse(wasm.into())?;
        module.deterministic = self.deterministic;
        let module = Arc::new(module);
        #[cfg(feature = "compiled")]
        if let Some(options) = &self.options {
            let code = compiled::compile(name, &module, options)?;
            return Ok(self.runtime.load_compiled(module, Some(code)));
        }
        let _ = name;
        Ok(self.runtime.load(module))
    }

    /// Where its modules are loaded.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }
}

impl Engine for Wayfarer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn load(&self, name: &str, wasm: &[u8]) -> Result<Box<dyn Program>, Error> {
        Ok(Box::new(Loaded { runtime: self.runtime.clone(), module: self.load_module(name, wasm)? }))
    }

    fn load_command(&self, wasm: &[u8]) -> Result<Option<Box<dyn Command>>, Error> {
        let module = self.load_module("command", wasm)?;
        Ok(Some(Box::new(Loaded { runtime: self.runtime.clone(), module })))
    }

    fn run_command(&self, wasm: &[u8], args: &[&str]) -> Result<Option<Duration>, Error> {
        let context = wasi(args)?;
        let (result, time) = cpu_time::of(|| {
            let module = self.load_module("command", wasm)?;
            Loaded { runtime: self.runtime.clone(), module }.run_command(&context)
        });
        result.map(|()| Some(time))
    }
}

fn wasi(args: &[&str]) -> Result<Arc<WasiCtx>, Error> {
    let mut builder = WasiBuilder::new();
    for arg in args {
        builder.arg(*arg);
    }
    Ok(Arc::new(builder.build()?))
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

impl Loaded {
    fn run_command(&self, context: &Arc<WasiCtx>) -> Result<(), Error> {
        let module = &self.module.module;
        let store = Store::new(&self.runtime);
        let imports = module.imports.iter().map(|import| link(&store, module, import, context));
        let imports = imports.collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the imports were made in this store.
        let instance = unsafe { store.instantiate(&self.module, &imports, &InstantiateOptions::default())? };
        let Some(Extern::Func(start)) = instance.export("_start") else {
            return Err("no function `_start`".into());
        };
        let mut env = ExecEnv::new(store.clone(), STACK_SIZE)?;
        // SAFETY: `start` is a function of the store; `_start` takes nothing in every WASI command.
        match unsafe { self.runtime.engine.call(&mut env, start, &[]) } {
            Ok(_) | Err(Trap::Exit(0)) => Ok(()),
            Err(trap) => Err(trap.to_string().into()),
        }
    }
}

impl Command for Loaded {
    fn run(&self, args: &[&str]) -> Result<Duration, Error> {
        let context = wasi(args)?;
        let (result, time) = cpu_time::of(|| self.run_command(&context));
        result.map(|()| time)
    }
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
