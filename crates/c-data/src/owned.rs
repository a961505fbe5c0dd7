//! Handles that go with a store: on modules, instances and objects of the host's. The host may delete them before, in any
//! order, or never; what it deletes twice, or after their store, is not there any more and is left alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Frees a handle at an address.
pub type Free = unsafe fn(usize);

struct Owned {
    /// Address of the store; 0 for none.
    store: usize,
    /// How many handles were made before it.
    number: u64,
    free: Free,
}

#[derive(Default)]
struct Alive {
    /// By address.
    handles: HashMap<usize, Owned>,
    /// Addresses of each store's handles, in the order in which they were made.
    of_stores: HashMap<usize, BTreeMap<u64, usize>>,
    made: u64,
}

/// The handles that are alive.
static ALIVE: Mutex<Option<Alive>> = Mutex::new(None);

fn alive() -> MutexGuard<'static, Option<Alive>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alive {
    fn remove(&mut self, handle: usize) -> Option<Owned> {
        let owned = self.handles.remove(&handle)?;
        if let Some(of_store) = self.of_stores.get_mut(&owned.store) {
            of_store.remove(&owned.number);
            if of_store.is_empty() {
                self.of_stores.remove(&owned.store);
            }
        }
        Some(owned)
    }

    fn first_of(&self, store: usize) -> Option<usize> {
        self.of_stores.get(&store)?.values().next().copied()
    }
}

/// Notes a new handle.
pub fn add(handle: usize, store: usize, free: Free) {
    let mut alive = alive();
    let alive = alive.get_or_insert_default();
    let number = alive.made;
    alive.made += 1;
    alive.handles.insert(handle, Owned { store, number, free });
    alive.of_stores.entry(store).or_default().insert(number, handle);
}

/// Whether a handle is alive.
pub fn is_alive(handle: usize) -> bool {
    alive().as_ref().is_some_and(|alive| alive.handles.contains_key(&handle))
}

/// Ends a handle: false if it is not alive. The caller frees it.
pub fn remove(handle: usize) -> bool {
    alive().as_mut().is_some_and(|alive| alive.remove(handle).is_some())
}

/// Frees this store's handles that are still alive.
pub fn free_all(store: usize) {
    // One at a time, outside the lock: finalizers may use this API.
    let next = || {
        let mut alive = alive();
        let alive = alive.as_mut()?;
        let handle = alive.first_of(store)?;
        Some((handle, alive.remove(handle)?))
    };
    while let Some((handle, owned)) = next() {
        // SAFETY: the function was given with the handle, which was alive until now.
        unsafe { (owned.free)(handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static FREED: AtomicUsize = AtomicUsize::new(0);

    unsafe fn free(handle: usize) {
        FREED.fetch_add(handle, Ordering::Relaxed);
    }

    #[test]
    fn a_handle_goes_once() {
        // Odd, so they are no addresses of real handles.
        let (a, b, c) = (0x1001, 0x2001, 0x4001);
        add(a, 1, free);
        add(b, 1, free);
        add(c, 3, free);
        assert!(is_alive(a) && remove(a));
        assert!(!is_alive(a) && !remove(a));
        free_all(1);
        assert_eq!(FREED.load(Ordering::Relaxed), b, "neither what is gone nor what is of another store");
        assert!(!is_alive(b) && remove(c));
    }
}
