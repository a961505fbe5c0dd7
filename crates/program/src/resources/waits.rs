//! Places in wait queues, of the threads that are about to wait: so that all are woken in their order, and after the time that was left.

use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};
use wayfarer_module::Module;
use wayfarer_snapshot::view::{Thread, Wait, WaitPlace};

use super::{Resource, Saving, within};

/// Longest record that is decoded (bytes).
const LIMIT: usize = 16 << 20;

/// The kind.
pub(crate) struct Waits;

impl Resource for Waits {
    /// For each thread, in the order of the image's.
    type Record<'a> = Vec<Option<WaitPlace>>;
    /// The image's threads.
    type Into<'a> = &'a mut [Thread];
    type Made = ();

    const NAME: &'static str = "waits";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<Self::Record<'static>>, String> {
        let places = from.threads.iter().map(|thread| Some(thread.waits.as_ref()?.place.clone()));
        let places: Vec<_> = places.collect();
        Ok(places.iter().any(Option::is_some).then_some(places))
    }

    fn encode(record: Self::Record<'_>) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<Self::Record<'_>, String> {
        within(bytes, LIMIT, "wait queues")?;
        wayfarer_snapshot::record::decode(bytes)
    }

    /// No two have the same place. Whether there is such a queue is seen when the store is made.
    fn verify(record: Option<&Self::Record<'_>>, _: &Module) -> Result<(), String> {
        let places = record.into_iter().flatten().flatten();
        let mut taken: Vec<_> = places
            .filter_map(|place| match *place {
                WaitPlace::Woken => None,
                WaitPlace::Address { memory, addr, before, .. } => Some((memory, addr, before)),
            })
            .collect();
        taken.sort_unstable();
        match taken.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => {
                Err(format!("two threads have place {} in the queue of address {:#x}", two[0].2, two[0].1))
            }
            None => Ok(()),
        }
    }

    fn restore(record: &Self::Record<'_>, threads: &mut [Thread]) -> Result<(), String> {
        if record.len() > threads.len() {
            return Err(format!("wait queues of {} threads, there are {}", record.len(), threads.len()));
        }
        for (thread, place) in threads.iter_mut().zip(record) {
            let waiter = Thread::number_of_restored(thread.tid);
            thread.waits = place.clone().map(|place| Wait { waiter, place });
        }
        Ok(())
    }

    fn describe(record: &Self::Record<'_>) -> Option<Json> {
        let describe = |(thread, place): (usize, &Option<WaitPlace>)| match place.as_ref()? {
            WaitPlace::Woken => Some(json!({ "thread": thread, "woken": true })),
            WaitPlace::Address { memory, addr, before, left } => Some(json!({
                "thread": thread,
                "memory": memory,
                "address": addr,
                "before": before,
                "left_ns": left,
            })),
        };
        Some(record.iter().enumerate().filter_map(describe).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::{Entry, HostSection};

    fn record() -> Vec<Option<WaitPlace>> {
        let place = WaitPlace::Address { memory: 1, addr: 64, before: 0, left: Some(7) };
        vec![None, Some(WaitPlace::Woken), Some(place)]
    }

    #[test]
    fn they_are_dumped_described_and_restored() {
        let bytes = Waits::encode(record()).unwrap();
        // If this changes, the version must.
        assert_eq!(bytes, [3, 0, 1, 0, 1, 1, 1, 64, 0, 1, 7]);
        let described = describe(Waits::NAME, 1, &bytes).unwrap();
        assert_eq!((&described[0]["woken"], &described[1]["left_ns"]), (&json!(true), &json!(7)));
        let section = HostSection::new(Waits::NAME, 1, bytes);
        let read = read::<Waits>(std::slice::from_ref(&section)).unwrap().unwrap();
        let thread = |tid| Thread {
            entry: Entry::Main,
            frames: Vec::new(),
            tid,
            watched: Vec::new(),
            number: 0,
            waits: None,
        };
        let mut threads = [thread(0), thread(1), thread(5)];
        Waits::restore(&read, &mut threads).unwrap();
        let waits = threads.map(|thread| thread.waits.map(|wait| wait.place));
        assert_eq!(waits.as_slice(), read);
        let error = Waits::restore(&read, &mut [thread(0)]).unwrap_err();
        assert_eq!(error, "wait queues of 3 threads, there are 1");
    }

    #[test]
    fn a_place_is_one_thread_s() {
        let module = wayfarer_module::parse(std::sync::Arc::from(&b"\0asm\x01\0\0\0"[..])).unwrap();
        let mut record = record();
        Waits::verify(Some(&record), &module).unwrap();
        record.push(record[2].clone());
        let error = Waits::verify(Some(&record), &module).unwrap_err();
        assert_eq!(error, "two threads have place 0 in the queue of address 0x40");
    }
}
