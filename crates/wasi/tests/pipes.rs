//! Named pipes, and what is on its way to a guest, in checkpoints.
#![allow(missing_docs)]
mod common;
use common::*;
use std::io::{PipeReader, Read, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use wayfarer_guest::NoInterrupt;
use wayfarer_wasi::{ChannelEnd, Errno, Outcome, RestorePolicy, SavePolicy, WasiBuilder, describe_record};

fn make_fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn reader(path: &Path) -> std::fs::File {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

fn with_stdout(stdout: impl IntoRawFd) -> Guest {
    let mut builder = quiet();
    common::with_stdout(&mut builder, stdout);
    Guest::new(&builder)
}

fn with_stdin(stdin: impl IntoRawFd) -> Guest {
    let mut builder = quiet();
    common::with_stdin(&mut builder, stdin);
    Guest::new(&builder)
}

/// As members of a group do: each says which ends it has, and saves knowing the others'.
fn together(ends: Vec<ChannelEnd>) -> SavePolicy {
    SavePolicy { together: Some(ends.into()), ..SavePolicy::default() }
}

fn moved(guest: Guest, image: &[u8], builder: &WasiBuilder) -> Guest {
    drop(guest);
    let guest = Guest::new(builder);
    guest.ctx.restore(image).unwrap();
    guest
}

#[test]
fn both_ends_of_a_named_pipe_come_back_with_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    make_fifo(&dir.path().join("fifo"));
    let mut guest = Guest::new(&builder_on_host(dir.path()));
    let reading = guest.open("fifo", 0, READ, 0).unwrap();
    let writing = guest.open("fifo", 0, WRITE, APPEND).unwrap();
    let before: Vec<_> = [reading, writing].map(|fd| guest.fdstat(fd)).into();
    guest.write(writing, b"in the pipe").unwrap();
    let image = guest.ctx.save().unwrap();
    let described = describe_record(&image).unwrap();
    assert_eq!(described["in_flight"], serde_json::json!([{ "fds": [reading], "bytes": 11 }]));
    assert_eq!(described["descriptors"][4]["operations"][0]["path"], "fifo");
    let mut guest = moved(guest, &image, &builder_on_host(dir.path()));
    assert_eq!([reading, writing].map(|fd| guest.fdstat(fd)).to_vec(), before);
    guest.write(writing, b", and behind it").unwrap();
    assert_eq!(guest.read(reading, 6).unwrap(), b"in the");
    // Once more, with a part of it read.
    let image = guest.ctx.save().unwrap();
    let mut guest = moved(guest, &image, &builder_on_host(dir.path()));
    assert_eq!(guest.read(reading, 100).unwrap(), b" pipe, and behind it");
    guest.close(writing).unwrap();
    assert_eq!(guest.read(reading, 100).unwrap(), b"", "it has ended");
    let image = guest.ctx.save().unwrap();
    let mut guest = moved(guest, &image, &builder_on_host(dir.path()));
    assert_eq!(guest.read(reading, 100).unwrap(), b"", "and is one that has");
}

fn builder_on_host(dir: &Path) -> WasiBuilder {
    let mut builder = quiet();
    builder.map_dir(format!("/::{}", dir.display()));
    builder
}

#[test]
fn the_end_that_is_written_to_waits_for_a_reader_and_the_other_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    make_fifo(&path);
    let outside = reader(&path);
    let mut guest = Guest::new(&builder_on_host(dir.path()));
    let writing = guest.open("fifo", 0, WRITE, 0).unwrap();
    let image = guest.ctx.save().unwrap();
    drop((guest, outside));
    let guest = Guest::new(&builder_on_host(dir.path()));
    let short = RestorePolicy { reader_limit: Duration::from_millis(20), ..RestorePolicy::default() };
    let error = guest.ctx.restore_with(&image, &short).unwrap_err().to_string();
    assert!(error.contains("cannot open `fifo`") && error.contains("nobody has open for reading"), "{error}");
    let later = {
        let path = path.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            std::fs::File::open(path).unwrap()
        })
    };
    let mut guest = moved(guest, &image, &builder_on_host(dir.path()));
    let mut outside = later.join().unwrap();
    guest.write(writing, b"found").unwrap();
    let mut got = [0; 5];
    outside.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"found");
    drop(outside);
    assert_eq!(guest.write(writing, b"x").unwrap_err(), Errno::Pipe);
    // Nobody read it when it was saved: nobody is waited for.
    let image = guest.ctx.save().unwrap();
    let mut guest = moved(guest, &image, &builder_on_host(dir.path()));
    assert_eq!(guest.write(writing, b"x").unwrap_err(), Errno::Pipe);
}

#[test]
fn two_programs_with_two_named_pipes_find_each_other() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        make_fifo(&dir.path().join(name));
    }
    let mut guests = [(); 2].map(|()| Guest::new(&builder_on_host(dir.path())));
    let reads: Vec<_> =
        [("one", 0), ("two", 1)].map(|(name, n)| guests[n].open(name, 0, READ, 0).unwrap()).into();
    // The end for writing comes first in the table of one of them.
    let number = guests[1].open("one", 0, WRITE, 0).unwrap();
    guests[1].try_call("fd_renumber", &[number, 0]).unwrap();
    let writes = [guests[0].open("two", 0, WRITE, 0).unwrap(), 0];
    let images: Vec<_> = guests.iter().map(|guest| guest.ctx.save().unwrap()).collect();
    drop(guests);
    let builder = builder_on_host(dir.path());
    let mut guests: Vec<Guest> = std::thread::scope(|scope| {
        let restored = images.iter().map(|image| {
            let builder = builder.clone();
            scope.spawn(move || {
                let guest = Guest::new(&builder);
                guest.ctx.restore(image).unwrap();
                guest
            })
        });
        restored.collect::<Vec<_>>().into_iter().map(|guest| guest.join().unwrap()).collect()
    });
    guests[0].write(writes[0], b"to the second").unwrap();
    guests[1].write(writes[1], b"to the first").unwrap();
    assert_eq!(guests[1].read(reads[1], 100).unwrap(), b"to the second");
    assert_eq!(guests[0].read(reads[0], 100).unwrap(), b"to the first");
}

#[test]
fn what_is_in_a_pipe_between_two_that_are_saved_together_is_kept() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut first, mut second) = (with_stdout(writer), with_stdin(reader));
    first.write(1, b"on its way").unwrap();
    let alone = second.ctx.save().unwrap();
    assert!(describe_record(&alone).unwrap().get("in_flight").is_none(), "it is the other's affair");
    let of_first = first.ctx.channel_ends();
    assert!(of_first.iter().any(|end| end.writes && !end.reads));
    let image = second.ctx.save_with(&together(of_first)).unwrap();
    // It goes on, too.
    assert_eq!(second.read(0, 100).unwrap(), b"on its way");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b", and what comes then").unwrap();
    let mut restored = with_stdin(reader);
    restored.ctx.restore(&image).unwrap();
    assert_eq!(poll_read(&mut restored), 10 + 21);
    assert_eq!(restored.read(0, 4).unwrap(), b"on i");
    // A checkpoint of its own keeps what it has not read.
    let image = restored.ctx.save().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut restored = with_stdin(reader);
    restored.ctx.restore(&image).unwrap();
    assert_eq!(restored.read(0, 100).unwrap(), b"ts way");
    writer.write_all(b"more").unwrap();
    assert_eq!(restored.read(0, 100).unwrap(), b"more");
}

/// Bytes that `poll_oneoff` says can be read from standard input.
fn poll_read(guest: &mut Guest) -> u64 {
    let mut subscription = [0u8; 48];
    subscription[8] = 1;
    guest.put(DATA, &subscription);
    guest.try_call("poll_oneoff", &[DATA, DATA + 64, 1, RESULT]).unwrap();
    assert_eq!((guest.u32(RESULT), guest.u16(DATA + 64 + 8)), (1, 0));
    guest.u64(DATA + 64 + 16)
}

#[test]
fn so_it_is_with_both_directions_of_a_stream() {
    let (a, b) = UnixStream::pair().unwrap();
    let socket = |socket: UnixStream| {
        let mut builder = quiet();
        let fd = i64::from(socket.into_raw_fd());
        // SAFETY: nobody closes it.
        unsafe { builder.stdio(fd, fd, fd) };
        Guest::new(&builder)
    };
    let (mut first, mut second) = (socket(a), socket(b));
    first.write(1, b"ping").unwrap();
    second.write(1, b"pong!").unwrap();
    let images = [(&first, &second), (&second, &first)]
        .map(|(one, other)| one.ctx.save_with(&together(other.ctx.channel_ends())).unwrap());
    drop((first, second));
    let (a, b) = UnixStream::pair().unwrap();
    let mut guests = [socket(a), socket(b)];
    for (guest, image) in guests.iter().zip(&images) {
        guest.ctx.restore(image).unwrap();
    }
    guests[0].write(1, b" 2").unwrap();
    // Peeked at, then received.
    let [iovs, count] = guests[1].iovecs(&[(DATA, 100)]);
    for _ in 0..2 {
        guests[1].try_call("sock_recv", &[0, iovs, count, 1, RESULT, RESULT + 8]).unwrap();
        assert_eq!(guests[1].u32(RESULT), 4);
    }
    guests[1].try_call("sock_recv", &[0, iovs, count, 0, RESULT, RESULT + 8]).unwrap();
    assert_eq!(guests[1].get(DATA, 4), b"ping");
    assert_eq!(guests[1].read(0, 100).unwrap(), b" 2");
    assert_eq!(guests[0].read(0, 100).unwrap(), b"pong!");
}

#[test]
fn a_pipe_that_two_members_read_is_refused() {
    let (reader, writer) = std::io::pipe().unwrap();
    let other: PipeReader = reader.try_clone().unwrap();
    let (first, second, third) = (with_stdout(writer), with_stdin(reader), with_stdin(other));
    let ends = [first.ctx.channel_ends(), third.ctx.channel_ends()].concat();
    let error = second.ctx.save_with(&together(ends)).unwrap_err().to_string();
    assert!(error.contains("descriptor 0 is a pipe that another member of the group reads"), "{error}");
}

#[test]
fn a_write_that_fills_a_pipe_is_half_in_one_image_and_half_in_the_other() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut first, second) = (with_stdout(writer), with_stdin(reader));
    let all: Vec<u8> = (0..200_000u32).map(|n| ((n * 31) >> 3) as u8).collect();
    first.put(DATA, &all);
    let [iovs, count] = first.iovecs(&[(DATA, all.len() as u64)]);
    // The first request ends it: the pipe is full.
    let outcome = Storm::rage(|storm| first.interruptible("fd_write", &[1, iovs, count, RESULT], &**storm));
    assert_eq!(outcome, Outcome::Interrupted);
    let images = [
        first.ctx.save_with(&together(second.ctx.channel_ends())).unwrap(),
        second.ctx.save_with(&together(first.ctx.channel_ends())).unwrap(),
    ];
    let memory = std::mem::take(&mut first.memory);
    drop((first, second));
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut first, mut second) = (with_stdout(writer), with_stdin(reader));
    first.memory = memory;
    first.ctx.restore(&images[0]).unwrap();
    second.ctx.restore(&images[1]).unwrap();
    let writing = std::thread::spawn(move || {
        let outcome = first.interruptible("fd_write", &[1, iovs, count, RESULT], &NoInterrupt);
        (outcome, first.u32(RESULT))
    });
    let mut got = Vec::new();
    while got.len() < all.len() {
        got.extend(second.read(0, 50_000).unwrap());
    }
    assert!(got == all, "the same bytes");
    assert_eq!(writing.join().unwrap(), (Outcome::Errno(0), all.len() as u32));
}
