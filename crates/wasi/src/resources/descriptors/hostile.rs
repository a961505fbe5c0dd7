//! Records that would open what is outside of the preopens: refused, and nothing has changed, in each back end.

use super::{DescriptorRecord, Descriptors, DescriptorsRecord, FileIdentity, Operation, PreopenRecord};
use crate::resources::content::ContentRecord;
use crate::resources::tests::record;
use crate::resources::{Record, Resource, Restoring};
use crate::restore::{RestoreError, RestorePolicy};
use crate::{BackEnd, Errno, WasiBuilder, WasiCtx};
use std::os::unix::fs::symlink;

/// A context that sees `box`, beside which a secret lies.
fn sandbox(back_end: BackEnd) -> (tempfile::TempDir, WasiCtx) {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("box");
    std::fs::create_dir_all(inner.join("d/e")).unwrap();
    std::fs::write(inner.join("f"), "inside").unwrap();
    std::fs::write(outer.path().join("secret"), "secret").unwrap();
    symlink("../secret", inner.join("up")).unwrap();
    symlink("../../secret", inner.join("d/up")).unwrap();
    symlink("..", inner.join("parent")).unwrap();
    symlink("../new", inner.join("to_new")).unwrap();
    symlink("../newdir", inner.join("to_newdir")).unwrap();
    symlink("parent", inner.join("chain")).unwrap();
    symlink("/", inner.join("root")).unwrap();
    symlink(outer.path().join("secret"), inner.join("absolute")).unwrap();
    let mut builder = WasiBuilder::new();
    builder.map_dir(format!("/::{}", inner.display())).map_dir(format!("/d::{}", inner.join("d").display()));
    (outer, builder.back_end(back_end).build().unwrap())
}

fn opening(preopen: u32, path: &[u8], follow: bool, directory: bool) -> Record {
    let open = Operation::Open { preopen, path: path.to_vec(), follow, directory, identity: None };
    let descriptor = DescriptorRecord {
        fd: 5,
        filetype: if directory { 3 } else { 4 },
        base: 2,
        inheriting: 0,
        flags: 0,
        operations: vec![open],
    };
    let name = |name: &[u8]| PreopenRecord { guest_name: name.to_vec(), nth: 0 };
    // The wrong way round, as it is for the record to say.
    let preopens = vec![name(b"/d"), name(b"/")];
    Record { descriptors: DescriptorsRecord { preopens, descriptors: vec![descriptor] }, ..record() }
}

fn restore(record: &Record, ctx: &WasiCtx) -> Result<(), RestoreError> {
    let encoded = record.encode().unwrap();
    let record = Record::decode(&encoded)?;
    let policy = RestorePolicy { files: crate::FileChoice::Changed.into(), ..RestorePolicy::default() };
    Descriptors::restore(&record, ctx, &Restoring::from(&policy)).map(|_| ())
}

#[test]
fn a_path_that_leads_out_of_its_preopen_is_refused() {
    for back_end in BackEnd::ALL {
        let (outer, ctx) = sandbox(back_end);
        let absolute = outer.path().join("secret").display().to_string();
        let paths = [
            "..",
            "../secret",
            "../box/f",
            "d/../../secret",
            "d/e/../../../secret",
            "./../secret",
            "up",
            "d/up",
            "chain/secret",
            "parent/box/f",
            "root",
            "root/etc/passwd",
            "absolute",
            "/",
            "/etc/passwd",
            &absolute,
        ];
        for path in paths {
            for directory in [false, true] {
                let error = restore(&opening(1, path.as_bytes(), true, directory), &ctx).unwrap_err();
                let RestoreError::Open { fd: 5, source, .. } = &error else {
                    panic!("{back_end} {path}: {error}")
                };
                assert_eq!(Errno::from(source), Errno::NotCapable, "{back_end} {path}: {error}");
            }
        }
        // Beneath another preopen, `..` does not lead to the one around it.
        for path in ["../f", "e/../../f", "up"] {
            let error = restore(&opening(0, path.as_bytes(), true, false), &ctx).unwrap_err();
            let RestoreError::Open { source, .. } = &error else { panic!("{back_end} {path}: {error}") };
            assert_eq!(Errno::from(source), Errno::NotCapable, "{back_end} {path}: {error}");
        }
        assert!(restore(&opening(1, b"f", true, false), &ctx).is_ok());
        assert!(ctx.table().get(5).is_err(), "nothing has changed");
    }
}

#[test]
fn a_path_that_is_none_is_refused() {
    for back_end in BackEnd::ALL {
        let (_outer, ctx) = sandbox(back_end);
        let long = "x/".repeat(5000);
        for path in ["", "f\0", "f/", "f/x", "no", "up\0", &"x".repeat(300), &long] {
            let error = restore(&opening(1, path.as_bytes(), false, false), &ctx).unwrap_err();
            assert!(matches!(error, RestoreError::Open { .. }), "{back_end} {path:?}: {error}");
        }
        // A link that is not followed is no file.
        assert!(restore(&opening(1, b"up", false, false), &ctx).is_err());
        assert!(restore(&opening(7, b"f", false, false), &ctx).is_err());
    }
}

/// All that lies in a directory, links as such.
fn listing(dir: &std::path::Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let shown = match path.symlink_metadata().unwrap().file_type() {
            kind if kind.is_symlink() => {
                format!("{} -> {}", path.display(), path.read_link().unwrap().display())
            }
            kind if kind.is_dir() => {
                all.extend(listing(&path));
                path.display().to_string()
            }
            _ => format!("{}: {}", path.display(), std::fs::read_to_string(&path).unwrap()),
        };
        all.push(shown);
    }
    all.sort();
    all
}

/// A file, or a directory, that the record would have made.
fn carrying(preopen: u32, path: &[u8], follow: bool, directory: bool) -> Record {
    let mut record = opening(preopen, path, follow, directory);
    let Operation::Open { identity, .. } = &mut record.descriptors.descriptors[0].operations[0] else {
        panic!("it opens")
    };
    if !directory {
        *identity = Some(FileIdentity { size: 4, modified: 2, sha256: None, file: Some(0) });
    }
    Record { content: ContentRecord::carrying(0, b"evil"), ..record }
}

#[test]
fn nothing_is_made_outside_of_the_preopens_and_what_was_made_is_taken_back() {
    for back_end in BackEnd::ALL {
        let (outer, ctx) = sandbox(back_end);
        let before = listing(outer.path());
        let absolute = outer.path().join("new").display().to_string();
        let paths = [
            "../new",
            "../secret",
            "d/../../new",
            "new/../../new",
            "new/sub/../../../new",
            "./../new",
            "parent/new",
            "chain/new",
            "chain/secret",
            "root/tmp/new",
            "to_new",
            "to_newdir/new",
            "absolute",
            "up",
            "d/up",
            &absolute,
            "/new",
            "",
            ".",
            "..",
            "new\0",
            "new/",
        ];
        for choice in [crate::FileChoice::Same, crate::FileChoice::Replace, crate::FileChoice::Truncate] {
            for path in paths {
                for (follow, directory) in [(true, false), (false, false), (true, true)] {
                    // These are directories of the guest's own.
                    if directory && [".", "new/"].contains(&path) {
                        continue;
                    }
                    let record = carrying(1, path.as_bytes(), follow, directory);
                    let policy = RestorePolicy { files: choice.into(), ..RestorePolicy::default() };
                    let ready = Descriptors::restore(&record, &ctx, &Restoring::from(&policy)).map(|_| ());
                    assert!(ready.is_err(), "{back_end} {path} {choice:?}");
                    assert_eq!(listing(outer.path()), before, "{back_end} {path} {choice:?}");
                }
            }
        }
        // A descriptor that cannot be made, behind files that were.
        let mut record = carrying(1, b"x/y/new", false, false);
        let second = opening(1, b"no", false, false).descriptors.descriptors.remove(0);
        record.descriptors.descriptors.push(DescriptorRecord { fd: 6, ..second });
        assert!(restore(&record, &ctx).is_err());
        assert_eq!(listing(outer.path()), before, "{back_end}");
        assert!(ctx.preopens()[0].dir.stat_at(b"x", true).is_err(), "{back_end}");
    }
}
