//! Values in 64-bit slots, as engines and host functions pass them.
//!
//! | type | slots | content |
//! |---|---|---|
//! | i32, f32 | 1 | bits, zero-extended |
//! | i64, f64 | 1 | bits |
//! | v128 | 2 | low half, high half |
//! | funcref | 1 | address of the [`crate::Func`], 0 for null |
//! | externref | 1 | the host's index (never 0), 0 for null |

use crate::func::Func;

/// The slot of a null reference, of either type.
pub const NULL_REF: u64 = 0;

/// A function reference as a slot.
pub fn func_to_slot(func: Option<&Func>) -> u64 {
    func.map_or(NULL_REF, |f| f as *const Func as usize as u64)
}

/// A slot as a function pointer; null for the null reference.
pub fn slot_to_func(slot: u64) -> *const Func {
    slot as usize as *const Func
}
