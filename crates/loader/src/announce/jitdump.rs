//! perf's jitdump: names and code of functions that are in no file, with the times they appeared. `perf inject -j` makes
//! ELF files of them, so that `perf annotate` can show instructions.
//!
//! The format is in the kernel's `tools/perf/Documentation/jitdump-specification.txt`. All numbers are the machine's own.

use super::{one_line, open_in_tmp};
use crate::{Function, Machine};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Mutex;

const MAGIC: u32 = u32::from_be_bytes(*b"JiTD");
const VERSION: u32 = 1;
const HEADER: u32 = 40;
/// Record: code was loaded.
const CODE_LOAD: u32 = 0;
/// Size of that record without name and code.
const CODE_LOAD_HEADER: usize = 56;

/// The process's file. perf knows one by the process's number, so there is one for all code.
struct Dump {
    file: File,
    /// The process it is for: after a fork it is another's.
    pid: u32,
    /// Records so far.
    index: u64,
}

static DUMP: Mutex<Option<Dump>> = Mutex::new(None);

/// Adds functions to this process's file.
pub(crate) fn write<'c>(
    machine: Machine,
    functions: &[Function],
    code: impl Fn(&Function) -> &'c [u8],
) -> io::Result<()> {
    let mut dump = DUMP.lock().unwrap_or_else(|e| e.into_inner());
    let pid = std::process::id();
    if dump.as_ref().is_some_and(|d| d.pid != pid) {
        *dump = None;
    }
    let dump = match &mut *dump {
        Some(dump) => dump,
        none => none.insert(Dump::open(machine, pid)?),
    };
    let mut records = Vec::new();
    for f in functions {
        record(&mut records, pid, dump.index, f, code(f));
        dump.index += 1;
    }
    dump.file.write_all(&records)
}

impl Dump {
    fn open(machine: Machine, pid: u32) -> io::Result<Dump> {
        let mut file = open_in_tmp(&format!("jit-{pid}.dump"))?;
        // What is there is of an older process with this number.
        file.set_len(0)?;
        file.write_all(&header(machine, pid, now()))?;
        // perf learns of the file by its being mapped for execution; it looks at nothing else of this.
        // SAFETY: a new mapping of a file, at an address of the kernel's choice, never accessed.
        let marker = unsafe {
            let access = libc::PROT_READ | libc::PROT_EXEC;
            libc::mmap(std::ptr::null_mut(), HEADER as usize, access, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
        };
        if marker == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Dump { file, pid, index: 0 })
    }
}

fn header(machine: Machine, pid: u32, time: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [MAGIC, VERSION, HEADER, u32::from(machine.elf().0), 0, pid] {
        out.extend_from_slice(&word.to_ne_bytes());
    }
    out.extend_from_slice(&time.to_ne_bytes());
    // Flags: times are the monotonic clock's.
    out.extend_from_slice(&0u64.to_ne_bytes());
    out
}

fn record(out: &mut Vec<u8>, pid: u32, index: u64, f: &Function, code: &[u8]) {
    let name = one_line(&f.name);
    let size = CODE_LOAD_HEADER + name.len() + 1 + code.len();
    // SAFETY: asks for a number.
    let tid = unsafe { libc::gettid() }.cast_unsigned();
    out.extend_from_slice(&CODE_LOAD.to_ne_bytes());
    out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_ne_bytes());
    out.extend_from_slice(&now().to_ne_bytes());
    out.extend_from_slice(&pid.to_ne_bytes());
    out.extend_from_slice(&tid.to_ne_bytes());
    for word in [f.address as u64, f.address as u64, code.len() as u64, index] {
        out.extend_from_slice(&word.to_ne_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(code);
}

/// Nanoseconds of the clock that `perf record -k mono` uses.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one time.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
