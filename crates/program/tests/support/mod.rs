//! A host in Rust: it has a guest count, and say so on a stream, and is called back by it.
#![allow(dead_code, reason = "shared by test programs that do not use all of it")]

#[path = "../../../native/tests/compile/mod.rs"]
mod compile;

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::{Arc, OnceLock};

use wayfarer_module::{FuncType, ImportType, Module};
use wayfarer_native::{CompiledModule, NativeEngine};
use wayfarer_program::layout::{self, Layout};
use wayfarer_program::{
    Blueprint, Embedder, Failure, HostParts, Made, Program, Refusal, Report, Request, Source,
};
use wayfarer_program::{Starting, Target, Wanted, wasi_calls};
use wayfarer_runtime::{
    AfterCheckpoint, ExecEnv, Extern, Func, HostFunc, LoadedModule, MemoryPlan, NativeCode, Runtime, Store,
};
use wayfarer_snapshot::view::Entry;
use wayfarer_snapshot::{Compression, Image, Reason};
use wayfarer_wasi::{WasiBuilder, WasiCtx, WasiFunction};

/// `count(n)` counts in memory, from where it was, and says a letter each time; its result is a checksum over everything.
/// The host is called with each number. `_initialize` says where it begins.
pub(crate) const COUNTING: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "host" "tick" (func $tick (param i32)))
  (memory (export "memory") 2 10)
  (data (i32.const 8) "\20\00\00\00\01\00\00\00")
  (global $sum (mut i64) (i64.const 0))
  (func (export "_initialize") (i32.store (i32.const 0) (i32.const 100)))
  (func $step (param $i i32) (result i64)
    (i32.store8 (i32.const 32) (i32.add (i32.const 97) (i32.rem_u (local.get $i) (i32.const 26))))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
    (call $tick (local.get $i))
    (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 0x9E3779B97F4A7C15)))
  (func (export "count") (param $n i32) (result i64)
    (local $i i32)
    (loop $more
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (global.set $sum (i64.xor (i64.rotl (global.get $sum) (i64.const 7)) (call $step (i32.load (i32.const 0)))))
      (br_if $more (i32.lt_u (local.get $i) (local.get $n))))
    (global.get $sum)))
"#;

/// What the host does when it is called.
pub(crate) type Tick = Arc<dyn Fn(&Program, u32) + Send + Sync>;

/// Nothing.
pub(crate) fn silent() -> Tick {
    Arc::new(|_, _| ())
}

/// A module, ready to be instantiated by this host.
pub(crate) struct Guest {
    pub(crate) runtime: Arc<Runtime>,
    loaded: Arc<LoadedModule>,
    /// Its standard output.
    pub(crate) out: File,
    tick: Tick,
    /// Bytes of app heap, for guests without an allocator of their own.
    pub(crate) heap_size: u32,
}

/// An instance, and where it runs.
pub(crate) struct Running {
    pub(crate) parts: Box<HostParts>,
    pub(crate) env: RefCell<ExecEnv>,
}

/// An engine: modules are interpreted, or compiled for it.
pub(crate) fn runtime() -> Arc<Runtime> {
    Runtime::new(Arc::new(NativeEngine))
}

/// The module of a text, parsed once.
pub(crate) fn module(text: &str) -> Arc<Module> {
    Arc::new(wayfarer_module::parse(wat::parse_str(text).expect("a text").into()).expect("it is valid"))
}

fn code(module: &Module) -> Arc<dyn NativeCode> {
    let objects = compile::objects(module, &compile::Options::default()).expect("it can be compiled");
    let objects: Vec<&[u8]> = objects.iter().map(|object| &**object).collect();
    CompiledModule::load(module, wayfarer_abi::VERSION, &objects, true).expect("it can be loaded")
}

impl Guest {
    /// A guest that writes to `out`.
    pub(crate) fn new(
        runtime: &Arc<Runtime>,
        module: &Arc<Module>,
        compiled: bool,
        out: File,
        tick: Tick,
    ) -> Guest {
        let loaded = runtime.load_compiled(module.clone(), compiled.then(|| code(module)));
        Guest { runtime: runtime.clone(), loaded, out, tick, heap_size: 4096 }
    }

    /// An instance in a store.
    pub(crate) fn instantiate(
        &self,
        store: &Arc<Store>,
        embedder: &Arc<dyn Embedder>,
    ) -> Result<Running, Refusal> {
        wayfarer_program::instantiate(store, embedder, self).map(Running::new)
    }

    /// An instance from an image.
    pub(crate) fn restore(&self, image: Vec<u8>, embedder: &Arc<dyn Embedder>) -> Result<Running, Refusal> {
        let store = Store::new(&self.runtime);
        wayfarer_program::restore(&store, embedder, self, &source(image)).map(Running::new)
    }

    fn function(&self, index: usize) -> Option<(FuncType, HostFunc)> {
        let import = self.module().imports.get(index)?;
        let ImportType::Func(ty) = import.ty else { return None };
        let ty = self.module().types[ty as usize].clone();
        let name = (import.module.clone(), import.name.clone());
        let host = match &*import.module {
            "host" => {
                let tick = self.tick.clone();
                HostFunc {
                    name,
                    restartable: false,
                    call: Box::new(move |caller, slots| {
                        let parts = HostParts::of(caller.instance).expect("its parts");
                        tick(parts.program(), slots[0] as u32);
                        Ok(())
                    }),
                    data: None,
                }
            }
            _ => wasi_calls::host_func(name, WasiFunction::find(&import.name)?, ty.params.len()),
        };
        Some((ty, host))
    }
}

/// The records of an image.
pub(crate) fn source(image: Vec<u8>) -> Source {
    Source::new(Image::from_bytes(image).expect("an image")).expect("its records")
}

// SAFETY: the functions are made in the store.
unsafe impl Blueprint for Guest {
    type Owner = Box<HostParts>;

    fn module(&self) -> &Module {
        &self.loaded.module
    }

    fn loaded(&self) -> Result<Arc<LoadedModule>, String> {
        Ok(self.loaded.clone())
    }

    fn wasi(&self) -> Result<WasiCtx, String> {
        let mut builder = WasiBuilder::new();
        // SAFETY: the guest's file stays open as long as it.
        unsafe { builder.arg("counting").stdio(-1, i64::from(self.out.as_raw_fd()), -1) };
        builder.build().map_err(|e| e.to_string())
    }

    fn layout(&self) -> Result<Option<Layout>, String> {
        layout::plan(self.module(), self.heap_size, 0).map_err(|why| format!("{why:?}"))
    }

    fn imports(&self, store: &Arc<Store>, layout: Option<&Layout>) -> Result<Vec<Extern>, String> {
        let memory = layout.map(|layout| layout.memory);
        let import = |(index, import): (usize, &wayfarer_module::Import)| match &import.ty {
            ImportType::Memory(ty) => store
                .add_memory(memory.unwrap_or_else(|| MemoryPlan::of(ty)))
                .map(Extern::Memory)
                .map_err(|e| e.to_string()),
            _ => {
                let (ty, host) = self.function(index).ok_or(format!("import {index}"))?;
                Ok(Extern::Func(store.add_host_func(&ty, host)))
            }
        };
        self.module().imports.iter().enumerate().map(import).collect()
    }

    fn functions<'a>(&'a self, store: &'a Arc<Store>) -> Box<dyn FnMut(usize) -> Option<*const Func> + 'a> {
        Box::new(|index| self.function(index).map(|(ty, host)| store.add_host_func(&ty, host)))
    }

    fn own(&self, parts: Box<HostParts>) -> Box<HostParts> {
        parts
    }

    fn parts(owner: &Box<HostParts>) -> &HostParts {
        owner
    }
}

impl Running {
    /// Runs the start functions of an instance that was made.
    pub(crate) fn new(made: Made<Box<HostParts>>) -> Running {
        let Made { owner: parts, in_place } = made;
        let env = ExecEnv::new(parts.store().clone(), 0).expect("an environment");
        let running = Running { parts, env: RefCell::new(env) };
        let starting = Starting::of(&running.parts, in_place);
        if starting.resumes {
            running.resume().expect("a start function");
        }
        for (entry, index) in starting.functions {
            let func = running.parts.instance().func(index).expect("a function");
            running.call_as(func, &[], entry).expect("a start function");
        }
        running
    }

    fn call_as(&self, func: &Func, args: &[u64], entry: Entry) -> Result<Vec<u64>, Failure> {
        let mut slots = args.to_vec();
        slots.resize(func.slots(), 0);
        // SAFETY: the guest's functions have these arguments.
        unsafe { self.parts.call(&self.env, func, &mut slots, entry) }?;
        slots.truncate(func.result_slots as usize);
        Ok(slots)
    }

    /// Calls an exported function.
    pub(crate) fn call(&self, name: &str, args: &[u64]) -> Result<Vec<u64>, Failure> {
        self.call_func(self.parts.exported_func(name).expect("an export"), args)
    }

    /// Calls a function.
    pub(crate) fn call_func(&self, func: &Func, args: &[u64]) -> Result<Vec<u64>, Failure> {
        self.call_as(func, args, Entry::Call)
    }

    /// Goes on with the call in progress.
    pub(crate) fn resume(&self) -> Result<Vec<u64>, Failure> {
        self.parts.resume(&self.env)
    }
}

/// Where an image goes that was ordered.
pub(crate) type Taken = Arc<OnceLock<Result<Report, String>>>;

/// Orders an image to memory.
pub(crate) fn order(program: &Program, then: AfterCheckpoint) -> Taken {
    let taken = Taken::default();
    let told = taken.clone();
    let done = move |result| told.set(result).expect("it is told once");
    let request = Request {
        image: Wanted {
            target: Target::Buffer,
            compression: Compression::None,
            reason: Reason::Api,
            files: None,
            group: None,
            leaves: None,
        },
        then,
        done: Box::new(done),
    };
    program.order(request).expect("an order");
    taken
}

/// The image.
pub(crate) fn image(taken: &Taken) -> Vec<u8> {
    let report = taken.get().expect("it was taken").as_ref().expect("it was taken");
    report.image.clone().expect("it is in memory")
}
