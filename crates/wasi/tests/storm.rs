//! Every call that waits, with requests that interrupt it as fast as they can: the guest gets what it gets when
//! nobody asks for anything. Whoever it waits for moves only once it has been interrupted.
#![allow(missing_docs)]
mod common;
use common::*;
use std::io::{PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wayfarer_wasi::{Errno, Outcome, WasiBuilder};

const A_MOMENT: Duration = Duration::from_millis(5);
const DONE: Outcome = Outcome::Errno(0);
const AGAIN: Outcome = Outcome::Errno(Errno::Again as u16);

/// Bytes of which no two places look the same.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect()
}

/// A guest with a pipe for standard output, and the pipe's other end.
fn with_pipe() -> (Guest, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdout(&mut builder, OwnedFd::from(writer));
    (Guest::new(&builder), reader)
}

/// Reads `len` bytes slowly.
fn read_slowly(mut reader: impl Read, len: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut chunk = vec![0; len / 20 + 1];
    while all.len() < len {
        sleep(A_MOMENT);
        let most = chunk.len().min(len - all.len());
        match reader.read(&mut chunk[..most]).unwrap() {
            0 => break,
            count => all.extend_from_slice(&chunk[..count]),
        }
    }
    all
}

fn networked() -> Guest {
    let mut builder = quiet();
    builder.address_pool("127.0.0.0/8");
    Guest::new(&builder)
}

fn open_socket(guest: &mut Guest, kind: u64) -> u64 {
    guest.try_call("sock_open", &[0, 0, kind, RESULT]).unwrap();
    guest.u32(RESULT).into()
}

/// An `addr` on this machine.
fn put_addr(guest: &mut Guest, port: u16) -> u64 {
    let mut bytes = [0; 24];
    bytes[4..8].copy_from_slice(&[127, 0, 0, 1]);
    bytes[8..10].copy_from_slice(&port.to_le_bytes());
    guest.put(PATH, &bytes);
    PATH
}

fn connected(guest: &mut Guest) -> (u64, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = open_socket(guest, 1);
    let addr = put_addr(guest, listener.local_addr().unwrap().port());
    guest.try_call("sock_connect", &[fd, addr]).unwrap();
    (fd, listener.accept().unwrap().0)
}

#[test]
fn writes_to_a_pipe_write_everything() {
    let (mut guest, reader) = with_pipe();
    let bytes = pattern(300_000);
    guest.put(DATA, &bytes);
    // In pieces whose bounds are no multiples of anything.
    let buffers: Vec<_> = (0..30).map(|i| (DATA + 10_000 * i, 10_000)).collect();
    let [iovs, count] = guest.iovecs(&buffers);
    let reading = Storm::rage(|storm| {
        let reading = storm.after_interrupts(move || read_slowly(reader, 600_000));
        for _ in 0..2 {
            let outcome = storm.call(&mut guest, "fd_write", &[1, iovs, count, RESULT]);
            assert_eq!((outcome, guest.u32(RESULT)), (DONE, 300_000));
        }
        reading
    });
    assert_eq!(reading.join().unwrap(), [&bytes[..], &bytes].concat());
}

#[test]
fn a_write_that_has_come_half_way_goes_on_in_another_process() {
    let (mut guest, mut reader) = with_pipe();
    let bytes = pattern(300_000);
    guest.put(DATA, &bytes);
    let [iovs, count] = guest.iovecs(&[(DATA, 100_000), (DATA + 100_000, 200_000)]);
    let args = [1, iovs, count, RESULT];
    let request = Request::new();
    request.raise();
    assert_eq!(guest.interruptible("fd_write", &args, &request), Outcome::Interrupted);
    let image = guest.ctx.save().unwrap();
    let described = wayfarer_wasi::describe_record(&image).unwrap()["interrupted_calls"][0].clone();
    let written = usize::try_from(described["transferred"].as_u64().unwrap()).unwrap();
    assert!(written > 0 && written < bytes.len(), "{described}");
    let mut first = vec![0; written];
    reader.read_exact(&mut first).unwrap();

    // Once to a pipe, and once to a file, which takes the rest at once.
    let (into_pipe, reader) = with_pipe();
    let reading = std::thread::spawn(move || read_slowly(reader, 300_000 - written));
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdout(&mut builder, OwnedFd::from(file.reopen().unwrap()));
    for mut restored in [into_pipe, Guest::new(&builder)] {
        restored.ctx.restore(&image).unwrap();
        restored.memory.clone_from(&guest.memory);
        assert_eq!(restored.call("fd_write", &args), DONE);
        assert_eq!(restored.u32(RESULT), 300_000, "the guest sees one write");
        assert_eq!(restored.write(1, b"").unwrap(), 0, "the next one is another");
    }
    for rest in [reading.join().unwrap(), std::fs::read(file.path()).unwrap()] {
        assert_eq!([&first[..], &rest].concat(), bytes);
    }
}

#[test]
fn reads_from_a_pipe_wait_for_bytes_or_the_end() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    let [iovs, count] = guest.iovecs(&[(DATA, 100)]);
    let mut all = Vec::new();
    Storm::rage(|storm| {
        let writing = storm.after_interrupts(move || {
            for byte in 0..20 {
                writer.write_all(&[byte]).unwrap();
                sleep(A_MOMENT);
            }
        });
        loop {
            assert_eq!(storm.call(&mut guest, "fd_read", &[0, iovs, count, RESULT]), DONE);
            match guest.u32(RESULT) {
                0 => break,
                read => all.extend_from_slice(guest.get(DATA, read as usize)),
            }
        }
        writing.join().unwrap();
    });
    assert_eq!(all, (0..20).collect::<Vec<u8>>());
}

#[test]
fn polls_wait_for_their_time_and_for_their_descriptors() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    let mut subscriptions = [0; 96];
    subscriptions[16..20].copy_from_slice(&1u32.to_le_bytes());
    subscriptions[24..32].copy_from_slice(&100_000_000u64.to_le_bytes());
    subscriptions[48 + 8] = 1;
    guest.put(PATH, &subscriptions);
    Storm::rage(|storm| {
        let start = Instant::now();
        let interrupted = storm.after_interrupts(|| ());
        let outcome = storm.call(&mut guest, "poll_oneoff", &[PATH, DATA, 2, RESULT]);
        assert_eq!((outcome, guest.u32(RESULT), guest.get(DATA + 10, 1)[0]), (DONE, 1, 0));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(99) && took < Duration::from_secs(20), "{took:?}");
        interrupted.join().unwrap();
        // A minute, unless there is something to read.
        guest.put(PATH + 24, &60_000_000_000u64.to_le_bytes());
        let writing = storm.after_interrupts(move || writer.write_all(b"x").unwrap());
        let outcome = storm.call(&mut guest, "poll_oneoff", &[PATH, DATA, 2, RESULT]);
        assert_eq!((outcome, guest.u32(RESULT), guest.get(DATA + 10, 1)[0]), (DONE, 1, 1));
        writing.join().unwrap();
    });
}

#[test]
fn a_socket_sends_everything_by_each_function() {
    let bytes = pattern(900_000);
    for name in ["fd_write", "sock_send", "sock_send_to"] {
        let mut guest = networked();
        let (fd, peer) = connected(&mut guest);
        guest.put(DATA, &bytes);
        let [iovs, count] = guest.iovecs(&[(DATA, 300_000), (DATA + 300_000, 600_000)]);
        let args = match name {
            "fd_write" => vec![fd, iovs, count, RESULT],
            "sock_send" => vec![fd, iovs, count, 0, RESULT],
            _ => vec![fd, iovs, count, 0, put_addr(&mut guest, peer.local_addr().unwrap().port()), RESULT],
        };
        // More than any buffer on the way holds.
        let total = 24 * bytes.len();
        let reading = Storm::rage(|storm| {
            let reading = storm.after_interrupts(move || read_slowly(peer, total));
            for _ in 0..24 {
                let outcome = storm.call(&mut guest, name, &args);
                assert_eq!((outcome, guest.u32(RESULT) as usize), (DONE, bytes.len()), "{name}");
            }
            reading
        });
        let received = reading.join().unwrap();
        assert!(received.len() == total && received.chunks(bytes.len()).all(|part| part == bytes), "{name}");
    }
}

#[test]
fn a_socket_receives_all_that_was_asked_for() {
    let mut guest = networked();
    let (fd, mut peer) = connected(&mut guest);
    let [iovs, count] = guest.iovecs(&[(DATA, 10), (DATA + 10, 10)]);
    Storm::rage(|storm| {
        let writing = storm.after_interrupts(move || {
            for byte in 0..45 {
                peer.write_all(&[byte]).unwrap();
                sleep(A_MOMENT);
            }
            peer
        });
        for (round, name) in ["sock_recv", "sock_recv_from"].into_iter().enumerate() {
            let outcome = storm.call(&mut guest, name, &[fd, iovs, count, 2, RESULT, RESULT + 32]);
            let length = if round == 0 { RESULT } else { RESULT + 32 };
            assert_eq!((outcome, guest.u32(length)), (DONE, 20), "{name} waits for all");
            let from = 20 * round as u8;
            assert_eq!(guest.get(DATA, 20), (from..from + 20).collect::<Vec<_>>(), "{name}");
        }
        // Without the flag what is there is enough, and the end is the end.
        let (mut all, mut args) = (Vec::new(), [fd, iovs, count, 0, RESULT, RESULT + 32]);
        while all.len() < 5 {
            assert_eq!(storm.call(&mut guest, "sock_recv", &args), DONE);
            assert!(guest.u32(RESULT) > 0);
            all.extend_from_slice(guest.get(DATA, guest.u32(RESULT) as usize));
        }
        assert_eq!(all, [40, 41, 42, 43, 44]);
        drop(writing.join().unwrap());
        args[3] = 2;
        assert_eq!((storm.call(&mut guest, "sock_recv", &args), guest.u32(RESULT)), (DONE, 0));
    });
}

#[test]
fn datagrams_are_waited_for() {
    let mut guest = networked();
    let socket = open_socket(&mut guest, 0);
    let addr = put_addr(&mut guest, 0);
    guest.try_call("sock_bind", &[socket, addr]).unwrap();
    guest.try_call("sock_addr_local", &[socket, RESULT]).unwrap();
    let port = guest.u16(RESULT + 8);
    let [iovs, count] = guest.iovecs(&[(DATA, 20)]);
    Storm::rage(|storm| {
        let sending = storm.after_interrupts(move || {
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"datagram", ("127.0.0.1", port)).unwrap();
        });
        let outcome =
            storm.call(&mut guest, "sock_recv_from", &[socket, iovs, count, 0, RESULT, RESULT + 32]);
        assert_eq!((outcome, guest.get(DATA, guest.u32(RESULT + 32) as usize)), (DONE, &b"datagram"[..]));
        sending.join().unwrap();
    });
}

#[test]
fn connections_are_accepted_and_made() {
    let mut guest = networked();
    let listener = open_socket(&mut guest, 1);
    let addr = put_addr(&mut guest, 0);
    guest.try_call("sock_bind", &[listener, addr]).unwrap();
    guest.try_call("sock_listen", &[listener, 1]).unwrap();
    guest.try_call("sock_addr_local", &[listener, RESULT]).unwrap();
    let port = guest.u16(RESULT + 8);
    Storm::rage(|storm| {
        let peer = storm.after_interrupts(move || TcpStream::connect(("127.0.0.1", port)).unwrap());
        assert_eq!(storm.call(&mut guest, "sock_accept", &[listener, 0, RESULT]), DONE);
        drop(peer.join().unwrap());
    });

    // One whose queue is full does not answer until there is room in it.
    let full =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&full, &any).unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let full = TcpListener::from(full);
    let place = full.local_addr().unwrap();
    let _first = TcpStream::connect(place).unwrap();
    let socket = open_socket(&mut guest, 1);
    let addr = put_addr(&mut guest, place.port());
    guest.try_call("sock_set_send_timeout", &[socket, 100_000]).unwrap();
    Storm::rage(|storm| {
        let start = Instant::now();
        let interrupted = storm.after_interrupts(|| ());
        let outcome = storm.call(&mut guest, "sock_connect", &[socket, addr]);
        assert_eq!(outcome, Outcome::Errno(Errno::InProgress as u16), "its time is up");
        assert!(start.elapsed() >= Duration::from_millis(99));
        interrupted.join().unwrap();
        guest.try_call("sock_set_send_timeout", &[socket, 0]).unwrap();
        let accepting = storm.after_interrupts(move || [full.accept().unwrap().0, full.accept().unwrap().0]);
        assert_eq!(storm.call(&mut guest, "sock_connect", &[socket, addr]), DONE);
        drop(accepting.join().unwrap());
    });
    assert_eq!(guest.try_call("sock_connect", &[socket, addr]).unwrap_err(), Errno::IsConn);
}

#[test]
fn time_outs_of_sockets_count_from_the_first_attempt() {
    let mut guest = networked();
    let (fd, peer) = connected(&mut guest);
    let listener = open_socket(&mut guest, 1);
    let addr = put_addr(&mut guest, 0);
    guest.try_call("sock_bind", &[listener, addr]).unwrap();
    guest.try_call("sock_listen", &[listener, 1]).unwrap();
    for socket in [fd, listener] {
        guest.try_call("sock_set_recv_timeout", &[socket, 100_000]).unwrap();
        guest.try_call("sock_set_send_timeout", &[socket, 100_000]).unwrap();
    }
    let size = 900_000;
    let [iovs, count] = guest.iovecs(&[(DATA, size)]);
    Storm::rage(|storm| {
        let mut timed = |name: &str, args: &[u64], expected: Outcome| {
            let start = Instant::now();
            let interrupted = storm.after_interrupts(|| ());
            let outcome = storm.call(&mut guest, name, args);
            let took = start.elapsed();
            assert_eq!(outcome, expected, "{name}");
            assert!(took >= Duration::from_millis(99) && took < Duration::from_secs(20), "{name}: {took:?}");
            interrupted.join().unwrap();
            guest.u32(RESULT)
        };
        timed("fd_read", &[fd, iovs, count, RESULT], AGAIN);
        timed("sock_recv", &[fd, iovs, count, 2, RESULT, RESULT + 32], AGAIN);
        timed("sock_accept", &[listener, 0, RESULT], AGAIN);
        (&peer).write_all(b"a part").unwrap();
        let received = timed("sock_recv", &[fd, iovs, count, 2, RESULT, RESULT + 32], DONE);
        assert_eq!(received, 6, "what came in time");
    });
    // Until nothing fits in any more: the last one sends a part, the one after it nothing.
    loop {
        let args = [fd, iovs, count, 0, RESULT];
        let outcome = Storm::rage(|storm| storm.call(&mut guest, "sock_send", &args));
        match outcome {
            DONE => assert!(guest.u32(RESULT) > 0),
            outcome => break assert_eq!(outcome, AGAIN),
        }
    }
}

#[test]
fn a_named_pipe_is_opened_when_somebody_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let [at, len] = guest.path_at(PATH, "fifo");
    let bytes = pattern(300_000);
    guest.put(DATA, &bytes);
    let [iovs, count] = guest.iovecs(&[(DATA, bytes.len() as u64)]);
    let reading = Storm::rage(|storm| {
        let reading = storm.after_interrupts(|| {
            let file = std::fs::File::open(path).unwrap();
            sleep(A_MOMENT);
            read_slowly(file, 300_000)
        });
        assert_eq!(storm.call(&mut guest, "path_open", &[3, 0, at, len, 0, WRITE, 0, 0, RESULT]), DONE);
        let fd = guest.u32(RESULT).into();
        assert_eq!(storm.call(&mut guest, "fd_write", &[fd, iovs, count, RESULT]), DONE);
        assert_eq!(guest.u32(RESULT) as usize, bytes.len());
        reading
    });
    assert_eq!(reading.join().unwrap(), bytes);
}
