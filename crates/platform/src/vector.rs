//! `bh_vector.h`: an array that grows.

use std::ffi::c_void;
use std::ptr::null_mut;

use crate::log::error;

use crate::sync::{os_mutex_destroy, os_mutex_init, os_mutex_lock, os_mutex_unlock};

/// An array of elements of one size.
#[repr(C)]
pub struct Vector {
    /// How many elements there is room for.
    pub max_elems: usize,
    /// The elements.
    pub data: *mut u8,
    /// How many there are.
    pub num_elems: usize,
    /// Bytes of one.
    pub size_elem: usize,
    /// A mutex, or NULL.
    pub lock: *mut c_void,
}

impl Vector {
    /// # Safety
    /// `index` is below `max_elems`.
    unsafe fn at(&self, index: usize) -> *mut u8 {
        // SAFETY: as the caller promises: in the array.
        unsafe { self.data.add(index * self.size_elem) }
    }

    /// Does something under the lock, if there is one.
    fn locked<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let lock = self.lock.cast();
        if !self.lock.is_null() {
            // SAFETY: bh_vector_init made it.
            unsafe { os_mutex_lock(lock) };
        }
        let done = work(self);
        if !self.lock.is_null() {
            // SAFETY: as above.
            unsafe { os_mutex_unlock(lock) };
        }
        done
    }

    /// Makes room for one more.
    fn grow(&mut self) -> bool {
        if self.num_elems < self.max_elems {
            return true;
        }
        let length = (self.num_elems + 1).max(self.max_elems / 2 * 3);
        let data = allocate(length, self.size_elem);
        if data.is_null() {
            return false;
        }
        // SAFETY: the old elements fit in the new ones' memory; the old is malloc's, and used no more.
        unsafe {
            data.copy_from_nonoverlapping(self.data, self.num_elems * self.size_elem);
            libc::free(self.data.cast());
        }
        self.data = data;
        self.max_elems = length;
        true
    }

    /// Puts an element at a place, and those from there on behind it.
    ///
    /// # Safety
    /// `index` is at most the number of elements; `elem` may be read for one.
    unsafe fn put(&mut self, index: usize, elem: *const c_void) -> bool {
        if !self.grow() {
            return false;
        }
        // SAFETY: there is room for one more, and as the caller promises.
        unsafe {
            self.at(index + 1).copy_from(self.at(index), (self.num_elems - index) * self.size_elem);
            self.at(index).copy_from(elem.cast(), self.size_elem);
        }
        self.num_elems += 1;
        true
    }
}

/// Zeroed memory, or NULL. The API's sizes have 32 bits.
fn allocate(length: usize, size: usize) -> *mut u8 {
    match length.checked_mul(size) {
        Some(total) if u32::try_from(total).is_ok() && u32::try_from(length).is_ok() => {
            // SAFETY: calloc takes any sizes.
            unsafe { libc::calloc(length, size) }.cast()
        }
        _ => null_mut(),
    }
}

/// Makes an empty vector, with room for so many elements (4 if that is 0). False if there is no memory.
///
/// # Safety
/// `vector` is NULL, which is an error, or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_init(
    vector: *mut Vector,
    init_length: usize,
    size_elem: usize,
    use_lock: bool,
) -> bool {
    if vector.is_null() {
        error!("Init vector failed: vector is NULL.\n");
        return false;
    }
    let length = if init_length == 0 { 4 } else { init_length };
    let mut new = Vector {
        max_elems: length,
        data: allocate(length, size_elem),
        num_elems: 0,
        size_elem,
        lock: null_mut(),
    };
    if new.data.is_null() {
        error!("Init vector failed: alloc memory failed.\n");
        return false;
    }
    if use_lock {
        // SAFETY: malloc takes any size; the mutex is made in memory for one; the elements are malloc's, too.
        unsafe {
            new.lock = libc::malloc(size_of::<libc::pthread_mutex_t>());
            if os_mutex_init(new.lock.cast()) != 0 {
                error!("Init vector failed: init locker failed.\n");
                libc::free(new.lock);
                libc::free(new.data.cast());
                return false;
            }
        }
    }
    // SAFETY: as the caller promises.
    unsafe { vector.write(new) };
    true
}

/// Sets an element that is there.
///
/// # Safety
/// NULL is an error. Otherwise `vector` was made by bh_vector_init, and `elem_buf` may be read for an element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_set(vector: *mut Vector, index: u32, elem_buf: *const c_void) -> bool {
    // SAFETY: as the caller promises.
    let Some(vector) = (unsafe { vector.as_mut() }).filter(|_| !elem_buf.is_null()) else {
        error!("Set vector elem failed: vector or elem buf is NULL.\n");
        return false;
    };
    if index as usize >= vector.num_elems {
        error!("Set vector elem failed: invalid elem index.\n");
        return false;
    }
    // SAFETY: such an element is there, and as the caller promises.
    vector.locked(|v| unsafe { v.at(index as usize).copy_from(elem_buf.cast(), v.size_elem) });
    true
}

/// Copies an element that is there.
///
/// # Safety
/// NULL is an error. Otherwise `vector` was made by bh_vector_init, and `elem_buf` may be written for an element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_get(vector: *mut Vector, index: u32, elem_buf: *mut c_void) -> bool {
    // SAFETY: as the caller promises.
    let Some(vector) = (unsafe { vector.as_mut() }).filter(|_| !elem_buf.is_null()) else {
        error!("Get vector elem failed: vector or elem buf is NULL.\n");
        return false;
    };
    if index as usize >= vector.num_elems {
        error!("Get vector elem failed: invalid elem index.\n");
        return false;
    }
    // SAFETY: such an element is there, and as the caller promises.
    vector.locked(|v| unsafe { elem_buf.cast::<u8>().copy_from(v.at(index as usize), v.size_elem) });
    true
}

/// Puts an element before one that is there.
///
/// # Safety
/// As for bh_vector_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_insert(vector: *mut Vector, index: u32, elem_buf: *const c_void) -> bool {
    // SAFETY: as the caller promises.
    let Some(vector) = (unsafe { vector.as_mut() }).filter(|_| !elem_buf.is_null()) else {
        error!("Insert vector elem failed: vector or elem buf is NULL.\n");
        return false;
    };
    if index as usize >= vector.num_elems {
        error!("Insert vector elem failed: invalid elem index.\n");
        return false;
    }
    // SAFETY: such an element is there, and as the caller promises.
    let done = vector.locked(|v| unsafe { v.put(index as usize, elem_buf) });
    if !done {
        error!("Insert vector elem failed: extend vector failed.\n");
    }
    done
}

/// Puts an element behind the others.
///
/// # Safety
/// As for bh_vector_set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_append(vector: *mut Vector, elem_buf: *const c_void) -> bool {
    // SAFETY: as the caller promises.
    let Some(vector) = (unsafe { vector.as_mut() }).filter(|_| !elem_buf.is_null()) else {
        error!("Append vector elem failed: vector or elem buf is NULL.\n");
        return false;
    };
    // SAFETY: as the caller promises.
    let done = vector.locked(|v| unsafe { v.put(v.num_elems, elem_buf) });
    if !done {
        error!("Append vector elem failed: extend vector failed.\n");
    }
    done
}

/// Takes an element out, and copies it to `old_elem_buf` if that is not NULL.
///
/// # Safety
/// As for bh_vector_get.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_remove(
    vector: *mut Vector,
    index: u32,
    old_elem_buf: *mut c_void,
) -> bool {
    // SAFETY: as the caller promises.
    let Some(vector) = (unsafe { vector.as_mut() }) else {
        error!("Remove vector elem failed: vector is NULL.\n");
        return false;
    };
    let index = index as usize;
    if index >= vector.num_elems {
        error!("Remove vector elem failed: invalid elem index.\n");
        return false;
    }
    // SAFETY: such an element is there, and those behind it; and as the caller promises.
    vector.locked(|v| unsafe {
        let place = v.at(index);
        if !old_elem_buf.is_null() {
            old_elem_buf.cast::<u8>().copy_from(place, v.size_elem);
        }
        place.copy_from(place.add(v.size_elem), (v.num_elems - index - 1) * v.size_elem);
        v.num_elems -= 1;
    });
    true
}

/// How many elements there are; NULL has none.
///
/// # Safety
/// `vector` is NULL or was made by bh_vector_init.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_size(vector: *const Vector) -> usize {
    // SAFETY: as the caller promises.
    unsafe { vector.as_ref() }.map_or(0, |vector| vector.num_elems)
}

/// Frees a vector's memory, and makes it all zero.
///
/// # Safety
/// `vector` is NULL, which is an error, or was made by bh_vector_init, or is all zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_vector_destroy(vector: *mut Vector) -> bool {
    // SAFETY: as the caller promises.
    let Some(vector) = (unsafe { vector.as_mut() }) else {
        error!("Destroy vector elem failed: vector is NULL.\n");
        return false;
    };
    // SAFETY: both are malloc's, or NULL.
    unsafe {
        libc::free(vector.data.cast());
        os_mutex_destroy(vector.lock.cast());
        libc::free(vector.lock);
    }
    *vector = Vector { max_elems: 0, data: null_mut(), num_elems: 0, size_elem: 0, lock: null_mut() };
    true
}
