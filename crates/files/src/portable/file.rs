//! Open files.

use super::stat_of;
use crate::{Advice, Buffers, Errno, File, NewTime, Open, OpenOptions, Stat};
use cap_std::fs::Metadata;
use std::fs::{File as StdFile, FileTimes};
use std::io::{self, Read, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most bytes that are read or written in one call.
const PIECE: usize = 1 << 20;

/// Where an open file stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    position: u64,
    append: bool,
}

/// An open file, with a position that is ours.
#[derive(Debug)]
pub struct PortableFile {
    file: Arc<StdFile>,
    /// Held for as long as a call uses it, which moves it.
    place: Mutex<Place>,
}

impl PortableFile {
    /// What the host has opened.
    pub fn new(file: StdFile, append: bool) -> Self {
        PortableFile::of(Arc::new(file), append)
    }

    fn of(file: Arc<StdFile>, append: bool) -> Self {
        PortableFile { file, place: Mutex::new(Place { position: 0, append }) }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_from(&self, at: u64, into: &Buffers) -> io::Result<usize> {
        // Guest memory can't be lent to the standard library.
        let mut bytes = vec![0; into.bytes().min(PIECE)];
        let read = read_at(&self.file, &mut bytes, at)?;
        Ok(into.put(0, &bytes[..read]))
    }

    /// Writes at an offset, or at the end if it appends; says where that ended, and how much it was.
    fn write_from(&self, at: u64, append: bool, from: &Buffers) -> io::Result<(u64, usize)> {
        let mut bytes = vec![0; from.bytes().min(PIECE)];
        let there = from.take(0, &mut bytes);
        let at = if append { self.len()? } else { at };
        let wrote = write_at(&self.file, &bytes[..there], at)?;
        Ok((at + wrote as u64, wrote))
    }
}

#[cfg(unix)]
fn read_at(file: &StdFile, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

#[cfg(unix)]
fn write_at(file: &StdFile, from: &[u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, from, at)
}

// These move the host's position, which nobody looks at.
#[cfg(windows)]
fn read_at(file: &StdFile, into: &mut [u8], at: u64) -> io::Result<usize> {
    match std::os::windows::fs::FileExt::seek_read(file, into, at) {
        // ERROR_HANDLE_EOF
        Err(e) if e.raw_os_error() == Some(38) => Ok(0),
        read => read,
    }
}

#[cfg(windows)]
fn write_at(file: &StdFile, from: &[u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, from, at)
}

/// Times as the standard library takes them; those that stay are left out.
pub(super) fn file_times(accessed: NewTime, modified: NewTime) -> FileTimes {
    let at = |time| match time {
        NewTime::Keep => None,
        NewTime::Now => Some(SystemTime::now()),
        NewTime::At(nanos) => Some(UNIX_EPOCH + Duration::from_nanos(nanos)),
    };
    let mut times = FileTimes::new();
    if let Some(time) = at(accessed) {
        times = times.set_accessed(time);
    }
    if let Some(time) = at(modified) {
        times = times.set_modified(time);
    }
    times
}

impl Open for PortableFile {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&Metadata::from_file(&self.file)?))
    }

    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()> {
        self.file.set_times(file_times(accessed, modified))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn set_append(&self, append: bool) -> io::Result<()> {
        self.place().append = append;
        Ok(())
    }

    #[cfg(unix)]
    fn host(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        Some(std::os::fd::AsFd::as_fd(&*self.file))
    }
}

impl File for PortableFile {
    fn read(&self, into: &Buffers) -> io::Result<usize> {
        let mut place = self.place();
        let read = self.read_from(place.position, into)?;
        place.position += read as u64;
        Ok(read)
    }

    fn write(&self, from: &Buffers) -> io::Result<usize> {
        let mut place = self.place();
        if from.is_empty() {
            return Ok(0);
        }
        let (end, wrote) = self.write_from(place.position, place.append, from)?;
        place.position = end;
        Ok(wrote)
    }

    fn read_at(&self, into: &Buffers, offset: u64) -> io::Result<usize> {
        self.read_from(offset, into)
    }

    fn write_at(&self, from: &Buffers, offset: u64) -> io::Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        let append = self.place().append;
        Ok(self.write_from(offset, append, from)?.1)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let mut place = self.place();
        let (base, offset) = match to {
            SeekFrom::Start(offset) => (0, i64::try_from(offset).map_err(|_| Errno::Inval)?),
            SeekFrom::Current(offset) => (place.position, offset),
            SeekFrom::End(offset) => (self.len()?, offset),
        };
        let to = i64::try_from(base).ok().and_then(|base| base.checked_add(offset)).ok_or(Errno::Overflow)?;
        place.position = u64::try_from(to).map_err(|_| Errno::Inval)?;
        Ok(place.position)
    }

    fn tell(&self) -> io::Result<u64> {
        Ok(self.place().position)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = offset.saturating_add(len);
        if self.len()? < end { self.file.set_len(end) } else { Ok(()) }
    }

    fn advise(&self, _: u64, _: u64, _: Advice) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn content(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Reader { file: &self.file, at: 0 }))
    }

    fn open_again(&self, options: &OpenOptions) -> io::Result<Box<dyn File>> {
        Ok(Box::new(PortableFile::of(Arc::clone(&self.file), options.append)))
    }
}

/// Reads a file from its beginning.
struct Reader<'a> {
    file: &'a StdFile,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = read_at(self.file, into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
