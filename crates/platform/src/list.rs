//! `bh_list.h`: a list of elements that begin with a link.

use std::ffi::c_void;
use std::ptr::null_mut;

use bh_list_status::{BH_LIST_ERROR, BH_LIST_SUCCESS};

/// What an element begins with.
#[repr(C)]
pub struct bh_list_link {
    /// The next element.
    pub next: *mut bh_list_link,
}

/// A list.
#[repr(C)]
pub struct bh_list {
    /// Its first element is the next of this.
    pub head: bh_list_link,
    /// How many elements it has.
    pub len: u32,
}

/// Whether it worked.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum bh_list_status {
    /// It did.
    BH_LIST_SUCCESS = 0,
    /// It did not.
    BH_LIST_ERROR = -1,
}

/// Makes an empty list.
///
/// # Safety
/// `list` is NULL, which is an error, or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_list_init(list: *mut bh_list) -> bh_list_status {
    if list.is_null() {
        return BH_LIST_ERROR;
    }
    // SAFETY: as the caller promises.
    unsafe { list.write(bh_list { head: bh_list_link { next: null_mut() }, len: 0 }) };
    BH_LIST_SUCCESS
}

/// Puts an element in front of the others.
///
/// # Safety
/// NULL is an error. Otherwise the list is sound, and the element begins with a link, stays where it is, and is in no list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_list_insert(list: *mut bh_list, elem: *mut c_void) -> bh_list_status {
    let link = elem.cast::<bh_list_link>();
    if list.is_null() || link.is_null() {
        return BH_LIST_ERROR;
    }
    // SAFETY: as the caller promises.
    unsafe {
        (*link).next = (*list).head.next;
        (*list).head.next = link;
        (*list).len += 1;
    }
    BH_LIST_SUCCESS
}

/// Takes an element out. An error if it is not there.
///
/// # Safety
/// NULL is an error. Otherwise the list is sound.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_list_remove(list: *mut bh_list, elem: *mut c_void) -> bh_list_status {
    if list.is_null() || elem.is_null() {
        return BH_LIST_ERROR;
    }
    // SAFETY: as the caller promises: every link is NULL or an element's, which nobody else uses now.
    unsafe {
        let mut before = &raw mut (*list).head;
        while !(*before).next.is_null() {
            let link = (*before).next;
            if link == elem.cast() {
                (*before).next = (*link).next;
                (*list).len -= 1;
                return BH_LIST_SUCCESS;
            }
            before = link;
        }
    }
    BH_LIST_ERROR
}

/// How many elements a list has; NULL has none.
///
/// # Safety
/// `list` is NULL or a sound list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_list_length(list: *mut bh_list) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { list.as_ref() }.map_or(0, |list| list.len)
}

/// The first element, or NULL.
///
/// # Safety
/// `list` is NULL or a sound list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_list_first_elem(list: *mut bh_list) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { list.as_ref() }.map_or(null_mut(), |list| list.head.next.cast())
}

/// The element behind another, or NULL.
///
/// # Safety
/// `node` is NULL or an element of a sound list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_list_elem_next(node: *mut c_void) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { node.cast::<bh_list_link>().as_ref() }.map_or(null_mut(), |link| link.next.cast())
}
