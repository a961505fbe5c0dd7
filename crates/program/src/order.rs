//! What hosts order of a program's checkpoints.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wayfarer_runtime::AfterCheckpoint;
use wayfarer_snapshot::{Compression, Reason, Stats};
use wayfarer_wasi::{ByPrefix, FilePolicy};

use crate::group::GroupOrder;

/// Where an image goes.
#[derive(Debug)]
pub enum Target {
    /// A file, replaced as a whole.
    Path(PathBuf),
    /// A descriptor, from where it is.
    Fd(OwnedFd),
    /// Memory.
    Buffer,
}

/// What became of a checkpoint.
#[derive(Debug)]
pub struct Report {
    /// What was written.
    pub stats: Stats,
    /// How long the program stood still.
    pub paused: Duration,
    /// The image, if it was to go to memory.
    pub image: Option<Vec<u8>>,
}

/// What is called when a checkpoint was taken or failed, on the thread that took it.
pub type Done = Box<dyn FnOnce(Result<Report, String>) + Send>;

/// Makes an order, each time one is triggered.
pub type Prepared = Box<dyn Fn() -> Option<Request> + Send>;

/// An order to take a checkpoint.
pub struct Request {
    /// What image.
    pub image: Wanted,
    /// What becomes of the program.
    pub then: AfterCheckpoint,
    /// Who is told.
    pub done: Done,
}

/// What image is wanted.
#[derive(Debug)]
pub struct Wanted {
    /// Where it goes.
    pub target: Target,
    /// How its pages are compressed.
    pub compression: Compression,
    /// Why it is taken.
    pub reason: Reason,
    /// What it holds of open files; the settings say it if this does not.
    pub files: Option<ByPrefix<FilePolicy>>,
    /// Whose images are taken at the same moment, if it is not of this program alone.
    pub group: Option<Box<GroupOrder>>,
    /// Whether standard streams may stay behind that are ends of pipes or streams to who is not saved with it. All may, if nobody is
    /// asked.
    pub leaves: Option<Leaves>,
}

/// Asked of a descriptor of the guest's, whether it may stay behind.
#[derive(Clone)]
pub struct Leaves(pub Arc<dyn Fn(u32) -> bool + Send + Sync>);

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves")
    }
}
