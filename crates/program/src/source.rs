//! An image that a host's instances come from.

use std::borrow::Cow;
use std::path::Path;

use wayfarer_module::Module;
use wayfarer_runtime::Store;
use wayfarer_snapshot::Image;
use wayfarer_snapshot::view::{HostSection, Thread};

use super::driver::Driver;
use super::history::another_module;
use super::record::{HostRecord, InstanceRecord};
use super::resources::guest_threads::{GuestThreads, Record as ThreadsRecord};
use super::resources::host::Host;
use super::resources::instance::InstanceState;
use super::resources::locks::Locks;
use super::resources::mode::Mode;
use super::resources::others::{Other, Others};
use super::resources::streams::Streams;
use super::resources::waits::Waits;
use super::resources::wasi::Wasi;
use super::resources::watched::Watched;
use super::resources::{Resource, missing, native_state, read};
use crate::embedder::Embedder;
use crate::guest_threads;
use crate::instance::HostParts;

/// An image with its records.
pub struct Source {
    pub(crate) image: Image<'static>,
    /// The record of its first instance.
    pub(crate) record: InstanceRecord,
    /// Those of its other instances.
    others: Vec<Other>,
    /// What the host had done, if that is what it is restored by.
    pub(crate) host: Option<HostRecord>,
    /// Threads that its guests have started.
    pub(crate) guest_threads: ThreadsRecord,
}

/// What an image has of an instance beside the engine's view.
pub(crate) struct SavedParts<'a> {
    /// WASI's record.
    pub(crate) wasi: Cow<'a, [u8]>,
    /// Sections of native modules, among others.
    pub(crate) natives: &'a [HostSection],
}

impl Source {
    /// Reads the records of an image of this library's C API.
    ///
    /// # Errors
    /// Text that says what is wrong with which image.
    pub fn new(mut image: Image<'static>) -> Result<Source, String> {
        let mut program = image.take_program();
        for thread in &mut program.threads {
            thread.number = Thread::number_of_restored(thread.tid);
        }
        let taken_up = read::<Watched>(&program.host).and_then(|record| match record {
            Some(record) => Watched::restore(&record, &mut program.threads),
            None => Ok(()),
        });
        let taken_up = taken_up.and_then(|()| match read::<Waits>(&program.host)? {
            Some(record) => Waits::restore(&record, &mut program.threads),
            None => Ok(()),
        });
        image.put_program(program);
        taken_up.map_err(|why| format!("{}: {why}", image.origin()))?;
        let fail = |why: String| format!("{}: {why}", image.origin());
        if let Some(place) = image.program().host_reference() {
            // Its number means something else in this process, or an object that is none of the guest's.
            return Err(fail(format!(
                "{place} holds a reference to an object of the host, which is not in the image"
            )));
        }
        let sections = &image.program().host;
        let record = read::<InstanceState>(sections).map_err(fail)?;
        let record = record.ok_or_else(|| fail(missing::<InstanceState>()))?;
        let others = read::<Others>(sections).map_err(fail)?.unwrap_or_default();
        let host = read::<Host>(sections).map_err(fail)?;
        let guest_threads = read::<GuestThreads>(sections).map_err(fail)?.unwrap_or_default();
        guest_threads::check(&guest_threads, image.program()).map_err(fail)?;
        Ok(Source { image, record, others, host, guest_threads })
    }

    /// Opens the image file that a host is restored from which is started again.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub fn open(path: &Path) -> Result<Source, String> {
        let source = Source::new(Image::open(path).map_err(|e| e.to_string())?)?;
        if source.host_threads().count() > 1 {
            return Err(source.fail("the image has several threads: only wayfarer.h restores it".to_owned()));
        }
        Ok(source)
    }

    /// Checks that the image is of one instance of this module, so that it alone can be made from it.
    ///
    /// # Errors
    /// Text that says what is wrong with which image.
    pub fn check_alone(&self, ours: &Module, embedder: &dyn Embedder) -> Result<(), String> {
        let store = &self.image.program().store;
        let [id] = &store.modules[..] else {
            return Err(self.fail(format!("the image is of {} modules, not of one", store.modules.len())));
        };
        if id.sha256 != ours.sha256 {
            let name = if id.name.is_empty() { String::new() } else { format!("{}, ", id.name) };
            let sizes = format!(" ({name}{} bytes, not {})", id.size, ours.bytes.len());
            return Err(self.fail(another_module(&id.sha256, &ours.sha256) + &sizes));
        }
        self.verify(ours, embedder)?;
        if store.instances.len() - self.guest_threads.places().count() != 1 {
            return Err(self.fail("the image has several instances: only wayfarer_store_restore_from_path and its kin restore it".to_owned()));
        }
        if self.host.as_ref().is_some_and(|host| host.stores.len() > 1) {
            return Err(self.fail("the image is of a host with several instances".to_owned()));
        }
        Ok(())
    }

    /// Checks that all of a store can be made from the image. `modules`: those of the view, in order.
    ///
    /// # Errors
    /// Text that says what is wrong with which image.
    pub(crate) fn check_store(&self, modules: &[&Module], embedder: &dyn Embedder) -> Result<(), String> {
        let view = &self.image.program().store;
        let first =
            view.instances.first().ok_or_else(|| self.fail("the image has no instance".to_owned()))?;
        let module = modules.get(first.module as usize);
        self.verify(module.ok_or_else(|| self.fail("a module is missing".to_owned()))?, embedder)?;
        if self.host.is_some() {
            return Err(
                self.fail("the image is of a host that is restored by being started again".to_owned())
            );
        }
        let mode = read::<Mode>(&self.image.program().host).map_err(|why| self.fail(why))?;
        for module in modules {
            Mode::verify(mode.as_ref(), module).map_err(|why| self.fail(why))?;
        }
        if self.others.len() + 1 != view.instances.len() {
            return Err(self.fail(format!(
                "the image has {} instances, and says something of {}",
                view.instances.len(),
                self.others.len() + 1
            )));
        }
        let natives = embedder.native_modules();
        for parts in self.others.iter().filter_map(|other| other.parts.as_ref()) {
            native_state::verify(&natives, &parts.natives).map_err(|why| self.fail(why))?;
        }
        Ok(())
    }

    /// Checks what the image's sections say, as far as that is possible before anything is made. The module is that of its
    /// first instance.
    ///
    /// # Errors
    /// What is unknown here, contradicts itself, or is not of this module's mode.
    pub(crate) fn verify(&self, module: &Module, embedder: &dyn Embedder) -> Result<(), String> {
        let sections = &self.image.program().host;
        InstanceState::verify(Some(&self.record), module)
            .and_then(|()| Host::verify(self.host.as_ref(), module))
            .and_then(|()| Mode::verify(read::<Mode>(sections)?.as_ref(), module))
            .and_then(|()| Wasi::verify(read::<Wasi>(sections)?.as_ref(), module))
            .and_then(|()| Watched::verify(read::<Watched>(sections)?.as_ref(), module))
            .and_then(|()| GuestThreads::verify(Some(&self.guest_threads), module))
            .and_then(|()| Waits::verify(read::<Waits>(sections)?.as_ref(), module))
            .and_then(|()| Locks::verify(read::<Locks>(sections)?.as_ref(), module))
            .and_then(|()| Streams::verify(read::<Streams>(sections)?.as_ref(), module))
            .and_then(|()| native_state::verify(&embedder.native_modules(), sections))
            .map_err(|why| self.fail(why))
    }

    /// The stack of the call in progress, if there is one.
    pub(crate) fn thread(&self) -> Option<&Thread> {
        self.host_threads().next()
    }

    /// The stacks of calls of the host's that were in progress: not those of threads that the guest has started.
    pub(crate) fn host_threads(&self) -> impl Iterator<Item = &Thread> {
        let all = self.image.program().threads.iter().enumerate();
        all.filter(|(nth, _)| !self.guest_threads.has_stack(*nth)).map(|(_, thread)| thread)
    }

    /// How many of its instances are the host's.
    fn host_instances(&self) -> usize {
        self.image.program().store.instances.len() - self.guest_threads.places().count()
    }

    /// Hashes of the modules of its instances, in order.
    pub(crate) fn modules(&self) -> Vec<[u8; 32]> {
        let store = &self.image.program().store;
        let module = |instance: &wayfarer_snapshot::view::InstanceView| {
            store.modules.get(instance.module as usize).map(|m| m.sha256)
        };
        let all = (0..).zip(&store.instances);
        let of_host = all.filter(|(place, _)| self.guest_threads.beside(*place).is_none());
        of_host.filter_map(|(_, instance)| module(instance)).collect()
    }

    /// Whether the sections that an image has of one instance are of the first that was made in the host's store `ordinal`.
    pub(crate) fn is_section_of_first(&self, ordinal: usize) -> bool {
        let Some(host) = &self.host else { return ordinal == 0 };
        let notes = host.stores.get(ordinal).map(|store| &store.instances[..]).unwrap_or_default();
        // If they are of another, that has a note as well as all others that were alive.
        let noted = notes.iter().filter(|note| note.wasi.is_some()).count();
        ordinal == host.pending as usize && noted < self.host_instances()
    }

    /// WASI's part of the image.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn wasi(&self) -> Result<Cow<'_, [u8]>, String> {
        let record = read::<Wasi>(&self.image.program().host).map_err(|why| self.fail(why))?;
        record.ok_or_else(|| self.fail(missing::<Wasi>()))
    }

    /// Guest addresses of the app heap of one of its instances.
    pub(crate) fn heap_of(&self, place: usize) -> Option<(u32, u32)> {
        // That of a thread is its guest's.
        let place = self.guest_threads.beside(place as u32).map_or(place, |beside| beside as usize);
        match place.checked_sub(1) {
            None => self.record.heap,
            Some(at) => self.others.get(at)?.heap,
        }
    }

    /// What it has of one of its instances beside the engine's view; `None`: the host had ended it.
    ///
    /// # Errors
    /// It has nothing of the first one, which there always is.
    pub(crate) fn parts_of(&self, place: usize) -> Result<Option<SavedParts<'_>>, String> {
        let Some(at) = place.checked_sub(1) else {
            return Ok(Some(SavedParts { wasi: self.wasi()?, natives: &self.image.program().host }));
        };
        let parts = self.others.get(at).and_then(|other| other.parts.as_ref());
        Ok(parts.map(|parts| SavedParts { wasi: Cow::from(&parts.wasi), natives: &parts.natives }))
    }

    /// Puts the image's state into the store that the host made again, for the call in progress of an instance there.
    ///
    /// # Errors
    /// Text that says what does not fit.
    pub(crate) fn lay_out(
        &self,
        store: &Store,
        instance: u32,
        embedder: &dyn Embedder,
    ) -> Result<(), String> {
        let view = &self.image.program().store;
        let parts = |place: u32| store.instance(place as usize).and_then(HostParts::of);
        let program = parts(instance).map(HostParts::program);
        let first = self.host_instances();
        if let Some(program) = program
            && first < view.instances.len()
        {
            let beside = (first..view.instances.len()).map(|place| self.guest_threads.beside(place as u32));
            let beside: Option<Vec<u32>> = beside.collect();
            let beside = beside.ok_or_else(|| {
                self.fail("the host has made an instance while its guest had threads".to_owned())
            })?;
            // What is made for threads is as the image says; the rest was made by the host.
            let loaded = store.loaded_modules();
            let modules: Vec<&Module> = loaded.iter().map(|loaded| &*loaded.module).collect();
            let heap = |place: u32| {
                let place = self.guest_threads.beside(place).unwrap_or(place);
                let (start, end) = program.heap_of(store.instance(place as usize)?.number())?;
                Some(start..end)
            };
            let heaps: Vec<_> = (0..view.instances.len() as u32).map(heap).collect();
            wayfarer_runtime::integrity::check(view, &modules, &heaps)
                .map_err(|e| self.fail(e.to_string()))?;
            program.store().restore_beside(view, first, &beside).map_err(|e| self.fail(e.to_string()))?;
        }
        store.lay_out(view).map_err(|e| self.fail(e.to_string()))?;
        store
            .load_memories(&self.image, &store.loaded_modules(), false, None)
            .map_err(|e| self.fail(e.to_string()))?;
        self.restore_streams(store)?;
        self.restore_waits(store)?;
        if let Some(program) = program {
            guest_threads::restore(program, &self.guest_threads, self.image.program(), parts)
                .map_err(|why| self.fail(why))?;
        }
        let instance = store.instance(instance as usize).and_then(HostParts::of);
        instance.map_or(Ok(()), |instance| {
            native_state::restore(&embedder.native_modules(), instance, &self.image.program().host)
        })
    }

    /// What it says of C's streams, for the instances that are there, with their descriptors.
    ///
    /// # Errors
    /// Text that names a stream without the descriptor that it had.
    pub(crate) fn restore_streams(&self, store: &Store) -> Result<(), String> {
        let record = read::<Streams>(&self.image.program().host).map_err(|why| self.fail(why))?;
        let restored = record.map_or(Ok(()), |record| Streams::restore(&record, store));
        restored.map_err(|why| self.fail(why))
    }

    /// Gives the image's threads their places in queues back, and their locks.
    ///
    /// # Errors
    /// Text that says what cannot be.
    pub(crate) fn restore_waits(&self, store: &Store) -> Result<(), String> {
        let program = self.image.program();
        store.reserve_places(&program.threads).map_err(|why| self.fail(why))?;
        let record = read::<Locks>(&program.host).map_err(|why| self.fail(why))?;
        let (Some(record), Some(driver)) = (record, Driver::of(store)) else { return Ok(()) };
        Locks::restore(&record, (&driver.locks, &program.threads)).map_err(|why| self.fail(why))
    }

    fn fail(&self, why: String) -> String {
        format!("{}: {why}", self.image.origin())
    }
}
