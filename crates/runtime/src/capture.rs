//! The store as a Wasm view.

use crate::engine::CaptureError;
use crate::func::Func;
use crate::instance::Instance;
use crate::store::{List, Objects, Store};
use crate::values::{NULL_REF, slot_to_func};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wayfarer_module::ValType;
use wayfarer_snapshot::view::{
    FuncId, GlobalView, InstanceView, MemoryView, ModuleId, StoreView, TableView, Value,
};

/// Names functions of a store for a view.
#[derive(Debug)]
pub struct FuncIds(HashMap<*const Func, FuncId>);

impl FuncIds {
    /// The id of a function; `None` if no instance can name it.
    pub fn get(&self, func: *const Func) -> Option<FuncId> {
        self.0.get(&func).copied()
    }

    /// A value of type `ty` from its slots; `None` for a function that no instance can name.
    pub fn value(&self, ty: ValType, slots: &[u64]) -> Option<Value> {
        let lo = slots[0];
        Some(match ty {
            ValType::I32 => Value::I32(lo as u32),
            ValType::I64 => Value::I64(lo),
            ValType::F32 => Value::F32(lo as u32),
            ValType::F64 => Value::F64(lo),
            ValType::V128 => Value::V128(u128::from(lo) | u128::from(slots[1]) << 64),
            ValType::FuncRef if lo == NULL_REF => Value::FuncRef(None),
            ValType::FuncRef => Value::FuncRef(Some(self.get(slot_to_func(lo))?)),
            ValType::ExternRef if lo == NULL_REF => Value::ExternRef(None),
            ValType::ExternRef => Value::ExternRef(Some(lo as u32)),
        })
    }
}

impl Store {
    /// Names of all functions that instances of this store can name. A function that several instances share is named by
    /// the one that defines it, else by the first that imports it. The names are good for a view: instances are named by
    /// their position.
    pub fn func_ids(&self) -> FuncIds {
        self.name_functions(Instance::index)
    }

    /// The same with instances named by their numbers: names that are still good when other instances are gone.
    pub fn lasting_func_ids(&self) -> FuncIds {
        self.name_functions(Instance::number)
    }

    fn name_functions(&self, name: fn(&Instance) -> u32) -> FuncIds {
        let objects = self.objects();
        let mut ids = HashMap::new();
        for inst in objects.instances.iter() {
            for func in &inst.own_funcs {
                ids.insert(func as *const Func, FuncId { instance: name(inst), func: func.index });
            }
        }
        for inst in objects.instances.iter() {
            for (func, &address) in inst.funcs.iter().enumerate() {
                ids.entry(address).or_insert(FuncId { instance: name(inst), func: func as u32 });
            }
        }
        FuncIds(ids)
    }

    /// Everything in the store but the bytes of its memories. All threads must stand still.
    ///
    /// # Errors
    /// [`CaptureError::ForeignFunction`], [`CaptureError::Unused`].
    pub fn capture(&self) -> Result<StoreView, CaptureError> {
        let ids = self.func_ids();
        let objects = self.objects();
        let mut view = StoreView::default();
        for memory in objects.memories.iter() {
            let plan = memory.plan();
            view.memories.push(MemoryView {
                len: plan.len,
                max: plan.max,
                page_size: plan.page_size,
                shared: plan.shared,
            });
        }
        for (index, table) in objects.tables.iter().enumerate() {
            let elems = table
                .elems()
                .iter()
                .map(|&slot| ids.value(table.elem_type(), &[slot]))
                .collect::<Option<_>>();
            view.tables.push(TableView {
                funcref: table.elem_type() == ValType::FuncRef,
                elems: elems
                    .ok_or_else(|| CaptureError::ForeignFunction { place: format!("table {index}") })?,
                max: table.max(),
            });
        }
        for (index, global) in objects.globals.iter().enumerate() {
            let value = ids.value(global.ty().val, &global.get());
            view.globals.push(GlobalView {
                value: value
                    .ok_or_else(|| CaptureError::ForeignFunction { place: format!("global {index}") })?,
                mutable: global.ty().mutable,
            });
        }
        let positions = Positions::new(&objects);
        let mut modules: Vec<*const ()> = Vec::new();
        for instance in objects.instances.iter() {
            let key = Arc::as_ptr(&instance.loaded).cast();
            let module = modules.iter().position(|&m| m == key).unwrap_or_else(|| {
                modules.push(key);
                view.modules.push(ModuleId {
                    sha256: instance.module().sha256,
                    size: instance.module().bytes.len() as u64,
                    name: instance.loaded.name.lock().unwrap_or_else(|e| e.into_inner()).clone(),
                });
                modules.len() - 1
            });
            view.instances.push(instance.view(module as u32, &ids, &positions));
        }
        Ok(view)
    }
}

impl Instance {
    /// The instance as a view has it, with `module` as the index of its module there.
    pub(crate) fn view(&self, module: u32, ids: &FuncIds, positions: &Positions) -> InstanceView {
        let imported = self.module().num_imported_funcs as usize;
        InstanceView {
            module,
            memories: positions.all(&positions.memories, &self.memories),
            tables: positions.all(&positions.tables, &self.tables),
            globals: positions.all(&positions.globals, &self.globals),
            dropped_datas: self.dropped_datas.iter().map(|d| d.load(Ordering::Relaxed)).collect(),
            dropped_elems: self.dropped_elems.iter().map(|d| d.load(Ordering::Relaxed)).collect(),
            imported_funcs: self.funcs[..imported]
                .iter()
                // SAFETY: an instance keeps its functions.
                .map(|&f| if unsafe { (*f).host.is_some() } { None } else { ids.get(f) })
                .collect(),
        }
    }
}

impl Store {
    /// Where each of its objects is.
    pub(crate) fn positions(&self) -> Positions {
        Positions::new(&self.objects())
    }
}

/// Where each object is in its store's list.
pub(crate) struct Positions {
    memories: HashMap<*const (), u32>,
    tables: HashMap<*const (), u32>,
    globals: HashMap<*const (), u32>,
}

impl Positions {
    fn new(objects: &Objects) -> Positions {
        fn of<T>(list: &List<T>) -> HashMap<*const (), u32> {
            list.iter().enumerate().map(|(i, o)| ((&raw const *o).cast(), i as u32)).collect()
        }
        Positions {
            memories: of(&objects.memories),
            tables: of(&objects.tables),
            globals: of(&objects.globals),
        }
    }

    fn all<T>(&self, positions: &HashMap<*const (), u32>, list: &[*const T]) -> Vec<u32> {
        list.iter().map(|&o| positions[&o.cast()]).collect()
    }
}
