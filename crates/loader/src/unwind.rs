//! Unwind tables, for libgcc's unwinder: the one of the system's C and C++ code, and of Rust's panics.

use std::ffi::c_void;

unsafe extern "C" {
    /// Of libgcc_s. Takes the tables of one object, which a zero word ends; keeps the pointer.
    fn __register_frame(begin: *const c_void);
    /// Ends what `__register_frame` began, by the same pointer.
    fn __deregister_frame(begin: *const c_void);
}

/// Tables the unwinder knows of, until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    begin: usize,
}

impl Registration {
    /// # Safety
    ///
    /// `begin` must be the address of tables that [`crate::eh_frame::check`] has passed, with at least one function's
    /// entry. They and what they point to must stay, unchanged, until the registration is dropped.
    pub(crate) unsafe fn new(begin: usize) -> Registration {
        // SAFETY: by this function's own contract.
        unsafe { __register_frame(begin as *const c_void) };
        Registration { begin }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: registered by `new`, and only there.
        unsafe { __deregister_frame(self.begin as *const c_void) };
    }
}
