//! The log of what a program asked of WASI, for audits and for those who look for an error by what happened: each call with its
//! arguments, its result, and which bytes it read and wrote.
//!
//! | module | |
//! |---|---|
//! | [`entry`] | what is logged, as data |
//! | `codec` | entries as bytes of a block, and back |
//! | [`write`] | a file that entries are appended to |
//! | [`read`] | such a file, entry by entry, and what is wrong with it |
//! | [`filter`] | which entries somebody wants to see |
//! | [`render`] | entries as text and as JSON |
//!
//! The format is specified in `docs/record-format.md`. Nothing here knows an engine, or what WASI's functions do.

mod codec;
pub mod entry;
pub mod filter;
pub mod read;
pub mod render;
pub mod write;

pub use entry::{Arg, Call, Direction, Entry, Happened, Hash, Outcome, Range, Value};
pub use filter::Filter;
pub use read::{ReadError, Reader};
pub use write::{OpenError, Writer};

/// First bytes of a file.
pub(crate) const MAGIC: &[u8; 8] = b"WAYFRLOG";

/// Version of the format.
pub const VERSION: u32 = 1;

/// Bytes of the header: magic, version, SHA-256 of the program's module, checksum of these.
pub(crate) const HEADER: usize = 8 + 4 + 32 + 4;

/// Bytes in front of a block's content: its number, the length of its content, checksum of these and the content.
pub(crate) const BLOCK_HEADER: usize = 8 + 4 + 4;

/// Most bytes that a block's content has.
pub(crate) const LARGEST_BLOCK: u32 = 1 << 24;

/// The checksum in front of a block.
pub(crate) fn block_checksum(number: u64, content: &[u8]) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&number.to_le_bytes());
    checksum.update(&(content.len() as u32).to_le_bytes());
    checksum.update(content);
    checksum.finalize()
}
