//! Images to files and descriptors. A file appears under its name when it is complete and on disk, or not at all.

use crate::error::{SaveError, SaveStep, WriteError};
use crate::info::Info;
use crate::leftovers;
use crate::view::ProgramView;
use crate::write::{MemorySource, Stats, WriteOptions, write_image};
use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes an image to memory.
pub fn save_to_vec(
    program: &ProgramView,
    info: &Info,
    memories: &[MemorySource<'_>],
    options: &WriteOptions<'_>,
) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    write_image(&mut bytes, program, info, memories, options)?;
    Ok(bytes)
}

/// Writes an image to a file, pipe or socket, from its current offset on. A regular file is synced to disk. A
/// descriptor that does not block is waited for.
pub fn save_to_fd(
    fd: BorrowedFd<'_>,
    program: &ProgramView,
    info: &Info,
    memories: &[MemorySource<'_>],
    options: &WriteOptions<'_>,
) -> Result<Stats, SaveError> {
    let fail = |step, source| SaveError { target: format!("fd {}", fd.as_raw_fd()), step, source };
    let stats = {
        let _quiet = QuietSignals::new();
        write_image(&mut FdSink(fd), program, info, memories, options)
            .map_err(|e| fail(SaveStep::Write, e))?
    };
    sync(fd).map_err(|e| fail(SaveStep::Sync, plain(e)))?;
    Ok(stats)
}

/// Writes an image to the file `path`, atomically and durably: whatever happens, power failure included, the path holds
/// either what it held before or the whole new image. The image can be read by its owner only, unless
/// [`WriteOptions::mode`] says otherwise; it is a program's memory, with all its secrets.
///
/// What is at the path is replaced if it is a regular file or a symbolic link (the link itself, not what it points to),
/// anything else is an error.
///
/// Whatever fails once the image has its name is no error any more: see [`Stats::unsynced`].
pub fn save_to_path(
    path: impl AsRef<Path>,
    program: &ProgramView,
    info: &Info,
    memories: &[MemorySource<'_>],
    options: &WriteOptions<'_>,
) -> Result<Stats, SaveError> {
    let path = path.as_ref();
    let fail = |step, source| SaveError { target: path.display().to_string(), step, source };
    let at = |step| move |e| fail(step, plain(e));
    inspect(path).map_err(at(SaveStep::Inspect))?;
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default();
    // Opened before anything is replaced: later it might be too late.
    let opened = open_directory(directory).map_err(at(SaveStep::Create))?;
    let mut temp = TempFile::create(directory, name).map_err(at(SaveStep::Create))?;
    leftovers::remove_once(directory, name);
    if let Some(mode) = options.mode {
        temp.file.set_permissions(Permissions::from_mode(mode)).map_err(at(SaveStep::Create))?;
    }
    let mut stats = {
        let _quiet = QuietSignals::new();
        write_image(&mut FdSink(temp.file.as_fd()), program, info, memories, options)
            .map_err(|e| fail(SaveStep::Write, e))?
    };
    temp.file.sync_all().map_err(at(SaveStep::Sync))?;
    temp.rename_to(path).map_err(at(SaveStep::Rename))?;
    stats.unsynced = match opened {
        Some(directory) => sync(directory.as_fd()).is_err(),
        // SAFETY: it touches no memory of ours.
        None => unsafe { libc::syncfs(temp.file.as_raw_fd()) != 0 },
    };
    Ok(stats)
}

/// The directory, to be synced; `None` if it may not be read: then its file system has to be synced as a whole.
fn open_directory(path: &Path) -> io::Result<Option<File>> {
    match File::options().read(true).custom_flags(libc::O_DIRECTORY).open(path) {
        Ok(directory) => Ok(Some(directory)),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(e) => Err(e),
    }
}

/// An error that is not about a section.
fn plain(source: io::Error) -> WriteError {
    WriteError::Io { section: String::new(), offset: 0, source }
}

/// Refuses to replace what is not a file: renaming over `/dev/null` would be obeyed.
fn inspect(path: &Path) -> io::Result<()> {
    if path.file_name().is_none() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the path does not end in a file name"));
    }
    match std::fs::symlink_metadata(path) {
        Ok(m) if m.is_file() || m.is_symlink() => Ok(()),
        Ok(m) if m.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(_) => {
            Err(io::Error::new(ErrorKind::InvalidInput, "there is something that is not a regular file"))
        }
        // Whatever else is wrong with it, creating the file will tell.
        Err(_) => Ok(()),
    }
}

/// Syncs what can be synced; pipes, sockets and some directories can't.
fn sync(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fsync touches no memory of ours.
    if unsafe { libc::fsync(fd.as_raw_fd()) } == 0 {
        return Ok(());
    }
    let e = io::Error::last_os_error();
    match e.raw_os_error() {
        Some(libc::EINVAL | libc::ENOTSUP | libc::EROFS) => Ok(()),
        _ => Err(e),
    }
}

/// A file on its way to its name. Dropped before it got there, nothing of it is left.
struct TempFile {
    file: File,
    directory: PathBuf,
    /// The name it has in the directory now, if any.
    name: Option<OsString>,
    /// What names are made from.
    stem: OsString,
}

impl TempFile {
    fn create(directory: &Path, target: &OsStr) -> io::Result<Self> {
        let mut stem = OsString::from(".");
        stem.push(target);
        // A file without a name disappears by itself even if the process is killed. It gets one through /proc.
        if Path::new("/proc/self/fd").exists() {
            match Self::unnamed(directory, &stem) {
                // File systems without such files say so in one of these ways.
                Err(e)
                    if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => {}
                result => return result,
            }
        }
        Self::named(directory, &stem)
    }

    fn unnamed(directory: &Path, stem: &OsStr) -> io::Result<Self> {
        let file = private().custom_flags(libc::O_TMPFILE).open(directory)?;
        Ok(TempFile { file, directory: directory.into(), name: None, stem: stem.into() })
    }

    fn named(directory: &Path, stem: &OsStr) -> io::Result<Self> {
        loop {
            let (file, name) =
                unused_name(stem, |name| private().create_new(true).open(directory.join(name)))?;
            leftovers::hold(&file);
            // Before it was held, somebody may have taken it for a leftover.
            if file.metadata()?.nlink() > 0 {
                return Ok(TempFile {
                    file,
                    directory: directory.into(),
                    name: Some(name),
                    stem: stem.into(),
                });
            }
        }
    }

    /// Gives the file its final name, replacing what had it.
    fn rename_to(&mut self, path: &Path) -> io::Result<()> {
        if self.name.is_none() {
            leftovers::hold(&self.file);
            let proc = CString::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
            // Linking can't replace, so even this file takes a temporary name for a moment.
            let ((), name) = unused_name(&self.stem, |name| {
                let new = CString::new(self.directory.join(name).as_os_str().as_bytes())?;
                // SAFETY: both paths are NUL-terminated strings that outlive the call.
                let result = unsafe {
                    libc::linkat(
                        libc::AT_FDCWD,
                        proc.as_ptr(),
                        libc::AT_FDCWD,
                        new.as_ptr(),
                        libc::AT_SYMLINK_FOLLOW,
                    )
                };
                if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
            })?;
            self.name = Some(name);
        }
        if let Some(name) = &self.name {
            std::fs::rename(self.directory.join(name), path)?;
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // There is nobody left to tell.
            let _ = std::fs::remove_file(self.directory.join(name));
        }
    }
}

/// For files that only their owner may read.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

/// Calls `make` with names derived from `stem` until it finds one that is not taken.
fn unused_name<T>(stem: &OsStr, mut make: impl FnMut(&OsStr) -> io::Result<T>) -> io::Result<(T, OsString)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    loop {
        let mut name = stem.to_owned();
        name.push(leftovers::suffix(COUNTER.fetch_add(1, Ordering::Relaxed)));
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Writes to a descriptor that is not ours to close, and waits if it does not block by itself.
struct FdSink<'a>(BorrowedFd<'a>);

impl FdSink<'_> {
    fn retry(&self, mut write: impl FnMut() -> isize) -> io::Result<usize> {
        loop {
            let n = write();
            if n >= 0 {
                return Ok(n as usize);
            }
            let e = io::Error::last_os_error();
            match e.kind() {
                ErrorKind::WouldBlock => {
                    let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
                    // SAFETY: one valid pollfd. Its result does not matter: the next write tells what is the matter.
                    unsafe { libc::poll(&mut poll, 1, -1) };
                }
                ErrorKind::Interrupted => {}
                _ => return Err(e),
            }
        }
    }
}

impl Write for FdSink<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // SAFETY: the buffer is valid for its length.
        self.retry(|| unsafe { libc::write(self.0.as_raw_fd(), buf.as_ptr().cast(), buf.len()) })
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = bufs.len().min(1024) as libc::c_int;
        // SAFETY: IoSlice is ABI compatible with iovec (its documentation promises it), and there are `count` of them.
        self.retry(|| unsafe { libc::writev(self.0.as_raw_fd(), bufs.as_ptr().cast(), count) })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// While this lives, writing beyond the file size limit or to a closed pipe gives an error on this thread instead of the
/// signal that would end the program. Such signals go to the thread that writes, so nobody else's are held back.
struct QuietSignals {
    before: libc::sigset_t,
    held: libc::sigset_t,
}

impl QuietSignals {
    fn new() -> Self {
        // SAFETY: sigset_t is plain data, and all pointers are to locals. SIGXFSZ or SIGPIPE that are pending already
        // are not ours and stay; they are not in `held`.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut held: libc::sigset_t = std::mem::zeroed();
            let mut pending: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut all);
            libc::sigemptyset(&mut held);
            libc::sigpending(&mut pending);
            for signal in [libc::SIGXFSZ, libc::SIGPIPE] {
                libc::sigaddset(&mut all, signal);
                if libc::sigismember(&pending, signal) == 0 {
                    libc::sigaddset(&mut held, signal);
                }
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
            QuietSignals { before, held }
        }
    }
}

impl Drop for QuietSignals {
    fn drop(&mut self) {
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the sets were initialized by `new`; taking pending signals touches no memory.
        unsafe {
            while libc::sigtimedwait(&self.held, std::ptr::null_mut(), &zero) > 0 {}
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect()
    }

    #[test]
    fn temporary_files_of_both_kinds_arrive_or_vanish() {
        type Make = fn(&Path, &OsStr) -> io::Result<TempFile>;
        for make in [TempFile::named as Make, TempFile::unnamed as Make] {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("image");
            std::fs::write(&target, "old").unwrap();
            let mut temp = match make(dir.path(), OsStr::new(".image")) {
                // Not every file system has unnamed files.
                Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => continue,
                result => result.unwrap(),
            };
            temp.file.write_all(b"new").unwrap();
            temp.rename_to(&target).unwrap();
            drop(temp);
            assert_eq!(std::fs::read(&target).unwrap(), b"new");

            let temp = make(dir.path(), OsStr::new(".image")).unwrap();
            drop(temp);
            let mut temp = make(dir.path(), OsStr::new(".image")).unwrap();
            temp.rename_to(&dir.path().join("missing/image")).unwrap_err();
            drop(temp);
            assert_eq!(names(dir.path()), ["image"]);
        }
    }

    #[test]
    fn taken_names_are_skipped() {
        let mut taken = Vec::new();
        let ((), name) = unused_name(OsStr::new("x"), |name| {
            taken.push(name.to_owned());
            if taken.len() < 3 { Err(ErrorKind::AlreadyExists.into()) } else { Ok(()) }
        })
        .unwrap();
        assert_eq!(taken.last(), Some(&name));
        assert!(taken[0] != taken[1] && taken[1] != taken[2]);
    }
}
