//! Linux's own files: one system call for each function.
//!
//! Paths are resolved by `cap-primitives`: with `openat2(RESOLVE_BENEATH)` in one system call, or component
//! by component without following links in the kernel. Either way `..`, absolute paths, links and races
//! cannot lead out of the directory; such a path is [`Errno::NotCapable`](crate::Errno).

mod directory;
mod file;

pub use directory::LinuxDirectory;
pub use file::HostFile;

use crate::{Kind, NewTime, Stat, timestamp};
use rustix::fs::{FileType, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

/// What `fstat` says.
#[allow(clippy::unnecessary_cast, reason = "the types of some fields differ by architecture")]
pub fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    Stat {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        links: stat.st_nlink as u64,
        size: stat.st_size as u64,
        accessed: timestamp(stat.st_atime as i64, stat.st_atime_nsec as u64),
        modified: timestamp(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        changed: timestamp(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}

fn kind_of(host: FileType) -> Kind {
    match host {
        FileType::RegularFile => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => Kind::Unknown,
    }
}

fn timestamps(accessed: NewTime, modified: NewTime) -> Timestamps {
    let host = |time| match time {
        NewTime::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        NewTime::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        NewTime::At(nanos) => {
            Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ }
        }
    };
    Timestamps { last_access: host(accessed), last_modification: host(modified) }
}
