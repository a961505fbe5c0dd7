//! Locks that a host takes for its guest, in checkpoints.
#![allow(missing_docs)]
mod common;
use common::*;
use std::path::Path;
use wayfarer_wasi::{Lock, LockError, WasiBuilder, describe_record};

fn builder(dir: &Path) -> WasiBuilder {
    let mut builder = quiet();
    builder.map_dir(format!("/::{}", dir.display()));
    builder
}

/// Whether another could lock these bytes now, and who is said to be in the way.
fn free(guest: &mut Guest, kind: Lock, start: u64, len: u64) -> Result<(), LockError> {
    let fd = guest.open("file", 0, FILE, 0).unwrap() as u32;
    let locked = guest.ctx.lock_file(fd, kind, start, len);
    guest.close(fd.into()).unwrap();
    locked
}

type Result<T, E> = std::result::Result<T, E>;

#[test]
fn locks_are_taken_again_and_a_conflict_names_who_has_them() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "file", "0123456789");
    let mut guest = Guest::new(&builder(dir.path()));
    let mut other = Guest::new(&builder(dir.path()));
    let fd = guest.open("file", 0, FILE, 0).unwrap() as u32;
    guest.ctx.lock_file(fd, Lock::Shared, 0, 0).unwrap();
    guest.ctx.lock_file(fd, Lock::Exclusive, 2, 3).unwrap();
    guest.ctx.lock_file(fd, Lock::Unlocked, 8, 0).unwrap();
    let own = std::process::id() as i32;
    let check = |other: &mut Guest| {
        assert!(matches!(free(other, Lock::Exclusive, 0, 1), Err(LockError::Held(Some(pid))) if pid == own));
        free(other, Lock::Shared, 0, 2).unwrap();
        free(other, Lock::Shared, 3, 1).unwrap_err();
        free(other, Lock::Exclusive, 8, 0).unwrap();
    };
    check(&mut other);
    let image = guest.ctx.save().unwrap();
    let locks = &describe_record(&image).unwrap()["locks"];
    assert_eq!(
        locks[2],
        serde_json::json!({ "fd": fd, "exclusive": true, "start": 2, "end": 5, "kind": "range" })
    );
    let restored = Guest::new(&builder(dir.path()));
    let error = restored.ctx.restore(&image).unwrap_err().to_string();
    let expected = format!(
        "descriptor {fd}: its file was locked, and cannot be again: process {own} holds a lock on it"
    );
    assert_eq!(error, expected);
    drop(guest);
    restored.ctx.restore(&image).unwrap();
    check(&mut other);
    // As many as before, if it is saved once more.
    let again = restored.ctx.save().unwrap();
    assert_eq!(describe_record(&again).unwrap()["locks"], *locks);
    drop(restored);
    free(&mut other, Lock::Exclusive, 0, 0).unwrap();
}

#[test]
fn what_is_no_file_has_no_locks() {
    let guest = Guest::new(&quiet());
    assert!(matches!(guest.ctx.lock_file(77, Lock::Shared, 0, 0), Err(LockError::NoFile)));
}

#[test]
fn a_file_can_be_locked_as_flock_does_and_comes_back_so() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), "file", "0123456789");
    let mut guest = Guest::new(&builder(dir.path()));
    let fd = guest.open("file", 0, FILE, 0).unwrap() as u32;
    let host = std::fs::File::open(dir.path().join("file")).unwrap();
    guest.ctx.lock_whole_file(fd, Lock::Exclusive).unwrap();
    guest.ctx.lock_file(fd, Lock::Shared, 0, 5).unwrap();
    assert!(host.try_lock_shared().is_err(), "the standard library's are of this kind");
    guest.ctx.lock_whole_file(fd, Lock::Shared).unwrap();
    host.try_lock_shared().unwrap();
    // It cannot become its own, and stays what it was.
    let own = std::process::id() as i32;
    let held = guest.ctx.lock_whole_file(fd, Lock::Exclusive).unwrap_err();
    assert!(matches!(held, LockError::Held(Some(process)) if process == own), "{held}");
    let image = guest.ctx.save().unwrap();
    host.unlock().unwrap();
    assert!(host.try_lock().is_err(), "it is shared still");
    let locks = &describe_record(&image).unwrap()["locks"];
    assert_eq!((&locks[0]["kind"], &locks[1]["kind"]), (&"range".into(), &"flock".into()), "in their order");
    drop(guest);
    host.try_lock().unwrap();
    let restored = Guest::new(&builder(dir.path()));
    let error = restored.ctx.restore(&image).unwrap_err().to_string();
    assert!(error.contains(&format!("process {own} holds a lock on it")), "{error}");
    host.unlock().unwrap();
    restored.ctx.restore(&image).unwrap();
    host.try_lock_shared().unwrap();
    host.unlock().unwrap();
    assert!(host.try_lock().is_err());
    assert_eq!(describe_record(&restored.ctx.save().unwrap()).unwrap()["locks"], *locks);
    restored.ctx.lock_whole_file(fd, Lock::Unlocked).unwrap();
    host.try_lock().unwrap();
    assert!(matches!(restored.ctx.lock_whole_file(77, Lock::Shared), Err(LockError::NoFile)));
}
