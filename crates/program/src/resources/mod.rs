//! Kinds of state that the host adds to an image, each in a section of its own, with a version of its own.
//!
//! | kind | section | what it is |
//! |---|---|---|
//! | `wasi` | `wasi` | descriptors, clocks, arguments, calls that wait: kinds themselves, in `wayfarer-wasi` |
//! | `instance` | `instance` | the app heap, the call in progress, how many checkpoints there were |
//! | `others` | `instances` | heaps, WASI and native state of a store's other instances |
//! | `host` | `host` | what the host has done with its instances, to be done again |
//! | `mode` | `deterministic` | the mode of the runtime |
//! | `watched` | `watched` | calls of watched functions that have not returned |
//! | `waits` | `waits` | places in wait queues of addresses |
//! | `locks` | `locks` | mutexes, condition variables, semaphores, keys, and who waits for them |
//! | `guest_threads` | `guest-threads` | threads that guests have started |
//! | `streams` | `streams` | C's streams, and their descriptors |
//! | `native_state` | `host:NAME` | what a native module of the host's saves |
//!
//! A new kind is a file here that implements [`Resource`], and a line in [`save`], [`describe`] and [`OURS`].

pub(crate) mod guest_threads;
pub(crate) mod host;
pub(crate) mod instance;
pub(crate) mod locks;
pub(crate) mod mode;
pub(crate) mod native_state;
pub(crate) mod others;
pub(crate) mod streams;
pub(crate) mod waits;
pub(crate) mod wasi;
pub(crate) mod watched;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value as Json;
use wayfarer_module::Module;
use wayfarer_runtime::Store;
use wayfarer_snapshot::view::{HostSection, Thread};
use wayfarer_wasi::{Beside, SavePolicy};

use super::history::History;
use super::record::HostRecord;
use crate::embedder::Embedder;
use crate::instance::HostParts;
use crate::locks::LocksRecord;

/// A kind of state that the host adds to an image.
pub(crate) trait Resource {
    /// What its section holds; some of it may be the section's own bytes.
    type Record<'a>;
    /// What it is made again in, and from what beside the record.
    type Into<'a>;
    /// What is made of it, if it is not in there then.
    type Made;

    /// Name of its section.
    const NAME: &'static str;
    /// Versions of it that are read. The last one is written.
    const VERSIONS: RangeInclusive<u32>;
    /// Whether a reader that does not know it can do without it.
    const ANCILLARY: bool = false;

    /// Its state; nothing if there is nothing to be said.
    ///
    /// # Errors
    /// What cannot be saved, in words.
    fn save(from: &mut Saving<'_>) -> Result<Option<Self::Record<'static>>, String>;

    /// The bytes of its section.
    ///
    /// # Errors
    /// The encoder's message.
    fn encode(record: Self::Record<'_>) -> Result<Vec<u8>, String>;

    /// # Errors
    /// What is wrong with the bytes.
    fn decode(bytes: &[u8], version: u32) -> Result<Self::Record<'_>, String>;

    /// Whether what an image says of it, or does not say, can be right, and is of a program of this module.
    ///
    /// # Errors
    /// Why it cannot, or is not.
    fn verify(record: Option<&Self::Record<'_>>, module: &Module) -> Result<(), String>;

    /// Makes it again.
    ///
    /// # Errors
    /// What does not fit here.
    fn restore(record: &Self::Record<'_>, into: Self::Into<'_>) -> Result<Self::Made, String>;

    /// For people. Nothing if there is nothing to be said.
    fn describe(record: &Self::Record<'_>) -> Option<Json>;
}

/// What is saved.
pub(crate) struct Saving<'a> {
    /// Where app heaps are, by number of the instance.
    pub(crate) heaps: BTreeMap<u32, (u32, u32)>,
    pub(crate) store: &'a Store,
    /// The guest's threads, as the image will have them.
    pub(crate) threads: &'a [Thread],
    /// The store's first instance: whose sections an image has.
    pub(crate) instance: &'a HostParts,
    /// Its module.
    pub(crate) module: &'a Module,
    pub(crate) embedder: &'a dyn Embedder,
    pub(crate) history: &'a History,
    /// Which checkpoint it is.
    pub(crate) sequence: u64,
    /// What the host has done, if it is restored by doing it again.
    pub(crate) host: Option<HostRecord>,
    /// Locks, as they are.
    pub(crate) locks: Option<LocksRecord>,
    /// What is saved of open files.
    pub(crate) files: &'a SavePolicy,
    /// Where their content goes.
    pub(crate) beside: &'a mut Beside,
}

/// Names of the sections of kinds that have one; others are those of native modules.
const OURS: [&str; 10] = [
    wasi::Wasi::NAME,
    instance::InstanceState::NAME,
    others::Others::NAME,
    host::Host::NAME,
    mode::Mode::NAME,
    watched::Watched::NAME,
    waits::Waits::NAME,
    locks::Locks::NAME,
    guest_threads::GuestThreads::NAME,
    streams::Streams::NAME,
];

/// Whether a section is this library's own.
fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// All sections of an image.
///
/// # Errors
/// What cannot be saved, in words.
pub(crate) fn save(mut from: Saving<'_>) -> Result<Vec<HostSection>, String> {
    let ours = [
        section::<wasi::Wasi>(&mut from)?,
        section::<instance::InstanceState>(&mut from)?,
        section::<others::Others>(&mut from)?,
        section::<host::Host>(&mut from)?,
        section::<mode::Mode>(&mut from)?,
        section::<watched::Watched>(&mut from)?,
        section::<waits::Waits>(&mut from)?,
        section::<locks::Locks>(&mut from)?,
        section::<guest_threads::GuestThreads>(&mut from)?,
        section::<streams::Streams>(&mut from)?,
    ];
    let mut sections: Vec<HostSection> = ours.into_iter().flatten().collect();
    sections.extend(native_state::save(&from.embedder.native_modules(), from.instance)?);
    Ok(sections)
}

fn section<R: Resource>(from: &mut Saving<'_>) -> Result<Option<HostSection>, String> {
    let Some(record) = R::save(from)? else { return Ok(None) };
    let section = HostSection::new(R::NAME, *R::VERSIONS.end(), R::encode(record)?);
    Ok(Some(HostSection { ancillary: R::ANCILLARY, ..section }))
}

/// What an image's sections say of a kind, if anything. One that is ancillary, and of a version that is not known here, is
/// skipped.
///
/// # Errors
/// It is of another version, or malformed.
pub(crate) fn read<R: Resource>(sections: &[HostSection]) -> Result<Option<R::Record<'_>>, String> {
    let Some(section) = sections.iter().find(|section| section.name == R::NAME) else { return Ok(None) };
    if !R::VERSIONS.contains(&section.version) {
        return if section.ancillary { Ok(None) } else { Err(other_version::<R>(section)) };
    }
    R::decode(&section.bytes, section.version).map(Some)
}

/// An image without what every image has.
/// Fails if a record has more bytes than are decoded.
fn within(bytes: &[u8], limit: usize, what: &str) -> Result<(), String> {
    match bytes.len() {
        len if len > limit => Err(format!("the record of {what} has {len} bytes")),
        _ => Ok(()),
    }
}

pub(crate) fn missing<R: Resource>() -> String {
    format!("the image has no section '{}'", R::NAME)
}

fn other_version<R: Resource>(section: &HostSection) -> String {
    let (first, last) = (R::VERSIONS.start(), R::VERSIONS.end());
    let known = if first == last { last.to_string() } else { format!("{first} to {last}") };
    format!("section '{}' is of version {}, known is {known}", R::NAME, section.version)
}

/// A section for people; nothing if nobody here knows it, or it is malformed.
pub fn describe(name: &str, version: u32, bytes: &[u8]) -> Option<Json> {
    fn of<R: Resource>(version: u32, bytes: &[u8]) -> Option<Json> {
        let known = R::VERSIONS.contains(&version);
        known.then(|| R::decode(bytes, version).ok()).flatten().and_then(|record| R::describe(&record))
    }
    match name {
        wasi::Wasi::NAME => of::<wasi::Wasi>(version, bytes),
        instance::InstanceState::NAME => of::<instance::InstanceState>(version, bytes),
        others::Others::NAME => of::<others::Others>(version, bytes),
        host::Host::NAME => of::<host::Host>(version, bytes),
        mode::Mode::NAME => of::<mode::Mode>(version, bytes),
        waits::Waits::NAME => of::<waits::Waits>(version, bytes),
        locks::Locks::NAME => of::<locks::Locks>(version, bytes),
        guest_threads::GuestThreads::NAME => of::<guest_threads::GuestThreads>(version, bytes),
        watched::Watched::NAME => of::<watched::Watched>(version, bytes),
        streams::Streams::NAME => of::<streams::Streams>(version, bytes),
        _ => None,
    }
}

/// Completes the descriptions of an image's sections, by their names, with what others of them say.
pub fn describe_together(sections: &mut [(&str, &mut Json)]) {
    let find = |name: &str| sections.iter().position(|(of, _)| *of == name);
    let of = |name: &str| find(name).map(|at| sections[at].1.clone());
    let (wasi, others) = (of(wasi::Wasi::NAME), of(others::Others::NAME));
    if let Some(at) = find(streams::Streams::NAME) {
        streams::complete(sections[at].1, wasi.as_ref(), others.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::mode::Mode;
    use super::*;

    #[test]
    fn versions_that_are_not_known_are_refused_by_name_unless_one_can_do_without() {
        let section = HostSection::new(Mode::NAME, 9, Vec::new());
        let error = read::<Mode>(std::slice::from_ref(&section)).unwrap_err();
        assert_eq!(error, "section 'deterministic' is of version 9, known is 1");
        let ancillary = HostSection { ancillary: true, ..section };
        assert!(read::<Mode>(&[ancillary]).unwrap().is_none());
        assert!(read::<Mode>(&[]).unwrap().is_none());
        assert!(describe(Mode::NAME, 9, &[]).is_none() && describe("host:mine", 1, &[]).is_none());
        let section = HostSection::new("instance", 3, Vec::new());
        let error = read::<instance::InstanceState>(&[section]).unwrap_err();
        assert_eq!(error, "section 'instance' is of version 3, known is 1 to 2");
    }
}
