//! Which constants fit into an instruction.

use super::operand::Imm;
use wayfarer_module::ValType;

/// A constant as a 32-bit immediate: i32 and f32 bits as they are, i64 sign-extended, f64 as an f32 of the same value.
pub(crate) fn imm(ty: ValType, bits: u128) -> Option<Imm> {
    let bits = bits as u64;
    let imm = match ty {
        ValType::I32 | ValType::F32 => Some(bits as u32),
        ValType::I64 => i32::try_from(bits as i64).ok().map(|v| v as u32),
        ValType::F64 => {
            let value = f64::from_bits(bits);
            let narrow = value as f32;
            // Not for NaN: conversion may change its payload.
            (!value.is_nan() && f64::from(narrow).to_bits() == bits).then_some(narrow.to_bits())
        }
        // They are written to slots.
        ValType::V128 | ValType::FuncRef | ValType::ExternRef => None,
    };
    imm.map(Imm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits() {
        assert_eq!(imm(ValType::I32, 0xffff_ffff), Some(Imm(0xffff_ffff)));
        assert_eq!(imm(ValType::I64, u128::from(-1i64 as u64)), Some(Imm(0xffff_ffff)));
        assert_eq!(imm(ValType::I64, 1 << 31), None);
        assert_eq!(imm(ValType::F64, u128::from(0.5f64.to_bits())), Some(Imm(0.5f32.to_bits())));
        assert_eq!(imm(ValType::F64, u128::from((-0.0f64).to_bits())), Some(Imm((-0.0f32).to_bits())));
        assert_eq!(imm(ValType::F64, u128::from(0.1f64.to_bits())), None);
        assert_eq!(imm(ValType::F64, u128::from(f64::NAN.to_bits())), None);
        assert_eq!(imm(ValType::F64, u128::from(1e-320f64.to_bits())), None);
    }
}
