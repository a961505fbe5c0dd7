//! The store: everything that a program's instances are made of, and what is captured and restored as one.

use crate::control::Control;
use crate::engine::{Checkpointer, Engine};
use crate::func::{Func, HostFunc};
use crate::global::Global;
use crate::instance::{Instance, LoadedModule};
use crate::memory::{Memory, MemoryPlan};
use crate::table::Table;
use crate::types::TypeRegistry;
use crate::vm::NativeCode;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use wayfarer_module::{FuncType, GlobalType, Module, TableType};

/// Told of a memory that could not grow: whose it is, and how many pages it was to grow by.
pub type GrowthFailed = fn(&Instance, &Memory, u64);

/// What stores have in common: the engine and the function types.
#[derive(Debug)]
pub struct Runtime {
    /// Function types of all modules.
    pub types: TypeRegistry,
    /// The engine that runs them.
    pub engine: Arc<dyn Engine>,
    /// Who is told when a guest's `memory.grow` fails, if anybody.
    pub growth_failed: OnceLock<GrowthFailed>,
}

impl Runtime {
    /// A runtime on this engine.
    pub fn new(engine: Arc<dyn Engine>) -> Arc<Runtime> {
        Arc::new(Runtime { types: TypeRegistry::default(), engine, growth_failed: OnceLock::new() })
    }

    /// Prepares a module for instantiation.
    pub fn load(&self, module: Arc<Module>) -> Arc<LoadedModule> {
        self.load_compiled(module, None)
    }

    /// The same for a module that there is compiled code of.
    pub fn load_compiled(
        &self,
        module: Arc<Module>,
        native: Option<Arc<dyn NativeCode>>,
    ) -> Arc<LoadedModule> {
        let types: Box<[_]> = module.types.iter().map(|ty| self.types.intern(ty)).collect();
        let code = self.engine.prepare(&module, &types);
        Arc::new(LoadedModule { module, types, code, native, name: Mutex::default() })
    }
}

/// Objects of a store. They are boxed so that they stay where they are, and freed with the store.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "addresses must not change when a list grows")]
pub(crate) struct Objects {
    pub(crate) instances: Vec<Box<Instance>>,
    pub(crate) memories: Vec<Box<Memory>>,
    pub(crate) tables: Vec<Box<Table>>,
    pub(crate) globals: Vec<Box<Global>>,
    pub(crate) host_funcs: Vec<Box<Func>>,
}

/// A store. Objects are only ever added; pointers to them are good for the store's life.
pub struct Store {
    runtime: Arc<Runtime>,
    control: Arc<Control>,
    objects: Mutex<Objects>,
    checkpointer: Mutex<Option<Arc<dyn Checkpointer>>>,
    compiled: AtomicBool,
    companion: OnceLock<Arc<dyn std::any::Any + Send + Sync>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("control", &self.control).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store.
    pub fn new(runtime: &Arc<Runtime>) -> Arc<Store> {
        Arc::new(Store {
            runtime: runtime.clone(),
            control: Arc::default(),
            objects: Mutex::default(),
            checkpointer: Mutex::default(),
            compiled: AtomicBool::new(false),
            companion: OnceLock::new(),
        })
    }

    /// The runtime it was made for.
    #[inline]
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Requests to its threads.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Whether an instance in it runs compiled code.
    #[inline]
    pub fn has_compiled(&self) -> bool {
        self.compiled.load(Ordering::Relaxed)
    }

    pub(crate) fn note_compiled(&self) {
        self.compiled.store(true, Ordering::Relaxed);
    }

    /// Sets who takes checkpoints.
    pub fn set_checkpointer(&self, checkpointer: Option<Arc<dyn Checkpointer>>) {
        *self.checkpointer.lock().unwrap_or_else(|e| e.into_inner()) = checkpointer;
    }

    /// Who takes checkpoints.
    pub fn checkpointer(&self) -> Option<Arc<dyn Checkpointer>> {
        self.checkpointer.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Number of instances.
    pub fn instance_count(&self) -> usize {
        self.objects().instances.len()
    }

    /// Whether it has no objects, but for functions of the host.
    pub fn is_empty(&self) -> bool {
        let o = self.objects();
        o.instances.is_empty() && o.memories.is_empty() && o.tables.is_empty() && o.globals.is_empty()
    }

    /// Instance `index`, in order of instantiation.
    pub fn instance(&self, index: usize) -> Option<&Instance> {
        let instance: *const Instance = &**self.objects().instances.get(index)?;
        // SAFETY: boxed objects of a store are never moved or freed before it.
        Some(unsafe { &*instance })
    }

    /// Memory `index`, in order of creation (the order of a view's memories).
    pub fn memory(&self, index: usize) -> Option<&Memory> {
        let memory: *const Memory = &**self.objects().memories.get(index)?;
        // SAFETY: as above.
        Some(unsafe { &*memory })
    }

    /// Table `index`, in order of creation.
    pub fn table(&self, index: usize) -> Option<&Table> {
        let table: *const Table = &**self.objects().tables.get(index)?;
        // SAFETY: as above.
        Some(unsafe { &*table })
    }

    /// All instances, in order of instantiation. Those made meanwhile are not among them.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        (0..self.instance_count()).map_while(|index| self.instance(index))
    }

    /// All memories, in order of creation.
    pub fn memories(&self) -> impl Iterator<Item = &Memory> {
        let count = self.objects().memories.len();
        (0..count).map_while(|index| self.memory(index))
    }

    /// All tables, in order of creation.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        let count = self.objects().tables.len();
        (0..count).map_while(|index| self.table(index))
    }

    /// All globals, in order of creation.
    pub fn globals(&self) -> impl Iterator<Item = &Global> {
        let count = self.objects().globals.len();
        (0..count).map_while(|index| self.global(index))
    }

    /// What the embedder keeps with the store.
    pub fn companion(&self) -> Option<&Arc<dyn std::any::Any + Send + Sync>> {
        self.companion.get()
    }

    /// Keeps something with the store. The first thing stays.
    pub fn set_companion(&self, companion: Arc<dyn std::any::Any + Send + Sync>) {
        let _ = self.companion.set(companion);
    }

    /// Global `index`, in order of creation.
    pub fn global(&self, index: usize) -> Option<&Global> {
        let global: *const Global = &**self.objects().globals.get(index)?;
        // SAFETY: as above.
        Some(unsafe { &*global })
    }

    /// Adds a memory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add_memory(&self, plan: MemoryPlan) -> io::Result<*const Memory> {
        let memory = Box::new(Memory::new(plan)?);
        Ok(push(&mut self.objects().memories, memory))
    }

    /// Adds a table; `None` if it would be too large.
    pub fn add_table(&self, ty: &TableType, init: u64) -> Option<*const Table> {
        let table = Box::new(Table::new(ty, init)?);
        Some(push(&mut self.objects().tables, table))
    }

    /// Adds a global.
    pub fn add_global(&self, ty: GlobalType, value: [u64; 2]) -> *const Global {
        push(&mut self.objects().globals, Box::new(Global::new(ty, value)))
    }

    /// Adds a host function.
    pub fn add_host_func(&self, ty: &FuncType, host: HostFunc) -> *const Func {
        let func = Func {
            ty: self.runtime.types.intern(ty),
            index: u32::MAX,
            vmctx: std::ptr::null_mut(),
            native: Default::default(),
            param_slots: ty.param_slots(),
            result_slots: ty.result_slots(),
            instance: std::ptr::null(),
            code: std::ptr::null(),
            host: Some(Box::new(host)),
        };
        push(&mut self.objects().host_funcs, Box::new(func))
    }

    pub(crate) fn add_instance(&self, instance: Box<Instance>) -> *const Instance {
        let mut objects = self.objects();
        instance.index.set(objects.instances.len() as u32);
        push(&mut objects.instances, instance)
    }
}

fn push<T>(list: &mut Vec<Box<T>>, object: Box<T>) -> *const T {
    let address: *const T = &*object;
    list.push(object);
    address
}
