//! Stores to and from images: the Wasm view together with the bytes of memories.

use crate::engine::CaptureError;
use crate::func::Func;
use crate::instance::LoadedModule;
use crate::memory::Memory;
use crate::restore::RestoreError;
use crate::store::Store;
use std::ops::Range;
use std::sync::Arc;
use wayfarer_module::{ConstOp, Module, SegmentMode};
use wayfarer_snapshot::view::{HostSection, ProgramView, StoreView, Thread};
use wayfarer_snapshot::{Baseline, Image, LoadOptions, MemorySource, Progress};

/// What each memory of `view` held after instantiation, as far as the modules say it with constant offsets. Writer and
/// reader of an image compute it alike.
pub fn baselines<'a>(view: &StoreView, modules: &[&'a Module]) -> Vec<Baseline<'a>> {
    let mut segments: Vec<Vec<(u64, &'a [u8])>> = view.memories.iter().map(|_| Vec::new()).collect();
    for instance in &view.instances {
        let Some(&module) = modules.get(instance.module as usize) else { continue };
        for data in &module.datas {
            if let SegmentMode::Active { index, offset } = &data.mode
                && let [ConstOp::I32Const(at)] = *offset.0
                && let Some(&memory) = instance.memories.get(*index as usize)
                && let Some(segments) = segments.get_mut(memory as usize)
            {
                segments.push((u64::from(at as u32), &module.bytes[data.data.clone()]));
            }
        }
    }
    segments.into_iter().map(Baseline::new).collect()
}

impl Store {
    /// The whole program but for the bytes of its memories. All threads must stand still.
    ///
    /// # Errors
    /// [`CaptureError::ForeignFunction`].
    pub fn program(&self, threads: Vec<Thread>, host: Vec<HostSection>) -> Result<ProgramView, CaptureError> {
        Ok(ProgramView { store: self.capture()?, threads, host })
    }

    /// Calls `f` with the memories of `program`, which must be this store's view of now, as an image is written from them.
    pub fn with_memories<R>(&self, program: &ProgramView, f: impl FnOnce(&[MemorySource<'_>]) -> R) -> R {
        let modules = self.loaded_modules();
        let modules: Vec<&Module> = modules.iter().map(|m| &*m.module).collect();
        let baselines = baselines(&program.store, &modules);
        let memories = (0..baselines.len()).filter_map(|index| self.memory(index));
        let memories: Vec<(&Memory, Vec<Range<usize>>)> = memories.map(|m| (m, m.touched())).collect();
        let sources: Vec<MemorySource<'_>> = memories
            .iter()
            .zip(&baselines)
            .map(|((memory, touched), baseline)| {
                // SAFETY: the memory stays mapped, and its threads stand still while an image is taken.
                let source = unsafe { MemorySource::from_raw(memory.base(), memory.len(), baseline) };
                MemorySource { touched: Some(touched), ..source }
            })
            .collect();
        f(&sources)
    }

    /// The modules of this store's instances, in the order of [`StoreView::modules`].
    pub fn loaded_modules(&self) -> Vec<Arc<LoadedModule>> {
        let mut modules: Vec<Arc<LoadedModule>> = Vec::new();
        for instance in self.objects().instances.iter() {
            if !modules.iter().any(|m| Arc::ptr_eq(m, &instance.loaded)) {
                modules.push(instance.loaded.clone());
            }
        }
        modules
    }

    /// Makes everything that an image holds, in this empty store. See [`Store::restore`].
    ///
    /// # Errors
    /// [`RestoreError`]. The store is then good for nothing but being dropped.
    pub fn restore_image(
        self: &Arc<Self>,
        image: &Image<'_>,
        modules: &[Arc<LoadedModule>],
        host_func: impl FnMut(&LoadedModule, usize) -> Option<*const Func>,
    ) -> Result<(), RestoreError> {
        let view = &image.program().store;
        self.restore(view, modules, &[], host_func)?;
        self.load_memories(image, modules, true, None)
    }

    /// Fills the memories of a restored store with an image's bytes. `fresh`: nothing was written to them yet.
    /// `progress` is called now and then, for each memory from its beginning.
    ///
    /// # Errors
    /// [`RestoreError::Image`] if data is damaged, or the store is not of this image.
    pub fn load_memories(
        &self,
        image: &Image<'_>,
        modules: &[Arc<LoadedModule>],
        fresh: bool,
        progress: Option<&dyn Fn(Progress)>,
    ) -> Result<(), RestoreError> {
        let plain: Vec<&Module> = modules.iter().map(|m| &*m.module).collect();
        for (index, baseline) in baselines(&image.program().store, &plain).iter().enumerate() {
            let memory = self.memory(index).ok_or(RestoreError::OutOfMemory)?;
            let touched = if fresh { Vec::new() } else { memory.touched() };
            let options = LoadOptions { touched: Some(&touched), progress };
            let bytes: &mut [u8] = if memory.is_empty() {
                &mut []
            } else {
                // SAFETY: the memory is mapped and committed up to its size, and nothing runs in this store yet.
                unsafe { std::slice::from_raw_parts_mut(memory.base(), memory.len()) }
            };
            image
                .load_memory(index, bytes, baseline, &options)
                .map_err(|error| RestoreError::Image(error.to_string()))?;
        }
        Ok(())
    }
}
