//! Takes images apart and puts them together again with right offsets and checksums, so that tests can lie about
//! anything else.

use wayfarer_snapshot::*;

/// One section: the fields of its table entry that are free, and its stored bytes.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) index: u32,
    /// `None`: as many as are stored.
    pub(crate) raw_len: Option<u64>,
    pub(crate) bytes: Vec<u8>,
}

/// The sections of a good image.
pub(crate) fn take_apart(image: &[u8]) -> Vec<Part> {
    let sections = Image::from_bytes(image).unwrap().sections().to_vec();
    let part = |s: &SectionEntry| Part {
        kind: s.kind.number(),
        flags: u32::from(s.zstd) | u32::from(s.ancillary) << 1,
        index: s.index,
        raw_len: s.zstd.then_some(s.raw_len),
        bytes: image[s.offset as usize..(s.offset + s.stored_len) as usize].to_vec(),
    };
    sections.iter().map(part).collect()
}

/// An image of these sections, sealed with right checksums, of the lowest version that has such sections.
pub(crate) fn assemble(parts: &[Part]) -> Vec<u8> {
    assemble_as(if parts.iter().any(|part| part.flags & 2 != 0) { 2 } else { 1 }, parts)
}

/// The same, of a version.
pub(crate) fn assemble_as(version: u32, parts: &[Part]) -> Vec<u8> {
    let mut image = HEADER_MAGIC.to_vec();
    image.extend(version.to_le_bytes());
    image.extend((HEADER_LEN as u32).to_le_bytes());
    image.resize(28, 0);
    image.extend(crc32fast::hash(&image).to_le_bytes());
    let mut table = Vec::new();
    for p in parts {
        let align = if p.kind == SectionKind::MemoryData.number() { PAGE_SIZE } else { 8 };
        image.resize(image.len().next_multiple_of(align), 0);
        table.extend(p.kind.to_le_bytes());
        table.extend(p.flags.to_le_bytes());
        table.extend(p.index.to_le_bytes());
        table.extend(crc32fast::hash(&p.bytes).to_le_bytes());
        table.extend((image.len() as u64).to_le_bytes());
        table.extend((p.bytes.len() as u64).to_le_bytes());
        table.extend(p.raw_len.unwrap_or(p.bytes.len() as u64).to_le_bytes());
        image.extend(&p.bytes);
    }
    image.resize(image.len().next_multiple_of(8), 0);
    let mut trailer = (image.len() as u64).to_le_bytes().to_vec();
    trailer.extend(((image.len() + table.len() + TRAILER_LEN) as u64).to_le_bytes());
    trailer.extend((parts.len() as u32).to_le_bytes());
    trailer.extend(crc32fast::hash(&table).to_le_bytes());
    trailer.extend(crc32fast::hash(&trailer).to_le_bytes());
    trailer.extend(TRAILER_MAGIC);
    image.extend(table);
    image.extend(trailer);
    image
}
