//! Open files.

use super::MemoryFiles;
use super::tree::{Inode, Tree};
use crate::{Advice, Buffers, Errno, File, NewTime, Open, OpenOptions, Stat};
use std::io::{self, Read, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An open file. What it was opened for is for others to know: rights say what may be done.
#[derive(Debug)]
pub struct MemoryFile {
    files: MemoryFiles,
    inode: Inode,
    /// Held for as long as a call uses it, which moves it; locked before the tree.
    position: Mutex<u64>,
    append: AtomicBool,
}

impl MemoryFile {
    /// A handle that `tree` has counted.
    pub(super) fn counted(files: MemoryFiles, inode: Inode, append: bool) -> Self {
        MemoryFile { files, inode, position: Mutex::new(0), append: AtomicBool::new(append) }
    }

    fn position(&self) -> MutexGuard<'_, u64> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_from(&self, at: u64, into: &Buffers) -> Result<usize, Errno> {
        let mut tree = self.files.tree();
        let (content, _) = tree.content(self.inode)?;
        let read = content.read(at, into);
        if !into.is_empty() {
            tree.was_read(self.inode);
        }
        Ok(read)
    }

    /// Writes at an offset, or at the end if it appends; says where that ended, and how much it was.
    fn write_from(&self, at: u64, from: &Buffers) -> Result<(u64, usize), Errno> {
        let mut tree = self.files.tree();
        let (content, space) = tree.content(self.inode)?;
        let at = if self.append.load(Relaxed) { content.len } else { at };
        let wrote = content.write(at, from, space)?;
        if wrote > 0 {
            tree.written(self.inode);
        }
        Ok((at + wrote as u64, wrote))
    }

    fn change(&self, change: impl FnOnce(&mut Tree) -> Result<(), Errno>) -> io::Result<()> {
        let mut tree = self.files.tree();
        change(&mut tree)?;
        tree.written(self.inode);
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.files.tree().closed(self.inode);
    }
}

impl Open for MemoryFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.files.tree().stat(self.inode)?)
    }

    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()> {
        Ok(self.files.tree().set_times(self.inode, accessed, modified)?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_append(&self, append: bool) -> io::Result<()> {
        self.append.store(append, Relaxed);
        Ok(())
    }
}

impl File for MemoryFile {
    fn read(&self, into: &Buffers) -> io::Result<usize> {
        let mut position = self.position();
        let read = self.read_from(*position, into)?;
        *position += read as u64;
        Ok(read)
    }

    fn write(&self, from: &Buffers) -> io::Result<usize> {
        let mut position = self.position();
        if from.is_empty() {
            return Ok(0);
        }
        let (end, wrote) = self.write_from(*position, from)?;
        *position = end;
        Ok(wrote)
    }

    fn read_at(&self, into: &Buffers, offset: u64) -> io::Result<usize> {
        Ok(self.read_from(offset, into)?)
    }

    fn write_at(&self, from: &Buffers, offset: u64) -> io::Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        Ok(self.write_from(offset, from)?.1)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let mut position = self.position();
        let (base, offset) = match to {
            SeekFrom::Start(offset) => (0, i64::try_from(offset).map_err(|_| Errno::Inval)?),
            SeekFrom::Current(offset) => (*position, offset),
            SeekFrom::End(offset) => (self.stat()?.size, offset),
        };
        let to = i64::try_from(base).ok().and_then(|base| base.checked_add(offset)).ok_or(Errno::Overflow)?;
        *position = u64::try_from(to).map_err(|_| Errno::Inval)?;
        Ok(*position)
    }

    fn tell(&self) -> io::Result<u64> {
        Ok(*self.position())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.change(|tree| {
            let (content, space) = tree.content(self.inode)?;
            content.set_len(size, space)
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.change(|tree| {
            let (content, space) = tree.content(self.inode)?;
            content.allocate(offset, len, space)
        })
    }

    fn advise(&self, _: u64, _: u64, _: Advice) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn content(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Reader { file: self, at: 0 }))
    }

    fn open_again(&self, options: &OpenOptions) -> io::Result<Box<dyn File>> {
        self.files.tree().opened(self.inode);
        Ok(Box::new(MemoryFile::counted(self.files.clone(), self.inode, options.append)))
    }
}

/// Reads a file from its beginning.
struct Reader<'a> {
    file: &'a MemoryFile,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut tree = self.file.files.tree();
        let (content, _) = tree.content(self.file.inode)?;
        let read = content.read_slice(self.at, into);
        self.at += read as u64;
        Ok(read)
    }
}
