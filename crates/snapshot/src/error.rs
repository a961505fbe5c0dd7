//! What can go wrong when an image is written, saved or read.

use crate::validate::InvalidView;
use std::fmt;
use std::ops::RangeInclusive;

/// Why an image could not be read.
#[derive(Debug)]
pub struct ReadError {
    /// Where the image came from: a path, `fd 5`, `memory`.
    pub origin: String,
    /// What is wrong.
    pub kind: ReadErrorKind,
}

/// What is wrong with an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The file or descriptor could not be read.
    Io {
        /// What was being done.
        doing: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// It does not begin like an image.
    NotAnImage,
    /// It begins like an image, but does not end like one.
    Truncated {
        /// Bytes there are.
        len: u64,
    },
    /// It has a format version this crate does not read.
    Version {
        /// The image's version.
        found: u32,
        /// The versions this crate reads.
        supported: RangeInclusive<u32>,
    },
    /// It has a section of a kind that this crate does not know, and that it cannot do without.
    UnknownSection {
        /// Which entry of the section table.
        nth: usize,
        /// The kind.
        number: u32,
    },
    /// Bytes and checksum differ.
    Checksum {
        /// The part of the image.
        what: String,
        /// Offset of that part in the image.
        offset: u64,
    },
    /// The section table contradicts itself or the format.
    Table(String),
    /// A part has a right checksum, but makes no sense.
    Malformed {
        /// The part of the image.
        what: String,
        /// Offset of that part in the image.
        offset: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The program it describes contradicts itself.
    Invalid(InvalidView),
    /// The caller asked for a memory the image does not have.
    NoSuchMemory {
        /// Index asked for.
        index: usize,
        /// Memories there are.
        count: usize,
    },
    /// The caller's memory is not as large as the image's.
    MemorySize {
        /// Index of the memory.
        index: usize,
        /// Bytes in the image.
        image: u64,
        /// Bytes the caller gave.
        given: u64,
    },
    /// The caller's initial content of a memory is not the one the image was written against.
    Baseline {
        /// Index of the memory.
        index: usize,
    },
}

impl ReadErrorKind {
    /// Adds where the image came from.
    pub(crate) fn at(self, origin: &str) -> ReadError {
        ReadError { origin: origin.to_owned(), kind: self }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.kind)
    }
}

impl fmt::Display for ReadErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::NotAnImage => f.write_str("not a Wayfarer image"),
            Self::Truncated { len } => {
                write!(f, "image is truncated or something follows it: its {len} bytes lack the trailer")
            }
            Self::Version { found, supported } => {
                let (first, last) = (supported.start(), supported.end());
                write!(f, "image has format version {found}, this runtime reads versions {first} to {last}")
            }
            Self::UnknownSection { nth, number } => write!(
                f,
                "section {nth} is of kind {number}, which this runtime does not know and the program needs"
            ),
            Self::Checksum { what, offset } => write!(f, "{what} at offset {offset:#x}: checksum mismatch"),
            Self::Table(why) => write!(f, "section table: {why}"),
            Self::Malformed { what, offset, why } => write!(f, "{what} at offset {offset:#x}: {why}"),
            Self::Invalid(e) => write!(f, "inconsistent program: {e}"),
            Self::NoSuchMemory { index, count } => write!(f, "memory {index} asked for, image has {count}"),
            Self::MemorySize { index, image, given } => {
                write!(f, "memory {index} has {image} bytes in the image, but {given} bytes were given")
            }
            Self::Baseline { index } => {
                write!(
                    f,
                    "memory {index}: the module's data segments differ from those the image was written with"
                )
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ReadErrorKind::Io { source, .. } => Some(source),
            ReadErrorKind::Invalid(e) => Some(e),
            _ => None,
        }
    }
}

/// Why an image could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The sink failed.
    Io {
        /// The section being written.
        section: String,
        /// Offset in the image.
        offset: u64,
        /// The sink's error.
        source: std::io::Error,
    },
    /// The program contradicts itself; an image of it could not be restored.
    Invalid(InvalidView),
    /// The memories given are not those the program has.
    Memories(String),
    /// A file that host sections refer to cannot be read.
    File {
        /// The file.
        name: String,
        /// The failure.
        source: std::io::Error,
    },
    /// A section is larger than any reader accepts.
    TooLarge {
        /// The section.
        section: String,
        /// Its length in bytes.
        len: u64,
        /// The largest length in bytes.
        max: u64,
    },
    /// A section could not be encoded or compressed.
    Encode {
        /// The section.
        section: String,
        /// The encoder's reason.
        why: String,
    },
    /// The info names a parent, but the format has no images relative to another one.
    Parent,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { section, offset, source } => {
                write!(f, "{section} section at offset {offset:#x}: {source}")
            }
            Self::Invalid(e) => write!(f, "inconsistent program: {e}"),
            Self::Memories(why) => f.write_str(why),
            Self::File { name, source } => write!(f, "{name}: {source}"),
            Self::TooLarge { section, len, max } => {
                write!(f, "{section} section has {len} bytes, the format allows {max}")
            }
            Self::Encode { section, why } => write!(f, "{section} section: {why}"),
            Self::Parent => {
                f.write_str("images relative to another one are not in this version of the format")
            }
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::File { source, .. } => Some(source),
            Self::Invalid(e) => Some(e),
            _ => None,
        }
    }
}

/// Step of saving an image at which an error happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaveStep {
    /// Looking at what is at the path now.
    Inspect,
    /// Creating the temporary file.
    Create,
    /// Writing.
    Write,
    /// Making the bytes durable.
    Sync,
    /// Giving the temporary file the image's name.
    Rename,
}

impl fmt::Display for SaveStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SaveStep::Inspect => "looking at the path",
            SaveStep::Create => "creating a temporary file",
            SaveStep::Write => "writing",
            SaveStep::Sync => "syncing to disk",
            SaveStep::Rename => "moving into place",
        })
    }
}

/// Why an image could not be saved. An older image at the path is untouched.
#[derive(Debug)]
pub struct SaveError {
    /// Where the image was to go: a path or `fd 5`.
    pub target: String,
    /// The step that failed.
    pub step: SaveStep,
    /// The reason.
    pub source: WriteError,
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot save image {}: {}: ", self.target, self.step)?;
        match &self.source {
            // Outside of writing there is no section to speak of.
            WriteError::Io { source, .. } if self.step != SaveStep::Write => write!(f, "{source}"),
            e => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
