//! `fd_readdir`.
#![allow(missing_docs)]
mod common;
use common::*;
use std::collections::BTreeSet;

in_each_back_end!();

#[test]
fn every_entry_comes_once_whatever_the_size_of_the_buffer() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::from([".".to_owned(), "..".to_owned()]);
    for i in 0..300 {
        let name = format!("file-{}-{i}", "x".repeat(i % 40));
        create(dir.path(), &name, "");
        expected.insert(name);
    }
    let mut guest = Guest::in_dir(dir.path());
    for size in [100, 256, 1000, 1 << 16] {
        let (mut found, mut cookie) = (Vec::new(), 0);
        loop {
            let (names, end) = guest.readdir(3, cookie, size).unwrap();
            found.extend(names.iter().map(|(name, _)| name.clone()));
            cookie = names.last().map_or(cookie, |(_, next)| *next);
            if end {
                break;
            }
        }
        assert_eq!(found.len(), expected.len(), "buffer of {size}");
        assert_eq!(BTreeSet::from_iter(found), expected, "buffer of {size}");
    }
}

#[test]
fn entries_carry_inode_and_type_and_dots_come_first() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::os::unix::fs::symlink("sub", dir.path().join("link")).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let (names, end) = guest.readdir(3, 0, 4096).unwrap();
    assert!(end);
    assert_eq!((names[0].0.as_str(), names[1].0.as_str(), names.len()), (".", "..", 4));
    let mut at = DATA;
    for (name, _) in &names {
        let filetype = guest.get(at + 20, 1)[0];
        let expected = if name == "link" { 7 } else { 3 };
        assert_eq!(filetype, expected, "{name}");
        if name != ".." && on_host() {
            use std::os::unix::fs::MetadataExt;
            let host = std::fs::symlink_metadata(dir.path().join(name)).unwrap();
            assert_eq!(guest.u64(at + 8), host.ino(), "{name}");
        }
        at += 24 + name.len() as u64;
    }
}

#[test]
fn cookies_stay_valid_while_the_directory_changes() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..10 {
        create(dir.path(), &format!("f{i}"), "");
    }
    let mut guest = Guest::in_dir(dir.path());
    let (all, _) = guest.readdir(3, 0, 4096).unwrap();
    for (name, _) in &all[2..7] {
        guest.at("path_unlink_file", 3, name).unwrap();
    }
    let (rest, end) = guest.readdir(3, all[6].1, 4096).unwrap();
    assert!(end);
    assert_eq!(rest, all[7..]);
    let (again, _) = guest.readdir(3, 0, 4096).unwrap();
    assert_eq!(again.len(), 7, "a read from the start sees the directory as it is");
    let (none, end) = guest.readdir(3, 1 << 40, 4096).unwrap();
    assert!(none.is_empty() && end);
}
