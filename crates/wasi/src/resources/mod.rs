//! What WASI adds to an image, kind by kind. Each says how it is saved, checked, made again and described, and has a version
//! of its own; a record is all of them, one behind the other.
//!
//! Encoded by `bincode` 2 in its standard configuration (little-endian, variable-length integers), behind the record's
//! version, which says the versions of its parts ([`VERSIONS`]). A new version of a part makes a new one of the record.
//! Records of all versions are read; the last one is written.

mod calls;
mod clocks;
mod descriptors;
mod program;

use crate::clock::ClockRecord;
use crate::ctx::{Program, WasiCtx};
use crate::interrupted::InterruptedCall;
use crate::restore::{RestoreError, RestorePolicy};
use crate::save::{SaveError, SavePolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

use calls::Calls;
use clocks::GuestClocks;
use descriptors::{Descriptors, DescriptorsRecord};
use program::Start;

pub(crate) use descriptors::{StreamFile, modified, same_time};

/// A kind of what WASI adds to an image.
pub(crate) trait Resource {
    /// What a record holds of it.
    type Part: Serialize + DeserializeOwned;

    /// Version that is written.
    const VERSION: u32;

    /// # Errors
    /// What cannot be saved, by name.
    fn save(ctx: &WasiCtx, policy: &SavePolicy) -> Result<Self::Part, SaveError>;

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
        policy: &RestorePolicy,
    ) -> Result<Ready<'a>, RestoreError>;

    /// For people: members of the object that the record is shown as.
    fn describe(record: &Record) -> Vec<(&'static str, Value)>;
}

/// Puts what was made again into its context.
pub(crate) type Ready<'a> = Box<dyn FnOnce() + 'a>;

/// For each version of the record those of its parts, in order.
const VERSIONS: [[u32; 4]; 2] =
    [[1, 1, 1, 1], [Start::VERSION, GuestClocks::VERSION, Calls::VERSION, Descriptors::VERSION]];

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
    pub(crate) fn save(ctx: &WasiCtx, policy: &SavePolicy) -> Result<Self, SaveError> {
        let descriptors = Descriptors::save(ctx, policy)?;
        Ok(Record {
            program: Start::save(ctx, policy)?,
            clocks: GuestClocks::save(ctx, policy)?,
            interrupted: Calls::save(ctx, policy)?,
            descriptors,
        })
    }

    /// # Errors
    /// The encoder's message.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let parts = (VERSION, &self.program, &self.clocks, &self.interrupted, &self.descriptors);
        bincode::serde::encode_to_vec(parts, config()).map_err(|e| e.to_string())
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(bytes);
        let version: u32 = reader.next()?;
        let parts = version.checked_sub(1).and_then(|nth| VERSIONS.get(nth as usize));
        let [program, clocks, calls, descriptors] = *parts.ok_or(FormatError::Version(version))?;
        let record = Record {
            program: Start::read(program, &mut reader)?,
            clocks: GuestClocks::read(clocks, &mut reader)?,
            interrupted: Calls::read(calls, &mut reader)?,
            descriptors: Descriptors::read(descriptors, &mut reader)?,
        };
        if !reader.0.is_empty() {
            return Err(FormatError::Malformed(format!("{} bytes after its end", reader.0.len())));
        }
        Start::verify(&record)?;
        GuestClocks::verify(&record)?;
        Calls::verify(&record)?;
        Descriptors::verify(&record)?;
        Ok(record)
    }

    /// Makes everything again; what this gives puts it into the context.
    ///
    /// # Errors
    /// What is missing or different here, by name.
    pub(crate) fn restore<'a>(
        &self,
        ctx: &'a WasiCtx,
        policy: &RestorePolicy,
    ) -> Result<[Ready<'a>; 4], RestoreError> {
        Ok([
            Descriptors::restore(self, ctx, policy)?,
            GuestClocks::restore(self, ctx, policy)?,
            Calls::restore(self, ctx, policy)?,
            Start::restore(self, ctx, policy)?,
        ])
    }

    fn describe(&self) -> Value {
        let parts = [
            Start::describe(self),
            GuestClocks::describe(self),
            Calls::describe(self),
            Descriptors::describe(self),
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
        // Version; arguments, environment; clocks, with a negative number in zigzag; no calls, preopens, descriptors.
        assert_eq!(bytes, [&b"\x02\x01\x01a\x02\x03B=c\x00"[..], b"\x01\x03\x01b\x03\x04", &[0; 3]].concat());
        assert_eq!(Record::decode(&bytes).unwrap(), record);
        // So small a record was the same in version 1.
        let mut first = bytes;
        first[0] = 1;
        assert_eq!(Record::decode(&first).unwrap(), record);
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
        for version in [0, 3, 9] {
            let mut other = bytes.clone();
            other[0] = version;
            let expected = format!("WASI record has version {version}, this build reads versions 1 to 2");
            assert_eq!(Record::decode(&other).unwrap_err().to_string(), expected);
        }
    }
}
