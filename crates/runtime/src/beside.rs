//! Instances for further threads of a guest: each beside another of the same module, over the same shared memories.
//!
//! Such an instance has globals, tables and memories that are not shared of its own, as one thread uses them; and the functions that
//! the other imports. It can be freed while guests run in the store, as nobody else has anything of it. Frames of threads that
//! stand still name instances by their places: so only the last instance goes at once, others leave their place to the next one.

use crate::instance::Instance;
use crate::instantiate::{Beside, InstantiateError, InstantiateOptions};
use crate::life::Used;
use crate::memory::{Memory, MemoryPlan};
use crate::restore::{RestoreError, RestoredObjects};
use crate::store::Store;
use crate::table::Table;
use crate::values::{NULL_REF, func_to_slot, slot_to_func};
use std::sync::Arc;
use wayfarer_module::{GlobalType, Limits, SegmentMode, TableType, ValType};
use wayfarer_snapshot::view::{FuncId, StoreView, Value};

impl Instance {
    /// A reference as an instance beside it has it: to its own function instead of the other's.
    fn own_reference(&self, of: &Instance, slot: u64) -> u64 {
        if slot == NULL_REF {
            return slot;
        }
        // SAFETY: a reference that is not null is to a function that is there.
        let func = unsafe { &*slot_to_func(slot) };
        if std::ptr::eq(func.instance, of) { func_to_slot(self.func(func.index)) } else { slot }
    }
}

impl Store {
    /// Makes an instance beside `of`, for another thread: memories that are shared are the same, immutable globals and tables are
    /// as they are there, other globals as the module says. Active segments are not written once more. `vacant`: an instance that
    /// [`Store::discard`] has left, whose place it takes.
    ///
    /// # Safety
    /// `of` is an instance of this store that runs on this thread, or not at all; nobody uses `vacant` any more.
    ///
    /// # Errors
    /// [`InstantiateError`].
    pub unsafe fn instantiate_beside(
        self: &Arc<Self>,
        of: &Instance,
        vacant: Option<Used<Instance>>,
    ) -> Result<&Instance, InstantiateError> {
        let module = of.module();
        let copy = |table: &Table| {
            let limits = Limits { min: table.len().into(), max: table.max() };
            let ty = TableType { elem: table.elem_type(), limits };
            self.add_table(&ty, NULL_REF).ok_or(InstantiateError::Table)
        };
        let imports = of.imports::<InstantiateError>(
            |memory| if memory.plan().shared { Ok(memory as *const _) } else { self.fresh_memory(memory) },
            copy,
            |value, ty| Ok(self.add_global(ty, value)),
        )?;
        let defined = module.num_imported_globals as usize..module.globals.len();
        let constants = defined.filter(|&index| {
            let ty = module.globals[index].ty;
            ty.val == ValType::I32 && !ty.mutable
        });
        let globals = constants.filter_map(|index| {
            let value = of.global(index as u32)?.get()[0];
            Some((index as u32, value as u32))
        });
        let memories = of.memories.iter().map(|&memory| {
            // SAFETY: an instance keeps its memories.
            unsafe { &*memory }.plan().shared.then_some(memory)
        });
        let options = InstantiateOptions {
            memory: of.memory(0).map(Memory::plan),
            globals: globals.collect(),
            beside: Beside { shared: memories.collect(), vacant: vacant.map(|vacant| vacant.as_ptr()) },
            ..InstantiateOptions::default()
        };
        // SAFETY: objects of this store, and the rest as the caller promises.
        let made = unsafe { self.allocate(&of.loaded, &imports, &options) }?;
        for (from, to) in of.tables.iter().zip(&made.tables) {
            // SAFETY: instances keep their tables; this thread is the one that may look at `of`'s, and nobody has the new ones.
            let (from, to) = unsafe { (&**from, &**to) };
            let references = from.elem_type() == ValType::FuncRef;
            let own = |&slot: &u64| if references { made.own_reference(of, slot) } else { slot };
            to.replace(from.elems().iter().map(own).collect());
        }
        let datas: Vec<bool> = module.datas.iter().map(|data| data.mode != SegmentMode::Passive).collect();
        let elems: Vec<bool> = module.elems.iter().map(|elem| elem.mode != SegmentMode::Passive).collect();
        made.set_dropped(&datas, &elems);
        Ok(made)
    }

    fn fresh_memory(&self, like: &Memory) -> Result<*const Memory, InstantiateError> {
        self.add_memory(like.plan()).map_err(|_| InstantiateError::Memory)
    }

    /// Makes the instances behind the `first` of a view, each beside another: `of` says beside which, by its place, for
    /// each of them. The instances before are there already, with all that they have. Nothing is put into what is made.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore_beside(
        self: &Arc<Self>,
        view: &StoreView,
        first: usize,
        of: &[u32],
    ) -> Result<(), RestoreError> {
        let inconsistent = |what: &str| RestoreError::Inconsistent(what.to_owned());
        if self.instance_count() != first || view.instances.len() != first + of.len() {
            return Err(inconsistent("instances of threads are not the last ones"));
        }
        let known = [self.memories().count(), self.tables().count(), self.globals().count()];
        for m in view.memories.iter().skip(known[0]) {
            let plan = MemoryPlan { len: m.len, max: m.max, page_size: m.page_size, shared: m.shared };
            self.add_memory(plan).map_err(|_| RestoreError::OutOfMemory)?;
        }
        for t in view.tables.iter().skip(known[1]) {
            let elem = if t.funcref { ValType::FuncRef } else { ValType::ExternRef };
            let ty = TableType { elem, limits: Limits { min: t.elems.len() as u64, max: t.max } };
            self.add_table(&ty, NULL_REF).ok_or(RestoreError::OutOfMemory)?;
        }
        for g in view.globals.iter().skip(known[2]) {
            self.add_global(GlobalType { val: g.value.ty(), mutable: g.mutable }, [0, 0]);
        }
        for (nth, (inst, &of)) in view.instances[first..].iter().zip(of).enumerate() {
            let of = self.instance(of as usize).filter(|_| (of as usize) < first);
            let of = of.ok_or_else(|| inconsistent("beside which instance a thread's is"))?;
            let tables: Option<Vec<_>> =
                inst.tables.iter().map(|&i| Some(&raw const *self.table(i as usize)?)).collect();
            let memories: Option<Vec<_>> =
                inst.memories.iter().map(|&i| Some(&raw const *self.memory(i as usize)?)).collect();
            let globals: Option<Vec<_>> =
                inst.globals.iter().map(|&i| Some(&raw const *self.global(i as usize)?)).collect();
            let (Some(tables), Some(memories), Some(globals)) = (tables, memories, globals) else {
                return Err(inconsistent("index of a memory, table or global"));
            };
            let module = of.module();
            let counts = [tables.len(), memories.len(), globals.len()];
            if counts != [module.tables.len(), module.memories.len(), module.globals.len()] {
                return Err(inconsistent("an instance of a thread has more or less than its module says"));
            }
            let (mut t, mut m, mut g) = (tables.iter(), memories.iter(), globals.iter());
            let imports = of.imports::<InstantiateError>(
                |_| Ok(m.next().copied().unwrap_or(std::ptr::null())),
                |_| Ok(t.next().copied().unwrap_or(std::ptr::null())),
                |_, _| Ok(g.next().copied().unwrap_or(std::ptr::null())),
            );
            let imports = imports.map_err(|error| RestoreError::Link { instance: first + nth, error })?;
            let memory = of.memory(0).map(Memory::plan);
            let restored = Some(RestoredObjects { tables, memories, globals });
            let options = InstantiateOptions { memory, restored, ..InstantiateOptions::default() };
            // SAFETY: every pointer is to an object of this store: there are as many as the module has.
            unsafe { self.allocate(&of.loaded, &imports, &options) }
                .map_err(|error| RestoreError::Link { instance: first + nth, error })?;
        }
        Ok(())
    }

    /// Frees an instance that was made beside another, and what only it has. Given back if that cannot be now: it is not the last, and its
    /// place may go to another.
    ///
    /// # Safety
    /// Nobody uses the instance any more, nor anything that it has.
    ///
    /// # Errors
    /// The instance, still used.
    pub unsafe fn discard(&self, instance: Used<Instance>) -> Result<(), Used<Instance>> {
        let address = instance.as_ptr();
        let mut objects = self.objects();
        if !objects.instances.is_last(address) {
            return Err(instance);
        }
        drop(instance);
        // Somebody has a handle of something in it. Then it goes when that does.
        // SAFETY: it is in the list.
        if unsafe { &*address }.life.is_used() {
            return Ok(());
        }
        let gone = objects.instances.pop();
        // SAFETY: as the caller promises.
        let others = unsafe { objects.take_alone(&*address) };
        drop(objects);
        drop((gone, others));
        Ok(())
    }
}

/// Whether functions of instances are only known to these themselves: as of those that can be freed alone.
///
/// # Errors
/// What has a function of one of them, or something that one of them has.
pub fn check_alone(view: &StoreView, alone: &[u32]) -> Result<(), RestoreError> {
    let fail = |what: String| Err(RestoreError::Inconsistent(what));
    let is_alone = |instance: u32| alone.contains(&instance);
    // Whose each is, if it is of one that is alone.
    let counts = [view.tables.len(), view.globals.len(), view.memories.len()];
    let mut owners = counts.map(|count| vec![None; count]);
    let shared = |index: u32| view.memories.get(index as usize).is_some_and(|memory| memory.shared);
    for (nth, instance) in (0..).zip(&view.instances) {
        let lists = [
            (0, &instance.tables, "table"),
            (1, &instance.globals, "global"),
            (2, &instance.memories, "memory"),
        ];
        for (of, list, what) in lists {
            for &index in list.iter().filter(|&&index| of != 2 || !shared(index)) {
                let Some(owner) = owners[of].get_mut(index as usize) else { continue };
                match *owner {
                    Some(other) if other != nth && (is_alone(nth) || is_alone(other)) => {
                        return fail(format!("{what} {index} is of a thread's instance, and of another"));
                    }
                    _ => *owner = Some(nth),
                }
            }
        }
        let foreign = |id: &Option<FuncId>| id.is_some_and(|id| is_alone(id.instance));
        if instance.imported_funcs.iter().any(foreign) {
            return fail(format!("instance {nth} imports a function of a thread's instance"));
        }
    }
    let foreign = |value: &Value, owner: Option<u32>| match value {
        Value::FuncRef(Some(id)) => is_alone(id.instance) && owner != Some(id.instance),
        _ => false,
    };
    for (index, table) in view.tables.iter().enumerate() {
        if table.elems.iter().any(|value| foreign(value, owners[0][index])) {
            return fail(format!("table {index} has a function of a thread's instance"));
        }
    }
    for (index, global) in view.globals.iter().enumerate() {
        if foreign(&global.value, owners[1][index]) {
            return fail(format!("global {index} has a function of a thread's instance"));
        }
    }
    Ok(())
}
