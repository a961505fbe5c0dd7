//! What an image holds of an instance beside the Wasm view and WASI's state: the C API's part of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name and version of the host section.
pub(crate) const NAME: &str = "instance";
pub(crate) const VERSION: u32 = 1;

/// Name and version of WASI's host section.
pub(crate) const WASI: (&str, u32) = ("wasi", 1);

/// Longest record that is decoded (bytes).
const LIMIT: usize = 16 << 20;

/// The C API's part of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct InstanceRecord {
    /// Guest addresses of the app heap.
    pub(crate) heap: Option<(u32, u32)>,
    /// Checkpoints taken of this program so far, this one included.
    pub(crate) sequence: u64,
    /// Argument slots of the call in progress, if there is one.
    pub(crate) in_progress: Option<Vec<u64>>,
    /// What the host did with the instance before the call in progress.
    pub(crate) journal: Journal,
}

/// Calls from the host that were done before the checkpoint, in order: a restored host makes them again and is given the
/// same results, without the guest running.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// The calls; empty once there were too many.
    pub(crate) calls: Vec<Done>,
    /// More calls than are worth remembering: the host cannot repeat them, only resume the call in progress.
    pub(crate) overflown: bool,
}

/// Calls remembered at most.
pub(crate) const MAX_CALLS: usize = 4096;

/// One thing that the host had done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    /// A call.
    Call {
        /// Function index.
        func: u32,
        /// Argument slots.
        args: Vec<u64>,
        /// Result slots.
        results: Vec<u64>,
    },
    /// `wasm_runtime_module_malloc` from the app heap.
    Malloc {
        /// Size asked for.
        size: u32,
        /// Guest address given, 0 for none.
        address: u32,
    },
    /// A call that ended with an exception.
    Failed {
        /// Function index.
        func: u32,
        /// Argument slots.
        args: Vec<u64>,
        /// The exception.
        exception: String,
    },
}

impl Journal {
    /// Adds something.
    pub(crate) fn push(&mut self, done: Done) {
        if self.overflown {
            return;
        }
        if self.calls.len() == MAX_CALLS {
            self.calls = Vec::new();
            self.overflown = true;
            return;
        }
        self.calls.push(done);
    }
}

/// A host section that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed instance record: {}", self.0)
    }
}

impl InstanceRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        bincode::serde::encode_to_vec(self, bincode::config::standard()).map_err(|e| Malformed(e.to_string()))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<InstanceRecord, Malformed> {
        let config = bincode::config::standard().with_limit::<LIMIT>();
        let (record, read): (InstanceRecord, usize) =
            bincode::serde::decode_from_slice(bytes, config).map_err(|e| Malformed(e.to_string()))?;
        if read != bytes.len() {
            return Err(Malformed(format!("{} bytes too many", bytes.len() - read)));
        }
        Ok(record)
    }
}

/// The record of an image, for people.
///
/// # Errors
/// What is wrong with the bytes.
pub fn describe(bytes: &[u8]) -> Result<serde_json::Value, String> {
    let record = InstanceRecord::decode(bytes).map_err(|e| e.to_string())?;
    serde_json::to_value(&record).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let mut record = InstanceRecord {
            heap: Some((8, 4096)),
            sequence: 3,
            in_progress: Some(vec![1]),
            journal: Journal::default(),
        };
        record.journal.push(Done::Call { func: 7, args: vec![1, 2], results: vec![u64::MAX] });
        record.journal.push(Done::Malloc { size: 10, address: 4104 });
        record.journal.push(Done::Failed { func: 8, args: vec![], exception: "unreachable".into() });
        let bytes = record.encode().unwrap();
        assert_eq!(InstanceRecord::decode(&bytes).unwrap(), record);
        assert!(InstanceRecord::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(InstanceRecord::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn the_journal_does_not_grow_for_ever() {
        let mut journal = Journal::default();
        for n in 0..=MAX_CALLS as u32 {
            assert!(!journal.overflown);
            journal.push(Done::Malloc { size: n, address: 8 });
        }
        assert!(journal.overflown && journal.calls.is_empty());
        journal.push(Done::Malloc { size: 1, address: 8 });
        assert!(journal.calls.is_empty());
    }
}
