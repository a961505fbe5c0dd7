//! The log of what guests ask of WASI: which instances keep one, and where ([`wayfarer_record`] has its format).
//!
//! - `file`: a file that instances of this process write to
//! - `observe`: a call as an entry
//!
//! Nobody's program does anything else for the sake of its log. A file that cannot be written to any more is said to be so, once
//! when that happens and once at the end, and the program goes on.
//!
//! Entries are in the order in which calls returned, of all threads: one that had returned before another began stands before
//! it. Of two that overlapped, each may be first; both say when they began, and how long they took.
//!
//! A child of this process writes nothing: the file is its parent's.

mod file;
mod observe;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wayfarer_guest::GuestMemory;
use wayfarer_record::{Call, Entry, Happened};
use wayfarer_runtime::{GuestThread, Store};
use wayfarer_wasi::{Outcome, WasiCtx, WasiFunction};

use crate::config;
use crate::instance::HostParts;
use crate::lock::Lock;
use crate::order::Target;
use file::RecordFile;

/// What the program has said: whether, and where to.
static CHOSEN: Lock<Option<Option<PathBuf>>> = Lock::new(None);

/// Has instances that are made from now on keep a log in this file, or none, whatever the settings say.
pub fn choose(path: Option<PathBuf>) {
    *CHOSEN.lock() = Some(path);
}

/// This thread is about to fork.
pub(crate) fn before_fork() {
    CHOSEN.before_fork();
    file::before_fork();
}

/// It has, and this is the parent or the child. Async-signal-safe.
pub(crate) fn after_fork() {
    file::after_fork();
    CHOSEN.after_fork();
}

/// Where instances that are made now keep their log, if they do.
fn chosen() -> Result<Option<PathBuf>, String> {
    if let Some(chosen) = &*CHOSEN.lock() {
        return Ok(chosen.clone());
    }
    Ok(config::in_force()?.record)
}

/// An instance's part of a log.
pub(crate) struct Recording {
    file: Arc<RecordFile>,
    instance: u32,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// Now, in nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Recording {
    /// The log of an instance, if it is to keep one. `restored`: the image that it goes on from.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) fn begin(parts: &HostParts, restored: Option<&str>) -> Result<Option<Recording>, String> {
        let Some(path) = chosen()? else { return Ok(None) };
        let loaded = parts.instance().loaded();
        let sha256 = loaded.module.sha256;
        let refused = |why| format!("the program's calls cannot be recorded in {}: {why}", path.display());
        let Some((file, torn)) = RecordFile::of(&path, &sha256).map_err(refused)? else { return Ok(None) };
        let recording = Recording { instance: file.next_instance(), file };
        recording.append(
            now(),
            Happened::Begun {
                pid: std::process::id(),
                runtime: env!("CARGO_PKG_VERSION").to_owned(),
                module: loaded.name.lock().unwrap_or_else(PoisonError::into_inner).clone(),
                sha256,
                restored: restored.map(str::to_owned),
                torn,
            },
        );
        Ok(Some(recording))
    }

    fn append(&self, time: u64, happened: Happened) {
        self.file.append(&Entry { time, instance: self.instance, happened });
    }

    /// Makes a call, and logs it when it is done. One that was interrupted is logged when it was made again.
    pub(crate) fn call(
        &self,
        function: &WasiFunction,
        wasi: &WasiCtx,
        memory: &GuestMemory<'_>,
        thread: &GuestThread,
        args: &[u64],
    ) -> Outcome {
        let guest = observe::Guest { wasi, memory };
        let parameters = observe::parameters(function);
        let given = guest.given(parameters, args);
        let (time, began) = (now(), Instant::now());
        let outcome = (function.call)(wasi, memory, thread, args);
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(ended) = observe::ended(&outcome) else { return outcome };
        let (results, ranges) = match outcome {
            Outcome::Errno(0) => guest.got(function, parameters, args),
            _ => (Vec::new(), Vec::new()),
        };
        let function = function.name.to_owned();
        let call = Call { thread: thread.id(), took, function, args: given, outcome: ended, results, ranges };
        self.append(time, Happened::Call(call));
        outcome
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.append(now(), Happened::Ended);
        self.file.flush();
    }
}

/// The logs of a store's instances.
fn each(store: &Store, visit: impl Fn(&Recording)) {
    let parts = store.instances().filter_map(|instance| HostParts::of_host(instance));
    parts.filter_map(|parts| parts.recording.get()).for_each(|recording| visit(recording));
}

/// An image of the store is about to be written: whatever happens then, what came before is logged.
pub(crate) fn before_checkpoint(store: &Store) {
    each(store, |recording| recording.file.flush());
}

/// It was written.
pub(crate) fn checkpoint_taken(store: &Store, target: &Target, sequence: u64) {
    let image = match target {
        Target::Path(path) => shown(path),
        Target::Fd(_) => "a descriptor".to_owned(),
        Target::Buffer => "memory".to_owned(),
    };
    each(store, |recording| {
        recording.append(now(), Happened::Checkpoint { image: image.clone(), sequence });
        recording.file.sync();
    });
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
