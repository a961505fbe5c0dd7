//! Images of stopped programs: the Wasm view ([`view`]) and its portable, versioned, checksummed file format.
//!
//! The format is specified byte by byte in `docs/image-format.md`. An image is written by [`write_image`] (to any
//! [`std::io::Write`]), [`save_to_path`] (atomic and durable) or [`save_to_fd`], and read by [`Image`], which verifies
//! everything but the content of memories before it hands out anything; [`Image::load_memory`] verifies that as it
//! goes. Whatever bytes the reader is given, it ends in an [`Image`] whose indices can be used without checking, or in
//! a [`ReadError`] that says what is wrong and where.

mod codec;
mod describe;
mod error;
mod files;
mod format;
mod info;
mod items;
mod leftovers;
mod load;
mod pages;
mod read;
mod render;
mod save;
mod validate;
pub mod view;
mod write;

/// The encoding of metadata, for who keeps records in host sections: whatever bytes are decoded, they cost no more memory
/// than follows from their number.
pub mod record {
    pub use crate::codec::{decode, decode_first, encode, string};
}

pub use codec::{HOST_LIMIT, METADATA_LIMIT};
pub use describe::{
    Description, FrameDescription, GlobalDescription, HostDecoder, HostDescription, InfoDescription,
    InstanceDescription, MemoryDescription, ModuleDescription, SectionDescription, TableDescription,
    ThreadDescription, describe,
};
pub use error::{ReadError, ReadErrorKind, SaveError, SaveStep, WriteError};
pub use files::FileReader;
pub use format::{
    FORMAT_VERSIONS, HEADER_LEN, HEADER_MAGIC, SECTION_ENTRY_LEN, SectionEntry, SectionKind, TRAILER_LEN,
    TRAILER_MAGIC,
};
pub use info::{Info, Reason};
pub use items::{Items, Shown};
pub use load::LoadOptions;
pub use pages::{Baseline, CHUNK_SIZE, MemoryExtent, PAGE_SIZE, PageKind};
pub use read::{Image, STREAM_LIMIT, VerifyReport, verify};
pub use render::{RenderOptions, render};
pub use save::{save_to_fd, save_to_path, save_to_vec};
pub use validate::{InvalidView, validate};
pub use write::{
    Compression, FileContent, FileSource, MemorySource, Progress, Stats, WriteOptions, write_image,
};
