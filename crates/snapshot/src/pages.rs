//! Memories as pages: which of them an image has to store.

use crate::codec::malformed;
use crate::error::ReadErrorKind;
use crate::format::SectionEntry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Granularity at which pages are left out, and alignment of stored pages in the file. Small, because allocators touch
/// a few bytes here and there: with 64 KiB a sparse heap would be stored nearly whole. It is also the page size of most
/// machines, so runs of pages can be mapped.
pub const PAGE_SIZE: usize = 4096;

/// Stored pages are checksummed and compressed in chunks of this many bytes. Large enough to compress well and to make
/// system calls cheap, small enough to stay in the second-level cache between checksum and `write`.
pub const CHUNK_SIZE: usize = 256 << 10;

/// Where the content of a page comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PageKind {
    /// All zero.
    Zero,
    /// As the module's data segments initialized it: the [`Baseline`].
    Initial,
    /// In the image.
    Stored,
}

/// Consecutive pages of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) kind: PageKind,
    pub(crate) pages: u64,
}

/// Up to [`CHUNK_SIZE`] bytes of stored pages. Not compressed if `stored_len` is what the chunk has to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) stored_len: u32,
    pub(crate) crc32: u32,
}

/// Content of a memory map section.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct MemoryMap {
    /// Size of the memory in bytes; the last page may be a partial one.
    pub(crate) len: u64,
    /// [`Baseline::checksum`], if there are [`PageKind::Initial`] pages.
    pub(crate) baseline: Option<u32>,
    /// All pages of the memory, in order.
    pub(crate) runs: Vec<Run>,
    /// All stored pages, in order.
    pub(crate) chunks: Vec<Chunk>,
}

/// A stretch of a memory and where its content comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryExtent {
    /// Where the content comes from.
    pub kind: PageKind,
    /// Offset of the first byte in the memory; a multiple of [`PAGE_SIZE`].
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Offset of the content in the image, if it is stored and not compressed; a multiple of [`PAGE_SIZE`].
    pub file_offset: Option<u64>,
}

impl MemoryMap {
    /// The memory as stretches of one kind, in order. `(kind, start, len)` in bytes.
    pub(crate) fn extents(&self) -> impl Iterator<Item = (PageKind, u64, u64)> + '_ {
        let mut at = 0u64;
        self.runs.iter().map(move |run| {
            let start = at;
            at = self.len.min(at.saturating_add(run.pages.saturating_mul(PAGE_SIZE as u64)));
            (run.kind, start, at - start)
        })
    }

    /// Bytes of the memory whose pages are of this kind.
    pub(crate) fn bytes_of(&self, kind: PageKind) -> u64 {
        self.extents().filter(|e| e.0 == kind).map(|e| e.2).sum()
    }

    /// Appends pages, extending the last run if it is of the same kind.
    pub(crate) fn push_pages(&mut self, kind: PageKind, pages: u64) {
        match self.runs.last_mut() {
            Some(run) if run.kind == kind => run.pages += pages,
            _ => self.runs.push(Run { kind, pages }),
        }
    }

    /// Checks that the map describes `memory_len` bytes and exactly the bytes of its data section.
    pub(crate) fn check(
        &self,
        memory_len: u64,
        map: &SectionEntry,
        data: &SectionEntry,
    ) -> Result<(), ReadErrorKind> {
        let name = || format!("memory map {}", map.index);
        let fail = |why: String| Err(malformed(name(), map.offset, why));
        if self.len != memory_len {
            return fail(format!("it is for {} bytes, the store has a memory of {memory_len}", self.len));
        }
        let mut pages = 0u64;
        let mut before = None;
        for (i, run) in self.runs.iter().enumerate() {
            if run.pages == 0 || before == Some(run.kind) {
                return fail(format!("run {i} is empty or should have been part of the one before"));
            }
            before = Some(run.kind);
            pages = pages.saturating_add(run.pages);
        }
        if pages != self.len.div_ceil(PAGE_SIZE as u64) {
            return fail(format!("runs of {pages} pages for {} bytes", self.len));
        }
        if self.baseline.is_some() != self.runs.iter().any(|r| r.kind == PageKind::Initial) {
            return fail(
                "checksum of the initial content without initial pages, or the other way round".into(),
            );
        }
        let stored = self.bytes_of(PageKind::Stored);
        if stored != data.raw_len || stored.div_ceil(CHUNK_SIZE as u64) != self.chunks.len() as u64 {
            return fail(format!(
                "{stored} stored bytes do not match {} chunks in a data section of {}",
                self.chunks.len(),
                data.raw_len
            ));
        }
        let mut section_crc = crc32fast::Hasher::new();
        let mut section_len = 0u64;
        for (i, chunk) in self.chunks.iter().enumerate() {
            let raw_len = chunk_len(stored, i) as u32;
            if chunk.stored_len == 0
                || chunk.stored_len > raw_len
                || (!data.zstd && chunk.stored_len != raw_len)
            {
                return fail(format!("chunk {i} stores {} bytes for {raw_len}", chunk.stored_len));
            }
            section_len += u64::from(chunk.stored_len);
            section_crc
                .combine(&crc32fast::Hasher::new_with_initial_len(chunk.crc32, u64::from(chunk.stored_len)));
        }
        if section_len != data.stored_len || section_crc.finalize() != data.crc32 {
            return fail("chunks do not add up to the length and checksum of the data section".into());
        }
        Ok(())
    }
}

/// Bytes that chunk `i` of `stored` bytes holds.
pub(crate) fn chunk_len(stored: u64, i: usize) -> usize {
    (stored - i as u64 * CHUNK_SIZE as u64).min(CHUNK_SIZE as u64) as usize
}

/// Whether all bytes are zero. Stops at the first block that is not, and has no branch within a block so that it is
/// compiled to vector code.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<128>();
    blocks.iter().all(|b| b.iter().fold(0, |acc, &x| acc | x) == 0) && rest.iter().all(|&b| b == 0)
}

/// A part of a data segment that no later segment overwrote.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    start: u64,
    bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    /// The part `from..to` of a segment that starts at `start`.
    fn cut(start: u64, bytes: &'a [u8], from: u64, to: u64) -> Self {
        Piece { start: from, bytes: &bytes[(from - start) as usize..(to - start) as usize] }
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Initial content of a memory: zeros under the module's active data segments. Pages that still have it are not
/// stored; the module brings them along.
#[derive(Clone, Debug, Default)]
pub struct Baseline<'a> {
    /// Sorted by start, without overlap.
    pieces: Vec<Piece<'a>>,
}

impl<'a> Baseline<'a> {
    /// The content after writing these segments, `(offset in bytes, content)`, in this order over zeros. Segments that
    /// reach beyond 2^64 are ignored; instantiation would have trapped on them.
    pub fn new(segments: impl IntoIterator<Item = (u64, &'a [u8])>) -> Self {
        let segments: Vec<(u64, &[u8])> = segments.into_iter().collect();
        let mut pieces = Vec::with_capacity(segments.len());
        // Last segment first: what is not covered yet is what survives. Covered ranges (start to end) are kept merged,
        // so that each is looked at once and then gone.
        let mut covered = BTreeMap::<u64, u64>::new();
        for &(start, bytes) in segments.iter().rev() {
            let Some(end) = start.checked_add(bytes.len() as u64).filter(|&end| end > start) else {
                continue;
            };
            let before = covered.range(..start).next_back().filter(|&(_, &e)| e >= start);
            let touching: Vec<(u64, u64)> =
                before.into_iter().chain(covered.range(start..=end)).map(|(&s, &e)| (s, e)).collect();
            let (mut from, mut to, mut at) = (start, end, start);
            for (s, e) in touching {
                if s > at {
                    pieces.push(Piece::cut(start, bytes, at, s));
                }
                at = at.max(e);
                from = from.min(s);
                to = to.max(e);
                covered.remove(&s);
            }
            if at < end {
                pieces.push(Piece::cut(start, bytes, at, end));
            }
            covered.insert(from, to);
        }
        pieces.sort_by_key(|p| p.start);
        Baseline { pieces }
    }

    /// A memory without data segments.
    pub fn zero() -> Self {
        Baseline::default()
    }

    /// Index of the first piece that ends behind `at`.
    fn first_behind(&self, at: u64) -> usize {
        self.pieces.partition_point(|p| p.end() <= at)
    }

    /// Whether the content at `start` is `bytes`, given that some of it comes from a segment. A page no segment touches
    /// is zero or differs, and zero pages have been told apart before.
    fn matches(&self, start: u64, bytes: &[u8]) -> bool {
        let end = start + bytes.len() as u64;
        let pieces = self.pieces[self.first_behind(start)..].iter().take_while(|p| p.start < end);
        let mut at = start;
        for p in pieces {
            let (s, e) = (p.start.max(start), p.end().min(end));
            let (there, expected) = (
                &bytes[(s - start) as usize..(e - start) as usize],
                &p.bytes[(s - p.start) as usize..(e - p.start) as usize],
            );
            if there != expected || !is_zero(&bytes[(at - start) as usize..(s - start) as usize]) {
                return false;
            }
            at = e;
        }
        at > start && is_zero(&bytes[(at - start) as usize..])
    }

    /// What has to be stored of the page at `start`.
    pub(crate) fn classify(&self, start: u64, page: &[u8]) -> PageKind {
        if is_zero(page) {
            PageKind::Zero
        } else if self.matches(start, page) {
            PageKind::Initial
        } else {
            PageKind::Stored
        }
    }

    /// Writes the initial content of the stretch at `start` to `dest`.
    pub(crate) fn fill(&self, start: u64, dest: &mut [u8]) {
        let end = start + dest.len() as u64;
        dest.fill(0);
        for p in self.pieces[self.first_behind(start)..].iter().take_while(|p| p.start < end) {
            let (s, e) = (p.start.max(start), p.end().min(end));
            dest[(s - start) as usize..(e - start) as usize]
                .copy_from_slice(&p.bytes[(s - p.start) as usize..(e - p.start) as usize]);
        }
    }

    /// CRC-32 that identifies the content: over each maximal stretch covered by segments, in ascending order, its start
    /// and end (little-endian, 64 bits each) and its bytes.
    pub fn checksum(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        for stretch in self.pieces.chunk_by(|a, b| a.end() == b.start) {
            let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
            crc.update(&first.start.to_le_bytes());
            crc.update(&last.end().to_le_bytes());
            stretch.iter().for_each(|p| crc.update(p.bytes));
        }
        crc.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The obvious way to compute a baseline.
    fn paint(len: usize, segments: &[(u64, &[u8])]) -> Vec<u8> {
        let mut memory = vec![0; len];
        for (at, bytes) in segments {
            memory[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
        }
        memory
    }

    #[test]
    fn baseline_is_what_writing_the_segments_in_order_gives() {
        let mut seed = 1u64;
        let mut random = move |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for round in 0..500 {
            let content: Vec<(u64, Vec<u8>)> = (0..random(8))
                .map(|i| {
                    (random(900), vec![i as u8 + 1; random(if round % 2 == 0 { 100 } else { 12 }) as usize])
                })
                .collect();
            let segments: Vec<(u64, &[u8])> = content.iter().map(|(at, b)| (*at, &b[..])).collect();
            let expected = paint(1000, &segments);
            let baseline = Baseline::new(segments.iter().copied());
            assert!(baseline.pieces.windows(2).all(|w| w[0].end() <= w[1].start));
            let mut got = vec![0xaa; 1000];
            baseline.fill(0, &mut got);
            assert_eq!(got, expected);
            let (from, to) = (random(500), 500 + random(500));
            let mut part = vec![0xaa; (to - from) as usize];
            baseline.fill(from, &mut part);
            assert_eq!(part, expected[from as usize..to as usize]);
            match baseline.classify(from, &part) {
                PageKind::Zero => assert!(is_zero(&part)),
                kind => assert_eq!(kind, PageKind::Initial),
            }
            if let Some(last) = part.last_mut() {
                *last ^= 0x80;
                assert_eq!(baseline.classify(from, &part), PageKind::Stored);
            }
        }
    }

    #[test]
    fn checksum_depends_on_content_and_place_but_not_on_how_segments_are_cut() {
        let whole = Baseline::new([(10, &b"abcdef"[..])]).checksum();
        assert_eq!(Baseline::new([(13, &b"def"[..]), (10, b"abc")]).checksum(), whole);
        assert_ne!(Baseline::new([(11, &b"abcdef"[..])]).checksum(), whole);
        assert_ne!(Baseline::new([(10, &b"abcdeg"[..])]).checksum(), whole);
        assert_ne!(Baseline::zero().checksum(), whole);
    }

    #[test]
    fn many_nested_segments_take_no_quadratic_time() {
        let bytes = vec![7u8; 200_000];
        let segments = (0..100_000u64).map(|i| (i, &bytes[..200_000 - 2 * i as usize]));
        assert_eq!(Baseline::new(segments).pieces.len(), 199_999);
    }

    #[test]
    fn absurd_segments_are_ignored() {
        assert!(Baseline::new([(u64::MAX, &b"ab"[..]), (5, b"")]).pieces.is_empty());
    }

    #[test]
    fn zero_test_sees_every_byte() {
        let mut page = [0u8; 300];
        assert!(is_zero(&page));
        for i in 0..page.len() {
            page[i] = 1;
            assert!(!is_zero(&page), "{i}");
            page[i] = 0;
        }
    }
}
