//! The instances of a store behind its first: what that one has sections of its own for. Only in images of stores that are
//! restored as such; a host that is started again makes its instances itself.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use wayfarer_module::Module;
use wayfarer_runtime::Instance;
use wayfarer_snapshot::view::HostSection;

use super::{Resource, Saving, native_state, within};
use crate::instance::HostParts;

/// Longest record that is decoded (bytes).
const LIMIT: usize = 512 << 20;

/// The kind.
pub(crate) struct Others;

/// An instance.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Other {
    /// Guest addresses of its app heap.
    pub(crate) heap: Option<(u32, u32)>,
    /// `None`: the host has ended it. What it had is still there for others, its memory with the room for its heap.
    pub(crate) parts: Option<Parts>,
}

/// What an instance has that is alive.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Parts {
    /// WASI's state, as the section of the first instance has it.
    pub(crate) wasi: Vec<u8>,
    /// What native modules saved of it.
    pub(crate) natives: Vec<HostSection>,
}

impl Other {
    fn of(instance: &Instance, from: &mut Saving<'_>) -> Result<Other, String> {
        let mut save = |parts: &HostParts| -> Result<Parts, String> {
            Ok(Parts {
                wasi: parts.wasi.save_beside(from.files, from.beside).map_err(|e| e.to_string())?,
                natives: native_state::save(&from.embedder.native_modules(), parts)?,
            })
        };
        let parts = HostParts::of_host(instance).map(&mut save).transpose()?;
        Ok(Other { heap: from.heaps.get(&instance.number()).copied(), parts })
    }
}

impl Resource for Others {
    /// In the order of the store.
    type Record<'a> = Vec<Other>;
    type Into<'a> = ();
    type Made = ();

    const NAME: &'static str = "instances";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<Vec<Other>>, String> {
        if from.host.is_some() || from.store.instance_count() < 2 {
            return Ok(None);
        }
        let others = from.store.instances().skip(1);
        others.map(|instance| Other::of(instance, from)).collect::<Result<_, _>>().map(Some)
    }

    fn encode(record: Vec<Other>) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<Vec<Other>, String> {
        within(bytes, LIMIT, "instances")?;
        wayfarer_snapshot::record::decode(bytes)
    }

    /// How many there have to be is looked at where the store is.
    fn verify(_: Option<&Vec<Other>>, _: &Module) -> Result<(), String> {
        Ok(())
    }

    /// Each is restored where it is made.
    fn restore(_: &Vec<Other>, (): ()) -> Result<(), String> {
        Ok(())
    }

    fn describe(record: &Vec<Other>) -> Option<Json> {
        let describe = |Other { heap, parts }: &Other| match parts {
            Some(parts) => json!({
                "heap": heap,
                "wasi": wayfarer_wasi::describe_record(&parts.wasi).ok(),
                "natives": parts.natives.iter().map(|section| &section.name).collect::<Vec<_>>(),
            }),
            None => json!({ "heap": heap, "ended": true }),
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
        let alive = Other { heap: Some((1, 2)), parts: Some(Parts { wasi: vec![9], natives }) };
        let record = vec![Other { heap: Some((3, 4)), parts: None }, alive];
        let bytes = Others::encode(record.clone()).unwrap();
        // If this changes, the version must.
        assert_eq!(&bytes[..11], [2, 1, 3, 4, 0, 1, 1, 2, 1, 1, 9]);
        let expected = json!([{ "heap": [3, 4], "ended": true }, { "heap": [1, 2], "wasi": null, "natives": ["host:mine"] }]);
        assert_eq!(describe(Others::NAME, 1, &bytes), Some(expected));
        let section = HostSection::new(Others::NAME, 1, bytes.clone());
        assert_eq!(read::<Others>(&[section]).unwrap(), Some(record));
        assert!(Others::decode(&bytes[..5], 1).is_err());
    }
}
