//! `fd_*` on regular files.
#![allow(missing_docs)]
mod common;
use common::*;
use std::os::unix::fs::MetadataExt;
use wayfarer_wasi::{Errno, Outcome};

in_each_back_end!();

fn sandbox() -> (tempfile::TempDir, Guest) {
    let dir = tempfile::tempdir().unwrap();
    let guest = Guest::in_dir(dir.path());
    (dir, guest)
}

#[test]
fn a_file_is_written_read_and_positioned() {
    let (_dir, mut guest) = sandbox();
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    assert_eq!(fd, 4, "lowest free number");
    assert_eq!(guest.write(fd, b"hello world").unwrap(), 11);
    assert_eq!(guest.tell(fd).unwrap(), 11);
    assert_eq!(guest.seek(fd, -5, 1).unwrap(), 6);
    assert_eq!(guest.read(fd, 100).unwrap(), b"world");
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    assert_eq!(guest.seek(fd, -11, 2).unwrap(), 0);
    assert_eq!(guest.seek(fd, 20, 0).unwrap(), 20);
    assert_eq!(guest.seek(fd, -1, 0).unwrap_err(), Errno::Inval);
    assert_eq!(guest.seek(fd, -21, 1).unwrap_err(), Errno::Inval);
    assert_eq!(guest.seek(fd, 0, 3).unwrap_err(), Errno::Inval);
    guest.close(fd).unwrap();
    assert_eq!(guest.read(fd, 1).unwrap_err(), Errno::BadF);
    assert_eq!(guest.close(fd).unwrap_err(), Errno::BadF);
    assert_eq!(guest.content("f"), "hello world");
}

#[test]
fn files_in_memory_are_not_on_the_host_and_hops_are_taken() {
    let (dir, mut guest) = sandbox();
    guest.make("f", "x");
    assert_eq!(dir.path().join("f").exists(), on_host());
    assert_eq!(guest.hopped > 0, hops());
}

#[test]
fn several_buffers_are_gathered_and_scattered() {
    let (_dir, mut guest) = sandbox();
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    guest.put(DATA, b"abcdef");
    let [iovs, count] = guest.iovecs(&[(DATA + 4, 2), (DATA, 0), (DATA, 3)]);
    guest.try_call("fd_write", &[fd, iovs, count, RESULT]).unwrap();
    assert_eq!(guest.u32(RESULT), 5);
    guest.seek(fd, 0, 0).unwrap();
    let [iovs, count] = guest.iovecs(&[(DATA + 100, 1), (DATA + 200, 10)]);
    guest.try_call("fd_read", &[fd, iovs, count, RESULT]).unwrap();
    assert_eq!(guest.u32(RESULT), 5);
    assert_eq!((guest.get(DATA + 100, 1), guest.get(DATA + 200, 4)), (&b"e"[..], &b"fabc"[..]));
    guest.try_call("fd_write", &[fd, iovs, 0, RESULT]).unwrap();
    assert_eq!(guest.u32(RESULT), 0);
}

#[test]
fn a_bad_buffer_traps_before_anything_is_written() {
    let (_dir, mut guest) = sandbox();
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    let end = guest.memory.len() as u64;
    let [iovs, count] = guest.iovecs(&[(DATA, 3), (end - 1, 2)]);
    let trap = Outcome::Trap("out of bounds memory access".into());
    assert_eq!(guest.call("fd_write", &[fd, iovs, count, RESULT]), trap);
    let [iovs, count] = guest.iovecs(&[(DATA, 3)]);
    assert_eq!(guest.call("fd_write", &[fd, iovs, count, end]), trap);
    assert_eq!(guest.call("fd_write", &[fd, end, 1, RESULT]), trap);
    assert_eq!(guest.content("f"), "");
}

#[test]
fn positioned_reads_and_writes_leave_the_position_alone() {
    let (_dir, mut guest) = sandbox();
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    guest.write(fd, b"0123456789").unwrap();
    guest.put(DATA, b"xy");
    let [iovs, count] = guest.iovecs(&[(DATA, 2)]);
    guest.try_call("fd_pwrite", &[fd, iovs, count, 4, RESULT]).unwrap();
    assert_eq!(guest.u32(RESULT), 2);
    let [iovs, count] = guest.iovecs(&[(DATA, 4)]);
    guest.try_call("fd_pread", &[fd, iovs, count, 3, RESULT]).unwrap();
    assert_eq!((guest.u32(RESULT), guest.get(DATA, 4)), (4, &b"3xy6"[..]));
    assert_eq!(guest.tell(fd).unwrap(), 10);
    assert_eq!(guest.try_call("fd_pread", &[fd, iovs, count, 1 << 63, RESULT]).unwrap_err(), Errno::Inval);
    assert_eq!(guest.content("f"), "0123xy6789");
}

#[test]
fn append_writes_at_the_end_and_can_be_switched() {
    let (_dir, mut guest) = sandbox();
    guest.make("f", "begin");
    let fd = guest.open("f", 0, FILE, APPEND).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().1, 1);
    guest.write(fd, b"+1").unwrap();
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"+2").unwrap();
    assert_eq!(guest.content("f"), "begin+1+2");
    guest.try_call("fd_fdstat_set_flags", &[fd, 0]).unwrap();
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"B").unwrap();
    guest.try_call("fd_fdstat_set_flags", &[fd, APPEND]).unwrap();
    guest.write(fd, b"E").unwrap();
    assert_eq!(guest.content("f"), "Begin+1+2E");
    assert_eq!(guest.try_call("fd_fdstat_set_flags", &[fd, 16]).unwrap_err(), Errno::NotSup);
    assert_eq!(guest.try_call("fd_fdstat_set_flags", &[fd, 32]).unwrap_err(), Errno::Inval);
}

#[test]
fn rights_are_checked_and_only_shrink() {
    let (_dir, mut guest) = sandbox();
    let fd = guest.open("f", CREAT, READ | WRITE | SEEK | TELL, 0).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap(), (4, 0, READ | WRITE | SEEK | TELL, 0));
    guest.write(fd, b"abc").unwrap();
    for (name, args) in [
        ("fd_filestat_get", &[fd, RESULT][..]),
        ("fd_filestat_set_size", &[fd, 0]),
        ("fd_filestat_set_times", &[fd, 0, 0, 0]),
        ("fd_sync", &[fd]),
        ("fd_datasync", &[fd]),
        ("fd_advise", &[fd, 0, 0, 0]),
        ("fd_allocate", &[fd, 0, 10]),
        ("fd_fdstat_set_flags", &[fd, 0]),
    ] {
        assert_eq!(guest.try_call(name, args).unwrap_err(), Errno::NotCapable, "{name}");
    }
    guest.try_call("fd_fdstat_set_rights", &[fd, SEEK | TELL, 0]).unwrap();
    assert_eq!(guest.read(fd, 1).unwrap_err(), Errno::NotCapable);
    assert_eq!(guest.write(fd, b"x").unwrap_err(), Errno::NotCapable);
    guest.seek(fd, 0, 0).unwrap();
    assert_eq!(
        guest.try_call("fd_fdstat_set_rights", &[fd, SEEK | TELL | READ, 0]).unwrap_err(),
        Errno::NotCapable
    );
    guest.try_call("fd_fdstat_set_rights", &[fd, TELL, 0]).unwrap();
    assert_eq!(guest.seek(fd, 0, 1).unwrap(), 0, "only asks");
    assert_eq!(guest.seek(fd, 0, 0).unwrap_err(), Errno::NotCapable);
    // A directory hands down what it may, no more.
    let (_, _, base, inheriting) = guest.fdstat(3).unwrap();
    guest.try_call("fd_fdstat_set_rights", &[3, base, inheriting & !WRITE]).unwrap();
    assert_eq!(guest.open("f", 0, FILE, 0).unwrap_err(), Errno::NotCapable);
    guest.open("f", 0, READ, 0).unwrap();
}

#[test]
fn a_file_opened_for_reading_only_cannot_be_written() {
    let (_dir, mut guest) = sandbox();
    guest.make("f", "x");
    let fd = guest.open("f", 0, READ, 0).unwrap();
    assert_eq!(guest.write(fd, b"y").unwrap_err(), Errno::NotCapable);
    let fd = guest.open("f", 0, WRITE, 0).unwrap();
    assert_eq!(guest.read(fd, 1).unwrap_err(), Errno::NotCapable);
}

#[test]
fn size_times_and_allocation_change_the_file() {
    let (dir, mut guest) = sandbox();
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    guest.try_call("fd_filestat_set_size", &[fd, 100]).unwrap();
    guest.try_call("fd_allocate", &[fd, 50, 150]).unwrap();
    guest.try_call("fd_allocate", &[fd, 0, 10]).unwrap();
    assert_eq!(guest.try_call("fd_allocate", &[fd, 0, 0]).unwrap_err(), Errno::Inval);
    assert_eq!(guest.try_call("fd_filestat_set_size", &[fd, 1 << 63]).unwrap_err(), Errno::Inval);
    guest.try_call("fd_filestat_set_times", &[fd, 1_500_000_000, 2_000_000_007, 1 | 4]).unwrap();
    guest.try_call("fd_filestat_get", &[fd, RESULT]).unwrap();
    if on_host() {
        let host = std::fs::metadata(dir.path().join("f")).unwrap();
        assert_eq!((guest.u64(RESULT), guest.u64(RESULT + 8)), (host.dev(), host.ino()));
    }
    assert_eq!((guest.get(RESULT + 16, 1)[0], guest.u64(RESULT + 24), guest.u64(RESULT + 32)), (4, 1, 200));
    assert_eq!((guest.u64(RESULT + 40), guest.u64(RESULT + 48)), (1_500_000_000, 2_000_000_007));
    assert_eq!(guest.try_call("fd_filestat_set_times", &[fd, 0, 0, 3]).unwrap_err(), Errno::Inval);
    guest.try_call("fd_filestat_set_times", &[fd, 0, 0, 8]).unwrap();
    guest.try_call("fd_filestat_get", &[fd, RESULT]).unwrap();
    assert!(guest.u64(RESULT + 48) > 1_600_000_000_000_000_000);
    guest.try_call("fd_sync", &[fd]).unwrap();
    guest.try_call("fd_datasync", &[fd]).unwrap();
    guest.try_call("fd_sync", &[3]).unwrap();
    for advice in 0..6 {
        guest.try_call("fd_advise", &[fd, 0, 0, advice]).unwrap();
    }
    assert_eq!(guest.try_call("fd_advise", &[fd, 0, 0, 6]).unwrap_err(), Errno::Inval);
    assert_eq!(guest.try_call("fd_advise", &[3, 0, 0, 0]).unwrap_err(), Errno::BadF);
}

#[test]
fn renumber_replaces_the_target_and_frees_the_source() {
    let (_dir, mut guest) = sandbox();
    guest.make("a", "A");
    guest.make("b", "B");
    let (a, b) = (guest.open("a", 0, READ, 0).unwrap(), guest.open("b", 0, READ, 0).unwrap());
    guest.try_call("fd_renumber", &[a, b]).unwrap();
    assert_eq!(guest.read(b, 1).unwrap(), b"A");
    assert_eq!(guest.read(a, 1).unwrap_err(), Errno::BadF);
    assert_eq!(guest.try_call("fd_renumber", &[b, a]).unwrap_err(), Errno::BadF);
    assert_eq!(guest.open("b", 0, READ, 0).unwrap(), a, "the number is free again");
}

#[test]
fn a_directory_is_no_file() {
    let (_dir, mut guest) = sandbox();
    let [iovs, count] = guest.iovecs(&[(DATA, 10)]);
    for (name, args) in [
        ("fd_read", &[3, iovs, count, RESULT][..]),
        ("fd_pread", &[3, iovs, count, 0, RESULT]),
        ("fd_write", &[3, iovs, count, RESULT]),
        ("fd_pwrite", &[3, iovs, count, 0, RESULT]),
        ("fd_seek", &[3, 0, 1, RESULT]),
        ("fd_tell", &[3, RESULT]),
        ("fd_allocate", &[3, 0, 1]),
        ("fd_filestat_set_size", &[3, 0]),
    ] {
        assert_eq!(guest.try_call(name, args).unwrap_err(), Errno::NotCapable, "{name}");
    }
    let fd = guest.open("f", CREAT, FILE, 0).unwrap();
    assert_eq!(guest.readdir(fd, 0, 100).unwrap_err(), Errno::NotCapable);
    assert_eq!(guest.open_at(fd, 0, "x", 0, READ, 0).unwrap_err(), Errno::NotDir);
}

#[test]
fn preopens_say_their_names() {
    let (_dir, mut guest) = sandbox();
    guest.put(RESULT, &[0xff; 8]);
    guest.try_call("fd_prestat_get", &[3, RESULT]).unwrap();
    assert_eq!((guest.get(RESULT, 1)[0], guest.u32(RESULT + 4)), (0, 1));
    guest.try_call("fd_prestat_dir_name", &[3, DATA, 5]).unwrap();
    assert_eq!(guest.get(DATA, 2), b"/\0");
    assert_eq!(guest.try_call("fd_prestat_dir_name", &[3, DATA, 0]).unwrap_err(), Errno::NameTooLong);
    assert_eq!(guest.try_call("fd_prestat_get", &[0, RESULT]).unwrap_err(), Errno::BadF);
    assert_eq!(guest.try_call("fd_prestat_get", &[4, RESULT]).unwrap_err(), Errno::BadF);
    guest.close(3).unwrap();
    assert_eq!(guest.try_call("fd_prestat_get", &[3, RESULT]).unwrap_err(), Errno::BadF);
}
