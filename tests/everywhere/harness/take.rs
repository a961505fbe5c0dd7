//! Taking checkpoints: what the product's driver does, into memory.

use super::machine::{Host, WASI, World};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use wayfarer_runtime::{AfterCheckpoint, CaptureError, Checkpointer, Store};
use wayfarer_snapshot::view::{HostSection, ProgramView, Thread};
use wayfarer_snapshot::{Compression, Info, Reason, WriteOptions, save_to_vec};

/// An image, and the world that the program left.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) image: Vec<u8>,
    pub(crate) world: World,
    /// How much had been printed.
    pub(crate) printed: usize,
}

/// The view of a stopped program.
pub(crate) fn program(store: &Store, host: &Host, thread: Thread) -> Result<ProgramView, String> {
    let bytes = host.wasi.save().map_err(|e| e.to_string())?;
    let sections = vec![HostSection::new(WASI.0, WASI.1, bytes)];
    store.program(vec![thread], sections).map_err(|e| e.to_string())
}

/// Takes a checkpoint of a stopped program.
pub(crate) fn take(
    store: &Store,
    host: &Host,
    thread: Thread,
    compression: Compression,
) -> Result<Checkpoint, String> {
    let program = program(store, host, thread)?;
    let options = WriteOptions { compression, ..WriteOptions::default() };
    let image = store
        .with_memories(&program, |memories| {
            save_to_vec(&program, &Info::now(Reason::Count, 1), memories, &options)
        })
        .map_err(|e| e.to_string())?;
    let printed = host.streams().printed().map_err(|e| e.to_string())? as usize;
    Ok(Checkpoint { image, world: host.world()?, printed })
}

/// What a test does when its guest stands at a stable point.
pub(crate) type Visit =
    dyn FnMut(&Store, Result<Thread, CaptureError>) -> Result<AfterCheckpoint, String> + Send;

/// Calls back a test at stable points, and keeps what it complains about: nothing may unwind through guest
/// frames.
pub(crate) struct Visitor {
    visit: Mutex<Box<Visit>>,
    complaints: Mutex<Vec<String>>,
}

impl Visitor {
    /// Visits `store`'s stable points, as `store.control()` is told to.
    pub(crate) fn new(
        store: &Store,
        visit: impl FnMut(&Store, Result<Thread, CaptureError>) -> Result<AfterCheckpoint, String>
        + Send
        + 'static,
    ) -> Arc<Visitor> {
        let visitor = Arc::new(Visitor { visit: Mutex::new(Box::new(visit)), complaints: Mutex::default() });
        store.set_checkpointer(Some(visitor.clone()));
        visitor
    }

    /// What went wrong.
    pub(crate) fn complaints(&self) -> Vec<String> {
        std::mem::take(&mut *self.complaints.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Checkpointer for Visitor {
    fn checkpoint(&self, store: &Store, thread: Result<Thread, CaptureError>) -> AfterCheckpoint {
        let mut visit = self.visit.lock().unwrap_or_else(PoisonError::into_inner);
        let done = catch_unwind(AssertUnwindSafe(|| visit(store, thread)));
        let complaint = match done {
            Ok(Ok(after)) => return after,
            Ok(Err(why)) => why,
            Err(panic) => match panic.downcast::<String>() {
                Ok(text) => format!("panicked: {text}"),
                Err(_) => "panicked".to_owned(),
            },
        };
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
        AfterCheckpoint::Continue
    }

    fn checkpoint_between_calls(&self, _: &Store) -> AfterCheckpoint {
        panic!("the guest waits in no host function")
    }
}
