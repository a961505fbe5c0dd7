//! Exports the C function of `c/variadic.c`. A symbol of a C object is not exported from a Rust cdylib, a Rust one is:
//! so the exported symbol is a jump, which leaves every argument where it is.

use std::arch::naked_asm;

unsafe extern "C" {
    fn wayfarer_call_wasm_v();
}

/// `wasm_runtime_call_wasm_v` of the header.
///
/// # Safety
/// As the header's prototype says; it is not callable from Rust in a meaningful way.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_runtime_call_wasm_v() {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("jmp {}", sym wayfarer_call_wasm_v);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("b {}", sym wayfarer_call_wasm_v);
    #[cfg(target_arch = "s390x")]
    naked_asm!("jg {}", sym wayfarer_call_wasm_v);
}
