//! gdb's interface for code that is in no file: a list of ELF files in memory, and a function that gdb stops at to look at
//! the list when it changed. The names and layouts are gdb's ("JIT Compilation Interface" in its manual).

use std::ptr;
use std::sync::Mutex;

const NO_ACTION: u32 = 0;
const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

/// An element of the list.
#[repr(C)]
struct CodeEntry {
    next: *mut CodeEntry,
    previous: *mut CodeEntry,
    file: *const u8,
    size: u64,
}

/// The list, and what last happened to it.
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut CodeEntry,
    first: *mut CodeEntry,
}

/// Where gdb finds the list. Ours to write under [`LOCK`].
#[unsafe(no_mangle)]
static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: NO_ACTION, relevant: ptr::null_mut(), first: ptr::null_mut() };

/// gdb has a breakpoint here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // Something the compiler cannot see through, or calls to an empty function would go.
    // SAFETY: no instruction.
    unsafe { std::arch::asm!("", options(nostack, preserves_flags)) };
}

static LOCK: Mutex<()> = Mutex::new(());

/// A file in the list, until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    entry: *mut CodeEntry,
    /// What the entry points to.
    _image: Box<[u8]>,
}

// SAFETY: the entry is only touched under the lock.
unsafe impl Send for Registration {}
// SAFETY: as above; there is nothing to do with a shared one.
unsafe impl Sync for Registration {}

impl Registration {
    /// Puts an ELF file into the list and tells gdb.
    pub(crate) fn new(image: Vec<u8>) -> Registration {
        let image = image.into_boxed_slice();
        let _guard = LOCK.lock().unwrap_or_else(|e| e.into_inner());
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: the lock is held, and all entries of the list are alive: each leaves it before it is freed.
        unsafe {
            let first = (*list).first;
            let entry = Box::into_raw(Box::new(CodeEntry {
                next: first,
                previous: ptr::null_mut(),
                file: image.as_ptr(),
                size: image.len() as u64,
            }));
            if let Some(first) = first.as_mut() {
                first.previous = entry;
            }
            (*list).first = entry;
            announce(list, REGISTER, entry);
            Registration { entry, _image: image }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _guard = LOCK.lock().unwrap_or_else(|e| e.into_inner());
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: the lock is held; the entry is in the list, is ours, and is not used once it is out of it.
        unsafe {
            let CodeEntry { next, previous, .. } = *self.entry;
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => (*list).first = next,
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            announce(list, UNREGISTER, self.entry);
            drop(Box::from_raw(self.entry));
        }
    }
}

/// Lets gdb look.
///
/// # Safety
///
/// The lock must be held, `list` be the descriptor.
unsafe fn announce(list: *mut Descriptor, action: u32, entry: *mut CodeEntry) {
    // SAFETY: by this function's own contract. Volatile, because gdb reads where the compiler sees nobody reading.
    unsafe {
        (&raw mut (*list).relevant).write_volatile(entry);
        (&raw mut (*list).action).write_volatile(action);
        __jit_debug_register_code();
        (&raw mut (*list).action).write_volatile(NO_ACTION);
        (&raw mut (*list).relevant).write_volatile(ptr::null_mut());
    }
}
