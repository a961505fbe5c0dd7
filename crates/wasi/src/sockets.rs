//! `sock_*`: the four functions of preview 1, and those of WAMR's extension that open and connect sockets.
//!
//! Sockets of the guest never block in the kernel: a wait is a poll that the runtime can interrupt.

use crate::abi::{FileType, fdflags, rights};
use crate::interrupted::Progress;
use crate::socket_address::{ADDR_SIZE, from_kernel, read, to_kernel, write};
use crate::table::{Descriptor, HostHandle, Origin, lock};
use crate::{Call, Ended, Stop, io};
use rustix::event::PollFlags;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrAny, SocketFlags, SocketType, acceptfrom_with, bind, connect,
    getpeername, getsockname, listen, shutdown, socket_with, sockopt,
};
use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wayfarer_files::Errno;

/// `riflags`.
const RECV_PEEK: u32 = 1;
const RECV_WAITALL: u32 = 2;
/// `roflags`: the message was longer than the buffers.
const RECV_TRUNCATED: u16 = 1;
/// `sdflags`.
const SHUT_RD: u32 = 1;
const SHUT_WR: u32 = 2;

/// Size of an `addr_info` in guest memory, bytes: an `addr` and a socket type.
const ADDR_INFO_SIZE: u64 = 28;

/// WAMR's socket types.
const TYPE_DGRAM: i32 = 0;
const TYPE_STREAM: i32 = 1;
const TYPE_ANY: i32 = -1;
/// WAMR's address families.
const FAMILY_INET4: i32 = 0;
const FAMILY_INET6: i32 = 1;
const FAMILY_UNSPEC: i32 = 2;

impl Call<'_> {
    /// The socket that parameter `i` numbers, if it has the rights in `base`.
    ///
    /// # Errors
    /// `BADF`, `NOTSOCK`, `NOTCAPABLE`.
    pub(crate) fn socket(&self, i: usize, base: u64) -> Result<Arc<Descriptor>, Stop> {
        let descriptor = self.descriptor(i, 0)?;
        match descriptor.filetype {
            FileType::SocketStream | FileType::SocketDgram => {}
            _ => return Err(Errno::NotSock.into()),
        }
        descriptor.require(base)?;
        Ok(descriptor)
    }

    /// Does something to the socket that the first parameter numbers, if it has the rights in `base`, after which another process's
    /// would not be as it is.
    ///
    /// # Errors
    /// As [`Self::socket`]; and what is done may fail, and then has done nothing.
    pub(crate) fn change(&self, base: u64, how: impl FnOnce(&Descriptor) -> Ended) -> Ended {
        let socket = self.socket(0, base)?;
        how(&socket)?;
        if matches!(socket.origin, Origin::Stdio(_)) {
            let id = socket.open().stat()?.id();
            let mut changed = lock(&self.ctx.changed_streams);
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
        Ok(())
    }

    /// # Errors
    /// `ACCES` unless the host's address pool holds `ip`.
    fn allowed(&self, ip: IpAddr) -> Result<(), Errno> {
        let pool = &self.ctx.network.addresses;
        if pool.iter().any(|range| range.contains(ip)) { Ok(()) } else { Err(Errno::Acces) }
    }
}

/// A descriptor for a socket of the guest's own, in `O_NONBLOCK` mode.
fn own(socket: OwnedFd, flags: u16) -> Result<Descriptor, Stop> {
    let descriptor = Descriptor::inspect(HostHandle::Owned(socket.into()), Origin::Socket)?;
    descriptor.mode().flags = flags;
    Ok(descriptor)
}

pub(crate) fn sock_accept(call: &Call<'_>) -> Ended {
    let listener = call.socket(0, rights::SOCK_ACCEPT)?;
    let flags = match u16::try_from(call.u32(1)) {
        Ok(flags) if flags & !fdflags::NONBLOCK == 0 => flags,
        _ => return Err(Errno::Inval.into()),
    };
    let result = call.out(2, 4)?;
    if !listener.is_own() {
        // The host's own listener may be in blocking mode.
        listener.must_poll.store(true, Ordering::Relaxed);
    }
    let socket = io::when_ready(call, &listener, PollFlags::IN, || {
        Ok(acceptfrom_with(listener.fd()?, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?.0)
    })?;
    let descriptor = own(socket, flags)?;
    let fd = call.ctx.table().insert(descriptor)?;
    call.memory.write_u32(result, fd)?;
    Ok(())
}

pub(crate) fn sock_recv(call: &Call<'_>) -> Ended {
    let (lengths, flags) = (call.out(4, 4)?, call.out(5, 2)?);
    let (bytes, truncated, _) = receive(call)?;
    call.memory.write_u32(lengths, bytes as u32)?;
    call.memory.write_u16(flags, if truncated { RECV_TRUNCATED } else { 0 })?;
    Ok(())
}

pub(crate) fn sock_recv_from(call: &Call<'_>) -> Ended {
    let (sender_at, length) = (call.out(4, ADDR_SIZE)?, call.out(5, 4)?);
    let (bytes, _, sender) = receive(call)?;
    // A connected stream socket names no sender: it is the peer.
    let sender = sender.or_else(|| {
        let peer = getpeername(call.socket(0, 0).ok()?.fd().ok()?).ok()??;
        SocketAddr::try_from(peer).ok()
    });
    if let Some(sender) = sender {
        write(call.memory, sender_at, sender)?;
    }
    call.memory.write_u32(length, bytes as u32)?;
    Ok(())
}

/// Bytes received, whether some were cut off, and the sender.
fn receive(call: &Call<'_>) -> Result<(usize, bool, Option<SocketAddr>), Stop> {
    let socket = call.socket(0, rights::FD_READ)?;
    let mut buffers = call.buffers(1)?;
    let flags = call.u32(3);
    if flags & !(RECV_PEEK | RECV_WAITALL) != 0 {
        return Err(Errno::Inval.into());
    }
    let host = if flags & RECV_PEEK != 0 { libc::MSG_PEEK } else { 0 };
    let all =
        flags & RECV_WAITALL != 0 && flags & RECV_PEEK == 0 && socket.filetype == FileType::SocketStream;
    if !all || buffers.is_empty() {
        let received = io::receive(call, &socket, &mut buffers, host)?;
        return Ok((received.bytes, received.truncated, from_kernel(&received.sender)));
    }
    buffers.advance(io::transferred(call));
    while !buffers.is_empty() {
        let received = io::receive(call, &socket, &mut buffers, host).map(|received| received.bytes);
        match received {
            Ok(more) if more > 0 => {
                io::note_transferred(call, more);
                buffers.advance(more);
                if socket.nonblocking() {
                    break;
                }
            }
            ended => return Ok((io::or_before(io::transferred(call), ended)?, false, None)),
        }
    }
    Ok((io::transferred(call), false, None))
}

pub(crate) fn sock_send(call: &Call<'_>) -> Ended {
    let result = call.out(4, 4)?;
    send(call, &mut [], result)
}

pub(crate) fn sock_send_to(call: &Call<'_>) -> Ended {
    let to = read(call.memory, call.ptr(4))?;
    call.allowed(to.ip())?;
    let result = call.out(5, 4)?;
    send(call, &mut to_kernel(to), result)
}

fn send(call: &Call<'_>, to: &mut [u8], result: u64) -> Ended {
    let socket = call.socket(0, rights::FD_WRITE)?;
    let buffers = call.buffers(1)?;
    if call.u32(3) != 0 {
        return Err(Errno::Inval.into());
    }
    let bytes = io::send(call, &socket, buffers, to)?;
    call.memory.write_u32(result, bytes as u32)?;
    Ok(())
}

pub(crate) fn sock_shutdown(call: &Call<'_>) -> Ended {
    call.change(rights::SOCK_SHUTDOWN, |socket| {
        let how = match call.u32(1) {
            SHUT_RD => Shutdown::Read,
            SHUT_WR => Shutdown::Write,
            both if both == SHUT_RD | SHUT_WR => Shutdown::Both,
            _ => return Err(Errno::Inval.into()),
        };
        Ok(shutdown(socket.fd()?, how)?)
    })
}

/// As in WAMR: `fd_close` is what closes a socket.
pub(crate) fn sock_close(_: &Call<'_>) -> Ended {
    Err(Errno::NoSys.into())
}

/// The first parameter, a descriptor for an address pool, is ignored, as in WAMR: the pool is the host's
/// affair.
pub(crate) fn sock_open(call: &Call<'_>) -> Ended {
    let family = match call.u32(1) as i32 {
        FAMILY_INET4 | FAMILY_UNSPEC => AddressFamily::INET,
        FAMILY_INET6 => AddressFamily::INET6,
        _ => return Err(Errno::AfNoSupport.into()),
    };
    let socktype = match call.u32(2) as i32 {
        TYPE_DGRAM => SocketType::DGRAM,
        TYPE_STREAM | TYPE_ANY => SocketType::STREAM,
        _ => return Err(Errno::Inval.into()),
    };
    let result = call.out(3, 4)?;
    let socket = socket_with(family, socktype, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    let descriptor = own(socket, 0)?;
    let fd = call.ctx.table().insert(descriptor)?;
    call.memory.write_u32(result, fd)?;
    Ok(())
}

pub(crate) fn sock_bind(call: &Call<'_>) -> Ended {
    call.change(0, |socket| bind_to(call, socket))
}

fn bind_to(call: &Call<'_>, socket: &Descriptor) -> Ended {
    let addr = read(call.memory, call.ptr(1))?;
    call.allowed(addr.ip())?;
    // A server that is started again finds the port free, although connections of the one before linger. WAMR's bind
    // has all connections reset instead (`SO_LINGER` of 0), which loses what is on its way.
    if socket.filetype == FileType::SocketStream && !sockopt::socket_reuseaddr(socket.fd()?)? {
        sockopt::set_socket_reuseaddr(socket.fd()?, true)?;
        socket.reuses_addr.store(true, Ordering::Relaxed);
    }
    Ok(bind(socket.fd()?, &addr)?)
}

pub(crate) fn sock_listen(call: &Call<'_>) -> Ended {
    call.change(0, |socket| Ok(listen(socket.fd()?, i32::try_from(call.u32(1)).unwrap_or(i32::MAX))?))
}

pub(crate) fn sock_connect(call: &Call<'_>) -> Ended {
    call.change(0, |socket| connect_to(call, socket))
}

fn connect_to(call: &Call<'_>, socket: &Descriptor) -> Ended {
    let addr = read(call.memory, call.ptr(1))?;
    call.allowed(addr.ip())?;
    use rustix::io::Errno as Host;
    loop {
        match connect(socket.fd()?, &addr) {
            Ok(()) => return Ok(()),
            Err(Host::INPROGRESS | Host::ALREADY) if !socket.nonblocking() => {}
            // Connected since this call began to.
            Err(Host::ISCONN) if call.progress().connecting => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        call.note(Progress { connecting: true, ..call.progress() });
        match io::wait(call, socket, PollFlags::OUT) {
            // What the kernel says when the time is up: it goes on connecting.
            Err(Stop::Errno(Errno::Again)) => return Err(Errno::InProgress.into()),
            waited => waited?,
        }
    }
}

pub(crate) fn sock_addr_local(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let result = call.out(1, ADDR_SIZE)?;
    let addr = getsockname(socket.fd()?)?;
    write(call.memory, result, ip_address(addr)?)
}

pub(crate) fn sock_addr_remote(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let result = call.out(1, ADDR_SIZE)?;
    let addr = getpeername(socket.fd()?)?.ok_or(Errno::NotConn)?;
    write(call.memory, result, ip_address(addr)?)
}

fn ip_address(addr: SocketAddrAny) -> Result<SocketAddr, Errno> {
    SocketAddr::try_from(addr).map_err(|_| Errno::AfNoSupport)
}

/// Whether the host lets the guest resolve `name`: an entry is exact, or `*suffix`.
fn may_resolve(allowed: &[String], name: &str) -> bool {
    allowed.iter().any(|entry| match entry.strip_prefix('*') {
        Some(suffix) => name.ends_with(suffix),
        None => entry == name,
    })
}

pub(crate) fn sock_addr_resolve(call: &Call<'_>) -> Ended {
    let host = call.memory.read_cstr(call.ptr(0))?;
    let service = call.memory.read_cstr(call.ptr(1))?;
    let hints = call.out(2, 12)?;
    let capacity = call.u32(4);
    let infos = call.out(3, u64::from(capacity) * ADDR_INFO_SIZE)?;
    let result = call.out(5, 4)?;
    let name = std::str::from_utf8(&host).map_err(|_| Errno::IlSeq)?;
    if !may_resolve(&call.ctx.network.names, name) {
        return Err(Errno::Acces.into());
    }
    let hints = (call.memory.read_u8(hints + 8)? != 0)
        .then(|| {
            Ok::<_, Stop>((call.memory.read_u32(hints)? as i32, call.memory.read_u32(hints + 4)? as i32))
        })
        .transpose()?;
    let (socktype, family) = hints.unwrap_or((TYPE_ANY, FAMILY_UNSPEC));
    let found = resolve(host, service, socktype, family)?;
    for (i, (addr, socktype)) in found.iter().take(capacity as usize).enumerate() {
        let at = infos + i as u64 * ADDR_INFO_SIZE;
        write(call.memory, at, *addr)?;
        call.memory.write_u32(at + ADDR_SIZE, *socktype as u32)?;
    }
    call.memory.write_u32(result, found.len() as u32)?;
    Ok(())
}

/// Asks the system's resolver (getaddrinfo(3)). It can take as long as its own time-outs let it: it cannot be
/// interrupted.
fn resolve(
    host: Vec<u8>,
    service: Vec<u8>,
    socktype: i32,
    family: i32,
) -> Result<Vec<(SocketAddr, i32)>, Errno> {
    let host = CString::new(host).map_err(|_| Errno::Inval)?;
    let service = CString::new(service).map_err(|_| Errno::Inval)?;
    // SAFETY: all-zero is a valid `addrinfo`: no wishes, no pointers.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = match socktype {
        TYPE_DGRAM => libc::SOCK_DGRAM,
        TYPE_STREAM => libc::SOCK_STREAM,
        _ => 0,
    };
    hints.ai_family = match family {
        FAMILY_INET4 => libc::AF_INET,
        FAMILY_INET6 => libc::AF_INET6,
        _ => libc::AF_UNSPEC,
    };
    let service = if service.is_empty() { std::ptr::null() } else { service.as_ptr() };
    let mut list = std::ptr::null_mut();
    // SAFETY: the strings end in NUL and live through the call; `list` is ours to free if it succeeds.
    let status = unsafe { libc::getaddrinfo(host.as_ptr(), service, &hints, &mut list) };
    match status {
        0 => {}
        libc::EAI_AGAIN => return Err(Errno::Again),
        libc::EAI_MEMORY => return Err(Errno::NoMem),
        libc::EAI_FAMILY => return Err(Errno::AfNoSupport),
        libc::EAI_SERVICE | libc::EAI_SOCKTYPE | libc::EAI_BADFLAGS => return Err(Errno::Inval),
        libc::EAI_SYSTEM => return Err(std::io::Error::last_os_error().into()),
        _ => return Err(Errno::NoEnt),
    }
    let mut found = Vec::new();
    let mut next: *const libc::addrinfo = list;
    // SAFETY: `next` is null or an entry of the list, which is freed below.
    while let Some(info) = unsafe { next.as_ref() } {
        next = info.ai_next;
        let kind = match info.ai_socktype {
            libc::SOCK_DGRAM => TYPE_DGRAM,
            libc::SOCK_STREAM => TYPE_STREAM,
            _ => continue,
        };
        if info.ai_addr.is_null() {
            continue;
        }
        // SAFETY: the resolver says that `ai_addrlen` bytes are there.
        let addr = unsafe { std::slice::from_raw_parts(info.ai_addr.cast::<u8>(), info.ai_addrlen as usize) };
        found.extend(from_kernel(addr).map(|addr| (addr, kind)));
    }
    // SAFETY: `list` came from `getaddrinfo` and nothing refers to it any more.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_exactly_or_by_suffix() {
        let allowed = ["localhost".to_owned(), "*.example.org".to_owned()];
        assert!(may_resolve(&allowed, "localhost"));
        assert!(may_resolve(&allowed, "a.example.org"));
        assert!(!may_resolve(&allowed, "example.org"));
        assert!(!may_resolve(&allowed, "localhost.evil"));
        assert!(!may_resolve(&[], "localhost"));
        assert!(may_resolve(&["*".to_owned()], "anything"));
    }

    #[test]
    fn numeric_addresses_resolve_without_a_network() {
        let found = resolve(b"127.0.0.1".to_vec(), b"80".to_vec(), TYPE_ANY, FAMILY_UNSPEC).unwrap();
        let addr: SocketAddr = "127.0.0.1:80".parse().unwrap();
        assert_eq!(found, [(addr, TYPE_STREAM), (addr, TYPE_DGRAM)]);
        assert_eq!(resolve(b"::1".to_vec(), vec![], TYPE_STREAM, FAMILY_INET6).unwrap().len(), 1);
    }
}
