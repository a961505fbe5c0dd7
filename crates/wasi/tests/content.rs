//! What images hold of open files, by policy, and what restores do about files that are not what they were.
#![allow(missing_docs)]
mod common;
use common::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use wayfarer_wasi::{
    BackEnd, ByPrefix, FileChoice, FilePolicy, RestoreError, RestorePolicy, SaveError, SavePolicy,
    WasiBuilder, describe_record,
};

fn builder(dir: &Path, back_end: BackEnd) -> WasiBuilder {
    let mut builder = quiet();
    builder.map_dir(format!("/data::{}", dir.display())).back_end(back_end);
    builder
}

fn save(guest: &Guest, files: impl Into<ByPrefix<FilePolicy>>) -> Vec<u8> {
    guest.ctx.save_with(&SavePolicy { files: files.into(), ..SavePolicy::default() }).unwrap()
}

fn restored(
    image: &[u8],
    builder: &WasiBuilder,
    files: impl Into<ByPrefix<FileChoice>>,
) -> std::result::Result<Guest, RestoreError> {
    let guest = Guest::new(builder);
    guest.ctx.restore_with(image, &RestorePolicy { files: files.into(), ..RestorePolicy::default() })?;
    Ok(guest)
}

fn refused(image: &[u8], builder: &WasiBuilder, files: impl Into<ByPrefix<FileChoice>>) -> String {
    restored(image, builder, files).err().expect("it is refused").to_string()
}

/// Names below a directory, with content; of a directory none.
fn tree(dir: &Path) -> BTreeMap<String, Option<String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        let name = name.to_str().unwrap();
        if path.is_dir() {
            all.insert(name.to_owned(), None);
            all.extend(tree(&path).into_iter().map(|(below, content)| (format!("{name}/{below}"), content)));
        } else {
            all.insert(name.to_owned(), Some(std::fs::read_to_string(&path).unwrap()));
        }
    }
    all
}

fn modified(dir: &Path, name: &str) -> SystemTime {
    dir.join(name).metadata().unwrap().modified().unwrap()
}

/// Sets a file's time, to one that no test comes by.
fn set_modified(dir: &Path, name: &str) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_000_123_456_789);
    File::options().write(true).open(dir.join(name)).unwrap().set_modified(time).unwrap();
}

#[test]
fn carried_files_are_made_in_an_empty_directory_of_any_back_end() {
    for from in BackEnd::ALL {
        for to in BackEnd::ALL {
            let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut guest = Guest::new(&builder(here.path(), from));
            guest.at("path_create_directory", 3, "d").unwrap();
            guest.at("path_create_directory", 3, "d/e").unwrap();
            let f = guest.open("d/e/f", CREAT, FILE, 0).unwrap();
            guest.write(f, b"0123456789").unwrap();
            guest.seek(f, 4, 0).unwrap();
            let again = guest.open("d/e/f", 0, READ_ONLY, 0).unwrap();
            let log = guest.open("log", CREAT, FILE, APPEND).unwrap();
            guest.write(log, b"one\n").unwrap();
            let scratch = guest.open("scratch", CREAT, FILE, 0).unwrap();
            guest.write(scratch, b"scratch").unwrap();
            guest.at("path_unlink_file", 3, "scratch").unwrap();
            let dir = guest.open("d", DIRECTORY, DIR, 0).unwrap();
            let times = guest.filestat(f);
            let image = save(&guest, FilePolicy::Carry);
            drop(guest);

            let what = format!("from {from} to {to}");
            let mut guest = restored(&image, &builder(there.path(), to), FileChoice::Same)
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(guest.filestat(f), times, "{what}");
            assert_eq!(guest.read(f, 3).unwrap(), b"456", "{what}");
            guest.write(f, b"xyz").unwrap();
            assert_eq!(guest.read(again, 20).unwrap(), b"0123456xyz", "{what}: it is one file");
            guest.write(log, b"two\n").unwrap();
            guest.seek(scratch, 0, 0).unwrap();
            assert_eq!(guest.read(scratch, 20).unwrap(), b"scratch", "{what}");
            let below = guest.open_at(dir, 0, "e/f", 0, READ, 0).unwrap();
            assert_eq!(guest.read(below, 20).unwrap(), b"0123456xyz", "{what}");
            let expected = match to {
                BackEnd::Memory => BTreeMap::new(),
                _ => BTreeMap::from([
                    ("d".to_owned(), None),
                    ("d/e".to_owned(), None),
                    ("d/e/f".to_owned(), Some("0123456xyz".to_owned())),
                    ("log".to_owned(), Some("one\ntwo\n".to_owned())),
                ]),
            };
            assert_eq!(tree(there.path()), expected, "{what}");
        }
    }
}

#[test]
fn all_files_in_memory_that_are_to_be_carried_are_made_elsewhere() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(here.path().join("keep/d")).unwrap();
    create(here.path(), "keep/d/f", "closed");
    std::fs::hard_link(here.path().join("keep/d/f"), here.path().join("keep/g")).unwrap();
    std::os::unix::fs::symlink("d/f", here.path().join("keep/l")).unwrap();
    set_modified(here.path(), "keep/d/f");
    let guest = Guest::new(&builder(here.path(), BackEnd::Memory));
    let mut files = ByPrefix::default();
    files.set(b"/data/keep", FilePolicy::Carry);
    let image = save(&guest, files.clone());
    for back_end in [BackEnd::Linux, BackEnd::Portable] {
        restored(&image, &builder(there.path(), back_end), FileChoice::Same).unwrap();
        let keep = there.path().join("keep");
        assert_eq!(content(&keep, "l"), "closed");
        assert_eq!(modified(&keep, "d/f"), modified(here.path(), "keep/d/f"));
        assert_eq!(keep.join("d/f").metadata().unwrap().ino(), keep.join("g").metadata().unwrap().ino());
        std::fs::remove_dir_all(keep).unwrap();
    }
    // What is not to be carried must be there, and what was made is taken back.
    create(here.path(), "other", "other");
    let guest = Guest::new(&builder(here.path(), BackEnd::Memory));
    let text = refused(&save(&guest, files), &builder(there.path(), BackEnd::Linux), FileChoice::Same);
    assert!(text.contains("`other` in `/data`: it is not there"), "{text}");
    assert_eq!(tree(there.path()), BTreeMap::new());
}

#[test]
fn another_file_where_a_carried_one_was_is_refused_by_name_or_replaced() {
    for back_end in [BackEnd::Linux, BackEnd::Portable] {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut guest = Guest::new(&builder(here.path(), back_end));
        let a = guest.open("sub/../a", CREAT, FILE, 0);
        assert!(a.is_err(), "there is no such directory");
        guest.at("path_create_directory", 3, "sub").unwrap();
        let a = guest.open("sub/a", CREAT, FILE, 0).unwrap();
        guest.write(a, b"carried a").unwrap();
        let b = guest.open("b", CREAT, FILE, 0).unwrap();
        guest.write(b, b"carried b").unwrap();
        let image = save(&guest, FilePolicy::Carry);
        let to = builder(there.path(), back_end);

        create(there.path(), "b", "another b");
        let before = tree(there.path());
        let text = refused(&image, &to, FileChoice::Same);
        assert_eq!(text, "the image carries `b` in `/data`: another file is there: its content is another");
        assert_eq!(tree(there.path()), before, "what was made is taken back");
        create(there.path(), "b", "longer than it was");
        let text = refused(&image, &to, FileChoice::Truncate);
        assert!(text.ends_with("another file is there: it has 18 bytes, it had 9"), "{text}");

        // Who has the other one open, or its second name, keeps it.
        std::fs::hard_link(there.path().join("b"), there.path().join("name")).unwrap();
        let mut files = ByPrefix::default();
        files.set(b"/data/b", FileChoice::Replace);
        let mut guest = restored(&image, &to, files).unwrap();
        assert_eq!(
            (content(there.path(), "b"), content(there.path(), "sub/a")),
            ("carried b".into(), "carried a".into())
        );
        assert_eq!(content(there.path(), "name"), "longer than it was");
        assert_eq!(tree(there.path()).len(), 4, "nothing of ours is left");
        guest.write(b, b"!").unwrap();
        assert_eq!(content(there.path(), "b"), "carried b!");

        // A restore that replaces, and fails then.
        create(there.path(), "b", "another b");
        std::fs::remove_dir_all(there.path().join("sub")).unwrap();
        create(there.path(), "sub", "no directory");
        let before = tree(there.path());
        let text = refused(&image, &to, FileChoice::Replace);
        assert!(text.starts_with("the image carries `sub/a` in `/data`: "), "{text}");
        assert_eq!(tree(there.path()), before);
        std::fs::remove_file(there.path().join("b")).unwrap();
        std::fs::create_dir(there.path().join("b")).unwrap();
        std::fs::remove_file(there.path().join("sub")).unwrap();
        let text = refused(&image, &to, FileChoice::Replace);
        assert!(text.contains("no regular file"), "{text}");
        // Whatever is there is opened, if that is what was asked for.
        std::fs::remove_dir(there.path().join("b")).unwrap();
        create(there.path(), "b", "another b");
        let mut guest = restored(&image, &to, FileChoice::Changed).unwrap();
        guest.seek(b, 0, 0).unwrap();
        assert_eq!(guest.read(b, 20).unwrap(), b"another b");
    }
}

#[test]
fn a_file_with_the_same_content_is_taken_for_the_carried_one_with_its_time() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    create(here.path(), "f", "content");
    set_modified(here.path(), "f");
    let mut guest = Guest::new(&builder(here.path(), BackEnd::Linux));
    let f = guest.open("f", 0, FILE, 0).unwrap();
    let stat = guest.filestat(f);
    let image = save(&guest, FilePolicy::Carry);
    create(there.path(), "f", "content");
    let inode = there.path().join("f").metadata().unwrap().ino();
    let mut guest = restored(&image, &builder(there.path(), BackEnd::Linux), FileChoice::Same).unwrap();
    assert_eq!(guest.filestat(f), stat);
    assert_eq!(there.path().join("f").metadata().unwrap().ino(), inode);
}

#[test]
fn each_file_is_carried_once_and_what_is_too_much_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = Guest::new(&builder(dir.path(), BackEnd::Linux));
    let f = guest.open("f", CREAT, FILE, 0).unwrap();
    guest.write(f, &vec![7; 1000]).unwrap();
    std::fs::hard_link(dir.path().join("f"), dir.path().join("g")).unwrap();
    guest.open("f", 0, READ_ONLY, 0).unwrap();
    let g = guest.open("g", 0, READ_ONLY, 0).unwrap();
    let tmp = guest.open("tmp", CREAT, FILE, 0).unwrap();
    guest.write(tmp, &vec![8; 1000]).unwrap();
    let mut files = ByPrefix::from(FilePolicy::Carry);
    files.set(b"/data/tmp", FilePolicy::Ignore);
    let image = save(&guest, files);
    let described = describe_record(&image).unwrap();
    assert_eq!(described["carried"], json!({ "files": 1, "bytes": 1000 }));
    let expected =
        json!([{ "policy": "carry", "prefix": "" }, { "policy": "ignore", "prefix": "/data/tmp" }]);
    assert_eq!(described["file_policies"], expected);

    // Two names of one file are two names of one file.
    let there = tempfile::tempdir().unwrap();
    create(there.path(), "tmp", "whatever");
    let mut other = restored(&image, &builder(there.path(), BackEnd::Linux), FileChoice::Same).unwrap();
    other.seek(f, 0, 0).unwrap();
    other.write(f, b"one").unwrap();
    assert_eq!(other.read(g, 3).unwrap(), b"one");

    let few = SavePolicy { carry_altogether: 999, files: FilePolicy::Carry.into(), ..SavePolicy::default() };
    let error = guest.ctx.save_with(&few).unwrap_err();
    assert!(matches!(error, SaveError::TooLarge { size: 1000 }), "{error}");
    // Files without a name may be as large if they are to be carried.
    guest.at("path_unlink_file", 3, "tmp").unwrap();
    let small = |files: FilePolicy| {
        let policy = SavePolicy { carry_up_to: 9, files: files.into(), ..SavePolicy::default() };
        guest.ctx.save_with(&policy).map(drop)
    };
    assert!(matches!(small(FilePolicy::Reopen), Err(SaveError::Unlinked { size: 1000, .. })));
    small(FilePolicy::Carry).unwrap();
}

#[test]
fn a_file_is_known_again_as_its_policy_says() {
    for back_end in [BackEnd::Linux, BackEnd::Portable] {
        let dir = tempfile::tempdir().unwrap();
        for name in ["time", "hash", "any"] {
            create(dir.path(), name, "12345");
        }
        let mut guest = Guest::new(&builder(dir.path(), back_end));
        for name in ["time", "hash", "any"] {
            guest.open(name, 0, FILE, 0).unwrap();
        }
        let mut files = ByPrefix::default();
        files.set(b"/data/hash", FilePolicy::ReopenHash).set(b"/data/any", FilePolicy::Ignore);
        let image = save(&guest, files);
        let to = builder(dir.path(), back_end);
        let error = || restored(&image, &to, FileChoice::Same).err().map(|error| error.to_string());
        assert_eq!(error(), None);
        create(dir.path(), "any", "more than it was");
        set_modified(dir.path(), "hash");
        assert_eq!(error(), None);
        create(dir.path(), "hash", "12346");
        assert!(
            error().unwrap().contains("`hash` in `/data` is not the file it was: its content has changed")
        );
        let mut changed = ByPrefix::default();
        changed.set(b"/data/hash", FileChoice::Changed);
        restored(&image, &to, changed).unwrap();
        create(dir.path(), "hash", "12345");
        set_modified(dir.path(), "time");
        assert!(error().unwrap().contains("`time` in `/data` is not the file it was: it was modified since"));
    }
}

#[test]
fn a_file_that_has_grown_is_cut_off_and_one_that_went_backwards_is_refused() {
    for back_end in [BackEnd::Linux, BackEnd::Portable] {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), "known", "12345");
        let mut guest = Guest::new(&builder(dir.path(), back_end));
        let log = guest.open("log", CREAT, FILE, APPEND).unwrap();
        guest.write(log, b"one\n").unwrap();
        guest.open("known", 0, READ_ONLY, 0).unwrap();
        let stat = guest.filestat(log);
        let mut files = ByPrefix::default();
        files.set(b"/data/known", FilePolicy::ReopenHash);
        let image = save(&guest, files);
        guest.write(log, b"two\n").unwrap();
        drop(guest);
        let to = builder(dir.path(), back_end);
        let text = refused(&image, &to, FileChoice::Same);
        assert!(text.contains("`log` in `/data` is not the file it was: it has 8 bytes, it had 4"), "{text}");

        // A restore that fails has cut nothing.
        create(dir.path(), "known", "12300 and more");
        let text = refused(&image, &to, FileChoice::Truncate);
        assert!(
            text.contains("`known` in `/data` is not the file it was: its content has changed"),
            "{text}"
        );
        assert_eq!(content(dir.path(), "log"), "one\ntwo\n");
        create(dir.path(), "known", "12345 and more");
        let mut guest = restored(&image, &to, FileChoice::Truncate).unwrap();
        assert_eq!(
            (content(dir.path(), "log"), content(dir.path(), "known")),
            ("one\n".into(), "12345".into())
        );
        assert_eq!(guest.filestat(log), stat, "with the time that it had");
        guest.write(log, b"three\n").unwrap();
        assert_eq!(content(dir.path(), "log"), "one\nthree\n");

        create(dir.path(), "log", "one");
        for choice in [FileChoice::Same, FileChoice::Truncate, FileChoice::Replace] {
            let text = refused(&image, &to, choice);
            assert!(text.contains("it has 3 bytes, it had 4"), "{text}");
        }
        restored(&image, &to, FileChoice::Changed).unwrap();
    }
}

#[test]
fn a_carried_file_that_has_grown_is_cut_off() {
    for from in BackEnd::ALL {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut guest = Guest::new(&builder(here.path(), from));
        let log = guest.open("log", CREAT, FILE, APPEND).unwrap();
        guest.write(log, b"one\n").unwrap();
        let image = save(&guest, FilePolicy::Carry);
        create(there.path(), "log", "one\ntwo\n");
        restored(&image, &builder(there.path(), BackEnd::Linux), FileChoice::Truncate).unwrap();
        assert_eq!(content(there.path(), "log"), "one\n", "{from}");
    }
}

#[test]
fn directories_may_be_elsewhere_in_each_back_end() {
    for from in BackEnd::ALL {
        for to in BackEnd::ALL {
            let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            for dir in [here.path(), there.path()] {
                create(dir, "f", "content");
                set_modified(dir, "f");
                std::fs::create_dir(dir.join("d")).unwrap();
            }
            let mut guest = Guest::new(&builder(here.path(), from));
            let f = guest.open("f", 0, FILE, 0).unwrap();
            guest.read(f, 3).unwrap();
            let d = guest.open("d", DIRECTORY, DIR, 0).unwrap();
            let image = save(&guest, FilePolicy::Reopen);
            drop(here);
            let mut guest = restored(&image, &builder(there.path(), to), FileChoice::Same)
                .unwrap_or_else(|e| panic!("from {from} to {to}: {e}"));
            assert_eq!(guest.read(f, 10).unwrap(), b"tent", "from {from} to {to}");
            let new = guest.open_at(d, 0, "new", CREAT, FILE, 0).unwrap();
            guest.write(new, b"new").unwrap();
            assert_eq!(there.path().join("d/new").exists(), to != BackEnd::Memory, "from {from} to {to}");
        }
    }
}
