//! Calls of watched functions that have not returned: so that returns are told of after a restore as well.

use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};
use wayfarer_module::Module;
use wayfarer_snapshot::view::{Thread, Value, WatchedCall};

use super::{Resource, Saving, within};

/// Longest record that is decoded (bytes).
const LIMIT: usize = 64 << 20;

/// The kind.
pub(crate) struct Watched;

impl Resource for Watched {
    /// For each thread, in the order of the image's.
    type Record<'a> = Vec<Vec<WatchedCall>>;
    /// The image's threads.
    type Into<'a> = &'a mut [Thread];
    type Made = ();

    const NAME: &'static str = "watched";
    const VERSIONS: RangeInclusive<u32> = 1..=1;
    /// The program is the same without; only nobody is told of these returns.
    const ANCILLARY: bool = true;

    fn save(from: &mut Saving<'_>) -> Result<Option<Self::Record<'static>>, String> {
        let calls: Vec<_> = from.threads.iter().map(|thread| thread.watched.clone()).collect();
        if calls.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        check(&calls)?;
        Ok(Some(calls))
    }

    fn encode(record: Self::Record<'_>) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<Self::Record<'_>, String> {
        within(bytes, LIMIT, "watched calls")?;
        wayfarer_snapshot::record::decode(bytes)
    }

    /// What it says of functions is checked when a thread goes on, before anything has changed.
    fn verify(record: Option<&Self::Record<'_>>, _: &Module) -> Result<(), String> {
        record.map_or(Ok(()), |record| check(record))
    }

    fn restore(record: &Self::Record<'_>, threads: &mut [Thread]) -> Result<(), String> {
        if record.len() > threads.len() {
            return Err(format!("watched calls of {} threads, there are {}", record.len(), threads.len()));
        }
        for (thread, calls) in threads.iter_mut().zip(record) {
            thread.watched.clone_from(calls);
        }
        Ok(())
    }

    fn describe(record: &Self::Record<'_>) -> Option<Json> {
        let describe = |call: &WatchedCall| {
            json!({
                "frame": call.frame,
                "func": call.func,
                "args": call.args,
            })
        };
        Some(record.iter().map(|calls| calls.iter().map(describe).collect::<Json>()).collect())
    }
}

/// An object of the host's is in no image.
fn check(record: &[Vec<WatchedCall>]) -> Result<(), String> {
    let is_host = |value: &Value| matches!(value, Value::ExternRef(Some(_)));
    match record.iter().flatten().find(|call| call.args.iter().any(is_host)) {
        Some(call) => Err(format!(
            "a call of watched function {} was given an object of the host, which has no way to save it",
            call.func.func
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::{Entry, FuncId, HostSection};

    fn record(arg: Value) -> Vec<Vec<WatchedCall>> {
        vec![vec![], vec![WatchedCall { frame: 2, func: FuncId { instance: 0, func: 7 }, args: vec![arg] }]]
    }

    #[test]
    fn they_are_dumped_described_and_restored() {
        let bytes = Watched::encode(record(Value::I32(5))).unwrap();
        // If this changes, the version must.
        assert_eq!(bytes, [2, 0, 1, 2, 0, 7, 1, 0, 5]);
        assert_eq!(describe(Watched::NAME, 1, &bytes).unwrap()[1][0]["frame"], 2);
        let section = HostSection { ancillary: true, ..HostSection::new(Watched::NAME, 1, bytes) };
        let read = read::<Watched>(std::slice::from_ref(&section)).unwrap().unwrap();
        let thread = |tid| Thread {
            entry: Entry::Main,
            frames: Vec::new(),
            tid,
            watched: Vec::new(),
            number: 0,
            waits: None,
        };
        let mut threads = [thread(0), thread(1)];
        Watched::restore(&read, &mut threads).unwrap();
        assert_eq!((&threads[0].watched, &threads[1].watched), (&read[0], &read[1]));
        let error = Watched::restore(&read, &mut threads[..1]).unwrap_err();
        assert_eq!(error, "watched calls of 2 threads, there are 1");
    }

    #[test]
    fn objects_of_the_host_are_refused() {
        let module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        Watched::verify(Some(&record(Value::ExternRef(None))), &module).unwrap();
        let error = Watched::verify(Some(&record(Value::ExternRef(Some(1)))), &module).unwrap_err();
        assert!(error.contains("watched function 7 was given an object of the host"), "{error}");
    }
}
