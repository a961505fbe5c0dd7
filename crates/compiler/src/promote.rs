//! What LLVM does not do by itself, and `promote.cpp` has it do.

use crate::target::Target;
use inkwell::module::Module;
use std::ffi::c_void;

unsafe extern "C" {
    fn wayfarer_promote(module: *mut c_void, machine: *mut c_void);
}

/// Keeps in registers what the loops of an optimized module change in memory.
pub(crate) fn run(module: &Module<'_>, target: &Target) {
    // SAFETY: a module and a machine, both of which live during the call.
    unsafe { wayfarer_promote(module.as_mut_ptr().cast(), target.machine.as_mut_ptr().cast()) };
}
