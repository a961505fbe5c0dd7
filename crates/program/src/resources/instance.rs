//! An instance as the C API has it: its app heap, the arguments of the call in progress, and how many checkpoints there were.

use std::ops::RangeInclusive;

use serde_json::Value as Json;
use wayfarer_module::Module;

use super::{Resource, Saving, missing};
use crate::app_heap::AppHeap;
use crate::record::InstanceRecord;

/// The kind.
pub(crate) struct InstanceState;

impl Resource for InstanceState {
    type Record<'a> = InstanceRecord;
    type Into<'a> = ();
    /// Where the heap is in memory, whose content is the image's.
    type Made = Option<AppHeap>;

    const NAME: &'static str = "instance";
    const VERSIONS: RangeInclusive<u32> = 1..=2;

    fn save(from: &mut Saving<'_>) -> Result<Option<InstanceRecord>, String> {
        Ok(Some(InstanceRecord {
            heap: from.instance.heap.as_deref().map(AppHeap::range),
            sequence: from.sequence,
            in_progress: from.history.in_progress(),
        }))
    }

    fn encode(record: InstanceRecord) -> Result<Vec<u8>, String> {
        record.encode().map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], version: u32) -> Result<InstanceRecord, String> {
        InstanceRecord::decode(bytes, version).map_err(|e| e.to_string())
    }

    /// Whether the heap fits into the memory is a matter of sizes, which `wayfarer_runtime::integrity` checks.
    fn verify(record: Option<&InstanceRecord>, _: &Module) -> Result<(), String> {
        record.map(|_| ()).ok_or_else(missing::<Self>)
    }

    fn restore(record: &InstanceRecord, (): ()) -> Result<Option<AppHeap>, String> {
        Ok(record.heap.and_then(|(start, end)| AppHeap::new(start..end)))
    }

    fn describe(record: &InstanceRecord) -> Option<Json> {
        serde_json::to_value(record).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use serde_json::json;
    use wayfarer_snapshot::view::HostSection;

    fn record() -> InstanceRecord {
        InstanceRecord { heap: Some((4096, 12288)), sequence: 3, in_progress: Some(vec![1]) }
    }

    #[test]
    fn it_is_dumped_and_described() {
        let bytes = InstanceState::encode(record()).unwrap();
        // If this changes, the version must.
        assert_eq!(bytes, [1, 251, 0, 16, 251, 0, 48, 3, 1, 1, 1]);
        let expected = json!({ "heap": [4096, 12288], "sequence": 3, "in_progress": [1] });
        assert_eq!(describe(InstanceState::NAME, 2, &bytes), Some(expected));
        let section = HostSection::new(InstanceState::NAME, 2, bytes);
        assert_eq!(read::<InstanceState>(&[section]).unwrap(), Some(record()));
    }

    #[test]
    fn its_heap_is_restored_where_it_was() {
        let heap = InstanceState::restore(&record(), ()).unwrap();
        assert_eq!(heap.map(|heap| heap.range()), Some((4096, 12288)));
        let without = InstanceRecord { heap: None, ..record() };
        assert!(InstanceState::restore(&without, ()).unwrap().is_none());
        let module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        InstanceState::verify(Some(&without), &module).unwrap();
        let error = InstanceState::verify(None, &module).unwrap_err();
        assert_eq!(error, "the image has no section 'instance'");
    }
}
