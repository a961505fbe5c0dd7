//! Open directories.

use super::file::file_times;
use super::{PortableFile, kind_of, stat_of};
use crate::host_paths::{check_rename, check_unlink, ends_in_slash, new_time, without_slashes};
use crate::{Directory, Entry, Errno, File, Kind, NewTime, Open, OpenOptions, Opened, Stat};
use cap_fs_ext::{DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::Dir;
use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of the host's.
#[derive(Debug)]
pub struct PortableDirectory {
    dir: Dir,
    /// The same, for what `cap-std` has no function for.
    file: std::fs::File,
}

impl PortableDirectory {
    fn new(dir: Dir) -> io::Result<Self> {
        // The directory's own handle serves to look up names only, on some systems.
        let file = match dir.open(".") {
            Ok(readable) => readable.into_std(),
            Err(_) => dir.try_clone()?.into_std_file(),
        };
        Ok(PortableDirectory { dir, file })
    }

    /// Opens a directory of the host's, wherever it is.
    ///
    /// # Errors
    /// What the host says.
    pub fn open_host(path: &Path) -> io::Result<Self> {
        PortableDirectory::new(Dir::open_ambient_dir(path, cap_std::ambient_authority())?)
    }

    /// The other directory of a function that has two.
    fn other(directory: &dyn Directory) -> io::Result<&Dir> {
        let other = directory.as_any().downcast_ref::<PortableDirectory>().ok_or(Errno::XDev)?;
        Ok(&other.dir)
    }

    fn open_directory(&self, path: &Path, follow: bool) -> io::Result<Opened> {
        let found = if follow { self.dir.open_dir(path)? } else { self.dir.open_dir_nofollow(path)? };
        Ok(Opened::Directory(Arc::new(PortableDirectory::new(found)?)))
    }

    /// A path to a file below, found by looking at everything.
    fn search(&self, wanted: &Stat) -> Option<Vec<u8>> {
        let mut left = vec![(self.dir.try_clone().ok()?, Vec::new())];
        while let Some((dir, path)) = left.pop() {
            for entry in dir.entries().ok()?.flatten() {
                let (Some(name), Ok(metadata)) = (bytes(&entry.file_name()), entry.metadata()) else {
                    continue;
                };
                let mut below = path.clone();
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(&name);
                if (metadata.dev(), metadata.ino()) == wanted.id() {
                    return Some(below);
                }
                if metadata.is_dir()
                    && let Ok(next) = entry.open_dir()
                {
                    left.push((next, below));
                }
            }
        }
        None
    }
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> io::Result<&Path> {
    Ok(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> io::Result<&Path> {
    std::str::from_utf8(bytes).map(Path::new).map_err(|_| Errno::IlSeq.into())
}

#[cfg(unix)]
fn bytes(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    Some(std::os::unix::ffi::OsStrExt::as_bytes(name).to_vec())
}

#[cfg(not(unix))]
fn bytes(name: &std::ffi::OsStr) -> Option<Vec<u8>> {
    Some(name.to_str()?.as_bytes().to_vec())
}

impl Open for PortableDirectory {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.dir.dir_metadata()?))
    }

    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()> {
        self.file.set_times(file_times(accessed, modified))
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn set_append(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    fn host(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        Some(std::os::fd::AsFd::as_fd(&self.file))
    }
}

impl Directory for PortableDirectory {
    fn open(&self, name: &[u8], options: &OpenOptions) -> io::Result<Opened> {
        let path = path(name)?;
        if options.directory {
            if options.create || options.exclusive || options.truncate {
                return Err(Errno::Inval.into());
            }
            let directory = self.open_directory(path, options.follow)?;
            // Nobody can write to one. What is no directory is found out first.
            return if options.write { Err(Errno::IsDir.into()) } else { Ok(directory) };
        }
        let mut host = cap_std::fs::OpenOptions::new();
        // The standard library makes and empties only what is opened for writing; rights say what may be done. And what is
        // written may have to be read, for an image.
        let write = options.write || options.create || options.truncate;
        host.read(true).write(write).truncate(options.truncate);
        host.create(options.create).create_new(options.create && options.exclusive);
        host.follow(if options.follow { FollowSymlinks::Yes } else { FollowSymlinks::No });
        host.nonblock(true).dsync(options.dsync).sync(options.sync);
        let opened = match self.dir.open_with(path, &host) {
            Err(e) if Errno::from(&e) == Errno::Acces && write => {
                // Not to be read, then, or not to be written.
                host.read(options.read).write(options.write || !options.read);
                self.dir.open_with(path, &host)
            }
            // Some systems open directories in another way.
            Err(e) if !write => match self.dir.metadata(path) {
                Ok(metadata) if metadata.is_dir() => return self.open_directory(path, options.follow),
                _ => Err(e),
            },
            opened => opened,
        };
        let file = opened?.into_std();
        let metadata = cap_std::fs::Metadata::from_file(&file)?;
        match kind_of(metadata.file_type()) {
            Kind::Regular => Ok(Opened::File(Box::new(PortableFile::new(file, options.append)))),
            Kind::Directory => {
                let directory = PortableDirectory::new(Dir::from_std_file(file))?;
                Ok(Opened::Directory(Arc::new(directory)))
            }
            #[cfg(unix)]
            _ => Ok(Opened::Other(file.into())),
            #[cfg(not(unix))]
            _ => Err(Errno::NotSup.into()),
        }
    }

    fn stat_at(&self, name: &[u8], follow: bool) -> io::Result<Stat> {
        // Also `f/.` has to be a directory, which a look at the name alone does not find out.
        let metadata = if follow || ends_in_slash(name) || name.ends_with(b"/.") {
            self.dir.metadata(path(name)?)
        } else {
            self.dir.symlink_metadata(path(name)?)
        };
        Ok(stat_of(&metadata?))
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
            self.dir.set_times(path(name)?, accessed, modified)
        } else {
            self.dir.set_symlink_times(path(name)?, accessed, modified)
        }
    }

    fn create_directory(&self, name: &[u8]) -> io::Result<()> {
        self.dir.create_dir(path(name)?)
    }

    fn remove_directory(&self, name: &[u8]) -> io::Result<()> {
        self.dir.remove_dir(path(without_slashes(name))?)
    }

    fn unlink(&self, name: &[u8]) -> io::Result<()> {
        check_unlink(self, name)?;
        self.dir.remove_file_or_symlink(path(name)?)
    }

    fn symlink(&self, target: &[u8], name: &[u8]) -> io::Result<()> {
        DirExt::symlink(&self.dir, path(target)?, path(name)?)
    }

    fn read_link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        bytes(self.dir.read_link_contents(path(name)?)?.as_os_str()).ok_or(Errno::IlSeq.into())
    }

    fn link(&self, from: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()> {
        self.dir.hard_link(path(from)?, Self::other(to)?, path(name)?)
    }

    fn rename(&self, from: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()> {
        let other = Self::other(to)?;
        check_rename(self, from, name)?;
        self.dir.rename(path(from)?, other, path(name)?)
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let own = self.stat()?.inode;
        let dots =
            [&b"."[..], b".."].map(|name| Entry { name: name.to_vec(), inode: own, kind: Kind::Directory });
        let mut entries = dots.to_vec();
        for entry in self.dir.entries()? {
            let entry = entry?;
            let name = bytes(&entry.file_name()).ok_or(Errno::IlSeq)?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            entries.push(Entry { name, inode: metadata.ino(), kind: kind_of(metadata.file_type()) });
        }
        Ok(entries)
    }

    fn path_to(&self, open: &dyn Open) -> Option<Vec<u8>> {
        let wanted = open.stat().ok()?;
        if self.stat().ok()?.id() == wanted.id() {
            return Some(b".".to_vec());
        }
        self.search(&wanted)
    }

    fn unnamed(&self, _: &[u8], _: u64) -> io::Result<Box<dyn File>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!(".wayfarer-{}-{number}", std::process::id()));
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&place)?;
        std::fs::remove_file(&place)?;
        Ok(Box::new(PortableFile::new(file, false)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
