//! How saved descriptors are made again.

use super::pipes;
use super::save::{hash, hash_of, same_time};
use super::{
    BesideRecord, CarriedFile, DescriptorRecord, DescriptorsRecord, FileIdentity, Operation, PreopenRecord,
    StreamFile,
};
use crate::abi::{FileType, fdflags, oflags, rights};
use crate::beside::ContentBeside;
use crate::ctx::{Preopen, WasiCtx};
use crate::dir::show;
use crate::fd::set_flags;
use crate::file_choice::FileChoice;
use crate::locks::Locks;
use crate::path::Request;
use crate::placing::Placing;
use crate::resources::{Ready, Record, Restoring};
use crate::restore::{RestoreError, RestorePolicy};
use crate::signals::without_file_size_signal;
use crate::streams::StreamUse;
use crate::table::{Descriptor, Opened, Origin, Table, lock};
use std::collections::HashMap;
use std::io::{self, Read, SeekFrom};
use std::sync::{Arc, OnceLock};
use wayfarer_files::{File, Sparse, fill};

/// Opens what was open, below the preopens that are `given`. The context gets it when nothing can fail any more.
pub(super) fn restore<'a>(
    record: &Record,
    given: Arc<[Preopen]>,
    ctx: &'a WasiCtx,
    restoring: &Restoring<'_>,
    placing: Placing,
) -> Result<Ready<'a>, RestoreError> {
    let (record, locks) = (&record.descriptors, &record.locks);
    let &Restoring { policy, beside } = restoring;
    let preopens = find_preopens(&given, record)?;
    let mut table = Table::default();
    // Positions of streams are shared with other processes: set last.
    let mut streams = Vec::new();
    let mut files = Files { placing, ..Files::default() };
    // Who only writes to a named pipe waits until there is somebody to read it: last, so that this is not who waits for him.
    let (writers, others): (Vec<_>, Vec<_>) =
        record.descriptors.iter().partition(|saved| pipes::only_writes(saved));
    for saved in others.into_iter().chain(writers) {
        let maker = Maker { ctx, given: &given, preopens: &preopens, policy, beside, saved, made: &table };
        let descriptor = Arc::new(maker.make(&mut streams, &mut files)?);
        table.put(saved.fd, descriptor);
    }
    let Files { mut placing, .. } = files;
    let locks = Locks::take(locks, &table).map_err(|(fd, source)| RestoreError::Lock { fd, source })?;
    placing.cut_all().map_err(|(path, source)| RestoreError::Truncate { path: show(&path), source })?;
    Ok(Box::new(move || {
        placing.keep();
        for (fd, position) in streams {
            // Best effort: a stream that can't be positioned stays where the host put it.
            let _ = table.get(fd).and_then(|stream| Ok(stream.file()?.seek(SeekFrom::Start(position))?));
        }
        *ctx.table() = table;
        *lock(&ctx.locks) = locks;
        ctx.set_preopens(given);
    }))
}

/// For each preopen of the record the context's index of it; `None` if it has none and only the error is
/// missing.
pub(in crate::resources) fn find_preopens(
    given: &[Preopen],
    record: &DescriptorsRecord,
) -> Result<Vec<usize>, RestoreError> {
    let find = |wanted: &PreopenRecord| {
        given
            .iter()
            .enumerate()
            .filter(|(_, preopen)| preopen.guest_name == wanted.guest_name)
            .nth(wanted.nth as usize)
            .map(|(index, _)| index)
            .ok_or_else(|| RestoreError::MissingPreopen { guest_name: show(&wanted.guest_name) })
    };
    record.preopens.iter().map(find).collect()
}

/// Which files are which: by their numbers in the record, and as they are here; and what was put there, and is to be cut off.
#[derive(Default)]
struct Files {
    by_number: HashMap<u32, (u64, u64)>,
    by_id: HashMap<(u64, u64), u32>,
    placing: Placing,
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
    /// The preopens that there are, and for each of the record's its index among them.
    given: &'a [Preopen],
    preopens: &'a [usize],
    policy: &'a RestorePolicy,
    /// What is beside the record.
    beside: &'a dyn ContentBeside,
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
            Operation::Carry { preopen, path, file } => {
                let CarriedFile { bytes, accessed, modified } = file;
                self.carry(*preopen, path, bytes.len() as u64, &mut &bytes[..], (*accessed, *modified))?
            }
            Operation::CarryBeside { preopen, path, file } => {
                let BesideRecord { number, size, accessed, modified } = *file;
                let content = self.beside.open(number);
                let mut content = content.map_err(self.failed("reading a file without a name"))?;
                self.carry(*preopen, path, size, &mut content, (accessed, modified))?
            }
            Operation::CarryAgain { preopen, path, fd } => self.carry_again(*preopen, path, *fd)?,
            Operation::Seek { .. } | Operation::ReadDir { .. } | Operation::Ended => {
                return Err(RestoreError::Format("malformed WASI record: operations out of order".into()));
            }
        };
        for operation in rest {
            match operation {
                Operation::Seek { offset } => {
                    let moved = descriptor.file().map_err(io::Error::from);
                    moved
                        .and_then(|file| file.seek(SeekFrom::Start(*offset)))
                        .map_err(self.failed("setting the position"))?;
                }
                Operation::ReadDir { listing } => {
                    let mut listing = listing.clone();
                    let directory = descriptor.directory().map_err(io::Error::from);
                    directory
                        .and_then(|directory| listing.refresh(directory))
                        .map_err(self.failed("reading the directory"))?;
                    *lock(&descriptor.listing) = Some(listing);
                }
                Operation::Ended if !pipes::only_writes(self.saved) => {
                    pipes::end(&descriptor).map_err(self.failed("opening the other end of the pipe"))?;
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
        // How the host opened a stream stays its affair, but for the flag that only we look at. Ours are as they are to be.
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
            let now = descriptor.open().stat().map_err(self.failed("fstat"))?;
            if let Some(position) = file.position(&now) {
                streams.push((self.saved.fd, position));
                let host = descriptor.fd().map_err(self.failed("standard stream"))?;
                *lock(&descriptor.stream) = StreamUse::restored(file, host, position);
            }
        }
        self.adopt(descriptor)
    }

    fn preopen(&self, preopen: u32) -> Result<Descriptor, RestoreError> {
        let index = self.index(preopen)?;
        let descriptor = Descriptor::preopen(Arc::clone(&self.given[index].dir), index);
        // Flags of a directory are only remembered: nothing is written to it.
        descriptor.mode().flags = self.saved.flags & fdflags::ALL;
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
            follow,
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
        let root = &self.given[index];
        let (fd, preopen) = (self.saved.fd, show(&root.guest_name));
        let request = self.request(follow, directory);
        let attempt = || request.open(&*root.dir, path);
        let opened = match (pipes::only_writes(self.saved), pipes::was_ended(self.saved)) {
            // Somebody reads it for a moment.
            (true, true) => Request { base: rights::FD_READ, ..request }
                .open(&*root.dir, path)
                .and_then(|_reader| attempt()),
            (true, false) => pipes::when_read(self.policy.reader_limit, attempt),
            (false, _) => attempt(),
        };
        let found = opened.map_err(|source| RestoreError::Open {
            fd,
            path: show(path),
            preopen: preopen.clone(),
            source,
        })?;
        let differs = |what: String| RestoreError::Differs { fd, path: show(path), preopen, what };
        let opened = Opened { preopen: index, path: path.to_vec(), follow, asked: OnceLock::new() };
        let descriptor =
            request.descriptor(found, Origin::Path(opened)).map_err(self.failed("looking at the file"))?;
        let choice = self.policy.files.of(&root.guest_name, path);
        if let Some(identity) = identity.filter(|_| choice != FileChoice::Changed) {
            let cut = choice == FileChoice::Truncate;
            match compare(&descriptor, identity, cut).map_err(self.failed("looking at the file"))? {
                Compared::Same => {}
                Compared::Grown => {
                    files.placing.cut(&root.dir, path, follow, identity.size, identity.modified)
                }
                Compared::Differs(what) => return Err(differs(what)),
            }
        }
        if let Some(number) = identity.and_then(|identity| identity.file) {
            let stat = descriptor.open().stat().map_err(self.failed("fstat"))?;
            if !files.agree(number, stat.id()) {
                return Err(differs("it shares its content with other files than it did".into()));
            }
        }
        if descriptor.filetype as u8 != self.saved.filetype {
            let (now, then) = (descriptor.filetype as u8, self.saved.filetype);
            return Err(differs(format!("its WASI file type is {now}, it was {then}")));
        }
        Ok(descriptor)
    }

    fn carry(
        &self,
        preopen: u32,
        path: &[u8],
        size: u64,
        content: &mut dyn Sparse,
        (accessed, modified): (u64, u64),
    ) -> Result<Descriptor, RestoreError> {
        let name = path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or(b"carried");
        let root = &self.given[self.index(preopen)?].dir;
        let made = || {
            let file = root.unnamed(name, size)?;
            fill(&*file, content, accessed, modified).map(|()| file)
        };
        let file = without_file_size_signal(made).map_err(self.failed("making a file without a name"))?;
        self.carried(preopen, path, &*file)
    }

    fn carry_again(&self, preopen: u32, path: &[u8], fd: u32) -> Result<Descriptor, RestoreError> {
        let first = self.made.get(fd).and_then(|first| first.file());
        let first =
            first.map_err(|_| RestoreError::Format(format!("malformed WASI record: no file {fd}")))?;
        self.carried(preopen, path, first)
    }

    /// A descriptor for a file without a name.
    fn carried(&self, preopen: u32, path: &[u8], file: &dyn File) -> Result<Descriptor, RestoreError> {
        let preopen = self.index(preopen)?;
        let opened = Opened { preopen, path: path.to_vec(), follow: false, asked: OnceLock::new() };
        let request = self.request(false, false);
        let found = request.open_again(file).map_err(self.failed("opening a file without a name"))?;
        request.descriptor(found, Origin::Carried(opened)).map_err(self.failed("looking at the file"))
    }
}

/// What a file is to the one it was.
enum Compared {
    Same,
    /// It is longer, and is to be cut off.
    Grown,
    Differs(String),
}

/// `cut`: a file that has grown is to be cut off. What it has before that is compared where its hash is known.
fn compare(descriptor: &Descriptor, identity: &FileIdentity, cut: bool) -> io::Result<Compared> {
    let stat = descriptor.open().stat()?;
    let grown = cut && stat.size > identity.size;
    if stat.size != identity.size && !grown {
        let what = format!("it has {} bytes, it had {}", stat.size, identity.size);
        return Ok(Compared::Differs(what));
    }
    let what = match identity.sha256 {
        Some(sha256) if grown => {
            let content = descriptor.file()?.content()?;
            (hash_of(content.take(identity.size))? != sha256).then_some("its content has changed")
        }
        Some(sha256) => (hash(descriptor.file()?)? != sha256).then_some("its content has changed"),
        None => (!grown && !same_time(stat.modified, identity.modified)).then_some("it was modified since"),
    };
    Ok(match what {
        Some(what) => Compared::Differs(what.into()),
        None if grown => Compared::Grown,
        None => Compared::Same,
    })
}
