//! Directories of the host's.

use super::{HostFile, kind_of, stat_of, timestamps};
use crate::host_paths::{check_rename, check_unlink, ends_in_slash, new_time, without_slashes};
use crate::{Directory, Entry, Errno, Kind, NewTime, Open, OpenOptions, Opened, Stat};
use cap_fs_ext::OpenOptionsFollowExt;
use cap_primitives::fs::{self, FollowSymlinks, OpenOptionsExt};
use rustix::fs::{AtFlags, Dir, MemfdFlags, Mode, OFlags, fstat, memfd_create, openat, statat};
use std::any::Any;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files without a name of up to this many bytes are made in memory, if they came out of an image; larger ones on a disk, if one
/// can be had.
const IN_MEMORY: u64 = 64 << 20;

/// A directory of the host's.
#[derive(Debug)]
pub struct LinuxDirectory(HostFile<File>);

impl LinuxDirectory {
    /// What is below `directory`, which must be one.
    pub fn new(directory: File) -> Self {
        LinuxDirectory(HostFile(directory))
    }

    /// Opens a directory of the host's, wherever it is.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open_host(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(LinuxDirectory::new(rustix::fs::open(path, flags, Mode::empty())?.into()))
    }

    fn file(&self) -> &File {
        &self.0.0
    }

    /// A file on a disk that has no name: on that of the directory or, if it has no such files, that of temporary ones.
    fn nameless(&self) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let here = openat(self.file(), ".", flags, mode);
        let made = here.or_else(|_| rustix::fs::open(std::env::temp_dir(), flags, mode));
        made.ok().map(File::from)
    }

    /// The other directory of a function that has two.
    fn other(directory: &dyn Directory) -> io::Result<&File> {
        let other = directory.as_any().downcast_ref::<LinuxDirectory>().ok_or(Errno::XDev)?;
        Ok(other.file())
    }

    fn stat_path(&self, path: &Path, follow: bool) -> io::Result<Stat> {
        // `O_PATH` opens anything, without side effects and without permission to read it. The resolver's own `stat` gives the
        // standard library's view, which lacks what a `filestat` has.
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(OFlags::PATH.bits() as i32).follow(links(follow));
        match fs::open(self.file(), path, &options) {
            Ok(file) => Ok(stat_of(&fstat(file)?)),
            // A link in the last component that is not to be followed. The resolver opens it on Linux, and says
            // this where it cannot: then its parent is resolved, and the link itself looked at without following.
            Err(e) if !follow && e.raw_os_error() == Some(libc::ELOOP) => {
                let (parent, name) = split(path).ok_or(io::Error::from(rustix::io::Errno::LOOP))?;
                let parent = fs::open_dir(self.file(), parent)?;
                Ok(stat_of(&statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?))
            }
            Err(e) => Err(e),
        }
    }

    fn open_directory(&self, path: &Path, follow: bool) -> io::Result<File> {
        let found =
            if follow { fs::open_dir(self.file(), path)? } else { fs::open_dir_nofollow(self.file(), path)? };
        // That serves to look up names, also without permission to list them; to list or sync takes one for
        // reading.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(&found, c".", flags, Mode::empty()) {
            Ok(readable) => Ok(readable.into()),
            Err(rustix::io::Errno::ACCESS) => Ok(found),
            Err(errno) => Err(errno.into()),
        }
    }

    fn open_file(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        if options.directory {
            if options.create || options.exclusive || options.truncate {
                return Err(rustix::io::Errno::INVAL.into());
            }
            let directory = self.open_directory(path, options.follow)?;
            // Nobody can write to one. As in the kernel, what is no directory is found out first.
            return if options.write { Err(rustix::io::Errno::ISDIR.into()) } else { Ok(directory) };
        }
        // Whether these may be combined is for the kernel to say; the options' own setters are stricter than
        // POSIX.
        let mut extra = OFlags::NONBLOCK | OFlags::NOCTTY;
        extra.set(OFlags::CREATE, options.create);
        extra.set(OFlags::EXCL, options.exclusive);
        extra.set(OFlags::TRUNC, options.truncate);
        extra.set(OFlags::APPEND, options.append);
        if options.dsync {
            extra |= OFlags::DSYNC;
        }
        if options.sync {
            extra |= OFlags::SYNC;
        }
        let mut host = fs::OpenOptions::new();
        host.read(options.read).write(options.write);
        host.custom_flags(extra.bits() as i32).follow(links(options.follow));
        fs::open(self.file(), path, &host)
    }
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn links(follow: bool) -> FollowSymlinks {
    if follow { FollowSymlinks::Yes } else { FollowSymlinks::No }
}

/// Parent and last component, if that is a name.
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    let parent = path.parent()?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    (!ends_in_slash(path.as_os_str().as_bytes())).then_some((parent, path.file_name()?))
}

/// Where the kernel says a file is (proc_pid_fd(5)).
fn kernel_path(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok().filter(|path| path.is_absolute())
}

impl Open for LinuxDirectory {
    fn stat(&self) -> io::Result<Stat> {
        self.0.stat()
    }

    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()> {
        Ok(rustix::fs::futimens(&self.0, &timestamps(accessed, modified))?)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn set_append(&self, append: bool) -> io::Result<()> {
        self.0.set_append(append)
    }

    fn host(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }
}

impl Directory for LinuxDirectory {
    fn open(&self, name: &[u8], options: &OpenOptions) -> io::Result<Opened> {
        let file = self.open_file(path(name), options)?;
        Ok(match kind_of(rustix::fs::FileType::from_raw_mode(fstat(&file)?.st_mode)) {
            Kind::Regular => Opened::File(Box::new(HostFile(file))),
            Kind::Directory => Opened::Directory(Arc::new(LinuxDirectory::new(file))),
            _ => Opened::Other(file.into()),
        })
    }

    fn stat_at(&self, name: &[u8], follow: bool) -> io::Result<Stat> {
        self.stat_path(path(name), follow)
    }

    fn set_times_at(
        &self,
        name: &[u8],
        follow: bool,
        accessed: NewTime,
        modified: NewTime,
    ) -> io::Result<()> {
        let (accessed, modified) = (new_time(accessed), new_time(modified));
        if follow {
            fs::set_times(self.file(), path(name), accessed, modified)
        } else {
            fs::set_times_nofollow(self.file(), path(name), accessed, modified)
        }
    }

    fn create_directory(&self, name: &[u8]) -> io::Result<()> {
        fs::create_dir(self.file(), path(name), &fs::DirOptions::new())
    }

    /// The resolver takes a trailing slash for a lookup of `.`, which cannot be removed. rmdir(2) ignores it.
    fn remove_directory(&self, name: &[u8]) -> io::Result<()> {
        fs::remove_dir(self.file(), path(without_slashes(name)))
    }

    fn unlink(&self, name: &[u8]) -> io::Result<()> {
        // The resolver takes a slash at the end for a lookup of `.`.
        check_unlink(self, name)?;
        fs::remove_file(self.file(), path(name))
    }

    /// A link to an absolute path is refused: no guest could follow it, but a careless program on the host might.
    fn symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        fs::symlink(path(target), self.file(), path(name))
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::read_link_contents(self.file(), path(name))?.into_os_string().into_vec())
    }

    fn link(&self, from: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()> {
        fs::hard_link(self.file(), path(from), Self::other(to)?, path(name))
    }

    fn rename(&self, from: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()> {
        let other = Self::other(to)?;
        // The resolver drops slashes at the end.
        check_rename(self, from, name)?;
        fs::rename(self.file(), path(from), other, path(name))
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        // A descriptor of its own: it has a position of its own.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = openat(&self.0, c".", flags, Mode::empty())?;
        let mut entries = Vec::new();
        for entry in Dir::new(own)? {
            let entry = entry?;
            let mut kind = kind_of(entry.file_type());
            if kind == Kind::Unknown
                && let Ok(stat) = statat(&self.0, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            {
                kind = stat_of(&stat).kind;
            }
            entries.push(Entry { name: entry.file_name().to_bytes().to_vec(), inode: entry.ino(), kind });
        }
        // `.` and `..` first, which some programs rely on.
        entries.sort_by_key(|entry| match &entry.name[..] {
            b"." => 0,
            b".." => 1,
            _ => 2,
        });
        Ok(entries)
    }

    fn path_to(&self, open: &dyn Open) -> Option<Vec<u8>> {
        let file = kernel_path(open.host()?)?;
        let below = file.strip_prefix(kernel_path(self.0.as_fd())?).ok()?;
        let path = below.as_os_str().to_owned().into_vec();
        Some(if path.is_empty() { b".".to_vec() } else { path })
    }

    fn unnamed(&self, name: &[u8], size: u64) -> io::Result<Box<dyn crate::File>> {
        let on_disk = if size > IN_MEMORY { self.nameless() } else { None };
        let file = match on_disk {
            Some(file) => file,
            None => {
                let name: Vec<u8> = name.iter().copied().filter(|byte| *byte != 0).take(200).collect();
                memfd_create(name, MemfdFlags::CLOEXEC)?.into()
            }
        };
        Ok(Box::new(HostFile(file)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
