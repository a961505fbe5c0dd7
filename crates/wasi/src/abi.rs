//! Numbers and layouts of the preview 1 ABI (`typenames.witx`).

use wayfarer_files::{Errno, Kind, Stat};
use wayfarer_guest::{GuestMemory, OutOfBounds};

/// What a descriptor or a directory entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum FileType {
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDgram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl From<Kind> for FileType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Regular => FileType::RegularFile,
            Kind::Directory => FileType::Directory,
            Kind::Symlink => FileType::SymbolicLink,
            Kind::BlockDevice => FileType::BlockDevice,
            Kind::CharacterDevice => FileType::CharacterDevice,
            // Preview 1 has no pipes. WAMR shows them as stream sockets, and so do we.
            Kind::Fifo | Kind::Socket => FileType::SocketStream,
            Kind::Unknown => FileType::Unknown,
        }
    }
}

impl FileType {
    /// Whether reads and writes can wait for someone else.
    pub(crate) fn waits(self) -> bool {
        !matches!(self, FileType::RegularFile | FileType::Directory | FileType::BlockDevice)
    }
}

/// Bits of `fdflags`.
pub(crate) mod fdflags {
    pub(crate) const APPEND: u16 = 1 << 0;
    pub(crate) const DSYNC: u16 = 1 << 1;
    pub(crate) const NONBLOCK: u16 = 1 << 2;
    pub(crate) const RSYNC: u16 = 1 << 3;
    pub(crate) const SYNC: u16 = 1 << 4;
    pub(crate) const ALL: u16 = (1 << 5) - 1;
    /// From the lowest bit on.
    pub(crate) const NAMES: [&str; 5] = ["append", "dsync", "nonblock", "rsync", "sync"];
}

/// Bits of `oflags`.
pub(crate) mod oflags {
    pub(crate) const CREAT: u16 = 1 << 0;
    pub(crate) const DIRECTORY: u16 = 1 << 1;
    pub(crate) const EXCL: u16 = 1 << 2;
    pub(crate) const TRUNC: u16 = 1 << 3;
    pub(crate) const ALL: u16 = (1 << 4) - 1;
}

/// Bit of `lookupflags`: follow a symbolic link in the last component.
pub(crate) const SYMLINK_FOLLOW: u32 = 1;

/// Bits of `fstflags`.
pub(crate) mod fstflags {
    pub(crate) const ATIM: u32 = 1 << 0;
    pub(crate) const ATIM_NOW: u32 = 1 << 1;
    pub(crate) const MTIM: u32 = 1 << 2;
    pub(crate) const MTIM_NOW: u32 = 1 << 3;
    pub(crate) const ALL: u32 = (1 << 4) - 1;
}

/// Bits of `rights`, and the sets that descriptors start with.
pub(crate) mod rights {
    pub(crate) const FD_DATASYNC: u64 = 1 << 0;
    pub(crate) const FD_READ: u64 = 1 << 1;
    pub(crate) const FD_SEEK: u64 = 1 << 2;
    pub(crate) const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub(crate) const FD_SYNC: u64 = 1 << 4;
    pub(crate) const FD_TELL: u64 = 1 << 5;
    pub(crate) const FD_WRITE: u64 = 1 << 6;
    pub(crate) const FD_ADVISE: u64 = 1 << 7;
    pub(crate) const FD_ALLOCATE: u64 = 1 << 8;
    pub(crate) const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub(crate) const PATH_CREATE_FILE: u64 = 1 << 10;
    pub(crate) const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub(crate) const PATH_LINK_TARGET: u64 = 1 << 12;
    pub(crate) const PATH_OPEN: u64 = 1 << 13;
    pub(crate) const FD_READDIR: u64 = 1 << 14;
    pub(crate) const PATH_READLINK: u64 = 1 << 15;
    pub(crate) const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub(crate) const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub(crate) const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub(crate) const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub(crate) const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub(crate) const FD_FILESTAT_GET: u64 = 1 << 21;
    pub(crate) const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub(crate) const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub(crate) const PATH_SYMLINK: u64 = 1 << 24;
    pub(crate) const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub(crate) const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub(crate) const POLL_FD_READWRITE: u64 = 1 << 27;
    pub(crate) const SOCK_SHUTDOWN: u64 = 1 << 28;
    pub(crate) const SOCK_ACCEPT: u64 = 1 << 29;

    pub(crate) const ALL: u64 = (1 << 30) - 1;
    pub(crate) const REGULAR_FILE: u64 = FD_DATASYNC
        | FD_READ
        | FD_SEEK
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_TELL
        | FD_WRITE
        | FD_ADVISE
        | FD_ALLOCATE
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_SIZE
        | FD_FILESTAT_SET_TIMES
        | POLL_FD_READWRITE;
    pub(crate) const DIRECTORY: u64 = FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_ADVISE
        | PATH_CREATE_DIRECTORY
        | PATH_CREATE_FILE
        | PATH_LINK_SOURCE
        | PATH_LINK_TARGET
        | PATH_OPEN
        | FD_READDIR
        | PATH_READLINK
        | PATH_RENAME_SOURCE
        | PATH_RENAME_TARGET
        | PATH_FILESTAT_GET
        | PATH_FILESTAT_SET_SIZE
        | PATH_FILESTAT_SET_TIMES
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES
        | PATH_SYMLINK
        | PATH_UNLINK_FILE
        | PATH_REMOVE_DIRECTORY
        | POLL_FD_READWRITE;
    pub(crate) const DIRECTORY_INHERITING: u64 = DIRECTORY | REGULAR_FILE;
    pub(crate) const SOCKET: u64 = FD_READ
        | FD_FDSTAT_SET_FLAGS
        | FD_WRITE
        | FD_FILESTAT_GET
        | POLL_FD_READWRITE
        | SOCK_SHUTDOWN
        | SOCK_ACCEPT;
    // Without seek and tell: that is how guests tell a terminal (`isatty`) from another character device.
    pub(crate) const TERMINAL: u64 =
        FD_READ | FD_FDSTAT_SET_FLAGS | FD_WRITE | FD_FILESTAT_GET | POLL_FD_READWRITE;
}

/// Size of a `filestat` in guest memory, bytes.
pub(crate) const FILESTAT_SIZE: u64 = 64;
/// Size of an `fdstat` in guest memory, bytes.
pub(crate) const FDSTAT_SIZE: u64 = 24;
/// Size of a `dirent` in guest memory, bytes, without the name that follows it.
pub(crate) const DIRENT_SIZE: usize = 24;

/// Writes a `filestat`. `filetype` comes from the descriptor where there is one: only it tells stream from
/// datagram sockets.
pub(crate) fn write_filestat(
    memory: &GuestMemory<'_>,
    addr: u64,
    stat: &Stat,
    filetype: FileType,
) -> Result<(), OutOfBounds> {
    let mut bytes = [0; FILESTAT_SIZE as usize];
    bytes[16] = filetype as u8;
    for (at, field) in [
        (0, stat.device),
        (8, stat.inode),
        (24, stat.links),
        (32, stat.size),
        (40, stat.accessed),
        (48, stat.modified),
        (56, stat.changed),
    ] {
        bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
    }
    memory.write(addr, &bytes)
}

/// Narrows a 32-bit parameter to the 16 bits that flags have, refusing bits outside of `all`.
pub(crate) fn flags16(value: u32, all: u16) -> Result<u16, Errno> {
    match u16::try_from(value) {
        Ok(bits) if bits & !all == 0 => Ok(bits),
        _ => Err(Errno::Inval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_sets_hold_what_isatty_and_lseek_of_wasi_libc_look_at() {
        assert_eq!(rights::TERMINAL & (rights::FD_SEEK | rights::FD_TELL), 0);
        assert_eq!(rights::DIRECTORY & (rights::FD_SEEK | rights::FD_FILESTAT_SET_SIZE), 0);
        assert_eq!(rights::DIRECTORY_INHERITING & rights::REGULAR_FILE, rights::REGULAR_FILE);
    }

    #[test]
    fn unknown_flag_bits_are_refused() {
        assert_eq!(flags16(0x1f, fdflags::ALL), Ok(0x1f));
        assert_eq!(flags16(0x20, fdflags::ALL), Err(Errno::Inval));
        assert_eq!(flags16(0x1_0000, fdflags::ALL), Err(Errno::Inval));
    }
}
