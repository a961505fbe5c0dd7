//! What version 1 wrote: it knew less of files.

use super::{
    CarriedFile, DescriptorRecord, DescriptorsRecord, FileIdentity, Operation, PreopenRecord, StreamFile,
};
use crate::clock::realtime;
use crate::dir::Listing;
use serde::Deserialize;

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct Descriptors {
    preopens: Vec<PreopenRecord>,
    descriptors: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Descriptor {
    fd: u32,
    filetype: u8,
    base: u64,
    inheriting: u64,
    flags: u16,
    operations: Vec<Operation1>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
enum Operation1 {
    Stdio { stream: u8, file: Option<Stream> },
    Preopen { preopen: u32 },
    Open { preopen: u32, path: Vec<u8>, follow: bool, directory: bool, identity: Option<Identity> },
    Carry { preopen: u32, path: Vec<u8>, bytes: Vec<u8> },
    Seek { offset: u64 },
    ReadDir { listing: Listing },
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Identity {
    size: u64,
    modified: u64,
    sha256: Option<[u8; 32]>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Stream {
    device: u64,
    inode: u64,
    size: u64,
    modified: u64,
    offset: u64,
}

impl From<Descriptors> for DescriptorsRecord {
    fn from(old: Descriptors) -> Self {
        let Descriptors { preopens, descriptors } = old;
        DescriptorsRecord { preopens, descriptors: descriptors.into_iter().map(Into::into).collect() }
    }
}

impl From<Descriptor> for DescriptorRecord {
    fn from(old: Descriptor) -> Self {
        let Descriptor { fd, filetype, base, inheriting, flags, operations } = old;
        let operations = operations.into_iter().map(Into::into).collect();
        DescriptorRecord { fd, filetype, base, inheriting, flags, operations }
    }
}

impl From<Operation1> for Operation {
    fn from(old: Operation1) -> Self {
        match old {
            Operation1::Stdio { stream, file } => {
                Operation::Stdio { stream, file: file.map(|file| file.of(stream)) }
            }
            Operation1::Preopen { preopen } => Operation::Preopen { preopen },
            Operation1::Open { preopen, path, follow, directory, identity } => {
                let identity = identity.map(|Identity { size, modified, sha256 }| {
                    // Which descriptors had the same file open, it did not say.
                    FileIdentity { size, modified, sha256, file: None }
                });
                Operation::Open { preopen, path, follow, directory, identity }
            }
            Operation1::Carry { preopen, path, bytes } => {
                // The file is made anew, and its times with it.
                let now = realtime();
                Operation::Carry { preopen, path, file: CarriedFile { bytes, accessed: now, modified: now } }
            }
            Operation1::Seek { offset } => Operation::Seek { offset },
            Operation1::ReadDir { listing } => Operation::ReadDir { listing },
        }
    }
}

impl Stream {
    /// The file that was a standard stream. What the guest had done with it is not known: it is taken for what the stream is
    /// there for.
    fn of(self, stream: u8) -> StreamFile {
        let Stream { device, inode, size, modified, offset } = self;
        StreamFile { device, inode, size, modified, offset, read: stream == 0, wrote: stream != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::tests::encode;
    use crate::resources::{Reader, Resource};

    #[test]
    fn what_it_knew_is_kept() {
        let stream = || Stream { device: 1, inode: 2, size: 30, modified: 4, offset: 5 };
        let identity = Identity { size: 1, modified: 2, sha256: Some([3; 32]) };
        let operations = vec![
            Operation1::Stdio { stream: 0, file: Some(stream()) },
            Operation1::Stdio { stream: 1, file: Some(stream()) },
            Operation1::Preopen { preopen: 0 },
            Operation1::Open {
                preopen: 0,
                path: b"a".to_vec(),
                follow: true,
                directory: false,
                identity: Some(identity),
            },
            Operation1::Carry { preopen: 0, path: b"b".to_vec(), bytes: vec![7, 8] },
            Operation1::Seek { offset: 9 },
            Operation1::ReadDir { listing: Listing::default() },
        ];
        let descriptor = Descriptor { fd: 3, filetype: 4, base: 5, inheriting: 6, flags: 1, operations };
        let preopens = vec![PreopenRecord { guest_name: b"/".to_vec(), nth: 1 }];
        let bytes = encode(&Descriptors { preopens: preopens.clone(), descriptors: vec![descriptor] });
        let record = super::super::Descriptors::read(1, &mut Reader(&bytes)).unwrap();
        assert_eq!(record.preopens, preopens);
        let [descriptor] = &record.descriptors[..] else { panic!("{record:?}") };
        let file =
            StreamFile { device: 1, inode: 2, size: 30, modified: 4, offset: 5, read: true, wrote: false };
        let output = StreamFile { read: false, wrote: true, ..file.clone() };
        let identity = FileIdentity { size: 1, modified: 2, sha256: Some([3; 32]), file: None };
        let Operation::Carry { file: carried, .. } = &descriptor.operations[4] else {
            panic!("{descriptor:?}")
        };
        assert!(carried.bytes == [7, 8] && carried.modified > 1_700_000_000_000_000_000);
        let expected = vec![
            Operation::Stdio { stream: 0, file: Some(file) },
            Operation::Stdio { stream: 1, file: Some(output) },
            Operation::Preopen { preopen: 0 },
            Operation::Open {
                preopen: 0,
                path: b"a".to_vec(),
                follow: true,
                directory: false,
                identity: Some(identity),
            },
            Operation::Carry { preopen: 0, path: b"b".to_vec(), file: carried.clone() },
            Operation::Seek { offset: 9 },
            Operation::ReadDir { listing: Listing::default() },
        ];
        let expected =
            DescriptorRecord { fd: 3, filetype: 4, base: 5, inheriting: 6, flags: 1, operations: expected };
        assert_eq!(*descriptor, expected);
    }
}
