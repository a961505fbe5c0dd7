//! Functions that all references have: delete, copy, same, host info, and conversions to and from `wasm_ref_t`.

use std::ffi::c_void;
use std::ptr::null_mut;

use super::super::ffi::guard;
use super::instance::{delete_instance, instance_handle};
use super::objects::{Kind, Object, delete, delete_foreign, object};

macro_rules! handles {
    ($($ty:ident $what:literal;)*) => { $(
        #[doc = concat!("A handle on ", $what, ".")]
        pub struct $ty {
            _object: [u8; 0],
        }
    )* };
}

handles! {
    wasm_ref_t "anything that has references";
    wasm_func_t "a function";
    wasm_global_t "a global";
    wasm_table_t "a table";
    wasm_memory_t "a memory";
    wasm_extern_t "something imported or exported";
    wasm_instance_t "an instance";
    wasm_trap_t "a trap";
    wasm_foreign_t "an object of the host's";
}

/// Declares what every reference type has. `$deleted` deletes a handle, `$copied` makes another handle of an object.
macro_rules! reference {
    ($ty:ident $what:literal by $deleted:path, $copied:path:
     $delete:ident $copy:ident $same:ident $get:ident $set:ident $set_with_finalizer:ident) => {
        #[doc = concat!("Deletes a handle on ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $delete(handle: *mut $ty) {
            // SAFETY: as the caller promises.
            unsafe { $deleted(handle) };
        }

        #[doc = concat!("Makes another handle on ", $what, ", without the host's pointer.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $copy(handle: *const $ty) -> *mut $ty {
            // SAFETY: as the caller promises.
            guard(null_mut(), || unsafe { object(handle) }.map_or(null_mut(), $copied))
        }

        #[doc = concat!("Whether two handles are on the same ", $what, ". Two NULLs are.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $same(a: *const $ty, b: *const $ty) -> bool {
            // SAFETY: as the caller promises.
            match unsafe { (object(a), object(b)) } {
                (Some(a), Some(b)) => a.same(b),
                (None, None) => true,
                _ => false,
            }
        }

        #[doc = concat!("The host's pointer kept with a handle on ", $what, "; NULL at first.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $get(handle: *const $ty) -> *mut c_void {
            // SAFETY: as the caller promises.
            unsafe { object(handle) }.map_or(null_mut(), |o| o.host_info())
        }

        #[doc = concat!("Keeps a pointer of the host's with a handle on ", $what, ".")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $set(handle: *mut $ty, info: *mut c_void) {
            // SAFETY: as the caller promises.
            unsafe { object(handle) }.into_iter().for_each(|o| o.set_host_info(info, None));
        }

        #[doc = concat!("Keeps a pointer of the host's with a handle on ", $what,
            ", and a function that is called with it when the handle is deleted. It is not called for a pointer that another replaces.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $set_with_finalizer(
            handle: *mut $ty,
            info: *mut c_void,
            finalizer: Option<unsafe extern "C" fn(*mut c_void)>,
        ) {
            // SAFETY: as the caller promises.
            unsafe { object(handle) }.into_iter().for_each(|o| o.set_host_info(info, finalizer));
        }
    };
}

/// Another handle on the same thing.
fn copied<T>(object: &Object) -> *mut T {
    object.clone().into_raw()
}

/// The handle on an object of the host's: always the same one.
fn foreign_handle<T>(object: &Object) -> *mut T {
    match object.kind() {
        Kind::Foreign(foreign) => foreign.handle(object),
        _ => null_mut(),
    }
}

/// Declares conversions to and from `wasm_ref_t`. Each makes a handle for the caller to delete, as in WAMR; `$of_ref` makes
/// the one of the type.
macro_rules! as_reference {
    ($ty:ident $what:literal $kind:pat, by $of_ref:path =>
     $to:ident $from:ident $to_const:ident $from_const:ident) => {
        #[doc = concat!("Makes a reference to what a handle on ", $what, " is on, for the caller to delete.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $to(handle: *mut $ty) -> *mut wasm_ref_t {
            // SAFETY: as the caller promises.
            guard(null_mut(), || unsafe { object(handle) }.map_or(null_mut(), copied))
        }

        #[doc = concat!("Makes a handle on ", $what, " of a reference, for the caller to delete; NULL if it is to something else.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $from(reference: *mut wasm_ref_t) -> *mut $ty {
            guard(null_mut(), || {
                // SAFETY: as the caller promises.
                let object = unsafe { object(reference) }.filter(|o| matches!(o.kind(), $kind));
                object.map_or(null_mut(), $of_ref)
            })
        }

        #[doc = concat!("Makes a reference to what a handle on ", $what, " is on, for the caller to delete.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $to_const(handle: *const $ty) -> *const wasm_ref_t {
            // SAFETY: as the caller promises.
            unsafe { $to(handle.cast_mut()) }
        }

        #[doc = concat!("Makes a handle on ", $what, " of a reference, for the caller to delete; NULL if it is to something else.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $from_const(reference: *const wasm_ref_t) -> *const $ty {
            // SAFETY: as the caller promises.
            unsafe { $from(reference.cast_mut()) }
        }
    };
}

reference!(wasm_ref_t "anything that has references" by delete, copied:
    wasm_ref_delete wasm_ref_copy wasm_ref_same wasm_ref_get_host_info wasm_ref_set_host_info
    wasm_ref_set_host_info_with_finalizer);
reference!(wasm_func_t "a function" by delete, copied:
    wasm_func_delete wasm_func_copy wasm_func_same wasm_func_get_host_info wasm_func_set_host_info
    wasm_func_set_host_info_with_finalizer);
reference!(wasm_global_t "a global" by delete, copied:
    wasm_global_delete wasm_global_copy wasm_global_same wasm_global_get_host_info wasm_global_set_host_info
    wasm_global_set_host_info_with_finalizer);
reference!(wasm_table_t "a table" by delete, copied:
    wasm_table_delete wasm_table_copy wasm_table_same wasm_table_get_host_info wasm_table_set_host_info
    wasm_table_set_host_info_with_finalizer);
reference!(wasm_memory_t "a memory" by delete, copied:
    wasm_memory_delete wasm_memory_copy wasm_memory_same wasm_memory_get_host_info wasm_memory_set_host_info
    wasm_memory_set_host_info_with_finalizer);
reference!(wasm_extern_t "something imported or exported" by delete, copied:
    wasm_extern_delete wasm_extern_copy wasm_extern_same wasm_extern_get_host_info wasm_extern_set_host_info
    wasm_extern_set_host_info_with_finalizer);
reference!(wasm_instance_t "an instance" by delete_instance, instance_handle:
    wasm_instance_delete wasm_instance_copy wasm_instance_same wasm_instance_get_host_info
    wasm_instance_set_host_info wasm_instance_set_host_info_with_finalizer);
reference!(wasm_trap_t "a trap" by delete, copied:
    wasm_trap_delete wasm_trap_copy wasm_trap_same wasm_trap_get_host_info wasm_trap_set_host_info
    wasm_trap_set_host_info_with_finalizer);
reference!(wasm_foreign_t "an object of the host's" by delete_foreign, foreign_handle:
    wasm_foreign_delete wasm_foreign_copy wasm_foreign_same wasm_foreign_get_host_info wasm_foreign_set_host_info
    wasm_foreign_set_host_info_with_finalizer);

as_reference!(wasm_func_t "a function" Kind::Func(_), by copied =>
    wasm_func_as_ref wasm_ref_as_func wasm_func_as_ref_const wasm_ref_as_func_const);
as_reference!(wasm_global_t "a global" Kind::Global(_), by copied =>
    wasm_global_as_ref wasm_ref_as_global wasm_global_as_ref_const wasm_ref_as_global_const);
as_reference!(wasm_table_t "a table" Kind::Table { .. }, by copied =>
    wasm_table_as_ref wasm_ref_as_table wasm_table_as_ref_const wasm_ref_as_table_const);
as_reference!(wasm_memory_t "a memory" Kind::Memory { .. }, by copied =>
    wasm_memory_as_ref wasm_ref_as_memory wasm_memory_as_ref_const wasm_ref_as_memory_const);
as_reference!(wasm_extern_t "something imported or exported"
    Kind::Func(_) | Kind::Global(_) | Kind::Table { .. } | Kind::Memory { .. } | Kind::Placeholder(_), by copied =>
    wasm_extern_as_ref wasm_ref_as_extern wasm_extern_as_ref_const wasm_ref_as_extern_const);
as_reference!(wasm_instance_t "an instance" Kind::Instance(_), by instance_handle =>
    wasm_instance_as_ref wasm_ref_as_instance wasm_instance_as_ref_const wasm_ref_as_instance_const);
as_reference!(wasm_trap_t "a trap" Kind::Trap(_), by copied =>
    wasm_trap_as_ref wasm_ref_as_trap wasm_trap_as_ref_const wasm_ref_as_trap_const);
as_reference!(wasm_foreign_t "an object of the host's" Kind::Foreign(_), by foreign_handle =>
    wasm_foreign_as_ref wasm_ref_as_foreign wasm_foreign_as_ref_const wasm_ref_as_foreign_const);
