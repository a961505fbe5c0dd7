//! The descriptor table. It is ours, not the kernel's: numbers, rights, flags and how each descriptor came to
//! be are data here, so a checkpoint can say how to make every one of them again.

use crate::Stop;
use crate::abi::{FileType, fdflags, rights};
use crate::channels::Ahead;
use crate::dir::Listing;
use crate::path_open::PathOpen;
use crate::streams::StreamUse;
use rustix::fs::{OFlags, fcntl_getfl, fstat};
use rustix::net::SocketType;
use std::fs::File as StdFile;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use wayfarer_files::linux::{HostFile, LinuxDirectory, stat_of};
use wayfarer_files::{Directory, Errno, File, Kind, Open};

/// A descriptor of the kernel's.
#[derive(Debug)]
pub(crate) enum HostHandle {
    /// Opened by us: closed with the last user.
    Owned(StdFile),
    /// The process's own standard stream: left open.
    Process(BorrowedFd<'static>),
    /// Another descriptor that the host gave for a standard stream: left open.
    Stream(Arc<ManuallyDrop<StdFile>>),
}

impl AsFd for HostHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            HostHandle::Owned(file) => file.as_fd(),
            HostHandle::Process(fd) => *fd,
            HostHandle::Stream(file) => file.as_fd(),
        }
    }
}

/// What a descriptor refers to.
#[derive(Debug)]
pub(crate) enum Handle {
    /// A standard stream, a socket, a pipe or a device: the host's, whatever the guest's file system is.
    Host(HostFile<HostHandle>),
    /// A regular file of the guest's file system.
    File(Box<dyn File>),
    /// A directory of it. The context holds those that are preopened, too.
    Directory(Arc<dyn Directory>),
}

/// How a descriptor came to be.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Standard stream 0, 1 or 2 of the host.
    Stdio(usize),
    /// The context's preopen of that index.
    Preopen(usize),
    /// `path_open`.
    Path(Opened),
    /// A file without a name whose bytes came out of an image.
    Carried(Opened),
    /// `sock_accept` or `sock_open`.
    Socket,
}

impl Origin {
    /// What `path_open` opened, whether it has a name still or not.
    pub(crate) fn opened(&self) -> Option<&Opened> {
        match self {
            Origin::Path(opened) | Origin::Carried(opened) => Some(opened),
            _ => None,
        }
    }
}

/// What `path_open` opened, and how that is found again.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// Index of the preopen that the path starts from.
    pub(crate) preopen: usize,
    /// Path from there; what the directory descriptor in between was opened by is already in front.
    pub(crate) path: Vec<u8>,
    /// Whether a link in the last component was followed.
    pub(crate) follow: bool,
    /// What it was asked for; empty if that comes from an image that does not say.
    pub(crate) asked: OnceLock<Box<PathOpen>>,
}

/// The changing part of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mode {
    pub(crate) base: u64,
    pub(crate) inheriting: u64,
    /// WASI `fdflags`. `NONBLOCK` lives only here: the host's own descriptors may be shared with other
    /// processes, so their mode is left alone, and ours never block in the kernel.
    pub(crate) flags: u16,
    /// How long a socket's reads and writes wait; for ever, if not said.
    pub(crate) receive_timeout: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
}

impl Mode {
    pub(crate) fn new(base: u64, inheriting: u64, flags: u16) -> Self {
        Mode { base, inheriting, flags, receive_timeout: None, send_timeout: None }
    }
}

/// One open descriptor. Threads that use it hold a reference, so closing it elsewhere does not pull it from
/// under them.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub(crate) handle: Handle,
    pub(crate) filetype: FileType,
    pub(crate) origin: Origin,
    mode: Mutex<Mode>,
    /// Directory entries being read (`fd_readdir`).
    pub(crate) listing: Mutex<Option<Listing>>,
    /// To be polled before each read and write: a terminal, which has no other way not to wait (see `io`), or
    /// a pipe with a name.
    pub(crate) must_poll: AtomicBool,
    /// A socket, and not a pipe, which preview 1 doesn't tell from one.
    pub(crate) is_socket: bool,
    /// `SO_REUSEADDR` was set by us, not by the guest (`sock_bind`).
    pub(crate) reuses_addr: AtomicBool,
    /// For a standard stream that is a regular file: what the guest did with it.
    pub(crate) stream: Mutex<StreamUse>,
    /// What comes before what the host's descriptor gives; other descriptors may share it.
    pub(crate) ahead: OnceLock<Arc<Ahead>>,
}

impl Descriptor {
    pub(crate) fn new(handle: Handle, filetype: FileType, origin: Origin, mode: Mode) -> Self {
        Descriptor {
            handle,
            filetype,
            origin,
            mode: Mutex::new(mode),
            listing: Mutex::new(None),
            must_poll: AtomicBool::new(false),
            is_socket: false,
            reuses_addr: AtomicBool::new(false),
            stream: Mutex::default(),
            ahead: OnceLock::new(),
        }
    }

    /// A descriptor of the host's, with all rights that its kind can have, less what its access mode rules out.
    ///
    /// # Errors
    /// What `fstat` or `fcntl` say, in particular `BADF` if there is no such descriptor.
    pub(crate) fn inspect(host: HostHandle, origin: Origin) -> Result<Self, rustix::io::Errno> {
        let (kind, filetype, mode) = kind_and_mode(host.as_fd())?;
        let handle = match &host {
            // Names can be looked up in it.
            HostHandle::Stream(file) if kind == Kind::Directory => {
                let own = rustix::io::fcntl_dupfd_cloexec(file.as_fd(), 0)?;
                Handle::Directory(Arc::new(LinuxDirectory::new(own.into())))
            }
            _ => Handle::Host(HostFile(host)),
        };
        let is_socket = kind == Kind::Socket;
        Ok(Descriptor { is_socket, ..Descriptor::new(handle, filetype, origin, mode) })
    }

    /// A descriptor for a preopened directory.
    pub(crate) fn preopen(directory: Arc<dyn Directory>, index: usize) -> Self {
        let mode = Mode::new(rights::DIRECTORY, rights::DIRECTORY_INHERITING, 0);
        Descriptor::new(Handle::Directory(directory), FileType::Directory, Origin::Preopen(index), mode)
    }

    pub(crate) fn mode(&self) -> MutexGuard<'_, Mode> {
        lock(&self.mode)
    }

    /// What is open, whatever it is.
    pub(crate) fn open(&self) -> &dyn Open {
        match &self.handle {
            Handle::Host(host) => host,
            Handle::File(file) => &**file,
            Handle::Directory(directory) => &**directory,
        }
    }

    /// What is read and written.
    ///
    /// # Errors
    /// `BADF` for a directory.
    pub(crate) fn file(&self) -> Result<&dyn File, Errno> {
        match &self.handle {
            Handle::Host(host) => Ok(host),
            Handle::File(file) => Ok(&**file),
            Handle::Directory(_) => Err(Errno::BadF),
        }
    }

    /// The directory behind this descriptor.
    ///
    /// # Errors
    /// `NOTDIR`.
    pub(crate) fn directory(&self) -> Result<&dyn Directory, Errno> {
        match &self.handle {
            Handle::Directory(directory) => Ok(&**directory),
            _ => Err(Errno::NotDir),
        }
    }

    /// What waits and what is asked about sockets: the kernel's descriptor.
    ///
    /// # Errors
    /// `BADF` if there is none.
    pub(crate) fn fd(&self) -> rustix::io::Result<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Host(host) => Ok(host.as_fd()),
            _ => self.open().host().ok_or(rustix::io::Errno::BADF),
        }
    }

    /// [`Self::fd`] as a number; -1 if there is none.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd().map_or(-1, |fd| fd.as_raw_fd())
    }

    /// Whether it is of our own making: not a stream that the host shares.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(&self.handle, Handle::Host(HostFile(HostHandle::Process(_) | HostHandle::Stream(_))))
    }

    /// Whether it is the process's own standard stream.
    pub(crate) fn is_process_stream(&self) -> bool {
        matches!(&self.handle, Handle::Host(HostFile(HostHandle::Process(_))))
    }

    /// # Errors
    /// `NOTCAPABLE` unless all rights in `base` are there.
    pub(crate) fn require(&self, base: u64) -> Result<(), Errno> {
        if self.mode().base & base == base { Ok(()) } else { Err(Errno::NotCapable) }
    }

    /// The watch on a standard stream that is a regular file.
    pub(crate) fn watched(&self) -> Option<MutexGuard<'_, StreamUse>> {
        let watched = matches!(self.origin, Origin::Stdio(_)) && self.filetype == FileType::RegularFile;
        watched.then(|| lock(&self.stream))
    }

    pub(crate) fn nonblocking(&self) -> bool {
        self.mode().flags & fdflags::NONBLOCK != 0
    }
}

/// Kind of `fd` as the host and as WASI have it, the most rights it can have, and its flags.
fn kind_and_mode(fd: BorrowedFd<'_>) -> Result<(Kind, FileType, Mode), rustix::io::Errno> {
    let kind = stat_of(&fstat(fd)?).kind;
    let mut filetype = FileType::from(kind);
    if kind == Kind::Socket && rustix::net::sockopt::socket_type(fd)? == SocketType::DGRAM {
        filetype = FileType::SocketDgram;
    }
    let (mut base, inheriting) = match filetype {
        FileType::RegularFile => (rights::REGULAR_FILE, 0),
        FileType::Directory => (rights::DIRECTORY, rights::DIRECTORY_INHERITING),
        FileType::SocketStream | FileType::SocketDgram => (rights::SOCKET, rights::ALL),
        FileType::CharacterDevice if rustix::termios::isatty(fd) => (rights::TERMINAL, 0),
        FileType::CharacterDevice | FileType::BlockDevice => (rights::ALL, rights::ALL),
        FileType::Unknown | FileType::SymbolicLink => (rights::FD_FILESTAT_GET, 0),
    };
    let host = fcntl_getfl(fd)?;
    let access = host & OFlags::RWMODE;
    if filetype != FileType::Directory {
        if access == OFlags::RDONLY {
            base &= !rights::FD_WRITE;
        } else if access == OFlags::WRONLY {
            base &= !rights::FD_READ;
        }
    }
    Ok((kind, filetype, Mode::new(base, inheriting, flags_of_host(host))))
}

/// WASI `fdflags` of the host's open flags.
fn flags_of_host(host: OFlags) -> u16 {
    let mut flags = 0;
    for (bit, wasi) in [
        (OFlags::APPEND, fdflags::APPEND),
        (OFlags::NONBLOCK, fdflags::NONBLOCK),
        (OFlags::SYNC, fdflags::SYNC),
    ] {
        if host.contains(bit) {
            flags |= wasi;
        }
    }
    // O_SYNC has O_DSYNC's bit in it.
    if host.contains(OFlags::DSYNC) && !host.contains(OFlags::SYNC) {
        flags |= fdflags::DSYNC;
    }
    flags
}

/// The descriptors of an instance, by number.
#[derive(Clone, Default, Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Arc<Descriptor>>>,
}

impl Table {
    /// # Errors
    /// `BADF` if nothing has this number.
    pub(crate) fn get(&self, fd: u32) -> Result<&Arc<Descriptor>, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BadF)
    }

    /// Adds a descriptor under the lowest free number, as POSIX does and programs rely on.
    ///
    /// # Errors
    /// `MFILE` if every number is taken.
    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let fd = u32::try_from(free).map_err(|_| Errno::MFile)?;
        self.put(fd, Arc::new(descriptor));
        Ok(fd)
    }

    /// Puts a descriptor under a number, replacing what was there.
    pub(crate) fn put(&mut self, fd: u32, descriptor: Arc<Descriptor>) {
        let at = fd as usize;
        if at >= self.slots.len() {
            self.slots.resize(at + 1, None);
        }
        self.slots[at] = Some(descriptor);
    }

    /// # Errors
    /// `BADF` if nothing has this number.
    pub(crate) fn remove(&mut self, fd: u32) -> Result<Arc<Descriptor>, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::BadF)
    }

    /// Gives `from`'s descriptor the number `to`, closing what had it.
    ///
    /// # Errors
    /// `BADF` unless both are open.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<Arc<Descriptor>, Errno> {
        self.get(from)?;
        let replaced = Arc::clone(self.get(to)?);
        if from != to {
            let moved = self.remove(from)?;
            self.put(to, moved);
        }
        Ok(replaced)
    }

    /// Open descriptors in ascending order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<Descriptor>)> {
        self.slots.iter().enumerate().filter_map(|(fd, slot)| Some((fd as u32, slot.as_ref()?)))
    }
}

/// Locks a mutex whose data is valid between any two statements, so a panic of another holder does not
/// matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl crate::Call<'_> {
    /// The descriptor that parameter `i` numbers, if it has the rights in `base`.
    ///
    /// # Errors
    /// `BADF`, `NOTCAPABLE`.
    pub(crate) fn descriptor(&self, i: usize, base: u64) -> Result<Arc<Descriptor>, Stop> {
        let descriptor = Arc::clone(self.ctx.table().get(self.u32(i))?);
        descriptor.require(base)?;
        Ok(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> Descriptor {
        let file = StdFile::open("/dev/null").unwrap();
        Descriptor::inspect(HostHandle::Owned(file), Origin::Socket).unwrap()
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut table = Table::default();
        for fd in 0..4 {
            assert_eq!(table.insert(null()), Ok(fd));
        }
        table.remove(1).unwrap();
        table.remove(0).unwrap();
        assert_eq!(table.insert(null()), Ok(0));
        assert_eq!(table.insert(null()), Ok(1));
        assert_eq!(table.insert(null()), Ok(4));
    }

    #[test]
    fn renumber_moves_and_needs_both_numbers_open() {
        let mut table = Table::default();
        table.insert(null()).unwrap();
        table.insert(null()).unwrap();
        let moved = table.get(0).unwrap().raw_fd();
        table.renumber(0, 1).unwrap();
        assert_eq!(table.get(1).unwrap().raw_fd(), moved);
        assert_eq!(table.get(0).unwrap_err(), Errno::BadF);
        assert_eq!(table.renumber(1, 0).unwrap_err(), Errno::BadF);
        assert_eq!(table.renumber(7, 1).unwrap_err(), Errno::BadF);
        table.renumber(1, 1).unwrap();
        assert!(table.get(1).is_ok(), "a descriptor renumbered to itself stays");
    }

    #[test]
    fn rights_follow_kind_and_access_mode() {
        let (_, filetype, mode) = kind_and_mode(null().fd().unwrap()).unwrap();
        assert_eq!(filetype, FileType::CharacterDevice);
        assert_eq!(mode.base & rights::FD_WRITE, 0, "opened for reading only");
        assert_ne!(mode.base & rights::FD_SEEK, 0, "not a terminal");
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(kind_and_mode(reader.as_fd()).unwrap().2.base & rights::FD_WRITE, 0);
        assert_eq!(kind_and_mode(writer.as_fd()).unwrap().2.base & rights::FD_READ, 0);
    }
}
