//! A program's whole state in a few numbers.

use std::hash::{DefaultHasher, Hash, Hasher};
use wayfarer_runtime::Store;
use wayfarer_snapshot::view::{StoreView, Thread};

/// Hashes of the parts of a stopped program's state. Equal states have equal fingerprints, in every run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint {
    store: u64,
    thread: u64,
    memories: u64,
}

impl Fingerprint {
    pub(crate) fn of(store: &Store, view: &StoreView, thread: &Thread) -> Fingerprint {
        Fingerprint { store: hash_of(view), thread: hash_of(thread), memories: memories(store) }
    }

    /// What is not the same, for a message.
    pub(crate) fn difference(&self, other: &Fingerprint) -> Option<String> {
        let parts = [
            ("frames", self.thread != other.thread),
            ("globals, tables or segments", self.store != other.store),
            ("memories", self.memories != other.memories),
        ];
        let different: Vec<_> = parts.into_iter().filter(|p| p.1).map(|p| p.0).collect();
        (!different.is_empty()).then(|| different.join(" and "))
    }
}

fn hash_of<T: serde::Serialize>(value: &T) -> u64 {
    let bytes =
        bincode::serde::encode_to_vec(value, bincode::config::standard()).expect("views can be encoded");
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// A hash of the bytes of all memories.
pub(crate) fn memories(store: &Store) -> u64 {
    let mut hasher = DefaultHasher::new();
    for index in 0.. {
        let Some(memory) = store.memory(index) else { break };
        // SAFETY: mapped and committed up to its size; the guest stands still.
        unsafe { std::slice::from_raw_parts(memory.base(), memory.len()) }.hash(&mut hasher);
    }
    hasher.finish()
}
