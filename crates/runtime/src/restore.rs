//! The Wasm view as a store.

use crate::func::Func;
use crate::instance::{Extern, Instance, LoadedModule};
use crate::instantiate::{InstantiateError, InstantiateOptions};
use crate::integrity;
use crate::memory::MemoryPlan;
use crate::store::Store;
use crate::values::{NULL_REF, func_to_slot};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use wayfarer_module::{GlobalType, ImportType, Limits, Module, TableType, ValType};
use wayfarer_snapshot::view::{FuncId, MemoryView, StoreView, Value};

/// Why a view could not become a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestoreError {
    /// An index or count does not fit.
    Inconsistent(String),
    /// The host gives another set of imports than the image needs.
    Link {
        /// Which instance.
        instance: usize,
        /// What was wrong.
        error: InstantiateError,
    },
    /// No memory.
    OutOfMemory,
    /// The image's data is damaged.
    Image(String),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Inconsistent(what) => write!(f, "image does not fit: {what}"),
            RestoreError::Link { instance, error } => {
                write!(f, "instance {instance} cannot be linked: {error}")
            }
            RestoreError::Image(error) => f.write_str(error),
            RestoreError::OutOfMemory => f.write_str("allocate memory failed"),
        }
    }
}

impl std::error::Error for RestoreError {}

impl Store {
    /// The function that a view's id names.
    pub fn func_by_id(&self, id: FuncId) -> Option<*const Func> {
        self.instance(id.instance as usize)?.funcs.get(id.func as usize).copied()
    }

    /// The function that a lasting name is of (see [`Store::lasting_func_ids`]).
    pub fn func_by_lasting_id(&self, id: FuncId) -> Option<*const Func> {
        self.instance_numbered(id.instance)?.funcs.get(id.func as usize).copied()
    }

    /// A view's value as slots; `None` if it names a function that is not there.
    pub fn value_to_slots(&self, value: &Value) -> Option<[u64; 2]> {
        to_slots(value, |id| self.func_by_id(id))
    }

    /// The same for a value in which a function has its lasting name.
    pub(crate) fn lasting_value_to_slots(&self, value: &Value) -> Option<[u64; 2]> {
        to_slots(value, |id| self.func_by_lasting_id(id))
    }

    /// Makes everything in `view`, in this empty store; memories get their size, and zeros for bytes.
    /// `modules` are the view's modules, in order; `heaps` are as for [`integrity::check`]; `host_func` gives the host
    /// function for import `index` of an instance.
    ///
    /// # Errors
    /// [`RestoreError`]. The store is then good for nothing but being dropped.
    pub fn restore(
        self: &Arc<Self>,
        view: &StoreView,
        modules: &[Arc<LoadedModule>],
        heaps: &[Option<Range<u32>>],
        mut host_func: impl FnMut(&LoadedModule, usize) -> Option<*const Func>,
    ) -> Result<(), RestoreError> {
        let inconsistent = |what: &str| RestoreError::Inconsistent(what.to_owned());
        let plain: Vec<&Module> = modules.iter().map(|loaded| &*loaded.module).collect();
        integrity::check(view, &plain, heaps)?;
        if !self.is_empty() {
            return Err(inconsistent("the store has instances, memories, tables or globals already"));
        }
        let mut memories = Vec::new();
        for m in &view.memories {
            memories.push(self.add_memory(plan(m)).map_err(|_| RestoreError::OutOfMemory)?);
        }
        let mut tables = Vec::new();
        for t in &view.tables {
            let elem = if t.funcref { ValType::FuncRef } else { ValType::ExternRef };
            let ty = TableType { elem, limits: Limits { min: t.elems.len() as u64, max: t.max } };
            tables.push(self.add_table(&ty, NULL_REF).ok_or(RestoreError::OutOfMemory)?);
        }
        let mut globals = Vec::new();
        for g in &view.globals {
            globals.push(self.add_global(GlobalType { val: g.value.ty(), mutable: g.mutable }, [0, 0]));
        }
        for (nth, inst) in view.instances.iter().enumerate() {
            let loaded = modules.get(inst.module as usize).ok_or_else(|| inconsistent("module index"))?;
            let module = &loaded.module;
            let (mut f, mut t, mut m, mut g) = (0, 0, 0, 0);
            let mut imports = Vec::new();
            for (index, import) in module.imports.iter().enumerate() {
                imports.push(match import.ty {
                    ImportType::Func(_) => {
                        f += 1;
                        match inst.imported_funcs[f - 1] {
                            Some(id) => Extern::Func(
                                self.func_by_id(id)
                                    .ok_or_else(|| inconsistent("function index of an import"))?,
                            ),
                            None => Extern::Func(host_func(loaded, index).ok_or(RestoreError::Link {
                                instance: nth,
                                error: InstantiateError::Import { index, reason: "unknown import" },
                            })?),
                        }
                    }
                    ImportType::Table(_) => {
                        t += 1;
                        Extern::Table(pick(&tables, inst.tables[t - 1])?)
                    }
                    ImportType::Memory(_) => {
                        m += 1;
                        Extern::Memory(pick(&memories, inst.memories[m - 1])?)
                    }
                    ImportType::Global(_) => {
                        g += 1;
                        Extern::Global(pick(&globals, inst.globals[g - 1])?)
                    }
                });
            }
            let objects = RestoredObjects {
                tables: inst.tables.iter().map(|&i| pick(&tables, i)).collect::<Result<_, _>>()?,
                memories: inst.memories.iter().map(|&i| pick(&memories, i)).collect::<Result<_, _>>()?,
                globals: inst.globals.iter().map(|&i| pick(&globals, i)).collect::<Result<_, _>>()?,
            };
            // It fits its module, as was checked, though an app heap may have made it larger than it is declared.
            let memory = inst.memories.first().map(|&index| plan(&view.memories[index as usize]));
            let options = InstantiateOptions { memory, restored: Some(objects), ..Default::default() };
            // SAFETY: every pointer is to an object that was just added to this store.
            let made: &Instance = unsafe { self.allocate(loaded, &imports, &options) }
                .map_err(|error| RestoreError::Link { instance: nth, error })?;
            made.set_dropped(&inst.dropped_datas, &inst.dropped_elems);
        }
        for (t, &table) in view.tables.iter().zip(&tables) {
            let elems =
                t.elems.iter().map(|v| self.value_to_slots(v).map(|s| s[0])).collect::<Option<Vec<_>>>();
            // SAFETY: just added.
            unsafe { &*table }.replace(elems.ok_or_else(|| inconsistent("function index in a table"))?);
        }
        for (g, &global) in view.globals.iter().zip(&globals) {
            let slots =
                self.value_to_slots(&g.value).ok_or_else(|| inconsistent("function index in a global"))?;
            // SAFETY: just added.
            unsafe { &*global }.set(slots);
        }
        Ok(())
    }
}

/// Objects that a restored instance uses instead of making its own.
#[derive(Clone, Debug)]
pub struct RestoredObjects {
    pub(crate) tables: Vec<*const crate::Table>,
    pub(crate) memories: Vec<*const crate::Memory>,
    pub(crate) globals: Vec<*const crate::Global>,
}

fn plan(m: &MemoryView) -> MemoryPlan {
    MemoryPlan { len: m.len, max: m.max, page_size: m.page_size, shared: m.shared }
}

fn pick<T>(list: &[*const T], index: u32) -> Result<*const T, RestoreError> {
    list.get(index as usize)
        .copied()
        .ok_or_else(|| RestoreError::Inconsistent("index of a memory, table or global".to_owned()))
}

fn to_slots(value: &Value, func: impl FnOnce(FuncId) -> Option<*const Func>) -> Option<[u64; 2]> {
    Some(match *value {
        Value::I32(bits) | Value::F32(bits) => [u64::from(bits), 0],
        Value::I64(bits) | Value::F64(bits) => [bits, 0],
        Value::V128(v) => [v as u64, (v >> 64) as u64],
        Value::FuncRef(None) | Value::ExternRef(None) => [NULL_REF, 0],
        // SAFETY: a function found in the store is there.
        Value::FuncRef(Some(id)) => [func_to_slot(Some(unsafe { &*func(id)? })), 0],
        Value::ExternRef(Some(index)) => [u64::from(index), 0],
    })
}
