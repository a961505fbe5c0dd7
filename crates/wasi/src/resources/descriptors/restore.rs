//! How saved descriptors are made again.

use super::save::{hash, modified, same_time};
use super::{
    CarriedFile, DescriptorRecord, DescriptorsRecord, FileIdentity, Operation, PreopenRecord, StreamFile,
};
use crate::abi::{FileType, fdflags, oflags};
use crate::ctx::WasiCtx;
use crate::dir::show;
use crate::fd::set_flags;
use crate::path::Request;
use crate::resources::Ready;
use crate::restore::{RestoreError, RestorePolicy};
use crate::streams::StreamUse;
use crate::table::{Descriptor, Handle, Opened, Origin, Table, lock};
use cap_primitives::fs::FollowSymlinks;
use rustix::fs::{MemfdFlags, SeekFrom, fstat, memfd_create, seek};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Opens what was open. The context gets it when nothing can fail any more.
pub(super) fn restore<'a>(
    record: &DescriptorsRecord,
    ctx: &'a WasiCtx,
    policy: &RestorePolicy,
) -> Result<Ready<'a>, RestoreError> {
    let preopens = find_preopens(ctx, record)?;
    let mut table = Table::default();
    // Positions of streams are shared with other processes: set last.
    let mut streams = Vec::new();
    let mut files = Files::default();
    for saved in &record.descriptors {
        let maker = Maker { ctx, preopens: &preopens, policy, saved, made: &table };
        let descriptor = Arc::new(maker.make(&mut streams, &mut files)?);
        table.put(saved.fd, descriptor);
    }
    Ok(Box::new(move || {
        for (fd, position) in streams {
            // Best effort: a stream that can't be positioned stays where the host put it.
            let _ = table.get(fd).map(|stream| seek(&stream.handle, SeekFrom::Start(position)));
        }
        *ctx.table() = table;
    }))
}

/// For each preopen of the record the context's index of it; `None` if it has none and only the error is
/// missing.
fn find_preopens(ctx: &WasiCtx, record: &DescriptorsRecord) -> Result<Vec<usize>, RestoreError> {
    let find = |wanted: &PreopenRecord| {
        ctx.preopens
            .iter()
            .enumerate()
            .filter(|(_, preopen)| preopen.guest_name == wanted.guest_name)
            .nth(wanted.nth as usize)
            .map(|(index, _)| index)
            .ok_or_else(|| RestoreError::MissingPreopen { guest_name: show(&wanted.guest_name) })
    };
    record.preopens.iter().map(find).collect()
}

/// Which files are which: by their numbers in the record, and as they are here.
#[derive(Default)]
struct Files {
    by_number: HashMap<u32, (u64, u64)>,
    by_id: HashMap<(u64, u64), u32>,
}

impl Files {
    /// Whether the file that has this number is the same whichever descriptor it is reached by, and no other is.
    fn agree(&mut self, number: u32, id: (u64, u64)) -> bool {
        *self.by_number.entry(number).or_insert(id) == id && *self.by_id.entry(id).or_insert(number) == number
    }
}

/// Carries out the operations of one descriptor.
struct Maker<'a> {
    ctx: &'a WasiCtx,
    preopens: &'a [usize],
    policy: &'a RestorePolicy,
    saved: &'a DescriptorRecord,
    /// Descriptors with smaller numbers.
    made: &'a Table,
}

impl Maker<'_> {
    fn make(&self, streams: &mut Vec<(u32, u64)>, files: &mut Files) -> Result<Descriptor, RestoreError> {
        let (first, rest) = self.saved.operations.split_first().ok_or_else(|| {
            RestoreError::Format("malformed WASI record: descriptor without operations".into())
        })?;
        let descriptor = match first {
            Operation::Stdio { stream, file } => self.stdio(*stream, file.as_ref(), streams)?,
            Operation::Preopen { preopen } => self.preopen(*preopen)?,
            Operation::Open { preopen, path, follow, directory, identity } => {
                self.open(*preopen, path, *follow, *directory, identity.as_ref(), files)?
            }
            Operation::Carry { preopen, path, file } => self.carry(*preopen, path, file)?,
            Operation::CarryAgain { preopen, path, fd } => self.carry_again(*preopen, path, *fd)?,
            Operation::Seek { .. } | Operation::ReadDir { .. } => {
                return Err(RestoreError::Format("malformed WASI record: operations out of order".into()));
            }
        };
        for operation in rest {
            match operation {
                Operation::Seek { offset } => {
                    seek(&descriptor.handle, SeekFrom::Start(*offset))
                        .map_err(self.failed("setting the position"))?;
                }
                Operation::ReadDir { listing } => {
                    let mut listing = listing.clone();
                    listing.refresh(&descriptor.handle).map_err(self.failed("reading the directory"))?;
                    *lock(&descriptor.listing) = Some(listing);
                }
                _ => {}
            }
        }
        Ok(descriptor)
    }

    fn failed<E: Into<io::Error>>(&self, what: &'static str) -> impl Fn(E) -> RestoreError + use<E> {
        let fd = self.saved.fd;
        move |source| RestoreError::Io { fd, what, source: source.into() }
    }

    /// Gives a descriptor that the host opened the saved rights and flags, as far as what it is now can have
    /// them.
    fn adopt(&self, descriptor: Descriptor) -> Result<Descriptor, RestoreError> {
        {
            let mut mode = descriptor.mode();
            mode.base &= self.saved.base;
            mode.inheriting &= self.saved.inheriting;
        }
        // How the host opened a stream stays its affair, but for the flag that only we look at.
        let host = descriptor.mode().flags & !fdflags::NONBLOCK;
        let flags = host | self.saved.flags & fdflags::NONBLOCK;
        set_flags(&descriptor, flags).map_err(|errno| {
            RestoreError::Format(format!("descriptor {}: flags: {errno:?}", self.saved.fd))
        })?;
        Ok(descriptor)
    }

    fn stdio(
        &self,
        stream: u8,
        file: Option<&StreamFile>,
        streams: &mut Vec<(u32, u64)>,
    ) -> Result<Descriptor, RestoreError> {
        let given = self.ctx.streams.get(usize::from(stream)).ok_or_else(|| {
            RestoreError::Format(format!("malformed WASI record: standard stream {stream}"))
        })?;
        let descriptor = Descriptor::inspect(given.handle(), Origin::Stdio(stream.into()))
            .map_err(|_| RestoreError::MissingStream { stream })?;
        if let Some(file) = file
            && descriptor.filetype == FileType::RegularFile
        {
            let now = fstat(&descriptor.handle).map_err(self.failed("fstat"))?;
            if let Some(position) = file.position(&now) {
                streams.push((self.saved.fd, position));
                *lock(&descriptor.stream) = StreamUse::restored(file, &descriptor.handle, position);
            }
        }
        self.adopt(descriptor)
    }

    fn preopen(&self, preopen: u32) -> Result<Descriptor, RestoreError> {
        let index = self.index(preopen)?;
        let dir = Arc::clone(&self.ctx.preopens[index].dir);
        let descriptor = Descriptor::inspect(Handle::Shared(dir), Origin::Preopen(index))
            .map_err(self.failed("looking at the preopened directory"))?;
        self.adopt(descriptor)
    }

    fn index(&self, preopen: u32) -> Result<usize, RestoreError> {
        self.preopens
            .get(preopen as usize)
            .copied()
            .ok_or_else(|| RestoreError::Format(format!("malformed WASI record: preopen {preopen}")))
    }

    fn request(&self, follow: bool, directory: bool) -> Request {
        Request {
            // What `path_open` created or truncated then must be there and whole now.
            oflags: if directory { oflags::DIRECTORY } else { 0 },
            flags: self.saved.flags & fdflags::ALL,
            base: self.saved.base,
            inheriting: self.saved.inheriting,
            follow: if follow { FollowSymlinks::Yes } else { FollowSymlinks::No },
        }
    }

    fn open(
        &self,
        preopen: u32,
        path: &[u8],
        follow: bool,
        directory: bool,
        identity: Option<&FileIdentity>,
        files: &mut Files,
    ) -> Result<Descriptor, RestoreError> {
        let index = self.index(preopen)?;
        let root = &self.ctx.preopens[index];
        let (fd, preopen) = (self.saved.fd, show(&root.guest_name));
        let request = self.request(follow, directory);
        let file = request.open(&root.dir, Path::new(OsStr::from_bytes(path))).map_err(|source| {
            RestoreError::Open { fd, path: show(path), preopen: preopen.clone(), source }
        })?;
        let differs = |what: String| RestoreError::Differs { fd, path: show(path), preopen, what };
        if let Some(identity) = identity
            && !self.policy.accept_changed_files
            && let Some(what) = compare(&file, identity).map_err(self.failed("looking at the file"))?
        {
            return Err(differs(what));
        }
        if let Some(number) = identity.and_then(|identity| identity.file) {
            let stat = fstat(&file).map_err(self.failed("fstat"))?;
            if !files.agree(number, (stat.st_dev, stat.st_ino)) {
                return Err(differs("it shares its content with other files than it did".into()));
            }
        }
        let opened = Opened { preopen: index, path: path.to_vec(), follow };
        let descriptor =
            request.descriptor(file, Origin::Path(opened)).map_err(self.failed("looking at the file"))?;
        if descriptor.filetype as u8 != self.saved.filetype {
            let (now, then) = (descriptor.filetype as u8, self.saved.filetype);
            return Err(differs(format!("its WASI file type is {now}, it was {then}")));
        }
        Ok(descriptor)
    }

    fn carry(&self, preopen: u32, path: &[u8], carried: &CarriedFile) -> Result<Descriptor, RestoreError> {
        let name = Path::new(OsStr::from_bytes(path)).file_name().unwrap_or(OsStr::new("carried"));
        let name: Vec<u8> = name.as_bytes().iter().copied().filter(|b| *b != 0).take(200).collect();
        let file =
            memfd_create(name, MemfdFlags::CLOEXEC).map_err(self.failed("making a file without a name"))?;
        let mut file = File::from(file);
        file.write_all(&carried.bytes).map_err(self.failed("filling a file without a name"))?;
        let time = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
        let times =
            FileTimes::new().set_accessed(time(carried.accessed)).set_modified(time(carried.modified));
        file.set_times(times).map_err(self.failed("setting the times of a file without a name"))?;
        self.carried(preopen, path, &file)
    }

    fn carry_again(&self, preopen: u32, path: &[u8], fd: u32) -> Result<Descriptor, RestoreError> {
        let first = self
            .made
            .get(fd)
            .map_err(|_| RestoreError::Format(format!("malformed WASI record: no descriptor {fd}")))?;
        self.carried(preopen, path, &first.handle)
    }

    /// A descriptor for a file without a name.
    fn carried(&self, preopen: u32, path: &[u8], file: impl AsFd) -> Result<Descriptor, RestoreError> {
        let opened = Opened { preopen: self.index(preopen)?, path: path.to_vec(), follow: false };
        let request = self.request(false, false);
        let file = request.open_again(file).map_err(self.failed("opening a file without a name"))?;
        request.descriptor(file, Origin::Carried(opened)).map_err(self.failed("looking at the file"))
    }
}

/// What is different about a file, if anything is.
fn compare(file: &File, identity: &FileIdentity) -> io::Result<Option<String>> {
    let stat = fstat(file)?;
    let size = stat.st_size as u64;
    if size != identity.size {
        return Ok(Some(format!("it has {size} bytes, it had {}", identity.size)));
    }
    match identity.sha256 {
        Some(sha256) => {
            let anew = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file)))?;
            Ok((hash(&anew)? != sha256).then(|| "its content has changed".into()))
        }
        None => Ok((!same_time(modified(&stat), identity.modified)).then(|| "it was modified since".into())),
    }
}
