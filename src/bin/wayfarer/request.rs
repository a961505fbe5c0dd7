//! `wayfarer request`: asks a process for a checkpoint.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use iwasm::checkpoint::policy::signal_name;
use wayfarer_snapshot::Image;

use crate::args::Request;

/// How long to wait before looking again. Most checkpoints take longer than this.
const INTERVAL: Duration = Duration::from_millis(10);

/// Asks, and waits if that was asked for. What there is to tell then.
///
/// # Errors
/// Why there is no checkpoint, or won't be.
pub(crate) fn run(request: &Request) -> Result<String, String> {
    let process = Process::open(request.pid)?;
    let before = request.wait.as_deref().and_then(identity);
    process.ask(request.signal)?;
    match &request.wait {
        Some(path) => wait(&process, path, before.as_ref(), request.timeout),
        None => Ok(String::new()),
    }
}

/// What tells one image from the next: its id.
type Identity = [u8; 16];

/// The image in a file, if there is a whole one. Images come to be by renaming, so that what can be opened is complete.
fn identity(path: &Path) -> Option<Identity> {
    Image::open(path).ok().map(|image| image.info().id)
}

fn wait(
    process: &Process,
    path: &Path,
    before: Option<&Identity>,
    timeout: Option<Duration>,
) -> Result<String, String> {
    let start = Instant::now();
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
                return Ok(format!(
                    "{}: checkpoint {number} of process {}, {len} bytes\n",
                    path.display(),
                    process.pid
                ));
            }
        }
        if ended {
            return Err(format!(
                "process {} has ended, and there is no new image in {}",
                process.pid,
                path.display()
            ));
        }
        if timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            return Err(format!(
                "no new image in {} after {:?}; process {} goes on",
                path.display(),
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

    /// Sends the signal, if it is not going to kill the process.
    fn ask(&self, signal: i32) -> Result<(), String> {
        let pid = self.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => format!("there is no process {pid}"),
            _ => format!("/proc/{pid}/status: {e}"),
        })?;
        let caught = caught(&status).ok_or_else(|| format!("/proc/{pid}/status: no field SigCgt"))?;
        if caught >> (signal - 1) & 1 == 0 {
            return Err(format!(
                "process {pid} does not handle {}, which could end it: nothing sent. Was it started with a file to \
                 checkpoint to, and with this signal?",
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
