//! Arguments and results as arrays of 32-bit cells, which is how most calls have them.

use smallvec::SmallVec;
use wayfarer_module::ValType;
use wayfarer_native_call::References;

/// How many 32-bit cells a value takes in an `argv` array. An externref is there as the host's pointer.
#[inline]
fn cells(ty: ValType) -> usize {
    match ty {
        ValType::I32 | ValType::F32 | ValType::FuncRef => 1,
        ValType::I64 | ValType::F64 => 2,
        ValType::ExternRef => size_of::<usize>() / size_of::<u32>(),
        ValType::V128 => 4,
    }
}

/// How many cells values of these types take.
#[inline]
pub fn count_cells(types: &[ValType]) -> usize {
    types.iter().map(|&ty| cells(ty)).sum()
}

/// Cells to slots. A value of several cells is there as memcpy puts it. `argv` has [`count_cells`].
#[inline]
pub fn to_slots(types: &[ValType], mut argv: &[u32], references: &impl References) -> SmallVec<[u64; 8]> {
    let mut slots = SmallVec::new();
    for &ty in types {
        let (value, rest) = argv.split_at(cells(ty));
        argv = rest;
        match *value {
            [v] if ty == ValType::FuncRef => {
                slots.push(if v == u32::MAX { 0 } else { references.func_slot(v) });
            }
            [v] => slots.push(u64::from(v)),
            [a, b] if ty == ValType::ExternRef => slots.push(references.object_slot(join(a, b) as usize)),
            [a, b] => slots.push(join(a, b)),
            [a, b, c, d] => slots.extend([join(a, b), join(c, d)].map(u64::from_le)),
            _ => {}
        }
    }
    slots
}

/// Slots to cells, of which `argv` has [`count_cells`].
#[inline]
pub fn from_slots(types: &[ValType], slots: &[u64], argv: &mut [u32], references: &impl References) {
    let (mut slots, mut at) = (slots.iter().copied(), 0);
    let mut next = || slots.next().unwrap_or_default();
    for &ty in types {
        let n = cells(ty);
        let to = &mut argv[at..at + n];
        at += n;
        match ty {
            ValType::FuncRef => to[0] = references.func_index(next()),
            ValType::I32 | ValType::F32 => to[0] = next() as u32,
            ValType::ExternRef => to.copy_from_slice(&split(references.object(next()) as u64)),
            ValType::I64 | ValType::F64 => to.copy_from_slice(&split(next())),
            ValType::V128 => {
                to[..2].copy_from_slice(&split(next().to_le()));
                to[2..].copy_from_slice(&split(next().to_le()));
            }
        }
    }
}

#[inline]
fn join(a: u32, b: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&a.to_ne_bytes());
    bytes[4..].copy_from_slice(&b.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

#[inline]
fn split(v: u64) -> [u32; 2] {
    let bytes = v.to_ne_bytes();
    [0, 4].map(|at| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_as_memcpy_does() {
        let value = 0x0123_4567_89AB_CDEFu64;
        let [a, b] = split(value);
        assert_eq!(join(a, b), value);
        // SAFETY: both are eight plain bytes.
        assert_eq!(unsafe { std::mem::transmute::<[u32; 2], u64>([a, b]) }, value);
    }

    #[test]
    fn cells_per_type() {
        use ValType::{ExternRef, F32, F64, FuncRef, I32, I64, V128};
        assert_eq!(count_cells(&[I32, F32, FuncRef]), 3);
        assert_eq!(count_cells(&[I64, F64]), 4);
        assert_eq!(count_cells(&[V128]), 4);
        assert_eq!(cells(ExternRef) * 4, size_of::<usize>());
    }
}
