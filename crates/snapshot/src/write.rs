//! Writing an image, front to back, in one pass over each memory and each file.

mod files;

use crate::codec;
use crate::error::WriteError;
use crate::format::{
    ANCILLARY_SINCE, FORMAT_VERSIONS, SectionEntry, SectionKind, Trailer, align_up, encode_header,
};
use crate::info::Info;
use crate::pages::{Baseline, CHUNK_SIZE, Chunk, MemoryMap, PAGE_SIZE, PageKind};
use crate::validate::validate;
use crate::view::ProgramView;
use std::io::{ErrorKind, IoSlice, Write};
use std::ops::Range;

pub use files::{FileContent, FileSource};

/// How sections and pages are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Not at all: fastest to write, and pages can be mapped from the file.
    #[default]
    None,
    /// Zstandard at this level (1 is fast, 19 is small).
    Zstd(i32),
}

/// How far a long operation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes of memory and files gone through.
    pub done: u64,
    /// Bytes of memory and files there are.
    pub total: u64,
}

/// How to write an image.
#[derive(Clone, Copy, Default)]
pub struct WriteOptions<'a> {
    /// Compression.
    pub compression: Compression,
    /// Called now and then, a few times for each MiB of memory, from the thread that writes.
    pub progress: Option<&'a dyn Fn(Progress)>,
    /// Permissions of the file that an image is saved to by its path, whatever the process's mask is. `None`: its owner may
    /// read and write it.
    pub mode: Option<u32>,
    /// Files that host sections refer to, by their places here. They are always compressed.
    pub files: &'a [FileSource<'a>],
}

/// One linear memory to be written.
#[derive(Clone, Copy, Debug)]
pub struct MemorySource<'a> {
    /// All its bytes.
    pub data: &'a [u8],
    /// What it held after instantiation.
    pub baseline: &'a Baseline<'a>,
    /// Where it may hold anything but zeros, if that is known: stretches of whole pages of [`PAGE_SIZE`], in order and apart
    /// from each other; the last may end behind the memory. The rest is not looked at.
    pub touched: Option<&'a [Range<usize>]>,
}

impl<'a> MemorySource<'a> {
    /// A memory by its bytes.
    pub fn new(data: &'a [u8], baseline: &'a Baseline<'a>) -> Self {
        MemorySource { data, baseline, touched: None }
    }

    /// A memory by its address, as runtimes have it.
    ///
    /// # Safety
    /// `ptr` must be valid for reads of `len` bytes for `'a` (any value will do for a length of 0), and nothing may
    /// write to them meanwhile: the program is stopped, and so is every host thread that shares its memory.
    pub unsafe fn from_raw(ptr: *const u8, len: usize, baseline: &'a Baseline<'a>) -> Self {
        // SAFETY: promised by the caller, but for the address of an empty memory, which is not used.
        let data = if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(ptr, len) } };
        MemorySource::new(data, baseline)
    }
}

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Length of the image in bytes.
    pub image_len: u64,
    /// Bytes of all memories.
    pub memory_len: u64,
    /// Bytes in pages that were left out because they are zero.
    pub zero_len: u64,
    /// Bytes in pages that were left out because the module has them.
    pub initial_len: u64,
    /// Bytes in pages that were stored.
    pub stored_len: u64,
    /// Bytes those pages take in the image.
    pub data_len: u64,
    /// The image is in place under its name, but a power failure may bring the older one back: its directory could not be
    /// synced.
    pub unsynced: bool,
}

/// Writes an image of `program`, whose memories are `memories`, in the order of [`StoreView::memories`].
///
/// The same arguments give the same bytes, whatever the sink is. The sink is not flushed. After an error it holds the
/// beginning of an image, which no reader takes for one.
///
/// [`StoreView::memories`]: crate::view::StoreView::memories
pub fn write_image<W: Write + ?Sized>(
    sink: &mut W,
    program: &ProgramView,
    info: &Info,
    memories: &[MemorySource<'_>],
    options: &WriteOptions<'_>,
) -> Result<Stats, WriteError> {
    check(program, info, memories)?;
    let memory_len = memories.iter().map(|m| m.data.len() as u64).sum();
    let mut w = Writer {
        sink,
        at: 0,
        sections: Vec::new(),
        level: match options.compression {
            Compression::None => None,
            Compression::Zstd(level) => Some(level),
        },
        expansion: codec::Expansion::default(),
        stats: Stats { memory_len, ..Stats::default() },
        progress: options.progress,
        done: 0,
        total: options.files.iter().fold(memory_len, |sum, file| sum.saturating_add(file.len)),
    };
    let has_ancillary = program.host.iter().any(|section| section.ancillary);
    let version = if has_ancillary { ANCILLARY_SINCE } else { *FORMAT_VERSIONS.start() };
    w.put("header", &[&encode_header(version)])?;
    w.metadata(SectionKind::Info, 0, info)?;
    w.metadata(SectionKind::Store, 0, &program.store)?;
    w.metadata(SectionKind::Threads, 0, &program.threads)?;
    w.host(program)?;
    if !options.files.is_empty() {
        let map = w.files(options.files)?;
        w.metadata(SectionKind::FileMap, 0, &map)?;
    }
    for (i, memory) in memories.iter().enumerate() {
        let map = w.memory(i as u32, memory)?;
        w.metadata(SectionKind::MemoryMap, i as u32, &map)?;
    }
    w.finish()
}

/// Refuses what could be written but not restored.
fn check(program: &ProgramView, info: &Info, memories: &[MemorySource<'_>]) -> Result<(), WriteError> {
    validate(program).map_err(WriteError::Invalid)?;
    if info.parent.is_some() {
        return Err(WriteError::Parent);
    }
    let views = &program.store.memories;
    if views.len() != memories.len() {
        return Err(WriteError::Memories(format!(
            "the program has {} memories, {} were given",
            views.len(),
            memories.len()
        )));
    }
    for (i, (view, memory)) in views.iter().zip(memories).enumerate() {
        if view.len != memory.data.len() as u64 {
            return Err(WriteError::Memories(format!(
                "memory {i} has {} bytes, {} were given",
                view.len,
                memory.data.len()
            )));
        }
        let touched = memory.touched.unwrap_or_default();
        let whole = |stretch: &Range<usize>| {
            stretch.start < stretch.end
                && stretch.start.is_multiple_of(PAGE_SIZE)
                && stretch.end.is_multiple_of(PAGE_SIZE)
        };
        if !touched.iter().all(whole) || touched.windows(2).any(|two| two[1].start <= two[0].end) {
            return Err(WriteError::Memories(format!("the touched pages of memory {i} are out of order")));
        }
    }
    // A reader refuses more sections; the kinds that are there once are few beside this.
    let sections = program.host.len() as u64 + 2 * memories.len() as u64 + 5;
    let max = u64::from(crate::format::MAX_SECTIONS);
    if sections > max {
        return Err(WriteError::TooLarge { section: "table".into(), len: sections, max });
    }
    Ok(())
}

struct Writer<'a, W: Write + ?Sized> {
    sink: &'a mut W,
    /// Bytes written.
    at: u64,
    sections: Vec<SectionEntry>,
    /// Compression level, if any.
    level: Option<i32>,
    expansion: codec::Expansion,
    stats: Stats,
    progress: Option<&'a dyn Fn(Progress)>,
    /// Bytes of memory and files gone through, and how many there are.
    done: u64,
    total: u64,
}

impl<W: Write + ?Sized> Writer<'_, W> {
    /// Writes all of `parts`, in order.
    fn put(&mut self, section: &str, parts: &[&[u8]]) -> Result<(), WriteError> {
        let error = |offset, source| WriteError::Io { section: section.to_owned(), offset, source };
        // Systems take at most so many slices at once (IOV_MAX on Linux); a chunk of memory never has more.
        for parts in parts.chunks(1024) {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|p| IoSlice::new(p)).collect();
            let mut left = &mut slices[..];
            // Writers may return early and need not take empty slices.
            IoSlice::advance_slices(&mut left, 0);
            while !left.is_empty() {
                match self.sink.write_vectored(left) {
                    Ok(0) => return Err(error(self.at, ErrorKind::WriteZero.into())),
                    Ok(n) => {
                        self.at += n as u64;
                        IoSlice::advance_slices(&mut left, n);
                    }
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(error(self.at, e)),
                }
            }
        }
        Ok(())
    }

    /// Writes zeros up to the next multiple of `align`.
    fn pad(&mut self, section: &str, align: u64) -> Result<(), WriteError> {
        const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        let gap = align_up(self.at, align).map_or(0, |to| to - self.at) as usize;
        self.put(section, &[&ZEROS[..gap]])
    }

    /// Writes a section of which all bytes are there, compressed if that helps.
    fn section(
        &mut self,
        kind: SectionKind,
        ancillary: bool,
        index: u32,
        parts: &[&[u8]],
    ) -> Result<(), WriteError> {
        let name = kind.to_string();
        let raw_len: usize = parts.iter().map(|p| p.len()).sum();
        let compressed = match (self.level, parts) {
            (None, _) => Ok(None),
            (Some(level), [one]) => codec::compress(one, level),
            (Some(level), many) => codec::compress(&many.concat(), level),
        }
        .map_err(|e| WriteError::Encode { section: name.clone(), why: e.to_string() })?;
        self.pad(&name, kind.alignment())?;
        let compressed = compressed.filter(|bytes| {
            let expansion = self.expansion.with(bytes.len() as u64, raw_len as u64);
            self.expansion = expansion.unwrap_or(self.expansion);
            expansion.is_some()
        });
        let mut entry = SectionEntry {
            kind,
            zstd: compressed.is_some(),
            ancillary,
            index,
            crc32: 0,
            offset: self.at,
            stored_len: raw_len as u64,
            raw_len: raw_len as u64,
        };
        let stored = compressed.as_deref().map(|bytes| [bytes]);
        let parts = stored.as_ref().map_or(parts, |one| &one[..]);
        entry.stored_len = parts.iter().map(|p| p.len() as u64).sum();
        entry.crc32 = crc_of(parts.iter().copied());
        self.put(&name, parts)?;
        self.sections.push(entry);
        Ok(())
    }

    fn metadata<T: serde::Serialize>(
        &mut self,
        kind: SectionKind,
        index: u32,
        value: &T,
    ) -> Result<(), WriteError> {
        let section = || kind.to_string();
        let bytes = codec::encode(value)
            .map_err(|e| WriteError::Encode { section: section(), why: e.to_string() })?;
        let (len, max) = (bytes.len() as u64, codec::METADATA_LIMIT);
        if len > max {
            return Err(WriteError::TooLarge { section: section(), len, max });
        }
        self.section(kind, false, index, &[&bytes])
    }

    fn host(&mut self, program: &ProgramView) -> Result<(), WriteError> {
        let mut total = 0;
        for (i, host) in program.host.iter().enumerate() {
            let too_large =
                |len, max| WriteError::TooLarge { section: format!("host ({})", host.name), len, max };
            let prefix = codec::host_prefix(host.version, &host.name)
                .ok_or_else(|| too_large(host.name.len() as u64, u64::from(u32::MAX)))?;
            total += (prefix.len() + host.bytes.len()) as u64;
            if total > codec::HOST_LIMIT {
                return Err(too_large(total, codec::HOST_LIMIT));
            }
            self.section(SectionKind::Host, host.ancillary, i as u32, &[&prefix, &host.bytes])?;
        }
        Ok(())
    }

    /// Writes the data section of a memory: each page is looked at, checksummed and written while it is in the cache.
    fn memory(&mut self, index: u32, memory: &MemorySource<'_>) -> Result<MemoryMap, WriteError> {
        self.pad("memory data", SectionKind::MemoryData.alignment())?;
        let mut data = DataWriter {
            offset: self.at,
            section_crc: crc32fast::Hasher::new(),
            raw_len: 0,
            map: MemoryMap { len: memory.data.len() as u64, ..MemoryMap::default() },
            pending: Vec::new(),
            pending_len: 0,
            packer: self
                .level
                .map(Packer::new)
                .transpose()
                .map_err(|e| WriteError::Encode { section: "memory data".into(), why: e.to_string() })?,
        };
        let len = memory.data.len();
        let mut at = 0;
        for stretch in memory.touched.unwrap_or(std::slice::from_ref(&(0..len))) {
            let (start, end) = (stretch.start.min(len), stretch.end.min(len));
            self.zeros(&mut data, start - at);
            self.pages(&mut data, memory, start..end)?;
            at = end;
        }
        self.zeros(&mut data, len - at);
        if data.pending_len > 0 {
            self.flush(&mut data, memory.data)?;
        }
        if data.map.runs.iter().any(|r| r.kind == PageKind::Initial) {
            data.map.baseline = Some(memory.baseline.checksum());
        }
        let entry = SectionEntry {
            kind: SectionKind::MemoryData,
            zstd: data.packer.is_some(),
            ancillary: false,
            index,
            crc32: data.section_crc.finalize(),
            offset: data.offset,
            stored_len: self.at - data.offset,
            raw_len: data.raw_len,
        };
        self.stats.stored_len += entry.raw_len;
        self.stats.data_len += entry.stored_len;
        self.sections.push(entry);
        Ok(data.map)
    }

    /// Goes on by pages that nobody touched.
    fn zeros(&mut self, data: &mut DataWriter, len: usize) {
        if len > 0 {
            data.map.push_pages(PageKind::Zero, len.div_ceil(PAGE_SIZE) as u64);
            self.stats.zero_len += len as u64;
            self.advance(len);
        }
    }

    /// Goes on by pages that have to be looked at.
    fn pages(
        &mut self,
        data: &mut DataWriter,
        memory: &MemorySource<'_>,
        stretch: Range<usize>,
    ) -> Result<(), WriteError> {
        for start in stretch.clone().step_by(PAGE_SIZE) {
            let page = &memory.data[start..stretch.end.min(start + PAGE_SIZE)];
            let kind = memory.baseline.classify(start as u64, page);
            data.map.push_pages(kind, 1);
            match kind {
                PageKind::Zero => self.stats.zero_len += page.len() as u64,
                PageKind::Initial => self.stats.initial_len += page.len() as u64,
                PageKind::Stored => {
                    match data.pending.last_mut() {
                        Some(last) if last.end == start => last.end += page.len(),
                        _ => data.pending.push(start..start + page.len()),
                    }
                    data.pending_len += page.len();
                    if data.pending_len == CHUNK_SIZE {
                        self.flush(data, memory.data)?;
                    }
                }
            }
            self.advance(page.len());
        }
        Ok(())
    }

    /// Notes that so much more was gone through, and says so now and then.
    fn advance(&mut self, len: usize) {
        let before = self.done / CHUNK_SIZE as u64;
        self.done += len as u64;
        if let Some(progress) = self.progress.filter(|_| self.done / CHUNK_SIZE as u64 != before) {
            progress(Progress { done: self.done, total: self.total });
        }
    }

    /// Writes the pending pages as one chunk.
    fn flush(&mut self, data: &mut DataWriter, memory: &[u8]) -> Result<(), WriteError> {
        let parts: Vec<&[u8]> = data.pending.drain(..).map(|range| &memory[range]).collect();
        let raw_len = std::mem::take(&mut data.pending_len);
        data.raw_len += raw_len as u64;
        let packed = match &mut data.packer {
            None => None,
            Some(packer) => packer
                .pack(&parts, raw_len)
                .map_err(|e| WriteError::Encode { section: "memory data".into(), why: e.to_string() })?,
        };
        let packed = packed.map(|bytes| [bytes]);
        let parts = packed.as_ref().map_or(&parts[..], |one| &one[..]);
        let stored_len: usize = parts.iter().map(|p| p.len()).sum();
        let crc32 = crc_of(parts.iter().copied());
        data.section_crc.combine(&crc32fast::Hasher::new_with_initial_len(crc32, stored_len as u64));
        // A chunk is `CHUNK_SIZE` bytes at most.
        data.map.chunks.push(Chunk { stored_len: stored_len as u32, crc32 });
        self.put("memory data", parts)
    }

    /// Writes section table and trailer.
    fn finish(mut self) -> Result<Stats, WriteError> {
        let mut table = Vec::with_capacity(self.sections.len() * crate::format::SECTION_ENTRY_LEN);
        self.sections.iter().for_each(|s| s.encode(&mut table));
        self.pad("table", 8)?;
        let trailer = Trailer {
            table_offset: self.at,
            image_len: self.at + table.len() as u64 + crate::format::TRAILER_LEN as u64,
            sections: self.sections.len() as u32,
            table_crc32: crc32fast::hash(&table),
        };
        self.put("table", &[&table, &trailer.encode()])?;
        self.stats.image_len = self.at;
        if let Some(progress) = self.progress {
            progress(Progress { done: self.done, total: self.total });
        }
        Ok(self.stats)
    }
}

/// A data section under way.
struct DataWriter {
    /// Where it starts in the image.
    offset: u64,
    section_crc: crc32fast::Hasher,
    /// Bytes of pages flushed.
    raw_len: u64,
    map: MemoryMap,
    /// Stored pages of the next chunk: stretches of the memory.
    pending: Vec<Range<usize>>,
    pending_len: usize,
    packer: Option<Packer>,
}

/// Compresses chunks, with buffers that are used again and again.
struct Packer {
    context: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    fn new(level: i32) -> std::io::Result<Self> {
        let bound = zstd::zstd_safe::compress_bound(CHUNK_SIZE);
        let context = zstd::bulk::Compressor::new(level)?;
        Ok(Packer { context, raw: Vec::with_capacity(CHUNK_SIZE), packed: vec![0; bound] })
    }

    /// Compresses the concatenation of `parts`; `None` if that does not make it smaller.
    fn pack(&mut self, parts: &[&[u8]], raw_len: usize) -> std::io::Result<Option<&[u8]>> {
        let raw = match parts {
            [one] => one,
            many => {
                self.raw.clear();
                many.iter().for_each(|p| self.raw.extend_from_slice(p));
                &self.raw[..]
            }
        };
        let n = self.context.compress_to_buffer(raw, &mut self.packed[..])?;
        Ok((n < raw_len).then(|| &self.packed[..n]))
    }
}

fn crc_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    parts.for_each(|p| crc.update(p));
    crc.finalize()
}
