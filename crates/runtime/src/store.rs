//! The store: everything that a program's instances are made of, and what is captured and restored as one.

use crate::code_address::PreparedFunc;
use crate::control::Control;
use crate::engine::{Checkpointer, Engine};
use crate::func::{Func, HostFunc};
use crate::global::Global;
use crate::instance::{Instance, LoadedModule};
use crate::life::Life;
use crate::memory::{Memory, MemoryPlan};
use crate::table::Table;
use crate::types::TypeRegistry;
use crate::vm::NativeCode;
use crate::waits::Reserved;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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

/// Objects of a kind, in the order in which they were made. They are boxed so that they stay where they are.
#[derive(Debug)]
pub(crate) struct List<T> {
    objects: Vec<Box<T>>,
    /// How many were made before each of them.
    numbers: Vec<u32>,
    made: u32,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List { objects: Vec::new(), numbers: Vec::new(), made: 0 }
    }
}

impl<T> List<T> {
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.objects.iter().map(|object| &**object)
    }

    fn get(&self, index: usize) -> Option<*const T> {
        self.objects.get(index).map(|object| &raw const **object)
    }

    /// The object that so many were made before.
    fn numbered(&self, number: u32) -> Option<*const T> {
        self.get(self.numbers.binary_search(&number).ok()?)
    }

    /// How many were made before each.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    fn push(&mut self, object: Box<T>) -> *const T {
        let address: *const T = &*object;
        self.objects.push(object);
        self.numbers.push(self.made);
        // No history reaches as far as this counts.
        self.made = self.made.saturating_add(1);
        address
    }

    /// Whether this object was made last, of those that are there.
    pub(crate) fn is_last(&self, object: *const T) -> bool {
        self.objects.last().is_some_and(|last| std::ptr::eq(&raw const **last, object))
    }

    /// Takes the last object out, as if it had never been made.
    pub(crate) fn pop(&mut self) -> Option<Box<T>> {
        let number = self.numbers.pop()?;
        if self.made == number + 1 {
            self.made = number;
        }
        self.objects.pop()
    }

    /// Takes an object out; if it was made last, as if it had never been.
    pub(crate) fn take(&mut self, object: *const T) -> Option<Box<T>> {
        if self.is_last(object) {
            return self.pop();
        }
        let at = self.objects.iter().rposition(|other| std::ptr::eq(&raw const **other, object))?;
        self.numbers.remove(at);
        Some(self.objects.remove(at))
    }

    /// Puts an object where another one is, which it gives back.
    fn replace(&mut self, other: *const T, object: Box<T>) -> Result<(usize, Box<T>), Box<T>> {
        let at = self.objects.iter().rposition(|one| std::ptr::eq(&raw const **one, other));
        match at.and_then(|at| Some((at, self.objects.get_mut(at)?))) {
            Some((at, place)) => Ok((at, std::mem::replace(place, object))),
            None => Err(object),
        }
    }

    /// Takes those out that are not to be kept.
    pub(crate) fn take_unless(&mut self, keep: impl Fn(&T) -> bool) -> Vec<Box<T>> {
        if self.iter().all(&keep) {
            return Vec::new();
        }
        let (objects, numbers) = (std::mem::take(&mut self.objects), std::mem::take(&mut self.numbers));
        let mut gone = Vec::new();
        for (object, number) in objects.into_iter().zip(numbers) {
            if keep(&object) {
                self.objects.push(object);
                self.numbers.push(number);
            } else {
                gone.push(object);
            }
        }
        gone
    }
}

/// Objects of a store.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) instances: List<Instance>,
    pub(crate) memories: List<Memory>,
    pub(crate) tables: List<Table>,
    pub(crate) globals: List<Global>,
    pub(crate) host_funcs: List<Func>,
    /// Elements of tables that the last collection looked at.
    pub(crate) looked_at: usize,
}

impl Objects {
    /// How much a collection has to look at, roughly.
    pub(crate) fn size(&self) -> usize {
        let lists = [self.instances.len(), self.memories.len(), self.tables.len(), self.globals.len()];
        lists.iter().sum::<usize>() + self.host_funcs.len() + self.looked_at
    }
}

/// A store. How long its objects live: see [`crate::life`].
pub struct Store {
    runtime: Arc<Runtime>,
    control: Arc<Control>,
    objects: Mutex<Objects>,
    checkpointer: Mutex<Option<Arc<dyn Checkpointer>>>,
    compiled: AtomicBool,
    companion: OnceLock<Arc<dyn std::any::Any + Send + Sync>>,
    /// Burden of what was found to be used no more since the last collection.
    unused: AtomicUsize,
    /// Places in queues of threads of an image that have not gone on yet.
    reserved: Mutex<HashMap<u64, Reserved>>,
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
            unused: AtomicUsize::new(0),
            reserved: Mutex::default(),
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

    pub(crate) fn reserved(&self) -> MutexGuard<'_, HashMap<u64, Reserved>> {
        self.reserved.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes that an object is used from outside no more, or that one was made that nobody will use.
    pub fn note_unused(&self, burden: usize) {
        self.unused.fetch_add(burden, Ordering::Relaxed);
    }

    /// Whether there may be something to free.
    #[inline]
    pub fn has_unused(&self) -> bool {
        self.unused.load(Ordering::Relaxed) > 0
    }

    /// Whether there may be so much of it that it is worth to look for it.
    pub fn is_worth_collecting(&self) -> bool {
        self.has_unused() && self.unused.load(Ordering::Relaxed) >= self.objects().size()
    }

    pub(crate) fn forget_unused(&self) {
        self.unused.store(0, Ordering::Relaxed);
    }

    /// Number of instances.
    pub fn instance_count(&self) -> usize {
        self.objects().instances.len()
    }

    /// How many instances were made in it: the number of the next one.
    pub fn instances_made(&self) -> u32 {
        self.objects().instances.made
    }

    /// Numbers of its memories, in order: how many were made before each.
    pub(crate) fn memory_numbers(&self) -> Vec<u32> {
        self.objects().memories.numbers.clone()
    }

    /// Numbers of its tables.
    pub(crate) fn table_numbers(&self) -> Vec<u32> {
        self.objects().tables.numbers.clone()
    }

    /// Numbers of its globals.
    pub(crate) fn global_numbers(&self) -> Vec<u32> {
        self.objects().globals.numbers.clone()
    }

    /// Whether it has no objects, but for functions of the host.
    pub fn is_empty(&self) -> bool {
        let o = self.objects();
        [o.instances.len(), o.memories.len(), o.tables.len(), o.globals.len()] == [0; 4]
    }

    /// Instance `index` of those that are there, in order of instantiation.
    pub fn instance(&self, index: usize) -> Option<&Instance> {
        let instance = self.objects().instances.get(index)?;
        // SAFETY: objects stay where they are, until the next collection at least (see `life`).
        Some(unsafe { &*instance })
    }

    /// Memory `index`, in order of creation (the order of a view's memories).
    pub fn memory(&self, index: usize) -> Option<&Memory> {
        let memory = self.objects().memories.get(index)?;
        // SAFETY: as above.
        Some(unsafe { &*memory })
    }

    /// Table `index`, in order of creation.
    pub fn table(&self, index: usize) -> Option<&Table> {
        let table = self.objects().tables.get(index)?;
        // SAFETY: as above.
        Some(unsafe { &*table })
    }

    /// The instance that so many were made before.
    pub fn instance_numbered(&self, number: u32) -> Option<&Instance> {
        let instance = self.objects().instances.numbered(number)?;
        // SAFETY: as above.
        Some(unsafe { &*instance })
    }

    /// The memory that so many were made before.
    pub fn memory_numbered(&self, number: u32) -> Option<&Memory> {
        let memory = self.objects().memories.numbered(number)?;
        // SAFETY: as above.
        Some(unsafe { &*memory })
    }

    /// The table that so many were made before.
    pub fn table_numbered(&self, number: u32) -> Option<&Table> {
        let table = self.objects().tables.numbered(number)?;
        // SAFETY: as above.
        Some(unsafe { &*table })
    }

    /// The global that so many were made before.
    pub fn global_numbered(&self, number: u32) -> Option<&Global> {
        let global = self.objects().globals.numbered(number)?;
        // SAFETY: as above.
        Some(unsafe { &*global })
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
        let global = self.objects().globals.get(index)?;
        // SAFETY: as above.
        Some(unsafe { &*global })
    }

    /// Adds a memory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add_memory(&self, plan: MemoryPlan) -> io::Result<*const Memory> {
        let memory = Box::new(Memory::new(plan)?);
        Ok(self.objects().memories.push(memory))
    }

    /// Adds a table; `None` if it would be too large.
    pub fn add_table(&self, ty: &TableType, init: u64) -> Option<*const Table> {
        let table = Box::new(Table::new(ty, init)?);
        Some(self.objects().tables.push(table))
    }

    /// Adds a global.
    pub fn add_global(&self, ty: GlobalType, value: [u64; 2]) -> *const Global {
        self.objects().globals.push(Box::new(Global::new(ty, value)))
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
            code: PreparedFunc::NULL,
            host: Some(Box::new(host)),
            life: Life::default(),
        };
        self.objects().host_funcs.push(Box::new(func))
    }

    /// Adds an instance, or puts it where another is that nobody uses any more, which goes with what only that has.
    pub(crate) fn add_instance(
        &self,
        mut instance: Box<Instance>,
        vacant: Option<*const Instance>,
    ) -> *const Instance {
        let mut objects = self.objects();
        if let Some(vacant) = vacant {
            let address: *const Instance = &*instance;
            match objects.instances.replace(vacant, instance) {
                Ok((at, gone)) => {
                    // SAFETY: it is in the list now, and nobody else has it yet.
                    let new = unsafe { &*address };
                    new.index.set(at as u32);
                    new.number.set(gone.number());
                    // SAFETY: nobody uses it, as who gave it has promised.
                    let others = unsafe { objects.take_alone(&gone) };
                    drop(objects);
                    drop((gone, others));
                    return address;
                }
                Err(back) => instance = back,
            }
        }
        instance.index.set(objects.instances.len() as u32);
        instance.number.set(objects.instances.made);
        objects.instances.push(instance)
    }
}

/// What an instance had alone.
type Alone = (Vec<Box<Memory>>, Vec<Box<Table>>, Vec<Box<Global>>);

impl Objects {
    /// Takes out what an instance has that no other in the list has, and that is not used from outside.
    ///
    /// # Safety
    /// Nobody else uses any of that.
    pub(crate) unsafe fn take_alone(&mut self, instance: &Instance) -> Alone {
        let Objects { instances, memories, tables, globals, .. } = self;
        let elsewhere = |has: &dyn Fn(&Instance) -> bool| {
            instances.iter().any(|other| !std::ptr::eq(other, instance) && has(other))
        };
        let mut alone = Alone::default();
        // The last first: so each is the last when it is taken.
        for &memory in instance.memories.iter().rev() {
            // SAFETY: an instance keeps its memories.
            let used = unsafe { &*memory }.life.is_used();
            if !used && !elsewhere(&|other| other.memories.contains(&memory)) {
                alone.0.extend(memories.take(memory));
            }
        }
        for &table in instance.tables.iter().rev() {
            // SAFETY: as above.
            let used = unsafe { &*table }.life.is_used();
            if !used && !elsewhere(&|other| other.tables.contains(&table)) {
                alone.1.extend(tables.take(table));
            }
        }
        for &global in instance.globals.iter().rev() {
            // SAFETY: as above.
            let used = unsafe { &*global }.life.is_used();
            if !used && !elsewhere(&|other| other.globals.contains(&global)) {
                alone.2.extend(globals.take(global));
            }
        }
        alone
    }
}
