//! What a host has done with its instances: it is restored by doing the same again.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use wayfarer_module::Module;

use super::{Resource, Saving};
use crate::history::History;
use crate::record::{Call, HostRecord, InstanceNote, Outcome, StoreRecord};
use crate::source::Source;

/// The kind.
pub(crate) struct Host;

impl Resource for Host {
    type Record<'a> = HostRecord;
    /// A store's history, the image that the record is in, and which of the host's stores it is.
    type Into<'a> = (&'a History, Arc<Source>, usize);
    type Made = ();

    const NAME: &'static str = "host";
    const VERSIONS: RangeInclusive<u32> = 1..=2;

    fn save(from: &mut Saving<'_>) -> Result<Option<HostRecord>, String> {
        Ok(from.host.take())
    }

    fn encode(record: HostRecord) -> Result<Vec<u8>, String> {
        record.encode().map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], version: u32) -> Result<HostRecord, String> {
        HostRecord::decode(bytes, version).map_err(|e| e.to_string())
    }

    /// What calls changed is checked as it is applied. Of one that is not there nothing is to be done again.
    fn verify(record: Option<&HostRecord>, _: &Module) -> Result<(), String> {
        match record {
            Some(host) if host.stores.get(host.pending as usize).is_none() => {
                Err(format!("it says that store {} is in use, of {}", host.pending, host.stores.len()))
            }
            _ => Ok(()),
        }
    }

    fn restore(_: &HostRecord, (history, source, ordinal): Self::Into<'_>) -> Result<(), String> {
        history.repeat(source, ordinal);
        Ok(())
    }

    /// Its calls, without the bytes that they changed.
    fn describe(record: &HostRecord) -> Option<Json> {
        let call = |call: &Call| {
            let (results, exception) = match &call.outcome {
                Outcome::Returned(results) => (Some(results), None),
                Outcome::Failed { exception, .. } => (None, Some(exception)),
            };
            json!({
                "instance": call.instance,
                "function": call.func,
                "arguments": call.args,
                "results": results,
                "exception": exception,
                "changes_bytes": call.changes.len(),
            })
        };
        let store = |store: &StoreRecord| {
            let hex =
                |note: &InstanceNote| note.sha256.iter().map(|b| format!("{b:02x}")).collect::<String>();
            json!({
                "modules": store.instances.iter().map(hex).collect::<Vec<_>>(),
                "calls": store.calls.iter().map(call).collect::<Vec<_>>(),
            })
        };
        Some(json!({
            "observed": record.observed,
            "in_progress_store": record.pending,
            "stores": record.stores.iter().map(store).collect::<Vec<_>>(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Packed, Processes};
    use crate::resources::{describe, read};
    use std::collections::BTreeMap;
    use wayfarer_runtime::fork::Lineage;
    use wayfarer_snapshot::view::{Entry, HostSection};

    fn record() -> HostRecord {
        let call = Call {
            instance: 0,
            func: 7,
            entry: Entry::Call,
            args: vec![1, 2],
            outcome: Outcome::Failed { exception: "no".into(), exit_code: 0, terminated: false },
            changes: Packed::default(),
            hooks: vec![HostSection::new("host:device", 1, vec![9])],
        };
        let instances = vec![InstanceNote { sha256: [1; 32], wasi: Some(vec![1]) }];
        let child = Lineage { ancestors: vec![2], forks: 1 };
        let process = Processes { begun: Lineage::default(), ended: child };
        let processes = BTreeMap::from([(0, process.clone())]);
        let stores = vec![StoreRecord { instances, calls: vec![call], processes }];
        HostRecord { observed: true, pending: 0, stores, streams: Vec::new(), process }
    }

    #[test]
    fn it_is_dumped_and_described() {
        let bytes = Host::encode(record()).unwrap();
        // If this changes, the version must.
        let expected: &[&[u8]] = &[
            // Observed, store 0 in use, one store with one instance.
            &[1, 0, 1, 1],
            &[1; 32],
            // With WASI's state; one call; of function 7 of instance 0, entered by a call, with two arguments.
            &[1, 1, 1, 1, 0, 7, 5, 2, 1, 2],
            // It failed; nothing changed; a native module's state.
            b"\x01\x02no\x00\x00\x00\x00\x01\x0bhost:device\x01\x01\x09",
            // Begun in the first process, ended in a child that has forked once; no streams; the same of the call in progress.
            &[1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 1, 2, 1],
        ];
        assert_eq!(bytes, expected.concat());
        let described = describe(Host::NAME, 2, &bytes).unwrap();
        assert_eq!(described["stores"][0]["calls"][0]["exception"], "no");
        assert_eq!(described["stores"][0]["modules"][0], "01".repeat(32));
        let section = HostSection::new(Host::NAME, 2, bytes);
        assert_eq!(read::<Host>(&[section]).unwrap(), Some(record()));
    }

    #[test]
    fn a_store_in_use_that_there_is_not_is_refused() {
        let module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        Host::verify(Some(&record()), &module).unwrap();
        Host::verify(None, &module).unwrap();
        let lie = HostRecord { pending: 1, ..record() };
        let error = Host::verify(Some(&lie), &module).unwrap_err();
        assert_eq!(error, "it says that store 1 is in use, of 1");
    }
}
