//! Numbers of the format that its reader and its writer share.

use crate::{Bounds, ObjectKind, Section};

/// What every `.aot` file begins with, upstream WAMR's too.
pub const MAGIC: [u8; 4] = *b"\0aot";

/// The word after [`MAGIC`], little-endian: `WF` in the upper half, the version of this format in the lower. Upstream's
/// word is a small number.
pub const VERSION: u32 = FAMILY << 16 | 1;

/// Upper half of [`VERSION`], of every version of this format.
pub(crate) const FAMILY: u32 = 0x5746;

/// Size of the file's header in bytes: magic, version, number of sections (64 bits).
pub(crate) const HEADER: usize = 16;

/// Size of a section's header in bytes: type, checksum, length (64 bits).
pub(crate) const SECTION_HEADER: usize = 16;

/// Sections start at multiples of this, counted in bytes from the start of the file.
pub(crate) const ALIGN: usize = 8;

/// Whether these are the first bytes of an artifact of this crate's, of whatever version.
pub fn is_artifact(bytes: &[u8]) -> bool {
    version_word(bytes).is_some_and(|word| word >> 16 == FAMILY)
}

/// Whether these are the first bytes of an AOT file of upstream WAMR.
pub fn is_upstream(bytes: &[u8]) -> bool {
    version_word(bytes).is_some_and(|word| word >> 16 != FAMILY)
}

/// The word after the magic bytes, if there are both.
pub(crate) fn version_word(bytes: &[u8]) -> Option<u32> {
    let (word, _) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

/// The checksum of a section: crc32 (IEEE) over type and length as stored, then the payload.
pub(crate) fn checksum(section: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&section.to_le_bytes());
    crc.update(&(payload.len() as u64).to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

impl Section {
    /// The section's type in the file. Sections come in the order of their types.
    pub(crate) fn number(self) -> u32 {
        match self {
            Section::Producer => 1,
            Section::Target => 2,
            Section::Options => 3,
            Section::Module => 4,
            Section::Object => 5,
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Section> {
        Section::ALL.into_iter().find(|s| s.number() == number)
    }
}

impl ObjectKind {
    pub(crate) fn number(self) -> u64 {
        match self {
            ObjectKind::Code => 0,
            ObjectKind::Continuations => 1,
        }
    }

    pub(crate) fn from_number(number: u64) -> Option<ObjectKind> {
        [ObjectKind::Code, ObjectKind::Continuations].into_iter().find(|k| k.number() == number)
    }
}

impl Bounds {
    pub(crate) fn number(self) -> u8 {
        match self {
            Bounds::Guard => 0,
            Bounds::Explicit => 1,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Bounds> {
        [Bounds::Guard, Bounds::Explicit].into_iter().find(|b| b.number() == number)
    }
}
