//! Mutexes, condition variables, semaphores and keys, and who waits for them: so that all of them are whose they were, and all who
//! wait go on in their order, and after the time that was left.

use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};
use wayfarer_module::Module;
use wayfarer_snapshot::view::Thread;

use super::{Resource, Saving, within};
use crate::locks::{Call, Locks as OfProgram, LocksRecord, Note, Object, Owner, handle};

/// Longest record that is decoded (bytes).
const LIMIT: usize = 512 << 20;

/// The kind.
pub(crate) struct Locks;

impl Resource for Locks {
    type Record<'a> = LocksRecord;
    /// Those of the program, and the image's threads.
    type Into<'a> = (&'a OfProgram, &'a [Thread]);
    type Made = ();

    const NAME: &'static str = "locks";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<LocksRecord>, String> {
        Ok(from.locks.take())
    }

    fn encode(record: LocksRecord) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<LocksRecord, String> {
        within(bytes, LIMIT, "locks")?;
        wayfarer_snapshot::record::decode(bytes)
    }

    /// Whether it is of the image's threads is seen when they are there.
    fn verify(record: Option<&LocksRecord>, _: &Module) -> Result<(), String> {
        record.map_or(Ok(()), LocksRecord::check)
    }

    fn restore(record: &LocksRecord, (locks, threads): (&OfProgram, &[Thread])) -> Result<(), String> {
        locks.restore(record, threads)
    }

    fn describe(record: &LocksRecord) -> Option<Json> {
        let handle_of =
            |slot: u32| record.slots.get(slot as usize).map_or(0, |of| handle(slot, of.generation));
        let noted = |note: &Note| match note.call {
            Call::Lock => json!({ "mutex": handle_of(note.object) }),
            Call::Condition => json!({
                "condition": handle_of(note.object),
                "mutex": handle_of(note.mutex),
                "timed_out": note.timed_out,
            }),
            Call::Semaphore => json!({ "semaphore": handle_of(note.object) }),
        };
        let slots = (0..).zip(&record.slots).filter_map(|(number, slot)| {
            let mut described = match slot.object.as_ref()? {
                Object::Mutex { kind, owner, again } => json!({
                    "mutex": handle(number, slot.generation),
                    "kind": kind.name(),
                    "owner": owner.map(|owner| match owner {
                        Owner::Thread(thread) => json!(thread),
                        Owner::Outside => json!("in no call"),
                    }),
                    "taken_again": again,
                }),
                Object::Condition => json!({ "condition": handle(number, slot.generation) }),
                Object::Semaphore { name, open, count } => json!({
                    "semaphore": handle(number, slot.generation),
                    "name": String::from_utf8_lossy(name),
                    "open": open,
                    "count": count,
                }),
            };
            let queue = slot.queue.iter().map(|waiting| {
                json!({ "thread": waiting.thread, "left_ns": waiting.left, "call": noted(&waiting.note) })
            });
            described["queue"] = queue.collect();
            Some(described)
        });
        let woken = |(thread, note): &(u32, Note)| json!({ "thread": thread, "call": noted(note), "lost": note.lost });
        let values =
            |&(thread, key, value): &(u32, u32, u32)| json!({ "thread": thread, "key": key, "value": value });
        Some(json!({
            "objects": slots.collect::<Json>(),
            "woken": record.woken.iter().map(woken).collect::<Json>(),
            "keys": record.keys.iter().map(|&(key, destructor)| json!({ "key": key, "destructor": destructor })).collect::<Json>(),
            "values": record.values.iter().map(values).collect::<Json>(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::tests::circle;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::HostSection;

    #[test]
    fn they_are_dumped_described_and_read() {
        let bytes = Locks::encode(circle()).unwrap();
        // If this changes, the version must. Six slots; the first is a normal mutex of thread 0, for which 2 and 3 wait.
        assert_eq!(bytes[..21], [6, 0, 1, 0, 0, 1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
        let described = describe(Locks::NAME, 1, &bytes).unwrap();
        let mutex = &described["objects"][0];
        assert_eq!(
            (&mutex["mutex"], &mutex["kind"], &mutex["owner"]),
            (&json!(1), &json!("normal"), &json!(0))
        );
        assert_eq!(mutex["queue"][1], json!({ "thread": 3, "left_ns": null, "call": { "mutex": 1 } }));
        let condition = &described["objects"][4];
        assert_eq!(condition["queue"][0]["call"], json!({ "condition": 5, "mutex": 1, "timed_out": false }));
        assert_eq!(
            (&described["objects"][5]["name"], &described["woken"][0]["thread"]),
            (&json!("a\"b"), &json!(7))
        );
        let section = HostSection::new(Locks::NAME, 1, bytes.clone());
        assert_eq!(read::<Locks>(&[section]).unwrap(), Some(circle()));
        let section = HostSection::new(Locks::NAME, 2, bytes);
        assert_eq!(read::<Locks>(&[section]).unwrap_err(), "section 'locks' is of version 2, known is 1");
    }
}
