//! NaNs of an optimized module: `nans.cpp` sees to it that they keep their bits.

use inkwell::module::Module;
use std::ffi::c_void;

unsafe extern "C" {
    fn wayfarer_nans(module: *mut c_void, deterministic: bool);
}

/// Keeps instructions that give a NaN its bits from being simplified away; in deterministic mode, leaves NaNs as they are
/// between instructions that don't tell one from another.
pub(crate) fn run(module: &Module<'_>, deterministic: bool) {
    // SAFETY: a module that lives during the call.
    unsafe { wayfarer_nans(module.as_mut_ptr().cast(), deterministic) };
}
