//! A module in Wayfarer: from its beginning, or from an image.

use super::host;
use super::random::Random;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wayfarer_interp::Interpreter;
use wayfarer_module::{ExternKind, FuncType, GlobalType, ImportType, Limits, Module, TableType, ValType};
use wayfarer_runtime::memory::MemoryPlan;
use wayfarer_runtime::{
    AfterCheckpoint, CaptureError, Checkpointer, ExecEnv, Extern, Func, HostError, HostFunc, Instance,
    InstantiateOptions, LoadedModule, ResumeError, Runtime, Store, Trap, TrapCode,
};
use wayfarer_snapshot::view::{Entry, ProgramView, StoreView, Thread, Value};
use wayfarer_snapshot::{Compression, Image, Info, Reason, WriteOptions, save_to_vec};

/// What modules run in.
pub(crate) trait Home {
    /// A new runtime, and what it makes of the module.
    fn load(&self, module: &Arc<Module>) -> (Arc<Runtime>, Arc<LoadedModule>);

    /// Whether it has the stable points that the interpreter has.
    fn counts(&self) -> bool;

    /// Whether a module's state is not known once an access outside of its memory ended it: such accesses fault, and
    /// what was to come before may not have.
    fn faults(&self) -> bool;
}

/// Interpreted.
pub(crate) struct Interpreted;

impl Home for Interpreted {
    fn load(&self, module: &Arc<Module>) -> (Arc<Runtime>, Arc<LoadedModule>) {
        let runtime = Runtime::new(Arc::new(Interpreter));
        let loaded = runtime.load(module.clone());
        (runtime, loaded)
    }

    fn counts(&self) -> bool {
        true
    }

    fn faults(&self) -> bool {
        false
    }
}

/// A call from the host.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Which function.
    pub(crate) func: u32,
    /// The name that it is exported by; none for the start function.
    pub(crate) export: Option<Box<str>>,
    pub(crate) args: Vec<Value>,
}

impl Step {
    /// The start function, if there is one.
    pub(crate) fn start(module: &Module) -> Option<Step> {
        module.start.map(|func| Step { func, export: None, args: Vec::new() })
    }

    /// Calls of all exported functions that the module itself has.
    pub(crate) fn exports(module: &Module, seed: u64) -> Vec<Step> {
        let mut random = Random::new(seed);
        let exports = module.exports.iter();
        exports
            .filter(|export| export.kind == ExternKind::Func && export.index >= module.num_imported_funcs)
            .map(|export| {
                let params = module.func_type(export.index).params.iter();
                Step {
                    func: export.index,
                    export: Some(export.name.clone()),
                    args: params.map(|&ty| host::value(&mut random, ty)).collect(),
                }
            })
            .collect()
    }
}

/// What came of a step: results, or why there are none.
pub(crate) type Outcome = Result<Vec<Value>, String>;

/// What the text of [`Trap::Stopped`] is.
pub(crate) const STOPPED: &str = "stopped by checkpoint";

/// All that a run left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct End {
    pub(crate) store: StoreView,
    /// Hash of the memories' bytes.
    pub(crate) memories: u64,
    pub(crate) log: Vec<host::Call>,
}

/// What the host remembers.
#[derive(Clone, Default, Debug)]
struct World {
    log: Vec<host::Call>,
    /// Whether the call that is made now has waited already.
    waited: bool,
}

#[derive(Clone, Default, Debug)]
struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    fn get(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A module at work.
pub(crate) struct Machine {
    module: Arc<Module>,
    pub(crate) store: Arc<Store>,
    env: ExecEnv,
    world: SharedWorld,
    /// The step that runs.
    step: Arc<AtomicUsize>,
    /// See [`Home::faults`].
    pub(crate) faults: bool,
}

impl Machine {
    /// Instantiates a module; the start function is not called. An error is the trap of an active segment.
    pub(crate) fn new(home: &dyn Home, module: &Arc<Module>, waits: bool) -> Result<Machine, String> {
        let (mut machine, loaded) = Machine::empty(home, module)?;
        let imports: Vec<Extern> = (0..module.imports.len())
            .map(|index| machine.import(index, waits))
            .collect::<Option<_>>()
            .ok_or("import")?;
        // SAFETY: objects of this store.
        let made = unsafe { machine.store.instantiate(&loaded, &imports, &InstantiateOptions::default()) };
        let instance: *const Instance = made.map_err(|e| e.to_string())?;
        machine.env.instance = instance;
        Ok(machine)
    }

    /// A program as it was at a checkpoint, in a new store of a new runtime; and the thread to go on with.
    pub(crate) fn restored(
        home: &dyn Home,
        module: &Arc<Module>,
        waits: bool,
        checkpoint: &Checkpoint,
    ) -> Result<(Machine, Thread), String> {
        let (mut machine, loaded) = Machine::empty(home, module)?;
        *machine.world.get() = checkpoint.world.clone();
        let mut image = Image::from_bytes(checkpoint.image.clone()).map_err(|e| e.to_string())?;
        machine
            .store
            .restore_image(&image, &[loaded], |_, index| match machine.import(index, waits) {
                Some(Extern::Func(func)) => Some(func),
                _ => None,
            })
            .map_err(|e| e.to_string())?;
        machine.env.instance = machine.store.instance(0).ok_or("no instance")?;
        let thread = image.take_program().threads.pop().ok_or("the image has no thread")?;
        if thread != checkpoint.thread {
            return Err(format!("the image has {thread:?}, not {:?}", checkpoint.thread));
        }
        let now = machine.program(thread.clone())?;
        if now != checkpoint.program || memories(&machine.store) != checkpoint.memories {
            return Err(format!("restored is {now:?}, not {:?}, or its memories differ", checkpoint.program));
        }
        Ok((machine, thread))
    }

    fn empty(home: &dyn Home, module: &Arc<Module>) -> Result<(Machine, Arc<LoadedModule>), String> {
        let (runtime, loaded) = home.load(module);
        let faults = home.faults();
        let store = Store::new(&runtime);
        let env = ExecEnv::new(store.clone(), 0).map_err(|e| e.to_string())?;
        let (world, step) = Default::default();
        Ok((Machine { module: module.clone(), store, env, world, step, faults }, loaded))
    }

    /// What the host has for an import.
    fn import(&self, index: usize, waits: bool) -> Option<Extern> {
        let import = self.module.imports.get(index)?;
        let table = |elem, (min, max): (u32, u32)| {
            let limits = Limits { min: min.into(), max: Some(max.into()) };
            self.store.add_table(&TableType { elem, limits }, 0).map(Extern::Table)
        };
        let global = |val, mutable, value| {
            Extern::Global(self.store.add_global(GlobalType { val, mutable }, [value, 0]))
        };
        match (&*import.name, import.ty) {
            (name, ImportType::Func(ty)) => {
                Some(Extern::Func(self.host_func(name, &self.module.types[ty as usize], waits)))
            }
            ("memory", _) => {
                let [len, max] = [host::MEMORY.0, host::MEMORY.1].map(|pages| u64::from(pages) << 16);
                let plan = MemoryPlan { len, max, page_size: 1 << 16, shared: false };
                self.store.add_memory(plan).ok().map(Extern::Memory)
            }
            ("table", _) => table(ValType::FuncRef, host::TABLE),
            ("objects", _) => table(ValType::ExternRef, host::OBJECTS),
            ("counter", _) => Some(global(ValType::I64, true, host::COUNTER)),
            ("seed", _) => Some(global(ValType::I32, false, host::SEED.into())),
            _ => None,
        }
    }

    fn host_func(&self, name: &str, ty: &FuncType, waits: bool) -> *const Func {
        let (world, name, own) = (self.world.clone(), name.to_owned(), ty.clone());
        let host = HostFunc {
            name: (host::NAME.into(), (&*name).into()),
            restartable: true,
            call: Box::new(move |caller, slots| {
                let mut world = world.get();
                // Where no guest waits for it, there is no stable point.
                if waits && caller.env.depth > 0 {
                    world.waited = !world.waited;
                    if world.waited {
                        return Err(HostError::Interrupted);
                    }
                }
                let store = caller.env.store();
                let args = values(store, &own.params, slots).ok_or_else(|| Trap::host("arguments"))?;
                let mut at = 0;
                for value in host::call(&mut world.log, &name, &args, &own.results) {
                    at += to_slots(store, &value, &mut slots[at..]).ok_or_else(|| Trap::host("results"))?;
                }
                Ok(())
            }),
            data: None,
        };
        self.store.add_host_func(ty, host)
    }

    /// Runs steps from number `first` on, until one does not end well.
    pub(crate) fn run(&mut self, steps: &[Step], first: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (index, step) in steps.iter().enumerate().skip(first) {
            self.step.store(index, Ordering::Relaxed);
            let outcome = self.call(step);
            let over = outcome.is_err();
            outcomes.push(outcome);
            if over {
                break;
            }
        }
        outcomes
    }

    /// Goes on with a thread that was captured in step `first`, and with what follows.
    pub(crate) fn resume(&mut self, steps: &[Step], first: usize, thread: &Thread) -> Vec<Outcome> {
        self.step.store(first, Ordering::Relaxed);
        let engine = self.store.runtime().engine.clone();
        let outcome = match engine.resume(&mut self.env, thread) {
            Ok(slots) => self.results(&steps[first], &slots),
            Err(ResumeError::Trap(trap)) => Err(text(&trap)),
            Err(error @ ResumeError::Invalid { .. }) => Err(error.to_string()),
        };
        let over = outcome.is_err();
        let mut outcomes = vec![outcome];
        if !over {
            outcomes.extend(self.run(steps, first + 1));
        }
        outcomes
    }

    fn call(&mut self, step: &Step) -> Outcome {
        let func = self.store.instance(0).ok_or("no instance")?.funcs()[step.func as usize];
        let mut args = vec![0; self.module.func_type(step.func).param_slots() as usize];
        let mut at = 0;
        for value in &step.args {
            at += to_slots(&self.store, value, &mut args[at..]).ok_or("argument")?;
        }
        self.env.entry = if step.export.is_some() { Entry::Call } else { Entry::Start };
        let engine = self.store.runtime().engine.clone();
        // SAFETY: a function of this store, and arguments of its type.
        let called = unsafe { engine.call(&mut self.env, func, &args) };
        called.map_err(|trap| text(&trap)).and_then(|slots| self.results(step, &slots))
    }

    fn results(&self, step: &Step, slots: &[u64]) -> Outcome {
        values(&self.store, &self.module.func_type(step.func).results, slots)
            .ok_or_else(|| "results".to_owned())
    }

    fn program(&self, thread: Thread) -> Result<ProgramView, String> {
        self.store.program(vec![thread], Vec::new()).map_err(|e| e.to_string())
    }

    /// All that there is now.
    pub(crate) fn end(&self) -> Result<End, String> {
        let store = self.store.capture().map_err(|e| e.to_string())?;
        Ok(End { store, memories: memories(&self.store), log: self.world.get().log.clone() })
    }

    /// Takes checkpoints at polls to come: `gaps` is how many polls there are from now, or from the one before, to each.
    pub(crate) fn visit(&self, gaps: &[u64], after: AfterCheckpoint) -> Arc<Visitor> {
        let visitor = Arc::new(Visitor {
            world: self.world.clone(),
            step: self.step.clone(),
            gaps: gaps.iter().rev().copied().collect::<Vec<_>>().into(),
            taken: Mutex::default(),
            after,
        });
        self.store.set_checkpointer(Some(visitor.clone()));
        visitor.arm(&self.store);
        visitor
    }
}

/// A checkpoint of a program, and of its world.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    /// How many polls there had been.
    pub(crate) at: u64,
    /// The step that ran.
    pub(crate) step: usize,
    pub(crate) thread: Thread,
    pub(crate) program: ProgramView,
    /// Hash of the memories' bytes.
    pub(crate) memories: u64,
    image: Vec<u8>,
    world: World,
}

/// Takes checkpoints at certain polls, and keeps them.
pub(crate) struct Visitor {
    world: SharedWorld,
    step: Arc<AtomicUsize>,
    /// Those to come, the next one last.
    gaps: Mutex<Vec<u64>>,
    taken: Mutex<Vec<Result<Checkpoint, String>>>,
    after: AfterCheckpoint,
}

impl Visitor {
    /// Counts on to the next one, or without end.
    fn arm(&self, store: &Store) {
        let gap = self.gaps.lock().unwrap_or_else(PoisonError::into_inner).pop();
        store.control().checkpoint_at(gap.unwrap_or(u64::MAX));
    }

    /// The checkpoints since the last time.
    pub(crate) fn take(&self) -> Result<Vec<Checkpoint>, String> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }

    fn checkpoint(&self, store: &Store, thread: Result<Thread, CaptureError>) -> Result<Checkpoint, String> {
        let thread = thread.map_err(|e| e.to_string())?;
        let program = store.program(vec![thread.clone()], Vec::new()).map_err(|e| e.to_string())?;
        let (at, world) = (store.control().polls(), self.world.get().clone());
        let compression = if at % 2 == 0 { Compression::None } else { Compression::Zstd(1) };
        let options = WriteOptions { compression, ..WriteOptions::default() };
        let image = store.with_memories(&program, |memories| {
            save_to_vec(&program, &Info::now(Reason::Count, 1), memories, &options)
        });
        let image = image.map_err(|e| e.to_string())?;
        let (step, memories) = (self.step.load(Ordering::Relaxed), memories(store));
        Ok(Checkpoint { at, step, thread, program, memories, image, world })
    }
}

impl Checkpointer for Visitor {
    fn checkpoint(&self, store: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        let taken = self.checkpoint(store, thread);
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
        self.arm(store);
        self.after
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        panic!("the guest waits in no host function")
    }
}

fn memories(store: &Store) -> u64 {
    let mut hasher = DefaultHasher::new();
    for memory in (0..).map_while(|index| store.memory(index)) {
        // SAFETY: mapped and committed up to its size; the guest stands still.
        unsafe { std::slice::from_raw_parts(memory.base(), memory.len()) }.hash(&mut hasher);
    }
    hasher.finish()
}

fn values(store: &Store, types: &[ValType], slots: &[u64]) -> Option<Vec<Value>> {
    let ids = store.func_ids();
    let mut at = 0;
    let values = types.iter().map(|&ty| {
        let value = ids.value(ty, &slots[at..]);
        at += ty.slots() as usize;
        value
    });
    values.collect()
}

/// Writes a value's slots; how many they are.
fn to_slots(store: &Store, value: &Value, slots: &mut [u64]) -> Option<usize> {
    let (bits, count) = (store.value_to_slots(value)?, value.ty().slots() as usize);
    slots[..count].copy_from_slice(&bits[..count]);
    Some(count)
}

/// A trap's text; the same for both ways to be outside of a table, which only WAMR tells apart.
fn text(trap: &Trap) -> String {
    match trap {
        Trap::Code(TrapCode::UndefinedElement) => TrapCode::TableOutOfBounds.text().to_owned(),
        trap => trap.to_string(),
    }
}

/// The memory of an instance.
pub(crate) fn memory(instance: &Instance, index: u32) -> Option<&[u8]> {
    let memory = instance.memory(index)?;
    // SAFETY: as in `memories`.
    Some(unsafe { std::slice::from_raw_parts(memory.base(), memory.len()) })
}
