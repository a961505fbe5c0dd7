//! Named pipes that the guest has opened by a path: which of their ends is opened again when.
//!
//! Ends for reading, and for both, are opened at once, as nothing has to be waited for; after them those for writing only, each
//! of which waits until somebody has the pipe open for reading. So two programs that have both ends of two pipes open find each
//! other, whichever of them is restored first.

use super::{DescriptorRecord, Operation};
use crate::abi::{FileType, rights};
use crate::table::{Descriptor, Origin};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use wayfarer_files::{Kind, Stat};

/// Time between two looks whether somebody reads.
const INTERVAL: Duration = Duration::from_millis(5);

/// What brings a pipe to where it was, if anything is needed.
pub(super) fn pipe(descriptor: &Descriptor, stat: &Stat) -> Option<Operation> {
    let by_path = matches!(descriptor.origin, Origin::Path(_)) && stat.kind == Kind::Fifo;
    (by_path && has(descriptor, PollFlags::HUP | PollFlags::ERR)).then_some(Operation::Ended)
}

/// Whether all who wrote to this pipe have left. What it holds goes with this process then.
pub(in crate::resources) fn is_ended(descriptor: &Descriptor) -> bool {
    has(descriptor, PollFlags::HUP)
}

/// Whether the kernel says one of these of it.
fn has(descriptor: &Descriptor, flags: PollFlags) -> bool {
    let Ok(fd) = descriptor.fd() else { return false };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && fds[0].revents().intersects(flags)
}

/// Whether a descriptor is an end of a named pipe that cannot be opened before there is another.
pub(super) fn only_writes(saved: &DescriptorRecord) -> bool {
    saved.filetype == FileType::SocketStream as u8
        && saved.base & rights::FD_READ == 0
        && matches!(saved.operations.first(), Some(Operation::Open { .. }))
}

/// Opens a pipe as soon as somebody reads it.
///
/// # Errors
/// Nobody does until the limit; what `open` says.
pub(super) fn when_read<T>(limit: Duration, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    loop {
        match open() {
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) => {
                if start.elapsed() >= limit {
                    return Err(io::Error::other(format!(
                        "it is a named pipe that nobody has open for reading, also after {limit:?}"
                    )));
                }
                std::thread::sleep(INTERVAL);
            }
            opened => return opened,
        }
    }
}

/// Whether all have left who had its other end open.
pub(super) fn was_ended(saved: &DescriptorRecord) -> bool {
    saved.operations.contains(&Operation::Ended)
}

/// Has a pipe that is read be as one that all have left who wrote to it.
pub(super) fn end(descriptor: &Descriptor) -> io::Result<()> {
    if descriptor.open().stat()?.kind != Kind::Fifo {
        return Err(io::Error::other("it is no named pipe"));
    }
    let fd = descriptor.fd()?;
    // The very pipe, whatever its path leads to by now.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    drop(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?);
    Ok(())
}
