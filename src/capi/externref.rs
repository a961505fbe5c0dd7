//! Host objects that guests hold references to, as the C API has them.

use std::ffi::c_void;

use wayfarer_program::references::{self, Cleanup, NULL_INDEX};

use super::exec_env::native_runs_here;
use super::ffi::{guard, put};
use super::types::wasm_module_inst_t;

pub(crate) use wayfarer_c_data::text::NULL_OBJECT;

/// The slot value (see `wayfarer_runtime::values`) for a host object: its index, 0 for null.
pub(crate) fn object_to_slot(instance: wasm_module_inst_t, object: usize) -> Option<u64> {
    if object == NULL_OBJECT {
        return Some(0);
    }
    references::number_of(instance as usize, object, native_runs_here).map(u64::from)
}

/// The host object behind a slot value; NULL for the null reference and for what is not known any more.
pub(crate) fn slot_to_object(slot: u64) -> usize {
    u32::try_from(slot).ok().and_then(references::object_of).unwrap_or_default()
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
            references::number_of(module_inst as usize, extern_obj as usize, native_runs_here)
        };
        // SAFETY: as the caller promises.
        index.map(|index| unsafe { put(p_externref_idx, index) }).is_some()
    })
}

/// Removes a host object, calling its cleanup function. False if it is not there.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_externref_objdel(module_inst: wasm_module_inst_t, extern_obj: *mut c_void) -> bool {
    guard(false, || references::remove(module_inst as usize, extern_obj as usize))
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
        let cleanup: Option<Cleanup> = extern_obj_cleanup;
        // SAFETY: as the caller promises.
        unsafe { references::set_cleanup(module_inst as usize, extern_obj as usize, cleanup) }
    })
}

/// The host object of an index; NULL for the null reference. False if the index is not known.
///
/// # Safety
/// `p_extern_obj` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_externref_ref2obj(externref_idx: u32, p_extern_obj: *mut *mut c_void) -> bool {
    guard(false, || {
        let object = if externref_idx == NULL_INDEX { Some(0) } else { references::object_of(externref_idx) };
        // SAFETY: as the caller promises.
        object.map(|object| unsafe { put(p_extern_obj, object as *mut c_void) }).is_some()
    })
}

/// Marks an index as held by the host. False if it is not known.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_externref_retain(externref_idx: u32) -> bool {
    guard(false, || references::retain(externref_idx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null_mut, without_provenance_mut as ptr};
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        references::remove_all_of(a as usize);
        assert_eq!(CLEANED.load(Ordering::Relaxed), 0x20);
        assert!(!wasm_externref_objdel(a, ptr(0x20)));
        assert!(wasm_externref_objdel(b, ptr(0x10)), "other instances keep theirs");
    }
}
