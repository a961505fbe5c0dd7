//! Content of files that host sections refer to by number: in chunks, each of them once, and read one after the other. However
//! large a file is, nobody has more than a chunk of it in memory.

use crate::codec::malformed;
use crate::error::{ReadError, ReadErrorKind};
use crate::format::SectionEntry;
use crate::load::read_chunk;
use crate::pages::{CHUNK_SIZE, Chunk};
use crate::read::{Image, Source};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Content of a file map section. A file is in pieces of [`CHUNK_SIZE`] bytes; the last one is as long as what remains.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FileMap {
    /// By their numbers.
    pub(crate) files: Vec<StoredFile>,
    /// All that is stored, in order.
    pub(crate) chunks: Vec<Chunk>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    /// Bytes.
    pub(crate) len: u64,
    /// All of its pieces, in order.
    pub(crate) runs: Vec<Pieces>,
}

/// Consecutive pieces of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Pieces {
    /// The chunk that the first of them is; the others are those behind it. `None`: they are zero.
    pub(crate) first: Option<u32>,
    pub(crate) count: u64,
}

/// Bytes that piece `nth` of a file of `len` bytes has.
pub(crate) fn piece_len(len: u64, nth: u64) -> usize {
    let start = nth.saturating_mul(CHUNK_SIZE as u64);
    len.saturating_sub(start).min(CHUNK_SIZE as u64) as usize
}

impl StoredFile {
    /// Appends a piece.
    pub(crate) fn push(&mut self, chunk: Option<u32>) {
        if let Some(last) = self.runs.last_mut()
            && last.goes_on_with(chunk)
        {
            last.count += 1;
        } else {
            self.runs.push(Pieces { first: chunk, count: 1 });
        }
    }
}

impl Pieces {
    /// Whether a piece that is this chunk could be its next one.
    fn goes_on_with(&self, chunk: Option<u32>) -> bool {
        match (self.first, chunk) {
            (None, None) => true,
            (Some(first), Some(chunk)) => u64::from(first).saturating_add(self.count) == u64::from(chunk),
            _ => false,
        }
    }
}

/// The files of an image.
#[derive(Debug, Default)]
pub(crate) struct StoredFiles {
    /// `None`: there are none.
    data: Option<SectionEntry>,
    map: FileMap,
    /// Of each chunk, in the image.
    offsets: Vec<u64>,
    /// Chunks that are shorter than [`CHUNK_SIZE`].
    short: BTreeMap<u32, u32>,
}

impl StoredFiles {
    /// Checks that the map describes exactly the bytes of its data section.
    pub(crate) fn check(
        map: FileMap,
        entry: &SectionEntry,
        data: &SectionEntry,
    ) -> Result<Self, ReadErrorKind> {
        let fail = |why: String| Err(malformed("file map", entry.offset, why));
        if map.files.is_empty() {
            return fail("it is of no file".into());
        }
        let short = match short_chunks(&map) {
            Ok(short) => short,
            Err(why) => return fail(why),
        };
        let mut section_crc = crc32fast::Hasher::new();
        let (mut stored, mut raw, mut offsets) = (0u64, 0u64, Vec::new());
        for (nth, chunk) in map.chunks.iter().enumerate() {
            let raw_len = short.get(&(nth as u32)).copied().unwrap_or(CHUNK_SIZE as u32);
            let stored_len = chunk.stored_len;
            if stored_len == 0 || stored_len > raw_len || (!data.zstd && stored_len != raw_len) {
                return fail(format!("chunk {nth} stores {stored_len} bytes for {raw_len}"));
            }
            // As many chunks as fit into the map; no sum of u32 that overflows.
            offsets.push(data.offset.saturating_add(stored));
            stored += u64::from(stored_len);
            raw += u64::from(raw_len);
            let crc = crc32fast::Hasher::new_with_initial_len(chunk.crc32, u64::from(stored_len));
            section_crc.combine(&crc);
        }
        if stored != data.stored_len || raw != data.raw_len || section_crc.finalize() != data.crc32 {
            return fail("chunks do not add up to the length and checksum of the data section".into());
        }
        Ok(StoredFiles { data: Some(*data), map, offsets, short })
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.map.chunks.len()
    }

    /// Bytes of all files.
    pub(crate) fn len(&self) -> u64 {
        self.map.files.iter().fold(0, |sum, file| sum.saturating_add(file.len))
    }

    /// Reads a chunk into `into`, which is made as long as it is; and verifies it.
    pub(crate) fn read(
        &self,
        source: &Source<'_>,
        nth: usize,
        context: &mut zstd::bulk::Decompressor<'_>,
        stored: &mut Vec<u8>,
        into: &mut Vec<u8>,
    ) -> Result<(), ReadErrorKind> {
        let name = || format!("file data: chunk {nth}");
        let (Some(chunk), Some(&offset)) = (self.map.chunks.get(nth), self.offsets.get(nth)) else {
            return Err(malformed(name(), 0, "there is no such chunk"));
        };
        let raw_len = self.short.get(&(nth as u32)).map_or(CHUNK_SIZE, |len| *len as usize);
        into.resize(raw_len, 0);
        read_chunk(source, chunk, offset, (context, stored), &mut [into], &name)
    }
}

/// Checks that runs cover their files, and chunks are used, each at one length; those that are shorter than others.
///
/// It takes as long as the map is: a run may be of as many pieces as there are chunks.
fn short_chunks(map: &FileMap) -> Result<BTreeMap<u32, u32>, String> {
    let chunks = map.chunks.len() as u64;
    let mut short = BTreeMap::new();
    // How many more, or fewer, stretches of whole chunks there are from here on.
    let mut begins = vec![0i64; map.chunks.len() + 1];
    for (number, file) in map.files.iter().enumerate() {
        let mut at = 0u64;
        let mut before: Option<&Pieces> = None;
        for (nth, run) in file.runs.iter().enumerate() {
            if run.count == 0 || before.is_some_and(|before| before.goes_on_with(run.first)) {
                return Err(format!(
                    "file {number}: run {nth} is empty or should have been part of the one before"
                ));
            }
            before = Some(run);
            at = at.saturating_add(run.count);
            let Some(first) = run.first else { continue };
            let end = u64::from(first).checked_add(run.count).filter(|end| *end <= chunks);
            let Some(mut end) = end else {
                return Err(format!("file {number}: run {nth} is of chunks that there are not"));
            };
            let last = piece_len(file.len, at - 1);
            if last < CHUNK_SIZE {
                end -= 1;
                let len = last as u32;
                if *short.entry(end as u32).or_insert(len) != len {
                    return Err(format!("chunk {end} has two lengths"));
                }
            }
            begins[first as usize] += 1;
            begins[end as usize] -= 1;
        }
        if at != file.len.div_ceil(CHUNK_SIZE as u64) {
            return Err(format!("file {number}: runs of {at} pieces for {} bytes", file.len));
        }
    }
    let mut uses = 0;
    for (chunk, more) in begins.iter().take(map.chunks.len()).enumerate() {
        uses += more;
        match (uses > 0, short.contains_key(&(chunk as u32))) {
            (true, true) => return Err(format!("chunk {chunk} has two lengths")),
            (false, false) => return Err(format!("chunk {chunk} is of no file")),
            _ => {}
        }
    }
    Ok(short)
}

impl Image<'_> {
    /// Length of the file of this number that host sections refer to; `None` if there is none.
    pub fn file_len(&self, number: u32) -> Option<u64> {
        self.files.map.files.get(number as usize).map(|file| file.len)
    }

    /// Reads the file of this number from its beginning; `None` if there is none. Each chunk is verified.
    ///
    /// # Errors
    /// There is no decompression.
    pub fn file(&self, number: u32) -> io::Result<Option<FileReader<'_>>> {
        let Some(file) = self.files.map.files.get(number as usize) else { return Ok(None) };
        let context = zstd::bulk::Decompressor::new()?;
        Ok(Some(FileReader {
            image: self,
            file,
            context,
            run: 0,
            piece: 0,
            at: 0,
            stored: Vec::new(),
            raw: Vec::new(),
            used: 0,
        }))
    }

    /// Verifies all chunks of files.
    pub(crate) fn verify_files(&self) -> Result<(), ReadErrorKind> {
        if self.files.data.is_none() {
            return Ok(());
        }
        let mut context = zstd::bulk::Decompressor::new()
            .map_err(|e| ReadErrorKind::Io { doing: "setting up decompression".into(), source: e })?;
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        (0..self.files.chunks())
            .try_for_each(|nth| self.files.read(&self.source, nth, &mut context, &mut stored, &mut raw))
    }
}

/// Reads a file of an image. Errors are those of the image.
pub struct FileReader<'a> {
    image: &'a Image<'a>,
    file: &'a StoredFile,
    context: zstd::bulk::Decompressor<'static>,
    /// The run of the next piece, and how many of it are done.
    run: usize,
    piece: u64,
    /// Bytes that pieces before the next one had.
    at: u64,
    stored: Vec<u8>,
    /// The piece in progress, and how much of it was given.
    raw: Vec<u8>,
    used: usize,
}

impl std::fmt::Debug for FileReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader")
            .field("len", &self.file.len)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl FileReader<'_> {
    /// Goes past zeros that come next, and of which nothing is stored: how many they were. Not all of those that come next have to
    /// be among them.
    pub fn skip_zeros(&mut self) -> u64 {
        let Some(run) = self.file.runs.get(self.run) else { return 0 };
        if self.used < self.raw.len() || run.first.is_some() {
            return 0;
        }
        let pieces = (run.count - self.piece).saturating_mul(CHUNK_SIZE as u64);
        let len = pieces.min(self.file.len - self.at);
        self.at += len;
        (self.run, self.piece) = (self.run + 1, 0);
        len
    }

    /// Has the next piece in `raw`.
    fn next(&mut self) -> Result<(), ReadErrorKind> {
        let Some(run) = self.file.runs.get(self.run) else { return Ok(()) };
        let len = (self.file.len - self.at).min(CHUNK_SIZE as u64) as usize;
        match run.first {
            None => {
                self.raw.clear();
                self.raw.resize(len, 0);
            }
            Some(first) => {
                let nth = first as usize + self.piece as usize;
                let files = &self.image.files;
                files.read(&self.image.source, nth, &mut self.context, &mut self.stored, &mut self.raw)?;
            }
        }
        self.used = 0;
        self.at += len as u64;
        self.piece += 1;
        if self.piece == run.count {
            (self.run, self.piece) = (self.run + 1, 0);
        }
        Ok(())
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used == self.raw.len() {
            let next = self.next();
            next.map_err(|kind| {
                // Nothing of it is to be given.
                (self.used, self.run) = (self.raw.len(), self.file.runs.len());
                io::Error::other(ReadError { origin: self.image.origin().to_owned(), kind })
            })?;
        }
        let len = into.len().min(self.raw.len() - self.used);
        into[..len].copy_from_slice(&self.raw[self.used..self.used + len]);
        self.used += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = CHUNK_SIZE as u64;

    /// Length of a file, and its runs.
    type Told<'a> = (u64, &'a [(Option<u32>, u64)]);

    fn map(files: &[Told<'_>], chunks: usize) -> FileMap {
        let runs = |runs: &[(Option<u32>, u64)]| {
            runs.iter().map(|(first, count)| Pieces { first: *first, count: *count }).collect()
        };
        FileMap {
            files: files.iter().map(|(len, of)| StoredFile { len: *len, runs: runs(of) }).collect(),
            chunks: vec![Chunk { stored_len: 1, crc32: 0 }; chunks],
        }
    }

    #[test]
    fn pieces_that_follow_each_other_are_one_run() {
        let mut file = StoredFile::default();
        for chunk in [None, None, Some(3), Some(4), Some(4), None, Some(5)] {
            file.push(chunk);
        }
        let runs: Vec<_> = file.runs.iter().map(|run| (run.first, run.count)).collect();
        assert_eq!(runs, [(None, 2), (Some(3), 2), (Some(4), 1), (None, 1), (Some(5), 1)]);
    }

    #[test]
    fn short_chunks_are_known_by_the_ends_of_files() {
        let files: &[(u64, &[_])] = &[
            (0, &[]),
            (2 * FULL + 5, &[(Some(0), 3)]),
            (FULL + 5, &[(None, 1), (Some(2), 1)]),
            (FULL, &[(Some(1), 1)]),
            (7, &[(None, 1)]),
        ];
        assert_eq!(short_chunks(&map(files, 3)), Ok(BTreeMap::from([(2, 5)])));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        type Case<'a> = (&'a [Told<'a>], usize, &'a str);
        let cases: [Case<'_>; 10] = [
            (&[(1, &[])], 0, "file 0: runs of 0 pieces for 1 bytes"),
            (&[(1, &[(None, 2)])], 0, "runs of 2 pieces"),
            (&[(u64::MAX, &[(None, u64::MAX)])], 0, "pieces for 18446744073709551615 bytes"),
            (&[(1, &[(None, 0)])], 0, "run 0 is empty"),
            (&[(2 * FULL, &[(None, 1), (None, 1)])], 0, "run 1 is empty or should"),
            (&[(2 * FULL, &[(Some(0), 1), (Some(1), 1)])], 2, "run 1 is empty or should"),
            (&[(2 * FULL, &[(Some(1), 2)])], 2, "chunks that there are not"),
            (&[(5, &[(Some(0), 1)]), (6, &[(Some(0), 1)])], 1, "chunk 0 has two lengths"),
            (&[(5, &[(Some(0), 1)]), (FULL, &[(Some(0), 1)])], 1, "chunk 0 has two lengths"),
            (&[(FULL, &[(Some(0), 1)])], 2, "chunk 1 is of no file"),
        ];
        for (files, chunks, what) in cases {
            let why = short_chunks(&map(files, chunks)).unwrap_err();
            assert!(why.contains(what), "{why}");
        }
        let overflow: &[(u64, &[_])] = &[(u64::MAX, &[(Some(1), u64::MAX)])];
        assert!(short_chunks(&map(overflow, 2)).is_err());
    }
}
