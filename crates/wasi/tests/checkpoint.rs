//! Saving and restoring.
#![allow(missing_docs)]
mod common;
use common::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use wayfarer_wasi::{
    Errno, Identity, RestoreError, RestorePolicy, SaveError, SavePolicy, WasiBuilder, describe_record,
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
    anyway.ctx.restore_with(&image, &RestorePolicy { accept_changed_files: true }).unwrap();
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

#[test]
fn a_stream_that_is_the_same_file_goes_on_and_another_is_left_where_the_host_put_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    std::fs::write(&path, "0123456789").unwrap();
    let with = |file: File| {
        let mut builder = WasiBuilder::new();
        with_stdin(&mut builder, OwnedFd::from(file));
        builder
    };
    let mut guest = Guest::new(&with(File::open(&path).unwrap()));
    assert_eq!(guest.read(0, 3).unwrap(), b"012");
    let image = guest.ctx.save().unwrap();
    let mut same = restored(&image, &with(File::open(&path).unwrap())).unwrap();
    assert_eq!(same.read(0, 3).unwrap(), b"345");
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
