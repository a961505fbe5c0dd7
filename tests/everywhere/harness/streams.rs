//! A guest's standard streams, seen from the host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Pipes hold this much (bytes), so that no guest of the tests ever waits for its output to be read.
const CAPACITY: usize = 1 << 20;

/// What the standard streams are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Pipes: what was read is gone.
    Pipes,
    /// Files, which have a position.
    Files,
}

/// What a guest finds on standard input.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// These bytes through a pipe, then its end.
    Pipe(Vec<u8>),
    /// A pipe that stays open.
    OpenPipe,
    /// This file, from its beginning.
    File(std::sync::Arc<File>),
}

/// The host's ends, and the guest's, which are the host's too.
#[derive(Debug)]
pub(crate) struct Streams {
    guests: [OwnedFd; 3],
    /// The writing end of an open pipe.
    feed: Option<File>,
    output: File,
    errors: File,
    kind: Kind,
}

impl Streams {
    /// Makes the streams, and says the guest's descriptors.
    pub(crate) fn new(kind: Kind, input: &Input) -> io::Result<(Streams, [RawFd; 3])> {
        let (feed, stdin) = match input {
            Input::Pipe(bytes) => {
                let (reader, mut writer) = pipe()?;
                writer.write_all(bytes)?;
                (None, reader)
            }
            Input::OpenPipe => {
                let (reader, writer) = pipe()?;
                (Some(writer), reader)
            }
            Input::File(file) => (None, anew(file)?),
        };
        let output = || match kind {
            Kind::Pipes => pipe(),
            Kind::Files => tempfile::tempfile().and_then(|file| Ok((file.try_clone()?, file))),
        };
        let ((output, stdout), (errors, stderr)) = (output()?, output()?);
        let guests = [stdin, stdout, stderr].map(OwnedFd::from);
        let numbers = guests.each_ref().map(AsRawFd::as_raw_fd);
        Ok((Streams { guests, feed, output, errors, kind }, numbers))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What a guest that goes on from here finds on standard input: what was not read yet.
    pub(crate) fn rest_of_input(&self, input: &Input) -> io::Result<Input> {
        let Input::Pipe(bytes) = input else { return Ok(input.clone()) };
        let mut left: libc::c_int = 0;
        // SAFETY: FIONREAD writes an int.
        if unsafe { libc::ioctl(self.guests[0].as_raw_fd(), libc::FIONREAD, &raw mut left) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Input::Pipe(bytes[bytes.len() - left as usize..].to_vec()))
    }

    /// Writes to an open pipe.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.feed.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    /// Closes an open pipe: the guest finds the end of its input.
    pub(crate) fn end_input(&mut self) {
        self.feed = None;
    }

    /// All that the guest has printed so far and nobody asked for, on standard output and standard error.
    pub(crate) fn take_output(&mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut printed, mut errors) = (Vec::new(), Vec::new());
        match self.kind {
            Kind::Pipes => {
                drain(&mut self.output, &mut printed)?;
                drain(&mut self.errors, &mut errors)?;
            }
            // The guest's positions must stay where they are.
            Kind::Files => {
                anew(&self.output)?.read_to_end(&mut printed)?;
                anew(&self.errors)?.read_to_end(&mut errors)?;
            }
        }
        Ok((printed, errors))
    }

    /// How much the guest has printed and nobody has read.
    pub(crate) fn printed(&self) -> io::Result<u64> {
        if self.kind == Kind::Files {
            return Ok(self.output.metadata()?.len());
        }
        let mut there: libc::c_int = 0;
        // SAFETY: FIONREAD writes an int.
        if unsafe { libc::ioctl(self.output.as_raw_fd(), libc::FIONREAD, &raw mut there) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(there as u64)
    }
}

/// The same file with a position of its own.
fn anew(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A pipe of large capacity: reading end, which does not wait when the host reads it, and writing end.
fn pipe() -> io::Result<(File, File)> {
    let mut fds = [0; 2];
    // SAFETY: writes two descriptors, which are then ours.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    let (reader, writer) = unsafe { (File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])) };
    // SAFETY: sets a number of a descriptor that is open. What cannot be had, the guest waits for.
    unsafe { libc::fcntl(fds[1], libc::F_SETPIPE_SZ, CAPACITY as libc::c_int) };
    Ok((reader, writer))
}

/// Reads what is there.
fn drain(pipe: &mut File, into: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut poll = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, on the stack.
        if unsafe { libc::poll(&raw mut poll, 1, 0) } <= 0 || poll.revents & libc::POLLIN == 0 {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        match pipe.read(&mut buffer)? {
            0 => return Ok(()),
            n => into.extend(&buffer[..n]),
        }
    }
}
