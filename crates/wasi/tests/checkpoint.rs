//! Saving and restoring.
#![allow(missing_docs)]
mod common;
use common::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use wayfarer_wasi::{
    Errno, FileChoice, Identity, RestoreError, RestorePolicy, SaveError, SavePolicy, WasiBuilder,
    describe_record,
};

/// A fresh context, as in a new process, with the guest's state in it.
fn moved(guest: Guest, builder: &WasiBuilder) -> Guest {
    let image = guest.ctx.save().unwrap();
    drop(guest);
    restored(&image, builder).unwrap()
}

fn restored(image: &[u8], builder: &WasiBuilder) -> std::result::Result<Guest, RestoreError> {
    let guest = Guest::new(builder);
    guest.ctx.restore(image)?;
    Ok(guest)
}

#[test]
fn descriptors_come_back_with_number_rights_flags_and_position() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "in", "0123456789");
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let reading = guest.open("in", 0, READ_ONLY, 0).unwrap();
    let writing = guest.open("sub/out", CREAT | EXCL | TRUNC, FILE, 0).unwrap();
    let log = guest.open("log", CREAT, FILE, APPEND | NONBLOCK).unwrap();
    let sub = guest.open("sub", DIRECTORY, DIR, 0).unwrap();
    let nested = guest.open_at(sub, 0, "out", 0, READ, 0).unwrap();
    assert_eq!(guest.read(reading, 4).unwrap(), b"0123");
    guest.write(writing, b"first,").unwrap();
    guest.write(log, b"one\n").unwrap();
    guest.seek(log, 1, 0).unwrap();
    guest.try_call("fd_renumber", &[reading, sub]).unwrap();
    guest.try_call("fd_fdstat_set_rights", &[sub, READ | TELL, 0]).unwrap();
    guest.close(0).unwrap();
    let before: Vec<_> = (0..10).map(|fd| guest.fdstat(fd)).collect();

    let mut guest = moved(guest, &builder_in(dir.path()));
    assert_eq!((0..10).map(|fd| guest.fdstat(fd)).collect::<Vec<_>>(), before);
    assert_eq!(guest.tell(sub).unwrap(), 4);
    assert_eq!(guest.read(sub, 3).unwrap(), b"456");
    assert_eq!(guest.seek(sub, 0, 0).unwrap_err(), Errno::NotCapable);
    assert_eq!(guest.tell(writing).unwrap(), 6);
    guest.write(writing, b"second").unwrap();
    assert_eq!(content(dir.path(), "sub/out"), "first,second");
    assert_eq!(guest.tell(log).unwrap(), 1);
    guest.write(log, b"two\n").unwrap();
    assert_eq!(content(dir.path(), "log"), "one\ntwo\n");
    assert_eq!(guest.read(nested, 5).unwrap(), b"first");
    assert_eq!(guest.open("in", 0, READ, 0).unwrap(), 0, "a closed stream stays closed, its number free");
}

#[test]
fn a_second_checkpoint_of_a_restored_guest_equals_the_first() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "content");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, FILE, APPEND).unwrap();
    guest.seek(fd, 3, 0).unwrap();
    guest.readdir(3, 0, 40).unwrap();
    let describe = |guest: &Guest| {
        let mut value = describe_record(&guest.ctx.save().unwrap()).unwrap();
        value.as_object_mut().unwrap().remove("clocks");
        value
    };
    let first = describe(&guest);
    for _ in 0..20 {
        guest = moved(guest, &builder_in(dir.path()));
    }
    assert_eq!(describe(&guest), first);
}

#[test]
fn arguments_environment_and_clocks_come_from_the_image() {
    let mut builder = quiet();
    builder.arg("old").arg("x").env("A=old");
    let mut guest = Guest::new(&builder);
    let monotonic = |guest: &mut Guest| {
        guest.try_call("clock_time_get", &[1, 0, RESULT]).unwrap();
        guest.u64(RESULT)
    };
    let before = monotonic(&mut guest);
    let mut guest = moved(guest, quiet().arg("new").env("A=new"));
    guest.try_call("args_sizes_get", &[RESULT, RESULT + 4]).unwrap();
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (2, 6));
    guest.try_call("environ_get", &[RESULT, DATA]).unwrap();
    assert_eq!(guest.get(DATA, 6), b"A=old\0");
    let after = monotonic(&mut guest);
    assert!(after >= before && after - before < 5_000_000_000);
}

#[test]
fn a_directory_goes_on_where_it_was_read_to() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..20 {
        create(dir.path(), &format!("f{i:02}"), "");
    }
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open(".", DIRECTORY, DIR, 0).unwrap();
    let (first, end) = guest.readdir(fd, 0, 200).unwrap();
    assert!(!end && first.len() > 3 && first.len() < 20);
    let cookie = first.last().unwrap().1;
    let other = tempfile::tempdir().unwrap();
    for i in 0..19 {
        create(other.path(), &format!("f{i:02}"), "");
    }
    create(other.path(), "new", "");
    let mut guest = moved(guest, &builder_in(other.path()));
    let (rest, end) = guest.readdir(fd, cookie, 1 << 14).unwrap();
    assert!(end);
    let mut names: Vec<_> = first.iter().chain(&rest).map(|(name, _)| name.clone()).collect();
    names.sort();
    let mut expected: Vec<_> = [".".to_owned(), "..".to_owned(), "new".to_owned()].into();
    // The file that is gone may have been handed out before.
    expected.extend((0..19 + usize::from(names.contains(&"f19".to_owned()))).map(|i| format!("f{i:02}")));
    expected.sort();
    assert_eq!(names, expected, "every entry once");
}

fn copy(from: &Path, to: &Path, name: &str, keep_time: bool) {
    std::fs::copy(from.join(name), to.join(name)).unwrap();
    if keep_time {
        let time = std::fs::metadata(from.join(name)).unwrap().modified().unwrap();
        File::options().write(true).open(to.join(name)).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn preopens_are_found_by_guest_name_wherever_the_host_has_them() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    create(here.path(), "f", "moved content");
    let mut guest = Guest::in_dir(here.path());
    let fd = guest.open("f", 0, FILE, 0).unwrap();
    guest.seek(fd, 6, 0).unwrap();
    copy(here.path(), there.path(), "f", true);
    let mut builder = quiet();
    builder.dir("/tmp").map_dir(format!("/::{}", there.path().display()));
    let mut guest = moved(guest, &builder);
    assert_eq!(guest.read(fd, 20).unwrap(), b"content");
    guest.write(fd, b"!").unwrap();
    assert_eq!(content(there.path(), "f"), "moved content!");
    assert_eq!(content(here.path(), "f"), "moved content");
    assert_eq!(guest.fdstat(4).unwrap().0, 4, "only what the guest had");
    let image = guest.ctx.save().unwrap();
    let error = restored(&image, quiet().dir("/tmp")).err().unwrap();
    assert!(matches!(&error, RestoreError::MissingPreopen { guest_name } if guest_name == "/"), "{error}");
}

#[test]
fn a_file_that_is_gone_or_different_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    create(dir.path(), "data", "12345");
    let mut guest = Guest::in_dir(dir.path());
    guest.open("data", 0, FILE, 0).unwrap();
    let image = guest.ctx.save().unwrap();
    let content_image =
        guest.ctx.save_with(&SavePolicy { identity: Identity::Content, ..SavePolicy::default() }).unwrap();
    let error = |image: &[u8]| restored(image, &builder_in(dir.path())).err().map(|e| e.to_string());
    assert_eq!(error(&image), None);
    assert_eq!(error(&content_image), None);

    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified - std::time::Duration::from_secs(9))
        .unwrap();
    let text = error(&image).unwrap();
    assert_eq!(text, "descriptor 4: `data` in `/` is not the file it was: it was modified since");
    assert_eq!(error(&content_image), None, "the content is the same");
    std::fs::write(&path, "54321").unwrap();
    assert!(error(&content_image).unwrap().contains("its content has changed"));
    std::fs::write(&path, "123456").unwrap();
    assert!(error(&image).unwrap().contains("it has 6 bytes, it had 5"));
    let mut anyway = Guest::in_dir(dir.path());
    anyway
        .ctx
        .restore_with(
            &image,
            &RestorePolicy { files: FileChoice::Changed.into(), ..RestorePolicy::default() },
        )
        .unwrap();
    assert_eq!(anyway.read(4, 10).unwrap(), b"123456");
    std::fs::remove_file(&path).unwrap();
    let text = error(&image).unwrap();
    assert!(text.starts_with("descriptor 4: cannot open `data` in `/` again: "), "{text}");
    std::fs::create_dir(&path).unwrap();
    assert!(error(&image).unwrap().contains("`data`"));
}

#[test]
fn a_failed_restore_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "data", "12345");
    let mut guest = Guest::in_dir(dir.path());
    guest.open("data", 0, FILE, 0).unwrap();
    let image = guest.ctx.save().unwrap();
    std::fs::remove_file(dir.path().join("data")).unwrap();
    let mut fresh = Guest::new(builder_in(dir.path()).arg("mine"));
    let fd = fresh.open("own", CREAT, FILE, 0).unwrap();
    fresh.write(fd, b"x").unwrap();
    fresh.ctx.restore(&image).unwrap_err();
    assert_eq!(fresh.tell(fd).unwrap(), 1);
    fresh.try_call("args_sizes_get", &[RESULT, RESULT + 4]).unwrap();
    assert_eq!(fresh.u32(RESULT), 1);
}

#[test]
fn a_renamed_file_is_found_under_its_new_name() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "target", "old");
    let mut guest = Guest::in_dir(dir.path());
    let temporary = guest.open("temporary", CREAT | EXCL, FILE, 0).unwrap();
    let replaced = guest.open("target", 0, READ_ONLY, 0).unwrap();
    guest.write(temporary, b"new").unwrap();
    std::fs::rename(dir.path().join("temporary"), dir.path().join("target")).unwrap();
    // `replaced` has lost its name to `temporary`, so it travels in the image.
    let mut guest = moved(guest, &builder_in(dir.path()));
    guest.write(temporary, b"er").unwrap();
    assert_eq!(content(dir.path(), "target"), "newer");
    assert_eq!(guest.read(replaced, 10).unwrap(), b"old");
}

#[test]
fn files_below_a_renamed_directory_and_behind_links_are_found() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    create(dir.path(), "d/f", "below");
    std::os::unix::fs::symlink("d", dir.path().join("l")).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let d = guest.open("d", DIRECTORY, DIR, 0).unwrap();
    let f = guest.open_at(d, 0, "f", 0, READ, 0).unwrap();
    let up = guest.open_at(d, 0, "../d/f", 0, READ, 0);
    assert_eq!(up.unwrap_err(), Errno::NotCapable, "out of the descriptor's directory");
    let linked = guest.open("l/f", 0, READ, 0).unwrap();
    std::fs::rename(dir.path().join("d"), dir.path().join("e")).unwrap();
    let mut guest = moved(guest, &builder_in(dir.path()));
    assert_eq!(guest.read(f, 10).unwrap(), b"below");
    assert_eq!(guest.read(linked, 10).unwrap(), b"below");
    guest.open_at(d, 0, "f", 0, READ, 0).unwrap();
}

#[test]
fn unlinked_files_travel_in_the_image_or_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("scratch", CREAT | EXCL, FILE, APPEND).unwrap();
    guest.write(fd, b"0123456789").unwrap();
    guest.seek(fd, 4, 0).unwrap();
    guest.at("path_unlink_file", 3, "scratch").unwrap();
    let small = SavePolicy { carry_up_to: 9, ..SavePolicy::default() };
    let error = guest.ctx.save_with(&small).unwrap_err();
    assert!(matches!(&error, SaveError::Unlinked { path, size: 10, .. } if path == "scratch"), "{error}");
    let mut guest = moved(guest, &builder_in(dir.path()));
    for _ in 0..2 {
        assert_eq!(guest.tell(fd).unwrap(), 4);
        guest = moved(guest, &builder_in(dir.path()));
    }
    assert_eq!(guest.read(fd, 3).unwrap(), b"456");
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"end").unwrap();
    guest.seek(fd, 0, 0).unwrap();
    assert_eq!(guest.read(fd, 20).unwrap(), b"0123456789end");
    assert!(!dir.path().join("scratch").exists());
}

#[test]
fn a_file_moved_out_of_reach_is_refused_by_name() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("in");
    std::fs::create_dir(&inner).unwrap();
    create(&inner, "f", "x");
    let mut guest = Guest::in_dir(&inner);
    guest.open("f", 0, FILE, 0).unwrap();
    std::fs::rename(inner.join("f"), outer.path().join("f")).unwrap();
    let error = guest.ctx.save().unwrap_err();
    assert!(matches!(&error, SaveError::OutOfReach { fd: 4, path } if path == "f"), "{error}");
}

#[test]
fn a_closed_preopen_still_anchors_files_opened_below_it() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "x");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ, 0).unwrap();
    guest.close(3).unwrap();
    let mut guest = moved(guest, &builder_in(dir.path()));
    assert_eq!(guest.read(fd, 1).unwrap(), b"x");
    assert_eq!(guest.fdstat(3).unwrap_err(), Errno::BadF);
}

fn stream(set: fn(&mut WasiBuilder, OwnedFd), file: &File) -> WasiBuilder {
    let mut builder = WasiBuilder::new();
    set(&mut builder, file.try_clone().unwrap().into());
    builder
}

#[test]
fn standard_input_that_only_the_guest_reads_goes_on_and_another_is_left_where_the_host_put_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    std::fs::write(&path, "0123456789").unwrap();
    let with = |file: File| stream(with_stdin, &file);
    let mut guest = Guest::new(&with(File::open(&path).unwrap()));
    assert_eq!(guest.read(0, 3).unwrap(), b"012");
    let image = guest.ctx.save().unwrap();
    let mut same = restored(&image, &with(File::open(&path).unwrap())).unwrap();
    assert_eq!(same.read(0, 3).unwrap(), b"345");
    // Once more, from there.
    let mut again = moved(same, &with(File::open(&path).unwrap()));
    assert_eq!(again.read(0, 3).unwrap(), b"678");
    // Another file: where the host has put it.
    let other = dir.path().join("other");
    std::fs::write(&other, "abcdefghijk").unwrap();
    let mut file = File::open(&other).unwrap();
    file.seek(SeekFrom::Start(1)).unwrap();
    let mut different = restored(&image, &with(file)).unwrap();
    assert_eq!(different.read(0, 3).unwrap(), b"bcd");
    // The same file, truncated by the shell: from its start.
    std::fs::write(&path, "").unwrap();
    let mut emptied = restored(&image, &with(File::open(&path).unwrap())).unwrap();
    assert_eq!(emptied.tell(0).unwrap(), 0);
}

#[test]
fn standard_input_that_the_guest_did_not_use_stays_where_the_host_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = create(dir.path(), "input", "first\nsecond\n");
    let mut guest = Guest::new(&stream(with_stdin, &file));
    // A host that reads a line, and all the rest ahead.
    file.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(guest.tell(0).unwrap(), 13);
    let image = guest.ctx.save().unwrap();
    let mut file = File::open(dir.path().join("input")).unwrap();
    restored(&image, &stream(with_stdin, &file)).unwrap();
    assert_eq!(file.stream_position().unwrap(), 0);
    // The guest finds the end: nothing of the file was its own.
    file.seek(SeekFrom::End(0)).unwrap();
    assert_eq!(guest.read(0, 5).unwrap(), b"");
    file.rewind().unwrap();
    guest.ctx.restore(&image).unwrap();
    assert_eq!(file.stream_position().unwrap(), 0);
}

#[test]
fn standard_input_that_guest_and_host_share_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = create(dir.path(), "input", "0123456789");
    let mut guest = Guest::new(&stream(with_stdin, &file));
    assert_eq!(guest.read(0, 3).unwrap(), b"012");
    guest.ctx.save().unwrap();
    file.read_exact(&mut [0; 2]).unwrap();
    let error = guest.ctx.save().unwrap_err();
    assert!(matches!(error, SaveError::SharedStream { fd: 0 }));
    assert_eq!(
        error.to_string(),
        "descriptor 0 is a file that the program reads, and the host or another process with it: their parts can't be told apart"
    );
    assert_eq!(guest.read(0, 1).unwrap(), b"5");
    guest.ctx.save().unwrap_err();
    // Several guests, or several streams of one, may share it.
    let mut one = Guest::new(&stream(with_stdin, &file));
    let mut other = Guest::new(&stream(with_stdin, &file));
    for _ in 0..2 {
        one.read(0, 1).unwrap();
        other.read(0, 1).unwrap();
    }
    let images = [one.ctx.save().unwrap(), other.ctx.save().unwrap()];
    file.rewind().unwrap();
    for image in images {
        let mut restored = restored(&image, &stream(with_stdin, &file)).unwrap();
        assert_eq!(restored.tell(0).unwrap(), 10);
    }
    // Closed, it is nobody's affair any more.
    guest.close(0).unwrap();
    guest.ctx.save().unwrap();
}

#[test]
fn standard_output_is_appended_to_and_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let all = || content(dir.path(), "log");
    let anew = || File::options().read(true).write(true).open(&path).unwrap();
    std::fs::write(&path, "start\n").unwrap();
    let mut file = anew();
    file.seek(SeekFrom::End(0)).unwrap();
    let mut guest = Guest::new(&stream(with_stdout, &file));
    let unused = guest.ctx.save().unwrap();
    guest.write(1, b"guest 1\n").unwrap();
    let image = guest.ctx.save().unwrap();

    // The file ends where the guest left it: there it goes on, although the host has opened it at its beginning.
    let mut same = restored(&image, &stream(with_stdout, &anew())).unwrap();
    same.write(1, b"guest 2\n").unwrap();
    assert_eq!(all(), "start\nguest 1\nguest 2\n");
    // It has grown since, by whomever: behind that.
    let mut later = restored(&image, &stream(with_stdout, &anew())).unwrap();
    later.write(1, b"guest 2\n").unwrap();
    assert_eq!(all(), "start\nguest 1\nguest 2\nguest 2\n");
    // The same in the process that took it, between two lines of the host's.
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"host\n").unwrap();
    guest.ctx.restore(&image).unwrap();
    file.write_all(b"again\n").unwrap();
    guest.write(1, b"guest 2\n").unwrap();
    assert!(all().ends_with("guest 2\nhost\nagain\nguest 2\n"), "{}", all());
    // What the guest had not written to is the host's alone.
    let mut file = anew();
    restored(&unused, &stream(with_stdout, &file)).unwrap();
    assert_eq!(file.stream_position().unwrap(), 0);
    // Begun anew by a shell, with a line of the host's.
    std::fs::write(&path, "").unwrap();
    let mut file = anew();
    file.write_all(b"host\n").unwrap();
    let mut fresh = restored(&image, &stream(with_stdout, &file)).unwrap();
    fresh.write(1, b"guest 2\n").unwrap();
    assert_eq!(all(), "host\nguest 2\n");
}

#[test]
fn a_file_opened_several_times_and_unlinked_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let one = guest.open("t", CREAT, FILE, 0).unwrap();
    let two = guest.open("t", 0, FILE, 0).unwrap();
    let log = guest.open("t", 0, FILE, APPEND).unwrap();
    let reading = guest.open("t", 0, READ_ONLY, 0).unwrap();
    let other = guest.open("u", CREAT, FILE, 0).unwrap();
    guest.write(one, b"hello").unwrap();
    guest.write(other, b"other").unwrap();
    guest.read(two, 2).unwrap();
    let times = [one, 5_000_000_001, 7_000_000_003, 1 | 4];
    guest.try_call("fd_filestat_set_times", &times).unwrap();
    guest.at("path_unlink_file", 3, "t").unwrap();
    guest.at("path_unlink_file", 3, "u").unwrap();
    let stat = |guest: &mut Guest, fd: u64| {
        guest.try_call("fd_filestat_get", &[fd, RESULT]).unwrap();
        (guest.u64(RESULT + 8), guest.u64(RESULT + 24), guest.u64(RESULT + 32), guest.u64(RESULT + 48))
    };
    let before: Vec<_> = (one..=other).map(|fd| (guest.fdstat(fd), guest.tell(fd))).collect();
    for _ in 0..2 {
        guest = moved(guest, &builder_in(dir.path()));
        assert_eq!((one..=other).map(|fd| (guest.fdstat(fd), guest.tell(fd))).collect::<Vec<_>>(), before);
        let (inode, links, size, modified) = stat(&mut guest, one);
        assert_eq!((links, size, modified), (0, 5, 7_000_000_003));
        for fd in [two, log, reading] {
            assert_eq!(stat(&mut guest, fd), (inode, links, size, modified));
        }
        assert_ne!(stat(&mut guest, other).0, inode);
    }
    guest.write(one, b"XY").unwrap();
    assert_eq!(guest.read(two, 10).unwrap(), b"lloXY");
    guest.write(log, b"!").unwrap();
    assert_eq!(guest.read(reading, 20).unwrap(), b"helloXY!");
    assert_eq!(guest.write(reading, b"x").unwrap_err(), Errno::NotCapable);
    guest.seek(other, 0, 0).unwrap();
    assert_eq!(guest.read(other, 20).unwrap(), b"other");
}

#[test]
fn a_file_opened_several_times_by_the_same_and_by_other_names_is_one_file() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    create(here.path(), "t", "hello");
    std::fs::hard_link(here.path().join("t"), here.path().join("h")).unwrap();
    create(here.path(), "u", "hello");
    let mut guest = Guest::in_dir(here.path());
    let names = ["t", "t", "h", "u"];
    let fds = names.map(|name| guest.open(name, 0, FILE, 0).unwrap());
    let image = guest.ctx.save().unwrap();
    let mut same = restored(&image, &builder_in(here.path())).unwrap();
    same.write(fds[0], b"HE").unwrap();
    assert_eq!(fds.map(|fd| same.read(fd, 9).unwrap()), [&b"llo"[..], b"HEllo", b"HEllo", b"hello"]);
    std::fs::write(here.path().join("t"), "hello").unwrap();

    // Copied without the link: what is written to one of them would not be read from the other.
    let image = guest.ctx.save().unwrap();
    ["t", "h", "u"].into_iter().for_each(|name| copy(here.path(), there.path(), name, true));
    let error = |image: &[u8]| restored(image, &builder_in(there.path())).err().unwrap().to_string();
    assert_eq!(
        error(&image),
        format!(
            "descriptor {}: `h` in `/` is not the file it was: it shares its content with other files than it did",
            fds[2]
        )
    );
    // And the reverse.
    std::fs::remove_file(there.path().join("h")).unwrap();
    std::fs::hard_link(there.path().join("t"), there.path().join("h")).unwrap();
    restored(&image, &builder_in(there.path())).unwrap();
    std::fs::remove_file(there.path().join("u")).unwrap();
    std::fs::hard_link(there.path().join("t"), there.path().join("u")).unwrap();
    let same_time = &image;
    assert!(error(same_time).contains("`u` in `/` is not the file it was"), "{}", error(same_time));
}

#[test]
fn a_file_that_lost_a_name_is_found_by_another_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "t", "hello");
    std::fs::hard_link(dir.path().join("t"), dir.path().join("h")).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let one = guest.open("t", 0, FILE, 0).unwrap();
    guest.at("path_unlink_file", 3, "t").unwrap();
    let error = guest.ctx.save().unwrap_err();
    assert!(matches!(&error, SaveError::OutOfReach { path, .. } if path == "t"), "{error}");
    let two = guest.open("h", 0, FILE, 0).unwrap();
    let mut guest = moved(guest, &builder_in(dir.path()));
    guest.write(one, b"HE").unwrap();
    assert_eq!(guest.read(two, 9).unwrap(), b"HEllo");
    assert_eq!(content(dir.path(), "h"), "HEllo");
}

#[test]
fn an_unlinked_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    guest.open("d", DIRECTORY, DIR, 0).unwrap();
    guest.at("path_remove_directory", 3, "d").unwrap();
    assert!(matches!(guest.ctx.save().unwrap_err(), SaveError::Unlinked { path, .. } if path == "d"));
}

#[test]
fn more_unlinked_files_than_a_restore_takes_are_refused_when_saved() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::in_dir(dir.path());
    for name in ["one", "two", "three"] {
        let fd = guest.open(name, CREAT, FILE, 0).unwrap();
        guest.write(fd, b"0123456789").unwrap();
        // Once more, which carries it no second time.
        guest.open(name, 0, FILE, 0).unwrap();
        guest.at("path_unlink_file", 3, name).unwrap();
    }
    let save = |carry_altogether| {
        guest.ctx.save_with(&SavePolicy { carry_altogether, ..SavePolicy::default() }).map(drop)
    };
    save(30).unwrap();
    assert!(matches!(save(29).unwrap_err(), SaveError::TooLarge { size: 30 }));
}

#[test]
fn a_file_whose_time_has_lost_digits_is_the_same() {
    use std::time::{Duration, UNIX_EPOCH};
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("f")).unwrap();
    let set = |nanos| file.set_modified(UNIX_EPOCH + Duration::new(1_700_000_123, nanos)).unwrap();
    let save = || {
        let mut guest = Guest::in_dir(dir.path());
        guest.open("f", 0, FILE, 0).unwrap();
        guest.ctx.save().unwrap()
    };
    set(123_456_789);
    let fine = save();
    set(0);
    let coarse = save();
    let accepted = |image: &[u8]| restored(image, &builder_in(dir.path())).is_ok();
    assert!(accepted(&fine) && accepted(&coarse), "a layer of a container keeps seconds");
    set(123_456_700);
    assert!(accepted(&fine) && accepted(&coarse));
    set(123_457_000);
    assert!(!accepted(&fine), "later at the same precision");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_124)).unwrap();
    assert!(!accepted(&fine) && !accepted(&coarse), "another second");
}

#[test]
fn pipes_are_those_of_the_new_process() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = Guest::new(&builder);
    guest.try_call("fd_fdstat_set_flags", &[0, NONBLOCK]).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut builder = WasiBuilder::new();
    with_stdin(&mut builder, OwnedFd::from(reader));
    let mut guest = moved(guest, &builder);
    assert_eq!(guest.fdstat(0).unwrap().1, NONBLOCK as u16);
    assert_eq!(guest.read(0, 5).unwrap_err(), Errno::Again);
    writer.write_all(b"new").unwrap();
    assert_eq!(guest.read(0, 5).unwrap(), b"new");
}

#[test]
fn the_same_context_can_be_restored_to_an_earlier_state() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "0123456789");
    let mut guest = Guest::in_dir(dir.path());
    let fd = guest.open("f", 0, READ_ONLY, 0).unwrap();
    guest.read(fd, 2).unwrap();
    let image = guest.ctx.save().unwrap();
    guest.read(fd, 5).unwrap();
    guest.close(fd).unwrap();
    guest.ctx.restore(&image).unwrap();
    assert_eq!(guest.read(fd, 2).unwrap(), b"23");
}

#[test]
fn a_record_describes_itself() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "12345");
    let mut guest = Guest::new(builder_in(dir.path()).arg("prog").env("K=V"));
    let fd = guest.open("f", 0, FILE, APPEND).unwrap();
    guest.seek(fd, 2, 0).unwrap();
    let value = describe_record(&guest.ctx.save().unwrap()).unwrap();
    assert_eq!(value["args"][0], "prog");
    assert_eq!(value["env"][0], "K=V");
    assert_eq!(value["preopens"][0], "/");
    let descriptors = value["descriptors"].as_array().unwrap();
    let file = descriptors.iter().find(|d| d["fd"] == fd).unwrap();
    assert_eq!((&file["type"], &file["flags"][0]), (&"regular file".into(), &"append".into()));
    assert_eq!((&file["operations"][0]["path"], &file["operations"][0]["size"]), (&"f".into(), &5.into()));
    assert_eq!(file["operations"][1], serde_json::json!({ "op": "seek", "offset": 2 }));
    assert!(describe_record(b"nonsense").is_err());
}

#[test]
fn damaged_records_are_errors_never_more() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "f", "12345");
    let mut guest = Guest::in_dir(dir.path());
    guest.open("f", 0, FILE, 0).unwrap();
    guest.readdir(3, 0, 100).unwrap();
    let image = guest.ctx.save().unwrap();
    let target = Guest::in_dir(dir.path());
    for len in 0..image.len() {
        target.ctx.restore(&image[..len]).unwrap_err();
    }
    for at in 0..image.len() {
        for bit in 0..8 {
            let mut flipped = image.clone();
            flipped[at] ^= 1 << bit;
            // Some flips still give a valid record; none may give more than an error.
            let _ = target.ctx.restore(&flipped);
        }
    }
    target.ctx.restore(&image).unwrap();
    assert_eq!(content(dir.path(), "f"), "12345");
    let mut all = String::new();
    File::open(dir.path().join("f")).unwrap().read_to_string(&mut all).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
