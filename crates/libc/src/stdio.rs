//! `stdio.h`: formatted output, to the guest's standard output and to its memory.

use std::io::{self, Write};

use wayfarer_guest::GuestMemory;

use crate::call::{LibcCall, LibcTrap, int, params};
use crate::format::{self, Sink, Stop, VaList};
use crate::string;

/// The standard output of the process as C sees it.
///
/// A host written in C prints with its own `printf`. Only by sharing the C library's buffer do the lines of guest and host
/// come out in the order they were written.
#[derive(Clone, Copy, Debug, Default)]
pub struct CStdout;

mod c {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        #[cfg_attr(target_vendor = "apple", link_name = "__stdoutp")]
        static stdout: *mut c_void;
        fn fwrite(bytes: *const c_void, size: usize, count: usize, stream: *mut c_void) -> usize;
        fn fflush(stream: *mut c_void) -> c_int;
    }

    /// Number of bytes written.
    pub(super) fn write(bytes: &[u8]) -> usize {
        // SAFETY: the C library sets `stdout` up before any of our code runs; it locks the stream itself; `bytes` is a
        // readable buffer of the given size.
        unsafe { fwrite(bytes.as_ptr().cast(), 1, bytes.len(), stdout) }
    }

    pub(super) fn flush() -> c_int {
        // SAFETY: as in `write`.
        unsafe { fflush(stdout) }
    }
}

impl Write for CStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match c::write(bytes) {
            0 if !bytes.is_empty() => Err(io::Error::last_os_error()),
            written => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if c::flush() == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Collects small pieces before they go to a stream, so that an unbuffered one gets a line in one piece.
struct Stream<'a> {
    out: &'a mut dyn Write,
    pending: Vec<u8>,
}

/// Pending bytes at which a [`Stream`] writes.
const STREAM_BUFFER: usize = 4096;

impl Stream<'_> {
    fn write_pending(&mut self) -> Result<(), Stop> {
        let result = self.out.write_all(&self.pending);
        self.pending.clear();
        result.map_err(|_| Stop::Failed)
    }
}

impl Sink for Stream<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= STREAM_BUFFER { self.write_pending() } else { Ok(()) }
    }
}

/// A buffer in the guest: takes `room` bytes and drops the rest.
struct Buffer<'a> {
    memory: GuestMemory<'a>,
    at: u64,
    room: u64,
}

impl Sink for Buffer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let size = self.room.min(bytes.len() as u64);
        self.memory.write(self.at, &bytes[..size as usize])?;
        self.at += size;
        self.room -= size;
        Ok(())
    }
}

/// What the guest gets to see of how formatting ended.
fn outcome(result: Result<i32, Stop>) -> Result<u64, LibcTrap> {
    match result {
        Ok(count) => int(count),
        Err(Stop::Failed) => int(-1),
        Err(Stop::Trap(trap)) => Err(trap),
    }
}

pub(crate) fn printf(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [text, values] = params(args)?;
    let memory = call.host.memory();
    let mut stream = Stream { out: call.stdout, pending: Vec::new() };
    let result = format::format(memory, text, VaList::new(memory, values), &mut stream);
    // Also after an error: what came before it was printed.
    let written = stream.write_pending();
    outcome(result.and_then(|count| written.map(|()| count)))
}

/// Formats into a buffer of `size` bytes, which gets a NUL whatever happens, unless it has no bytes at all.
fn format_to_buffer(
    call: &mut LibcCall<'_>,
    buffer: u32,
    size: u64,
    text: u32,
    values: u32,
) -> Result<u64, LibcTrap> {
    let memory = call.host.memory();
    let mut sink = Buffer { memory, at: buffer.into(), room: size.saturating_sub(1) };
    let result = format::format(memory, text, VaList::new(memory, values), &mut sink);
    if size > 0 && !matches!(result, Err(Stop::Trap(_))) {
        memory.write_u8(sink.at, 0)?;
    }
    outcome(result)
}

pub(crate) fn sprintf(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [buffer, text, values] = params(args)?;
    format_to_buffer(call, buffer, u64::MAX, text, values)
}

pub(crate) fn snprintf(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [buffer, size, text, values] = params(args)?;
    format_to_buffer(call, buffer, size.into(), text, values)
}

pub(crate) fn puts(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [text] = params(args)?;
    let mut line = string::read(call.host.memory(), text)?;
    line.push(b'\n');
    let result = call.stdout.write_all(&line);
    int(if result.is_ok() { i32::try_from(line.len()).unwrap_or(i32::MAX) } else { -1 })
}

pub(crate) fn putchar(call: &mut LibcCall<'_>, args: &[u64]) -> Result<u64, LibcTrap> {
    let [c] = params(args)?;
    let result = call.stdout.write_all(&[c as u8]);
    int(if result.is_ok() { (c as u8).into() } else { -1 })
}
