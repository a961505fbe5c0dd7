//! Calls of native functions by their WebAssembly type: from the 64-bit slots that engines keep values in to the C calling
//! convention, and back.
//!
//! A native function is `ret f(exec_env, params...)`, in C's types for the parameters of its WebAssembly type; what `exec_env` is,
//! only its host knows. What is done with parameters before the function gets them (addresses in linear memory become
//! pointers, which are checked) its [`signature`] says. Results after the first are written through pointers that follow the
//! parameters.
//!
//! Which way a call is made, [`NativeCall::new`] decides once:
//!
//! | way | for |
//! |---|---|
//! | `registers` | what is passed in registers alone: nearly all there are; on x86-64 and AArch64 |
//! | `vectors` | what has vectors, which libffi does not know: `vector_call.c` fills registers and stack; there, too |
//! | libffi | the rest |
//! | raw | functions that take an array |
//!
//! What hosts offer is found by module and name in the [`registry`]. Instances are not known here: all this is tested with
//! functions of its own.

mod call;
mod registers;
pub mod registry;
pub mod signature;
mod vectors;

use wayfarer_module::ValType;

pub use call::{LinkError, NativeCall, Target};

/// How references look in slots: native functions know host objects by pointer and functions by index.
pub trait References {
    /// The host pointer for an externref's slot.
    fn object(&self, slot: u64) -> usize;
    /// The slot for a host pointer.
    fn object_slot(&self, object: usize) -> u64;
    /// The function index for a funcref's slot; all ones for null.
    fn func_index(&self, slot: u64) -> u32;
    /// The slot for a function index.
    fn func_slot(&self, index: u32) -> u64;
}

/// An argument or result as C has it: a value of any type, at its address.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) union Cell {
    pub(crate) u32: u32,
    pub(crate) u64: u64,
    pub(crate) f32: u32,
    pub(crate) pointer: usize,
    pub(crate) v128: [u64; 2],
}

impl Cell {
    pub(crate) const ZERO: Cell = Cell { v128: [0; 2] };

    /// The bits as a slot of this type (not for references).
    #[inline]
    fn bits(self, ty: ValType) -> u64 {
        // SAFETY: every bit pattern is a value of every member.
        unsafe {
            match ty {
                ValType::I32 | ValType::F32 | ValType::FuncRef => u64::from(self.u32),
                _ => self.u64,
            }
        }
    }
}
