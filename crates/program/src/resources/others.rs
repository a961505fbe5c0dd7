//! The instances of a store behind its first: what that one has sections of its own for. Only in images of stores that are
//! restored as such; a host that is started again makes its instances itself.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use wayfarer_module::Module;
use wayfarer_snapshot::view::HostSection;

use super::{Resource, Saving, native_state};
use crate::app_heap::AppHeap;
use crate::instance::HostParts;

/// Longest record that is decoded (bytes).
const LIMIT: usize = 512 << 20;

/// The kind.
pub struct Others;

/// An instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Other {
    /// Guest addresses of its app heap.
    pub heap: Option<(u32, u32)>,
    /// WASI's state, as the section of the first instance has it.
    pub wasi: Vec<u8>,
    /// What native modules saved of it.
    pub natives: Vec<HostSection>,
}

impl Other {
    fn of(parts: &HostParts, from: &Saving<'_>) -> Result<Other, String> {
        Ok(Other {
            heap: parts.heap.as_ref().map(AppHeap::range),
            wasi: parts.wasi.save().map_err(|e| e.to_string())?,
            natives: native_state::save(&from.embedder.native_modules(), parts)?,
        })
    }
}

impl Resource for Others {
    /// In the order of the store; nothing of those that the host has ended.
    type Record<'a> = Vec<Option<Other>>;
    type Into<'a> = ();
    type Made = ();

    const NAME: &'static str = "instances";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<Vec<Option<Other>>>, String> {
        if from.host.is_some() || from.store.instance_count() < 2 {
            return Ok(None);
        }
        let others = from.store.instances().skip(1);
        let other = |instance| HostParts::of(instance).map(|parts| Other::of(parts, from)).transpose();
        others.map(other).collect::<Result<_, _>>().map(Some)
    }

    fn encode(record: Vec<Option<Other>>) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<Vec<Option<Other>>, String> {
        if bytes.len() > LIMIT {
            return Err(format!("the record of instances has {} bytes", bytes.len()));
        }
        wayfarer_snapshot::record::decode(bytes)
    }

    /// How many there have to be is looked at where the store is.
    fn verify(_: Option<&Vec<Option<Other>>>, _: &Module) -> Result<(), String> {
        Ok(())
    }

    /// Each is restored where it is made.
    fn restore(_: &Vec<Option<Other>>, (): ()) -> Result<(), String> {
        Ok(())
    }

    fn describe(record: &Vec<Option<Other>>) -> Option<Json> {
        let describe = |other: &Option<Other>| match other {
            Some(other) => json!({
                "heap": other.heap,
                "wasi": wayfarer_wasi::describe_record(&other.wasi).ok(),
                "natives": other.natives.iter().map(|section| &section.name).collect::<Vec<_>>(),
            }),
            None => Json::Null,
        };
        Some(Json::Array(record.iter().map(describe).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};

    #[test]
    fn they_are_dumped_described_and_read() {
        let natives = vec![HostSection::new("host:mine", 3, vec![7])];
        let record = vec![None, Some(Other { heap: Some((1, 2)), wasi: vec![9], natives })];
        let bytes = Others::encode(record.clone()).unwrap();
        // If this changes, the version must.
        assert_eq!(&bytes[..8], [2, 0, 1, 1, 1, 2, 1, 9]);
        let expected = json!([null, { "heap": [1, 2], "wasi": null, "natives": ["host:mine"] }]);
        assert_eq!(describe(Others::NAME, 1, &bytes), Some(expected));
        let section = HostSection::new(Others::NAME, 1, bytes.clone());
        assert_eq!(read::<Others>(&[section]).unwrap(), Some(record));
        assert!(Others::decode(&bytes[..5], 1).is_err());
    }
}
