//! Kinds of values: WebAssembly's types as C has them.

use wayfarer_module::ValType;

/// Kind of a value: one of `wasm_valkind_enum`.
pub type wasm_valkind_t = u8;

/// Values of `wasm_valkind_t`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum wasm_valkind_enum {
    /// 32-bit integer.
    WASM_I32,
    /// 64-bit integer.
    WASM_I64,
    /// 32-bit float.
    WASM_F32,
    /// 64-bit float.
    WASM_F64,
    /// 128-bit vector.
    WASM_V128,
    /// Reference to a host object.
    WASM_EXTERNREF = 128,
    /// Reference to a function.
    WASM_FUNCREF,
}

/// The C API's number for a type.
#[inline]
pub fn valkind(ty: ValType) -> wasm_valkind_t {
    let kind = match ty {
        ValType::I32 => wasm_valkind_enum::WASM_I32,
        ValType::I64 => wasm_valkind_enum::WASM_I64,
        ValType::F32 => wasm_valkind_enum::WASM_F32,
        ValType::F64 => wasm_valkind_enum::WASM_F64,
        ValType::V128 => wasm_valkind_enum::WASM_V128,
        ValType::ExternRef => wasm_valkind_enum::WASM_EXTERNREF,
        ValType::FuncRef => wasm_valkind_enum::WASM_FUNCREF,
    };
    kind as wasm_valkind_t
}

/// The C API's number as a type. `None` if it is none.
pub fn val_type(kind: wasm_valkind_t) -> Option<ValType> {
    const fn k(kind: wasm_valkind_enum) -> wasm_valkind_t {
        kind as wasm_valkind_t
    }
    [
        (k(wasm_valkind_enum::WASM_I32), ValType::I32),
        (k(wasm_valkind_enum::WASM_I64), ValType::I64),
        (k(wasm_valkind_enum::WASM_F32), ValType::F32),
        (k(wasm_valkind_enum::WASM_F64), ValType::F64),
        (k(wasm_valkind_enum::WASM_V128), ValType::V128),
        (k(wasm_valkind_enum::WASM_EXTERNREF), ValType::ExternRef),
        (k(wasm_valkind_enum::WASM_FUNCREF), ValType::FuncRef),
    ]
    .into_iter()
    .find_map(|(number, ty)| (number == kind).then_some(ty))
}
