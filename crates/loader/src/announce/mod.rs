//! Telling tools the names of functions: each tool in its own way, none unless asked for.

pub(crate) mod elf;
pub(crate) mod gdb;
pub(crate) mod jitdump;
pub(crate) mod perf_map;

/// How perf is told about functions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PerfMode {
    /// Not at all.
    #[default]
    Off,
    /// By `/tmp/perf-PID.map`: names for `perf report`.
    Map,
    /// By `/tmp/jit-PID.dump`: names and code, for `perf record -k mono` and then `perf inject -j`.
    JitDump,
}

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// Opens a file for appending in the directory that everybody writes to, but no one else's file, and no link to another.
fn open_in_tmp(name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let path = format!("/tmp/{name}");
    let explain = |e: io::Error| io::Error::new(e.kind(), format!("{path}: {e}"));
    let file = options.open(&path).map_err(explain)?;
    let metadata = file.metadata().map_err(explain)?;
    // SAFETY: asks for a number.
    let me = unsafe { libc::geteuid() };
    if !metadata.is_file() || metadata.uid() != me || metadata.nlink() != 1 {
        let why = format!("{path}: there is one that is not this user's own");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(file)
}

/// A name that is one line.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
