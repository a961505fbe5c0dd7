//! What a file system is to a guest.

use crate::Buffers;
use std::any::Any;
use std::fmt::Debug;
use std::io::{self, Read, SeekFrom};
#[cfg(unix)]
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What something in a directory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Kind {
    Regular,
    Directory,
    Symlink,
    BlockDevice,
    CharacterDevice,
    Fifo,
    Socket,
    Unknown,
}

/// What is known about a file. Times are nanoseconds since 1970, earlier ones 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Device and inode: two names that have these in common are of one file.
    pub device: u64,
    /// See [`Self::device`].
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Names that it has.
    pub links: u64,
    /// Bytes; of a link those of its target's path.
    pub size: u64,
    /// Last access.
    pub accessed: u64,
    /// Last change of the content.
    pub modified: u64,
    /// Last change of anything.
    pub changed: u64,
}

impl Stat {
    /// Tells it from all other files there are.
    pub fn id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// Nanoseconds since 1970. Earlier times become 0.
pub fn timestamp(seconds: i64, nanos: u64) -> u64 {
    u64::try_from(seconds).map_or(0, |s| s.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// What becomes of a time stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewTime {
    /// It stays.
    Keep,
    /// The time it is.
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

/// How a path is to be opened. What may not be combined is for the file system to say, as POSIX has it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OpenOptions {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Make it if it is not there.
    pub create: bool,
    /// With `create`: it must not be there.
    pub exclusive: bool,
    /// It becomes empty.
    pub truncate: bool,
    /// It must be a directory.
    pub directory: bool,
    /// Writes go to its end.
    pub append: bool,
    /// Content is on its medium when a write returns.
    pub dsync: bool,
    /// So is all else.
    pub sync: bool,
    /// Follow a link in the last component.
    pub follow: bool,
}

/// What a path was opened as.
#[derive(Debug)]
pub enum Opened {
    /// A regular file.
    File(Box<dyn File>),
    /// A directory.
    Directory(Arc<dyn Directory>),
    /// Something else of the host's, like a pipe or a device: reads and writes may have to wait. It is in non-blocking mode.
    #[cfg(unix)]
    Other(OwnedFd),
}

/// A hint how a file will be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "they are what POSIX calls them")]
pub enum Advice {
    Normal,
    Sequential,
    Random,
    WillNeed,
    DontNeed,
    NoReuse,
}

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Its inode.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
}

/// Something that is open.
///
/// Errors are the host's, or an [`Errno`](crate::Errno) in an [`io::Error`]; [`Errno::from`](crate::Errno) understands both.
pub trait Open: Debug + Send + Sync {
    /// # Errors
    /// What the host says.
    fn stat(&self) -> io::Result<Stat>;

    /// Sets the times of access and modification.
    ///
    /// # Errors
    /// What the host says.
    fn set_times(&self, accessed: NewTime, modified: NewTime) -> io::Result<()>;

    /// Brings everything to its medium.
    ///
    /// # Errors
    /// What the host says.
    fn sync(&self) -> io::Result<()>;

    /// Whether writes go to the end from now on.
    ///
    /// # Errors
    /// What the host says.
    fn set_append(&self, append: bool) -> io::Result<()>;

    /// The host's descriptor for it, by which readiness is found out; what has none is always ready.
    #[cfg(unix)]
    fn host(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// An open file with a position.
pub trait File: Open {
    /// Reads at the position, which moves on.
    ///
    /// # Errors
    /// What the host says.
    fn read(&self, into: &Buffers) -> io::Result<usize>;

    /// Writes at the position, which moves on; at the end, if it appends.
    ///
    /// # Errors
    /// What the host says.
    fn write(&self, from: &Buffers) -> io::Result<usize>;

    /// Reads elsewhere, leaving the position alone.
    ///
    /// # Errors
    /// What the host says.
    fn read_at(&self, into: &Buffers, offset: u64) -> io::Result<usize>;

    /// Writes elsewhere, leaving the position alone. On Linux that is at the end all the same, if it appends (pwrite(2)).
    ///
    /// # Errors
    /// What the host says.
    fn write_at(&self, from: &Buffers, offset: u64) -> io::Result<usize>;

    /// Moves the position, and says where it is.
    ///
    /// # Errors
    /// `INVAL` if that would be before the beginning.
    fn seek(&self, to: SeekFrom) -> io::Result<u64>;

    /// Where the position is.
    ///
    /// # Errors
    /// What the host says.
    fn tell(&self) -> io::Result<u64> {
        self.seek(SeekFrom::Current(0))
    }

    /// Cuts the file off, or appends zeros.
    ///
    /// # Errors
    /// What the host says.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Sees to it that writes to this part do not fail for want of space, and that the file reaches that far. `len` is not 0.
    ///
    /// # Errors
    /// What the host says.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// # Errors
    /// What the host says.
    fn advise(&self, offset: u64, len: u64, advice: Advice) -> io::Result<()>;

    /// Brings the content to its medium.
    ///
    /// # Errors
    /// What the host says.
    fn sync_data(&self) -> io::Result<()>;

    /// All of the content, whatever the file was opened for; the position stays.
    ///
    /// # Errors
    /// What the host says.
    fn content(&self) -> io::Result<Box<dyn Read + '_>>;

    /// Opens the same file once more, with a position of its own, also if it has no name any more.
    ///
    /// # Errors
    /// What the host says.
    fn open_again(&self, options: &OpenOptions) -> io::Result<Box<dyn File>>;
}

/// An open directory: what is below it can be reached by paths, and nothing else can.
pub trait Directory: Open {
    /// Opens a path, never waiting (as opening a pipe otherwise would).
    ///
    /// # Errors
    /// As open(2); `NXIO` for a pipe that nobody reads yet.
    fn open(&self, path: &[u8], options: &OpenOptions) -> io::Result<Opened>;

    /// # Errors
    /// As fstatat(2).
    fn stat_at(&self, path: &[u8], follow: bool) -> io::Result<Stat>;

    /// # Errors
    /// As utimensat(2).
    fn set_times_at(&self, path: &[u8], follow: bool, accessed: NewTime, modified: NewTime)
    -> io::Result<()>;

    /// # Errors
    /// As mkdirat(2).
    fn create_directory(&self, path: &[u8]) -> io::Result<()>;

    /// # Errors
    /// As unlinkat(2) with `AT_REMOVEDIR`.
    fn remove_directory(&self, path: &[u8]) -> io::Result<()>;

    /// # Errors
    /// As unlinkat(2).
    fn unlink(&self, path: &[u8]) -> io::Result<()>;

    /// Makes a link to `target`, which need not be there. It must not be an absolute path.
    ///
    /// # Errors
    /// As symlinkat(2).
    fn symlink(&self, target: &[u8], path: &[u8]) -> io::Result<()>;

    /// # Errors
    /// As readlinkat(2).
    fn read_link(&self, path: &[u8]) -> io::Result<Vec<u8>>;

    /// Gives a file another name, in a directory of the same kind.
    ///
    /// # Errors
    /// As linkat(2).
    fn link(&self, path: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()>;

    /// # Errors
    /// As renameat(2).
    fn rename(&self, path: &[u8], to: &dyn Directory, name: &[u8]) -> io::Result<()>;

    /// Everything in it, `.` and `..` first; the rest in the file system's order.
    ///
    /// # Errors
    /// As readdir(3).
    fn entries(&self) -> io::Result<Vec<Entry>>;

    /// A path from here that leads to what is open now, if the file system can tell; it may have been renamed.
    fn path_to(&self, open: &dyn Open) -> Option<Vec<u8>>;

    /// Makes an empty file that has no name, for `size` bytes; `name` is what people are to see of it, where there is such a thing.
    ///
    /// # Errors
    /// What the host says.
    fn unnamed(&self, name: &[u8], size: u64) -> io::Result<Box<dyn File>>;

    /// To find out whether another directory is of the same kind.
    fn as_any(&self) -> &dyn Any;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_and_far_ones_saturate() {
        assert_eq!(timestamp(-1, 5), 0);
        assert_eq!(timestamp(1, 5), 1_000_000_005);
        assert_eq!(timestamp(i64::MAX, 0), u64::MAX);
    }
}
