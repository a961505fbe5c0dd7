//! `bh_hashmap.h`: a map with the host's keys, which compares and hashes them by functions of the host's.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use crate::ffi::put;
use crate::log::error;

use crate::sync::{os_mutex_destroy, os_mutex_init, os_mutex_lock, os_mutex_unlock};

/// The hash of a key.
pub type HashFunc = Option<unsafe extern "C" fn(key: *const c_void) -> u32>;
/// Whether two keys are equal.
pub type KeyEqualFunc = Option<unsafe extern "C" fn(key1: *mut c_void, key2: *mut c_void) -> bool>;
/// Frees a key of a map that is destroyed.
pub type KeyDestroyFunc = Option<unsafe extern "C" fn(key: *mut c_void)>;
/// Frees a value of a map that is destroyed.
pub type ValueDestroyFunc = Option<unsafe extern "C" fn(value: *mut c_void)>;
/// Called for each entry.
pub type TraverseCallbackFunc =
    Option<unsafe extern "C" fn(key: *mut c_void, value: *mut c_void, user_data: *mut c_void)>;

const MIN_SIZE: u32 = 4;
const MAX_SIZE: u32 = 65536;

struct Entry {
    key: *mut c_void,
    value: *mut c_void,
    next: *mut Entry,
}

/// A map. Entries are reached by raw pointers alone: the host's functions may come back to the map if it has no lock.
pub struct HashMap {
    lock: Option<MaybeUninit<libc::pthread_mutex_t>>,
    hash: unsafe extern "C" fn(*const c_void) -> u32,
    equal: unsafe extern "C" fn(*mut c_void, *mut c_void) -> bool,
    destroy_key: KeyDestroyFunc,
    destroy_value: ValueDestroyFunc,
    buckets: Vec<*mut Entry>,
}

/// Does something with a map under its lock, if it has one.
///
/// # Safety
/// The map is alive.
unsafe fn locked<T>(map: *mut HashMap, work: impl FnOnce() -> T) -> T {
    // SAFETY: as the caller promises; a mutex does not move.
    let lock = unsafe { (*map).lock.as_mut() }.map_or(null_mut(), MaybeUninit::as_mut_ptr);
    // SAFETY: the map's mutex, or NULL, which does nothing.
    unsafe { os_mutex_lock(lock) };
    let done = work();
    // SAFETY: as above.
    unsafe { os_mutex_unlock(lock) };
    done
}

/// How many buckets there are.
///
/// # Safety
/// The map is alive.
unsafe fn count(map: *mut HashMap) -> usize {
    // SAFETY: as the caller promises; the vector never changes.
    unsafe { &(*map).buckets }.len()
}

/// Where a bucket's first entry is found.
///
/// # Safety
/// The map is alive and has such a bucket.
unsafe fn bucket(map: *mut HashMap, index: usize) -> *mut *mut Entry {
    // SAFETY: as the caller promises; nobody holds a reference to the vector.
    unsafe {
        let buckets = &mut (*map).buckets;
        buckets.as_mut_ptr().add(index)
    }
}

/// Where the pointer to a key's entry is, or that to NULL at its bucket's end.
///
/// # Safety
/// The map is alive, and its functions can be called with the key.
unsafe fn find(map: *mut HashMap, key: *mut c_void) -> *mut *mut Entry {
    // SAFETY: as the caller promises; the remainder is a bucket.
    unsafe {
        let mut place = bucket(map, ((*map).hash)(key) as usize % count(map));
        while !(*place).is_null() && !((*map).equal)((**place).key, key) {
            place = &raw mut (**place).next;
        }
        place
    }
}

/// Makes a map of so many buckets, 4 to 65,536. NULL if a function is missing that it needs.
#[unsafe(no_mangle)]
pub extern "C" fn bh_hash_map_create(
    size: u32,
    use_lock: bool,
    hash_func: HashFunc,
    key_equal_func: KeyEqualFunc,
    key_destroy_func: KeyDestroyFunc,
    value_destroy_func: ValueDestroyFunc,
) -> *mut HashMap {
    let size = size.max(MIN_SIZE);
    if size > MAX_SIZE {
        error!("HashMap create failed: size is too large.\n");
        return null_mut();
    }
    let (Some(hash), Some(equal)) = (hash_func, key_equal_func) else {
        error!("HashMap create failed: hash function or key equal function  is NULL.\n");
        return null_mut();
    };
    let map = Box::into_raw(Box::new(HashMap {
        lock: use_lock.then(MaybeUninit::uninit),
        hash,
        equal,
        destroy_key: key_destroy_func,
        destroy_value: value_destroy_func,
        buckets: vec![null_mut(); size as usize],
    }));
    // SAFETY: the map was made just now; its mutex is initialized where it stays.
    if let Some(lock) = unsafe { (*map).lock.as_mut() } {
        // SAFETY: memory for a mutex.
        unsafe { os_mutex_init(lock.as_mut_ptr()) };
    }
    map
}

/// Adds an entry. False if the key is NULL or there already.
///
/// # Safety
/// `map` is NULL, which is an error, or a live map, whose functions can be called with the key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_insert(map: *mut HashMap, key: *mut c_void, value: *mut c_void) -> bool {
    if map.is_null() || key.is_null() {
        error!("HashMap insert elem failed: map or key is NULL.\n");
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe {
        locked(map, || {
            let end = find(map, key);
            if !(*end).is_null() {
                error!("HashMap insert elem failed: duplicated key found.\n");
                return false;
            }
            *end = Box::into_raw(Box::new(Entry { key, value, next: null_mut() }));
            true
        })
    }
}

/// The value of a key, or NULL.
///
/// # Safety
/// As for bh_hash_map_insert.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_find(map: *mut HashMap, key: *mut c_void) -> *mut c_void {
    if map.is_null() || key.is_null() {
        error!("HashMap find elem failed: map or key is NULL.\n");
        return null_mut();
    }
    // SAFETY: as the caller promises.
    unsafe { locked(map, || (*find(map, key)).as_ref().map_or(null_mut(), |entry| entry.value)) }
}

/// Replaces the value of a key that is there, and gives the old one to `p_old_value`, if that is not NULL.
///
/// # Safety
/// As for bh_hash_map_insert; `p_old_value` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_update(
    map: *mut HashMap,
    key: *mut c_void,
    value: *mut c_void,
    p_old_value: *mut *mut c_void,
) -> bool {
    if map.is_null() || key.is_null() {
        error!("HashMap update elem failed: map or key is NULL.\n");
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe {
        locked(map, || {
            let Some(entry) = (*find(map, key)).as_mut() else { return false };
            put(p_old_value, std::mem::replace(&mut entry.value, value));
            true
        })
    }
}

/// Takes an entry out, and gives its key and value to the last two arguments, where they are not NULL. They are not
/// destroyed.
///
/// # Safety
/// As for bh_hash_map_insert; the last two are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_remove(
    map: *mut HashMap,
    key: *mut c_void,
    p_old_key: *mut *mut c_void,
    p_old_value: *mut *mut c_void,
) -> bool {
    if map.is_null() || key.is_null() {
        error!("HashMap remove elem failed: map or key is NULL.\n");
        return false;
    }
    // SAFETY: as the caller promises; an entry is a box that only the map has.
    unsafe {
        locked(map, || {
            let place = find(map, key);
            if (*place).is_null() {
                return false;
            }
            let entry = Box::from_raw(*place);
            *place = entry.next;
            put(p_old_key, entry.key);
            put(p_old_value, entry.value);
            true
        })
    }
}

/// Ends a map, and destroys its keys and values by the functions given for that.
///
/// # Safety
/// `map` is NULL, which is an error, or a live map that nobody else uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_destroy(map: *mut HashMap) -> bool {
    if map.is_null() {
        error!("HashMap destroy failed: map is NULL.\n");
        return false;
    }
    // SAFETY: as the caller promises: the map and its entries are boxes that nobody else has.
    unsafe {
        locked(map, || {
            for index in 0..count(map) {
                let mut next = bucket(map, index).replace(null_mut());
                while !next.is_null() {
                    let entry = Box::from_raw(next);
                    if let Some(destroy) = (*map).destroy_key {
                        destroy(entry.key);
                    }
                    if let Some(destroy) = (*map).destroy_value {
                        destroy(entry.value);
                    }
                    next = entry.next;
                }
            }
        });
        let mut map = Box::from_raw(map);
        if let Some(lock) = map.lock.as_mut() {
            os_mutex_destroy(lock.as_mut_ptr());
        }
    }
    true
}

/// Bytes that a map takes, without its entries.
///
/// # Safety
/// `hashmap` is a live map.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_get_struct_size(hashmap: *mut HashMap) -> u32 {
    // SAFETY: as the caller promises.
    let buckets = unsafe { count(hashmap) };
    // At most 65,536 buckets.
    (size_of::<HashMap>() + buckets * size_of::<*mut Entry>()) as u32
}

/// Bytes that an entry takes.
#[unsafe(no_mangle)]
pub extern "C" fn bh_hash_map_get_elem_struct_size() -> u32 {
    size_of::<Entry>() as u32
}

/// Calls a function for each entry.
///
/// # Safety
/// NULL is an error. Otherwise the map is alive, and the function can be called with `user_data`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hash_map_traverse(
    map: *mut HashMap,
    callback: TraverseCallbackFunc,
    user_data: *mut c_void,
) -> bool {
    let Some(callback) = callback.filter(|_| !map.is_null()) else {
        error!("HashMap traverse failed: map or callback is NULL.\n");
        return false;
    };
    // SAFETY: as the caller promises.
    unsafe {
        locked(map, || {
            for index in 0..count(map) {
                let mut entry = *bucket(map, index);
                while !entry.is_null() {
                    // Before the call, which may take the entry out.
                    let next = (*entry).next;
                    callback((*entry).key, (*entry).value, user_data);
                    entry = next;
                }
            }
        });
    }
    true
}
