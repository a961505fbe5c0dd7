//! Opening an image: everything but the content of its memories is verified before the caller sees any of it.

use crate::codec::{self, malformed};
use crate::error::{ReadError, ReadErrorKind};
use crate::files::{FileMap, StoredFiles};
use crate::format::{
    HEADER_LEN, SECTION_ENTRY_LEN, SectionEntry, SectionKind, TRAILER_LEN, Trailer, align_up, check_header,
};
use crate::info::Info;
use crate::pages::{CHUNK_SIZE, MemoryExtent, MemoryMap, PageKind, chunk_len};
use crate::validate::validate;
use crate::view::{HostSection, ProgramView, StoreView, Thread};
use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Most bytes [`Image::from_fd`] takes from a pipe or socket, whose content has to be held in memory.
pub const STREAM_LIMIT: u64 = 64 << 30;

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    /// A regular file, from `base` on.
    File { file: File, base: u64 },
    /// Memory.
    Bytes(Cow<'a, [u8]>),
}

impl Source<'_> {
    /// Fills `buf` with the image's bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadErrorKind> {
        let len = buf.len();
        let error = |source| ReadErrorKind::Io {
            doing: format!("reading {len} bytes at offset {offset:#x}"),
            source,
        };
        match self {
            Source::File { file, base } => {
                let at = base.checked_add(offset).ok_or_else(|| error(ErrorKind::InvalidInput.into()))?;
                file.read_exact_at(buf, at).map_err(error)
            }
            Source::Bytes(bytes) => {
                let from = usize::try_from(offset).ok().and_then(|from| bytes.get(from..));
                match from.and_then(|from| from.get(..len)) {
                    Some(there) => buf.copy_from_slice(there),
                    None => return Err(error(ErrorKind::UnexpectedEof.into())),
                }
                Ok(())
            }
        }
    }
}

/// An image whose metadata has been verified. Its indices are in range and its lengths agree with each other, so code
/// that restores it can rely on them; see `validate.rs` for what only the module can tell. The content of memories is
/// verified by [`Image::load_memory`], that of files as they are read ([`Image::file`]), and both by [`Image::verify_data`].
#[derive(Debug)]
pub struct Image<'a> {
    pub(crate) origin: String,
    pub(crate) source: Source<'a>,
    version: u32,
    len: u64,
    info: Info,
    program: ProgramView,
    sections: Vec<SectionEntry>,
    pub(crate) memories: Vec<StoredMemory>,
    pub(crate) files: StoredFiles,
}

/// Data and map section of a memory.
#[derive(Debug)]
pub(crate) struct StoredMemory {
    pub(crate) data: SectionEntry,
    pub(crate) map: MemoryMap,
}

impl Image<'static> {
    /// Opens the image at `path`, which must be a regular file. It is read, not mapped, so one that shrinks meanwhile
    /// gives an error and not a signal.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let origin = path.as_ref().display().to_string();
        // Opening a FIFO would wait for a writer without O_NONBLOCK, which regular files ignore.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path.as_ref())
            .map_err(|e| io("opening", e).at(&origin))?;
        let meta = file.metadata().map_err(|e| io("looking at the file", e).at(&origin))?;
        if !meta.is_file() {
            let e = std::io::Error::new(ErrorKind::InvalidInput, "not a regular file");
            return Err(io("opening", e).at(&origin));
        }
        Self::parse(origin, Source::File { file, base: 0 }, meta.len())
    }

    /// Opens the image behind a descriptor. A regular file is read from its current offset to its end, without moving
    /// that offset; the descriptor can be closed afterwards. Anything else is read to its end at once.
    pub fn from_fd(fd: BorrowedFd<'_>) -> Result<Self, ReadError> {
        let origin = format!("fd {}", fd.as_raw_fd());
        let owned = fd.try_clone_to_owned().map_err(|e| io("duplicating the descriptor", e).at(&origin))?;
        let mut file = File::from(owned);
        let meta = file.metadata().map_err(|e| io("looking at the descriptor", e).at(&origin))?;
        if !meta.is_file() {
            return Self::stream(origin, &mut Patient(file), STREAM_LIMIT);
        }
        let base = std::io::Seek::stream_position(&mut file)
            .map_err(|e| io("asking for the offset", e).at(&origin))?;
        let len = meta.len().saturating_sub(base);
        Self::parse(origin, Source::File { file, base }, len)
    }

    /// Reads an image from `reader` to its end, at most `limit` bytes.
    pub fn from_reader(mut reader: impl Read, limit: u64) -> Result<Self, ReadError> {
        Self::stream("stream".into(), &mut reader, limit)
    }

    fn stream(origin: String, reader: &mut dyn Read, limit: u64) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        let read_to = |reader: &mut dyn Read, bytes: &mut Vec<u8>, limit: u64| -> Result<(), ReadErrorKind> {
            let mut chunk = vec![0; CHUNK_SIZE];
            while (bytes.len() as u64) < limit {
                let want = (limit - bytes.len() as u64).min(CHUNK_SIZE as u64) as usize;
                match reader.read(&mut chunk[..want]) {
                    Ok(0) => break,
                    Ok(n) => {
                        bytes.try_reserve(n).map_err(|_| io("receiving", ErrorKind::OutOfMemory.into()))?;
                        bytes.extend_from_slice(&chunk[..n]);
                    }
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(io("receiving", e)),
                }
            }
            Ok(())
        };
        // What does not begin like an image is not read to its end, which it may not have.
        read_to(reader, &mut bytes, HEADER_LEN as u64).map_err(|k| k.at(&origin))?;
        if let Ok(header) = bytes[..].try_into() {
            check_header(header).map_err(|k| k.at(&origin))?;
        }
        read_to(reader, &mut bytes, limit.saturating_add(1)).map_err(|k| k.at(&origin))?;
        if bytes.len() as u64 > limit {
            let e = std::io::Error::new(ErrorKind::FileTooLarge, format!("more than {limit} bytes"));
            return Err(io("receiving", e).at(&origin));
        }
        let len = bytes.len() as u64;
        Self::parse(origin, Source::Bytes(Cow::Owned(bytes)), len)
    }
}

/// Reads a descriptor, and waits if it does not block by itself.
struct Patient(File);

impl Read for Patient {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.0.read(buf) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                    // SAFETY: one valid pollfd. Its result does not matter: the next read tells what is the matter.
                    unsafe { libc::poll(&mut poll, 1, -1) };
                }
                result => return result,
            }
        }
    }
}

impl<'a> Image<'a> {
    /// Opens an image in memory, borrowed or owned.
    pub fn from_bytes(bytes: impl Into<Cow<'a, [u8]>>) -> Result<Self, ReadError> {
        let bytes = bytes.into();
        let len = bytes.len() as u64;
        Self::parse("memory".into(), Source::Bytes(bytes), len)
    }

    fn parse(origin: String, source: Source<'a>, len: u64) -> Result<Self, ReadError> {
        match Parts::parse(&source, len) {
            Ok(Parts { version, info, program, sections, memories, files }) => {
                Ok(Image { origin, source, version, len, info, program, sections, memories, files })
            }
            Err(kind) => Err(kind.at(&origin)),
        }
    }

    /// When, where and why the image was made.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Puts back what was taken out.
    pub fn put_program(&mut self, program: ProgramView) {
        self.program = program;
    }

    /// The program, but for the bytes of its memories.
    pub fn program(&self) -> &ProgramView {
        &self.program
    }

    /// Takes the program out; memories can still be loaded.
    pub fn take_program(&mut self) -> ProgramView {
        std::mem::take(&mut self.program)
    }

    /// Version of the format it is in: one of [`FORMAT_VERSIONS`](crate::FORMAT_VERSIONS).
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The section table, in file order; sections that are not known here among them.
    pub fn sections(&self) -> &[SectionEntry] {
        &self.sections
    }

    /// Length of the image in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no image is empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Where the image came from, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where the content of memory `index` comes from: stretches that cover it, in order. `None` if there is no such
    /// memory.
    pub fn memory_extents(&self, index: usize) -> Option<impl Iterator<Item = MemoryExtent> + '_> {
        let memory = self.memories.get(index)?;
        let mut at = memory.data.offset;
        Some(memory.map.extents().map(move |(kind, start, len)| {
            let stored = kind == PageKind::Stored && !memory.data.zstd;
            let file_offset = stored.then_some(at);
            if stored {
                at += len;
            }
            MemoryExtent { kind, start, len, file_offset }
        }))
    }
}

fn io(doing: &str, source: std::io::Error) -> ReadErrorKind {
    ReadErrorKind::Io { doing: doing.to_owned(), source }
}

/// What parsing finds.
struct Parts {
    version: u32,
    info: Info,
    program: ProgramView,
    sections: Vec<SectionEntry>,
    memories: Vec<StoredMemory>,
    files: StoredFiles,
}

impl Parts {
    fn parse(source: &Source<'_>, len: u64) -> Result<Self, ReadErrorKind> {
        let (version, sections) = table(source, len)?;
        // What is unknown is ancillary, or the table would have been refused, and may be anywhere.
        let known: Vec<SectionEntry> =
            sections.iter().filter(|s| !matches!(s.kind, SectionKind::Unknown(_))).copied().collect();
        expansion(&sections)?;
        let layout = Layout::new(&known)?;
        let info: Info = metadata(source, layout.info)?;
        if info.parent.is_some() {
            return Err(malformed(
                "info",
                layout.info.offset,
                "it names a parent, which its version has no use for",
            ));
        }
        let store: StoreView = metadata(source, layout.store)?;
        let threads: Vec<Thread> = metadata(source, layout.threads)?;
        let host = layout.host.iter().map(|entry| host(source, entry)).collect::<Result<_, _>>()?;
        let files = match layout.files {
            Some([data, entry]) => StoredFiles::check(metadata::<FileMap>(source, entry)?, entry, data)?,
            None => StoredFiles::default(),
        };
        let (pairs, count) = (layout.memories, store.memories.len());
        if pairs.len() != count {
            return Err(ReadErrorKind::Table(format!(
                "{} memories have sections, the store has {count}",
                pairs.len()
            )));
        }
        let mut memories = Vec::with_capacity(pairs.len());
        for ([data, map_entry], view) in pairs.iter().zip(&store.memories) {
            let map: MemoryMap = metadata(source, map_entry)?;
            map.check(view.len, map_entry, data)?;
            memories.push(StoredMemory { data: *data, map });
        }
        let program = ProgramView { store, threads, host };
        validate(&program).map_err(ReadErrorKind::Invalid)?;
        Ok(Parts { version, info, program, sections, memories, files })
    }
}

/// Verifies header, trailer and table, and that sections lie one behind the other with nothing but zeros between. The
/// version, and the table.
fn table(source: &Source<'_>, len: u64) -> Result<(u32, Vec<SectionEntry>), ReadErrorKind> {
    let mut header = [0; HEADER_LEN];
    if len < (HEADER_LEN + TRAILER_LEN) as u64 {
        // Too short for an image, but what is there tells a cut-off image from another kind of file.
        let there = len.min(8) as usize;
        source.read(0, &mut header[..there])?;
        let begins_right = there > 0 && header[..there] == crate::format::HEADER_MAGIC[..there];
        return Err(if begins_right { ReadErrorKind::Truncated { len } } else { ReadErrorKind::NotAnImage });
    }
    source.read(0, &mut header)?;
    let version = check_header(&header)?;
    let mut trailer = [0; TRAILER_LEN];
    source.read(len - TRAILER_LEN as u64, &mut trailer)?;
    let trailer = Trailer::decode(&trailer, len)?;

    // At most 2^20 entries, and they fit into the image.
    let mut bytes = vec![0; trailer.sections as usize * SECTION_ENTRY_LEN];
    source.read(trailer.table_offset, &mut bytes)?;
    if crc32fast::hash(&bytes) != trailer.table_crc32 {
        return Err(ReadErrorKind::Checksum { what: "section table".into(), offset: trailer.table_offset });
    }
    let (entries, _) = bytes.as_chunks::<SECTION_ENTRY_LEN>();
    let decoded = entries.iter().enumerate().map(|(n, e)| SectionEntry::decode(e, n, version));
    let sections = decoded.collect::<Result<Vec<_>, _>>()?;

    let mut end = HEADER_LEN as u64;
    for (n, s) in sections.iter().enumerate() {
        end = gap(source, end, s.kind.alignment(), s.offset, &format!("entry {n} ({})", s.kind))?;
        end = end.checked_add(s.stored_len).filter(|&end| end <= trailer.table_offset).ok_or_else(|| {
            ReadErrorKind::Table(format!(
                "entry {n} ({}) with {} bytes overlaps the table",
                s.kind, s.stored_len
            ))
        })?;
    }
    gap(source, end, 8, trailer.table_offset, "the table")?;
    Ok((version, sections))
}

/// Checks what all compressed sections together expand to, also those that are skipped here: a reader that knows them
/// comes to the same result.
fn expansion(sections: &[SectionEntry]) -> Result<(), ReadErrorKind> {
    let mut packed = sections.iter().filter(|s| s.zstd && !s.kind.is_chunked());
    match packed.try_fold(codec::Expansion::default(), |sum, s| sum.with(s.stored_len, s.raw_len)) {
        Some(_) => Ok(()),
        None => {
            Err(ReadErrorKind::Table("compressed sections expand further than the format allows".to_owned()))
        }
    }
}

/// Checks that `next` is the first aligned offset behind `end` and that there are only zeros between. Returns `next`.
fn gap(source: &Source<'_>, end: u64, align: u64, next: u64, what: &str) -> Result<u64, ReadErrorKind> {
    if align_up(end, align) != Some(next) {
        return Err(ReadErrorKind::Table(format!(
            "{what} is at {next:#x}, what is before it ends at {end:#x}"
        )));
    }
    let mut padding = vec![0; (next - end) as usize];
    source.read(end, &mut padding)?;
    if padding.iter().any(|&b| b != 0) {
        return Err(malformed("padding", end, "it is not zero"));
    }
    Ok(next)
}

/// The sections by role. There is one order they may be in, so equal programs have equal images.
struct Layout<'s> {
    info: &'s SectionEntry,
    store: &'s SectionEntry,
    threads: &'s SectionEntry,
    host: &'s [SectionEntry],
    /// Data and map of files.
    files: Option<&'s [SectionEntry; 2]>,
    /// Data and map of each memory.
    memories: &'s [[SectionEntry; 2]],
}

impl<'s> Layout<'s> {
    fn new(sections: &'s [SectionEntry]) -> Result<Self, ReadErrorKind> {
        use SectionKind::*;
        let fail = |why: &str| Err(ReadErrorKind::Table(why.to_owned()));
        let [info, store, threads, rest @ ..] = sections else {
            return fail("info, store and threads are not all there");
        };
        let hosts = rest.iter().take_while(|s| s.kind == Host).count();
        let (host, rest) = rest.split_at(hosts);
        let (files, rest) = match rest.split_first_chunk::<2>() {
            Some((files @ [data, map], rest)) if data.kind == FileData && map.kind == FileMap => {
                (Some(files), rest)
            }
            _ => (None, rest),
        };
        let (memories, odd) = rest.as_chunks::<2>();
        let kinds = [info.kind, store.kind, threads.kind] == [Info, Store, Threads]
            && memories.iter().all(|[data, map]| data.kind == MemoryData && map.kind == MemoryMap)
            && odd.is_empty();
        if !kinds {
            return fail(
                "sections are not in the order info, store, threads, host..., (file data, file map), (memory data, memory map)...",
            );
        }
        let indices = [info, store, threads].iter().all(|s| s.index == 0)
            && files.is_none_or(|files| files.iter().all(|s| s.index == 0))
            && host.iter().enumerate().all(|(i, s)| s.index as usize == i)
            && memories.iter().enumerate().all(|(i, [d, m])| d.index as usize == i && m.index as usize == i);
        if !indices {
            return fail("sections of one kind are not numbered from 0 on");
        }
        if host
            .iter()
            .try_fold(0u64, |sum, s| sum.checked_add(s.raw_len))
            .is_none_or(|n| n > codec::HOST_LIMIT)
        {
            return fail("host sections have more bytes than the format allows");
        }
        Ok(Layout { info, store, threads, host, files, memories })
    }
}

/// Reads a section, verifies it and decompresses it. `limit` bounds what it may take in memory.
fn payload(source: &Source<'_>, entry: &SectionEntry, limit: u64) -> Result<Vec<u8>, ReadErrorKind> {
    let name = || section_name(entry);
    if entry.raw_len > limit || entry.stored_len > limit {
        return Err(malformed(
            name(),
            entry.offset,
            format!("{} bytes, the format allows {limit}", entry.raw_len),
        ));
    }
    // It fits into the image, or the table would have been refused.
    let mut bytes = vec![0; entry.stored_len as usize];
    source.read(entry.offset, &mut bytes)?;
    if crc32fast::hash(&bytes) != entry.crc32 {
        return Err(ReadErrorKind::Checksum { what: name(), offset: entry.offset });
    }
    if entry.zstd {
        bytes =
            codec::decompress(&bytes, entry.raw_len).map_err(|why| malformed(name(), entry.offset, why))?;
    }
    Ok(bytes)
}

fn metadata<T: serde::de::DeserializeOwned>(
    source: &Source<'_>,
    entry: &SectionEntry,
) -> Result<T, ReadErrorKind> {
    let bytes = payload(source, entry, codec::METADATA_LIMIT)?;
    codec::decode(&bytes).map_err(|why| malformed(section_name(entry), entry.offset, why))
}

fn host(source: &Source<'_>, entry: &SectionEntry) -> Result<HostSection, ReadErrorKind> {
    let mut bytes = payload(source, entry, codec::HOST_LIMIT)?;
    let (version, name, at) =
        codec::split_host(&bytes).map_err(|why| malformed(section_name(entry), entry.offset, why))?;
    bytes.drain(..at);
    Ok(HostSection { name, version, bytes, ancillary: entry.ancillary })
}

/// Checks the bytes of a section that nobody looks into.
fn checksum(source: &Source<'_>, entry: &SectionEntry, buffer: &mut [u8]) -> Result<(), ReadErrorKind> {
    let mut crc = crc32fast::Hasher::new();
    let end = entry.offset + entry.stored_len;
    let mut at = entry.offset;
    while at < end {
        let len = (end - at).min(buffer.len() as u64) as usize;
        source.read(at, &mut buffer[..len])?;
        crc.update(&buffer[..len]);
        at += len as u64;
    }
    if crc.finalize() == entry.crc32 {
        return Ok(());
    }
    Err(ReadErrorKind::Checksum { what: section_name(entry), offset: entry.offset })
}

/// `store`, `host 2`.
fn section_name(entry: &SectionEntry) -> String {
    match entry.kind {
        SectionKind::Info
        | SectionKind::Store
        | SectionKind::Threads
        | SectionKind::FileData
        | SectionKind::FileMap => format!("{} section", entry.kind),
        kind => format!("{kind} section {}", entry.index),
    }
}

/// What [`verify`] went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyReport {
    /// Length of the image in bytes.
    pub image_len: u64,
    /// Number of sections.
    pub sections: usize,
    /// Number of chunks of memory.
    pub chunks: usize,
    /// Bytes of memory they hold.
    pub stored_len: u64,
    /// Number of chunks of files.
    pub file_chunks: usize,
    /// Bytes of the files.
    pub file_len: u64,
}

/// Checks every byte of the image at `path`, those of memories and files included, and of sections that are not known here.
pub fn verify(path: impl AsRef<Path>) -> Result<VerifyReport, ReadError> {
    Image::open(path)?.verify_data()
}

impl Image<'_> {
    /// Checks the bytes of all memories and files, and of sections that are not known here; the rest of the image has been checked when
    /// it was opened.
    pub fn verify_data(&self) -> Result<VerifyReport, ReadError> {
        let mut report = VerifyReport {
            image_len: self.len,
            sections: self.sections.len(),
            chunks: 0,
            stored_len: 0,
            file_chunks: self.files.chunks(),
            file_len: self.files.len(),
        };
        self.verify_files().map_err(|k| k.at(&self.origin))?;
        let mut page_buffer = vec![0; CHUNK_SIZE];
        for section in self.sections.iter().filter(|s| matches!(s.kind, SectionKind::Unknown(_))) {
            checksum(&self.source, section, &mut page_buffer).map_err(|k| k.at(&self.origin))?;
        }
        for memory in &self.memories {
            let mut reader = memory.chunks().map_err(|k| k.at(&self.origin))?;
            for i in 0..memory.map.chunks.len() {
                let raw = &mut page_buffer[..chunk_len(memory.data.raw_len, i)];
                reader.next(&self.source, &mut [raw]).map_err(|k| k.at(&self.origin))?;
                report.chunks += 1;
                report.stored_len += raw.len() as u64;
            }
        }
        Ok(report)
    }
}
