//! `sock_*` over the loopback interface.
#![allow(missing_docs)]
mod common;
use common::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use wayfarer_wasi::{Errno, Outcome, WasiBuilder};

fn networked() -> Guest {
    Guest::new(WasiBuilder::new().address_pool("127.0.0.0/8").address_pool("::1/128").ns_lookup("localhost"))
}

/// An IPv4 `addr`.
fn put_addr(guest: &mut Guest, octets: [u8; 4], port: u16) -> u64 {
    let mut bytes = [0; 24];
    bytes[4..8].copy_from_slice(&octets);
    bytes[8..10].copy_from_slice(&port.to_le_bytes());
    guest.put(PATH, &bytes);
    PATH
}

fn open(guest: &mut Guest, family: u64, kind: u64) -> u64 {
    guest.try_call("sock_open", &[0, family, kind, RESULT]).unwrap();
    guest.u32(RESULT).into()
}

fn port(guest: &mut Guest, fd: u64, end: &str) -> u16 {
    guest.try_call(&format!("sock_addr_{end}"), &[fd, RESULT]).unwrap();
    assert_eq!((guest.u32(RESULT), guest.get(RESULT + 4, 4)), (0, &[127, 0, 0, 1][..]));
    guest.u16(RESULT + 8)
}

fn send(guest: &mut Guest, fd: u64, bytes: &[u8]) -> Result<usize> {
    guest.put(DATA, bytes);
    let [iovs, count] = guest.iovecs(&[(DATA, bytes.len() as u64)]);
    guest.try_call("sock_send", &[fd, iovs, count, 0, RESULT])?;
    Ok(guest.u32(RESULT) as usize)
}

/// Bytes and `roflags`.
fn recv(guest: &mut Guest, fd: u64, len: u64, flags: u64) -> Result<(Vec<u8>, u16)> {
    let [iovs, count] = guest.iovecs(&[(DATA, len)]);
    guest.try_call("sock_recv", &[fd, iovs, count, flags, RESULT, RESULT + 8])?;
    Ok((guest.get(DATA, guest.u32(RESULT) as usize).to_vec(), guest.u16(RESULT + 8)))
}

fn connected() -> (Guest, u64, TcpStream) {
    let mut guest = networked();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = open(&mut guest, 0, 1);
    let addr = put_addr(&mut guest, [127, 0, 0, 1], listener.local_addr().unwrap().port());
    guest.try_call("sock_connect", &[fd, addr]).unwrap();
    (guest, fd, listener.accept().unwrap().0)
}

#[test]
fn a_guest_connects_sends_receives_and_shuts_down() {
    let (mut guest, fd, mut peer) = connected();
    assert_eq!(guest.fdstat(fd).unwrap().0, 6);
    assert_eq!(send(&mut guest, fd, b"hello").unwrap(), 5);
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    peer.write_all(b"0123456789").unwrap();
    assert_eq!(recv(&mut guest, fd, 4, 1).unwrap().0, b"0123", "peeked");
    assert_eq!(recv(&mut guest, fd, 10, 2).unwrap().0, b"0123456789");
    peer.write_all(b"ab").unwrap();
    let slow = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        peer.write_all(b"cd").unwrap();
        peer
    });
    assert_eq!(recv(&mut guest, fd, 4, 2).unwrap().0, b"abcd", "waits for all");
    let mut peer = slow.join().unwrap();
    assert_eq!(recv(&mut guest, fd, 1, 8).unwrap_err(), Errno::Inval);
    guest.write(fd, b"via fd_write").unwrap();
    guest.try_call("sock_shutdown", &[fd, 2]).unwrap();
    let mut rest = String::new();
    peer.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "via fd_write");
    assert_eq!(send(&mut guest, fd, b"x").unwrap_err(), Errno::Pipe);
    drop(peer);
    assert_eq!(recv(&mut guest, fd, 10, 0).unwrap().0, b"");
    assert_eq!(guest.try_call("sock_shutdown", &[fd, 0]).unwrap_err(), Errno::Inval);
}

#[test]
fn a_guest_listens_and_accepts() {
    let mut guest = networked();
    let listener = open(&mut guest, 0, 1);
    guest.try_call("sock_set_reuse_addr", &[listener, 1]).unwrap();
    let addr = put_addr(&mut guest, [127, 0, 0, 1], 0);
    guest.try_call("sock_bind", &[listener, addr]).unwrap();
    guest.try_call("sock_listen", &[listener, 5]).unwrap();
    let local = port(&mut guest, listener, "local");
    let request = Request::new();
    request.raise();
    let args = [listener, 0, RESULT];
    assert_eq!(guest.interruptible("sock_accept", &args, &request), Outcome::Interrupted);
    let mut peer = TcpStream::connect(("127.0.0.1", local)).unwrap();
    assert_eq!(guest.interruptible("sock_accept", &args, &request), Outcome::Errno(0));
    let fd = u64::from(guest.u32(RESULT));
    assert_eq!(fd, listener + 1);
    assert_eq!(port(&mut guest, fd, "remote"), peer.local_addr().unwrap().port());
    peer.write_all(b"hi").unwrap();
    assert_eq!(guest.read(fd, 10).unwrap(), b"hi");
    assert_eq!(guest.interruptible("sock_accept", &args, &request), Outcome::Interrupted);
    guest.try_call("fd_fdstat_set_flags", &[listener, NONBLOCK]).unwrap();
    assert_eq!(guest.try_call("sock_accept", &args).unwrap_err(), Errno::Again);
    assert_eq!(guest.try_call("sock_accept", &[listener, 1, RESULT]).unwrap_err(), Errno::Inval);
    assert_eq!(guest.try_call("sock_accept", &[3 + 99, 0, RESULT]).unwrap_err(), Errno::BadF);
}

#[test]
fn a_server_is_started_again_at_once() {
    let mut local = 0;
    for _ in 0..3 {
        let mut guest = networked();
        let listener = open(&mut guest, 0, 1);
        let addr = put_addr(&mut guest, [127, 0, 0, 1], local);
        guest.try_call("sock_bind", &[listener, addr]).unwrap();
        guest.try_call("sock_get_reuse_addr", &[listener, RESULT]).unwrap();
        assert_eq!(guest.get(RESULT, 1), [0], "the guest has not set it");
        guest.try_call("sock_listen", &[listener, 5]).unwrap();
        local = port(&mut guest, listener, "local");
        let mut peer = TcpStream::connect(("127.0.0.1", local)).unwrap();
        guest.try_call("sock_accept", &[listener, 0, RESULT]).unwrap();
        let fd = u64::from(guest.u32(RESULT));
        // The one who closes first keeps the address for a minute, and nothing is lost.
        send(&mut guest, fd, b"hello").unwrap();
        guest.close(fd).unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).unwrap();
        assert_eq!(all, "hello");
        // While it listens, nobody else does.
        let second = open(&mut guest, 0, 1);
        let addr = put_addr(&mut guest, [127, 0, 0, 1], local);
        assert_eq!(guest.try_call("sock_bind", &[second, addr]).unwrap_err(), Errno::AddrInUse);
        guest.try_call("sock_set_reuse_addr", &[listener, 1]).unwrap();
        guest.try_call("sock_get_reuse_addr", &[listener, RESULT]).unwrap();
        assert_eq!(guest.get(RESULT, 1), [1]);
    }
    // Datagrams go to one socket, as they did.
    let mut guest = networked();
    let (one, two) = (open(&mut guest, 0, 0), open(&mut guest, 0, 0));
    let addr = put_addr(&mut guest, [127, 0, 0, 1], 0);
    guest.try_call("sock_bind", &[one, addr]).unwrap();
    let taken = port(&mut guest, one, "local");
    let addr = put_addr(&mut guest, [127, 0, 0, 1], taken);
    assert_eq!(guest.try_call("sock_bind", &[two, addr]).unwrap_err(), Errno::AddrInUse);
}

#[test]
fn a_pool_of_no_address_is_any_address() {
    let pool = |entry: &str| {
        let mut guest = Guest::new(WasiBuilder::new().address_pool(entry));
        let socket = open(&mut guest, 0, 1);
        let addr = put_addr(&mut guest, [127, 0, 0, 1], 0);
        guest.try_call("sock_bind", &[socket, addr])
    };
    for any in ["0.0.0.0/0", "0.0.0.0/15", "0.0.0.0/32"] {
        pool(any).unwrap();
    }
    assert_eq!(pool("0.0.0.1/32").unwrap_err(), Errno::Acces);
    assert_eq!(pool("::/0").unwrap_err(), Errno::Acces, "of its kind");
}

#[test]
fn a_listener_given_as_a_stream_accepts_and_can_be_interrupted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(listener));
    let mut guest = Guest::new(&builder);
    let request = Request::new();
    request.raise();
    assert_eq!(guest.interruptible("sock_accept", &[0, 0, RESULT], &request), Outcome::Interrupted);
    let mut peer = TcpStream::connect(addr).unwrap();
    guest.try_call("sock_accept", &[0, NONBLOCK, RESULT]).unwrap();
    let fd = guest.u32(RESULT).into();
    assert_eq!(fd, 3);
    assert_eq!(guest.read(fd, 1).unwrap_err(), Errno::Again);
    guest.write(fd, b"welcome").unwrap();
    let mut bytes = [0; 7];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"welcome");
}

#[test]
fn datagrams_keep_their_bounds_and_name_their_sender() {
    let mut guest = networked();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let fd = open(&mut guest, 0, 0);
    assert_eq!(guest.fdstat(fd).unwrap().0, 5);
    let addr = put_addr(&mut guest, [127, 0, 0, 1], peer.local_addr().unwrap().port());
    guest.put(DATA, b"ping");
    let [iovs, count] = guest.iovecs(&[(DATA, 4)]);
    guest.try_call("sock_send_to", &[fd, iovs, count, 0, addr, RESULT]).unwrap();
    assert_eq!(guest.u32(RESULT), 4);
    let mut bytes = [0; 10];
    let (len, from) = peer.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..len], b"ping");
    peer.send_to(b"a long answer", from).unwrap();
    let [iovs, count] = guest.iovecs(&[(DATA, 6)]);
    guest.try_call("sock_recv_from", &[fd, iovs, count, 0, RESULT, RESULT + 32]).unwrap();
    assert_eq!((guest.u32(RESULT + 32), guest.get(DATA, 6)), (6, &b"a long"[..]));
    assert_eq!(guest.u16(RESULT + 8), peer.local_addr().unwrap().port());
    peer.send_to(b"another long one", from).unwrap();
    assert_eq!(recv(&mut guest, fd, 7, 0).unwrap(), (b"another".to_vec(), 1), "truncated");
}

#[test]
fn the_address_pool_and_the_name_list_are_the_bounds() {
    let mut guest = networked();
    let fd = open(&mut guest, 0, 1);
    let addr = put_addr(&mut guest, [10, 0, 0, 1], 80);
    assert_eq!(guest.try_call("sock_connect", &[fd, addr]).unwrap_err(), Errno::Acces);
    assert_eq!(guest.try_call("sock_bind", &[fd, addr]).unwrap_err(), Errno::Acces);
    let [iovs, count] = guest.iovecs(&[(DATA, 4)]);
    assert_eq!(
        guest.try_call("sock_send_to", &[fd, iovs, count, 0, addr, RESULT]).unwrap_err(),
        Errno::Acces
    );
    let mut none = Guest::new(&WasiBuilder::new());
    let fd = open(&mut none, 0, 1);
    let addr = put_addr(&mut none, [127, 0, 0, 1], 1);
    assert_eq!(none.try_call("sock_connect", &[fd, addr]).unwrap_err(), Errno::Acces);
    guest.put(PATH2, b"example.org\0");
    guest.put(PATH2 + 100, b"80\0");
    let args = [PATH2, PATH2 + 100, PATH2 + 200, DATA, 4, RESULT];
    assert_eq!(guest.try_call("sock_addr_resolve", &args).unwrap_err(), Errno::Acces);
}

#[test]
fn names_resolve_to_addresses_with_ports() {
    let mut guest = networked();
    guest.put(PATH2, b"localhost\0");
    guest.put(PATH2 + 100, b"8080\0");
    // Streams over IPv4 only.
    guest.put(PATH2 + 200, &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    guest.try_call("sock_addr_resolve", &[PATH2, PATH2 + 100, PATH2 + 200, DATA, 4, RESULT]).unwrap();
    assert!(guest.u32(RESULT) >= 1);
    assert_eq!(
        (guest.u32(DATA), guest.get(DATA + 4, 4), guest.u16(DATA + 8)),
        (0, &[127, 0, 0, 1][..], 8080)
    );
    assert_eq!(guest.u32(DATA + 24), 1);
}

#[test]
fn time_outs_end_waits() {
    let (mut guest, fd, _peer) = connected();
    guest.try_call("sock_set_recv_timeout", &[fd, 30_000]).unwrap();
    guest.try_call("sock_get_recv_timeout", &[fd, RESULT]).unwrap();
    assert_eq!(guest.u64(RESULT), 30_000);
    let start = Instant::now();
    assert_eq!(recv(&mut guest, fd, 1, 0).unwrap_err(), Errno::Again);
    assert!(start.elapsed() >= Duration::from_millis(29));
    guest.try_call("sock_set_send_timeout", &[fd, 7]).unwrap();
    guest.try_call("sock_get_send_timeout", &[fd, RESULT]).unwrap();
    assert_eq!(guest.u64(RESULT), 7);
}

#[test]
fn options_are_set_and_read_back() {
    let mut guest = networked();
    let (tcp, udp, v6) = (open(&mut guest, 0, 1), open(&mut guest, 0, 0), open(&mut guest, 1, 1));
    for (option, fd) in [
        ("broadcast", udp),
        ("keep_alive", tcp),
        ("reuse_addr", tcp),
        ("reuse_port", tcp),
        ("tcp_no_delay", tcp),
        ("tcp_fastopen_connect", tcp),
        ("ipv6_only", v6),
    ] {
        for on in [1, 0, 1] {
            guest.try_call(&format!("sock_set_{option}"), &[fd, on]).unwrap();
            guest.put(RESULT, &[9]);
            guest.try_call(&format!("sock_get_{option}"), &[fd, RESULT]).unwrap();
            assert_eq!(u64::from(guest.get(RESULT, 1)[0]), on, "{option}");
        }
    }
    guest.try_call("sock_set_tcp_quick_ack", &[tcp, 1]).unwrap();
    guest.try_call("sock_get_tcp_quick_ack", &[tcp, RESULT]).unwrap();
    assert_eq!(guest.get(RESULT, 1)[0], 1);
    for (option, fd, value) in [
        ("tcp_keep_idle", tcp, 77),
        ("tcp_keep_intvl", tcp, 88),
        ("ip_ttl", tcp, 33),
        ("ip_multicast_ttl", udp, 5),
    ] {
        guest.put(RESULT, &[0; 4]);
        guest.try_call(&format!("sock_set_{option}"), &[fd, value]).unwrap();
        guest.try_call(&format!("sock_get_{option}"), &[fd, RESULT]).unwrap();
        assert_eq!(u64::from(guest.u32(RESULT)), value, "{option}");
    }
    for option in ["recv_buf_size", "send_buf_size"] {
        guest.try_call(&format!("sock_set_{option}"), &[tcp, 20_000]).unwrap();
        guest.try_call(&format!("sock_get_{option}"), &[tcp, RESULT]).unwrap();
        assert!(guest.u32(RESULT) >= 20_000, "{option}: the kernel may give more");
    }
    for (enabled, seconds) in [(1, 12), (0, 0)] {
        guest.try_call("sock_set_linger", &[tcp, enabled, 12]).unwrap();
        guest.try_call("sock_get_linger", &[tcp, RESULT, RESULT + 4]).unwrap();
        assert_eq!((u64::from(guest.get(RESULT, 1)[0]), guest.u32(RESULT + 4)), (enabled, seconds));
    }
    for (fd, ipv6) in [(udp, 0), (v6, 1)] {
        for on in [0, 1] {
            guest.try_call("sock_set_ip_multicast_loop", &[fd, ipv6, on]).unwrap();
            guest.try_call("sock_get_ip_multicast_loop", &[fd, ipv6, RESULT]).unwrap();
            assert_eq!(u64::from(guest.get(RESULT, 1)[0]), on);
        }
    }
}

#[test]
fn multicast_groups_are_joined_and_left() {
    let mut guest = networked();
    let udp = open(&mut guest, 0, 0);
    let loopback = u64::from(u32::from_le_bytes([127, 0, 0, 1]));
    let mut group = [0; 20];
    group[4..8].copy_from_slice(&[224, 0, 0, 251]);
    guest.put(PATH, &group);
    guest.try_call("sock_set_ip_add_membership", &[udp, PATH, loopback]).unwrap();
    assert_eq!(
        guest.try_call("sock_set_ip_add_membership", &[udp, PATH, loopback]).unwrap_err(),
        Errno::AddrInUse
    );
    guest.try_call("sock_set_ip_drop_membership", &[udp, PATH, loopback]).unwrap();
    assert_eq!(
        guest.try_call("sock_set_ip_drop_membership", &[udp, PATH, loopback]).unwrap_err(),
        Errno::AddrNotAvail
    );
    guest.put(PATH + 4, &[10, 0, 0, 1]);
    assert_eq!(
        guest.try_call("sock_set_ip_add_membership", &[udp, PATH, loopback]).unwrap_err(),
        Errno::Inval
    );
}

#[test]
fn what_is_no_socket_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let file = guest.open("f", CREAT, FILE, 0).unwrap();
    assert_eq!(send(&mut guest, file, b"x").unwrap_err(), Errno::NotSock);
    assert_eq!(guest.try_call("sock_shutdown", &[file, 1]).unwrap_err(), Errno::NotSock);
    assert_eq!(guest.try_call("sock_accept", &[file, 0, RESULT]).unwrap_err(), Errno::NotSock);
    assert_eq!(guest.try_call("sock_close", &[file]).unwrap_err(), Errno::NoSys);
    assert_eq!(guest.try_call("sock_open", &[0, 9, 1, RESULT]).unwrap_err(), Errno::AfNoSupport);
    assert_eq!(guest.try_call("sock_open", &[0, 0, 9, RESULT]).unwrap_err(), Errno::Inval);
}

#[test]
fn a_connect_that_fails_says_why() {
    let mut guest = networked();
    let fd = open(&mut guest, 0, 1);
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let addr = put_addr(&mut guest, [127, 0, 0, 1], unused);
    assert_eq!(guest.try_call("sock_connect", &[fd, addr]).unwrap_err(), Errno::ConnRefused);
    assert_eq!(guest.try_call("sock_addr_remote", &[fd, RESULT]).unwrap_err(), Errno::NotConn);
}

#[test]
fn a_socket_given_as_a_stream_works_and_an_own_one_stops_a_checkpoint() {
    let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(one));
    let mut guest = Guest::new(&builder);
    other.write_all(b"in").unwrap();
    assert_eq!(recv(&mut guest, 0, 10, 0).unwrap().0, b"in");
    send(&mut guest, 0, b"out").unwrap();
    let mut bytes = [0; 3];
    other.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"out");
    guest.ctx.save().unwrap();
    let fd = open(&mut guest, 0, 1);
    let error = guest.ctx.save().unwrap_err().to_string();
    assert_eq!(error, format!("descriptor {fd} is a socket, which an image cannot hold"));
    guest.close(fd).unwrap();
    guest.ctx.save().unwrap();
}

/// A guest whose standard input is this socket.
fn given(socket: impl Into<OwnedFd>) -> Guest {
    let mut builder = WasiBuilder::new();
    builder.address_pool("127.0.0.0/8");
    with_stdin(&mut builder, socket.into());
    Guest::new(&builder)
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

#[test]
fn a_stream_that_is_a_socket_can_be_shut_down_as_others() {
    let unix = || {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        (OwnedFd::from(one), Box::new(other) as Box<dyn Io>)
    };
    let tcp = || {
        let (one, other) = pair();
        (OwnedFd::from(one), Box::new(other) as Box<dyn Io>)
    };
    trait Io: Read + Write {}
    impl<T: Read + Write> Io for T {}
    for (socket, mut other) in [unix(), tcp()] {
        let mut guest = given(socket);
        guest.ctx.save().unwrap();
        assert_eq!(guest.try_call("sock_shutdown", &[0, 0]).unwrap_err(), Errno::Inval);
        assert_eq!(guest.try_call("sock_shutdown", &[0, 4]).unwrap_err(), Errno::Inval);
        guest.ctx.save().unwrap();
        send(&mut guest, 0, b"last").unwrap();
        guest.try_call("sock_shutdown", &[0, 2]).unwrap();
        let mut rest = String::new();
        other.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "last", "and then its end");
        assert_eq!(send(&mut guest, 0, b"x").unwrap_err(), Errno::Pipe);
        assert_eq!(guest.write(0, b"x").unwrap_err(), Errno::Pipe);
        other.write_all(b"still read").unwrap();
        assert_eq!(guest.read(0, 20).unwrap(), b"still read");
        guest.try_call("sock_shutdown", &[0, 1]).unwrap();
        assert_eq!((guest.read(0, 20).unwrap(), recv(&mut guest, 0, 4, 0).unwrap().0), (vec![], vec![]));
        guest.try_call("sock_shutdown", &[0, 3]).unwrap();
        // Another process's stream would not be shut down.
        let error = guest.ctx.save().unwrap_err().to_string();
        assert!(error.contains("descriptor 0 is a standard stream, and the program has changed"), "{error}");
        guest.close(0).unwrap();
        guest.ctx.save().unwrap();
    }
    // What is no connection says so; what is no socket says that, though preview 1 has no other type for it.
    let mut guest = given(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    assert_eq!(guest.try_call("sock_addr_remote", &[0, RESULT]).unwrap_err(), Errno::NotConn);
    let mut guest = given(UdpSocket::bind("127.0.0.1:0").unwrap());
    assert_eq!(guest.try_call("sock_shutdown", &[0, 2]).unwrap_err(), Errno::NotConn);
    guest.ctx.save().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut guest = given(reader);
    assert_eq!(guest.try_call("sock_shutdown", &[0, 1]).unwrap_err(), Errno::NotSock);
}

#[test]
fn the_other_functions_take_a_stream_that_is_a_socket() {
    let (one, mut other) = pair();
    let (here, there) = (one.local_addr().unwrap().port(), one.peer_addr().unwrap().port());
    let mut guest = given(one);
    assert_eq!((port(&mut guest, 0, "local"), port(&mut guest, 0, "remote")), (here, there));
    other.write_all(b"abc").unwrap();
    let [iovs, count] = guest.iovecs(&[(DATA, 2)]);
    guest.try_call("sock_recv_from", &[0, iovs, count, 0, RESULT, RESULT + 32]).unwrap();
    assert_eq!((guest.u32(RESULT + 32), guest.u16(RESULT + 8)), (2, there));
    assert_eq!(recv(&mut guest, 0, 9, 1).unwrap().0, b"c", "peeked");
    assert_eq!(recv(&mut guest, 0, 9, 0).unwrap().0, b"c");
    // To look at options changes nothing.
    guest.try_call("sock_get_tcp_no_delay", &[0, RESULT]).unwrap();
    guest.ctx.save().unwrap();
    guest.try_call("sock_set_recv_timeout", &[0, 20_000]).unwrap();
    assert_eq!(recv(&mut guest, 0, 9, 0).unwrap_err(), Errno::Again);
    assert!(guest.ctx.save().unwrap_err().to_string().contains("has changed the socket"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut guest = given(listener);
    guest.try_call("sock_accept", &[0, 0, RESULT]).unwrap();
    let fd = u64::from(guest.u32(RESULT));
    send(&mut guest, fd, b"hello").unwrap();
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    guest.close(fd).unwrap();
    guest.ctx.save().unwrap();
    guest.try_call("sock_listen", &[0, 5]).unwrap();
    assert!(guest.ctx.save().unwrap_err().to_string().contains("has changed the socket"));

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut guest = given(UdpSocket::bind("127.0.0.1:0").unwrap());
    let addr = put_addr(&mut guest, [127, 0, 0, 1], socket.local_addr().unwrap().port());
    guest.put(DATA, b"datagram");
    let [iovs, count] = guest.iovecs(&[(DATA, 8)]);
    guest.try_call("sock_send_to", &[0, iovs, count, 0, addr, RESULT]).unwrap();
    let mut bytes = [0; 20];
    assert_eq!(socket.recv(&mut bytes).unwrap(), 8);
    guest.ctx.save().unwrap();
    guest.try_call("sock_connect", &[0, addr]).unwrap();
    assert!(guest.ctx.save().unwrap_err().to_string().contains("has changed the socket"));
}
