//! Descriptors: files, directories, standard streams.
//!
//! Not a copy of our table but, for every descriptor, the shortest list of operations that makes it again, in ascending order of
//! numbers: another implementation of preview 1 could carry them out just as well.

mod describe;
#[cfg(test)]
mod hostile;
pub(in crate::resources) mod pipes;
mod restore;
mod save;
mod version1;

use super::{FormatError, Reader, Ready, Record, Resource, Restoring, Saving, content, files};
use crate::ctx::WasiCtx;
use crate::dir::Listing;
use crate::placing::Placing;
use crate::restore::RestoreError;
use crate::save::SaveError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use restore::find_preopens;
pub(super) use save::in_beside;
pub(crate) use save::same_time;

/// Descriptor numbers from here on are refused: a table is as long as its largest number.
pub(crate) const MOST_DESCRIPTORS: u32 = 1 << 20;

/// The kind.
pub(crate) struct Descriptors;

impl Resource for Descriptors {
    type Part = DescriptorsRecord;
    /// As 4, with files whose bytes are beside the record. 4: as 3, with named pipes. 3: as 2, with more that is known of entries of
    /// directories.
    const VERSION: u32 = 5;

    fn save(ctx: &WasiCtx, saving: &mut Saving<'_>) -> Result<DescriptorsRecord, SaveError> {
        save::save(ctx, saving)
    }

    fn read(version: u32, reader: &mut Reader<'_>) -> Result<DescriptorsRecord, FormatError> {
        match version {
            1 => Ok(reader.next::<version1::Descriptors>()?.into()),
            _ => reader.next(),
        }
    }

    fn verify(record: &Record) -> Result<(), FormatError> {
        record.descriptors.check()
    }

    fn restore<'a>(
        record: &Record,
        ctx: &'a WasiCtx,
        restoring: &Restoring<'_>,
    ) -> Result<Ready<'a>, RestoreError> {
        content::check_beside(record, restoring.beside)?;
        let mut placing = Placing::default();
        let given = files::preopens(record, ctx, restoring.policy, &mut placing)?;
        content::place(record, &given, restoring, &mut placing)?;
        restore::restore(record, given, ctx, restoring, placing)
    }

    fn describe(record: &Record) -> Vec<(&'static str, Value)> {
        describe::describe(&record.descriptors, &record.opens)
    }
}

/// What an image holds of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DescriptorsRecord {
    /// Preopens that descriptors refer to, by guest name.
    pub(crate) preopens: Vec<PreopenRecord>,
    /// In ascending order of their numbers.
    pub(crate) descriptors: Vec<DescriptorRecord>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct PreopenRecord {
    pub(crate) guest_name: Vec<u8>,
    /// Which of the preopens with that name, counted from 0.
    pub(crate) nth: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DescriptorRecord {
    pub(crate) fd: u32,
    /// WASI `filetype`.
    pub(crate) filetype: u8,
    /// Rights, base and inheriting.
    pub(crate) base: u64,
    pub(crate) inheriting: u64,
    /// WASI `fdflags`, `APPEND` and `NONBLOCK` among them.
    pub(crate) flags: u16,
    /// The first one makes the descriptor, the rest bring it to where it was.
    pub(crate) operations: Vec<Operation>,
}

/// One step in making a descriptor again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// Take standard stream 0, 1 or 2 as the process has it. `file` says where a regular file stood, if its
    /// position is the guest's.
    Stdio { stream: u8, file: Option<StreamFile> },
    /// Take a preopen: index into [`DescriptorsRecord::preopens`].
    Preopen { preopen: u32 },
    /// Open a path below a preopen. Never creates or truncates: what `path_open` did of that is done.
    Open { preopen: u32, path: Vec<u8>, follow: bool, directory: bool, identity: Option<FileIdentity> },
    /// Make a file without a name: it had been unlinked. `preopen` and `path` say where it was opened.
    Carry { preopen: u32, path: Vec<u8>, file: CarriedFile },
    /// Open the file once more that descriptor `fd`, a smaller number, carries.
    CarryAgain { preopen: u32, path: Vec<u8>, fd: u32 },
    /// Set the position.
    Seek { offset: u64 },
    /// Go on reading the directory.
    ReadDir { listing: Listing },
    /// Have a named pipe as it was: all have left who had its other end open.
    Ended,
    /// As `Carry`, of bytes that are beside the record.
    CarryBeside { preopen: u32, path: Vec<u8>, file: BesideRecord },
}

/// How a regular file is known again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    pub(crate) size: u64,
    /// Time of last modification, nanoseconds since 1970.
    pub(crate) modified: u64,
    /// SHA-256 of the content, compared instead of the time if it is there.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Descriptors with the same number here have the same file open, however they got there; others have not. Older images
    /// do not say.
    #[serde(with = "always")]
    pub(crate) file: Option<u32>,
}

/// A file that travels in the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct CarriedFile {
    pub(crate) bytes: Vec<u8>,
    /// Times of last access and modification, nanoseconds since 1970.
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
}

/// A file that travels beside the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BesideRecord {
    /// Its number there.
    pub(crate) number: u32,
    pub(crate) size: u64,
    /// Times of last access and modification, nanoseconds since 1970.
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
}

/// A standard stream that is a regular file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StreamFile {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: u64,
    pub(crate) offset: u64,
    /// What the guest did with it.
    pub(crate) read: bool,
    pub(crate) wrote: bool,
}

/// A number that is always written, and is not there in what comes from older images.
mod always {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => number.serialize(serializer),
            None => Err(serde::ser::Error::custom("a file has no number")),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
        u32::deserialize(deserializer).map(Some)
    }
}

impl DescriptorsRecord {
    /// What the types do not say.
    fn check(&self) -> Result<(), FormatError> {
        let malformed = |what: String| Err(FormatError::Malformed(what));
        let mut last = None;
        for descriptor in &self.descriptors {
            let fd = descriptor.fd;
            if fd >= MOST_DESCRIPTORS || last.is_some_and(|last| last >= fd) {
                return malformed(format!("descriptor number {fd} is too large or out of order"));
            }
            last = Some(fd);
            let (first, rest) = match descriptor.operations.split_first() {
                Some(split) => split,
                None => return malformed(format!("descriptor {fd} has no operations")),
            };
            let makes = |operation: &Operation| {
                !matches!(operation, Operation::Seek { .. } | Operation::ReadDir { .. } | Operation::Ended)
            };
            if !makes(first) || rest.iter().any(makes) {
                return malformed(format!("operations of descriptor {fd} are out of order"));
            }
            if rest.contains(&Operation::Ended) && !matches!(first, Operation::Open { .. }) {
                return malformed(format!("descriptor {fd} is no named pipe that could have ended"));
            }
            if let Operation::CarryAgain { fd: of, .. } = first
                && !carries(&self.descriptors, *of, fd)
            {
                return malformed(format!("descriptor {fd} refers to the file of {of}, which carries none"));
            }
            let (Operation::Preopen { preopen }
            | Operation::Open { preopen, .. }
            | Operation::Carry { preopen, .. }
            | Operation::CarryBeside { preopen, .. }
            | Operation::CarryAgain { preopen, .. }) = first
            else {
                continue;
            };
            if self.preopens.get(*preopen as usize).is_none() {
                return malformed(format!("descriptor {fd} refers to preopen {preopen}, which there is not"));
            }
        }
        Ok(())
    }
}

/// Whether the descriptor with number `of`, before `fd`, carries a file.
fn carries(descriptors: &[DescriptorRecord], of: u32, fd: u32) -> bool {
    let found = descriptors.binary_search_by_key(&of, |descriptor| descriptor.fd);
    let first = found.ok().and_then(|at| descriptors[at].operations.first());
    of < fd && matches!(first, Some(Operation::Carry { .. } | Operation::CarryBeside { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::{context, record};
    use crate::restore::RestorePolicy;
    use crate::save::SavePolicy;
    use serde_json::json;

    fn carried() -> Operation {
        let file = CarriedFile { bytes: vec![1, 2], accessed: 3, modified: 4 };
        Operation::Carry { preopen: 0, path: b"t".to_vec(), file }
    }

    fn carried_beside() -> Operation {
        let file = BesideRecord { number: 1, size: 2, accessed: 3, modified: 4 };
        Operation::CarryBeside { preopen: 0, path: b"t".to_vec(), file }
    }

    fn carried_by(fd: u32) -> Operation {
        Operation::CarryAgain { preopen: 0, path: b"t".to_vec(), fd }
    }

    fn descriptor(fd: u32, operations: Vec<Operation>) -> DescriptorRecord {
        DescriptorRecord { fd, filetype: 3, base: 1, inheriting: 2, flags: 0, operations }
    }

    fn of(descriptors: Vec<DescriptorRecord>) -> Record {
        let preopens = vec![PreopenRecord { guest_name: b"/".to_vec(), nth: 0 }];
        Record { descriptors: DescriptorsRecord { preopens, descriptors }, ..record() }
    }

    #[test]
    fn they_are_saved_and_described() {
        let ctx = context();
        let descriptors = Descriptors::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
        let fds: Vec<u32> = descriptors.descriptors.iter().map(|d| d.fd).collect();
        assert_eq!((descriptors.preopens.len(), fds), (1, vec![0, 1, 2, 3]));
        let preopen = &descriptors.descriptors[3];
        assert_eq!(preopen.operations, [Operation::Preopen { preopen: 0 }]);
        let record = Record { descriptors, ..record() };
        Descriptors::verify(&record).unwrap();
        let [(_, preopens), (_, described)] = &Descriptors::describe(&record)[..] else {
            panic!("two members")
        };
        assert_eq!(*preopens, json!(["/data"]));
        assert_eq!(described[3]["operations"], json!([{ "op": "preopen", "name": "/data" }]));
    }

    #[test]
    fn they_are_restored_when_nothing_can_fail_any_more() {
        let ctx = context();
        let descriptors = Descriptors::save(&ctx, &mut Saving::from(&SavePolicy::default())).unwrap();
        let mut record = Record { descriptors, ..record() };
        record.descriptors.descriptors[3].fd = 7;
        let ready = Descriptors::restore(&record, &ctx, &Restoring::from(&RestorePolicy::default())).unwrap();
        assert!(ctx.table().get(3).is_ok() && ctx.table().get(7).is_err());
        ready();
        assert!(ctx.table().get(3).is_err() && ctx.table().get(7).is_ok());
        record.descriptors.preopens[0].guest_name = b"/elsewhere".to_vec();
        let error = Descriptors::restore(&record, &ctx, &Restoring::from(&RestorePolicy::default())).err();
        assert!(error.expect("it is refused").to_string().contains("`/elsewhere`"));
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        let record = of(vec![
            descriptor(0, vec![Operation::Stdio { stream: 0, file: None }]),
            descriptor(3, vec![Operation::Preopen { preopen: 0 }]),
            descriptor(4, vec![carried(), Operation::Seek { offset: 1 }]),
            descriptor(5, vec![carried_by(4)]),
            descriptor(6, vec![carried_beside()]),
            descriptor(7, vec![carried_by(6)]),
        ]);
        assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let preopen = || vec![Operation::Preopen { preopen: 0 }];
        for (descriptors, what) in [
            (vec![descriptor(3, preopen()), descriptor(3, preopen())], "descriptor number 3"),
            (vec![descriptor(u32::MAX, preopen())], "descriptor number 4294967295"),
            (vec![descriptor(3, vec![])], "no operations"),
            (vec![descriptor(3, vec![Operation::Seek { offset: 0 }])], "out of order"),
            (vec![descriptor(3, vec![Operation::Preopen { preopen: 1 }])], "preopen 1"),
            (vec![descriptor(3, vec![carried(), Operation::Ended])], "no named pipe"),
            (vec![descriptor(3, vec![carried_by(4)]), descriptor(4, vec![carried()])], "the file of 4"),
            (vec![descriptor(3, vec![carried_by(3)])], "the file of 3"),
            (vec![descriptor(3, preopen()), descriptor(4, vec![carried_by(3)])], "the file of 3"),
        ] {
            let error = Record::decode(&of(descriptors).encode().unwrap()).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
