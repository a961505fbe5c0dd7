//! Instantiation: allocate, link, initialise. Calling the start function is the embedder's next step
//! (WebAssembly 2.0, section 4.5.4).

use crate::const_eval;
use crate::func::Func;
use crate::instance::{Extern, Instance, LoadedModule};
use crate::memory::{Memory, MemoryPlan};
use crate::restore::RestoredObjects;
use crate::store::Store;
use crate::trap::TrapCode;
use crate::values::NULL_REF;
use crate::vm::VmContext;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use wayfarer_module::{FuncIdx, ImportType, SegmentMode};

/// Why a module could not be instantiated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InstantiateError {
    /// Import `index` was not given, or is not of the declared type.
    Import {
        /// Position in the module's imports.
        index: usize,
        /// `unknown import` or `incompatible import type`.
        reason: &'static str,
    },
    /// No memory for a linear memory.
    Memory,
    /// No memory for a table.
    Table,
    /// An active segment does not fit. The instance stays in the store: segments before it are in effect.
    Segment(TrapCode),
}

impl fmt::Display for InstantiateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstantiateError::Import { reason, .. } => f.write_str(reason),
            InstantiateError::Memory => f.write_str("allocate linear memory failed"),
            InstantiateError::Table => f.write_str("allocate memory failed"),
            InstantiateError::Segment(code) => f.write_str(code.text()),
        }
    }
}

impl std::error::Error for InstantiateError {}

/// What the embedder wants different from what the module says.
#[derive(Clone, Debug, Default)]
pub struct InstantiateOptions {
    /// Sizes of memory 0: a local one, or one that the embedder made for this import alone.
    pub memory: Option<MemoryPlan>,
    /// Values of local i32 globals, by global index (`__heap_base` moves when an app heap is inserted).
    pub globals: Vec<(u32, u32)>,
    /// Use these instead of allocating (restoring an image).
    pub restored: Option<RestoredObjects>,
    /// Of an instance for a thread of a guest ([`Store::instantiate_beside`]).
    pub beside: Beside,
}

/// What an instance has of others.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Memories that are another instance's too, by index.
    pub(crate) shared: Vec<Option<*const Memory>>,
    /// The instance whose place the new one takes.
    pub(crate) vacant: Option<*const Instance>,
}

impl Store {
    /// Instantiates a module: links `imports` (one per import, in order), allocates, runs active segments. The start
    /// function is not called.
    ///
    /// # Safety
    /// The pointers in `imports` must be to objects of this store.
    ///
    /// # Errors
    /// [`InstantiateError`].
    pub unsafe fn instantiate(
        self: &Arc<Self>,
        loaded: &Arc<LoadedModule>,
        imports: &[Extern],
        options: &InstantiateOptions,
    ) -> Result<&Instance, InstantiateError> {
        // SAFETY: passed on.
        let instance = unsafe { self.allocate(loaded, imports, options)? };
        run_active_segments(instance)?;
        Ok(instance)
    }

    /// Like [`Store::instantiate`], without the active segments: what restoring an image starts from.
    ///
    /// # Safety
    /// As for [`Store::instantiate`].
    ///
    /// # Errors
    /// [`InstantiateError`].
    pub unsafe fn allocate(
        self: &Arc<Self>,
        loaded: &Arc<LoadedModule>,
        imports: &[Extern],
        options: &InstantiateOptions,
    ) -> Result<&Instance, InstantiateError> {
        let module = &loaded.module;
        let (mut funcs, mut tables, mut memories, mut globals) = (vec![], vec![], vec![], vec![]);
        for (index, import) in module.imports.iter().enumerate() {
            let given =
                imports.get(index).ok_or(InstantiateError::Import { index, reason: "unknown import" })?;
            let plan = options.memory.filter(|_| memories.is_empty());
            // SAFETY: the caller vouches for the pointers.
            if !unsafe { self.matches(given, &import.ty, plan, loaded) } {
                return Err(InstantiateError::Import { index, reason: "incompatible import type" });
            }
            match *given {
                Extern::Func(f) => funcs.push(f),
                Extern::Table(t) => tables.push(t),
                Extern::Memory(m) => memories.push(m),
                Extern::Global(g) => globals.push(g),
            }
        }

        // Local functions live in the instance; it is built in place so that they can point back to it.
        let mut instance = Box::new_uninit();
        let address: *const Instance = instance.as_ptr();
        let mut own_funcs: Box<[Func]> = module
            .defined_funcs()
            .map(|index| (index, module.func_type(index.0)))
            .map(|(index, ty)| Func {
                ty: loaded.types[module.funcs[index.0 as usize].ty as usize],
                index: index.0,
                vmctx: std::ptr::null_mut(),
                native: Default::default(),
                param_slots: ty.param_slots(),
                result_slots: ty.result_slots(),
                instance: address,
                code: loaded.code.code(index),
                host: None,
                life: Default::default(),
            })
            .collect();
        funcs.extend(own_funcs.iter().map(|f| &raw const *f));

        if let Some(restored) = &options.restored {
            (tables, memories, globals) =
                (restored.tables.clone(), restored.memories.clone(), restored.globals.clone());
        }
        for (nth, ty) in module.memories.iter().enumerate().skip(memories.len()) {
            if let Some(Some(shared)) = options.beside.shared.get(nth) {
                memories.push(*shared);
                continue;
            }
            let plan = if nth == 0 { options.memory } else { None }.unwrap_or_else(|| MemoryPlan::of(ty));
            memories.push(self.add_memory(plan).map_err(|_| InstantiateError::Memory)?);
        }
        for (index, global) in module.globals.iter().enumerate().skip(globals.len()) {
            let mut value = match &global.init {
                Some(init) => const_eval::eval(init, &globals, &funcs),
                None => [0, 0],
            };
            if let Some((_, other)) = options.globals.iter().find(|(i, _)| *i as usize == index) {
                value = [u64::from(*other), 0];
            }
            globals.push(self.add_global(global.ty, value));
        }
        for table in &module.tables[tables.len()..] {
            let init =
                table.init.as_ref().map_or(NULL_REF, |init| const_eval::eval(init, &globals, &funcs)[0]);
            tables.push(self.add_table(&table.ty, init).ok_or(InstantiateError::Table)?);
        }

        let vm = loaded.native.as_ref().filter(|native| {
            // SAFETY: memories of this store.
            !native.needs_guard() || memories.iter().all(|&memory| unsafe { &*memory }.is_guarded())
        });
        let vm = vm.map(|native| {
            let mut vm = VmContext::new(loaded, native, address, &funcs, &tables, &memories, &globals);
            vm.connect(self.control());
            self.note_compiled();
            let growing = !native.codes().is_null();
            for func in &mut own_funcs {
                let code = module.defined(FuncIdx(func.index)).and_then(|defined| native.func(defined));
                // Code of a module that was compiled as a whole does not ask whether there is any.
                if growing || code.is_some() {
                    func.vmctx = vm.as_ptr();
                }
                if let Some(code) = code {
                    func.set_native(code);
                }
            }
            vm
        });
        instance.write(Instance {
            vm,
            watches: Default::default(),
            store: Arc::downgrade(self),
            loaded: loaded.clone(),
            funcs: funcs.into(),
            tables: tables.into(),
            memories: memories.into(),
            globals: globals.into(),
            dropped_datas: module.datas.iter().map(|_| AtomicBool::new(false)).collect(),
            dropped_elems: module.elems.iter().map(|_| AtomicBool::new(false)).collect(),
            own_funcs,
            owner: Default::default(),
            companion: Default::default(),
            index: Default::default(),
            number: Default::default(),
            life: Default::default(),
        });
        // SAFETY: just written.
        let instance = self.add_instance(unsafe { instance.assume_init() }, options.beside.vacant);
        // SAFETY: boxed objects of a store stay where they are, until the next collection at least.
        Ok(unsafe { &*instance })
    }

    /// Import matching (WebAssembly 2.0, section 4.5.1 "External Typing" and 3.4.8 "Import Subtyping"). `plan`: what a
    /// memory has to be instead of what the module says.
    unsafe fn matches(
        &self,
        given: &Extern,
        wanted: &ImportType,
        plan: Option<MemoryPlan>,
        loaded: &LoadedModule,
    ) -> bool {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            match (given, wanted) {
                (Extern::Func(f), ImportType::Func(ty)) => (**f).ty == loaded.types[*ty as usize],
                (Extern::Table(t), ImportType::Table(ty)) => {
                    let t = &**t;
                    t.elem_type() == ty.elem
                        && limits_match(u64::from(t.len()), t.max(), ty.limits.min, ty.limits.max)
                }
                (Extern::Memory(m), ImportType::Memory(ty)) => {
                    let (have, want) = ((**m).plan(), plan.unwrap_or_else(|| MemoryPlan::of(ty)));
                    // 4 GiB stands for "no maximum" in a plan; a declared maximum must not be exceeded.
                    have.shared == want.shared && have.len >= want.len && have.max <= want.max
                }
                (Extern::Global(g), ImportType::Global(ty)) => (**g).ty() == *ty,
                _ => false,
            }
        }
    }
}

fn limits_match(len: u64, max: Option<u64>, want_min: u64, want_max: Option<u64>) -> bool {
    len >= want_min && want_max.is_none_or(|want| max.is_some_and(|max| max <= want))
}

fn run_active_segments(instance: &Instance) -> Result<(), InstantiateError> {
    let module = instance.module();
    for (index, segment) in module.elems.iter().enumerate() {
        let index = index as u32;
        match &segment.mode {
            SegmentMode::Active { index: table, offset } => {
                let offset = const_eval::eval(offset, &instance.globals, &instance.funcs)[0] as u32;
                let count = segment.items.len() as u32;
                instance.init_table(*table, index, offset, 0, count).map_err(InstantiateError::Segment)?;
                instance.drop_elem(index);
            }
            SegmentMode::Declared => instance.drop_elem(index),
            SegmentMode::Passive => {}
        }
    }
    for (index, segment) in module.datas.iter().enumerate() {
        if let SegmentMode::Active { index: memory, offset } = &segment.mode {
            let offset = const_eval::eval(offset, &instance.globals, &instance.funcs)[0] as u32;
            let memory =
                instance.memory(*memory).ok_or(InstantiateError::Segment(TrapCode::MemoryOutOfBounds))?;
            memory
                .write(u64::from(offset), instance.data(index as u32))
                .map_err(InstantiateError::Segment)?;
            instance.drop_data(index as u32);
        }
    }
    Ok(())
}
