//! `wayfarer request`: asks a process for a checkpoint.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wayfarer_program::policy::signal_name;
use wayfarer_snapshot::Image;

use crate::args::Request;

/// How long to wait before looking again. Most checkpoints take longer than this.
const INTERVAL: Duration = Duration::from_millis(10);

/// After so long without a handler, a message says what is being waited for.
const SILENCE: Duration = Duration::from_secs(2);

/// Asks, and waits if that was asked for. What there is to tell then.
///
/// # Errors
/// Why there is no checkpoint, or won't be.
pub(crate) fn run(request: &Request) -> Result<String, String> {
    let process = Process::open(request.pid)?;
    let Some(path) = &request.wait else {
        return process.ask(request.signal).map(|()| String::new());
    };
    let start = Instant::now();
    let place = Place::new(path);
    let before = identity(&place.path);
    process.wait_for_handler(request.signal, start, request.timeout)?;
    process.ask(request.signal)?;
    wait(&process, &place, before.as_ref(), start, request.timeout)
}

/// Where an image is to appear. The folder is held: a path below `/proc/PID/root` ends with the process.
struct Place<'a> {
    /// As the user gave it.
    shown: &'a Path,
    /// By way of the folder.
    path: PathBuf,
    _folder: Option<File>,
}

impl<'a> Place<'a> {
    fn new(shown: &'a Path) -> Place<'a> {
        let folder = match shown.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return Place { shown, path: shown.to_owned(), _folder: None },
        };
        let folder =
            File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder).ok();
        let path = match (&folder, shown.file_name()) {
            (Some(folder), Some(name)) => {
                PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)
            }
            // Perhaps it is there later.
            _ => shown.to_owned(),
        };
        Place { shown, path, _folder: folder }
    }
}

/// What may be wrong with a process without a handler.
const HINT: &str = "Was it started with a file to checkpoint to, and with this signal?";

/// What tells one image from the next: its id.
type Identity = [u8; 16];

/// The image in a file, if there is a whole one. Images come to be by renaming, so that what can be opened is complete.
fn identity(path: &Path) -> Option<Identity> {
    Image::open(path).ok().map(|image| image.info().id)
}

fn wait(
    process: &Process,
    place: &Place<'_>,
    before: Option<&Identity>,
    start: Instant,
    timeout: Option<Duration>,
) -> Result<String, String> {
    let (path, shown) = (&place.path, place.shown.display());
    let mut seen = None;
    loop {
        // In this order: a process that ends may have left an image just before.
        let ended = process.has_ended(INTERVAL);
        let stamp = stamp(path);
        if stamp != seen || ended {
            seen = stamp;
            if let Ok(image) = Image::open(path)
                && Some(&image.info().id) != before
            {
                let (number, len) = (image.info().sequence, image.len());
                return Ok(format!("{shown}: checkpoint {number} of process {}, {len} bytes\n", process.pid));
            }
        }
        if ended {
            return Err(format!("process {} has ended, and there is no new image in {shown}", process.pid));
        }
        if timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            return Err(format!(
                "no new image in {shown} after {:?}; process {} goes on",
                start.elapsed(),
                process.pid
            ));
        }
    }
}

/// Changes whenever another file takes the name.
fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}

/// A process, and that very process: its number may be another's by the time it is used.
struct Process {
    pid: i32,
    /// `None` where the kernel has no such descriptors.
    fd: Option<OwnedFd>,
}

impl Process {
    fn open(pid: i32) -> Result<Self, String> {
        // SAFETY: takes two numbers, returns a new descriptor or an error.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if fd >= 0 {
            // SAFETY: new, and nobody else's.
            let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
            return Ok(Process { pid, fd: Some(fd) });
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOSYS | libc::EPERM) => Ok(Process { pid, fd: None }),
            Some(libc::ESRCH) => Err(format!("there is no process {pid}")),
            // Threads other than the first have numbers, too.
            Some(libc::EINVAL | libc::ENOENT) => Err(format!("{pid} is not the number of a process")),
            _ => Err(format!("process {pid}: {error}")),
        }
    }

    /// Whether it has a handler for a signal.
    fn handles(&self, signal: i32) -> Result<bool, String> {
        let pid = self.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => format!("there is no process {pid}"),
            _ => format!("/proc/{pid}/status: {e}"),
        })?;
        let caught = caught(&status).ok_or_else(|| format!("/proc/{pid}/status: no field SigCgt"))?;
        Ok(caught >> (signal - 1) & 1 != 0)
    }

    /// Waits until it has a handler for the signal: a program that was just started sets one when it gets to it.
    fn wait_for_handler(&self, signal: i32, start: Instant, timeout: Option<Duration>) -> Result<(), String> {
        let (pid, mut said) = (self.pid, false);
        let name = signal_name(signal);
        while !self.handles(signal)? {
            if self.has_ended(INTERVAL) {
                return Err(format!("process {pid} has ended, and never handled {name}: nothing sent"));
            }
            let waited = start.elapsed();
            if timeout.is_some_and(|timeout| waited >= timeout) {
                return Err(format!(
                    "process {pid} does not handle {name} after {waited:?}: nothing sent. {HINT}"
                ));
            }
            if waited >= SILENCE && !std::mem::replace(&mut said, true) {
                eprintln!("wayfarer: process {pid} does not handle {name} yet, waiting. {HINT}");
            }
        }
        Ok(())
    }

    /// Sends the signal, if it is not going to kill the process.
    fn ask(&self, signal: i32) -> Result<(), String> {
        let pid = self.pid;
        if !self.handles(signal)? {
            return Err(format!(
                "process {pid} does not handle {}, which could end it: nothing sent. {HINT}",
                signal_name(signal)
            ));
        }
        let sent = match &self.fd {
            // SAFETY: a descriptor of a process; NULL stands for what kill(2) would say about the signal.
            Some(fd) => unsafe {
                let info = std::ptr::null::<libc::siginfo_t>();
                libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, info, 0)
            },
            // SAFETY: two numbers.
            None => unsafe { libc::kill(pid, signal).into() },
        };
        match sent {
            0 => Ok(()),
            _ => {
                Err(format!("process {pid}: sending {}: {}", signal_name(signal), io::Error::last_os_error()))
            }
        }
    }

    /// Whether it has ended, or does within this time.
    fn has_ended(&self, within: Duration) -> bool {
        let Some(fd) = &self.fd else {
            std::thread::sleep(within);
            // SAFETY: signal 0 sends nothing.
            return unsafe { libc::kill(self.pid, 0) } != 0;
        };
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&raw mut poll, 1, within.as_millis() as i32) > 0 }
    }
}

/// The signals that a process has handlers for, as a set of bits; signal 1 is bit 0. From /proc/PID/status, proc(5).
fn caught(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_by_status() {
        assert_eq!(caught("Name:\tx\nSigIgn:\tff\nSigCgt:\t0000000000000a00\n"), Some(0xA00));
        assert_eq!(caught("Name:\tx\n"), None);
        assert_eq!(caught("SigCgt:\txyz\n"), None);
    }

    #[test]
    fn this_process_lives() {
        let me = Process::open(std::process::id() as i32).unwrap();
        assert!(!me.has_ended(Duration::ZERO));
        // Nothing here handles it, and it would kill.
        assert!(me.ask(libc::SIGHUP).unwrap_err().contains("does not handle SIGHUP"));
    }
}
