//! `path_*`.
//!
//! Paths are resolved by `cap-primitives`: with `openat2(RESOLVE_BENEATH)` in one system call, or component
//! by component without following links in the kernel. Either way `..`, absolute paths, links and races
//! cannot lead out of the directory that the descriptor stands for; such a path is `NOTCAPABLE`.

use crate::abi::{FILESTAT_SIZE, FileType, SYMLINK_FOLLOW, fdflags, flags16, oflags, rights, write_filestat};
use crate::errno::Errno;
use crate::fd::{NewTime, times};
use crate::io::{Woken, wait_any};
use crate::table::{Descriptor, Handle, Mode, Opened, Origin, kind_and_mode};
use crate::{Call, Ended, Stop};
use cap_fs_ext::OpenOptionsFollowExt;
use cap_primitives::fs::{self, FollowSymlinks, OpenOptions, OpenOptionsExt, SystemTimeSpec};
use rustix::fs::{AtFlags, OFlags, fstat, openat, statat};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

impl Call<'_> {
    /// Parameters `i` and `i + 1`: a path.
    ///
    /// # Errors
    /// `INVAL` for a path with a NUL in it, `NOENT` for an empty one.
    fn path(&self, i: usize) -> Result<PathBuf, Stop> {
        let bytes = self.bytes(i)?;
        if bytes.contains(&0) {
            return Err(Errno::Inval.into());
        }
        if bytes.is_empty() {
            return Err(Errno::NoEnt.into());
        }
        Ok(std::ffi::OsString::from_vec(bytes).into())
    }

    /// The directory that parameter `i` numbers, if it has the rights in `base`.
    ///
    /// # Errors
    /// `BADF`, `NOTDIR`, `NOTCAPABLE`.
    fn directory(&self, i: usize, base: u64) -> Result<Arc<Descriptor>, Stop> {
        let descriptor = self.descriptor(i, 0)?;
        descriptor.directory()?;
        descriptor.require(base)?;
        Ok(descriptor)
    }
}

fn follow(lookup: u32) -> Result<FollowSymlinks, Errno> {
    match lookup {
        0 => Ok(FollowSymlinks::No),
        SYMLINK_FOLLOW => Ok(FollowSymlinks::Yes),
        _ => Err(Errno::Inval),
    }
}

pub(crate) fn path_create_directory(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_CREATE_DIRECTORY)?;
    Ok(fs::create_dir(dir.directory()?, &call.path(1)?, &fs::DirOptions::new())?)
}

pub(crate) fn path_remove_directory(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_REMOVE_DIRECTORY)?;
    let path = call.path(1)?;
    // The resolver takes a trailing slash for a lookup of `.`, which cannot be removed. rmdir(2) ignores it.
    Ok(fs::remove_dir(dir.directory()?, without_slashes(&path))?)
}

pub(crate) fn path_unlink_file(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_UNLINK_FILE)?;
    let path = call.path(1)?;
    let dir = dir.directory()?;
    // Nothing with a slash behind its name can be unlinked. The resolver takes it for a lookup of `.`.
    if ends_in_slash(&path) {
        let stat = stat(dir, without_slashes(&path), FollowSymlinks::No)?;
        let is_directory = FileType::from_mode(stat.st_mode) == FileType::Directory;
        return Err(if is_directory { Errno::IsDir } else { Errno::NotDir }.into());
    }
    Ok(fs::remove_file(dir, &path)?)
}

pub(crate) fn path_filestat_get(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_FILESTAT_GET)?;
    let follow = follow(call.u32(1))?;
    let path = call.path(2)?;
    let addr = call.out(4, FILESTAT_SIZE)?;
    let stat = stat(dir.directory()?, &path, follow)?;
    write_filestat(call.memory, addr, &stat, FileType::from_mode(stat.st_mode))?;
    Ok(())
}

/// `fstatat` within `dir`. The resolver's own `stat` gives the standard library's view, which lacks what
/// `filestat` has.
pub(crate) fn stat(dir: &File, path: &Path, follow: FollowSymlinks) -> io::Result<rustix::fs::Stat> {
    // `O_PATH` opens anything, without side effects and without permission to read it.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::PATH.bits() as i32).follow(follow);
    match fs::open(dir, path, &options) {
        Ok(file) => Ok(fstat(file)?),
        // A link in the last component that is not to be followed. The resolver opens it on Linux, and says
        // this where it cannot: then its parent is resolved, and the link itself looked at without following.
        Err(e) if follow == FollowSymlinks::No && e.raw_os_error() == Some(libc::ELOOP) => {
            let (parent, name) = split(path).ok_or(io::Error::from(rustix::io::Errno::LOOP))?;
            let parent = fs::open_dir(dir, parent)?;
            Ok(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
        }
        Err(e) => Err(e),
    }
}

/// Parent and last component, if that is a name.
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    let parent = path.parent()?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    (!path.as_os_str().as_bytes().ends_with(b"/")).then_some((parent, path.file_name()?))
}

pub(crate) fn path_filestat_set_times(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_FILESTAT_SET_TIMES)?;
    let follow = follow(call.u32(1))?;
    let path = call.path(2)?;
    let (access, modification) = times(call.u64(4), call.u64(5), call.u32(6))?;
    let host = |time| match time {
        NewTime::Keep => None,
        NewTime::Now => Some(SystemTimeSpec::SymbolicNow),
        NewTime::At(nanos) => Some(SystemTimeSpec::Absolute(cap_primitives::time::SystemTime::from_std(
            UNIX_EPOCH + Duration::from_nanos(nanos),
        ))),
    };
    let dir = dir.directory()?;
    match follow {
        FollowSymlinks::Yes => fs::set_times(dir, &path, host(access), host(modification))?,
        FollowSymlinks::No => fs::set_times_nofollow(dir, &path, host(access), host(modification))?,
    }
    Ok(())
}

/// With `SYMLINK_FOLLOW` this is `INVAL`: Linux has no race-free way to do it.
pub(crate) fn path_link(call: &Call<'_>) -> Ended {
    let from = call.directory(0, rights::PATH_LINK_SOURCE)?;
    let to = call.directory(4, rights::PATH_LINK_TARGET)?;
    if follow(call.u32(1))? == FollowSymlinks::Yes {
        return Err(Errno::Inval.into());
    }
    let (source, target) = (call.path(2)?, call.path(5)?);
    Ok(fs::hard_link(from.directory()?, &source, to.directory()?, &target)?)
}

pub(crate) fn path_rename(call: &Call<'_>) -> Ended {
    let from = call.directory(0, rights::PATH_RENAME_SOURCE)?;
    let to = call.directory(3, rights::PATH_RENAME_TARGET)?;
    let (source, target) = (call.path(1)?, call.path(4)?);
    // Only a directory can have a slash behind its name. The resolver drops the slashes.
    if ends_in_slash(&source) || ends_in_slash(&target) {
        let stat = stat(from.directory()?, without_slashes(&source), FollowSymlinks::No)?;
        if FileType::from_mode(stat.st_mode) != FileType::Directory {
            return Err(Errno::NotDir.into());
        }
    }
    Ok(fs::rename(from.directory()?, &source, to.directory()?, &target)?)
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

/// The path without slashes at its end; one, if it consists of nothing else.
fn without_slashes(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(1.min(bytes.len()), |last| last + 1);
    Path::new(OsStr::from_bytes(&bytes[..end]))
}

/// A link to an absolute path is `NOTCAPABLE`: no guest could follow it, but a careless program on the host
/// might.
pub(crate) fn path_symlink(call: &Call<'_>) -> Ended {
    let target = call.path(0)?;
    let dir = call.directory(2, rights::PATH_SYMLINK)?;
    Ok(fs::symlink(&target, dir.directory()?, &call.path(3)?)?)
}

pub(crate) fn path_readlink(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_READLINK)?;
    let path = call.path(1)?;
    let (buffer, size) = (call.ptr(3), call.ptr(4));
    call.memory.range(buffer, size)?;
    let used = call.out(5, 4)?;
    let target = fs::read_link_contents(dir.directory()?, &path)?.into_os_string().into_vec();
    let len = target.len().min(size as usize);
    call.memory.write(buffer, &target[..len])?;
    call.memory.write_u32(used, len as u32)?;
    Ok(())
}

pub(crate) fn path_open(call: &Call<'_>) -> Ended {
    let oflags = flags16(call.u32(4), oflags::ALL)?;
    let flags = flags16(call.u32(7), fdflags::ALL)?;
    let (base, inheriting) = (call.u64(5), call.u64(6));
    let mut needed = rights::PATH_OPEN;
    if oflags & oflags::CREAT != 0 {
        needed |= rights::PATH_CREATE_FILE;
    }
    if oflags & oflags::TRUNC != 0 {
        needed |= rights::PATH_FILESTAT_SET_SIZE;
    }
    let dir = call.directory(0, needed)?;
    let mut inherited = base | inheriting;
    if flags & fdflags::DSYNC != 0 {
        inherited |= rights::FD_DATASYNC;
    }
    if flags & (fdflags::SYNC | fdflags::RSYNC) != 0 {
        inherited |= rights::FD_SYNC;
    }
    if inherited & !dir.mode().inheriting != 0 {
        return Err(Errno::NotCapable.into());
    }
    let follow = follow(call.u32(1))?;
    let path = call.path(2)?;
    let result = call.out(8, 4)?;

    let origin = match &dir.origin {
        Origin::Preopen(index) => Some((*index, &b""[..])),
        Origin::Path(opened) => Some((opened.preopen, &opened.path[..])),
        // Not a directory that paths are opened in, unless the host gave one as a standard stream.
        _ => None,
    };
    let (preopen, parent) = origin.ok_or(Errno::NotCapable)?;
    let request = Request { oflags, flags, base, inheriting, follow };
    let file = loop {
        match request.open(dir.directory()?, &path) {
            Err(e) if e.raw_os_error() == Some(libc::ENXIO) && flags & fdflags::NONBLOCK == 0 => {
                wait_for_reader(call, dir.directory()?, &path, follow)?;
            }
            opened => break opened?,
        }
    };
    let mut full = parent.to_vec();
    if !full.is_empty() {
        full.push(b'/');
    }
    full.extend_from_slice(path.as_os_str().as_bytes());
    let opened = Opened { preopen, path: full, follow: follow == FollowSymlinks::Yes };
    let descriptor = request.descriptor(file, Origin::Path(opened))?;
    let fd = call.ctx.table().insert(descriptor)?;
    call.memory.write_u32(result, fd)?;
    Ok(())
}

/// Passes some time before a pipe that has no reader yet is opened for writing again. Nothing tells when one
/// comes.
///
/// # Errors
/// `NXIO` if it is no pipe; [`Stop::Interrupted`].
fn wait_for_reader(call: &Call<'_>, dir: &File, path: &Path, follow: FollowSymlinks) -> Result<(), Stop> {
    let mode = stat(dir, path, follow)?.st_mode;
    if rustix::fs::FileType::from_raw_mode(mode) != rustix::fs::FileType::Fifo {
        return Err(Errno::NxIo.into());
    }
    match wait_any(&mut Vec::new(), Some(5_000_000), call.interrupt)? {
        Woken::Interrupted => Err(Stop::Interrupted),
        Woken::Ready | Woken::TimedOut => Ok(()),
    }
}

/// What `path_open` asks for, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) oflags: u16,
    pub(crate) flags: u16,
    pub(crate) base: u64,
    pub(crate) inheriting: u64,
    pub(crate) follow: FollowSymlinks,
}

impl Request {
    /// Opens `path` within `dir`, never waiting (as opening a pipe otherwise would).
    pub(crate) fn open(&self, dir: &File, path: &Path) -> io::Result<File> {
        let asked = |bit| self.oflags & bit != 0;
        if asked(oflags::DIRECTORY) {
            if asked(oflags::CREAT | oflags::EXCL | oflags::TRUNC) {
                return Err(rustix::io::Errno::INVAL.into());
            }
            let directory = self.open_directory(dir, path)?;
            // Nobody can write to one. As in the kernel, what is no directory is found out first.
            return if self.writes() { Err(rustix::io::Errno::ISDIR.into()) } else { Ok(directory) };
        }
        let (read, write) = (self.reads(), self.writes());
        // Whether these may be combined is for the kernel to say; the options' own setters are stricter than
        // POSIX.
        let mut extra = OFlags::NONBLOCK | OFlags::NOCTTY;
        for (wanted, bit) in [
            (asked(oflags::CREAT), OFlags::CREATE),
            (asked(oflags::EXCL), OFlags::EXCL),
            (asked(oflags::TRUNC), OFlags::TRUNC),
            (self.flags & fdflags::APPEND != 0, OFlags::APPEND),
            (self.flags & fdflags::DSYNC != 0, OFlags::DSYNC),
            (self.flags & (fdflags::SYNC | fdflags::RSYNC) != 0, OFlags::SYNC),
        ] {
            if wanted {
                extra |= bit;
            }
        }
        let mut options = OpenOptions::new();
        options.read(read).write(write).custom_flags(extra.bits() as i32).follow(self.follow);
        fs::open(dir, path, &options)
    }

    /// Whether the rights need a descriptor for writing.
    fn writes(&self) -> bool {
        let writes =
            rights::FD_WRITE | rights::FD_DATASYNC | rights::FD_ALLOCATE | rights::FD_FILESTAT_SET_SIZE;
        self.base & writes != 0
    }

    /// Whether they need one for reading; a descriptor must be for something.
    fn reads(&self) -> bool {
        self.base & (rights::FD_READ | rights::FD_READDIR) != 0 || !self.writes()
    }

    /// Opens a file that has no name any more once more, with a position of its own.
    pub(crate) fn open_again(&self, file: impl AsFd) -> io::Result<File> {
        let mut options = std::fs::OpenOptions::new();
        options.read(self.reads()).write(self.writes());
        if self.writes() && self.flags & fdflags::APPEND != 0 {
            options.append(true);
        }
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, OFlags::NONBLOCK.bits() as i32);
        options.open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file.as_fd())))
    }

    fn open_directory(&self, dir: &File, path: &Path) -> io::Result<File> {
        let found = match self.follow {
            FollowSymlinks::Yes => fs::open_dir(dir, path)?,
            FollowSymlinks::No => fs::open_dir_nofollow(dir, path)?,
        };
        // That serves to look up names, also without permission to list them; to list or sync takes one for
        // reading.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(&found, c".", flags, rustix::fs::Mode::empty()) {
            Ok(readable) => Ok(readable.into()),
            Err(rustix::io::Errno::ACCESS) => Ok(found),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The descriptor for what [`Self::open`] opened, with the rights asked for that its kind can have.
    pub(crate) fn descriptor(&self, file: File, origin: Origin) -> rustix::io::Result<Descriptor> {
        let (filetype, most) = kind_and_mode(file.as_fd())?;
        let mode = Mode::new(self.base & most.base, self.inheriting & most.inheriting, self.flags);
        let descriptor = Descriptor::new(Handle::Owned(file), filetype, origin, mode);
        // A pipe without a writer yet reads as ended, but does not poll as readable.
        descriptor.must_poll.store(filetype.waits(), Relaxed);
        Ok(descriptor)
    }
}
