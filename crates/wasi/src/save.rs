//! Saving the WASI state of an instance whose threads stand still.

use crate::abi::{FileType, timestamp};
use crate::ctx::WasiCtx;
use crate::dir::show;
use crate::path::stat;
use crate::record::{DescriptorRecord, FileIdentity, Operation, PreopenRecord, Record, StreamFile};
use crate::table::{Descriptor, Opened, Origin, lock};
use cap_primitives::fs::FollowSymlinks;
use rustix::fs::{FileType as HostType, Stat, fstat};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How a restore is to know a regular file again.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Identity {
    /// By size and time of modification: fast; a copy on another machine must keep the time (`cp -p`, `rsync
    /// -a`).
    #[default]
    SizeAndTime,
    /// By size and SHA-256 of the content: reads every open file at each checkpoint.
    Content,
}

/// Choices about what an image holds of open files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavePolicy {
    /// How files are known again.
    pub identity: Identity,
    /// Files without a name (unlinked while open) of up to this many bytes travel in the image; larger ones
    /// are a [`SaveError::Unlinked`]. 0 refuses all that have content.
    pub carry_up_to: u64,
}

impl Default for SavePolicy {
    fn default() -> Self {
        SavePolicy { identity: Identity::default(), carry_up_to: 64 << 20 }
    }
}

/// Why an instance's WASI state can't be saved. Nothing has changed; the program can go on.
#[derive(Debug)]
pub enum SaveError {
    /// The guest has a socket open, and connections do not fit in an image.
    Socket {
        /// Descriptor number.
        fd: u32,
    },
    /// The guest has a named pipe open, whose other end is another process.
    Pipe {
        /// Descriptor number.
        fd: u32,
        /// Path below its preopen.
        path: String,
    },
    /// The file has no name any more, and is too large to travel in the image; or it is a directory.
    Unlinked {
        /// Descriptor number.
        fd: u32,
        /// Path it was opened by.
        path: String,
        /// Its size, bytes.
        size: u64,
    },
    /// The file still has a name, but none that leads there from a preopen.
    OutOfReach {
        /// Descriptor number.
        fd: u32,
        /// Path it was opened by.
        path: String,
    },
    /// A system call failed.
    Io {
        /// Descriptor number.
        fd: u32,
        /// What it is.
        what: String,
        /// The failure.
        source: io::Error,
    },
    /// The record could not be encoded.
    Encode(String),
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SaveError::Socket { fd } => write!(f, "descriptor {fd} is a socket, which an image cannot hold"),
            SaveError::Pipe { fd, path } => {
                write!(f, "descriptor {fd} is the named pipe `{path}`, which an image cannot hold")
            }
            SaveError::Unlinked { fd, path, size } => write!(
                f,
                "descriptor {fd}: `{path}` was unlinked while open, and cannot be carried in the image ({size} bytes)"
            ),
            SaveError::OutOfReach { fd, path } => {
                write!(f, "descriptor {fd}: file `{path}` was moved to where no preopened directory leads")
            }
            SaveError::Io { fd, what, source } => write!(f, "descriptor {fd}: {what}: {source}"),
            SaveError::Encode(what) => write!(f, "WASI record: {what}"),
        }
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SaveError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl WasiCtx {
    /// Saves everything that WASI adds to an instance, with the default [`SavePolicy`].
    ///
    /// No thread of the instance may be inside a WASI call that goes on.
    ///
    /// # Errors
    /// [`SaveError`], which names the descriptor and file that cannot be saved.
    pub fn save(&self) -> Result<Vec<u8>, SaveError> {
        self.save_with(&SavePolicy::default())
    }

    /// Saves everything that WASI adds to an instance.
    ///
    /// # Errors
    /// [`SaveError`], which names the descriptor and file that cannot be saved.
    pub fn save_with(&self, policy: &SavePolicy) -> Result<Vec<u8>, SaveError> {
        let program = self.program();
        let mut preopens = Preopens::new(self);
        let descriptors = self
            .table()
            .iter()
            .map(|(fd, descriptor)| save_descriptor(self, &mut preopens, policy, fd, descriptor))
            .collect::<Result<Vec<_>, _>>()?;
        let record = Record {
            args: program.args.clone(),
            env: program.env.clone(),
            clocks: lock(&self.clocks).save(),
            waits: lock(&self.pending).clone(),
            preopens: preopens.records,
            descriptors,
        };
        record.encode().map_err(SaveError::Encode)
    }
}

/// The preopens that the record needs, numbered as they turn up.
struct Preopens<'a> {
    ctx: &'a WasiCtx,
    records: Vec<PreopenRecord>,
    /// Index into the context's preopens, in the order of `records`.
    indices: Vec<usize>,
}

impl<'a> Preopens<'a> {
    fn new(ctx: &'a WasiCtx) -> Self {
        Preopens { ctx, records: Vec::new(), indices: Vec::new() }
    }

    fn number(&mut self, index: usize) -> u32 {
        let known = self.indices.iter().position(|known| *known == index);
        known.unwrap_or_else(|| {
            let guest_name = self.ctx.preopens[index].guest_name.clone();
            let nth = self.ctx.preopens[..index].iter().filter(|p| p.guest_name == guest_name).count() as u32;
            self.records.push(PreopenRecord { guest_name, nth });
            self.indices.push(index);
            self.indices.len() - 1
        }) as u32
    }
}

fn save_descriptor(
    ctx: &WasiCtx,
    preopens: &mut Preopens<'_>,
    policy: &SavePolicy,
    fd: u32,
    descriptor: &Descriptor,
) -> Result<DescriptorRecord, SaveError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source: io::Error| SaveError::Io { fd, what, source }
    };
    let stat = fstat(&descriptor.handle).map_err(|e| failed("fstat")(e.into()))?;
    let position = |what: &str| rustix::fs::tell(&descriptor.handle).map_err(|e| failed(what)(e.into()));
    let mut operations = Vec::new();
    match &descriptor.origin {
        Origin::Stdio(stream) => {
            let file = match descriptor.filetype {
                FileType::RegularFile => Some(stream_file(&stat, position("position of standard stream")?)),
                _ => None,
            };
            operations.push(Operation::Stdio { stream: *stream as u8, file });
        }
        Origin::Preopen(index) => operations.push(Operation::Preopen { preopen: preopens.number(*index) }),
        Origin::Socket => return Err(SaveError::Socket { fd }),
        Origin::Path(opened) | Origin::Carried(opened) => {
            let path = show(&opened.path);
            if HostType::from_raw_mode(stat.st_mode) == HostType::Fifo {
                return Err(SaveError::Pipe { fd, path });
            }
            let preopen = preopens.number(opened.preopen);
            match reachable(ctx, opened, descriptor.handle.as_fd(), &stat) {
                Some((path, follow)) => {
                    let identity = match descriptor.filetype {
                        FileType::RegularFile => Some(
                            identity(descriptor, &stat, policy.identity)
                                .map_err(failed(&format!("reading `{}`", show(&path))))?,
                        ),
                        _ => None,
                    };
                    let directory = descriptor.filetype == FileType::Directory;
                    operations.push(Operation::Open { preopen, path, follow, directory, identity });
                }
                None if stat.st_nlink > 0 => return Err(SaveError::OutOfReach { fd, path }),
                None => {
                    let size = stat.st_size as u64;
                    if descriptor.filetype != FileType::RegularFile || size > policy.carry_up_to {
                        return Err(SaveError::Unlinked { fd, path, size });
                    }
                    let bytes = content(descriptor).map_err(failed(&format!("reading `{path}`")))?;
                    operations.push(Operation::Carry { preopen, path: opened.path.clone(), bytes });
                }
            }
            if descriptor.filetype == FileType::RegularFile {
                let offset = position("position of file")?;
                if offset > 0 {
                    operations.push(Operation::Seek { offset });
                }
            }
        }
    }
    if let Some(listing) = &*lock(&descriptor.listing) {
        operations.push(Operation::ReadDir { listing: listing.clone() });
    }
    let mode = *descriptor.mode();
    Ok(DescriptorRecord {
        fd,
        filetype: descriptor.filetype as u8,
        base: mode.base,
        inheriting: mode.inheriting,
        flags: mode.flags,
        operations,
    })
}

/// A path below the preopen that leads to the file now, and whether to follow a link at its end: the one it
/// was opened by or, if that was renamed or replaced, the kernel's name for it.
fn reachable(ctx: &WasiCtx, opened: &Opened, fd: BorrowedFd<'_>, stat_: &Stat) -> Option<(Vec<u8>, bool)> {
    let root = &ctx.preopens.get(opened.preopen)?.dir;
    let same = |path: &[u8], follow: bool| {
        let links = if follow { FollowSymlinks::Yes } else { FollowSymlinks::No };
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        stat(root, path, links).is_ok_and(|s| (s.st_dev, s.st_ino) == (stat_.st_dev, stat_.st_ino))
    };
    if same(&opened.path, opened.follow) {
        return Some((opened.path.clone(), opened.follow));
    }
    let file = kernel_path(fd)?;
    let below = file.strip_prefix(kernel_path(root.as_fd())?).ok()?;
    let mut path = below.as_os_str().to_owned().into_vec();
    if path.is_empty() {
        path = b".".to_vec();
    }
    same(&path, false).then_some((path, false))
}

/// Where the kernel says a file is (proc_pid_fd(5)).
fn kernel_path(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok().filter(|path| path.is_absolute())
}

fn stream_file(stat: &Stat, offset: u64) -> StreamFile {
    StreamFile {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: stat.st_size as u64,
        modified: modified(stat),
        offset,
    }
}

/// Time of last modification, nanoseconds since 1970.
#[allow(clippy::unnecessary_cast, reason = "the types of the time fields differ by architecture")]
pub(crate) fn modified(stat: &Stat) -> u64 {
    timestamp(stat.st_mtime as i64, stat.st_mtime_nsec as u64)
}

fn identity(descriptor: &Descriptor, stat: &Stat, policy: Identity) -> io::Result<FileIdentity> {
    let sha256 = match policy {
        Identity::SizeAndTime => None,
        Identity::Content => Some(hash(&readable(descriptor)?)?),
    };
    Ok(FileIdentity { size: stat.st_size as u64, modified: modified(stat), sha256 })
}

/// SHA-256 of a file's content; its position is left alone.
pub(crate) fn hash(file: &File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                at += count as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The file anew, for reading: the guest's descriptor may be for writing only.
fn readable(descriptor: &Descriptor) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", descriptor.raw_fd()))
}

fn content(descriptor: &Descriptor) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    readable(descriptor)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
