//! Calls of native functions with 128-bit vectors among their parameters or results. libffi has no vector types, so a
//! small C function (`vector_call.c`) loads every argument register there is, and the stack, from arrays.

use std::ffi::c_void;

use wayfarer_module::{FuncType, ValType};

use crate::Cell;

/// Argument registers for integers, those for floats and vectors, and how many stack words can be passed.
#[cfg(target_arch = "x86_64")]
const REGISTERS: Option<(usize, usize)> = Some((6, 8));
#[cfg(target_arch = "aarch64")]
const REGISTERS: Option<(usize, usize)> = Some((8, 8));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const REGISTERS: Option<(usize, usize)> = None;

/// As in `vector_call.c`.
const STACK_WORDS: usize = 32;
const MAX_INTEGER_REGISTERS: usize = 8;
const MAX_VECTOR_REGISTERS: usize = 8;

/// All arguments of a call; the layout is that of `struct vector_call` in C.
#[repr(C, align(16))]
struct Call {
    vectors: [[u64; 2]; MAX_VECTOR_REGISTERS],
    result_vector: [u64; 2],
    integers: [u64; MAX_INTEGER_REGISTERS],
    stack: [u64; STACK_WORDS],
    result_integer: u64,
    func: *mut c_void,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" {
    fn wayfarer_vector_call_integer(call: *mut Call);
    fn wayfarer_vector_call_vector(call: *mut Call);
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use unavailable::{wayfarer_vector_call_integer, wayfarer_vector_call_vector};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod unavailable {
    /// Not reached: [`super::possible`] said no.
    pub(super) unsafe fn wayfarer_vector_call_integer(_: *mut super::Call) {}
    /// Not reached either.
    pub(super) unsafe fn wayfarer_vector_call_vector(_: *mut super::Call) {}
}

/// Where the next argument goes.
struct Layout {
    call: Call,
    integers: usize,
    vectors: usize,
    stack: usize,
    registers: (usize, usize),
}

impl Layout {
    fn new() -> Option<Self> {
        let call = Call {
            vectors: [[0; 2]; MAX_VECTOR_REGISTERS],
            result_vector: [0; 2],
            integers: [0; MAX_INTEGER_REGISTERS],
            stack: [0; STACK_WORDS],
            result_integer: 0,
            func: std::ptr::null_mut(),
        };
        Some(Layout { call, integers: 0, vectors: 0, stack: 0, registers: REGISTERS? })
    }

    fn integer(&mut self, value: u64) -> Option<()> {
        if self.integers < self.registers.0 {
            self.call.integers[self.integers] = value;
            self.integers += 1;
            return Some(());
        }
        self.on_stack(&[value])
    }

    fn vector(&mut self, value: [u64; 2], words: usize) -> Option<()> {
        if self.vectors < self.registers.1 {
            self.call.vectors[self.vectors] = value;
            self.vectors += 1;
            return Some(());
        }
        // A vector on the stack is aligned to its size.
        self.stack = self.stack.next_multiple_of(words);
        self.on_stack(&value[..words])
    }

    fn on_stack(&mut self, words: &[u64]) -> Option<()> {
        self.call.stack.get_mut(self.stack..self.stack + words.len())?.copy_from_slice(words);
        self.stack += words.len();
        Some(())
    }

    /// The arguments of a call: the exec env, the parameters, and pointers for results after the first.
    fn arguments(
        &mut self,
        exec_env: u64,
        ty: &FuncType,
        mut next: impl FnMut() -> [u64; 2],
        more_results: impl Iterator<Item = u64>,
    ) -> Option<()> {
        self.integer(exec_env)?;
        for &param in &ty.params {
            let value = next();
            match param {
                ValType::V128 => self.vector(value, 2)?,
                ValType::F32 | ValType::F64 => self.vector(value, 1)?,
                _ => self.integer(value[0])?,
            }
        }
        more_results.into_iter().try_for_each(|pointer| self.integer(pointer))
    }
}

/// Whether functions of this type can be called.
pub(crate) fn possible(ty: &FuncType) -> bool {
    let more_results = ty.results.iter().skip(1).map(|_| 0);
    Layout::new().is_some_and(|mut layout| layout.arguments(0, ty, || [0; 2], more_results).is_some())
}

/// Calls `func`.
///
/// # Safety
/// [`possible`] said so, and `func` is `ret f(exec_env, params..., pointers to results after the first...)`.
pub(crate) unsafe fn call(
    func: *mut c_void,
    exec_env: *mut c_void,
    ty: &FuncType,
    args: &[Cell],
    results: &mut [Cell],
) {
    let Some(mut layout) = Layout::new() else { return };
    let mut args = args.iter();
    // SAFETY: every bit pattern is a value of every member.
    let next = || args.next().map_or([0; 2], |cell| unsafe { cell.v128 });
    let more_results: Vec<u64> = results.iter_mut().skip(1).map(|r| (&raw mut *r) as usize as u64).collect();
    if layout.arguments(exec_env as usize as u64, ty, next, more_results.into_iter()).is_none() {
        return;
    }
    layout.call.func = func;
    let call = &raw mut layout.call;
    let in_vector_register = matches!(ty.results.first(), Some(ValType::V128 | ValType::F32 | ValType::F64));
    // SAFETY: `call` holds all arguments; the caller vouches for `func`.
    unsafe {
        if in_vector_register {
            wayfarer_vector_call_vector(call);
        } else {
            wayfarer_vector_call_integer(call);
        }
    }
    if let Some(first) = results.first_mut() {
        first.v128 =
            if in_vector_register { layout.call.result_vector } else { [layout.call.result_integer, 0] };
    }
}
