//! The guest's files, if they are in memory.
//!
//! They are made again together with the descriptors, which are of them.

use super::{FormatError, Reader, Ready, Record, Resource, Restoring, Saving, content};
use crate::back_end::BackEnd;
use crate::ctx::{Preopen, WasiCtx};
use crate::dir::show;
use crate::placing::Placing;
use crate::restore::{RestoreError, RestorePolicy};
use crate::save::SaveError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use wayfarer_files::Directory;
use wayfarer_files::memory::FilesRecord;

/// The kind.
pub(crate) struct Files;

/// All of the files.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct GuestFiles {
    /// Names of the preopened directories, in their order.
    preopens: Vec<Vec<u8>>,
    files: FilesRecord,
}

impl Resource for Files {
    type Part = Option<GuestFiles>;
    const VERSION: u32 = 1;

    fn save(ctx: &WasiCtx, _: &mut Saving<'_>) -> Result<Option<GuestFiles>, SaveError> {
        let preopens = ctx.preopens();
        let roots: Vec<_> = preopens.iter().map(|preopen| Arc::clone(&preopen.dir)).collect();
        Ok(FilesRecord::save(&roots).map(|files| GuestFiles {
            preopens: preopens.iter().map(|preopen| preopen.guest_name.clone()).collect(),
            files,
        }))
    }

    /// Version 0: records that know nothing of such files.
    fn read(version: u32, reader: &mut Reader<'_>) -> Result<Option<GuestFiles>, FormatError> {
        match version {
            0 => Ok(None),
            _ => reader.next(),
        }
    }

    fn verify(record: &Record) -> Result<(), FormatError> {
        let Some(GuestFiles { preopens, files }) = &record.files else { return Ok(()) };
        if preopens.len() != files.roots() {
            return Err(FormatError::Malformed(
                "files have other directories than there are names for".into(),
            ));
        }
        files.check().map_err(FormatError::Malformed)
    }

    fn restore<'a>(_: &Record, _: &'a WasiCtx, _: &Restoring<'_>) -> Result<Ready<'a>, RestoreError> {
        Ok(Box::new(|| ()))
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        let Some(GuestFiles { preopens, files }) = &record.files else { return Vec::new() };
        let (count, bytes) = files.size();
        let preopens = preopens.iter().map(|name| show(name)).collect::<Vec<_>>();
        vec![("files", json!({ "preopens": preopens, "files": count, "bytes": bytes }))]
    }
}

/// The preopened directories of a guest that is restored: made of the record's files, or the context's.
///
/// # Errors
/// They are the context's, and have not what the record has.
pub(super) fn preopens(
    record: &Record,
    ctx: &WasiCtx,
    policy: &RestorePolicy,
    placing: &mut Placing,
) -> Result<Arc<[Preopen]>, RestoreError> {
    let Some(GuestFiles { preopens: names, files }) = &record.files else { return Ok(ctx.preopens()) };
    match ctx.back_end {
        None | Some(BackEnd::Memory) => {
            let dirs = files.restore().map_err(|what| RestoreError::from(FormatError::Malformed(what)))?;
            let named = names.iter().zip(dirs);
            Ok(named.map(|(name, dir)| Preopen { guest_name: name.clone(), dir }).collect())
        }
        Some(back_end) => {
            let given = ctx.preopens();
            let mut roots = Vec::new();
            for (nth, name) in names.iter().enumerate() {
                let before = names[..nth].iter().filter(|other| *other == name).count();
                let found = given.iter().filter(|preopen| preopen.guest_name == *name).nth(before);
                let missing = || RestoreError::MissingPreopen { guest_name: show(name) };
                roots.push(found.ok_or_else(missing)?);
            }
            content::lay_out(record, files, &roots, policy, placing)?;
            same(record, back_end, files, &roots, policy, placing)?;
            Ok(given)
        }
    }
}

/// # Errors
/// The first file that is not the same there.
fn same(
    record: &Record,
    back_end: BackEnd,
    files: &FilesRecord,
    roots: &[&Preopen],
    policy: &RestorePolicy,
    placing: &Placing,
) -> Result<(), RestoreError> {
    let differs = |path: &[u8], root: usize, what: String| RestoreError::Files {
        back_end,
        path: if path.is_empty() { ".".into() } else { show(path) },
        preopen: roots.get(root).map(|root| show(&root.guest_name)).unwrap_or_default(),
        what,
    };
    let directories: Vec<&dyn Directory> = roots.iter().map(|root| &*root.dir).collect();
    let policies = record.content.policies();
    let compared = |root: usize, path: &[u8]| {
        let Preopen { guest_name, dir } = roots[root];
        content::is_compared(&policies, policy, guest_name, path) && !placing.is_cut(dir, path)
    };
    match files.compare(&directories, compared) {
        Ok(None) => Ok(()),
        Ok(Some(found)) => Err(differs(&found.path, found.root, found.what)),
        Err(error) => Err(differs(b"", 0, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WasiBuilder;
    use crate::resources::tests::record;
    use crate::save::SavePolicy;

    fn context(dir: &std::path::Path) -> WasiCtx {
        let mut builder = WasiBuilder::new();
        builder.map_dir(format!("/data::{}", dir.display())).back_end(BackEnd::Memory).build().unwrap()
    }

    #[test]
    fn they_are_saved_described_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "content").unwrap();
        std::fs::write(dir.path().join("g"), "content").unwrap();
        let files = Files::save(&context(dir.path()), &mut Saving::from(&SavePolicy::default())).unwrap();
        let record = Record { files, ..record() };
        let again = Record::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(again, record);
        let described = json!({ "preopens": ["/data"], "files": 3, "bytes": 7 });
        assert_eq!(Files::describe(&again), [("files", described)], "what is the same is there once");
    }

    #[test]
    fn they_are_restored_with_the_descriptors() {
        let (dir, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("f"), "content").unwrap();
        let files = Files::save(&context(dir.path()), &mut Saving::from(&SavePolicy::default())).unwrap();
        let record = Record { files, ..record() };
        let policy = RestorePolicy::default();
        let ctx = context(empty.path());
        Files::restore(&record, &ctx, &Restoring::from(&policy)).unwrap()();
        assert!(ctx.preopens()[0].dir.stat_at(b"f", false).is_err());
        let preopens = preopens(&record, &ctx, &policy, &mut Placing::default()).unwrap();
        assert_eq!(preopens[0].dir.stat_at(b"f", false).unwrap().size, 7);
    }

    #[test]
    fn a_linux_host_has_what_is_in_the_image_or_the_file_that_differs_is_named() {
        let (dir, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/f"), "content").unwrap();
        std::os::unix::fs::symlink("d/f", dir.path().join("l")).unwrap();
        let files = Files::save(&context(dir.path()), &mut Saving::from(&SavePolicy::default())).unwrap();
        let record = Record { files, ..record() };
        let mut builder = WasiBuilder::new();
        builder.map_dir(format!("/data::{}", there.path().display())).back_end(BackEnd::Linux);
        let ctx = builder.build().unwrap();
        let strict = RestorePolicy::default();
        let error =
            || preopens(&record, &ctx, &strict, &mut Placing::default()).err().map(|error| error.to_string());
        let text = |path: &str, what: &str| {
            Some(format!(
                "the program's files are in the image, and the directories of `linux` do not have them: `{path}` in `/data`: {what}"
            ))
        };
        assert_eq!(error(), text("l", "it is not there"));
        std::os::unix::fs::symlink("d/g", there.path().join("l")).unwrap();
        assert_eq!(error(), text("l", "it leads elsewhere"));
        std::fs::remove_file(there.path().join("l")).unwrap();
        std::os::unix::fs::symlink("d/f", there.path().join("l")).unwrap();
        std::fs::create_dir(there.path().join("d")).unwrap();
        for (content, what) in
            [("contents", "it has 8 bytes, it had 7"), ("CONTENT", "its content is another")]
        {
            std::fs::write(there.path().join("d/f"), content).unwrap();
            assert_eq!(error(), text("d/f", what));
        }
        let anyway = RestorePolicy { files: crate::FileChoice::Changed.into(), ..RestorePolicy::default() };
        assert!(preopens(&record, &ctx, &anyway, &mut Placing::default()).is_ok());
        std::fs::write(there.path().join("d/f"), "content").unwrap();
        assert_eq!(error(), None);
        let none = WasiBuilder::new().back_end(BackEnd::Linux).build().unwrap();
        let error = preopens(&record, &none, &strict, &mut Placing::default()).err().unwrap().to_string();
        assert!(error.contains("the preopened directory `/data`"), "{error}");
    }
}
