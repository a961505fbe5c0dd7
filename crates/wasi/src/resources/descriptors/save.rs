//! How open descriptors are saved: as the operations that make them again.

use super::{CarriedFile, DescriptorRecord, DescriptorsRecord, FileIdentity, Operation, PreopenRecord};
use crate::abi::{FileType, timestamp};
use crate::ctx::WasiCtx;
use crate::dir::show;
use crate::path::stat;
use crate::save::{Identity, SaveError, SavePolicy};
use crate::table::{Descriptor, Opened, Origin, lock};
use cap_primitives::fs::FollowSymlinks;
use rustix::fs::{FileType as HostType, Stat, fstat};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// All descriptors of an instance, and the preopens that they need.
pub(super) fn save(ctx: &WasiCtx, policy: &SavePolicy) -> Result<DescriptorsRecord, SaveError> {
    let table = ctx.table();
    let mut saver = Saver { ctx, policy, preopens: Preopens::new(ctx), files: Files::of(table.iter()) };
    let descriptors =
        table.iter().map(|(fd, descriptor)| saver.save(fd, descriptor)).collect::<Result<Vec<_>, _>>()?;
    Ok(DescriptorsRecord { preopens: saver.preopens.records, descriptors })
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

/// The files that descriptors have open: one file may be open several times, by several names.
struct Files {
    /// All the ways that files were opened by.
    opened: HashMap<FileId, Vec<Opened>>,
    /// Their numbers in the record.
    numbers: HashMap<FileId, u32>,
    /// Descriptors that carry them.
    carried: HashMap<FileId, u32>,
    /// Bytes that those carry.
    bytes: u64,
}

/// Device and inode: a file, as long as it is open.
type FileId = (u64, u64);

fn file_id(stat: &Stat) -> FileId {
    (stat.st_dev, stat.st_ino)
}

impl Files {
    fn of<'a>(descriptors: impl Iterator<Item = (u32, &'a std::sync::Arc<Descriptor>)>) -> Self {
        let mut opened: HashMap<FileId, Vec<Opened>> = HashMap::new();
        for (_, descriptor) in descriptors {
            if let (Origin::Path(path), Ok(stat)) = (&descriptor.origin, fstat(&descriptor.handle)) {
                opened.entry(file_id(&stat)).or_default().push(path.clone());
            }
        }
        Files { opened, numbers: HashMap::new(), carried: HashMap::new(), bytes: 0 }
    }

    fn number(&mut self, file: FileId) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(file).or_insert(next)
    }
}

struct Saver<'a> {
    ctx: &'a WasiCtx,
    policy: &'a SavePolicy,
    preopens: Preopens<'a>,
    files: Files,
}

impl Saver<'_> {
    fn save(&mut self, fd: u32, descriptor: &Descriptor) -> Result<DescriptorRecord, SaveError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source: io::Error| SaveError::Io { fd, what, source }
        };
        let stat = fstat(&descriptor.handle).map_err(|e| failed("fstat")(e.into()))?;
        let position = |what: &str| rustix::fs::tell(&descriptor.handle).map_err(|e| failed(what)(e.into()));
        let mut operations = Vec::new();
        match &descriptor.origin {
            Origin::Stdio(stream) => {
                let watched = descriptor.watched();
                let saved = watched.map(|watched| {
                    let position = position("position of standard stream")?;
                    watched
                        .save(&descriptor.handle, &stat, position)
                        .map_err(|_| SaveError::SharedStream { fd })
                });
                let file = saved.transpose()?.flatten();
                operations.push(Operation::Stdio { stream: *stream as u8, file });
            }
            Origin::Preopen(index) => {
                operations.push(Operation::Preopen { preopen: self.preopens.number(*index) });
            }
            Origin::Socket => return Err(SaveError::Socket { fd }),
            Origin::Path(opened) | Origin::Carried(opened) => {
                operations.push(self.opened(fd, descriptor, opened, &stat)?);
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

    /// How to make a descriptor again that a path was opened for.
    fn opened(
        &mut self,
        fd: u32,
        descriptor: &Descriptor,
        opened: &Opened,
        stat: &Stat,
    ) -> Result<Operation, SaveError> {
        let path = show(&opened.path);
        if HostType::from_raw_mode(stat.st_mode) == HostType::Fifo {
            return Err(SaveError::Pipe { fd, path });
        }
        let file = file_id(stat);
        let failed =
            |path: String| move |source| SaveError::Io { fd, what: format!("reading `{path}`"), source };
        let own = reachable(self.ctx, opened, descriptor.handle.as_fd(), stat);
        // Another descriptor may know a name that is still there.
        let others = || self.files.opened.get(&file).into_iter().flatten();
        let found = own.map(|found| (opened.preopen, found)).or_else(|| {
            others().find_map(|other| {
                let found = reachable(self.ctx, other, descriptor.handle.as_fd(), stat)?;
                Some((other.preopen, found))
            })
        });
        if let Some((preopen, (path, follow))) = found {
            let identity = match descriptor.filetype {
                FileType::RegularFile => {
                    let number = self.files.number(file);
                    let identity = identity(descriptor, stat, self.policy.identity, number);
                    Some(identity.map_err(failed(show(&path)))?)
                }
                _ => None,
            };
            let preopen = self.preopens.number(preopen);
            let directory = descriptor.filetype == FileType::Directory;
            return Ok(Operation::Open { preopen, path, follow, directory, identity });
        }
        if stat.st_nlink > 0 {
            return Err(SaveError::OutOfReach { fd, path });
        }
        let preopen = self.preopens.number(opened.preopen);
        if let Some(first) = self.files.carried.get(&file) {
            return Ok(Operation::CarryAgain { preopen, path: opened.path.clone(), fd: *first });
        }
        let size = stat.st_size as u64;
        if descriptor.filetype != FileType::RegularFile || size > self.policy.carry_up_to {
            return Err(SaveError::Unlinked { fd, path, size });
        }
        self.files.bytes += size;
        if self.files.bytes > self.policy.carry_altogether {
            return Err(SaveError::TooLarge { size: self.files.bytes });
        }
        let bytes = content(descriptor).map_err(failed(path))?;
        self.files.carried.insert(file, fd);
        let file = CarriedFile { bytes, accessed: accessed(stat), modified: modified(stat) };
        Ok(Operation::Carry { preopen, path: opened.path.clone(), file })
    }
}

/// A path below the preopen that leads to the file now, and whether to follow a link at its end: the one it
/// was opened by or, if that was renamed or replaced, the kernel's name for it.
fn reachable(ctx: &WasiCtx, opened: &Opened, fd: BorrowedFd<'_>, stat_: &Stat) -> Option<(Vec<u8>, bool)> {
    let root = &ctx.preopens.get(opened.preopen)?.dir;
    let same = |path: &[u8], follow: bool| {
        let links = if follow { FollowSymlinks::Yes } else { FollowSymlinks::No };
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        stat(root, path, links).is_ok_and(|s| file_id(&s) == file_id(stat_))
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

/// Time of last modification, nanoseconds since 1970.
#[allow(clippy::unnecessary_cast, reason = "the types of the time fields differ by architecture")]
pub(crate) fn modified(stat: &Stat) -> u64 {
    timestamp(stat.st_mtime as i64, stat.st_mtime_nsec as u64)
}

/// Time of last access.
#[allow(clippy::unnecessary_cast, reason = "the types of the time fields differ by architecture")]
fn accessed(stat: &Stat) -> u64 {
    timestamp(stat.st_atime as i64, stat.st_atime_nsec as u64)
}

/// Whether two times are the same, as far as the coarser of them says: file systems, archives and layers of
/// containers keep fewer digits, and cut the others off.
pub(crate) fn same_time(a: u64, b: u64) -> bool {
    let unit = precision(a).max(precision(b));
    a / unit == b / unit
}

/// Nanoseconds of the last digit that a time has, up to seconds.
fn precision(time: u64) -> u64 {
    (0..9).rev().map(|digits| 10u64.pow(digits + 1)).find(|unit| time.is_multiple_of(*unit)).unwrap_or(1)
}

fn identity(descriptor: &Descriptor, stat: &Stat, policy: Identity, file: u32) -> io::Result<FileIdentity> {
    let sha256 = match policy {
        Identity::SizeAndTime => None,
        Identity::Content => Some(hash(&readable(descriptor)?)?),
    };
    Ok(FileIdentity { size: stat.st_size as u64, modified: modified(stat), sha256, file: Some(file) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_compared_at_the_coarser_precision() {
        const S: u64 = 1_000_000_000;
        let time = 1_700_000_123 * S + 123_456_789;
        for cut in [time, time / 100 * 100, time / 1000 * 1000, time / 1_000_000 * 1_000_000, time / S * S] {
            assert!(same_time(time, cut) && same_time(cut, time), "{cut}");
        }
        for other in [time + 1, time - 1, time / S * S - S, (time / S + 1) * S, (time / 1000 + 1) * 1000] {
            assert!(!same_time(time, other) && !same_time(other, time), "{other}");
        }
        assert!(!same_time(5 * S, 6 * S));
        assert!(same_time(0, 0));
    }
}
