//! The fixed structures of an image file: header, section table, trailer. All integers are little-endian.
//!
//! ```text
//! header | section | section | ... | section table | trailer
//! ```
//!
//! The table comes last so that an image can be written front to back in one pass, to a pipe as well as to a file,
//! without holding compressed memory back until its size is known.

use crate::error::ReadErrorKind;
use crate::pages::PAGE_SIZE;

/// Format version this crate writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// First bytes of every image. The high bit, CR LF and control-Z reveal transfers that mangle text.
pub const HEADER_MAGIC: [u8; 8] = *b"\x89WFY\r\n\x1a\n";
/// Last bytes of every image.
pub const TRAILER_MAGIC: [u8; 4] = *b"WFYE";

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 32;
/// Length of one entry of the section table in bytes.
pub const SECTION_ENTRY_LEN: usize = 40;
/// Length of the trailer in bytes.
pub const TRAILER_LEN: usize = 32;

/// More sections than this make no image: a bound for what a damaged count can make the reader allocate.
pub(crate) const MAX_SECTIONS: u32 = 1 << 20;

/// Flag of a section entry: its stored bytes are compressed with Zstandard.
const FLAG_ZSTD: u32 = 1;

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// [`Info`](crate::Info), encoded with bincode.
    Info = 1,
    /// [`StoreView`](crate::view::StoreView), encoded with bincode.
    Store = 2,
    /// The list of [`Thread`](crate::view::Thread)s, encoded with bincode.
    Threads = 3,
    /// One [`HostSection`](crate::view::HostSection).
    Host = 4,
    /// The stored pages of one memory.
    MemoryData = 5,
    /// Which pages of one memory are where, encoded with bincode.
    MemoryMap = 6,
}

impl SectionKind {
    fn from_u32(n: u32) -> Option<Self> {
        use SectionKind::*;
        [Info, Store, Threads, Host, MemoryData, MemoryMap].into_iter().find(|&k| k as u32 == n)
    }

    /// Sections of this kind start at a multiple of this. Pages of memory are aligned so that they can be mapped.
    pub const fn alignment(self) -> u64 {
        match self {
            SectionKind::MemoryData => PAGE_SIZE as u64,
            _ => 8,
        }
    }
}

impl std::fmt::Display for SectionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SectionKind::Info => "info",
            SectionKind::Store => "store",
            SectionKind::Threads => "threads",
            SectionKind::Host => "host",
            SectionKind::MemoryData => "memory data",
            SectionKind::MemoryMap => "memory map",
        })
    }
}

/// One entry of the section table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectionEntry {
    /// What the section holds.
    pub kind: SectionKind,
    /// Whether Zstandard is used: for the whole section, or for each chunk in case of [`SectionKind::MemoryData`].
    pub zstd: bool,
    /// Which host section or memory; 0 for the kinds an image has one of.
    pub index: u32,
    /// CRC-32 of the stored bytes.
    pub crc32: u32,
    /// Offset of the first stored byte in the image.
    pub offset: u64,
    /// Number of stored bytes.
    pub stored_len: u64,
    /// Number of bytes after decompression.
    pub raw_len: u64,
}

impl SectionEntry {
    /// Appends the entry's 40 bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.kind as u32).to_le_bytes());
        out.extend_from_slice(&(if self.zstd { FLAG_ZSTD } else { 0 }).to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.crc32.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
    }

    /// Decodes entry `nth` of the table.
    pub(crate) fn decode(bytes: &[u8; SECTION_ENTRY_LEN], nth: usize) -> Result<Self, ReadErrorKind> {
        let kind = u32_at(bytes, 0);
        let flags = u32_at(bytes, 4);
        let kind = SectionKind::from_u32(kind)
            .ok_or_else(|| ReadErrorKind::Table(format!("entry {nth} has unknown kind {kind}")))?;
        if flags & !FLAG_ZSTD != 0 {
            return Err(ReadErrorKind::Table(format!("entry {nth} ({kind}) has unknown flags {flags:#x}")));
        }
        let entry = SectionEntry {
            kind,
            zstd: flags & FLAG_ZSTD != 0,
            index: u32_at(bytes, 8),
            crc32: u32_at(bytes, 12),
            offset: u64_at(bytes, 16),
            stored_len: u64_at(bytes, 24),
            raw_len: u64_at(bytes, 32),
        };
        if !entry.zstd && entry.raw_len != entry.stored_len {
            return Err(ReadErrorKind::Table(format!(
                "entry {nth} ({kind}) is not compressed but stores {} bytes for {}",
                entry.stored_len, entry.raw_len
            )));
        }
        Ok(entry)
    }
}

/// The header's 32 bytes.
pub(crate) fn encode_header() -> [u8; HEADER_LEN] {
    let mut h = [0; HEADER_LEN];
    h[..8].copy_from_slice(&HEADER_MAGIC);
    h[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    h[12..16].copy_from_slice(&(HEADER_LEN as u32).to_le_bytes());
    // Bytes 16..28 are reserved and zero.
    let crc = crc32fast::hash(&h[..28]);
    h[28..].copy_from_slice(&crc.to_le_bytes());
    h
}

/// Verifies the header. The checksum comes first, so that a damaged version is not mistaken for a future one.
pub(crate) fn check_header(h: &[u8; HEADER_LEN]) -> Result<(), ReadErrorKind> {
    if h[..8] != HEADER_MAGIC {
        return Err(ReadErrorKind::NotAnImage);
    }
    if u32_at(h, 28) != crc32fast::hash(&h[..28]) {
        return Err(ReadErrorKind::Checksum { what: "header".into(), offset: 0 });
    }
    let version = u32_at(h, 8);
    if version != FORMAT_VERSION {
        return Err(ReadErrorKind::Version { found: version, supported: FORMAT_VERSION });
    }
    if u32_at(h, 12) as usize != HEADER_LEN || h[16..28].iter().any(|&b| b != 0) {
        return Err(ReadErrorKind::Malformed {
            what: "header".into(),
            offset: 12,
            why: "header length or reserved bytes differ from what this version defines".into(),
        });
    }
    Ok(())
}

/// The image's last bytes: where the section table is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trailer {
    /// Offset of the section table.
    pub(crate) table_offset: u64,
    /// Length of the whole image, trailer included.
    pub(crate) image_len: u64,
    /// Number of entries of the section table.
    pub(crate) sections: u32,
    /// CRC-32 of the section table.
    pub(crate) table_crc32: u32,
}

impl Trailer {
    pub(crate) fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut t = [0; TRAILER_LEN];
        t[..8].copy_from_slice(&self.table_offset.to_le_bytes());
        t[8..16].copy_from_slice(&self.image_len.to_le_bytes());
        t[16..20].copy_from_slice(&self.sections.to_le_bytes());
        t[20..24].copy_from_slice(&self.table_crc32.to_le_bytes());
        let crc = crc32fast::hash(&t[..24]);
        t[24..28].copy_from_slice(&crc.to_le_bytes());
        t[28..].copy_from_slice(&TRAILER_MAGIC);
        t
    }

    /// Decodes and verifies the trailer of an image of `image_len` bytes.
    pub(crate) fn decode(t: &[u8; TRAILER_LEN], image_len: u64) -> Result<Self, ReadErrorKind> {
        let offset = image_len.saturating_sub(TRAILER_LEN as u64);
        if t[28..] != TRAILER_MAGIC {
            return Err(ReadErrorKind::Truncated { len: image_len });
        }
        if u32_at(t, 24) != crc32fast::hash(&t[..24]) {
            return Err(ReadErrorKind::Checksum { what: "trailer".into(), offset });
        }
        let trailer = Trailer {
            table_offset: u64_at(t, 0),
            image_len: u64_at(t, 8),
            sections: u32_at(t, 16),
            table_crc32: u32_at(t, 20),
        };
        let malformed = |why: String| ReadErrorKind::Malformed { what: "trailer".into(), offset, why };
        if trailer.image_len != image_len {
            return Err(malformed(format!("image has {image_len} bytes, but says {}", trailer.image_len)));
        }
        if trailer.sections > MAX_SECTIONS {
            return Err(malformed(format!("{} sections (at most {MAX_SECTIONS})", trailer.sections)));
        }
        let table_len = u64::from(trailer.sections) * SECTION_ENTRY_LEN as u64;
        if trailer.table_offset < HEADER_LEN as u64
            || trailer.table_offset.checked_add(table_len) != image_len.checked_sub(TRAILER_LEN as u64)
        {
            return Err(malformed(format!(
                "{} sections do not fill the space between the table's offset {:#x} and the trailer",
                trailer.sections, trailer.table_offset
            )));
        }
        Ok(trailer)
    }
}

/// Rounds `n` up to a multiple of `align`, a power of two. `None` on overflow.
pub(crate) fn align_up(n: u64, align: u64) -> Option<u64> {
    Some(n.checked_add(align - 1)? & !(align - 1))
}

/// The `u32` at `at` in bytes long enough for it.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut b = [0; 4];
    b.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(b)
}

/// The `u64` at `at` in bytes long enough for it.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut b = [0; 8];
    b.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trips_and_every_flip_is_caught() {
        let good = encode_header();
        check_header(&good).unwrap();
        for bit in 0..HEADER_LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(check_header(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn future_version_is_named() {
        let mut h = encode_header();
        h[8..12].copy_from_slice(&7u32.to_le_bytes());
        let crc = crc32fast::hash(&h[..28]);
        h[28..].copy_from_slice(&crc.to_le_bytes());
        let message = check_header(&h).unwrap_err().to_string();
        assert!(message.contains("version 7") && message.contains("version 1"), "{message}");
    }

    #[test]
    fn trailer_round_trips_and_every_flip_is_caught() {
        let image_len = 4096 + 2 * SECTION_ENTRY_LEN as u64 + TRAILER_LEN as u64;
        let trailer = Trailer { table_offset: 4096, image_len, sections: 2, table_crc32: 0xdead_beef };
        let good = trailer.encode();
        assert_eq!(Trailer::decode(&good, image_len).unwrap(), trailer);
        for bit in 0..TRAILER_LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Trailer::decode(&bad, image_len).is_err(), "bit {bit}");
        }
        assert!(Trailer::decode(&good, image_len + 1).is_err());
    }

    #[test]
    fn entries_round_trip_and_unknown_kinds_and_flags_are_refused() {
        let entry = SectionEntry {
            kind: SectionKind::MemoryData,
            zstd: true,
            index: 3,
            crc32: 0x0102_0304,
            offset: 4096,
            stored_len: 10,
            raw_len: 20,
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let good: [u8; SECTION_ENTRY_LEN] = bytes.try_into().unwrap();
        assert_eq!(SectionEntry::decode(&good, 0).unwrap(), entry);
        for (at, value) in [(0, 0), (0, 7), (4, 3), (4, 0)] {
            let mut bad = good;
            bad[at] = value;
            assert!(SectionEntry::decode(&bad, 0).is_err(), "byte {at} = {value}");
        }
    }

    #[test]
    fn align_up_rounds_and_refuses_overflow() {
        assert_eq!(align_up(0, 8), Some(0));
        assert_eq!(align_up(4097, 4096), Some(8192));
        assert_eq!(align_up(u64::MAX - 2, 4096), None);
    }
}
