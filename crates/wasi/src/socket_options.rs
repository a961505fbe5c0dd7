//! `sock_get_*` and `sock_set_*` of WAMR's extension: socket options, one to one.
//!
//! Booleans are one byte in guest memory, time-outs are in microseconds, lingering and keep-alive times in
//! seconds.

use crate::socket_address::read_ip;
use crate::table::Descriptor;
use crate::{Call, Ended, Stop};
use rustix::net::sockopt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use wayfarer_files::Errno;

/// Options that are on or off.
macro_rules! switches {
    ($($get:ident $set:ident $read:path, $write:path;)*) => {$(
        pub(crate) fn $get(call: &Call<'_>) -> Ended {
            let socket = call.socket(0, 0)?;
            call.memory.write_u8(call.ptr(1), $read(socket.fd()?)?.into())?;
            Ok(())
        }

        pub(crate) fn $set(call: &Call<'_>) -> Ended {
            call.change(0, |socket| Ok($write(socket.fd()?, call.u32(1) != 0)?))
        }
    )*};
}

switches! {
    sock_get_broadcast sock_set_broadcast sockopt::socket_broadcast, sockopt::set_socket_broadcast;
    sock_get_keep_alive sock_set_keep_alive sockopt::socket_keepalive, sockopt::set_socket_keepalive;
    sock_get_reuse_port sock_set_reuse_port sockopt::socket_reuseport, sockopt::set_socket_reuseport;
    sock_get_tcp_no_delay sock_set_tcp_no_delay sockopt::tcp_nodelay, sockopt::set_tcp_nodelay;
    sock_get_tcp_quick_ack sock_set_tcp_quick_ack sockopt::tcp_quickack, sockopt::set_tcp_quickack;
    sock_get_ipv6_only sock_set_ipv6_only sockopt::ipv6_v6only, sockopt::set_ipv6_v6only;
}

/// What the guest has set; [`sock_bind`](crate::sockets::sock_bind) sets it too, unasked.
pub(crate) fn sock_get_reuse_addr(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let set = sockopt::socket_reuseaddr(socket.fd()?)? && !socket.reuses_addr.load(Relaxed);
    call.memory.write_u8(call.ptr(1), set.into())?;
    Ok(())
}

pub(crate) fn sock_set_reuse_addr(call: &Call<'_>) -> Ended {
    call.change(0, |socket| {
        socket.reuses_addr.store(false, Relaxed);
        Ok(sockopt::set_socket_reuseaddr(socket.fd()?, call.u32(1) != 0)?)
    })
}

/// Options that are numbers: as the guest has them, and as the host does.
macro_rules! numbers {
    ($($get:ident $set:ident $write_guest:ident, $read:expr, $write:expr;)*) => {$(
        pub(crate) fn $get(call: &Call<'_>) -> Ended {
            let socket = call.socket(0, 0)?;
            let read: fn(&Descriptor) -> rustix::io::Result<_> = $read;
            call.memory.$write_guest(call.ptr(1), read(&socket)?)?;
            Ok(())
        }

        pub(crate) fn $set(call: &Call<'_>) -> Ended {
            let write: fn(&Descriptor, u32) -> rustix::io::Result<()> = $write;
            call.change(0, |socket| Ok(write(socket, call.u32(1))?))
        }
    )*};
}

numbers! {
    sock_get_recv_buf_size sock_set_recv_buf_size write_u32,
        |s| Ok(sockopt::socket_recv_buffer_size(s.fd()?)? as u32),
        |s, size| sockopt::set_socket_recv_buffer_size(s.fd()?, size as usize);
    sock_get_send_buf_size sock_set_send_buf_size write_u32,
        |s| Ok(sockopt::socket_send_buffer_size(s.fd()?)? as u32),
        |s, size| sockopt::set_socket_send_buffer_size(s.fd()?, size as usize);
    sock_get_tcp_keep_idle sock_set_tcp_keep_idle write_u32,
        |s| Ok(sockopt::tcp_keepidle(s.fd()?)?.as_secs() as u32),
        |s, seconds| sockopt::set_tcp_keepidle(s.fd()?, Duration::from_secs(seconds.into()));
    sock_get_tcp_keep_intvl sock_set_tcp_keep_intvl write_u32,
        |s| Ok(sockopt::tcp_keepintvl(s.fd()?)?.as_secs() as u32),
        |s, seconds| sockopt::set_tcp_keepintvl(s.fd()?, Duration::from_secs(seconds.into()));
    sock_get_ip_ttl sock_set_ip_ttl write_u8,
        |s| Ok(sockopt::ip_ttl(s.fd()?)? as u8),
        |s, ttl| sockopt::set_ip_ttl(s.fd()?, ttl & 0xff);
    sock_get_ip_multicast_ttl sock_set_ip_multicast_ttl write_u8,
        |s| Ok(sockopt::ip_multicast_ttl(s.fd()?)? as u8),
        |s, ttl| sockopt::set_ip_multicast_ttl(s.fd()?, ttl & 0xff);
    sock_get_tcp_fastopen_connect sock_set_tcp_fastopen_connect write_u8,
        |s| Ok(u8::from(tcp_option(s, libc::TCP_FASTOPEN_CONNECT)? != 0)),
        |s, on| set_tcp_option(s, libc::TCP_FASTOPEN_CONNECT, i32::from(on != 0));
}

/// A TCP option that `rustix` does not have.
fn tcp_option(socket: &Descriptor, option: i32) -> rustix::io::Result<i32> {
    let mut value: i32 = 0;
    let mut size = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to `value`.
    let status = unsafe {
        libc::getsockopt(socket.raw_fd(), libc::IPPROTO_TCP, option, (&raw mut value).cast(), &mut size)
    };
    if status == 0 { Ok(value) } else { Err(last_error()) }
}

fn set_tcp_option(socket: &Descriptor, option: i32, value: i32) -> rustix::io::Result<()> {
    let size = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes from `value`.
    let status = unsafe {
        libc::setsockopt(socket.raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), size)
    };
    if status == 0 { Ok(()) } else { Err(last_error()) }
}

fn last_error() -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(rustix::io::Errno::IO)
}

pub(crate) fn sock_get_linger(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let (enabled, seconds) = (call.out(1, 1)?, call.out(2, 4)?);
    let linger = sockopt::socket_linger(socket.fd()?)?;
    call.memory.write_u8(enabled, linger.is_some().into())?;
    call.memory.write_u32(seconds, linger.map_or(0, |time| time.as_secs() as u32))?;
    Ok(())
}

pub(crate) fn sock_set_linger(call: &Call<'_>) -> Ended {
    let linger = (call.u32(1) != 0).then(|| Duration::from_secs(call.u32(2).into()));
    call.change(0, |socket| Ok(sockopt::set_socket_linger(socket.fd()?, linger)?))
}

/// Time-outs are ours, not the kernel's: our sockets never block there (see `io`).
pub(crate) fn sock_get_recv_timeout(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let timeout = socket.mode().receive_timeout;
    call.memory.write_u64(call.ptr(1), micros(timeout))?;
    Ok(())
}

pub(crate) fn sock_set_recv_timeout(call: &Call<'_>) -> Ended {
    call.change(0, |socket| {
        socket.mode().receive_timeout = timeout(call.u64(1));
        Ok(())
    })
}

pub(crate) fn sock_get_send_timeout(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let timeout = socket.mode().send_timeout;
    call.memory.write_u64(call.ptr(1), micros(timeout))?;
    Ok(())
}

pub(crate) fn sock_set_send_timeout(call: &Call<'_>) -> Ended {
    call.change(0, |socket| {
        socket.mode().send_timeout = timeout(call.u64(1));
        Ok(())
    })
}

/// 0 is no time-out, as in socket(7).
fn timeout(micros: u64) -> Option<Duration> {
    (micros > 0).then(|| Duration::from_micros(micros))
}

fn micros(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

pub(crate) fn sock_get_ip_multicast_loop(call: &Call<'_>) -> Ended {
    let socket = call.socket(0, 0)?;
    let enabled = if call.u32(1) != 0 {
        sockopt::ipv6_multicast_loop(socket.fd()?)?
    } else {
        sockopt::ip_multicast_loop(socket.fd()?)?
    };
    call.memory.write_u8(call.ptr(2), enabled.into())?;
    Ok(())
}

pub(crate) fn sock_set_ip_multicast_loop(call: &Call<'_>) -> Ended {
    let enabled = call.u32(2) != 0;
    call.change(0, |socket| {
        if call.u32(1) != 0 {
            sockopt::set_ipv6_multicast_loop(socket.fd()?, enabled)?;
        } else {
            sockopt::set_ip_multicast_loop(socket.fd()?, enabled)?;
        }
        Ok(())
    })
}

pub(crate) fn sock_set_ip_add_membership(call: &Call<'_>) -> Ended {
    call.change(0, |socket| {
        match group(call)? {
            Group::V4(group, interface) => sockopt::set_ip_add_membership(socket.fd()?, &group, &interface)?,
            Group::V6(group, index) => sockopt::set_ipv6_add_membership(socket.fd()?, &group, index)?,
        }
        Ok(())
    })
}

pub(crate) fn sock_set_ip_drop_membership(call: &Call<'_>) -> Ended {
    call.change(0, |socket| {
        match group(call)? {
            Group::V4(group, interface) => sockopt::set_ip_drop_membership(socket.fd()?, &group, &interface)?,
            Group::V6(group, index) => sockopt::set_ipv6_drop_membership(socket.fd()?, &group, index)?,
        }
        Ok(())
    })
}

/// A multicast group and the interface it is joined on: an address for IPv4, an index for IPv6.
enum Group {
    V4(Ipv4Addr, Ipv4Addr),
    V6(std::net::Ipv6Addr, u32),
}

fn group(call: &Call<'_>) -> Result<Group, Stop> {
    let interface = call.u32(2);
    let group = read_ip(call.memory, call.ptr(1))?;
    if !group.is_multicast() {
        return Err(Errno::Inval.into());
    }
    Ok(match group {
        // The guest's `s_addr`: octets in memory order.
        IpAddr::V4(group) => Group::V4(group, Ipv4Addr::from(interface.to_le_bytes())),
        IpAddr::V6(group) => Group::V6(group, interface),
    })
}
