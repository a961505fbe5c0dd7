//! Traps and frames.

use std::ptr::null_mut;

use super::super::ffi::{guard, put};
use super::objects::{Kind, Object, object};
use super::refs::{wasm_instance_t, wasm_trap_t};
use super::store::wasm_store_t;
use super::vectors::{Vector, vector, wasm_byte_t, wasm_name_t};

/// Text of a trap.
pub type wasm_message_t = wasm_name_t;

/// What a trap says.
pub(crate) struct TrapInner {
    /// Its bytes, with the NUL if there was one.
    pub(crate) message: Box<[u8]>,
}

/// A frame of a trap's call stack.
#[derive(Clone)]
pub struct wasm_frame_t {
    instance: *mut wasm_instance_t,
    func_index: u32,
    func_offset: usize,
}

/// A trap with a text of the runtime's, which ends with a NUL that counts.
pub(crate) fn new_trap(message: &str) -> *mut wasm_trap_t {
    let message = message.bytes().chain([0]).collect();
    Object::new(Kind::Trap(TrapInner { message })).into_raw()
}

/// Text of a trap.
///
/// # Safety
/// NULL, or a handle that is alive.
pub(crate) unsafe fn message_of(trap: *const wasm_trap_t) -> String {
    // SAFETY: as the caller promises.
    match unsafe { object(trap) }.map(Object::kind) {
        Some(Kind::Trap(trap)) => {
            String::from_utf8_lossy(trap.message.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
        }
        _ => String::new(),
    }
}

/// Makes a trap with a message, which is copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_trap_new(
    store: *mut wasm_store_t,
    message: *const wasm_message_t,
) -> *mut wasm_trap_t {
    guard(null_mut(), || {
        if store.is_null() {
            return null_mut();
        }
        // SAFETY: as the caller promises.
        let bytes = unsafe { message.as_ref().map(|m| m.all()) }.unwrap_or_default();
        let message = bytes.iter().map(|&b| b as u8).collect();
        Object::new(Kind::Trap(TrapInner { message })).into_raw()
    })
}

/// Copies the message of a trap. Without a trap, `out` stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_trap_message(trap: *const wasm_trap_t, out: *mut wasm_message_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        let Some(Kind::Trap(trap)) = (unsafe { object(trap) }).map(Object::kind) else { return };
        let message = Vector::of(trap.message.iter().map(|&b| b as wasm_byte_t).collect::<Vec<_>>());
        // SAFETY: as the caller promises.
        unsafe { put(out, message) };
    });
}

/// The innermost frame of a trap: NULL, for call stacks are not recorded.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_trap_origin(_trap: *const wasm_trap_t) -> *mut wasm_frame_t {
    null_mut()
}

/// The frames of a trap: none, for call stacks are not recorded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_trap_trace(_trap: *const wasm_trap_t, out: *mut wasm_frame_vec_t) {
    // SAFETY: as the caller promises.
    unsafe { put(out, Vector::EMPTY) };
}

/// Deletes a frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_frame_delete(frame: *mut wasm_frame_t) {
    if !frame.is_null() {
        // SAFETY: as the caller promises.
        drop(unsafe { Box::from_raw(frame) });
    }
}

/// Copies a frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_frame_copy(frame: *const wasm_frame_t) -> *mut wasm_frame_t {
    // SAFETY: as the caller promises.
    unsafe { frame.as_ref() }.map_or(null_mut(), |frame| Box::into_raw(Box::new(frame.clone())))
}

/// The instance of a frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_frame_instance(frame: *const wasm_frame_t) -> *mut wasm_instance_t {
    // SAFETY: as the caller promises.
    unsafe { frame.as_ref() }.map_or(null_mut(), |frame| frame.instance)
}

/// The index of a frame's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_frame_func_index(frame: *const wasm_frame_t) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { frame.as_ref() }.map_or(0, |frame| frame.func_index)
}

/// Offset of a frame's instruction in its function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_frame_func_offset(frame: *const wasm_frame_t) -> usize {
    // SAFETY: as the caller promises.
    unsafe { frame.as_ref() }.map_or(0, |frame| frame.func_offset)
}

/// Always 0.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_frame_module_offset(_frame: *const wasm_frame_t) -> usize {
    0
}

vector!(own wasm_frame_vec_t, *mut wasm_frame_t, *const *mut wasm_frame_t, "frames",
    // SAFETY: elements of a vector of the host's are NULL or alive.
    copy: |&p| Some(unsafe { wasm_frame_copy(p) }),
    // SAFETY: as above, and owned by the vector.
    delete: |&p| unsafe { wasm_frame_delete(p) };
    wasm_frame_vec_new_empty wasm_frame_vec_new_uninitialized wasm_frame_vec_new wasm_frame_vec_copy
    wasm_frame_vec_delete);
