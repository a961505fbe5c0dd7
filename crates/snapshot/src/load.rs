//! Filling a new instance's memory from an image.

use crate::codec::{decompress_exact, malformed};
use crate::error::{ReadError, ReadErrorKind};
use crate::pages::{Baseline, Chunk, PAGE_SIZE, PageKind, chunk_len, is_zero};
use crate::read::{Image, Source, StoredMemory};
use crate::write::Progress;
use std::ops::Range;

/// How to load a memory.
#[derive(Clone, Copy, Default)]
pub struct LoadOptions<'a> {
    /// Where the destination may hold anything but zeros, if that is known: stretches in order, apart from each other;
    /// none for memory fresh from the system. Zero pages elsewhere are not touched, so that a large sparse memory takes no
    /// more real memory, nor time, than what is in it.
    pub touched: Option<&'a [Range<usize>]>,
    /// Called now and then from the loading thread, with bytes of this memory.
    pub progress: Option<&'a dyn Fn(Progress)>,
}

impl Image<'_> {
    /// Fills `dest` with the content of memory `index`, verifying every chunk. `dest` must be exactly as long as the
    /// memory, and `baseline` must be made from the same data segments the image was written with.
    ///
    /// After an error `dest` holds anything, and is not to be used.
    pub fn load_memory(
        &self,
        index: usize,
        dest: &mut [u8],
        baseline: &Baseline<'_>,
        options: &LoadOptions<'_>,
    ) -> Result<(), ReadError> {
        self.load(index, dest, baseline, options).map_err(|kind| kind.at(&self.origin))
    }

    fn load(
        &self,
        index: usize,
        dest: &mut [u8],
        baseline: &Baseline<'_>,
        options: &LoadOptions<'_>,
    ) -> Result<(), ReadErrorKind> {
        let Some(memory) = self.memories.get(index) else {
            return Err(ReadErrorKind::NoSuchMemory { index, count: self.memories.len() });
        };
        let total = dest.len() as u64;
        if total != memory.map.len {
            return Err(ReadErrorKind::MemorySize { index, image: memory.map.len, given: total });
        }
        if memory.map.baseline.is_some_and(|expected| expected != baseline.checksum()) {
            return Err(ReadErrorKind::Baseline { index });
        }
        let mut chunks = memory.chunks()?;
        // Stretches of `dest` that the next chunk fills.
        let mut parts: Vec<&mut [u8]> = Vec::new();
        let mut wanted = chunks.next_len();
        let mut rest = dest;
        for (kind, start, len) in memory.map.extents() {
            let (mut stretch, behind) = rest.split_at_mut(len as usize);
            rest = behind;
            match kind {
                PageKind::Zero => match options.touched {
                    None => clear(stretch),
                    Some(touched) => {
                        overlaps(touched, start as usize..(start + len) as usize).for_each(|part| {
                            clear(&mut stretch[part.start - start as usize..part.end - start as usize])
                        })
                    }
                },
                PageKind::Initial => baseline.fill(start, stretch),
                PageKind::Stored => {
                    while !stretch.is_empty() {
                        let (part, later) = stretch.split_at_mut(wanted.min(stretch.len()));
                        stretch = later;
                        wanted -= part.len();
                        parts.push(part);
                        if wanted == 0 {
                            chunks.next(&self.source, &mut parts)?;
                            parts.clear();
                            wanted = chunks.next_len();
                            if let Some(progress) = options.progress {
                                progress(Progress {
                                    done: total - rest.len() as u64 - stretch.len() as u64,
                                    total,
                                });
                            }
                        }
                    }
                }
            }
        }
        if let Some(progress) = options.progress {
            progress(Progress { done: total, total });
        }
        Ok(())
    }
}

/// Makes bytes zero. Reading first does not turn pages nobody touched into real ones.
fn clear(bytes: &mut [u8]) {
    bytes.chunks_mut(PAGE_SIZE).filter(|page| !is_zero(page)).for_each(|page| page.fill(0));
}

/// The parts of stretches, which are in order, that lie in `within`.
fn overlaps(stretches: &[Range<usize>], within: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
    let first = stretches.partition_point(|stretch| stretch.end <= within.start);
    let (start, end) = (within.start, within.end);
    let those = stretches[first..].iter().take_while(move |stretch| stretch.start < end);
    those.map(move |stretch| stretch.start.max(start)..stretch.end.min(end))
}

impl StoredMemory {
    /// A reader of the chunks, in order.
    pub(crate) fn chunks(&self) -> Result<ChunkReader<'_>, ReadErrorKind> {
        let context = zstd::bulk::Decompressor::new()
            .map_err(|e| ReadErrorKind::Io { doing: "setting up decompression".into(), source: e })?;
        Ok(ChunkReader {
            memory: self,
            index: 0,
            offset: self.data.offset,
            context,
            stored: Vec::new(),
            raw: Vec::new(),
        })
    }
}

/// Reads, verifies and decompresses one chunk after the other.
pub(crate) struct ChunkReader<'m> {
    memory: &'m StoredMemory,
    index: usize,
    /// Of the next chunk, in the image.
    offset: u64,
    context: zstd::bulk::Decompressor<'static>,
    /// Buffers for what can't go to its destination directly.
    stored: Vec<u8>,
    raw: Vec<u8>,
}

impl ChunkReader<'_> {
    /// Bytes the next chunk holds; 0 behind the last one.
    pub(crate) fn next_len(&self) -> usize {
        let stored = self.memory.data.raw_len;
        if self.index < self.memory.map.chunks.len() { chunk_len(stored, self.index) } else { 0 }
    }

    /// Reads the next chunk into `parts`, which together have [`ChunkReader::next_len`] bytes.
    pub(crate) fn next(&mut self, source: &Source<'_>, parts: &mut [&mut [u8]]) -> Result<(), ReadErrorKind> {
        let (index, offset, raw_len) = (self.index, self.offset, self.next_len());
        let name = || format!("memory data section {}: chunk {index}", self.memory.data.index);
        let Some(&chunk) = self.memory.map.chunks.get(index) else {
            return Err(malformed(name(), offset, "there is no such chunk"));
        };
        self.index += 1;
        self.offset += u64::from(chunk.stored_len);
        let buffers = (&mut self.context, &mut self.stored);
        if let [_] = parts {
            return read_chunk(source, &chunk, offset, buffers, parts, &name);
        }
        // Few large parts are read in place, many small ones by way of a buffer: that saves system calls.
        if chunk.stored_len as usize == raw_len && parts.len() <= 4 {
            return read_chunk(source, &chunk, offset, buffers, parts, &name);
        }
        self.raw.resize(raw_len, 0);
        read_chunk(source, &chunk, offset, buffers, &mut [&mut self.raw], &name)?;
        scatter(&self.raw, parts);
        Ok(())
    }
}

/// Reads a chunk from `offset` on, verifies it, and fills `parts` with it: one, or as many as it takes if it is not compressed.
/// What is needed for that: decompression, and a buffer.
pub(crate) fn read_chunk(
    source: &Source<'_>,
    chunk: &Chunk,
    offset: u64,
    (context, stored): (&mut zstd::bulk::Decompressor<'_>, &mut Vec<u8>),
    parts: &mut [&mut [u8]],
    name: &dyn Fn() -> String,
) -> Result<(), ReadErrorKind> {
    let checksum = || ReadErrorKind::Checksum { what: name(), offset };
    let raw_len: usize = parts.iter().map(|part| part.len()).sum();
    if let [part] = parts
        && chunk.stored_len as usize != raw_len
    {
        stored.resize(chunk.stored_len as usize, 0);
        source.read(offset, stored)?;
        if crc32fast::hash(stored) != chunk.crc32 {
            return Err(checksum());
        }
        return decompress_exact(context, stored, part).map_err(|why| malformed(name(), offset, why));
    }
    let mut crc = crc32fast::Hasher::new();
    let mut at = offset;
    for part in parts {
        source.read(at, part)?;
        crc.update(part);
        at += part.len() as u64;
    }
    if crc.finalize() == chunk.crc32 { Ok(()) } else { Err(checksum()) }
}

/// Distributes `bytes` over `parts` of the same total length.
fn scatter(mut bytes: &[u8], parts: &mut [&mut [u8]]) {
    for part in parts {
        let (now, later) = bytes.split_at(part.len());
        part.copy_from_slice(now);
        bytes = later;
    }
}
