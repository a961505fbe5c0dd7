//! The instances of a store beside its first one, whose parts have sections of their own. Not of a host that makes them again
//! when it is started again.

use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};
use wayfarer_module::Module;

use super::{Resource, Saving, native_state};
use crate::app_heap::AppHeap;
use crate::instance::HostParts;
use crate::record::{OtherInstance, OtherInstances};

/// The kind.
#[derive(Debug)]
pub(crate) struct Instances;

impl Resource for Instances {
    type Record<'a> = OtherInstances;
    /// Which of them, by its place among the others.
    type Into<'a> = usize;
    /// Where its heap is in memory, whose content is the image's.
    type Made = Option<AppHeap>;

    const NAME: &'static str = "instances";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<OtherInstances>, String> {
        if from.host.is_some() || from.store.instance_count() < 2 {
            return Ok(None);
        }
        let natives = from.embedder.native_modules();
        let one = |instance: &wayfarer_runtime::Instance| {
            let parts = HostParts::of(instance);
            let parts = parts.ok_or_else(|| format!("instance {} of the store is gone", instance.index()))?;
            Ok(OtherInstance {
                wasi: parts.wasi.save().map_err(|e| e.to_string())?,
                heap: parts.heap.as_ref().map(AppHeap::range),
                natives: native_state::save(&natives, parts)?,
            })
        };
        let others: Result<Vec<OtherInstance>, String> = from.store.instances().skip(1).map(one).collect();
        Ok(Some(OtherInstances(others?)))
    }

    fn encode(record: OtherInstances) -> Result<Vec<u8>, String> {
        record.encode().map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<OtherInstances, String> {
        OtherInstances::decode(bytes).map_err(|e| e.to_string())
    }

    /// How many there are is compared with the image's instances where all of them are made.
    fn verify(_: Option<&OtherInstances>, _: &Module) -> Result<(), String> {
        Ok(())
    }

    fn restore(record: &OtherInstances, place: usize) -> Result<Option<AppHeap>, String> {
        let other = record.0.get(place).ok_or("the image does not have so many instances")?;
        Ok(other.heap.and_then(|(start, end)| AppHeap::new(start..end)))
    }

    fn describe(record: &OtherInstances) -> Option<Json> {
        let one = |other: &OtherInstance| {
            let natives: Vec<&str> = other.natives.iter().map(|section| &*section.name).collect();
            let wasi = wayfarer_wasi::describe_record(&other.wasi).ok();
            json!({ "heap": other.heap, "wasi": wasi, "native_state": natives })
        };
        Some(record.0.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::HostSection;

    fn record() -> OtherInstances {
        let natives = vec![HostSection::new("host:device", 1, vec![9])];
        OtherInstances(vec![OtherInstance { wasi: vec![1, 2], heap: Some((8, 4096)), natives }])
    }

    #[test]
    fn they_are_dumped_and_described() {
        let bytes = Instances::encode(record()).unwrap();
        // If this changes, the version must.
        let expected: &[&[u8]] = &[&[1, 2, 1, 2, 1, 8, 251, 0, 16, 1], b"\x0bhost:device", &[1, 1, 9]];
        assert_eq!(bytes, expected.concat());
        let described = describe(Instances::NAME, 1, &bytes).unwrap();
        assert_eq!(described[0]["heap"], json!([8, 4096]));
        assert_eq!(described[0]["native_state"], json!(["host:device"]));
        let section = HostSection::new(Instances::NAME, 1, bytes.clone());
        assert_eq!(read::<Instances>(&[section]).unwrap(), Some(record()));
        let cut = HostSection::new(Instances::NAME, 1, bytes[..3].to_vec());
        assert!(read::<Instances>(&[cut]).unwrap_err().contains("malformed"));
    }

    #[test]
    fn their_heaps_are_restored_where_they_were() {
        let heap = Instances::restore(&record(), 0).unwrap();
        assert_eq!(heap.map(|heap| heap.range()), Some((8, 4096)));
        let error = Instances::restore(&record(), 1).unwrap_err();
        assert_eq!(error, "the image does not have so many instances");
        let module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        Instances::verify(Some(&record()), &module).unwrap();
    }
}
