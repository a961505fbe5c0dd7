//! What images say of how descriptors were opened.
#![allow(missing_docs)]
mod common;
use common::*;
use serde_json::{Value, json};
use wayfarer_wasi::describe_record;

fn opened(guest: &Guest, fd: u64) -> Value {
    let described = describe_record(&guest.ctx.save().unwrap()).unwrap();
    let descriptors = described["descriptors"].as_array().unwrap();
    descriptors.iter().find(|descriptor| descriptor["fd"] == fd).unwrap()["opened"].clone()
}

#[test]
fn all_that_path_open_was_given_stays_with_its_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let mut guest = Guest::in_dir(dir.path());
    let sub = guest.open("d", DIRECTORY, DIR, 0).unwrap();
    let fd = guest.open_at(sub, 1, "f", CREAT | TRUNC, FILE, APPEND).unwrap();
    let expected = json!({
        "preopen": "/", "preopen_path": "d/f", "dir": sub, "path": "f", "lookup": ["symlink_follow"],
        "oflags": ["creat", "trunc"], "fdflags": ["append"],
        "rights": format!("{FILE:#x}"), "rights_inheriting": "0x0",
    });
    assert_eq!(opened(&guest, fd), expected);
    assert_eq!(opened(&guest, 3), Value::Null, "a preopened directory was given by the host");

    // Whatever becomes of flags, rights, numbers and names.
    guest.try_call("fd_fdstat_set_flags", &[fd, 0]).unwrap();
    guest.try_call("fd_fdstat_set_rights", &[fd, READ | TELL | SEEK, 0]).unwrap();
    guest.try_call("fd_renumber", &[fd, 0]).unwrap();
    std::fs::rename(dir.path().join("d/f"), dir.path().join("g")).unwrap();
    assert_eq!(opened(&guest, 0), expected);
    for unlinked in [false, true] {
        if unlinked {
            std::fs::remove_file(dir.path().join("g")).unwrap();
        }
        let image = guest.ctx.save().unwrap();
        guest = Guest::new(&builder_in(dir.path()));
        guest.ctx.restore(&image).unwrap();
        assert_eq!(opened(&guest, 0), expected);
        let asked = guest.ctx.path_open_of(0).unwrap();
        assert_eq!((asked.dir, &asked.path[..], asked.rights), (sub as u32, &b"f"[..], FILE));
    }
    assert_eq!(guest.ctx.path_open_of(fd as u32), None, "that number is free");
}
