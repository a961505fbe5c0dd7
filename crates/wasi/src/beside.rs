//! Content of files that travels beside a record, and not in it: it may be larger than anybody's memory.

use crate::table::Descriptor;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use wayfarer_files::Sparse;

/// Files whose bytes go beside records, by their numbers there. Those of several instances may go into one.
#[derive(Debug, Default)]
pub struct Beside {
    files: Vec<FileBeside>,
}

impl Beside {
    /// The files, in the order of their numbers.
    pub fn files(&self) -> &[FileBeside] {
        &self.files
    }

    /// The number of the file that a descriptor has open.
    pub(crate) fn add(&mut self, name: String, size: u64, descriptor: Arc<Descriptor>) -> u32 {
        self.files.push(FileBeside { name, size, descriptor });
        self.files.len() as u32 - 1
    }
}

/// A file whose bytes go beside a record. They must be read before the program goes on.
#[derive(Debug)]
pub struct FileBeside {
    name: String,
    size: u64,
    descriptor: Arc<Descriptor>,
}

impl FileBeside {
    /// For messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes the record says that it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads it from its beginning.
    ///
    /// # Errors
    /// What the host says.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        self.descriptor.file().map_err(io::Error::from)?.content()
    }
}

/// Who has what went beside a record.
pub trait ContentBeside {
    /// How many bytes the file of a number has; `None` if there is none.
    fn size(&self, number: u32) -> Option<u64>;

    /// Reads it from its beginning.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn open(&self, number: u32) -> io::Result<Box<dyn Sparse + '_>>;
}

/// For records that have everything in themselves.
pub(crate) struct Nothing;

impl ContentBeside for Nothing {
    fn size(&self, _: u32) -> Option<u64> {
        None
    }

    fn open(&self, _: u32) -> io::Result<Box<dyn Sparse + '_>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Content that cannot even be opened.
pub(crate) struct Failed(Option<io::Error>);

impl Failed {
    pub(crate) fn new(error: io::Error) -> Self {
        Failed(Some(error))
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failed")
    }
}

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::Other.into()))
    }
}

impl Sparse for Failed {}
