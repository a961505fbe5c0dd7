//! Globals.

use crate::life::Life;
use std::cell::UnsafeCell;
use wayfarer_module::GlobalType;

/// A global. Like a table it belongs to the thread that runs its instance.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Global {
    value: UnsafeCell<[u64; 2]>,
    ty: GlobalType,
    pub(crate) life: Life,
}

// SAFETY: only the thread that runs the global's instance touches the value.
unsafe impl Send for Global {}
// SAFETY: as above.
unsafe impl Sync for Global {}

impl Global {
    /// A global of this type and value (one or two slots; see [`crate::values`]).
    pub fn new(ty: GlobalType, value: [u64; 2]) -> Global {
        Global { value: UnsafeCell::new(value), ty, life: Life::default() }
    }

    /// Its type.
    pub fn ty(&self) -> GlobalType {
        self.ty
    }

    /// The value's slots; the second is only used by v128.
    #[inline]
    pub fn get(&self) -> [u64; 2] {
        // SAFETY: one thread at a time (see the type).
        unsafe { *self.value.get() }
    }

    /// Sets the value. Whether the global is mutable is for validation, or the host, to check.
    #[inline]
    pub fn set(&self, value: [u64; 2]) {
        // SAFETY: one thread at a time (see the type).
        unsafe { *self.value.get() = value }
    }

    /// The storage, for engines and for hosts that read globals in place.
    #[inline]
    pub fn storage(&self) -> *mut u64 {
        self.value.get().cast()
    }
}
