//! What an image holds beside the Wasm view and WASI's state: of an instance as the C API has it, and of what the host has
//! done with all its instances.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wayfarer_runtime::Changes;
use wayfarer_runtime::fork::Lineage;
use wayfarer_snapshot::view::{Entry, HostSection};

/// Longest record that is decoded (bytes).
const LIMIT: usize = 512 << 20;

/// The C API's part of an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct InstanceRecord {
    /// Guest addresses of the app heap.
    pub(crate) heap: Option<(u32, u32)>,
    /// Checkpoints taken of this program so far, this one included.
    pub(crate) sequence: u64,
    /// Arguments of the call in progress, if there is one (see [`Call::args`]).
    pub(crate) in_progress: Option<Vec<u64>>,
}

/// What a host has done with its instances: it is restored by doing the same again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    /// Whether what calls changed is kept: the host may have looked at memory between them.
    pub(crate) observed: bool,
    /// The store whose call is in progress: the one that the image's view is of.
    pub(crate) pending: u32,
    /// All stores, in the order they were first used in, also those that are gone.
    pub(crate) stores: Vec<StoreRecord>,
    /// Where guests, also those that are gone, have left files that they read as the host's standard streams.
    pub(crate) streams: Vec<wayfarer_wasi::StreamPosition>,
    /// The process of the call in progress.
    pub(crate) process: Processes,
}

/// In which process, of a host that has forked, a call was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Processes {
    /// Where it began.
    pub(crate) begun: Lineage,
    /// Where it ended, or was stopped: in a child, if a native function has forked.
    pub(crate) ended: Lineage,
}

impl Processes {
    /// This process, from beginning to end.
    pub(crate) fn here() -> Processes {
        Processes { begun: Lineage::here(), ended: Lineage::here() }
    }
}

/// A store's part of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoreRecord {
    /// Its instances, in order.
    pub(crate) instances: Vec<InstanceNote>,
    /// Calls that are done, in order.
    pub(crate) calls: Vec<Call>,
    /// The processes of those, by their place among the calls, that were not made where the one before them ended.
    pub(crate) processes: BTreeMap<u64, Processes>,
}

/// An instance that the host made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct InstanceNote {
    /// Of its module's binary.
    pub(crate) sha256: [u8; 32],
    /// WASI's state, if the instance is alive, and not the one whose state has a section of its own.
    pub(crate) wasi: Option<Vec<u8>>,
}

/// A call from the host that is done. A restored host makes it again and is given the same, without the guest running.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Instance, by its place in the store.
    pub(crate) instance: u32,
    /// Function index.
    pub(crate) func: u32,
    /// Why it was made.
    pub(crate) entry: Entry,
    /// Argument slots; a function is named as [`FuncName`].
    pub(crate) args: Vec<u64>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// What it changed.
    pub(crate) changes: Packed,
    /// State of native modules afterwards, of those whose state it changed.
    pub(crate) hooks: Vec<HostSection>,
}

impl Call {
    /// Bytes that it takes, roughly.
    pub(crate) fn size(&self) -> usize {
        let results = match &self.outcome {
            Outcome::Returned(slots) => slots.len() * 8,
            Outcome::Failed { exception, .. } => exception.len(),
        };
        let hooks: usize = self.hooks.iter().map(|section| section.bytes.len()).sum();
        self.changes.bytes.len() + self.args.len() * 8 + results + hooks
    }
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Result slots, as [`Call::args`].
    Returned(Vec<u64>),
    /// With an exception.
    Failed {
        /// Its text.
        #[serde(deserialize_with = "wayfarer_snapshot::record::string")]
        exception: String,
        /// The status given to `proc_exit`.
        exit_code: u32,
        /// The host ended it, from another thread or a signal handler.
        terminated: bool,
    },
}

impl Outcome {
    /// It failed with this exception.
    pub(crate) fn failed(exception: String) -> Outcome {
        Outcome::Failed { exception, exit_code: 0, terminated: false }
    }
}

/// A function in a slot: 0 for null, otherwise function index below, place of its instance plus one above.
pub(crate) struct FuncName;

impl FuncName {
    pub(crate) fn of(id: wayfarer_snapshot::view::FuncId) -> u64 {
        (u64::from(id.instance) + 1) << 32 | u64::from(id.func)
    }

    pub(crate) fn id(slot: u64) -> Option<wayfarer_snapshot::view::FuncId> {
        let instance = (slot >> 32).checked_sub(1)? as u32;
        Some(wayfarer_snapshot::view::FuncId { instance, func: slot as u32 })
    }
}

/// Changes, compressed if that is worth it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Packed {
    /// Length of the encoded changes; 0: there are none.
    raw_len: u64,
    /// Encoded; as a zstd frame if shorter than `raw_len`.
    bytes: Vec<u8>,
}

/// Shorter encodings are not compressed (bytes).
const WORTH_COMPRESSING: usize = 512;

/// How much may be unpacked: this many bytes, or so many times what is packed. An image of a few bytes cannot cost any
/// amount of memory; what would be packed more tightly is left as it is.
const FREE: u64 = 1 << 20;
const FACTOR: u64 = 200;

fn is_plausible(raw_len: u64, packed: usize) -> bool {
    raw_len <= FREE.max(FACTOR * packed as u64)
}

impl Packed {
    /// Packs changes.
    pub(crate) fn new(changes: &Changes) -> Result<Packed, Malformed> {
        if changes.is_empty() {
            return Ok(Packed::default());
        }
        let raw = encode(changes)?;
        let raw_len = raw.len() as u64;
        if raw.len() >= WORTH_COMPRESSING {
            let packed = zstd::bulk::compress(&raw, 1).map_err(|e| Malformed(e.to_string()))?;
            if packed.len() < raw.len() && is_plausible(raw_len, packed.len()) {
                return Ok(Packed { raw_len, bytes: packed });
            }
        }
        Ok(Packed { raw_len, bytes: raw })
    }

    /// The changes.
    pub(crate) fn unpack(&self) -> Result<Changes, Malformed> {
        if self.raw_len == 0 {
            return Ok(Changes::default());
        }
        if self.raw_len == self.bytes.len() as u64 {
            return decode(&self.bytes);
        }
        if !is_plausible(self.raw_len, self.bytes.len()) {
            return Err(Malformed(format!("changes of {} bytes", self.raw_len)));
        }
        let mut raw = Vec::new();
        // One byte more than there may be shows that there are too many.
        let limit = self.raw_len + 1;
        let frame = zstd::stream::read::Decoder::new(&*self.bytes).map_err(|e| Malformed(e.to_string()))?;
        std::io::Read::read_to_end(&mut std::io::Read::take(frame, limit), &mut raw)
            .map_err(|e| Malformed(e.to_string()))?;
        if raw.len() as u64 != self.raw_len {
            return Err(Malformed("changes are of another length than they say".to_owned()));
        }
        decode(&raw)
    }

    /// Bytes that it takes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
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

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Malformed> {
    wayfarer_snapshot::record::encode(value).map_err(|e| Malformed(e.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    wayfarer_snapshot::record::decode(bytes).map_err(Malformed)
}

/// An [`InstanceRecord`] of version 1, which also held the calls that were done, without what they changed.
#[derive(Serialize, Deserialize)]
struct Version1 {
    heap: Option<(u32, u32)>,
    sequence: u64,
    in_progress: Option<Vec<u64>>,
    calls: Vec<Call1>,
    overflown: bool,
}

#[derive(Serialize, Deserialize)]
enum Call1 {
    Call {
        func: u32,
        args: Vec<u64>,
        results: Vec<u64>,
    },
    Malloc {
        size: u32,
        address: u32,
    },
    Failed {
        func: u32,
        args: Vec<u64>,
        #[serde(deserialize_with = "wayfarer_snapshot::record::string")]
        exception: String,
    },
}

/// A [`HostRecord`] of version 1, which knew nothing of forks.
#[cfg_attr(test, derive(Serialize))]
struct HostRecord1 {
    observed: bool,
    pending: u32,
    stores: Vec<StoreRecord1>,
    streams: Vec<wayfarer_wasi::StreamPosition>,
}

#[derive(Serialize, Deserialize)]
struct StoreRecord1 {
    instances: Vec<InstanceNote>,
    calls: Vec<Call>,
}

impl HostRecord1 {
    fn now(self) -> HostRecord {
        let HostRecord1 { observed, pending, stores, streams } = self;
        let store =
            |StoreRecord1 { instances, calls }| StoreRecord { instances, calls, ..StoreRecord::default() };
        let stores = stores.into_iter().map(store).collect();
        HostRecord { observed, pending, stores, streams, process: Processes::default() }
    }
}

impl InstanceRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        encode(self)
    }

    /// Reads a record of this version or an older one.
    pub(crate) fn decode(bytes: &[u8], version: u32) -> Result<InstanceRecord, Malformed> {
        if bytes.len() > LIMIT {
            return Err(Malformed(format!("it has {} bytes", bytes.len())));
        }
        match version {
            1 => {
                let old: Version1 = decode(bytes)?;
                if !old.calls.is_empty() || old.overflown {
                    return Err(Malformed(
                        "the image is of a host that had made calls before, and does not hold what they changed; \
                         only later versions do"
                            .to_owned(),
                    ));
                }
                let Version1 { heap, sequence, in_progress, .. } = old;
                Ok(InstanceRecord { heap, sequence, in_progress })
            }
            _ => decode(bytes),
        }
    }
}

impl HostRecord {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        encode(self)
    }

    /// Reads a record of this version or an older one.
    pub(crate) fn decode(bytes: &[u8], version: u32) -> Result<HostRecord, Malformed> {
        if bytes.len() > LIMIT {
            return Err(Malformed(format!("it has {} bytes", bytes.len())));
        }
        match version {
            1 => {
                type Head = (bool, u32, Vec<StoreRecord1>);
                let ((observed, pending, stores), rest): (Head, _) =
                    wayfarer_snapshot::record::decode_first(bytes).map_err(Malformed)?;
                // The first builds that wrote this version ended here.
                let streams = if rest.is_empty() { Vec::new() } else { decode(rest)? };
                Ok(HostRecord1 { observed, pending, stores, streams }.now())
            }
            _ => decode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wayfarer_runtime::changes::{MemoryChange, Run};

    #[test]
    fn round_trip() {
        let record = InstanceRecord { heap: Some((8, 4096)), sequence: 3, in_progress: Some(vec![1]) };
        let bytes = record.encode().unwrap();
        assert_eq!(InstanceRecord::decode(&bytes, 2).unwrap(), record);
        assert!(InstanceRecord::decode(&bytes[..bytes.len() - 1], 2).is_err());
        assert!(InstanceRecord::decode(&[&bytes[..], &[0]].concat(), 2).is_err());

        let calls = vec![Call {
            instance: 0,
            func: 7,
            entry: Entry::Call,
            args: vec![1, 2],
            outcome: Outcome::Failed { exception: "unreachable".into(), exit_code: 0, terminated: false },
            changes: Packed::default(),
            hooks: Vec::new(),
        }];
        let instances = vec![InstanceNote { sha256: [1; 32], wasi: Some(vec![1]) }];
        let child = Lineage { ancestors: vec![2], forks: 1 };
        let process = Processes { begun: Lineage::default(), ended: child };
        let mut record = HostRecord {
            observed: true,
            stores: vec![StoreRecord {
                instances: instances.clone(),
                calls: calls.clone(),
                processes: BTreeMap::from([(0, process.clone())]),
            }],
            process,
            ..HostRecord::default()
        };
        let bytes = record.encode().unwrap();
        assert_eq!(HostRecord::decode(&bytes, 2).unwrap(), record);
        assert!(HostRecord::decode(&bytes[..bytes.len() - 1], 2).is_err());

        let stores = vec![StoreRecord1 { instances, calls }];
        let old = HostRecord1 { observed: true, pending: 0, stores, streams: Vec::new() };
        record.process = Processes::default();
        record.stores[0].processes.clear();
        let bytes = encode(&old).unwrap();
        assert_eq!(HostRecord::decode(&bytes, 1).unwrap(), record);
        // The first builds that wrote version 1 ended before the streams.
        assert_eq!(HostRecord::decode(&bytes[..bytes.len() - 1], 1).unwrap(), record);
        assert!(HostRecord::decode(&bytes[..bytes.len() - 2], 1).is_err());
        assert!(HostRecord::decode(&[&bytes[..], &[0]].concat(), 1).is_err());
    }

    #[test]
    fn the_first_version_is_read_if_it_holds_enough() {
        let mut old = Version1 {
            heap: Some((8, 4096)),
            sequence: 3,
            in_progress: Some(vec![1]),
            calls: Vec::new(),
            overflown: false,
        };
        let record = InstanceRecord { heap: Some((8, 4096)), sequence: 3, in_progress: Some(vec![1]) };
        assert_eq!(InstanceRecord::decode(&encode(&old).unwrap(), 1).unwrap(), record);
        old.calls.push(Call1::Malloc { size: 1, address: 8 });
        assert!(InstanceRecord::decode(&encode(&old).unwrap(), 1).is_err());
    }

    /// A text or list that says that it is longer than all memory is an error, not an allocation.
    #[test]
    fn hostile_lengths_cost_nothing() {
        let huge = [253, 255, 255, 255, 255, 255, 255, 255, 63];
        // Not observed, store 0, one store without instances, one call that failed.
        let call = [&[0, 0, 1, 0, 1, 0, 7, 5, 0, 1], &huge[..]].concat();
        let stores = [&[0, 0], &huge[..]].concat();
        let hook = [&[0, 0, 1, 0, 1, 0, 7, 5, 0, 0, 0, 0, 0, 1], &huge[..]].concat();
        for bytes in [call, stores, hook] {
            let error = HostRecord::decode(&bytes, 1).unwrap_err().to_string();
            assert!(error.contains("malformed"), "{error}");
            let error = HostRecord::decode(&bytes, 2).unwrap_err().to_string();
            assert!(error.contains("malformed"), "{error}");
        }
        // Version 1 of an instance: no heap, checkpoint 0, no call in progress, one call that failed.
        let old = [&[0, 0, 0, 1, 2, 7, 0], &huge[..]].concat();
        InstanceRecord::decode(&old, 1).unwrap_err();
        InstanceRecord::decode(&[&[0, 0, 1], &huge[..]].concat(), 2).unwrap_err();
    }

    #[test]
    fn changes_are_packed_and_unpacked() {
        let run = |at, len| Run { at, bytes: (0..len).map(|i: u32| i.wrapping_mul(7) as u8).collect() };
        for len in [0, 10, 100_000] {
            let memories = vec![MemoryChange { memory: 0, len: 1 << 20, runs: vec![run(5, len)] }];
            let changes = Changes { memories, ..Changes::default() };
            let packed = Packed::new(&changes).unwrap();
            assert!(packed.len() < 2000);
            assert_eq!(packed.unpack().unwrap(), changes);
            let lie = Packed { raw_len: packed.raw_len + 1, ..packed.clone() };
            assert!(lie.unpack().is_err());
        }
        assert_eq!(Packed::new(&Changes::default()).unwrap(), Packed::default());
        assert_eq!(Packed::default().unpack().unwrap(), Changes::default());
    }

    #[test]
    fn functions_have_names() {
        let id = wayfarer_snapshot::view::FuncId { instance: 3, func: u32::MAX };
        assert_eq!(FuncName::id(FuncName::of(id)), Some(id));
        assert_eq!(FuncName::id(0), None);
    }
}
