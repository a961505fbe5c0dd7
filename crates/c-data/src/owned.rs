//! Handles that go with a store: on modules, instances and objects of the host's. The host may delete them before, in any
//! order, or never; what it deletes twice, or after their store, is not there any more and is left alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Frees a handle at an address.
pub type Free = unsafe fn(usize);

struct Owned {
    /// Address of the store; 0 for none.
    store: usize,
    free: Free,
}

/// The handles that are alive, by address.
static ALIVE: Mutex<Option<HashMap<usize, Owned>>> = Mutex::new(None);

fn alive() -> MutexGuard<'static, Option<HashMap<usize, Owned>>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a new handle.
pub fn add(handle: usize, store: usize, free: Free) {
    alive().get_or_insert_default().insert(handle, Owned { store, free });
}

/// Whether a handle is alive.
pub fn is_alive(handle: usize) -> bool {
    alive().as_ref().is_some_and(|alive| alive.contains_key(&handle))
}

/// Ends a handle: false if it is not alive. The caller frees it.
pub fn remove(handle: usize) -> bool {
    alive().as_mut().is_some_and(|alive| alive.remove(&handle).is_some())
}

/// Frees those of `handles` that are still alive and this store's.
pub fn free_all(handles: &[usize], store: usize) {
    for &handle in handles {
        // One at a time, outside the lock: finalizers may use this API.
        let owned = {
            let mut alive = alive();
            let is_its = |owned: &Owned| owned.store == store;
            match alive.as_mut() {
                Some(alive) if alive.get(&handle).is_some_and(is_its) => alive.remove(&handle),
                _ => None,
            }
        };
        if let Some(owned) = owned {
            // SAFETY: the function was given with the handle, which was alive until now.
            unsafe { (owned.free)(handle) };
        }
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
        free_all(&[a, b, c], 1);
        assert_eq!(FREED.load(Ordering::Relaxed), b, "neither what is gone nor what is of another store");
        assert!(!is_alive(b) && remove(c));
    }
}
