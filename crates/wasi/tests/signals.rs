//! What a guest does must not end its host by a signal. A program of its own: here signals have their default action.
#![allow(missing_docs)]
mod common;
use common::*;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use wayfarer_wasi::{Errno, WasiBuilder};

/// What is the process's is used by one test at a time.
static PROCESS: Mutex<()> = Mutex::new(());

/// With the default action, as in a C host: Rust programs start with SIGPIPE ignored.
fn deadly_signals() -> std::sync::MutexGuard<'static, ()> {
    let guard = PROCESS.lock().unwrap_or_else(|e| e.into_inner());
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: the default action is no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    guard
}

/// What this thread blocks, and what is pending.
fn signals() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ")).collect()
}

#[test]
fn a_pipe_that_nobody_reads_is_an_error() {
    let _guard = deadly_signals();
    let before = signals();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut builder = builder_in(dir.path());
    with_stdout(&mut builder, OwnedFd::from(writer));
    let mut guest = Guest::new(&builder);
    let mut fifo = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut fifo, libc::O_NONBLOCK);
    let reading = fifo.read(true).open(&path).unwrap();
    let fd = guest.open("fifo", 0, WRITE, 0).unwrap();
    guest.write(fd, b"x").unwrap();
    drop((reading, reader));
    for fd in [fd, 1] {
        for _ in 0..2 {
            assert_eq!(guest.write(fd, b"y").unwrap_err(), Errno::Pipe);
        }
    }
    assert_eq!(signals(), before);
}

#[test]
fn a_pipe_that_is_closed_in_the_middle_of_a_write_gives_what_was_written() {
    let _guard = deadly_signals();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdout(&mut builder, OwnedFd::from(writer));
    let mut guest = Guest::new(&builder);
    let reading = std::thread::spawn(move || {
        reader.read_exact(&mut [0; 100_000]).unwrap();
        drop(reader);
    });
    let wrote = guest.write(1, &[1; 500_000]).unwrap();
    assert!((100_000..500_000).contains(&wrote), "{wrote}");
    assert_eq!(guest.write(1, b"x").unwrap_err(), Errno::Pipe);
    reading.join().unwrap();
}

#[test]
fn a_socket_that_was_shut_down_is_an_error() {
    let _guard = deadly_signals();
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdout(&mut builder, OwnedFd::from(one));
    let mut guest = Guest::new(&builder);
    guest.write(1, b"x").unwrap();
    guest.try_call("sock_shutdown", &[1, 2]).unwrap();
    assert_eq!(guest.write(1, b"y").unwrap_err(), Errno::Pipe);
    let [iovs, count] = guest.iovecs(&[(DATA, 1)]);
    assert_eq!(guest.try_call("sock_send", &[1, iovs, count, 0, RESULT]).unwrap_err(), Errno::Pipe);
    drop(other);
    assert_eq!(guest.write(1, b"y").unwrap_err(), Errno::Pipe);
}

#[test]
fn a_signal_that_the_host_blocks_and_waits_for_stays_its_own() {
    let _guard = deadly_signals();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdout(&mut builder, OwnedFd::from(writer));
    let mut guest = Guest::new(&builder);
    drop(reader);
    // SAFETY: all-zero is a valid set, and pointers are to locals. The signal is blocked before it is sent to this
    // thread, and taken before it is unblocked.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::pthread_kill(libc::pthread_self(), libc::SIGPIPE);
        assert_eq!(guest.write(1, b"y").unwrap_err(), Errno::Pipe);
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        assert_eq!(libc::sigtimedwait(&set, std::ptr::null_mut(), &zero), libc::SIGPIPE, "still pending");
        assert_eq!(guest.write(1, b"y").unwrap_err(), Errno::Pipe);
        assert_eq!(libc::sigtimedwait(&set, std::ptr::null_mut(), &zero), -1, "the guest's is not");
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}

#[test]
fn a_file_that_would_grow_beyond_the_limit_is_an_error() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let _guard = deadly_signals();
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(10), maximum: before.maximum }).unwrap();
    let wrote = guest.write(fd, b"0123456789ab");
    let more = guest.write(fd, b"x");
    let [iovs, count] = guest.iovecs(&[(DATA, 1)]);
    let at = guest.try_call("fd_pwrite", &[fd, iovs, count, 10, RESULT]);
    let size = guest.try_call("fd_filestat_set_size", &[fd, 11]);
    let allocated = guest.try_call("fd_allocate", &[fd, 0, 11]);
    setrlimit(Resource::Fsize, before).unwrap();
    assert_eq!(wrote.unwrap(), 10);
    for failed in [more.map(drop), at, size, allocated] {
        assert_eq!(failed.unwrap_err(), Errno::FBig);
    }
}
