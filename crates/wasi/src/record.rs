//! WASI's part of an image.
//!
//! Not a copy of our tables but, for every descriptor, the shortest list of operations that makes it again,
//! in ascending order of numbers: another implementation of preview 1 could carry them out just as well.
//! Encoded by `bincode` 2 in its standard configuration (little-endian, variable-length integers), behind a
//! version number.

use crate::clock::ClockRecord;
use crate::dir::Listing;
use crate::interrupted::InterruptedCall;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the encoding; a reader refuses others.
const VERSION: u32 = 2;

/// Largest record that is read, bytes: a bound on what a hostile one can make us allocate.
pub(crate) const LARGEST: usize = 1 << 30;

/// Descriptor numbers from here on are refused: a table is as long as its largest number.
pub(crate) const MOST_DESCRIPTORS: u32 = 1 << 20;

/// The WASI state of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) clocks: ClockRecord,
    /// Calls that are to be made again.
    pub(crate) interrupted: Vec<InterruptedCall>,
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
    /// Take a preopen: index into [`Record::preopens`].
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
}

/// How a regular file is known again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    pub(crate) size: u64,
    /// Time of last modification, nanoseconds since 1970.
    pub(crate) modified: u64,
    /// SHA-256 of the content, compared instead of the time if it is there.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Descriptors with the same number here have the same file open, however they got there; others have not.
    pub(crate) file: u32,
}

/// A file that travels in the record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct CarriedFile {
    pub(crate) bytes: Vec<u8>,
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

/// Why bytes are no record.
#[derive(Debug)]
pub(crate) enum FormatError {
    Version(u32),
    Malformed(String),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Version(version) => {
                write!(f, "WASI record has version {version}, this build reads version {VERSION}")
            }
            FormatError::Malformed(what) => write!(f, "malformed WASI record: {what}"),
        }
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LARGEST>()
}

impl Record {
    /// # Errors
    /// The encoder's message.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        bincode::serde::encode_to_vec((VERSION, self), config()).map_err(|e| e.to_string())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let malformed = |e: bincode::error::DecodeError| FormatError::Malformed(e.to_string());
        let (version, at): (u32, usize) =
            bincode::serde::decode_from_slice(bytes, config()).map_err(malformed)?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let (record, used): (Record, usize) =
            bincode::serde::decode_from_slice(&bytes[at..], config()).map_err(malformed)?;
        if at + used != bytes.len() {
            return Err(FormatError::Malformed(format!("{} bytes after its end", bytes.len() - at - used)));
        }
        record.check()?;
        Ok(record)
    }

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
                !matches!(operation, Operation::Seek { .. } | Operation::ReadDir { .. })
            };
            if !makes(first) || rest.iter().any(makes) {
                return malformed(format!("operations of descriptor {fd} are out of order"));
            }
            if let Operation::CarryAgain { fd: of, .. } = first
                && !carries(&self.descriptors, *of, fd)
            {
                return malformed(format!("descriptor {fd} refers to the file of {of}, which carries none"));
            }
            let (Operation::Preopen { preopen }
            | Operation::Open { preopen, .. }
            | Operation::Carry { preopen, .. }
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
    of < fd && matches!(first, Some(Operation::Carry { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried() -> Operation {
        let file = CarriedFile { bytes: vec![1, 2], accessed: 3, modified: 4 };
        Operation::Carry { preopen: 0, path: b"t".to_vec(), file }
    }

    fn carried_by(fd: u32) -> Operation {
        Operation::CarryAgain { preopen: 0, path: b"t".to_vec(), fd }
    }

    fn record(descriptors: Vec<DescriptorRecord>) -> Record {
        Record {
            args: vec![b"a".to_vec()],
            env: vec![],
            clocks: ClockRecord {
                monotonic: 1,
                monotonic_offset: -2,
                boot: "b".into(),
                process: 3,
                thread: 4,
            },
            interrupted: vec![],
            preopens: vec![PreopenRecord { guest_name: b"/".to_vec(), nth: 0 }],
            descriptors,
        }
    }

    fn descriptor(fd: u32, operations: Vec<Operation>) -> DescriptorRecord {
        DescriptorRecord { fd, filetype: 3, base: 1, inheriting: 2, flags: 0, operations }
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        let record = record(vec![
            descriptor(0, vec![Operation::Stdio { stream: 0, file: None }]),
            descriptor(3, vec![Operation::Preopen { preopen: 0 }]),
            descriptor(4, vec![carried(), Operation::Seek { offset: 1 }]),
            descriptor(5, vec![carried_by(4)]),
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
            (vec![descriptor(3, vec![carried_by(4)]), descriptor(4, vec![carried()])], "the file of 4"),
            (vec![descriptor(3, vec![carried_by(3)])], "the file of 3"),
            (vec![descriptor(3, preopen()), descriptor(4, vec![carried_by(3)])], "the file of 3"),
        ] {
            let error = Record::decode(&record(descriptors).encode().unwrap()).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        let bytes = record(vec![]).encode().unwrap();
        for len in 0..bytes.len() {
            assert!(Record::decode(&bytes[..len]).is_err(), "truncated to {len} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Record::decode(&longer).unwrap_err().to_string().contains("after its end"));
        let mut newer = bytes;
        newer[0] = 9;
        assert!(Record::decode(&newer).unwrap_err().to_string().contains("version 9"));
    }
}
