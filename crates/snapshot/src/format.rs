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
use serde::{Serialize, Serializer};
use std::ops::RangeInclusive;

/// Format versions this crate reads. It writes the lowest one that has all that is in an image, so that older readers take
/// what they can.
pub const FORMAT_VERSIONS: RangeInclusive<u32> = 1..=2;

/// The first version in which sections may be ancillary.
pub(crate) const ANCILLARY_SINCE: u32 = 2;

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
/// Flag of a section entry: a reader that does not know the section can do without it.
const FLAG_ANCILLARY: u32 = 2;

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SectionKind {
    /// [`Info`](crate::Info), encoded with bincode.
    Info,
    /// [`StoreView`](crate::view::StoreView), encoded with bincode.
    Store,
    /// The list of [`Thread`](crate::view::Thread)s, encoded with bincode.
    Threads,
    /// One [`HostSection`](crate::view::HostSection).
    Host,
    /// The stored pages of one memory.
    MemoryData,
    /// Which pages of one memory are where, encoded with bincode.
    MemoryMap,
    /// The stored bytes of files that host sections refer to.
    FileData,
    /// Which bytes of which file are where, encoded with bincode.
    FileMap,
    /// Something that this crate does not know, and that is skipped: by its number.
    Unknown(u32),
}

impl SectionKind {
    /// The kinds that this crate knows, with their numbers and names.
    const KNOWN: [(SectionKind, u32, &str); 8] = [
        (SectionKind::Info, 1, "info"),
        (SectionKind::Store, 2, "store"),
        (SectionKind::Threads, 3, "threads"),
        (SectionKind::Host, 4, "host"),
        (SectionKind::MemoryData, 5, "memory data"),
        (SectionKind::MemoryMap, 6, "memory map"),
        (SectionKind::FileData, 7, "file data"),
        (SectionKind::FileMap, 8, "file map"),
    ];

    /// The kind with this number in the section table.
    pub fn of(number: u32) -> Self {
        let known = Self::KNOWN.iter().find(|(_, n, _)| *n == number);
        known.map_or(SectionKind::Unknown(number), |(kind, ..)| *kind)
    }

    /// Its number in the section table.
    pub fn number(self) -> u32 {
        match self {
            SectionKind::Unknown(number) => number,
            known => Self::KNOWN.iter().find(|(kind, ..)| *kind == known).map_or(0, |(_, n, _)| *n),
        }
    }

    /// Whether a reader may come across one that it can do without: not what every program consists of.
    const fn can_be_ancillary(self) -> bool {
        matches!(self, SectionKind::Host | SectionKind::Unknown(_))
    }

    /// Whether its chunks are compressed, each by itself, and not the section as a whole.
    pub(crate) const fn is_chunked(self) -> bool {
        matches!(self, SectionKind::MemoryData | SectionKind::FileData)
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
        match (self, Self::KNOWN.iter().find(|(kind, ..)| kind == self)) {
            (_, Some((.., name))) => f.write_str(name),
            (kind, None) => write!(f, "unknown {}", kind.number()),
        }
    }
}

/// `memory_data`; `unknown_9`.
impl Serialize for SectionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string().replace(' ', "_"))
    }
}

/// One entry of the section table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectionEntry {
    /// What the section holds.
    pub kind: SectionKind,
    /// Whether Zstandard is used: for the whole section, or for each chunk in case of [`SectionKind::MemoryData`]
    /// and [`SectionKind::FileData`].
    pub zstd: bool,
    /// Whether a reader that does not know the section can do without it.
    pub ancillary: bool,
    /// Which host section or memory; 0 for the kinds an image has one of, or none.
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
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(self.zstd, FLAG_ZSTD) | flag(self.ancillary, FLAG_ANCILLARY);
        out.extend_from_slice(&self.kind.number().to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.crc32.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.raw_len.to_le_bytes());
    }

    /// Decodes entry `nth` of the table of an image of this version.
    pub(crate) fn decode(
        bytes: &[u8; SECTION_ENTRY_LEN],
        nth: usize,
        version: u32,
    ) -> Result<Self, ReadErrorKind> {
        let kind = SectionKind::of(u32_at(bytes, 0));
        let flags = u32_at(bytes, 4);
        let known = FLAG_ZSTD | if version < ANCILLARY_SINCE { 0 } else { FLAG_ANCILLARY };
        if flags & !known != 0 {
            return Err(ReadErrorKind::Table(format!("entry {nth} ({kind}) has unknown flags {flags:#x}")));
        }
        let ancillary = flags & FLAG_ANCILLARY != 0;
        match kind {
            SectionKind::Unknown(number) if !ancillary => {
                return Err(ReadErrorKind::UnknownSection { nth, number });
            }
            _ if ancillary && !kind.can_be_ancillary() => {
                return Err(ReadErrorKind::Table(format!("entry {nth} ({kind}) says that it is ancillary")));
            }
            _ => {}
        }
        let entry = SectionEntry {
            kind,
            zstd: flags & FLAG_ZSTD != 0,
            ancillary,
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
pub(crate) fn encode_header(version: u32) -> [u8; HEADER_LEN] {
    let mut h = [0; HEADER_LEN];
    h[..8].copy_from_slice(&HEADER_MAGIC);
    h[8..12].copy_from_slice(&version.to_le_bytes());
    h[12..16].copy_from_slice(&(HEADER_LEN as u32).to_le_bytes());
    // Bytes 16..28 are reserved and zero.
    let crc = crc32fast::hash(&h[..28]);
    h[28..].copy_from_slice(&crc.to_le_bytes());
    h
}

/// Verifies the header, and gives the version. The checksum comes first, so that a damaged version is not mistaken for a
/// future one.
pub(crate) fn check_header(h: &[u8; HEADER_LEN]) -> Result<u32, ReadErrorKind> {
    if h[..8] != HEADER_MAGIC {
        return Err(ReadErrorKind::NotAnImage);
    }
    if u32_at(h, 28) != crc32fast::hash(&h[..28]) {
        return Err(ReadErrorKind::Checksum { what: "header".into(), offset: 0 });
    }
    let version = u32_at(h, 8);
    if !FORMAT_VERSIONS.contains(&version) {
        return Err(ReadErrorKind::Version { found: version, supported: FORMAT_VERSIONS });
    }
    if u32_at(h, 12) as usize != HEADER_LEN || h[16..28].iter().any(|&b| b != 0) {
        return Err(ReadErrorKind::Malformed {
            what: "header".into(),
            offset: 12,
            why: "header length or reserved bytes differ from what this version defines".into(),
        });
    }
    Ok(version)
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
        let good = encode_header(2);
        assert_eq!(check_header(&good).unwrap(), 2);
        for bit in 0..HEADER_LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(check_header(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn versions_outside_of_the_range_are_named() {
        for version in FORMAT_VERSIONS {
            assert_eq!(check_header(&encode_header(version)).unwrap(), version);
        }
        for version in [0, 7] {
            let message = check_header(&encode_header(version)).unwrap_err().to_string();
            let expected = format!("image has format version {version}, this runtime reads versions 1 to 2");
            assert_eq!(message, expected);
        }
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
            ancillary: false,
            index: 3,
            crc32: 0x0102_0304,
            offset: 4096,
            stored_len: 10,
            raw_len: 20,
        };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        let good: [u8; SECTION_ENTRY_LEN] = bytes.try_into().unwrap();
        let decode = |at: usize, value: u8, version| {
            let mut bytes = good;
            bytes[at] = value;
            SectionEntry::decode(&bytes, 0, version).map_err(|e| e.to_string())
        };
        for version in FORMAT_VERSIONS {
            assert_eq!(decode(0, 5, version), Ok(entry));
            for (at, value) in [(0, 0), (0, 9), (4, 3), (4, 4), (4, 0)] {
                decode(at, value, version).expect_err("it is refused");
            }
        }
    }

    #[test]
    fn ancillary_sections_are_those_of_hosts_and_unknown_ones_since_version_2() {
        for kind in (0..11).map(SectionKind::of) {
            let entry = SectionEntry {
                kind,
                zstd: false,
                ancillary: true,
                index: 0,
                crc32: 0,
                offset: 32,
                stored_len: 1,
                raw_len: 1,
            };
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            let bytes: [u8; SECTION_ENTRY_LEN] = bytes.try_into().unwrap();
            SectionEntry::decode(&bytes, 0, 1).expect_err("version 1 has no such thing");
            let decoded = SectionEntry::decode(&bytes, 0, 2);
            match kind {
                SectionKind::Host | SectionKind::Unknown(0 | 9 | 10) => assert_eq!(decoded.unwrap(), entry),
                _ => assert!(decoded.unwrap_err().to_string().contains("says that it is ancillary")),
            }
        }
        let names = [SectionKind::MemoryMap, SectionKind::Unknown(9)].map(|kind| kind.to_string());
        assert_eq!(names, ["memory map", "unknown 9"]);
    }

    #[test]
    fn align_up_rounds_and_refuses_overflow() {
        assert_eq!(align_up(0, 8), Some(0));
        assert_eq!(align_up(4097, 4096), Some(8192));
        assert_eq!(align_up(u64::MAX - 2, 4096), None);
    }
}
