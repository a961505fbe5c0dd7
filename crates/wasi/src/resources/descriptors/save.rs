//! How open descriptors are saved: as the operations that make them again.

use super::{
    BesideRecord, CarriedFile, DescriptorRecord, DescriptorsRecord, FileIdentity, Operation, PreopenRecord,
};
use crate::abi::FileType;
use crate::beside::Beside;
use crate::ctx::{Preopen, WasiCtx};
use crate::dir::show;
use crate::file_choice::FilePolicy;
use crate::resources::Saving;
use crate::resources::descriptors::pipes::pipe;
use crate::save::{Identity, SaveError, SavePolicy};
use crate::table::{Descriptor, Opened, Origin, lock};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use wayfarer_files::{File, Stat};

/// All descriptors of an instance, and the preopens that they need.
pub(super) fn save(ctx: &WasiCtx, saving: &mut Saving<'_>) -> Result<DescriptorsRecord, SaveError> {
    let table = ctx.table();
    let changed_streams = lock(&ctx.changed_streams).clone();
    let (preopens, files) = (Preopens::new(ctx), Files::of(table.iter()));
    let beside = saving.beside.as_deref_mut();
    let mut saver = Saver { policy: saving.policy, preopens, files, changed_streams, beside };
    let descriptors =
        table.iter().map(|(fd, descriptor)| saver.save(fd, descriptor)).collect::<Result<Vec<_>, _>>()?;
    Ok(DescriptorsRecord { preopens: saver.preopens.records, descriptors })
}

/// The preopens that the record needs, numbered as they turn up.
struct Preopens {
    all: Arc<[Preopen]>,
    records: Vec<PreopenRecord>,
    /// Index into the context's preopens, in the order of `records`.
    indices: Vec<usize>,
}

impl Preopens {
    fn new(ctx: &WasiCtx) -> Self {
        Preopens { all: ctx.preopens(), records: Vec::new(), indices: Vec::new() }
    }

    fn number(&mut self, index: usize) -> u32 {
        let known = self.indices.iter().position(|known| *known == index);
        known.unwrap_or_else(|| {
            let guest_name = self.all[index].guest_name.clone();
            let nth = self.all[..index].iter().filter(|p| p.guest_name == guest_name).count() as u32;
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

impl Files {
    fn of<'a>(descriptors: impl Iterator<Item = (u32, &'a Arc<Descriptor>)>) -> Self {
        let mut opened: HashMap<FileId, Vec<Opened>> = HashMap::new();
        for (_, descriptor) in descriptors {
            if let (Origin::Path(path), Ok(stat)) = (&descriptor.origin, descriptor.open().stat()) {
                opened.entry(stat.id()).or_default().push(path.clone());
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
    policy: &'a SavePolicy,
    preopens: Preopens,
    files: Files,
    /// Standard streams that the guest has changed.
    changed_streams: Vec<(u64, u64)>,
    /// Where content goes; into the record otherwise.
    beside: Option<&'a mut Beside>,
}

impl Saver<'_> {
    fn save(&mut self, fd: u32, descriptor: &Arc<Descriptor>) -> Result<DescriptorRecord, SaveError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source: io::Error| SaveError::Io { fd, what, source }
        };
        let stat = descriptor.open().stat().map_err(failed("fstat"))?;
        let position = |what: &str| {
            let position = descriptor.file().map_err(io::Error::from).and_then(|file| file.tell());
            position.map_err(failed(what))
        };
        let mut operations = Vec::new();
        match &descriptor.origin {
            Origin::Stdio(_) if self.changed_streams.contains(&stat.id()) => {
                return Err(SaveError::ChangedStream { fd });
            }
            Origin::Stdio(stream) => {
                let watched = descriptor.watched();
                let saved = watched.map(|watched| {
                    let position = position("position of standard stream")?;
                    let host = descriptor.fd().map_err(|e| failed("standard stream")(e.into()))?;
                    watched.save(host, &stat, position).map_err(|_| SaveError::SharedStream { fd })
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
        if let Some(pipe) = pipe(descriptor, &stat) {
            operations.push(pipe);
        }
        if let Some(listing) = &*lock(&descriptor.listing) {
            let listing = descriptor.directory().map_or_else(|_| listing.clone(), |dir| listing.noted(dir));
            operations.push(Operation::ReadDir { listing });
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

    /// What is to be in the image of the file that has this path.
    fn policy_of(&self, preopen: usize, path: &[u8]) -> FilePolicy {
        self.policy.files.of(&self.preopens.all[preopen].guest_name, path)
    }

    /// How to make a descriptor again that a path was opened for.
    fn opened(
        &mut self,
        fd: u32,
        descriptor: &Arc<Descriptor>,
        opened: &Opened,
        stat: &Stat,
    ) -> Result<Operation, SaveError> {
        let path = show(&opened.path);
        let file = stat.id();
        let failed =
            |path: String| move |source| SaveError::Io { fd, what: format!("reading `{path}`"), source };
        let reachable = |opened: &Opened| reachable(&self.preopens.all, opened, descriptor, stat);
        let own = reachable(opened);
        // Another descriptor may know a name that is still there.
        let others = || self.files.opened.get(&file).into_iter().flatten();
        let found = own.map(|found| (opened.preopen, found)).or_else(|| {
            others().find_map(|other| {
                let found = reachable(other)?;
                Some((other.preopen, found))
            })
        });
        if let Some((preopen, (path, follow))) = found {
            let identity = match descriptor.filetype {
                FileType::RegularFile => match self.policy_of(preopen, &path) {
                    FilePolicy::Ignore => None,
                    policy => {
                        let by = match policy {
                            FilePolicy::ReopenHash => Identity::Content,
                            _ => self.policy.identity,
                        };
                        let number = self.files.number(file);
                        Some(identity(descriptor, stat, by, number).map_err(failed(show(&path)))?)
                    }
                },
                _ => None,
            };
            let preopen = self.preopens.number(preopen);
            let directory = descriptor.filetype == FileType::Directory;
            return Ok(Operation::Open { preopen, path, follow, directory, identity });
        }
        if stat.links > 0 {
            return Err(SaveError::OutOfReach { fd, path });
        }
        let preopen = self.preopens.number(opened.preopen);
        if let Some(first) = self.files.carried.get(&file) {
            return Ok(Operation::CarryAgain { preopen, path: opened.path.clone(), fd: *first });
        }
        let size = stat.size;
        let fits = size <= self.policy.carry_up_to
            || self.policy_of(opened.preopen, &opened.path) == FilePolicy::Carry;
        if descriptor.filetype != FileType::RegularFile || !fits {
            return Err(SaveError::Unlinked { fd, path, size });
        }
        let (accessed, modified) = (stat.accessed, stat.modified);
        self.files.carried.insert(file, fd);
        if let Some(beside) = &mut self.beside {
            let number = beside.add(in_beside(fd, &opened.path), size, Arc::clone(descriptor));
            let file = BesideRecord { number, size, accessed, modified };
            return Ok(Operation::CarryBeside { preopen, path: opened.path.clone(), file });
        }
        self.files.bytes += size;
        if self.files.bytes > self.policy.carry_altogether {
            return Err(SaveError::TooLarge { size: self.files.bytes });
        }
        let bytes = content(descriptor).map_err(failed(path))?;
        let file = CarriedFile { bytes, accessed, modified };
        Ok(Operation::Carry { preopen, path: opened.path.clone(), file })
    }
}

/// A path below the preopen that leads to the file now, and whether to follow a link at its end: the one it
/// was opened by or, if that was renamed or replaced, the file system's name for it.
fn reachable(
    preopens: &[Preopen],
    opened: &Opened,
    descriptor: &Descriptor,
    stat: &Stat,
) -> Option<(Vec<u8>, bool)> {
    let root = &preopens.get(opened.preopen)?.dir;
    let same =
        |path: &[u8], follow: bool| root.stat_at(path, follow).is_ok_and(|found| found.id() == stat.id());
    if same(&opened.path, opened.follow) {
        return Some((opened.path.clone(), opened.follow));
    }
    let path = root.path_to(descriptor.open())?;
    same(&path, false).then_some((path, false))
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
        Identity::Content => Some(hash(descriptor.file()?)?),
    };
    Ok(FileIdentity { size: stat.size, modified: stat.modified, sha256, file: Some(file) })
}

/// SHA-256 of a file's content; its position is left alone.
pub(crate) fn hash(file: &dyn File) -> io::Result<[u8; 32]> {
    hash_of(file.content()?)
}

/// SHA-256 of what a reader gives.
pub(super) fn hash_of(mut content: impl Read) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// What a file is called in messages about content that goes beside the record.
pub(in crate::resources) fn in_beside(fd: u32, path: &[u8]) -> String {
    format!("descriptor {fd}: reading `{}`", show(path))
}

fn content(descriptor: &Descriptor) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    descriptor.file()?.content()?.read_to_end(&mut bytes)?;
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
