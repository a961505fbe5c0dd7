//! Calls of native functions whose arguments and result all are in registers: nearly all of them, at the cost of a call.
//!
//! On these architectures registers for integers and registers for floats are handed out apart, each in the order of the
//! parameters, and a function does not look at those it has no parameters for (System V ABI for AMD64, 3.2.3; AAPCS64,
//! 6.8.2). So one call that fills all of them is a call of any function that takes no more.

use std::ffi::c_void;

use wayfarer_module::{FuncType, ValType};

use crate::Cell;

/// Integers and pointers after the exec env. AMD64 has six registers for them, AArch64 eight.
const INTS: usize = 5;
const FLOATS: usize = 8;

/// What is passed.
#[derive(Default)]
pub(crate) struct Registers {
    ints: [u64; INTS],
    int_count: usize,
    floats: [f64; FLOATS],
    float_count: usize,
}

fn is_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64)
}

/// Whether a function of this type can be called so.
pub(crate) fn possible(ty: &FuncType) -> bool {
    let known = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    let vectors = ty.params.iter().chain(&ty.results).any(|&ty| ty == ValType::V128);
    let floats = ty.params.iter().filter(|&&ty| is_float(ty)).count();
    known && !vectors && ty.results.len() <= 1 && floats <= FLOATS && ty.params.len() - floats <= INTS
}

/// Whether all that a function of this type takes and returns are numbers in registers for integers.
pub(crate) fn integers(ty: &FuncType) -> bool {
    let integers = ty.params.iter().chain(&ty.results).all(|&ty| matches!(ty, ValType::I32 | ValType::I64));
    integers && possible(ty)
}

impl Registers {
    /// Adds an argument: one of a type for which it is [`possible`].
    #[inline]
    pub(crate) fn add(&mut self, ty: ValType, cell: Cell) {
        // SAFETY: every bit pattern is a value of every member, and all of a cell is initialized.
        let bits = unsafe { cell.u64 };
        if is_float(ty) {
            // An f32 is the low half of its register.
            self.floats[self.float_count] = f64::from_bits(bits);
            self.float_count += 1;
        } else {
            self.ints[self.int_count] = bits;
            self.int_count += 1;
        }
    }
}

/// Calls a function with [`integers`] alone, which are the first of `slots`; returns the register of its result.
///
/// # Safety
/// `func` is a function `result f(exec_env, args...)` of such a type, and `slots` has its arguments.
#[inline]
pub(crate) unsafe fn call_integers(func: *mut c_void, exec_env: *mut c_void, slots: &[u64]) -> u64 {
    type Called = unsafe extern "C" fn(*mut c_void, u64, u64, u64, u64, u64) -> u64;
    let arg = |at: usize| slots.get(at).copied().unwrap_or_default();
    // SAFETY: the caller vouches for the function; see the module's comment for the registers that it ignores. The upper
    // half of the register of a 32-bit argument means nothing (System V ABI for AMD64, 3.2.3; AAPCS64, 6.8.2).
    unsafe {
        let func = std::mem::transmute::<*mut c_void, Called>(func);
        func(exec_env, arg(0), arg(1), arg(2), arg(3), arg(4))
    }
}

/// Calls a function of this type, and returns its result if it has one.
///
/// # Safety
/// `func` is a function `result f(exec_env, args...)` of that type, with these arguments; it must be [`possible`].
pub(crate) unsafe fn call(
    func: *mut c_void,
    exec_env: *mut c_void,
    registers: &Registers,
    ty: &FuncType,
) -> Cell {
    type Called<R> = unsafe extern "C" fn(
        *mut c_void,
        u64,
        u64,
        u64,
        u64,
        u64,
        f64,
        f64,
        f64,
        f64,
        f64,
        f64,
        f64,
        f64,
    ) -> R;
    let [a, b, c, d, e] = registers.ints;
    let [s, t, u, v, w, x, y, z] = registers.floats;
    let mut cell = Cell::ZERO;
    // SAFETY: the caller vouches for the function; see the module's comment for the registers that it ignores.
    unsafe {
        if ty.results.first().is_some_and(|&ty| is_float(ty)) {
            let func = std::mem::transmute::<*mut c_void, Called<f64>>(func);
            cell.u64 = func(exec_env, a, b, c, d, e, s, t, u, v, w, x, y, z).to_bits();
        } else {
            let func = std::mem::transmute::<*mut c_void, Called<u64>>(func);
            cell.u64 = func(exec_env, a, b, c, d, e, s, t, u, v, w, x, y, z);
        }
    }
    cell
}
