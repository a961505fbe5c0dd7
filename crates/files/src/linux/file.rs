//! What a descriptor of the kernel's refers to.

use super::{stat_of, timestamps};
use crate::{Advice, Buffers, File, NewTime, Open, OpenOptions, Stat};
use rustix::fs::{
    FallocateFlags, OFlags, fadvise, fallocate, fcntl_getfl, fcntl_setfl, fdatasync, fstat, fsync, ftruncate,
    futimens, seek,
};
use std::fmt::Debug;
use std::io::{self, Read, SeekFrom};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

/// A file of the host's: a regular one, mostly; but what the kernel has a descriptor for will do. Its position is the kernel's.
#[derive(Debug)]
pub struct HostFile<T>(pub T);

impl<T: AsFd> AsFd for HostFile<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T: AsFd> HostFile<T> {
    fn raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    /// Its path among this process's descriptors (proc_pid_fd(5)).
    fn anew(&self) -> String {
        format!("/proc/self/fd/{}", self.raw_fd())
    }
}

/// Buffers as the kernel takes them. It only ever takes so many at once: with more, a transfer is a short one.
fn iovecs(buffers: &Buffers) -> (*const libc::iovec, i32) {
    const MOST: usize = 1024;
    const {
        assert!(size_of::<crate::Buffer>() == size_of::<libc::iovec>());
        assert!(align_of::<crate::Buffer>() == align_of::<libc::iovec>());
    }
    let buffers = buffers.as_slice();
    (buffers.as_ptr().cast(), buffers.len().min(MOST) as i32)
}

fn result(count: isize) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn host_offset(offset: u64) -> io::Result<libc::off64_t> {
    libc::off64_t::try_from(offset).map_err(|_| rustix::io::Errno::INVAL.into())
}

impl<T: AsFd + Debug + Send + Sync> Open for HostFile<T> {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&fstat(self)?))
    }

    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()> {
        Ok(futimens(self, &timestamps(accessed, modified))?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fsync(self)?)
    }

    fn set_append(&self, append: bool) -> io::Result<()> {
        let mut flags = fcntl_getfl(self)?;
        flags.set(OFlags::APPEND, append);
        Ok(fcntl_setfl(self, flags)?)
    }

    fn host(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }
}

impl<T: AsFd + Debug + Send + Sync> File for HostFile<T> {
    fn read(&self, into: &Buffers) -> io::Result<usize> {
        let (buffers, count) = iovecs(into);
        // SAFETY: every buffer is a range of guest memory that is writable, as who made the buffers has promised.
        result(unsafe { libc::readv(self.raw_fd(), buffers, count) })
    }

    fn write(&self, from: &Buffers) -> io::Result<usize> {
        let (buffers, count) = iovecs(from);
        // SAFETY: every buffer is a range of guest memory that is readable, as who made the buffers has promised.
        result(unsafe { libc::writev(self.raw_fd(), buffers, count) })
    }

    fn read_at(&self, into: &Buffers, offset: u64) -> io::Result<usize> {
        let (buffers, count) = iovecs(into);
        let offset = host_offset(offset)?;
        // SAFETY: as in `read`.
        result(unsafe { libc::preadv64(self.raw_fd(), buffers, count, offset) })
    }

    fn write_at(&self, from: &Buffers, offset: u64) -> io::Result<usize> {
        let (buffers, count) = iovecs(from);
        let offset = host_offset(offset)?;
        // SAFETY: as in `write`.
        result(unsafe { libc::pwritev64(self.raw_fd(), buffers, count, offset) })
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(offset) => rustix::fs::SeekFrom::Start(offset),
            SeekFrom::Current(offset) => rustix::fs::SeekFrom::Current(offset),
            SeekFrom::End(offset) => rustix::fs::SeekFrom::End(offset),
        };
        Ok(seek(self, to)?)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        Ok(ftruncate(self, size)?)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        match fallocate(self, FallocateFlags::empty(), offset, len) {
            // What posix_fallocate(3) promises about the size also holds where blocks can't be reserved.
            Err(rustix::io::Errno::OPNOTSUPP) => {
                let end = offset.saturating_add(len);
                if (fstat(self)?.st_size as u64) < end {
                    ftruncate(self, end)?;
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn advise(&self, offset: u64, len: u64, advice: Advice) -> io::Result<()> {
        let advice = match advice {
            Advice::Normal => rustix::fs::Advice::Normal,
            Advice::Sequential => rustix::fs::Advice::Sequential,
            Advice::Random => rustix::fs::Advice::Random,
            Advice::WillNeed => rustix::fs::Advice::WillNeed,
            Advice::DontNeed => rustix::fs::Advice::DontNeed,
            Advice::NoReuse => rustix::fs::Advice::NoReuse,
        };
        Ok(fadvise(self, offset, NonZeroU64::new(len), advice)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(fdatasync(self)?)
    }

    /// The guest's descriptor may be for writing only: the file is opened anew.
    fn content(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(std::fs::File::open(self.anew())?))
    }

    fn open_again(&self, options: &OpenOptions) -> io::Result<Box<dyn File>> {
        let mut host = std::fs::OpenOptions::new();
        host.read(options.read).write(options.write);
        if options.write && options.append {
            host.append(true);
        }
        host.custom_flags(OFlags::NONBLOCK.bits() as i32);
        Ok(Box::new(HostFile(host.open(self.anew())?)))
    }
}
