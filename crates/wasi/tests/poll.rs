//! `poll_oneoff`, streams that wait, and interrupts.
#![allow(missing_docs)]
mod common;
use common::*;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use wayfarer_wasi::{Errno, Outcome, WasiBuilder};

const MS: u64 = 1_000_000;
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

fn clock(userdata: u64, id: u32, timeout: u64, absolute: bool) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[16..20].copy_from_slice(&id.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40] = absolute.into();
    bytes
}

fn fd(userdata: u64, kind: u8, fd: u32) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[8] = kind;
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes
}

fn arguments(guest: &mut Guest, subscriptions: &[[u8; 48]]) -> [u64; 4] {
    guest.put(PATH, subscriptions.as_flattened());
    [PATH, DATA, subscriptions.len() as u64, RESULT]
}

/// User data, error, kind, bytes and flags of each event.
fn events(guest: &Guest) -> Vec<(u64, u16, u8, u64, u16)> {
    (0..u64::from(guest.u32(RESULT)))
        .map(|i| {
            let at = DATA + 32 * i;
            (
                guest.u64(at),
                guest.u16(at + 8),
                guest.get(at + 10, 1)[0],
                guest.u64(at + 16),
                guest.u16(at + 24),
            )
        })
        .collect()
}

fn poll(guest: &mut Guest, subscriptions: &[[u8; 48]]) -> Vec<(u64, u16, u8, u64, u16)> {
    let args = arguments(guest, subscriptions);
    guest.try_call("poll_oneoff", &args).unwrap();
    events(guest)
}

/// Tries what a busy machine may be too slow for until it is done in time; five times.
fn in_time(mut attempt: impl FnMut() -> std::result::Result<(), String>) {
    let slow: Vec<_> = (0..5).map_while(|_| attempt().err()).collect();
    assert!(slow.len() < 5, "{slow:?}");
}

fn now(guest: &mut Guest, id: u32) -> u64 {
    guest.try_call("clock_time_get", &[id.into(), 0, RESULT]).unwrap();
    guest.u64(RESULT)
}

#[test]
fn clocks_wait_as_long_as_they_say() {
    let mut guest = Guest::new(&WasiBuilder::new());
    for id in [REALTIME, MONOTONIC] {
        for absolute in [false, true] {
            let base = if absolute { now(&mut guest, id) } else { 0 };
            let start = Instant::now();
            let events = poll(&mut guest, &[clock(7, id, base + 30 * MS, absolute)]);
            assert_eq!(events, [(7, 0, 0, 0, 0)]);
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(29) && took < Duration::from_secs(5), "{took:?}");
        }
    }
    let start = Instant::now();
    assert_eq!(
        poll(&mut guest, &[clock(1, MONOTONIC, 1, true), clock(2, MONOTONIC, 1 << 60, false)]).len(),
        1
    );
    assert_eq!(poll(&mut guest, &[clock(1, MONOTONIC, 0, false), clock(2, REALTIME, 0, false)]).len(), 2);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_first_of_several_events_ends_the_wait() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    let both = [clock(1, MONOTONIC, 20 * MS, false), fd(2, 1, 0)];
    assert_eq!(poll(&mut guest, &both), [(1, 0, 0, 0, 0)], "nothing to read");
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        writer.write_all(b"abc").unwrap();
        writer
    });
    let long = [clock(1, MONOTONIC, 60_000 * MS, false), fd(2, 1, 0)];
    assert_eq!(poll(&mut guest, &long), [(2, 0, 1, 3, 0)]);
    drop(thread.join().unwrap());
    assert_eq!(poll(&mut guest, &long), [(2, 0, 1, 3, 1)], "hung up, with bytes left");
    assert_eq!(guest.read(0, 10).unwrap(), b"abc");
    assert_eq!(poll(&mut guest, &long), [(2, 0, 1, 0, 1)]);
    assert_eq!(guest.read(0, 10).unwrap(), b"");
}

#[test]
fn files_are_always_ready_and_errors_are_events() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "12345");
    let mut guest = Guest::in_dir(dir.path());
    let file = guest.open("f", 0, FILE, 0).unwrap();
    guest.seek(file, 2, 0).unwrap();
    let file = file as u32;
    assert_eq!(poll(&mut guest, &[fd(1, 1, file), fd(2, 2, file)]), [(1, 0, 1, 3, 0), (2, 0, 2, 0, 0)]);
    let events =
        poll(&mut guest, &[fd(1, 1, 99), clock(2, 9, 0, false), clock(3, MONOTONIC, 1 << 60, false)]);
    assert_eq!(events, [(1, Errno::BadF as u16, 1, 0, 0), (2, Errno::Inval as u16, 0, 0, 0)]);
    let bare = guest.open("f", 0, READ, 0).unwrap() as u32;
    assert_eq!(poll(&mut guest, &[fd(1, 1, bare)]), [(1, Errno::NotCapable as u16, 1, 0, 0)]);
    assert_eq!(guest.try_call("poll_oneoff", &[PATH, DATA, 0, RESULT]).unwrap_err(), Errno::Inval);
    let mut bad = fd(1, 3, 0);
    assert_eq!(bad.len(), 48);
    bad[8] = 3;
    let args = arguments(&mut guest, &[bad]);
    assert_eq!(guest.try_call("poll_oneoff", &args).unwrap_err(), Errno::Inval);
    let trap = Outcome::Trap("out of bounds memory access".into());
    assert_eq!(guest.call("poll_oneoff", &[PATH, DATA, 1 << 15, RESULT]), trap);
}

#[test]
fn an_interrupted_sleep_goes_on_for_the_rest_of_its_time() {
    let mut guest = Guest::new(&WasiBuilder::new());
    let request = Request::new();
    let args = arguments(&mut guest, &[clock(5, MONOTONIC, 400 * MS, false)]);
    in_time(|| {
        let start = Instant::now();
        for _ in 0..3 {
            let served = std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(30));
                    request.raise();
                });
                guest.interruptible("poll_oneoff", &args, &request)
            });
            request.clear();
            if served == Outcome::Errno(0) {
                return Err("the sleep was over before it was interrupted".into());
            }
            assert_eq!(served, Outcome::Interrupted);
        }
        assert_eq!(guest.interruptible("poll_oneoff", &args, &request), Outcome::Errno(0));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(399), "{took:?}");
        assert_eq!(events(&guest), [(5, 0, 0, 0, 0)]);
        // The next sleep is a new one.
        let start = Instant::now();
        assert_eq!(guest.interruptible("poll_oneoff", &args, &request), Outcome::Errno(0));
        assert!(start.elapsed() >= Duration::from_millis(399));
        // Interrupted three times, each time after 30 ms: it did not begin again.
        if took < Duration::from_millis(480) { Ok(()) } else { Err(format!("{took:?}")) }
    });
}

#[test]
fn a_sleep_that_was_ended_is_not_taken_up() {
    let mut guest = Guest::new(&quiet());
    let request = Request::new();
    request.raise();
    let args = arguments(&mut guest, &[clock(5, MONOTONIC, 200 * MS, false)]);
    let sleep = |guest: &mut Guest| {
        let start = Instant::now();
        assert_eq!(guest.call("poll_oneoff", &args), Outcome::Errno(0));
        start.elapsed()
    };
    // Terminated, say: the call from the host has ended.
    assert_eq!(guest.interruptible("poll_oneoff", &args, &request), Outcome::Interrupted);
    std::thread::sleep(Duration::from_millis(250));
    wayfarer_wasi::call_ended();
    assert!(sleep(&mut guest) >= Duration::from_millis(199));
    // Given up: the thread does something else.
    assert_eq!(guest.interruptible("poll_oneoff", &args, &request), Outcome::Interrupted);
    std::thread::sleep(Duration::from_millis(250));
    now(&mut guest, MONOTONIC);
    assert!(sleep(&mut guest) >= Duration::from_millis(199));
}

#[test]
fn a_sleep_whose_time_is_over_ends_before_a_request_is_served() {
    let mut guest = Guest::new(&WasiBuilder::new());
    let request = Request::new();
    let args = arguments(&mut guest, &[clock(5, MONOTONIC, 50 * MS, false)]);
    request.raise();
    let start = Instant::now();
    // Requests faster than they are served: the guest gets nowhere but to this call.
    while guest.interruptible("poll_oneoff", &args, &request) == Outcome::Interrupted {
        assert!(start.elapsed() < Duration::from_secs(20), "the sleep does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(events(&guest), [(5, 0, 0, 0, 0)]);
    assert!(start.elapsed() >= Duration::from_millis(49));
}

#[test]
fn an_interrupted_sleep_goes_on_in_another_process() {
    in_time(|| {
        let mut first = Guest::new(&quiet());
        let request = Request::new();
        request.raise();
        let args = arguments(&mut first, &[clock(5, MONOTONIC, 600 * MS, false)]);
        let start = Instant::now();
        assert_eq!(first.interruptible("poll_oneoff", &args, &request), Outcome::Interrupted);
        std::thread::sleep(Duration::from_millis(300));
        let image = first.ctx.save().unwrap();
        drop(first);
        let mut second = Guest::new(&quiet());
        second.ctx.restore(&image).unwrap();
        let args = arguments(&mut second, &[clock(5, MONOTONIC, 600 * MS, false)]);
        assert_eq!(second.call("poll_oneoff", &args), Outcome::Errno(0));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(599), "{took:?}");
        if took < Duration::from_millis(890) { Ok(()) } else { Err(format!("{took:?}")) }
    });
}

#[test]
fn a_read_that_waits_is_interrupted_and_made_again() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    let request = Request::new();
    let [iovs, count] = guest.iovecs(&[(DATA, 10)]);
    let args = [0, iovs, count, RESULT];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            request.raise();
        });
        assert_eq!(guest.interruptible("fd_read", &args, &request), Outcome::Interrupted);
    });
    writer.write_all(b"late").unwrap();
    // Data that is there comes before the request.
    assert_eq!(guest.interruptible("fd_read", &args, &request), Outcome::Errno(0));
    assert_eq!(guest.get(DATA, guest.u32(RESULT) as usize), b"late");
    assert_eq!(guest.interruptible("fd_read", &args, &request), Outcome::Interrupted);
}

#[test]
fn a_non_blocking_stream_says_again() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    guest.try_call("fd_fdstat_set_flags", &[0, NONBLOCK]).unwrap();
    assert_eq!(guest.fdstat(0).unwrap().1, NONBLOCK as u16);
    assert_eq!(guest.read(0, 5).unwrap_err(), Errno::Again);
    writer.write_all(b"x").unwrap();
    assert_eq!(guest.read(0, 5).unwrap(), b"x");
    guest.try_call("fd_fdstat_set_flags", &[0, 0]).unwrap();
    drop(writer);
    assert_eq!(guest.read(0, 5).unwrap(), b"");
}

#[test]
fn a_stream_has_no_position() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    assert_eq!(guest.seek(0, 0, 0).unwrap_err(), Errno::SPipe);
    assert_eq!(guest.tell(0).unwrap_err(), Errno::SPipe);
    let [iovs, count] = guest.iovecs(&[(DATA, 1)]);
    assert_eq!(guest.try_call("fd_pread", &[0, iovs, count, 0, RESULT]).unwrap_err(), Errno::SPipe);
    assert_eq!(guest.write(0, b"x").unwrap_err(), Errno::NotCapable, "the reading end");
}

#[test]
fn threads_share_a_context_and_closing_does_not_disturb_a_read() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "file");
    let mut builder = builder_in(dir.path());
    with_stdin(&mut builder, OwnedFd::from(reader));
    let Guest { ctx, .. } = Guest::new(&builder);
    let call = |memory: &mut [u8], name: &str, args: &[u64]| {
        let function = wayfarer_wasi::WasiFunction::find(name).unwrap();
        let memory = wayfarer_guest::GuestMemory::from_slice(memory);
        (function.call)(&ctx, &memory, &wayfarer_guest::NoInterrupt, args)
    };
    let iovec = [16, 0, 0, 0, 10, 0, 0, 0];
    let (say, heard) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut memory = [0; 64];
            memory[..8].copy_from_slice(&iovec);
            say.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
            assert_eq!(call(&mut memory, "fd_read", &[0, 0, 1, 8]), Outcome::Errno(0));
            memory[16..16 + memory[8] as usize].to_vec()
        });
        let stat = format!("/proc/self/task/{}/stat", heard.recv().unwrap());
        let sleeps = || std::fs::read_to_string(&stat).unwrap().contains(") S ");
        while !(sleeps() && {
            std::thread::sleep(Duration::from_millis(20));
            sleeps()
        }) {}
        let mut memory = [0; 64];
        assert_eq!(call(&mut memory, "fd_close", &[0]), Outcome::Errno(0));
        memory[..1].copy_from_slice(b"f");
        assert_eq!(call(&mut memory, "path_open", &[3, 0, 0, 1, 0, READ, 0, 0, 32]), Outcome::Errno(0));
        assert_eq!(memory[32], 0, "the number is free while the read goes on");
        writer.write_all(b"pipe").unwrap();
        assert_eq!(reading.join().unwrap(), b"pipe");
        memory[..8].copy_from_slice(&iovec);
        assert_eq!(call(&mut memory, "fd_read", &[0, 0, 1, 8]), Outcome::Errno(0));
        assert_eq!(&memory[16..20], b"file");
    });
}

#[test]
fn a_named_pipe_opens_at_once_and_its_first_read_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    make_fifo(&path);
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("fifo", 0, READ_ONLY, 0).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(b"through").unwrap();
    });
    assert_eq!(guest.read(fd, 20).unwrap(), b"through");
    writer.join().unwrap();
    assert_eq!(guest.read(fd, 20).unwrap(), b"");
}

#[test]
fn a_named_pipe_for_writing_waits_for_a_reader_and_can_be_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    make_fifo(&path);
    let mut guest = Guest::in_dir(dir.path());
    assert_eq!(guest.open("fifo", 0, WRITE, NONBLOCK).unwrap_err(), Errno::NxIo);
    let request = Request::new();
    request.raise();
    let [at, len] = guest.path_at(PATH, "fifo");
    let args = [3, 0, at, len, 0, WRITE, 0, 0, RESULT];
    assert_eq!(guest.interruptible("path_open", &args, &request), Outcome::Interrupted);
    let reader = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_to_string(path).unwrap()
    });
    let fd = guest.open("fifo", 0, WRITE, 0).unwrap();
    guest.write(fd, b"through").unwrap();
    guest.close(fd).unwrap();
    assert_eq!(reader.join().unwrap(), "through");
}

#[test]
fn a_terminal_is_read_and_written_and_interrupted() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut master = std::fs::File::from(master);
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(terminal));
    let mut guest = Guest::new(&builder);
    let (filetype, _, rights, _) = guest.fdstat(0).unwrap();
    assert_eq!((filetype, rights & (SEEK | TELL)), (2, 0), "what isatty looks at");
    assert_eq!(guest.seek(0, 0, 1).unwrap_err(), Errno::SPipe);
    let request = Request::new();
    request.raise();
    let [iovs, count] = guest.iovecs(&[(DATA, 10)]);
    let args = [0, iovs, count, RESULT];
    for _ in 0..2 {
        assert_eq!(guest.interruptible("fd_read", &args, &request), Outcome::Interrupted);
    }
    master.write_all(b"line\n").unwrap();
    assert_eq!(guest.interruptible("fd_read", &args, &request), Outcome::Errno(0));
    assert_eq!(guest.get(DATA, guest.u32(RESULT) as usize), b"line\n");
    guest.write(0, b"out").unwrap();
    let mut echo = [0; 9];
    master.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"line\r\nout");
}

fn make_fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn the_hosts_streams_stay_open_whoever_closes_them() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    let given = i64::from(writer.as_raw_fd());
    // SAFETY: `writer` outlives the contexts.
    unsafe { builder.stdio(-1, given, given) };
    for _ in 0..2 {
        let mut guest = Guest::new(&builder);
        guest.write(1, b"bye").unwrap();
        guest.close(1).unwrap();
        guest.write(2, b", ").unwrap();
    }
    let mut plain = Guest::new(&WasiBuilder::new());
    plain.close(2).unwrap();
    drop(plain);
    assert!(rustix::fs::fstat(std::io::stderr()).is_ok());
    (&writer).write_all(b"host").unwrap();
    drop(writer);
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert_eq!(all, "bye, bye, host", "and then the end: nothing else holds the writing end");
}
