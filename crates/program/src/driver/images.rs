//! The images themselves: what is in them, and where they go.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use wayfarer_runtime::Store;
use wayfarer_snapshot::view::{HostSection, Thread};
use wayfarer_snapshot::{
    Compression, FileContent, FileSource, Info, Progress, Reason, SaveError, WriteOptions, save_to_fd,
    save_to_path, write_image,
};
use wayfarer_wasi::{Beside, ChannelEnd, FileBeside, SavePolicy};

use super::{Driver, complain};
use crate::history::Keep;
use crate::instance::HostParts;
use crate::locks::LocksRecord;
use crate::order::{Leaves, Report, Target, Wanted};
use crate::progress::Shown;
use crate::record::HostRecord;
use crate::resources::{self, Saving};
use crate::{config, host, recording};

/// Why there is no image of a host that is restored by being started again.
const OTHERS_LOCKS: &str = "another instance of the host's has locks or keys of the pthread library, which are in no image but its own";

impl Driver {
    /// An image of a store, which is made from it by `wayfarer.h`.
    pub(crate) fn take_ordered(
        &self,
        store: &Store,
        threads: &Result<Vec<Thread>, String>,
        image: &Wanted,
    ) -> Result<Report, String> {
        let ready = self.ready(store, threads);
        match &image.group {
            Some(order) => self.take_ordered_in_group(store, ready, image, order),
            None => self.take_alone(store, ready?, image, None),
        }
    }

    /// The stacks of all calls in progress, if an image of the store can be restored by `wayfarer.h`.
    fn ready(&self, store: &Store, threads: &Result<Vec<Thread>, String>) -> Result<Vec<Thread>, String> {
        let mut threads = threads.as_ref().map_err(String::clone)?.clone();
        // Those that the host has not gone on with are where they were.
        threads.extend(self.history.waiting());
        threads.extend(self.kept().stacks().cloned());
        // Those that the guest has started, and nobody yet in this process, too.
        let threads = self.guest_threads.with_waiting(threads);
        let view = store.capture().map_err(|e| e.to_string())?;
        if let Some(object) = wayfarer_runtime::integrity::unused(&view) {
            return Err(format!("{object} was made by the host, and is used by no instance"));
        }
        Ok(threads)
    }

    /// An ordered image of this program. `together`: ends that others have who are saved at the same time.
    pub(crate) fn take_alone(
        &self,
        store: &Store,
        threads: Vec<Thread>,
        image: &Wanted,
        together: Option<Arc<[ChannelEnd]>>,
    ) -> Result<Report, String> {
        if let Some(Leaves(may_leave)) = &image.leaves {
            let others = together.as_deref().unwrap_or_default();
            let instances = store.instances().filter_map(HostParts::of_host);
            for fd in instances.flat_map(|parts| parts.wasi.ends_apart(others)) {
                if !may_leave(fd) {
                    return Err(format!(
                        "descriptor {fd} leads to a program that is not checkpointed with this one, and its host does not let it stay behind"
                    ));
                }
            }
        }
        let files = SavePolicy { together, ..config::save_policy(image.files.as_ref()) };
        self.take(store, threads, image, &files, None, Beside::default())
    }

    /// An image that the host is restored from by being started again.
    pub(crate) fn take_by_policy(
        &self,
        store: &Store,
        threads: &[Thread],
        path: &Path,
        reason: Reason,
        together: Option<Arc<[ChannelEnd]>>,
    ) -> Result<Report, String> {
        let target = Target::Path(path.to_owned());
        let image =
            Wanted { target, compression: Compression::None, reason, files: None, group: None, leaves: None };
        // What others write to the first instance is not for the others of its process: they have nothing of it.
        let alone = config::save_policy(None);
        let mut beside = Beside::default();
        let host = match self.keep {
            Keep::Nothing => None,
            keep => {
                if let Some(why) = host::obstacle(&self.history) {
                    return Err(why);
                }
                if host::others_have_locks(self) {
                    return Err(OTHERS_LOCKS.to_owned());
                }
                Some(host::record(store, keep, &alone, &mut beside)?)
            }
        };
        let files = SavePolicy { together, ..alone };
        self.take(store, threads.to_vec(), &image, &files, host, beside)
    }

    fn take(
        &self,
        store: &Store,
        mut threads: Vec<Thread>,
        wanted: &Wanted,
        files: &SavePolicy,
        host: Option<HostRecord>,
        mut beside: Beside,
    ) -> Result<Report, String> {
        // The host's first, whoever was made first in this process.
        threads.sort_by_key(|thread| self.guest_threads.is_of_guest(thread.tid));
        store.complete_waits(&mut threads);
        let locks = self.locks.record(&self.control, &mut threads)?;
        let &Wanted { ref target, compression, reason, .. } = wanted;
        let started = Instant::now();
        let sequence = self.count() + 1;
        let host = self.host_sections(store, &threads, sequence, host, locks, files, &mut beside)?;
        let program = store.program(threads, host).map_err(|e| e.to_string())?;
        if let Some(place) = program.host_reference() {
            return Err(format!(
                "{place} holds a reference to an object of the host, which has no way to save it"
            ));
        }
        let info = Info::now(reason, sequence);
        recording::before_checkpoint(store);
        let shown = Shown::new("checkpoint");
        let progress = |p: Progress| shown.show(p);
        let contents: Vec<_> = beside.files().iter().map(Content).collect();
        let named = contents.iter().map(|content| FileSource {
            name: content.0.name(),
            len: content.0.size(),
            content,
        });
        let contents: Vec<FileSource<'_>> = named.collect();
        let options = WriteOptions {
            compression,
            progress: Some(&progress),
            mode: config::image_mode(),
            files: &contents,
        };
        let saved = store.with_memories(&program, |memories| match target {
            Target::Path(path) => save_to_path(path, &program, &info, memories, &options).map(|s| (s, None)),
            Target::Fd(fd) => save_to_fd(fd.as_fd(), &program, &info, memories, &options).map(|s| (s, None)),
            Target::Buffer => {
                let mut bytes = Vec::new();
                match write_image(&mut bytes, &program, &info, memories, &options) {
                    Ok(stats) => Ok((stats, Some(bytes))),
                    Err(source) => Err(SaveError {
                        target: "memory".to_owned(),
                        step: wayfarer_snapshot::SaveStep::Write,
                        source,
                    }),
                }
            }
        });
        drop(shown);
        let (stats, image) = saved.map_err(|e| e.to_string())?;
        self.sequence.store(sequence, Ordering::SeqCst);
        recording::checkpoint_taken(store, target, sequence);
        if stats.unsynced {
            complain(
                "the image is in place, but its directory could not be synced: a power failure may bring the older one back",
            );
        }
        Ok(Report { stats, paused: started.elapsed(), image })
    }

    /// What WASI, the C API, locks and the host's native modules add.
    #[allow(clippy::too_many_arguments)]
    fn host_sections(
        &self,
        store: &Store,
        threads: &[Thread],
        sequence: u64,
        host: Option<HostRecord>,
        locks: Option<LocksRecord>,
        files: &SavePolicy,
        beside: &mut Beside,
    ) -> Result<Vec<HostSection>, String> {
        let first = store.instance(0);
        let (Some(first), Some(instance)) = (first, first.and_then(HostParts::of)) else {
            return Err("the store's first instance is gone".to_owned());
        };
        let (embedder, heaps) = (self.embedder(), self.heaps().clone());
        // No lock is held: native modules save their state.
        resources::save(Saving {
            heaps,
            store,
            threads,
            instance,
            module: first.module(),
            embedder,
            history: &self.history,
            sequence,
            host,
            locks,
            files,
            beside,
        })
    }
}

/// A file whose bytes go beside records.
struct Content<'a>(&'a FileBeside);

impl FileContent for Content<'_> {
    fn open(&self) -> std::io::Result<Box<dyn std::io::Read + '_>> {
        self.0.open()
    }
}
