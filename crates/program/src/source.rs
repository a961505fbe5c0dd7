//! An image that a host's instances come from.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use wayfarer_module::Module;
use wayfarer_runtime::Store;
use wayfarer_snapshot::Image;
use wayfarer_snapshot::view::{HostSection, ModuleId, Thread};

use super::history::another_module;
use super::record::{HostRecord, InstanceRecord, OtherInstances};
use super::resources::host::Host;
use super::resources::instance::InstanceState;
use super::resources::instances::Instances;
use super::resources::mode::Mode;
use super::resources::wasi::Wasi;
use super::resources::{Resource, missing, native_state, read};
use crate::app_heap::AppHeap;
use crate::embedder::Embedder;
use crate::instance::HostParts;

/// An image with its records.
pub struct Source {
    pub(crate) image: Image<'static>,
    /// The record of its first instance.
    pub(crate) record: InstanceRecord,
    /// Those of its other instances.
    others: OtherInstances,
    /// What the host had done, if that is what it is restored by.
    pub(crate) host: Option<HostRecord>,
}

impl Source {
    /// Reads the records of an image of this library's C API.
    ///
    /// # Errors
    /// Text that says what is wrong with which image.
    pub fn new(image: Image<'static>) -> Result<Source, String> {
        let fail = |why: String| format!("{}: {why}", image.origin());
        if image.program().threads.len() > 1 {
            return Err(fail("the image has several threads".to_owned()));
        }
        if let Some(place) = image.program().host_reference() {
            // Its number means something else in this process, or an object that is none of the guest's.
            return Err(fail(format!(
                "{place} holds a reference to an object of the host, which is not in the image"
            )));
        }
        let sections = &image.program().host;
        let record = read::<InstanceState>(sections).map_err(fail)?;
        let record = record.ok_or_else(|| fail(missing::<InstanceState>()))?;
        let others = read::<Instances>(sections).map_err(fail)?.unwrap_or_default();
        let host = read::<Host>(sections).map_err(fail)?;
        Ok(Source { image, record, others, host })
    }

    /// Opens an image file.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub fn open(path: &Path) -> Result<Source, String> {
        Source::new(Image::open(path).map_err(|e| e.to_string())?)
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
        self.check_module(id, ours)?;
        self.verify(ours, embedder)?;
        if store.instances.len() != 1 {
            return Err(self.fail("the image has several instances".to_owned()));
        }
        if self.host.as_ref().is_some_and(|host| host.stores.len() > 1) {
            return Err(self.fail("the image is of a host with several instances".to_owned()));
        }
        Ok(())
    }

    /// Checks that the image is of instances of these modules, in this order.
    ///
    /// # Errors
    /// Text that says what is wrong with which image.
    pub fn check_all(&self, ours: &[&Module], embedder: &dyn Embedder) -> Result<(), String> {
        let store = &self.image.program().store;
        let (count, given) = (store.instances.len(), ours.len());
        if count != given || count == 0 {
            return Err(self.fail(format!("the image has {count} instances, not {given}")));
        }
        for (instance, ours) in store.instances.iter().zip(ours) {
            let id = store.modules.get(instance.module as usize);
            self.check_module(id.ok_or_else(|| self.fail("an instance has no module".to_owned()))?, ours)?;
        }
        self.verify(ours[0], embedder)?;
        if self.host.is_some() {
            return Err(self.fail("the image is of a host that comes back by being started again".to_owned()));
        }
        if self.others.0.len() + 1 != count {
            let known = self.others.0.len() + 1;
            return Err(self.fail(format!("the image has {count} instances, and what belongs to {known}")));
        }
        let natives = embedder.native_modules();
        let verified =
            self.others.0.iter().try_for_each(|other| native_state::verify(&natives, &other.natives));
        verified.map_err(|why| self.fail(why))
    }

    fn check_module(&self, id: &ModuleId, ours: &Module) -> Result<(), String> {
        if id.sha256 == ours.sha256 {
            return Ok(());
        }
        let name = if id.name.is_empty() { String::new() } else { format!("{}, ", id.name) };
        let sizes = format!(" ({name}{} bytes, not {})", id.size, ours.bytes.len());
        Err(self.fail(another_module(&id.sha256, &ours.sha256) + &sizes))
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
            .and_then(|()| native_state::verify(&embedder.native_modules(), sections))
            .map_err(|why| self.fail(why))
    }

    /// The stack of the call in progress, if there is one.
    pub(crate) fn thread(&self) -> Option<&Thread> {
        self.image.program().threads.first()
    }

    /// Hashes of the modules of its instances, in order.
    pub(crate) fn modules(&self) -> Vec<[u8; 32]> {
        let store = &self.image.program().store;
        let module = |instance: &wayfarer_snapshot::view::InstanceView| {
            store.modules.get(instance.module as usize).map(|m| m.sha256)
        };
        store.instances.iter().filter_map(module).collect()
    }

    /// Whether the sections that an image has of one instance are of the first that was made in the host's store `ordinal`.
    pub(crate) fn is_section_of_first(&self, ordinal: usize) -> bool {
        let Some(host) = &self.host else { return ordinal == 0 };
        let notes = host.stores.get(ordinal).map(|store| &store.instances[..]).unwrap_or_default();
        // If they are of another, that has a note as well as all others that were alive.
        let noted = notes.iter().filter(|note| note.wasi.is_some()).count();
        ordinal == host.pending as usize && noted < self.image.program().store.instances.len()
    }

    /// WASI's part of the image.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn wasi(&self) -> Result<Cow<'_, [u8]>, String> {
        let record = read::<Wasi>(&self.image.program().host).map_err(|why| self.fail(why))?;
        record.ok_or_else(|| self.fail(missing::<Wasi>()))
    }

    /// WASI's part of one of its instances.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn wasi_of(&self, place: usize) -> Result<Cow<'_, [u8]>, String> {
        match self.other(place) {
            None => self.wasi(),
            Some(at) => {
                let other = self.others.0.get(at).ok_or_else(|| self.fail(missing::<Instances>()))?;
                Ok(Cow::from(&other.wasi[..]))
            }
        }
    }

    /// The app heap of one of its instances.
    ///
    /// # Errors
    /// If there is no such instance.
    pub(crate) fn heap_of(&self, place: usize) -> Result<Option<AppHeap>, String> {
        match self.other(place) {
            None => InstanceState::restore(&self.record, ()),
            Some(at) => Instances::restore(&self.others, at),
        }
    }

    /// Where that is, as it was written.
    pub(crate) fn heap_range(&self, place: usize) -> Option<Range<u32>> {
        let heap = match self.other(place) {
            None => self.record.heap,
            Some(at) => self.others.0.get(at).and_then(|other| other.heap),
        };
        heap.map(|(start, end)| start..end)
    }

    /// Sections of native modules of one of its instances.
    pub(crate) fn natives_of(&self, place: usize) -> &[HostSection] {
        match self.other(place) {
            None => &self.image.program().host,
            Some(at) => self.others.0.get(at).map_or(&[], |other| &other.natives),
        }
    }

    /// Its place among those that are not the first.
    fn other(&self, place: usize) -> Option<usize> {
        place.checked_sub(1)
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
        store.lay_out(&self.image.program().store).map_err(|e| self.fail(e.to_string()))?;
        store
            .load_memories(&self.image, &store.loaded_modules(), false, None)
            .map_err(|e| self.fail(e.to_string()))?;
        let instance = store.instance(instance as usize).and_then(HostParts::of);
        instance.map_or(Ok(()), |instance| {
            native_state::restore(&embedder.native_modules(), instance, &self.image.program().host)
        })
    }

    fn fail(&self, why: String) -> String {
        format!("{}: {why}", self.image.origin())
    }
}
