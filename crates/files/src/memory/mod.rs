//! A file system in memory, of which nothing is on any disk: its content travels in images.
//!
//! It answers as Linux's does, with these differences: there are no owners, permissions, pipes or devices; directories have one
//! link, and list their entries by name; all files together have a limit, and reaching it is [`Errno::NoSpc`](crate::Errno).
//!
//! | module | job |
//! |---|---|
//! | `tree` | files by number: names, times, space |
//! | `content` | bytes of a file |
//! | `walk` | where paths lead |
//! | `directory`, `file` | what is open |
//! | `fill` | content from a directory of the host's, a tar file, or the host itself |
//! | `record` | what an image holds of it, and whether other files are the same |
//! | `recorded` | what is in such a record, file by file |

mod content;
mod directory;
mod file;
mod fill;
mod record;
mod recorded;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use directory::MemoryDirectory;
pub use file::MemoryFile;
pub use fill::{FillError, Known};
pub use record::{Difference, FilesRecord};
pub use recorded::{Recorded, RecordedContent, RecordedData};

use crate::Errno;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tree::{Data, Node, Tree, now};

/// What all files of a file system may take together if nothing else is said, bytes. Each file counts with 192 beside its content,
/// and each name with 64 beside its own.
pub const DEFAULT_LIMIT: u64 = 512 << 20;

/// The largest limit: an image has room for so much.
pub const LARGEST_LIMIT: u64 = 768 << 20;

/// A file system in memory. Clones are the same one.
#[derive(Clone, Debug)]
pub struct MemoryFiles(Arc<Mutex<Tree>>);

impl MemoryFiles {
    /// One in which nothing is, not even a directory.
    pub fn new(limit: u64) -> Self {
        MemoryFiles(Arc::new(Mutex::new(Tree::new(limit.min(LARGEST_LIMIT)))))
    }

    /// Makes a directory for a guest, in which nothing is. It is in no other.
    ///
    /// # Errors
    /// `NOSPC`.
    pub fn add_root(&self) -> Result<MemoryDirectory, Errno> {
        let mut tree = self.tree();
        let inode = tree.next;
        let data = Data::Directory { parent: inode, entries: Default::default() };
        let inode = tree.add(Node { links: 1, ..Node::new(data, now()) })?;
        tree.opened(inode);
        drop(tree);
        Ok(MemoryDirectory::counted(self.clone(), inode))
    }

    /// Bytes that all files take.
    pub fn used(&self) -> u64 {
        self.tree().space.used
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // The tree is valid between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, other: &MemoryFiles) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
