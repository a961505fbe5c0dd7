//! Pipes and streams between guests that are checkpointed together: who has which end, and what is on its way.
//!
//! What is on its way is read without taking it out of there: a program that goes on after its checkpoint still finds it.

use crate::ctx::WasiCtx;
use crate::table::{Descriptor, Origin, lock};
use crate::unix_peer::peer_of;
use rustix::fs::{OFlags, fcntl_getfl, fstat};
use rustix::net::{AddressFamily, SocketType};
use rustix::pipe::{SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe, tee};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use wayfarer_files::Buffers;

/// Most bytes of one channel that an image holds.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// Stands for the inode of who knows whom.
const UNKNOWN: u64 = u64::MAX;

/// A process's end of a pipe, or of a stream between two processes, so that others on the same machine know it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ChannelEnd {
    device: u64,
    inode: u64,
    /// Of a socket, the inode of its other end; 0 if that is closed, [`UNKNOWN`] if the system does not say.
    peer: Option<u64>,
    /// Whether anything can be read from it.
    pub reads: bool,
    /// Whether anything can be written to it.
    pub writes: bool,
}

impl ChannelEnd {
    /// The end that a descriptor is. `None`: it is none, or only outsiders can be at the other end.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Option<ChannelEnd> {
        let stat = fstat(fd).ok()?;
        let (device, inode) = (stat.st_dev, stat.st_ino);
        match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::Fifo => {
                let access = fcntl_getfl(fd).ok()? & OFlags::RWMODE;
                let (reads, writes) = (access != OFlags::WRONLY, access != OFlags::RDONLY);
                Some(ChannelEnd { device, inode, peer: None, reads, writes })
            }
            rustix::fs::FileType::Socket if is_unix(fd) => {
                let peer = Some(peer_of(inode as u32).map_or(UNKNOWN, u64::from));
                Some(ChannelEnd { device, inode, peer, reads: true, writes: true })
            }
            _ => None,
        }
    }

    /// The ends that this process has as its standard streams.
    pub fn of_process() -> Vec<ChannelEnd> {
        // SAFETY: only looked at during the call, which says so if one of them is not open.
        (0..3).filter_map(|fd| ChannelEnd::of(unsafe { BorrowedFd::borrow_raw(fd) })).collect()
    }

    /// Whether what is written to this one is read from `other`.
    pub fn feeds(&self, other: &ChannelEnd) -> bool {
        let connected = match (self.peer, other.peer) {
            (None, None) => self.is(other),
            // One that is closed is known by what was said of it before.
            (Some(peer), Some(back)) => peer == other.inode && (back == self.inode || back == 0),
            _ => false,
        };
        self.writes && other.reads && connected
    }

    /// Whether both are the same end, in two processes or in one.
    pub fn is(&self, other: &ChannelEnd) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether nobody can tell who has the other end.
    pub(crate) fn is_obscure(&self) -> bool {
        self.peer == Some(UNKNOWN)
    }
}

fn is_unix(fd: BorrowedFd<'_>) -> bool {
    rustix::net::getsockname(fd).is_ok_and(|name| name.address_family() == AddressFamily::UNIX)
}

/// What is on its way to a descriptor, which is left there.
///
/// # Errors
/// The system's; or it is more than bytes.
pub(crate) fn in_flight(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let waiting = rustix::io::ioctl_fionread(fd)?;
    if waiting == 0 {
        return Ok(Vec::new());
    }
    if waiting > MOST_BYTES as u64 {
        return Err(io::Error::other(format!("{waiting} bytes are on their way")));
    }
    let bytes = match rustix::net::sockopt::socket_type(fd) {
        Ok(SocketType::STREAM) => peek(fd, waiting as usize)?,
        Ok(_) => return Err(io::Error::other("messages are on their way, and not just bytes")),
        Err(_) => copy_of_pipe(fd)?,
    };
    if bytes.len() as u64 != waiting {
        let got = bytes.len();
        return Err(io::Error::other(format!("{waiting} bytes are on their way, {got} of them can be had")));
    }
    Ok(bytes)
}

/// Looks at what a socket has received. Descriptors that are sent with it end what is got.
fn peek(fd: BorrowedFd<'_>, waiting: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; waiting];
    // SAFETY: `bytes` has room for as many.
    let got = unsafe {
        libc::recv(
            fd.as_raw_fd(),
            bytes.as_mut_ptr().cast(),
            bytes.len(),
            libc::MSG_PEEK | libc::MSG_DONTWAIT,
        )
    };
    bytes.truncate(usize::try_from(got).map_err(|_| io::Error::last_os_error())?);
    Ok(bytes)
}

/// What is in a pipe: a second pipe gets it too, and is read.
fn copy_of_pipe(fd: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let (reader, writer) = pipe()?;
    let size = fcntl_getpipe_size(fd)?;
    // With fewer places than the other has, it would not get all.
    if fcntl_getpipe_size(&writer)? < size {
        fcntl_setpipe_size(&writer, size)?;
    }
    match tee(fd, &writer, MOST_BYTES, SpliceFlags::NONBLOCK) {
        Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
        Err(errno) => return Err(errno.into()),
    }
    drop(writer);
    let mut bytes = Vec::new();
    File::from(reader).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What was on its way to a guest when it was saved, and comes before all else.
#[derive(Default, Debug)]
pub(crate) struct Ahead {
    bytes: Mutex<VecDeque<u8>>,
    /// Whether there are none left: looked at by every read.
    taken: AtomicBool,
}

impl Ahead {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Ahead { taken: AtomicBool::new(bytes.is_empty()), bytes: Mutex::new(bytes.into()) }
    }

    pub(crate) fn len(&self) -> usize {
        if self.taken.load(Ordering::Acquire) { 0 } else { lock(&self.bytes).len() }
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        lock(&self.bytes).iter().copied().collect()
    }

    /// Gives the guest as many as it has room for, and keeps them if it only `peeks`. How many; `None` if there are none.
    fn give(&self, buffers: &Buffers, peeks: bool) -> Option<usize> {
        if self.taken.load(Ordering::Acquire) {
            return None;
        }
        let mut bytes = lock(&self.bytes);
        if bytes.is_empty() {
            return None;
        }
        let count = buffers.put(0, bytes.make_contiguous());
        if !peeks {
            bytes.drain(..count);
            self.taken.store(bytes.is_empty(), Ordering::Release);
        }
        Some(count)
    }
}

impl WasiCtx {
    /// Ends of pipes and streams that the guest has, its standard streams among them.
    pub fn channel_ends(&self) -> Vec<ChannelEnd> {
        let mut ends = Vec::new();
        for end in self.table().iter().filter_map(|(_, descriptor)| descriptor.channel()) {
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        ends
    }

    /// Standard streams that are an end of a pipe or a stream whose other end none of those has who are saved at the same time, nor this
    /// guest: another process has others in their place.
    pub fn ends_apart(&self, together: &[ChannelEnd]) -> Vec<u32> {
        let table = self.table();
        let own: Vec<ChannelEnd> = table.iter().filter_map(|(_, descriptor)| descriptor.channel()).collect();
        let mut apart = Vec::new();
        for (fd, descriptor) in table.iter() {
            let Some(end) = descriptor.channel().filter(|_| matches!(descriptor.origin, Origin::Stdio(_)))
            else {
                continue;
            };
            let meets = |other: &ChannelEnd| other.feeds(&end) || end.feeds(other);
            if !together.iter().chain(&own).any(meets) {
                apart.push(fd);
            }
        }
        apart
    }
}

impl Descriptor {
    /// How many bytes it has ahead of what the host's descriptor gives.
    pub(crate) fn bytes_ahead(&self) -> usize {
        self.ahead.get().map_or(0, |ahead| ahead.len())
    }

    /// Reads of what is ahead. `None` if there is nothing.
    pub(crate) fn read_ahead(&self, buffers: &Buffers, peeks: bool) -> Option<usize> {
        self.ahead.get()?.give(buffers, peeks)
    }

    /// The end of a channel that it is, if it is one.
    pub(crate) fn channel(&self) -> Option<ChannelEnd> {
        if !self.filetype.waits() {
            return None;
        }
        ChannelEnd::of(self.fd().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    fn end(fd: impl AsFd) -> ChannelEnd {
        ChannelEnd::of(fd.as_fd()).unwrap()
    }

    #[test]
    fn the_two_ends_of_a_pipe_or_a_stream_know_each_other() {
        let (reader, writer) = io::pipe().unwrap();
        let (other, _) = io::pipe().unwrap();
        let (r, w) = (end(&reader), end(&writer));
        assert!(w.feeds(&r) && !r.feeds(&w) && r.is(&w));
        assert!(!w.feeds(&end(&other)));
        let (a, b) = UnixStream::pair().unwrap();
        let (c, _d) = UnixStream::pair().unwrap();
        let (a, b, c) = (end(&a), end(&b), end(&c));
        assert!(a.feeds(&b) && b.feeds(&a) && !a.feeds(&c) && !c.feeds(&b) && !a.feeds(&a));
        assert!(!a.feeds(&r) && !w.feeds(&a));
        let (e, f) = UnixStream::pair().unwrap();
        let closed = end(&e);
        drop(e);
        assert!(closed.feeds(&end(&f)) && !closed.feeds(&c) && !end(&f).is_obscure());
        let null = File::open("/dev/null").unwrap();
        assert!(ChannelEnd::of(null.as_fd()).is_none());
    }

    #[test]
    fn what_is_on_its_way_is_seen_and_stays_there() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        assert_eq!(in_flight(reader.as_fd()).unwrap(), b"");
        fcntl_setpipe_size(&reader, 1 << 18).unwrap();
        // Pages that are not full, and more of them than another pipe has places.
        let mut written = Vec::new();
        for n in 0..60u8 {
            let piece = vec![n; 3000 + usize::from(n)];
            writer.write_all(&piece).unwrap();
            written.extend(piece);
        }
        assert_eq!(in_flight(reader.as_fd()).unwrap(), written);
        let mut read = vec![0; written.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(read, written);

        let (mut a, mut b) = UnixStream::pair().unwrap();
        assert_eq!(in_flight(b.as_fd()).unwrap(), b"");
        for piece in [&b"one "[..], b"two ", b"three"] {
            a.write_all(piece).unwrap();
        }
        assert_eq!(in_flight(b.as_fd()).unwrap(), b"one two three");
        let mut read = [0; 13];
        b.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one two three");
        let (c, d) = std::os::unix::net::UnixDatagram::pair().unwrap();
        c.send(b"message").unwrap();
        assert!(in_flight(d.as_fd()).unwrap_err().to_string().contains("messages"));
    }

    #[test]
    fn what_is_ahead_is_given_once() {
        let mut room = [0u8; 8];
        let buffer = wayfarer_files::Buffer { base: room.as_mut_ptr(), len: 4 };
        // SAFETY: `room` is looked at only between calls.
        let buffers = unsafe { Buffers::new(vec![buffer]) };
        let ahead = Ahead::new(b"abcdef".to_vec());
        assert_eq!((ahead.give(&buffers, true), ahead.len()), (Some(4), 6));
        assert_eq!((ahead.give(&buffers, false), ahead.to_vec()), (Some(4), b"ef".to_vec()));
        assert_eq!((ahead.give(&buffers, false), ahead.len()), (Some(2), 0));
        assert_eq!(ahead.give(&buffers, false), None);
        assert_eq!(&room, b"efcd\0\0\0\0");
    }
}
