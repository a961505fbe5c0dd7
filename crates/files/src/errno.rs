//! WASI error numbers, and how the host's map to them.

#[cfg(unix)]
use rustix::io::Errno as Host;
use std::fmt;
use std::io;

macro_rules! errnos {
    ($($name:ident = $value:literal, $host:ident;)*) => {
        /// Error numbers of WASI preview 1 (`errno` in `typenames.witx`).
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Errno {
            Success = 0,
            $($name = $value,)*
            /// Insufficient rights, or a path that leads out of the sandbox.
            NotCapable = 76,
        }

        #[cfg(unix)]
        impl From<Host> for Errno {
            fn from(host: Host) -> Self {
                match host {
                    $(Host::$host => Errno::$name,)*
                    _ => Errno::Io,
                }
            }
        }
    };
}

errnos! {
    TooBig = 1, TOOBIG;
    Acces = 2, ACCESS;
    AddrInUse = 3, ADDRINUSE;
    AddrNotAvail = 4, ADDRNOTAVAIL;
    AfNoSupport = 5, AFNOSUPPORT;
    Again = 6, AGAIN;
    Already = 7, ALREADY;
    BadF = 8, BADF;
    BadMsg = 9, BADMSG;
    Busy = 10, BUSY;
    Canceled = 11, CANCELED;
    Child = 12, CHILD;
    ConnAborted = 13, CONNABORTED;
    ConnRefused = 14, CONNREFUSED;
    ConnReset = 15, CONNRESET;
    DeadLk = 16, DEADLK;
    DestAddrReq = 17, DESTADDRREQ;
    Dom = 18, DOM;
    DQuot = 19, DQUOT;
    Exist = 20, EXIST;
    Fault = 21, FAULT;
    FBig = 22, FBIG;
    HostUnreach = 23, HOSTUNREACH;
    IdRm = 24, IDRM;
    IlSeq = 25, ILSEQ;
    InProgress = 26, INPROGRESS;
    Intr = 27, INTR;
    Inval = 28, INVAL;
    Io = 29, IO;
    IsConn = 30, ISCONN;
    IsDir = 31, ISDIR;
    Loop = 32, LOOP;
    MFile = 33, MFILE;
    MLink = 34, MLINK;
    MsgSize = 35, MSGSIZE;
    MultiHop = 36, MULTIHOP;
    NameTooLong = 37, NAMETOOLONG;
    NetDown = 38, NETDOWN;
    NetReset = 39, NETRESET;
    NetUnreach = 40, NETUNREACH;
    NFile = 41, NFILE;
    NoBufs = 42, NOBUFS;
    NoDev = 43, NODEV;
    NoEnt = 44, NOENT;
    NoExec = 45, NOEXEC;
    NoLck = 46, NOLCK;
    NoLink = 47, NOLINK;
    NoMem = 48, NOMEM;
    NoMsg = 49, NOMSG;
    NoProtoOpt = 50, NOPROTOOPT;
    NoSpc = 51, NOSPC;
    NoSys = 52, NOSYS;
    NotConn = 53, NOTCONN;
    NotDir = 54, NOTDIR;
    NotEmpty = 55, NOTEMPTY;
    NotRecoverable = 56, NOTRECOVERABLE;
    NotSock = 57, NOTSOCK;
    NotSup = 58, OPNOTSUPP;
    NoTty = 59, NOTTY;
    NxIo = 60, NXIO;
    Overflow = 61, OVERFLOW;
    OwnerDead = 62, OWNERDEAD;
    Perm = 63, PERM;
    Pipe = 64, PIPE;
    Proto = 65, PROTO;
    ProtoNoSupport = 66, PROTONOSUPPORT;
    Prototype = 67, PROTOTYPE;
    Range = 68, RANGE;
    RoFs = 69, ROFS;
    SPipe = 70, SPIPE;
    Srch = 71, SRCH;
    Stale = 72, STALE;
    TimedOut = 73, TIMEDOUT;
    TxtBsy = 74, TXTBSY;
    XDev = 75, XDEV;
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        Errno::from(&error)
    }
}

impl From<&io::Error> for Errno {
    fn from(error: &io::Error) -> Self {
        if let Some(errno) = error.get_ref().and_then(|inner| inner.downcast_ref::<Errno>()) {
            return *errno;
        }
        match (error.raw_os_error(), error.kind()) {
            #[cfg(unix)]
            (Some(code), _) => Host::from_raw_os_error(code).into(),
            #[cfg(not(unix))]
            (Some(_), kind) => Errno::of_kind(kind),
            // Not from the kernel: the path resolver found that the path leads out of its directory.
            (None, io::ErrorKind::PermissionDenied) => Errno::NotCapable,
            (None, io::ErrorKind::InvalidInput) => Errno::Inval,
            (None, _) => Errno::Io,
        }
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        io::Error::other(errno)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Errno::Acces | Errno::Perm => "permission denied",
            Errno::Exist => "file exists",
            Errno::FBig => "file too large",
            Errno::Inval => "invalid argument",
            Errno::IsDir => "is a directory",
            Errno::Loop => "too many levels of symbolic links",
            Errno::NameTooLong => "file name too long",
            Errno::NoEnt => "no such file or directory",
            Errno::NoSpc => "no space left",
            Errno::NotCapable => "a path that leads out of its directory",
            Errno::NotDir => "not a directory",
            Errno::NotEmpty => "directory not empty",
            other => return write!(f, "{other:?}"),
        };
        f.write_str(text)
    }
}

impl std::error::Error for Errno {}

#[cfg(not(unix))]
impl Errno {
    /// What an error of the host's is, as far as the standard library understands it.
    fn of_kind(kind: io::ErrorKind) -> Self {
        use io::ErrorKind as Kind;
        match kind {
            Kind::NotFound => Errno::NoEnt,
            Kind::PermissionDenied => Errno::Acces,
            Kind::AlreadyExists => Errno::Exist,
            Kind::InvalidInput => Errno::Inval,
            Kind::NotADirectory => Errno::NotDir,
            Kind::IsADirectory => Errno::IsDir,
            Kind::DirectoryNotEmpty => Errno::NotEmpty,
            Kind::ReadOnlyFilesystem => Errno::RoFs,
            Kind::StorageFull => Errno::NoSpc,
            Kind::QuotaExceeded => Errno::DQuot,
            Kind::FileTooLarge => Errno::FBig,
            Kind::ResourceBusy => Errno::Busy,
            Kind::CrossesDevices => Errno::XDev,
            Kind::TooManyLinks => Errno::MLink,
            Kind::InvalidFilename => Errno::NameTooLong,
            Kind::Unsupported => Errno::NotSup,
            Kind::OutOfMemory => Errno::NoMem,
            Kind::WouldBlock => Errno::Again,
            Kind::Interrupted => Errno::Intr,
            _ => Errno::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_errors_map_to_the_numbers_of_the_specification() {
        for (host, wasi) in
            [(Host::NOENT, 44), (Host::BADF, 8), (Host::ISDIR, 31), (Host::PIPE, 64), (Host::XDEV, 75)]
        {
            assert_eq!(Errno::from(host) as u16, wasi, "{host:?}");
        }
        assert_eq!(Errno::from(Host::OPNOTSUPP), Errno::NotSup);
        assert_eq!(Errno::from(Host::HWPOISON), Errno::Io, "no number of its own");
    }

    #[test]
    fn an_escape_found_by_the_resolver_is_notcapable_and_a_permission_error_of_the_kernel_is_not() {
        let escape = io::Error::new(io::ErrorKind::PermissionDenied, "a path led outside of the filesystem");
        assert_eq!(Errno::from(escape), Errno::NotCapable);
        assert_eq!(Errno::from(io::Error::from(Host::ACCESS)), Errno::Acces);
        assert_eq!(Errno::from(io::Error::from(Host::PERM)), Errno::Perm);
        let nul = std::fs::File::open("a\0b").unwrap_err();
        assert_eq!(Errno::from(nul), Errno::Inval);
        assert_eq!(Errno::from(io::Error::from(Errno::NotEmpty)), Errno::NotEmpty, "ours, on its way");
    }
}
