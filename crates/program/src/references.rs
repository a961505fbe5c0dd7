//! Objects of the host that guests hold references to: a table of the process, from number to pointer.
//!
//! A number is what an externref carries in a slot. It is never 0, the null reference, nor [`NULL_INDEX`], which the C API has
//! for that.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// No object's number.
pub const NULL_INDEX: u32 = u32::MAX;

/// Called with the object when its number is given up.
pub type Cleanup = unsafe extern "C" fn(*mut c_void);

struct Entry {
    object: usize,
    owner: usize,
    /// The host holds the number. Entries are never swept, so nothing reads it.
    retained: bool,
    cleanup: Option<Cleanup>,
}

#[derive(Default)]
struct Table {
    entries: BTreeMap<u32, Entry>,
    by_object: HashMap<(usize, usize), u32>,
    last: u32,
}

impl Table {
    fn add(&mut self, owner: usize, object: usize) -> Option<u32> {
        let mut index = self.last;
        // Numbers go round; one that is still in use is passed over.
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
        self.entries.insert(index, Entry { object, owner, retained: false, cleanup: None });
        self.by_object.insert((owner, object), index);
        Some(index)
    }

    fn remove(&mut self, index: u32) -> Option<Entry> {
        let entry = self.entries.remove(&index)?;
        self.by_object.remove(&(entry.owner, entry.object));
        Some(entry)
    }
}

/// Whether a native function that a guest called has given an object a number.
static MADE_BY_GUEST: AtomicBool = AtomicBool::new(false);

/// Whether there are numbers that a restored host does not give again: it does not run the guest for calls that are done.
pub(crate) fn made_by_guest() -> bool {
    MADE_BY_GUEST.load(Ordering::Relaxed)
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn table() -> MutexGuard<'static, Option<Table>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the cleanups of removed entries, outside the lock: they may use this module.
fn clean_up(removed: impl IntoIterator<Item = Entry>) {
    for entry in removed {
        if let Some(cleanup) = entry.cleanup {
            // SAFETY: `set_cleanup` was given this function for this object.
            unsafe { cleanup(entry.object as *mut c_void) };
        }
    }
}

/// The number of an owner's object: the one that it has, or else another one. `None`: there are no more. `by_guest`: whether it
/// is a native function that asks, which a guest has called.
pub fn number_of(owner: usize, object: usize, by_guest: impl FnOnce() -> bool) -> Option<u32> {
    let mut table = table();
    let table = table.get_or_insert_default();
    if let Some(&index) = table.by_object.get(&(owner, object)) {
        return Some(index);
    }
    let index = table.add(owner, object)?;
    if by_guest() {
        MADE_BY_GUEST.store(true, Ordering::Relaxed);
    }
    Some(index)
}

/// The object of a number.
pub fn object_of(index: u32) -> Option<usize> {
    table().as_ref()?.entries.get(&index).map(|entry| entry.object)
}

/// Gives up the number of an object, and cleans up. Whether it had one.
pub fn remove(owner: usize, object: usize) -> bool {
    let removed = table().as_mut().and_then(|table| {
        let index = *table.by_object.get(&(owner, object))?;
        table.remove(index)
    });
    let found = removed.is_some();
    clean_up(removed);
    found
}

/// Gives up those of an owner who goes away, and cleans up.
pub fn remove_all_of(owner: usize) {
    let mut removed = Vec::new();
    if let Some(table) = table().as_mut() {
        let gone: Vec<u32> =
            table.entries.iter().filter(|(_, entry)| entry.owner == owner).map(|(&index, _)| index).collect();
        removed.extend(gone.into_iter().filter_map(|index| table.remove(index)));
    }
    clean_up(removed);
}

/// Gives up all numbers, and cleans up.
pub fn clear() {
    let table = table().take();
    clean_up(table.into_iter().flat_map(|table| table.entries.into_values()));
}

/// Sets what is called with an object when its number is given up. Whether it has one.
///
/// # Safety
/// The function may be called with this object, at any later time, on any thread.
pub unsafe fn set_cleanup(owner: usize, object: usize, cleanup: Option<Cleanup>) -> bool {
    let mut table = table();
    let entry = table.as_mut().and_then(|table| {
        let index = table.by_object.get(&(owner, object))?;
        table.entries.get_mut(index)
    });
    entry.map(|entry| entry.cleanup = cleanup).is_some()
}

/// Notes that the host holds a number. Whether it is one.
pub fn retain(index: u32) -> bool {
    let mut table = table();
    let entry = table.as_mut().and_then(|table| table.entries.get_mut(&index));
    entry.map(|entry| entry.retained = true).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_number_for_each_owner_until_it_is_given_up() {
        let native = || number_of(0xa0, 0x30, || true);
        let host = |owner, object| number_of(owner, object, || false).unwrap();
        let first = host(0xa0, 0x10);
        assert!(first > 0 && first != NULL_INDEX);
        assert_eq!(host(0xa0, 0x10), first);
        assert_ne!(host(0xb0, 0x10), first);
        assert_eq!(object_of(first), Some(0x10));
        assert!(retain(first) && !retain(first + 100));
        assert!(!made_by_guest());
        native();
        assert!(made_by_guest());
        assert!(remove(0xa0, 0x10) && !remove(0xa0, 0x10));
        assert_eq!(object_of(first), None);
        remove_all_of(0xa0);
        assert!(!remove(0xa0, 0x30) && remove(0xb0, 0x10));
    }
}
