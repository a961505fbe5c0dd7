//! Values that a guest's thread keeps under keys (`pthread_setspecific`): they go when it goes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many keys there are.
pub const KEYS: usize = 32;

/// A thread's values, 0 at first. It sets them itself; who deletes a key clears its value in all threads.
#[derive(Debug, Default)]
pub struct Specific(OnceLock<Box<[AtomicU32; KEYS]>>);

impl Specific {
    /// The value of a key; 0 if there is no such key.
    pub fn get(&self, key: usize) -> u32 {
        let value = self.0.get().and_then(|values| values.get(key));
        value.map_or(0, |value| value.load(Ordering::Relaxed))
    }

    /// Sets it, if there is such a key.
    pub fn set(&self, key: usize, value: u32) {
        if value == 0 && self.0.get().is_none() {
            return;
        }
        if let Some(of_key) = self.0.get_or_init(Box::default).get(key) {
            of_key.store(value, Ordering::Relaxed);
        }
    }

    /// Those that are not 0, by key.
    pub fn all(&self) -> Vec<(u32, u32)> {
        let values = (0..KEYS).map(|key| (key as u32, self.get(key)));
        values.filter(|&(_, value)| value != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_by_key() {
        let values = Specific::default();
        values.set(3, 0);
        assert!(values.0.get().is_none(), "nothing is kept for nothing");
        values.set(31, 7);
        values.set(0, 5);
        values.set(KEYS, 9);
        assert_eq!(values.all(), [(0, 5), (31, 7)]);
        values.set(0, 0);
        assert_eq!((values.get(0), values.get(31), values.get(KEYS)), (0, 7, 0));
    }
}
