//! Reads, writes and waits.
//!
//! Regular files are read and written by the file system that they are of. What can wait is the host's, whatever the file system
//! is: standard streams, sockets, pipes. Guest memory may change under our feet, so no Rust reference to it exists: the kernel
//! gets raw pointers that were bounds-checked. That is why these calls go through `libc` and not `rustix`.
//!
//! Descriptors that can wait are read and written without waiting: ours are in `O_NONBLOCK` mode, the host's
//! get `RWF_NOWAIT`. If that says `AGAIN` they are polled together with the runtime's wake-up descriptor.
//! Terminals know no `RWF_NOWAIT`: those are polled first, and then read as they are.
//!
//! A transfer that the runtime interrupts goes on where it was when the call is made again: a write that waits
//! writes all of its bytes, whatever happens meanwhile.

use crate::abi::{FileType, fdflags, rights};
use crate::interrupted::Progress;
use crate::signals::{without_sigpipe, without_sigxfsz};
use crate::table::{Descriptor, lock};
use crate::{Call, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;
use wayfarer_files::{Buffer, Buffers, Errno};
use wayfarer_guest::{GuestMemory, Interrupt, OutOfBounds};

/// Most buffers that the kernel takes in one call (`IOV_MAX`). With more, a transfer is a short one.
const MAX_BUFFERS: u32 = 1024;

/// Writes of up to this many bytes do not wait on a pipe that polls as writable (pipe(7): `PIPE_BUF`, pages).
const NEVER_WAITS: usize = 4096;

/// Reads an array of `iovec` (address and length, 32 bits each). The buffers are not to outlive the call.
fn read_buffers(memory: &GuestMemory<'_>, array: u64, count: u32) -> Result<Buffers, OutOfBounds> {
    memory.range(array, u64::from(count) * 8)?;
    let mut buffers = Vec::with_capacity(count.min(MAX_BUFFERS) as usize);
    for i in 0..u64::from(count.min(MAX_BUFFERS)) {
        let addr = memory.read_u32(array + i * 8)?;
        let len = memory.read_u32(array + i * 8 + 4)?;
        let base = memory.range(addr.into(), len.into())?;
        if len > 0 {
            buffers.push(Buffer { base, len: len as usize });
        }
    }
    // SAFETY: `range` has found each of them to be in guest memory, which is mapped for the length of the call, and which no
    // Rust reference points to.
    Ok(unsafe { Buffers::new(buffers) })
}

impl Call<'_> {
    /// Parameters `i` and `i + 1`: address and count of an `iovec` array.
    pub(crate) fn buffers(&self, i: usize) -> Result<Buffers, Stop> {
        Ok(read_buffers(self.memory, self.ptr(i), self.u32(i + 1))?)
    }
}

/// Buffers as the kernel takes them, and how many.
fn iovecs(buffers: &Buffers) -> (*mut libc::iovec, usize) {
    let buffers = buffers.as_slice();
    // The layout is the same, as the Linux file system makes sure; the kernel does not write to it.
    (buffers.as_ptr().cast_mut().cast(), buffers.len())
}

fn result(count: isize) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// `readv` that answers `AGAIN` instead of waiting; of a terminal, that has polled as readable.
fn readv_nowait(descriptor: &Descriptor, buffers: &Buffers) -> io::Result<usize> {
    if descriptor.is_own() || descriptor.must_poll.load(Relaxed) {
        return descriptor.file()?.read(buffers);
    }
    let (iovecs, count) = iovecs(buffers);
    // SAFETY: every buffer is a range of guest memory that is writable for the length of the call; offset -1 is the file's own
    // position.
    let count = unsafe { libc::preadv2(descriptor.raw_fd(), iovecs, count as i32, -1, libc::RWF_NOWAIT) };
    supported(descriptor, result(count))
}

/// Turns `OPNOTSUPP` into `AGAIN`: this descriptor is to be polled first, from now on.
fn supported(descriptor: &Descriptor, result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            descriptor.must_poll.store(true, Relaxed);
            Err(io::ErrorKind::WouldBlock.into())
        }
        other => other,
    }
}

/// `writev` that answers `AGAIN`, or writes a part, instead of waiting.
fn writev_nowait(descriptor: &Descriptor, buffers: &mut Buffers) -> io::Result<usize> {
    if descriptor.is_socket {
        return sendmsg(descriptor, buffers, &mut []);
    }
    let file = descriptor.file()?;
    if descriptor.is_own() {
        return without_sigpipe(descriptor, || file.write(buffers));
    }
    if descriptor.must_poll.load(Relaxed) {
        return without_sigpipe(descriptor, || file.write(&buffers.head(NEVER_WAITS)));
    }
    let (iovecs, count) = iovecs(buffers);
    let count = without_sigpipe(descriptor, || {
        // SAFETY: every buffer is a range of guest memory that is readable for the length of the call; offset -1 is the file's
        // own position.
        result(unsafe { libc::pwritev2(descriptor.raw_fd(), iovecs, count as i32, -1, libc::RWF_NOWAIT) })
    });
    supported(descriptor, count)
}

/// Reads at the descriptor's position, waiting for data if it must. Returns bytes read.
pub(crate) fn read(call: &Call<'_>, descriptor: &Descriptor, buffers: &Buffers) -> Result<usize, Stop> {
    if !descriptor.filetype.waits() {
        let file = descriptor.file()?;
        let Some(mut watched) = descriptor.watched() else { return Ok(retry(|| file.read(buffers))?) };
        let fd = descriptor.fd()?;
        watched.before_read(fd);
        let read = retry(|| file.read(buffers));
        watched.after_read(fd, *read.as_ref().unwrap_or(&0));
        return Ok(read?);
    }
    if buffers.is_empty() {
        return Ok(0);
    }
    if let Some(count) = descriptor.read_ahead(buffers, false) {
        return Ok(count);
    }
    when_ready(call, descriptor, PollFlags::IN, || readv_nowait(descriptor, buffers))
}

/// Writes at the descriptor's position, waiting for room if it must. Returns bytes written: all of them, unless the
/// descriptor is a non-blocking one, its time is up, or an error comes in between.
pub(crate) fn write(call: &Call<'_>, descriptor: &Descriptor, mut buffers: Buffers) -> Result<usize, Stop> {
    let done = transferred(call);
    buffers.advance(done);
    if !descriptor.filetype.waits() {
        let file = descriptor.file()?;
        let wrote = retry(|| without_sigxfsz(descriptor, || file.write(&buffers)));
        if let Some(mut watched) = descriptor.watched() {
            watched.after_write(descriptor.fd()?, descriptor.mode().base & rights::FD_READ != 0);
        }
        return or_before(done, wrote.map_err(Stop::from));
    }
    transfer(call, descriptor, &mut buffers, |buffers| writev_nowait(descriptor, buffers))
}

/// Writes all of `buffers`, behind what the call had written before it was interrupted, by calls of `write`.
fn transfer(
    call: &Call<'_>,
    descriptor: &Descriptor,
    buffers: &mut Buffers,
    mut write: impl FnMut(&mut Buffers) -> io::Result<usize>,
) -> Result<usize, Stop> {
    while !buffers.is_empty() {
        match when_ready(call, descriptor, PollFlags::OUT, || write(buffers)) {
            Ok(wrote) => {
                note_transferred(call, wrote);
                buffers.advance(wrote);
                if wrote == 0 || descriptor.nonblocking() {
                    break;
                }
            }
            stopped => return or_before(transferred(call), stopped),
        }
    }
    Ok(transferred(call))
}

/// Bytes that the call has transferred so far.
pub(crate) fn transferred(call: &Call<'_>) -> usize {
    usize::try_from(call.progress().bytes).unwrap_or(usize::MAX)
}

/// Notes that it has transferred more of them.
pub(crate) fn note_transferred(call: &Call<'_>, more: usize) {
    let progress = call.progress();
    call.note(Progress { bytes: progress.bytes.saturating_add(more as u64), ..progress });
}

/// The end of a call that had transferred `done` bytes before. What was transferred stays so: the call ends with
/// that, and its error comes with the next call.
pub(crate) fn or_before(done: usize, last: Result<usize, Stop>) -> Result<usize, Stop> {
    match last {
        Ok(more) => Ok(done.saturating_add(more)),
        Err(Stop::Interrupted) => Err(Stop::Interrupted),
        Err(_) if done > 0 => Ok(done),
        Err(stop) => Err(stop),
    }
}

/// Reads at `offset`, leaving the position alone.
pub(crate) fn read_at(descriptor: &Descriptor, buffers: &Buffers, offset: u64) -> Result<usize, Stop> {
    i64::try_from(offset).map_err(|_| Errno::Inval)?;
    let file = descriptor.file()?;
    Ok(retry(|| file.read_at(buffers, offset))?)
}

/// Writes at `offset`, leaving the position alone.
pub(crate) fn write_at(descriptor: &Descriptor, buffers: &Buffers, offset: u64) -> Result<usize, Stop> {
    i64::try_from(offset).map_err(|_| Errno::Inval)?;
    let file = descriptor.file()?;
    Ok(retry(|| without_sigxfsz(descriptor, || file.write_at(buffers, offset)))?)
}

/// A message as `recvmsg` reports it.
pub(crate) struct Received {
    pub(crate) bytes: usize,
    /// Whether the message was longer than the buffers.
    pub(crate) truncated: bool,
    /// The sender, as the kernel wrote it.
    pub(crate) sender: Vec<u8>,
}

/// Receives a message, waiting for it if it must. `flags` are `MSG_*`.
pub(crate) fn receive(
    call: &Call<'_>,
    descriptor: &Descriptor,
    buffers: &mut Buffers,
    flags: i32,
) -> Result<Received, Stop> {
    if let Some(bytes) = descriptor.read_ahead(buffers, flags & libc::MSG_PEEK != 0) {
        return Ok(Received { bytes, truncated: false, sender: Vec::new() });
    }
    when_ready(call, descriptor, PollFlags::IN, || {
        let mut sender = [0u8; size_of::<libc::sockaddr_storage>()];
        let mut message = message(buffers, &mut sender);
        // SAFETY: `message` points to `sender` and to writable guest memory, both live for the call.
        let count = unsafe { libc::recvmsg(descriptor.raw_fd(), &mut message, flags | libc::MSG_DONTWAIT) };
        let bytes = result(count)?;
        let truncated = message.msg_flags & libc::MSG_TRUNC != 0;
        let length = (message.msg_namelen as usize).min(sender.len());
        Ok(Received { bytes, truncated, sender: sender[..length].to_vec() })
    })
}

/// Sends a message to `to` (an address as the kernel reads it, or empty), waiting for room if it must. On a stream
/// socket that waits it is sent as a whole.
pub(crate) fn send(
    call: &Call<'_>,
    descriptor: &Descriptor,
    mut buffers: Buffers,
    to: &mut [u8],
) -> Result<usize, Stop> {
    if descriptor.filetype != FileType::SocketStream || buffers.is_empty() {
        return when_ready(call, descriptor, PollFlags::OUT, || sendmsg(descriptor, &mut buffers, to));
    }
    buffers.advance(transferred(call));
    transfer(call, descriptor, &mut buffers, |buffers| sendmsg(descriptor, buffers, to))
}

/// `sendmsg` that answers `AGAIN`, or sends a part, instead of waiting.
fn sendmsg(descriptor: &Descriptor, buffers: &mut Buffers, to: &mut [u8]) -> io::Result<usize> {
    let message = message(buffers, to);
    // The process's own standard streams end it when nobody reads them, as pipes do (see `signals`).
    let quiet = if descriptor.is_process_stream() { 0 } else { libc::MSG_NOSIGNAL };
    let flags = libc::MSG_DONTWAIT | quiet;
    // SAFETY: `message` points to `to` and to readable guest memory, both live for the call.
    result(unsafe { libc::sendmsg(descriptor.raw_fd(), &message, flags) })
}

fn message(buffers: &mut Buffers, address: &mut [u8]) -> libc::msghdr {
    // SAFETY: all-zero is a valid `msghdr`: no address, no buffers, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    if !address.is_empty() {
        message.msg_name = address.as_mut_ptr().cast();
        message.msg_namelen = address.len() as libc::socklen_t;
    }
    let (iovecs, count) = iovecs(buffers);
    message.msg_iov = iovecs;
    message.msg_iovlen = count as _;
    message
}

/// Repeats `call` while signals break it: for calls that do not wait for anyone.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Runs `attempt`, which does not wait, now and each time the descriptor is ready, until it has done something.
///
/// # Errors
/// `AGAIN` from a non-blocking descriptor that is not ready; [`Stop::Interrupted`]; what `attempt` says.
pub(crate) fn when_ready<T>(
    call: &Call<'_>,
    descriptor: &Descriptor,
    want: PollFlags,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Result<T, Stop> {
    let fd = descriptor.fd()?;
    let mode = *descriptor.mode();
    let mut may_call = !descriptor.must_poll.load(Relaxed);
    loop {
        if may_call {
            match attempt() {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                other => return Ok(other?),
            }
        }
        if mode.flags & fdflags::NONBLOCK != 0 {
            if !is_ready(fd, want)? {
                return Err(Errno::Again.into());
            }
        } else {
            wait(call, descriptor, want)?;
        }
        may_call = true;
    }
}

/// Whether `fd` is ready (or broken, which the call on it will tell) now.
fn is_ready(fd: BorrowedFd<'_>, want: PollFlags) -> rustix::io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, want)];
    loop {
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

/// Waits until the descriptor is ready, or the runtime wants the thread.
///
/// # Errors
/// `AGAIN` when the socket's time-out has passed since the call was first made, as the kernel has it;
/// [`Stop::Interrupted`].
pub(crate) fn wait(call: &Call<'_>, descriptor: &Descriptor, want: PollFlags) -> Result<(), Stop> {
    let mode = *descriptor.mode();
    let timeout = if want == PollFlags::IN { mode.receive_timeout } else { mode.send_timeout };
    let deadline = timeout
        .map(|timeout| call.start().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)));
    let mut fds = vec![PollFd::from_borrowed_fd(descriptor.fd()?, want)];
    loop {
        let now = || lock(&call.ctx.clocks).monotonic();
        let nanos = deadline.map(|deadline| deadline.saturating_sub(now()));
        match wait_any(&mut fds, nanos, call.interrupt)? {
            Woken::Ready => return Ok(()),
            Woken::TimedOut if nanos == Some(0) => return Err(Errno::Again.into()),
            Woken::TimedOut => {}
            Woken::Interrupted if deadline.is_some_and(|deadline| deadline <= now()) => {
                return Err(Errno::Again.into());
            }
            Woken::Interrupted => return Err(Stop::Interrupted),
        }
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woken {
    Ready,
    TimedOut,
    Interrupted,
}

/// Waits until one of `fds` is ready, `nanos` have passed (never, if none are given) or the runtime wants the
/// thread. Readiness counts before the runtime's request, so that a call that can finish does.
pub(crate) fn wait_any<'fd>(
    fds: &mut Vec<PollFd<'fd>>,
    nanos: Option<u64>,
    interrupt: &'fd dyn Interrupt,
) -> rustix::io::Result<Woken> {
    let timeout =
        nanos.map(|n| Timespec { tv_sec: (n / 1_000_000_000) as i64, tv_nsec: (n % 1_000_000_000) as _ });
    let wake = interrupt.wake_fd();
    let own = fds.len();
    if wake >= 0 {
        // SAFETY: an `Interrupt` keeps its descriptor open for as long as it lives, which covers the wait.
        fds.push(PollFd::from_borrowed_fd(unsafe { BorrowedFd::borrow_raw(wake) }, PollFlags::IN));
    }
    let result = poll(fds, timeout.as_ref());
    let woken = fds.get(own).is_some_and(|fd| !fd.revents().is_empty());
    fds.truncate(own);
    match result {
        Ok(0) => Ok(Woken::TimedOut),
        Ok(_) if fds.iter().any(|fd| !fd.revents().is_empty()) => Ok(Woken::Ready),
        // Perhaps for a request that was served meanwhile.
        Ok(_) if woken && interrupt.pending() => Ok(Woken::Interrupted),
        Ok(_) => Ok(Woken::TimedOut),
        // The caller looks at the clock and its descriptors again.
        Err(rustix::io::Errno::INTR) if interrupt.pending() => Ok(Woken::Interrupted),
        Err(rustix::io::Errno::INTR) => {
            fds.iter_mut().for_each(PollFd::clear_revents);
            Ok(Woken::TimedOut)
        }
        Err(errno) => Err(errno),
    }
}

/// Bytes that can be read now, as far as the kernel says.
pub(crate) fn readable_bytes(descriptor: &Descriptor) -> u64 {
    match (descriptor.filetype, descriptor.file(), descriptor.fd()) {
        (FileType::RegularFile, Ok(file), _) => {
            let size = file.stat().map_or(0, |stat| stat.size);
            size.saturating_sub(file.tell().unwrap_or(0))
        }
        (_, _, Ok(fd)) => rustix::io::ioctl_fionread(fd).unwrap_or(0) + descriptor.bytes_ahead() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_buffers_are_left_out_and_those_outside_of_memory_refused() {
        let mut bytes = vec![0; 64];
        let iovecs = [[60u32, 0], [32, 4], [60, 5]];
        bytes[..24]
            .copy_from_slice(&iovecs.as_flattened().iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
        let memory = GuestMemory::from_slice(&mut bytes);
        let buffers = read_buffers(&memory, 0, 2).unwrap();
        let [buffer] = buffers.as_slice() else { panic!("{buffers:?}") };
        assert_eq!((buffer.base, buffer.len), (memory.range(32, 4).unwrap(), 4));
        assert!(read_buffers(&memory, 0, 3).is_err());
        assert!(read_buffers(&memory, 60, 1).is_err());
        assert!(read_buffers(&memory, 8, u32::MAX).is_err());
    }
}
