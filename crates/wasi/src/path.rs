//! `path_*`.
//!
//! Paths are resolved by the file system (`wayfarer-files`): `..`, absolute paths, links and races cannot lead out of the
//! directory that the descriptor stands for; such a path is `NOTCAPABLE`.

use crate::abi::{FILESTAT_SIZE, FileType, SYMLINK_FOLLOW, fdflags, flags16, oflags, rights, write_filestat};
use crate::fd::times;
use crate::io::{Woken, wait_any};
use crate::path_open::{PathOpen, join};
use crate::table::{Descriptor, Handle, HostHandle, Mode, Opened, Origin};
use crate::{Call, Ended, Stop};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use wayfarer_files::{Directory, Errno, File, Kind, OpenOptions, Opened as Found};

impl Call<'_> {
    /// Parameters `i` and `i + 1`: a path.
    ///
    /// # Errors
    /// `INVAL` for a path with a NUL in it, `NOENT` for an empty one.
    fn path(&self, i: usize) -> Result<Vec<u8>, Stop> {
        let bytes = self.bytes(i)?;
        if bytes.contains(&0) {
            return Err(Errno::Inval.into());
        }
        if bytes.is_empty() {
            return Err(Errno::NoEnt.into());
        }
        Ok(bytes)
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

/// Whether a link in the last component is followed.
fn follow(lookup: u32) -> Result<bool, Errno> {
    match lookup {
        0 => Ok(false),
        SYMLINK_FOLLOW => Ok(true),
        _ => Err(Errno::Inval),
    }
}

pub(crate) fn path_create_directory(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_CREATE_DIRECTORY)?;
    Ok(dir.directory()?.create_directory(&call.path(1)?)?)
}

pub(crate) fn path_remove_directory(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_REMOVE_DIRECTORY)?;
    Ok(dir.directory()?.remove_directory(&call.path(1)?)?)
}

pub(crate) fn path_unlink_file(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_UNLINK_FILE)?;
    Ok(dir.directory()?.unlink(&call.path(1)?)?)
}

pub(crate) fn path_filestat_get(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_FILESTAT_GET)?;
    let follow = follow(call.u32(1))?;
    let path = call.path(2)?;
    let addr = call.out(4, FILESTAT_SIZE)?;
    let stat = dir.directory()?.stat_at(&path, follow)?;
    write_filestat(call.memory, addr, &stat, FileType::from(stat.kind))?;
    Ok(())
}

pub(crate) fn path_filestat_set_times(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_FILESTAT_SET_TIMES)?;
    let follow = follow(call.u32(1))?;
    let path = call.path(2)?;
    let (accessed, modified) = times(call.u64(4), call.u64(5), call.u32(6))?;
    Ok(dir.directory()?.set_times_at(&path, follow, accessed, modified)?)
}

/// With `SYMLINK_FOLLOW` this is `INVAL`: Linux has no race-free way to do it.
pub(crate) fn path_link(call: &Call<'_>) -> Ended {
    let from = call.directory(0, rights::PATH_LINK_SOURCE)?;
    let to = call.directory(4, rights::PATH_LINK_TARGET)?;
    if follow(call.u32(1))? {
        return Err(Errno::Inval.into());
    }
    let (source, target) = (call.path(2)?, call.path(5)?);
    Ok(from.directory()?.link(&source, to.directory()?, &target)?)
}

pub(crate) fn path_rename(call: &Call<'_>) -> Ended {
    let from = call.directory(0, rights::PATH_RENAME_SOURCE)?;
    let to = call.directory(3, rights::PATH_RENAME_TARGET)?;
    let (source, target) = (call.path(1)?, call.path(4)?);
    Ok(from.directory()?.rename(&source, to.directory()?, &target)?)
}

/// A link to an absolute path is `NOTCAPABLE`: no guest could follow it.
pub(crate) fn path_symlink(call: &Call<'_>) -> Ended {
    let target = call.path(0)?;
    let dir = call.directory(2, rights::PATH_SYMLINK)?;
    Ok(dir.directory()?.symlink(&target, &call.path(3)?)?)
}

pub(crate) fn path_readlink(call: &Call<'_>) -> Ended {
    let dir = call.directory(0, rights::PATH_READLINK)?;
    let path = call.path(1)?;
    let (buffer, size) = (call.ptr(3), call.ptr(4));
    call.memory.range(buffer, size)?;
    let used = call.out(5, 4)?;
    let target = dir.directory()?.read_link(&path)?;
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
    let found = loop {
        match request.open(dir.directory()?, &path) {
            Err(e) if Errno::from(&e) == Errno::NxIo && flags & fdflags::NONBLOCK == 0 => {
                wait_for_reader(call, dir.directory()?, &path, follow)?;
            }
            opened => break opened?,
        }
    };
    let asked = PathOpen {
        preopen: call.ctx.preopens().get(preopen).map(|root| root.guest_name.clone()).unwrap_or_default(),
        dir: call.u32(0),
        parent: parent.to_vec(),
        path,
        lookup: call.u32(1),
        oflags,
        fdflags: flags,
        rights: base,
        inheriting,
    };
    let full = join(&asked.parent, &asked.path);
    let opened = Opened { preopen, path: full, follow, asked: OnceLock::from(Box::new(asked)) };
    let descriptor = request.descriptor(found, Origin::Path(opened))?;
    let fd = call.ctx.table().insert(descriptor)?;
    call.memory.write_u32(result, fd)?;
    Ok(())
}

/// Passes some time before a pipe that has no reader yet is opened for writing again. Nothing tells when one
/// comes.
///
/// # Errors
/// `NXIO` if it is no pipe; [`Stop::Interrupted`].
fn wait_for_reader(call: &Call<'_>, dir: &dyn Directory, path: &[u8], follow: bool) -> Result<(), Stop> {
    if dir.stat_at(path, follow)?.kind != Kind::Fifo {
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
    pub(crate) follow: bool,
}

impl Request {
    /// Opens `path` within `dir`, never waiting.
    pub(crate) fn open(&self, dir: &dyn Directory, path: &[u8]) -> io::Result<Found> {
        dir.open(path, &self.options())
    }

    /// Opens a file that has no name any more once more, with a position of its own.
    pub(crate) fn open_again(&self, file: &dyn File) -> io::Result<Found> {
        Ok(Found::File(file.open_again(&self.options())?))
    }

    fn options(&self) -> OpenOptions {
        let asked = |bit| self.oflags & bit != 0;
        let flag = |bits| self.flags & bits != 0;
        OpenOptions {
            read: self.reads(),
            write: self.writes(),
            create: asked(oflags::CREAT),
            exclusive: asked(oflags::EXCL),
            truncate: asked(oflags::TRUNC),
            directory: asked(oflags::DIRECTORY),
            append: flag(fdflags::APPEND),
            dsync: flag(fdflags::DSYNC),
            sync: flag(fdflags::SYNC | fdflags::RSYNC),
            follow: self.follow,
        }
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

    /// The descriptor for what [`Self::open`] opened, with the rights asked for that its kind can have.
    pub(crate) fn descriptor(&self, found: Found, origin: Origin) -> rustix::io::Result<Descriptor> {
        let descriptor = match found {
            Found::File(file) => {
                let mut most = rights::REGULAR_FILE;
                if !self.writes() {
                    most &= !rights::FD_WRITE;
                }
                if !self.reads() {
                    most &= !rights::FD_READ;
                }
                let mode = Mode::new(most, 0, 0);
                Descriptor::new(Handle::File(file), FileType::RegularFile, origin, mode)
            }
            Found::Directory(directory) => {
                let mode = Mode::new(rights::DIRECTORY, rights::DIRECTORY_INHERITING, 0);
                Descriptor::new(Handle::Directory(directory), FileType::Directory, origin, mode)
            }
            Found::Other(fd) => Descriptor::inspect(HostHandle::Owned(fd.into()), origin)?,
        };
        {
            let mut mode = descriptor.mode();
            *mode = Mode::new(self.base & mode.base, self.inheriting & mode.inheriting, self.flags);
        }
        // A pipe without a writer yet reads as ended, but does not poll as readable.
        descriptor.must_poll.store(descriptor.filetype.waits(), Relaxed);
        Ok(descriptor)
    }
}
