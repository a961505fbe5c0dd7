//! Instances: a module's code with its own memories, tables and globals.

use crate::engine::ModuleCode;
use crate::func::Func;
use crate::global::Global;
use crate::life::Life;
use crate::memory::Memory;
use crate::store::Store;
use crate::table::Table;
use crate::trap::TrapCode;
use crate::types::TypeId;
use crate::vm::{NativeCode, VmContext};
use crate::watch::Watches;
use std::any::Any;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use wayfarer_guest::GuestMemory;
use wayfarer_module::{ExternKind, GlobalType, ImportType, Module};

/// A module ready to be instantiated: parsed, its types interned, prepared by the engine.
#[derive(Debug)]
pub struct LoadedModule {
    /// The module.
    pub module: Arc<Module>,
    /// Interned ids of [`Module::types`].
    pub types: Box<[TypeId]>,
    /// The engine's side of it.
    pub code: Box<dyn ModuleCode>,
    /// Its compiled code, if there is any.
    pub native: Option<Arc<dyn NativeCode>>,
    /// Name the host gave it.
    pub name: std::sync::Mutex<String>,
}

/// Something that can be imported or exported. Pointers are to objects of one store, which live as [`crate::life`] says.
#[derive(Clone, Copy, Debug)]
pub enum Extern {
    /// Function.
    Func(*const Func),
    /// Table.
    Table(*const Table),
    /// Memory.
    Memory(*const Memory),
    /// Global.
    Global(*const Global),
}

/// An instance. Lives at a fixed address, owned by its store.
#[derive(Debug)]
pub struct Instance {
    pub(crate) store: Weak<Store>,
    pub(crate) loaded: Arc<LoadedModule>,
    pub(crate) funcs: Box<[*const Func]>,
    pub(crate) tables: Box<[*const Table]>,
    pub(crate) memories: Box<[*const Memory]>,
    pub(crate) globals: Box<[*const Global]>,
    pub(crate) dropped_datas: Box<[AtomicBool]>,
    pub(crate) dropped_elems: Box<[AtomicBool]>,
    pub(crate) own_funcs: Box<[Func]>,
    pub(crate) vm: Option<VmContext>,
    /// Who is told of calls of its functions.
    pub(crate) watches: Watches,
    /// What the embedder wants to find from an instance; null at first.
    pub owner: AtomicPtr<()>,
    /// What goes with it.
    pub(crate) companion: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    pub(crate) index: Cell<u32>,
    pub(crate) number: Cell<u32>,
    pub(crate) life: Life,
}

// SAFETY: the pointers are to objects of the instance's store; see `Table` and `Global` for who may use those. `index` and
// `number` change only while nobody uses the store: when the instance is made, and in a collection.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Instance {
    /// The store it belongs to.
    pub fn store(&self) -> Option<Arc<Store>> {
        self.store.upgrade()
    }

    /// Whether it belongs to this store.
    #[inline]
    pub fn is_of(&self, store: &Arc<Store>) -> bool {
        std::ptr::eq(self.store.as_ptr(), Arc::as_ptr(store))
    }

    /// Grows memory 0 as `memory.grow` does: the number of pages before, `u32::MAX` if it can't. Whoever wants to know of
    /// failures is told.
    pub fn grow_memory(&self, pages: u32) -> u32 {
        let pages = u64::from(pages);
        let Some(memory) = self.memory(0) else { return u32::MAX };
        memory.grow(pages).unwrap_or_else(|| {
            if let Some(store) = self.store()
                && let Some(failed) = store.runtime().growth_failed.get()
            {
                failed(self, memory, pages);
            }
            u32::MAX
        })
    }

    /// Its module, as loaded.
    #[inline]
    pub fn loaded(&self) -> &Arc<LoadedModule> {
        &self.loaded
    }

    /// What its compiled code sees of it, if it runs compiled code.
    #[inline]
    pub fn vm(&self) -> Option<&VmContext> {
        self.vm.as_ref()
    }

    /// Its module.
    pub fn module(&self) -> &Module {
        &self.loaded.module
    }

    /// Position among the instances that are in the store. It changes when others before it are freed.
    pub fn index(&self) -> u32 {
        self.index.get()
    }

    /// How many instances were made in the store before it. It stays the same, and is never that of another one.
    pub fn number(&self) -> u32 {
        self.number.get()
    }

    /// Has something go with the instance: it is dropped when nobody uses the instance any more, before that is freed. What was
    /// there before is given back.
    pub fn keep(&self, companion: Box<dyn Any + Send + Sync>) -> Option<Box<dyn Any + Send + Sync>> {
        self.companion.lock().unwrap_or_else(PoisonError::into_inner).replace(companion)
    }

    /// A copy of what goes with it, if that is of this type.
    pub fn kept<T: Clone + 'static>(&self) -> Option<T> {
        let kept = self.companion.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()?.downcast_ref::<T>().cloned()
    }

    /// Whether something goes with it.
    pub(crate) fn keeps(&self) -> bool {
        self.companion.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What goes with it, to be dropped now.
    pub fn take_kept(&self) -> Option<Box<dyn Any + Send + Sync>> {
        self.companion.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether it imports functions of other instances.
    pub fn has_linked_functions(&self) -> bool {
        let imported = &self.funcs[..self.module().num_imported_funcs as usize];
        // SAFETY: an instance keeps what it points to (see `life`).
        imported.iter().any(|&func| unsafe { &*func }.host.is_none())
    }

    /// What an instance beside this one is given as imports: the same functions, and what is made of the rest.
    pub(crate) fn imports<E>(
        &self,
        mut memory: impl FnMut(&Memory) -> Result<*const Memory, E>,
        mut table: impl FnMut(&Table) -> Result<*const Table, E>,
        mut global: impl FnMut([u64; 2], GlobalType) -> Result<*const Global, E>,
    ) -> Result<Vec<Extern>, E> {
        let (mut f, mut t, mut m, mut g) =
            (self.funcs.iter(), self.tables.iter(), self.memories.iter(), self.globals.iter());
        let mut imports = Vec::with_capacity(self.module().imports.len());
        for import in &self.module().imports {
            let import = match import.ty {
                ImportType::Func(_) => f.next().map(|&func| Ok(Extern::Func(func))),
                // SAFETY: an instance keeps what it points to (see `life`).
                ImportType::Table(_) => t.next().map(|&of| table(unsafe { &*of }).map(Extern::Table)),
                // SAFETY: as above.
                ImportType::Memory(_) => m.next().map(|&of| memory(unsafe { &*of }).map(Extern::Memory)),
                ImportType::Global(_) => g.next().map(|&of| {
                    // SAFETY: as above.
                    let of = unsafe { &*of };
                    global(of.get(), of.ty()).map(Extern::Global)
                }),
            };
            imports.extend(import.transpose()?);
        }
        Ok(imports)
    }

    /// The function index space.
    #[inline]
    pub fn funcs(&self) -> &[*const Func] {
        &self.funcs
    }

    /// The global index space.
    #[inline]
    pub fn globals(&self) -> &[*const Global] {
        &self.globals
    }

    /// Function `index`.
    pub fn func(&self, index: u32) -> Option<&Func> {
        // SAFETY: an instance keeps what it points to (see `life`).
        self.funcs.get(index as usize).map(|&f| unsafe { &*f })
    }

    /// Table `index`.
    #[inline]
    pub fn table(&self, index: u32) -> Option<&Table> {
        // SAFETY: as above.
        self.tables.get(index as usize).map(|&t| unsafe { &*t })
    }

    /// Memory `index`.
    #[inline]
    pub fn memory(&self, index: u32) -> Option<&Memory> {
        // SAFETY: as above.
        self.memories.get(index as usize).map(|&m| unsafe { &*m })
    }

    /// Global `index`.
    pub fn global(&self, index: u32) -> Option<&Global> {
        // SAFETY: as above.
        self.globals.get(index as usize).map(|&g| unsafe { &*g })
    }

    /// The export called `name`.
    pub fn export(&self, name: &str) -> Option<Extern> {
        let export = self.module().export(name)?;
        let index = export.index as usize;
        Some(match export.kind {
            ExternKind::Func => Extern::Func(self.funcs[index]),
            ExternKind::Table => Extern::Table(self.tables[index]),
            ExternKind::Memory => Extern::Memory(self.memories[index]),
            ExternKind::Global => Extern::Global(self.globals[index]),
        })
    }

    /// Memory 0, for host functions; empty if there is none.
    #[inline]
    pub fn guest_memory(&self) -> GuestMemory<'_> {
        match self.memory(0) {
            // SAFETY: a memory stays mapped as long as its instance and no Rust references into it are made.
            Some(memory) => unsafe { GuestMemory::new(memory.base(), memory.len() as u64) },
            None => GuestMemory::from_slice(&mut []),
        }
    }

    /// Bytes of data segment `index`; empty once it was dropped.
    pub fn data(&self, index: u32) -> &[u8] {
        if self.dropped_datas[index as usize].load(Ordering::Relaxed) {
            return &[];
        }
        &self.module().bytes[self.module().datas[index as usize].data.clone()]
    }

    /// `data.drop`.
    pub fn drop_data(&self, index: u32) {
        self.dropped_datas[index as usize].store(true, Ordering::Relaxed);
    }

    /// Sets which segments are dropped; one flag each.
    pub(crate) fn set_dropped(&self, datas: &[bool], elems: &[bool]) {
        for (flag, &dropped) in self.dropped_datas.iter().zip(datas) {
            flag.store(dropped, Ordering::Relaxed);
        }
        for (flag, &dropped) in self.dropped_elems.iter().zip(elems) {
            flag.store(dropped, Ordering::Relaxed);
        }
    }

    /// `memory.copy` within memory 0.
    ///
    /// # Errors
    /// `MemoryOutOfBounds`; nothing is written then.
    pub fn copy_memory(&self, to: u32, from: u32, count: u32) -> Result<(), TrapCode> {
        let memory = self.memory(0).ok_or(TrapCode::MemoryOutOfBounds)?;
        Memory::copy(memory, to.into(), memory, from.into(), count.into())
    }

    /// `memory.init` of memory 0.
    ///
    /// # Errors
    /// `MemoryOutOfBounds`; nothing is written then.
    pub fn init_memory(&self, segment: u32, to: u32, from: u32, count: u32) -> Result<(), TrapCode> {
        let (from, count) = (from as usize, count as usize);
        let bytes = self.data(segment).get(from..from + count).ok_or(TrapCode::MemoryOutOfBounds)?;
        self.memory(0).ok_or(TrapCode::MemoryOutOfBounds)?.write(to.into(), bytes)
    }

    /// `table.init`.
    ///
    /// # Errors
    /// `TableOutOfBounds`; nothing is written then.
    pub fn init_table(
        &self,
        table: u32,
        segment: u32,
        to: u32,
        from: u32,
        count: u32,
    ) -> Result<(), TrapCode> {
        let (first, len) = (from as usize, count as usize);
        let items = match self.dropped_elems[segment as usize].load(Ordering::Relaxed) {
            true => &[],
            false => &*self.module().elems[segment as usize].items,
        };
        let items = items.get(first..first + len).ok_or(TrapCode::TableOutOfBounds)?;
        let value = |item| crate::const_eval::eval(item, &self.globals, &self.funcs)[0];
        self.table(table).ok_or(TrapCode::TableOutOfBounds)?.init(to, items.iter().map(value))
    }

    /// `elem.drop`.
    pub fn drop_elem(&self, index: u32) {
        self.dropped_elems[index as usize].store(true, Ordering::Relaxed);
    }
}
