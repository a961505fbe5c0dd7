//! Instances from images, and how a host finds its call again.
//!
//! A restored host does what it did at first: it makes an instance and calls into it. Its instance comes from the image.
//! Calls that were done before the checkpoint are answered from the journal; the call that was in progress is continued.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wayfarer_runtime::Store;
use wayfarer_snapshot::Image;
use wayfarer_snapshot::view::{Entry, HostSection, Thread};

use super::record::{self, Done, InstanceRecord, Journal, MAX_CALLS};
use crate::capi::load::WASMModuleCommon;

/// An image that an instance is to be made from.
pub(crate) struct Source {
    pub(crate) image: Image<'static>,
    pub(crate) record: InstanceRecord,
}

impl Source {
    /// Checks that an image is one of this module, from this library's C API.
    ///
    /// # Errors
    /// Text that says what is wrong with which image.
    pub(crate) fn new(image: Image<'static>, module: &WASMModuleCommon) -> Result<Source, String> {
        let fail = |why: String| format!("{}: {why}", image.origin());
        let store = &image.program().store;
        let [id] = &store.modules[..] else {
            return Err(fail(format!("the image is of {} modules, not of one", store.modules.len())));
        };
        let ours = module.module();
        if id.sha256 != ours.sha256 {
            // Hosts give the loader's message 128 bytes: what tells the modules apart comes first.
            return Err(fail(format!(
                "the image is of another module: {}, not {} (SHA-256 begins so; {}{} bytes, not {})",
                hex(&id.sha256[..6]),
                hex(&ours.sha256[..6]),
                if id.name.is_empty() { String::new() } else { format!("{}, ", id.name) },
                id.size,
                ours.bytes.len(),
            )));
        }
        if store.instances.len() != 1 || image.program().threads.len() > 1 {
            return Err(fail("the image has several instances or threads".to_owned()));
        }
        let section = section(&image, record::NAME, record::VERSION).map_err(fail)?;
        let record = InstanceRecord::decode(&section.bytes).map_err(|e| fail(e.to_string()))?;
        Ok(Source { image, record })
    }

    /// Opens an image file for a module.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub(crate) fn open(path: &Path, module: &WASMModuleCommon) -> Result<Source, String> {
        Source::new(Image::open(path).map_err(|e| e.to_string())?, module)
    }

    /// WASI's part of the image.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn wasi(&self) -> Result<&[u8], String> {
        section(&self.image, record::WASI.0, record::WASI.1)
            .map(|section| &*section.bytes)
            .map_err(|why| format!("{}: {why}", self.image.origin()))
    }
}

fn section<'a>(image: &'a Image<'_>, name: &str, version: u32) -> Result<&'a HostSection, String> {
    let section = image.program().host.iter().find(|s| s.name == name);
    let section = section.ok_or_else(|| format!("the image has no section '{name}'"))?;
    if section.version != version {
        return Err(format!("section '{name}' is of version {}, known is {version}", section.version));
    }
    Ok(section)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// An instance's journal, and what it still has to catch up with if it was restored.
pub(crate) struct Restoring {
    /// The host can be restored without knowing of it, so what it does is remembered.
    journaled: bool,
    restored: bool,
    state: Mutex<State>,
    /// Nothing to catch up with: looked at by every call.
    caught_up: AtomicBool,
}

#[derive(Default)]
struct State {
    journal: Journal,
    /// Arguments of the call in progress.
    in_progress: Option<Vec<u64>>,
    /// Entries of the journal that the host has not repeated yet.
    replayed: usize,
    /// The call that was in progress.
    pending: Option<Thread>,
    /// Where memory comes from once more, should the host write to it before its call goes on.
    source: Option<Source>,
}

/// What becomes of something that the host does.
pub(crate) enum Replay {
    /// Do it.
    Run,
    /// It was done; these were the results.
    Done(Vec<u64>),
    /// It was done, and ended with this exception.
    Failed(String),
    /// It is in progress: go on with it.
    Continue(Box<Thread>),
    /// It is not what the host did the first time.
    Astray(String),
}

impl Restoring {
    /// For an instance that was not restored. `journaled`: the host may be restored without being changed.
    pub(crate) fn fresh(journaled: bool) -> Restoring {
        Restoring { journaled, restored: false, state: Mutex::default(), caught_up: AtomicBool::new(true) }
    }

    /// For an instance made from an image.
    pub(crate) fn from_image(journaled: bool, mut source: Source) -> Restoring {
        let journal = std::mem::take(&mut source.record.journal);
        let in_progress = source.record.in_progress.take();
        let pending = source.image.program().threads.first().cloned();
        let caught_up = pending.is_none() && journal.calls.is_empty();
        let source = (!caught_up).then_some(source);
        let state = State { journal, in_progress, replayed: 0, pending, source };
        Restoring {
            journaled,
            restored: true,
            state: Mutex::new(state),
            caught_up: AtomicBool::new(caught_up),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal, for an image.
    pub(crate) fn journal(&self) -> Journal {
        self.state().journal.clone()
    }

    /// Whether the host made more calls than are remembered, so that it could not repeat them.
    pub(crate) fn overflown(&self) -> bool {
        self.state().journal.overflown
    }

    /// Whether the instance came from an image.
    pub(crate) fn is_restored(&self) -> bool {
        self.restored
    }

    /// Notes that a call of the host's begins.
    pub(crate) fn begin(&self, entry: Entry, args: &[u64]) {
        if self.journaled || entry == Entry::Main {
            self.state().in_progress = Some(args.to_vec());
        }
    }

    /// Notes that the call of function `func` ended: its results, or its exception.
    pub(crate) fn end(&self, func: u32, result: Result<&[u64], String>) {
        if self.journaled {
            let mut state = self.state();
            let args = state.in_progress.take().unwrap_or_default();
            state.journal.push(match result {
                Ok(results) => Done::Call { func, args, results: results.to_vec() },
                Err(exception) => Done::Failed { func, args, exception },
            });
            state.replayed = state.journal.calls.len();
        }
    }

    /// Arguments of the call in progress.
    pub(crate) fn in_progress(&self) -> Option<Vec<u64>> {
        self.state().in_progress.clone()
    }

    /// Whether there is a call in progress that the host has not come back to, and why it was made.
    pub(crate) fn pending(&self) -> Option<Entry> {
        if self.caught_up.load(Ordering::Acquire) {
            return None;
        }
        self.state().pending.as_ref().map(|thread| thread.entry)
    }

    /// Function index of the call in progress.
    pub(crate) fn pending_function(&self) -> Option<u32> {
        Some(self.state().pending.as_ref()?.frames.first()?.func.func)
    }

    /// Takes the call in progress whatever the host is doing: memory is as it was when it was stopped.
    ///
    /// # Errors
    /// The image cannot be read any more.
    pub(crate) fn take_pending(&self, store: &Store) -> Result<Option<Thread>, String> {
        let mut state = self.state();
        state.replayed = state.journal.calls.len();
        self.finish(&mut state, store)
    }

    /// What becomes of a call of function `func` with these arguments.
    pub(crate) fn call(&self, store: &Store, func: u32, args: &[u64]) -> Replay {
        if self.caught_up.load(Ordering::Acquire) {
            return Replay::Run;
        }
        let mut state = self.state();
        let state = &mut *state;
        if state.journal.overflown {
            return Replay::Astray(format!(
                "more than {MAX_CALLS} calls were made before the checkpoint: go on with wayfarer_resume"
            ));
        }
        if let Some(done) = state.journal.calls.get(state.replayed) {
            return match done {
                Done::Call { func: f, args: a, results } if *f == func && a == args => {
                    state.replayed += 1;
                    let results = results.clone();
                    self.settle(state);
                    Replay::Done(results)
                }
                Done::Failed { func: f, args: a, exception } if *f == func && a == args => {
                    state.replayed += 1;
                    let exception = exception.clone();
                    self.settle(state);
                    Replay::Failed(exception)
                }
                Done::Call { func: f, .. } | Done::Failed { func: f, .. } => Replay::Astray(format!(
                    "the restored host calls function {func}, or with other arguments, where it called function {f}"
                )),
                Done::Malloc { .. } => Replay::Astray(format!(
                    "the restored host calls function {func} where it allocated memory"
                )),
            };
        }
        let first = state.pending.as_ref().and_then(|t| t.frames.first()).map(|f| f.func.func);
        match first {
            None => Replay::Run,
            Some(pending) if pending == func && state.in_progress.as_deref().is_some_and(|a| a != args) => {
                Replay::Astray(format!(
                    "the restored host calls function {func} with other arguments than the call in progress has"
                ))
            }
            Some(pending) if pending == func => match self.finish(state, store) {
                Ok(Some(thread)) => Replay::Continue(Box::new(thread)),
                Ok(None) => Replay::Run,
                Err(why) => Replay::Astray(why),
            },
            Some(pending) => Replay::Astray(format!(
                "the restored host calls function {func}, but a call of function {pending} is in progress"
            )),
        }
    }

    /// The address that an allocation from the app heap gave the first time; `None`: allocate.
    pub(crate) fn malloc(&self, size: u32) -> Option<u32> {
        if self.caught_up.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        match state.journal.calls.get(state.replayed) {
            Some(Done::Malloc { size: s, address }) if *s == size => {
                let address = *address;
                state.replayed += 1;
                self.settle(&mut state);
                Some(address)
            }
            _ => None,
        }
    }

    /// Whether the host is still repeating what it did: what it frees is already free.
    pub(crate) fn replaying(&self) -> bool {
        !self.caught_up.load(Ordering::Acquire)
    }

    /// Notes something that was done.
    pub(crate) fn note(&self, done: impl FnOnce() -> Done) {
        if self.journaled {
            let mut state = self.state();
            state.journal.push(done());
            state.replayed = state.journal.calls.len();
        }
    }

    /// Without a call in progress, the end of the journal is the end of catching up.
    fn settle(&self, state: &mut State) {
        if state.replayed == state.journal.calls.len() && state.pending.is_none() {
            state.source = None;
            self.caught_up.store(true, Ordering::Release);
        }
    }

    /// The host has come to its call: from here the guest runs.
    fn finish(&self, state: &mut State, store: &Store) -> Result<Option<Thread>, String> {
        let thread = state.pending.take();
        if let Some(source) = state.source.take() {
            // The host may have written to memory, as it did before its call: that is in the image already.
            store
                .load_memories(&source.image, &store.loaded_modules(), false, None)
                .map_err(|e| e.to_string())?;
        }
        self.caught_up.store(true, Ordering::Release);
        Ok(thread)
    }
}
