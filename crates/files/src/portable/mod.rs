//! The host's files by what every system has: `cap-std`, and the standard library. No `/proc`, no `openat2` of ours, no descriptor
//! of the kernel's beyond what can be polled.
//!
//! What follows from that: positions are ours, and with them appending (the end is looked up, then written to: another process may
//! come in between); space is reserved by making a file longer; advice does nothing; a file that was renamed is looked for below the
//! preopen; and files without a name are in the host's folder for temporary files.

mod directory;
mod file;

pub use directory::PortableDirectory;
pub use file::PortableFile;

use crate::{Kind, Stat};
use cap_fs_ext::{FileTypeExt, MetadataExt};
use cap_std::fs::{FileType, Metadata};
use std::io;
use std::time::UNIX_EPOCH;

fn stat_of(metadata: &Metadata) -> Stat {
    let nanos = |time: io::Result<cap_std::time::SystemTime>| {
        let since = time.ok().and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    };
    let modified = nanos(metadata.modified());
    Stat {
        device: metadata.dev(),
        inode: metadata.ino(),
        kind: kind_of(metadata.file_type()),
        links: metadata.nlink(),
        size: metadata.len(),
        accessed: nanos(metadata.accessed()),
        modified,
        changed: changed(metadata).unwrap_or(modified),
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<u64> {
    use cap_std::fs::MetadataExt;
    Some(crate::timestamp(metadata.ctime(), metadata.ctime_nsec() as u64))
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<u64> {
    None
}

fn kind_of(kind: FileType) -> Kind {
    match kind {
        kind if kind.is_file() => Kind::Regular,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Symlink,
        kind if kind.is_block_device() => Kind::BlockDevice,
        kind if kind.is_char_device() => Kind::CharacterDevice,
        kind if kind.is_fifo() => Kind::Fifo,
        kind if kind.is_socket() => Kind::Socket,
        _ => Kind::Unknown,
    }
}
