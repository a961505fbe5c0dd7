//! Temporary files of processes that were killed while they had one: `.NAME.PID-N.tmp`, removed by a later one.
//!
//! Whether its process is gone is told by a lock that it holds as long as it lives. Its number would not tell: in another
//! container that is another process's, and often the same as one's own.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What follows the name that a temporary file is for.
pub(crate) fn suffix(n: u32) -> String {
    format!(".{}-{n}.tmp", std::process::id())
}

/// Whether a file's name is that of a temporary file for `target`.
fn is_temporary(name: &OsStr, target: &OsStr) -> bool {
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let rest = name.as_bytes().strip_prefix(b".").and_then(|rest| rest.strip_prefix(target.as_bytes()));
    let rest = rest.and_then(|rest| rest.strip_prefix(b".")).and_then(|rest| rest.strip_suffix(b".tmp"));
    rest.is_some_and(|rest| {
        let mut parts = rest.splitn(2, |&b| b == b'-');
        parts.next().is_some_and(number) && parts.next().is_some_and(number)
    })
}

/// Says that a temporary file is in use as long as it is open. Where files can't be locked, none is removed.
pub(crate) fn hold(file: &File) {
    // SAFETY: it touches no memory.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) };
}

/// Removes temporary files for `target` in `directory` that nobody has in use. Once a process and path: the directory may be
/// large. What can't be removed stays.
pub(crate) fn remove_once(directory: &Path, target: &OsStr) {
    static DONE: Mutex<BTreeSet<(PathBuf, OsString)>> = Mutex::new(BTreeSet::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if done.insert((directory.to_owned(), target.to_owned())) {
        remove(directory, target);
    }
}

fn remove(directory: &Path, target: &OsStr) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary(&entry.file_name(), target)) {
        let path = entry.path();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let Ok(file) = File::options().read(true).custom_flags(flags).open(&path) else { continue };
        // SAFETY: it touches no memory.
        let free = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0;
        if free && file.metadata().is_ok_and(|m| m.is_file()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let is = |name: &str| is_temporary(OsStr::new(name), OsStr::new("a.image"));
        assert!(is(".a.image.17-0.tmp") && is(&format!(".a.image{}", suffix(3))));
        for other in [
            "a.image",
            ".a.image",
            "a.image.17-0.tmp",
            ".a.image.17.tmp",
            ".a.image.17-.tmp",
            ".a.image.-1.tmp",
            ".a.image.x-1.tmp",
            ".a.image.17-0.tmp2",
            ".b.image.17-0.tmp",
            ".a.image.17-0-1.tmp",
            ".a.image.old.17-0.tmp",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let names = [".x.1-0.tmp", ".x.2-0.tmp", ".y.1-0.tmp", "x", ".x.3-0.tmp"];
        let files = names.map(|name| File::create(dir.path().join(name)).unwrap());
        hold(&files[1]);
        std::fs::remove_file(dir.path().join(".x.3-0.tmp")).unwrap();
        std::fs::create_dir(dir.path().join(".x.3-0.tmp")).unwrap();
        remove_once(dir.path(), OsStr::new("x"));
        let there = |name: &str| dir.path().join(name).exists();
        assert_eq!(names.map(there), [false, true, true, true, true]);
        drop(files);
        remove_once(dir.path(), OsStr::new("x"));
        assert!(there(".x.2-0.tmp"), "once");
        remove(dir.path(), OsStr::new("x"));
        assert!(!there(".x.2-0.tmp"));
    }
}
