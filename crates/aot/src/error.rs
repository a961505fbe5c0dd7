//! What can be wrong with an artifact.

use crate::VERSION;
use std::fmt;

/// A part of an artifact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Section {
    /// Interface version and compiler.
    Producer,
    /// Architecture, processor, features.
    Target,
    /// What the compiler was asked for.
    Options,
    /// The WebAssembly module.
    Module,
    /// An object file.
    Object,
}

impl Section {
    /// All of them, in the order they have in a file.
    pub const ALL: [Section; 5] =
        [Section::Producer, Section::Target, Section::Options, Section::Module, Section::Object];
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Section::Producer => "producer",
            Section::Target => "target",
            Section::Options => "options",
            Section::Module => "module",
            Section::Object => "object",
        })
    }
}

/// Why bytes are not an artifact this crate can read. Offsets are in bytes from the start of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ArtifactError {
    /// They do not begin like an AOT file.
    NotAnArtifact,
    /// They are upstream WAMR's.
    Upstream {
        /// Upstream's version of its own format.
        version: u32,
    },
    /// They are of a version of the format this crate does not read.
    Version {
        /// The file's version word; [`VERSION`] is this crate's.
        found: u32,
    },
    /// They end too early.
    Truncated {
        /// What should be there.
        what: &'static str,
        /// Where it starts.
        offset: u64,
        /// Its length in bytes.
        needed: u64,
        /// How many bytes there are.
        have: u64,
    },
    /// A section has a type this crate does not know.
    UnknownSection {
        /// The type.
        number: u32,
        /// Where the section's header is.
        offset: u64,
    },
    /// Bytes and checksum differ.
    Checksum {
        /// The part.
        section: Section,
        /// Where the section's header is.
        offset: u64,
    },
    /// A section comes a second time, or after one it has to precede.
    Order {
        /// The part.
        section: Section,
        /// Where the section's header is.
        offset: u64,
    },
    /// A section is missing.
    Missing(Section),
    /// A section has a right checksum, but makes no sense.
    Malformed {
        /// The part.
        section: Section,
        /// Where in the file the reader stopped.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// Padding between sections is not zero.
    Padding {
        /// Where.
        offset: u64,
    },
    /// There is something after the last section.
    Trailing {
        /// Where the last section ends.
        offset: u64,
        /// How many bytes follow.
        len: u64,
    },
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArtifactError::NotAnArtifact => f.write_str("not an AOT file"),
            ArtifactError::Upstream { version } => write!(
                f,
                "this is an AOT file of upstream WAMR (version {version}): its code works on the struct layouts of \
                 that runtime only; recompile the module with `wamrc -o OUT.aot MODULE.wasm`"
            ),
            ArtifactError::Version { found } => write!(
                f,
                "AOT file version {} is not supported, version {} is; recompile the module with `wamrc -o OUT.aot \
                 MODULE.wasm`",
                found & 0xffff,
                VERSION & 0xffff
            ),
            ArtifactError::Truncated { what, offset, needed, have } => write!(
                f,
                "truncated AOT file: {what} of {needed} bytes at offset {offset}, where only {have} bytes are left"
            ),
            ArtifactError::UnknownSection { number, offset } => {
                write!(f, "AOT file: unknown section type {number} at offset {offset}")
            }
            ArtifactError::Checksum { section, offset } => {
                write!(f, "AOT file is damaged: checksum of the {section} section at offset {offset}")
            }
            ArtifactError::Order { section, offset } => {
                write!(f, "AOT file: {section} section at offset {offset} is a second one or too late")
            }
            ArtifactError::Missing(section) => write!(f, "AOT file: there is no {section} section"),
            ArtifactError::Malformed { section, offset, why } => {
                write!(f, "AOT file: {section} section, at offset {offset}: {why}")
            }
            ArtifactError::Padding { offset } => {
                write!(f, "AOT file: padding at offset {offset} is not zero")
            }
            ArtifactError::Trailing { offset, len } => {
                write!(f, "AOT file: {len} bytes follow its end at offset {offset}")
            }
        }
    }
}

impl std::error::Error for ArtifactError {}
