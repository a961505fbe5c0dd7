//! Threads that guests have started: their ids, what they were started with, and which stack and which instance is whose.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use wayfarer_module::Module;

use super::{Resource, Saving, within};
use crate::guest_threads::Phase;
use crate::instance::HostParts;

/// Longest record that is decoded (bytes).
const LIMIT: usize = 16 << 20;

/// The kind.
pub(crate) struct GuestThreads;

/// A thread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ThreadRecord {
    pub(crate) tid: u32,
    /// What it was started with.
    pub(crate) arg: u32,
    /// Place of its instance.
    pub(crate) instance: u32,
    /// Place of the instance that the host has, and that it belongs to.
    pub(crate) beside: u32,
    /// Which of the image's stacks is its; `None`: it has not begun.
    pub(crate) stack: Option<u32>,
}

/// What an image says of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) threads: Vec<ThreadRecord>,
    /// Places of instances that threads had, whose place the next one takes, each with that of the one that they are beside.
    pub(crate) vacant: Vec<(u32, u32)>,
}

impl Record {
    /// Places of instances that are threads', or were, each with that of the one that it is beside.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32)> {
        self.threads.iter().map(|thread| (thread.instance, thread.beside)).chain(self.vacant.iter().copied())
    }

    /// The instance that this one is beside, if it is a thread's or was.
    pub(crate) fn beside(&self, place: u32) -> Option<u32> {
        self.places().find(|(at, _)| *at == place).map(|(_, beside)| beside)
    }

    /// Whether this one of the image's stacks is one of theirs.
    pub(crate) fn has_stack(&self, nth: usize) -> bool {
        self.threads.iter().any(|thread| thread.stack == Some(nth as u32))
    }
}

impl Resource for GuestThreads {
    type Record<'a> = Record;
    type Into<'a> = ();
    type Made = ();

    const NAME: &'static str = "guest-threads";
    const VERSIONS: RangeInclusive<u32> = 1..=1;

    fn save(from: &mut Saving<'_>) -> Result<Option<Record>, String> {
        let (store, stacks) = (from.store, from.threads);
        let place = |number: u32| {
            let instance = store.instance_numbered(number);
            instance.map(|instance| instance.index()).ok_or_else(|| format!("instance {number} is gone"))
        };
        let record = from.instance.program().guest_threads().look(|state| {
            if state.is_ending() {
                return Err("the guest's threads are ending".to_owned());
            }
            let mut record = Record::default();
            for thread in &state.threads {
                if thread.phase == Phase::OfHost {
                    return Err(
                        "the host has an exec env by wasm_runtime_spawn_exec_env, which no image can have"
                            .to_owned(),
                    );
                }
                let Some(instance) = thread.instance else {
                    return Err(format!("thread {} is only being made", thread.tid));
                };
                let stack = (0..).zip(stacks).find(|(_, stack)| stack.tid == thread.tid).map(|(nth, _)| nth);
                // One that begins without a stack begins anew.
                let has_one = thread.phase == Phase::Runs || thread.stack.is_some();
                if has_one && stack.is_none() {
                    return Err(format!("thread {} has not come to a stable point", thread.tid));
                }
                let (instance, beside) = (place(instance)?, place(thread.root)?);
                match thread.phase {
                    // Only its instance is still to go.
                    Phase::Ended => record.vacant.push((instance, beside)),
                    _ => record.threads.push(ThreadRecord {
                        tid: thread.tid,
                        arg: thread.arg,
                        instance,
                        beside,
                        stack,
                    }),
                }
            }
            for (instance, root) in state.vacant() {
                record.vacant.push((place(instance)?, place(root)?));
            }
            Ok(record)
        })?;
        if let Some(thread) = record.threads.iter().find(|thread| {
            let root = store.instance(thread.beside as usize);
            root.and_then(HostParts::of).is_none()
        }) {
            return Err(format!("the instance that thread {} belongs to has ended", thread.tid));
        }
        let is_empty = record.threads.is_empty() && record.vacant.is_empty();
        Ok((!is_empty).then_some(record))
    }

    fn encode(record: Record) -> Result<Vec<u8>, String> {
        wayfarer_snapshot::record::encode(&record).map_err(|e| e.to_string())
    }

    fn decode(bytes: &[u8], _: u32) -> Result<Record, String> {
        within(bytes, LIMIT, "threads")?;
        wayfarer_snapshot::record::decode(bytes)
    }

    /// Whether it fits the view is looked at where that is.
    fn verify(_: Option<&Record>, _: &Module) -> Result<(), String> {
        Ok(())
    }

    /// Each is made where its instance is.
    fn restore(_: &Record, (): ()) -> Result<(), String> {
        Ok(())
    }

    fn describe(record: &Record) -> Option<Json> {
        let thread = |thread: &ThreadRecord| {
            json!({
                "tid": thread.tid,
                "arg": thread.arg,
                "instance": thread.instance,
                "beside": thread.beside,
                "stack": thread.stack,
            })
        };
        let threads: Vec<Json> = record.threads.iter().map(thread).collect();
        Some(json!({ "threads": threads, "vacant": record.vacant }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{describe, read};
    use wayfarer_snapshot::view::HostSection;

    #[test]
    fn they_are_dumped_described_and_read() {
        let thread = ThreadRecord { tid: 3, arg: 64, instance: 2, beside: 0, stack: Some(1) };
        let begins = ThreadRecord { tid: 1, arg: 0, instance: 3, beside: 0, stack: None };
        let record = Record { threads: vec![thread, begins], vacant: vec![(1, 0)] };
        let bytes = GuestThreads::encode(record.clone()).unwrap();
        // If this changes, the version must.
        assert_eq!(bytes, [2, 3, 64, 2, 0, 1, 1, 1, 0, 3, 0, 0, 1, 1, 0]);
        let described = describe(GuestThreads::NAME, 1, &bytes).unwrap();
        assert_eq!((&described["threads"][0]["tid"], &described["vacant"][0][0]), (&json!(3), &json!(1)));
        let section = HostSection::new(GuestThreads::NAME, 1, bytes);
        let read = read::<GuestThreads>(&[section]).unwrap().unwrap();
        assert_eq!(read, record);
        assert_eq!((read.beside(2), read.beside(1), read.beside(0)), (Some(0), Some(0), None));
        assert!(read.has_stack(1) && !read.has_stack(0));
    }
}
