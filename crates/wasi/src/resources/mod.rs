//! What WASI adds to an image, kind by kind. Each says how it is saved, checked, made again and described, and has a version
//! of its own; a record is all of them, one behind the other.
//!
//! Encoded by `bincode` 2 in its standard configuration (little-endian, variable-length integers), behind the record's
//! version, which says the versions of its parts ([`VERSIONS`]). A new version of a part makes a new one of the record.
//! Records of all versions are read; the last one is written.

mod calls;
mod channels;
mod clocks;
mod content;
mod descriptors;
mod files;
mod locks;
mod opened;
mod program;

use crate::beside::{Beside, ContentBeside, Nothing};
use crate::clock::ClockRecord;
use crate::ctx::{Program, WasiCtx};
use crate::interrupted::InterruptedCall;
use crate::restore::{RestoreError, RestorePolicy};
use crate::save::{SaveError, SavePolicy};
use crate::table::lock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

use crate::locks::LockRecord;
use calls::Calls;
use channels::{ChannelRecord, Channels};
use clocks::GuestClocks;
use content::ContentRecord;
use descriptors::{Descriptors, DescriptorsRecord};
use files::{Files, GuestFiles};
use locks::FileLocks;
use opened::{Opens, OpensRecord};
use program::Start;

pub(crate) use descriptors::{StreamFile, same_time};

/// A kind of what WASI adds to an image.
pub(crate) trait Resource {
    /// What a record holds of it.
    type Part: Serialize + DeserializeOwned;

    /// Version that is written.
    const VERSION: u32;

    /// # Errors
    /// What cannot be saved, by name.
    fn save(ctx: &WasiCtx, saving: &mut Saving<'_>) -> Result<Self::Part, SaveError>;

    /// Reads what a version wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn read(_version: u32, reader: &mut Reader<'_>) -> Result<Self::Part, FormatError> {
        reader.next()
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// What contradicts itself.
    fn verify(record: &Record) -> Result<(), FormatError>;

    /// Makes it again. Nothing of the context has changed before what this gives is called, which cannot fail.
    ///
    /// # Errors
    /// What is missing or different here, by name.
    fn restore<'a>(
        record: &Record,
        ctx: &'a WasiCtx,
        restoring: &Restoring<'_>,
    ) -> Result<Ready<'a>, RestoreError>;

    /// For people: members of the object that the record is shown as.
    fn describe(record: &Record) -> Vec<(&'static str, Value)>;
}

/// What saving is given beside the context.
pub(crate) struct Saving<'a> {
    pub(crate) policy: &'a SavePolicy,
    /// Where content of files goes. `None`: into the record.
    pub(crate) beside: Option<&'a mut Beside>,
}

impl<'a> From<&'a SavePolicy> for Saving<'a> {
    /// Everything goes into the record.
    fn from(policy: &'a SavePolicy) -> Self {
        Saving { policy, beside: None }
    }
}

/// What a restore is given beside the record and the context.
pub(crate) struct Restoring<'a> {
    pub(crate) policy: &'a RestorePolicy,
    /// Content of files that the record refers to.
    pub(crate) beside: &'a dyn ContentBeside,
}

impl<'a> From<&'a RestorePolicy> for Restoring<'a> {
    /// Of a record that has everything in itself.
    fn from(policy: &'a RestorePolicy) -> Self {
        Restoring { policy, beside: &Nothing }
    }
}

/// Puts what was made again into its context.
pub(crate) type Ready<'a> = Box<dyn FnOnce() + 'a>;

/// For each version of the record those of its parts, in order; 0 for one that it has not.
const VERSIONS: [[u32; 9]; 6] = [
    [1, 1, 1, 1, 0, 0, 0, 0, 0],
    [1, 1, 2, 2, 0, 0, 0, 0, 0],
    [1, 1, 2, 3, 1, 0, 0, 0, 0],
    [1, 1, 2, 3, 1, 1, 1, 0, 0],
    [1, 1, 2, 4, 1, 1, 1, 1, 1],
    [
        Start::VERSION,
        GuestClocks::VERSION,
        Calls::VERSION,
        Descriptors::VERSION,
        Files::VERSION,
        Opens::VERSION,
        content::VERSION,
        Channels::VERSION,
        FileLocks::VERSION,
    ],
];

/// The version that is written.
const VERSION: u32 = VERSIONS.len() as u32;

/// Largest record that is read, bytes: a bound on what a hostile one can make us allocate.
pub(crate) const LARGEST: usize = 1 << 30;

/// The WASI state of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) program: Program,
    pub(crate) clocks: ClockRecord,
    /// Calls that are to be made again.
    pub(crate) interrupted: Vec<InterruptedCall>,
    pub(crate) descriptors: DescriptorsRecord,
    /// All of the guest's files, if they are in memory.
    pub(crate) files: Option<GuestFiles>,
    /// What `path_open` was given for descriptors.
    pub(crate) opens: OpensRecord,
    /// Open files whose bytes travel.
    pub(crate) content: ContentRecord,
    /// What is on its way to it.
    pub(crate) channels: Vec<ChannelRecord>,
    /// Locks on its files, in their order.
    pub(crate) locks: Vec<LockRecord>,
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
                write!(f, "WASI record has version {version}, this build reads versions 1 to {VERSION}")
            }
            FormatError::Malformed(what) => write!(f, "malformed WASI record: {what}"),
        }
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LARGEST>()
}

/// Reads one part of a record after the other.
pub(crate) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// # Errors
    /// [`FormatError::Malformed`].
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<T, FormatError> {
        let (value, read) = bincode::serde::borrow_decode_from_slice(self.0, config())
            .map_err(|e| FormatError::Malformed(e.to_string()))?;
        self.0 = &self.0[read..];
        Ok(value)
    }
}

/// Reads a text out of the bytes that are there: bincode would first make room for as many as it says that it has.
pub(crate) fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl serde::de::Visitor<'_> for Text {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    deserializer.deserialize_str(Text)
}

impl Record {
    /// # Errors
    /// What cannot be saved, by name.
    pub(crate) fn save(
        ctx: &WasiCtx,
        policy: &SavePolicy,
        beside: Option<&mut Beside>,
    ) -> Result<Self, SaveError> {
        // What was said for the image that it comes from goes on, unless something is said now.
        let going_on = policy.files.is_empty().then(|| lock(&ctx.file_policies).clone());
        let going_on = going_on.map(|files| SavePolicy { files, ..policy.clone() });
        let saving = &mut Saving { policy: going_on.as_ref().unwrap_or(policy), beside };
        let descriptors = Descriptors::save(ctx, saving)?;
        let files = Files::save(ctx, saving)?;
        let content = content::save(ctx, saving, &descriptors, files.is_some())?;
        Ok(Record {
            program: Start::save(ctx, saving)?,
            clocks: GuestClocks::save(ctx, saving)?,
            interrupted: Calls::save(ctx, saving)?,
            descriptors,
            files,
            opens: Opens::save(ctx, saving)?,
            content,
            channels: Channels::save(ctx, saving)?,
            locks: FileLocks::save(ctx, saving)?,
        })
    }

    /// # Errors
    /// The encoder's message.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let Record { program, clocks, interrupted, descriptors, files, opens, content, channels, locks } =
            self;
        let parts =
            (VERSION, program, clocks, interrupted, descriptors, files, opens, content, channels, locks);
        bincode::serde::encode_to_vec(parts, config()).map_err(|e| e.to_string())
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(bytes);
        let version: u32 = reader.next()?;
        let parts = version.checked_sub(1).and_then(|nth| VERSIONS.get(nth as usize));
        let [program, clocks, calls, descriptors, files, opens, content, channels, locks] =
            *parts.ok_or(FormatError::Version(version))?;
        let record = Record {
            program: Start::read(program, &mut reader)?,
            clocks: GuestClocks::read(clocks, &mut reader)?,
            interrupted: Calls::read(calls, &mut reader)?,
            descriptors: Descriptors::read(descriptors, &mut reader)?,
            files: Files::read(files, &mut reader)?,
            opens: Opens::read(opens, &mut reader)?,
            content: content::read(content, &mut reader)?,
            channels: Channels::read(channels, &mut reader)?,
            locks: FileLocks::read(locks, &mut reader)?,
        };
        if !reader.0.is_empty() {
            return Err(FormatError::Malformed(format!("{} bytes after its end", reader.0.len())));
        }
        Start::verify(&record)?;
        GuestClocks::verify(&record)?;
        Calls::verify(&record)?;
        Descriptors::verify(&record)?;
        Files::verify(&record)?;
        Opens::verify(&record)?;
        content::verify(&record)?;
        Channels::verify(&record)?;
        FileLocks::verify(&record)?;
        Ok(record)
    }

    /// Makes everything again; what this gives puts it into the context.
    ///
    /// # Errors
    /// What is missing or different here, by name.
    pub(crate) fn restore<'a>(
        &self,
        ctx: &'a WasiCtx,
        restoring: &Restoring<'_>,
    ) -> Result<[Ready<'a>; 9], RestoreError> {
        let files = Files::restore(self, ctx, restoring)?;
        let opens = Opens::restore(self, ctx, restoring)?;
        let clocks = GuestClocks::restore(self, ctx, restoring)?;
        let calls = Calls::restore(self, ctx, restoring)?;
        let start = Start::restore(self, ctx, restoring)?;
        let channels = Channels::restore(self, ctx, restoring)?;
        let locks = FileLocks::restore(self, ctx, restoring)?;
        // The host's files change with these, as far as they have to: when nothing else can fail.
        let descriptors = Descriptors::restore(self, ctx, restoring)?;
        let policies = self.content.policies();
        let going_on: Ready<'_> = Box::new(|| *lock(&ctx.file_policies) = policies);
        Ok([descriptors, going_on, channels, locks, files, opens, clocks, calls, start])
    }

    fn describe(&self) -> Value {
        let parts = [
            Start::describe(self),
            GuestClocks::describe(self),
            Calls::describe(self),
            Descriptors::describe(self),
            Files::describe(self),
            Opens::describe(self),
            content::describe(self),
            Channels::describe(self),
            FileLocks::describe(self),
        ];
        let members = parts.into_iter().flatten().map(|(name, value)| (name.to_owned(), value));
        Value::Object(members.collect::<Map<_, _>>())
    }
}

/// Describes what [`WasiCtx::save`](crate::WasiCtx::save) wrote. Bytes that are no UTF-8 are shown with
/// replacement characters.
///
/// # Errors
/// [`RestoreError::Format`] if `bytes` are no record.
pub fn describe_record(bytes: &[u8]) -> Result<Value, RestoreError> {
    Ok(Record::decode(bytes)?.describe())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The state of an instance that sees a directory as `/data`.
    pub(crate) fn context() -> WasiCtx {
        crate::WasiBuilder::new().map_dir("/data::/").build().unwrap()
    }

    /// A record of nothing.
    pub(crate) fn record() -> Record {
        Record {
            program: Program::default(),
            clocks: ClockRecord {
                monotonic: 1,
                monotonic_offset: -2,
                boot: "b".into(),
                process: 3,
                thread: 4,
            },
            interrupted: vec![],
            descriptors: DescriptorsRecord { preopens: vec![], descriptors: vec![] },
            files: None,
            opens: OpensRecord::default(),
            content: ContentRecord::default(),
            channels: vec![],
            locks: vec![],
        }
    }

    pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
        bincode::serde::encode_to_vec(value, config()).unwrap()
    }

    /// If this changes, the version must.
    #[test]
    fn a_record_is_its_parts_one_behind_the_other() {
        let program = Program { args: vec![b"a".to_vec()], env: vec![b"B=c".to_vec(), vec![]] };
        let record = Record { program, ..record() };
        let bytes = record.encode().unwrap();
        // Version; arguments, environment; clocks, with a negative number in zigzag; no calls, preopens, descriptors, files;
        // nothing of how descriptors were opened, nor of what is carried, on its way or locked.
        assert_eq!(
            bytes,
            [&b"\x06\x01\x01a\x02\x03B=c\x00"[..], b"\x01\x03\x01b\x03\x04", &[0; 11]].concat()
        );
        assert_eq!(Record::decode(&bytes).unwrap(), record);
        // So small a record was the same in earlier versions, but for what they had not.
        for (version, less) in [(1, 8), (2, 8), (3, 7), (4, 3), (5, 1)] {
            let mut earlier = bytes[..bytes.len() - less].to_vec();
            earlier[0] = version;
            assert_eq!(Record::decode(&earlier).unwrap(), record);
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let bytes = record().encode().unwrap();
        for len in 0..bytes.len() {
            assert!(Record::decode(&bytes[..len]).is_err(), "truncated to {len} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Record::decode(&longer).unwrap_err().to_string().contains("after its end"));
        for version in [0, 7, 9] {
            let mut other = bytes.clone();
            other[0] = version;
            let expected = format!("WASI record has version {version}, this build reads versions 1 to 6");
            assert_eq!(Record::decode(&other).unwrap_err().to_string(), expected);
        }
    }
}
