//! Host objects that guests hold references to: a process-wide table from index to pointer.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ffi::{guard, put};
use super::types::wasm_module_inst_t;

/// Index of the null reference.
const NULL_INDEX: u32 = u32::MAX;

pub(crate) use wayfarer_c_data::text::NULL_OBJECT;

/// Called with the object when its entry goes away.
type Cleanup = unsafe extern "C" fn(*mut c_void);

struct Entry {
    object: usize,
    instance: usize,
    /// Set by wasm_externref_retain. Entries are never swept, so nothing reads it but its own test.
    retained: bool,
    cleanup: Option<Cleanup>,
}

#[derive(Default)]
struct Registry {
    entries: BTreeMap<u32, Entry>,
    by_object: HashMap<(usize, usize), u32>,
    last: u32,
}

impl Registry {
    fn add(&mut self, instance: usize, object: usize) -> Option<u32> {
        if let Some(&index) = self.by_object.get(&(instance, object)) {
            return Some(index);
        }
        let mut index = self.last;
        // Indices go round; one that is still in use is passed over.
        loop {
            index = index.wrapping_add(1);
            if index == self.last {
                return None;
            }
            if index != 0 && index != NULL_INDEX && !self.entries.contains_key(&index) {
                break;
            }
        }
        self.last = index;
        if super::exec_env::native_runs_here() {
            MADE_BY_GUEST.store(true, Ordering::Relaxed);
        }
        self.entries.insert(index, Entry { object, instance, retained: false, cleanup: None });
        self.by_object.insert((instance, object), index);
        Some(index)
    }

    fn remove(&mut self, index: u32) -> Option<Entry> {
        let entry = self.entries.remove(&index)?;
        self.by_object.remove(&(entry.instance, entry.object));
        Some(entry)
    }
}

/// Whether a native function that a guest called has given an object an index.
static MADE_BY_GUEST: AtomicBool = AtomicBool::new(false);

/// Whether there are indices that a restored host does not make again: it does not run the guest for calls that are done.
pub(crate) fn made_by_guest() -> bool {
    MADE_BY_GUEST.load(Ordering::Relaxed)
}

static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

fn registry() -> MutexGuard<'static, Option<Registry>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the cleanups of removed entries, outside the lock: they may use this API.
fn clean_up(removed: Vec<Entry>) {
    for entry in removed {
        if let Some(cleanup) = entry.cleanup {
            // SAFETY: the host set this function for this object.
            unsafe { cleanup(entry.object as *mut c_void) };
        }
    }
}

/// The slot value (see `wayfarer_runtime::values`) for a host object: its index, 0 for null.
pub(crate) fn object_to_slot(instance: wasm_module_inst_t, object: usize) -> Option<u64> {
    if object == NULL_OBJECT {
        return Some(0);
    }
    registry().get_or_insert_default().add(instance as usize, object).map(u64::from)
}

/// The host object behind a slot value; NULL for the null reference and for what is not known any more.
pub(crate) fn slot_to_object(slot: u64) -> usize {
    let registry = registry();
    let entry = u32::try_from(slot).ok().and_then(|index| registry.as_ref()?.entries.get(&index));
    entry.map_or(0, |e| e.object)
}

/// Removes the entries of an instance that goes away.
pub(crate) fn remove_instance(instance: wasm_module_inst_t) {
    let mut removed = Vec::new();
    if let Some(registry) = registry().as_mut() {
        let of_instance = |e: &Entry| e.instance == instance as usize;
        let gone: Vec<u32> =
            registry.entries.iter().filter(|(_, e)| of_instance(e)).map(|(&i, _)| i).collect();
        removed.extend(gone.into_iter().filter_map(|index| registry.remove(index)));
    }
    clean_up(removed);
}

/// Removes all entries.
pub(crate) fn clear() {
    let registry = registry().take();
    clean_up(registry.map(|r| r.entries.into_values().collect()).unwrap_or_default());
}

/// Gives a host object an index that an externref can carry. The same object of the same instance gets the same index
/// again. `(void *)-1` is the null reference.
///
/// # Safety
/// `p_externref_idx` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externref_obj2ref(
    module_inst: wasm_module_inst_t,
    extern_obj: *mut c_void,
    p_externref_idx: *mut u32,
) -> bool {
    guard(false, || {
        let index = if extern_obj as usize == NULL_OBJECT {
            Some(NULL_INDEX)
        } else {
            registry().get_or_insert_default().add(module_inst as usize, extern_obj as usize)
        };
        // SAFETY: as the caller promises.
        index.map(|index| unsafe { put(p_externref_idx, index) }).is_some()
    })
}

/// Removes a host object, calling its cleanup function. False if it is not there.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_externref_objdel(module_inst: wasm_module_inst_t, extern_obj: *mut c_void) -> bool {
    guard(false, || {
        let mut registry = registry();
        let removed = registry.as_mut().and_then(|r| {
            let index = *r.by_object.get(&(module_inst as usize, extern_obj as usize))?;
            r.remove(index)
        });
        drop(registry);
        let found = removed.is_some();
        clean_up(removed.into_iter().collect());
        found
    })
}

/// Sets the function that is called with the object when it is removed, or its instance goes away. False if the object
/// has no index.
///
/// # Safety
/// `extern_obj_cleanup` is NULL or a function that may be called with this object at any later time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externref_set_cleanup(
    module_inst: wasm_module_inst_t,
    extern_obj: *mut c_void,
    extern_obj_cleanup: Option<unsafe extern "C" fn(*mut c_void)>,
) -> bool {
    guard(false, || {
        let mut registry = registry();
        let entry = registry.as_mut().and_then(|r| {
            let index = r.by_object.get(&(module_inst as usize, extern_obj as usize))?;
            r.entries.get_mut(index)
        });
        entry.map(|e| e.cleanup = extern_obj_cleanup).is_some()
    })
}

/// The host object of an index; NULL for the null reference. False if the index is not known.
///
/// # Safety
/// `p_extern_obj` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externref_ref2obj(externref_idx: u32, p_extern_obj: *mut *mut c_void) -> bool {
    guard(false, || {
        let object = if externref_idx == NULL_INDEX {
            Some(0)
        } else {
            registry().as_ref().and_then(|r| r.entries.get(&externref_idx)).map(|e| e.object)
        };
        // SAFETY: as the caller promises.
        object.map(|object| unsafe { put(p_extern_obj, object as *mut c_void) }).is_some()
    })
}

/// Marks an index as held by the host. False if it is not known.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_externref_retain(externref_idx: u32) -> bool {
    guard(false, || {
        let mut registry = registry();
        let entry = registry.as_mut().and_then(|r| r.entries.get_mut(&externref_idx));
        entry.map(|e| e.retained = true).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null_mut, without_provenance_mut as ptr};
    use std::sync::atomic::AtomicUsize;

    static CLEANED: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn cleanup(object: *mut c_void) {
        CLEANED.fetch_add(object as usize, Ordering::Relaxed);
    }

    #[test]
    fn objects_and_indices() {
        let (a, b) = (ptr(0x1000), ptr(0x2000));
        let index = |inst, obj: usize| {
            let mut index = 0;
            // SAFETY: the pointer is to a local.
            assert!(unsafe { wasm_externref_obj2ref(inst, ptr(obj), &raw mut index) });
            index
        };
        let object = |index| {
            let mut object = null_mut();
            // SAFETY: as above.
            unsafe { wasm_externref_ref2obj(index, &raw mut object) }.then_some(object as usize)
        };
        let first = index(a, 0x10);
        assert!(first > 0 && first != NULL_INDEX);
        assert_eq!(index(a, 0x10), first, "same object, same index");
        assert_ne!(index(b, 0x10), first, "another instance, another index");
        assert_eq!(object(first), Some(0x10));
        assert_eq!(slot_to_object(first.into()), 0x10);
        assert_eq!(object_to_slot(a, 0x10), Some(first.into()));

        assert_eq!(index(a, usize::MAX), NULL_INDEX);
        assert_eq!(object(NULL_INDEX), Some(0));
        assert_eq!((object_to_slot(a, usize::MAX), slot_to_object(0)), (Some(0), 0));
        assert_eq!(object(0), None);
        assert!(wasm_externref_retain(first) && !wasm_externref_retain(first + 100));

        // SAFETY: the function takes any object.
        unsafe {
            assert!(wasm_externref_set_cleanup(a, ptr(0x10), Some(cleanup)));
            assert!(!wasm_externref_set_cleanup(a, ptr(0x11), Some(cleanup)));
        }
        assert!(wasm_externref_objdel(a, ptr(0x10)) && !wasm_externref_objdel(a, ptr(0x10)));
        assert_eq!(CLEANED.swap(0, Ordering::Relaxed), 0x10);
        assert_eq!(object(first), None);

        index(a, 0x20);
        // SAFETY: as above.
        assert!(unsafe { wasm_externref_set_cleanup(a, ptr(0x20), Some(cleanup)) });
        remove_instance(a);
        assert_eq!(CLEANED.load(Ordering::Relaxed), 0x20);
        assert!(!wasm_externref_objdel(a, ptr(0x20)));
        assert!(wasm_externref_objdel(b, ptr(0x10)), "other instances keep theirs");
    }
}
