//! Values, and their slots.

use std::sync::Arc;

use wayfarer_module::{FuncType, ValType};
use wayfarer_runtime::values::{NULL_REF, slot_to_func};

use super::super::call::valkind;
use super::super::externref;
use super::super::ffi::guard;
use super::super::types::{wasm_val_t, wasm_val_u, wasm_valkind_enum};
use super::engine::StoreInner;
use super::func::{from_engine, to_engine};
use super::objects::{Kind, delete, object};
use super::refs::wasm_ref_t;
use super::vectors::vector;

fn is_reference(val: &wasm_val_t) -> bool {
    val.kind >= wasm_valkind_enum::WASM_EXTERNREF as u8
}

/// A copy, with its own handle if it is a reference.
fn copy(val: &wasm_val_t) -> wasm_val_t {
    let mut copy = *val;
    if is_reference(val) {
        // SAFETY: the kind says that there is a reference.
        copy.of.r#ref = unsafe { super::refs::wasm_ref_copy(val.of.r#ref) };
    }
    copy
}

/// Deletes the reference in a value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_val_delete(v: *mut wasm_val_t) {
    // SAFETY: as the caller promises.
    if let Some(v) = unsafe { v.as_mut() }
        && is_reference(v)
    {
        // SAFETY: the kind says that there is a reference, and it is the value's.
        unsafe { delete(v.of.r#ref) };
        v.of.r#ref = std::ptr::null_mut();
    }
}

/// Copies a value, with another handle if it is a reference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_val_copy(out: *mut wasm_val_t, src: *const wasm_val_t) {
    guard((), || {
        // SAFETY: as the caller promises.
        if let Some(src) = unsafe { src.as_ref() } {
            // SAFETY: as the caller promises.
            unsafe { super::super::ffi::put(out, copy(src)) };
        }
    });
}

vector!(wasm_val_vec_t, wasm_val_t, *const wasm_val_t, "values", copy: copy, delete: |v| {
        if is_reference(v) {
            // SAFETY: the kind says that there is a reference, owned by the vector.
            unsafe { delete(v.of.r#ref) };
        }
    };
    wasm_val_vec_new_empty wasm_val_vec_new_uninitialized wasm_val_vec_new wasm_val_vec_copy wasm_val_vec_delete);

/// A slot (two for a vector) as a value. Vectors do not fit into a value; their low half is there.
pub(crate) fn from_slot(store: &Arc<StoreInner>, ty: ValType, slot: u64) -> wasm_val_t {
    let of = match ty {
        ValType::I32 => wasm_val_u { i32: slot as i32 },
        ValType::F32 => wasm_val_u { f32: f32::from_bits(slot as u32) },
        ValType::I64 | ValType::F64 | ValType::V128 => wasm_val_u { i64: slot as i64 },
        ValType::FuncRef => wasm_val_u { r#ref: from_engine(store, slot_to_func(slot)) },
        ValType::ExternRef => {
            let object = store.lent(externref::slot_to_object(slot));
            wasm_val_u { r#ref: object.map_or(std::ptr::null_mut(), |o| o.into_raw::<wasm_ref_t>()) }
        }
    };
    wasm_val_t { kind: valkind(ty), _paddings: [0; 7], of }
}

/// A value as a slot. A reference to what can't be referred to is null.
pub(crate) fn to_slot(store: &Arc<StoreInner>, ty: ValType, val: &wasm_val_t) -> u64 {
    // SAFETY: the members are plain bits; the kind says whether there is a reference.
    unsafe {
        match ty {
            ValType::I32 => u64::from(val.of.i32 as u32),
            ValType::F32 => u64::from(val.of.f32.to_bits()),
            ValType::I64 | ValType::F64 | ValType::V128 => val.of.i64 as u64,
            ValType::FuncRef if is_reference(val) => ref_to_slot(store, ty, val.of.r#ref),
            ValType::ExternRef if is_reference(val) => ref_to_slot(store, ty, val.of.r#ref),
            ValType::FuncRef | ValType::ExternRef => NULL_REF,
        }
    }
}

/// A reference as a slot.
///
/// # Safety
/// NULL, or a handle that is alive.
pub(crate) unsafe fn ref_to_slot(store: &Arc<StoreInner>, ty: ValType, reference: *const wasm_ref_t) -> u64 {
    // SAFETY: as the caller promises.
    let Some(object) = (unsafe { object(reference) }) else { return NULL_REF };
    match (ty, object.kind()) {
        (ValType::FuncRef, Kind::Func(func)) => to_engine(store, func) as usize as u64,
        (ValType::ExternRef, _) => {
            externref::object_to_slot(std::ptr::null_mut(), store.lend(object)).unwrap_or(NULL_REF)
        }
        _ => NULL_REF,
    }
}

/// Values as the slots of arguments, or of results.
pub(crate) fn to_slots(store: &Arc<StoreInner>, types: &[ValType], vals: &[wasm_val_t]) -> Vec<u64> {
    let mut slots = Vec::with_capacity(types.len());
    for (&ty, val) in types.iter().zip(vals) {
        slots.push(to_slot(store, ty, val));
        if ty == ValType::V128 {
            slots.push(0);
        }
    }
    slots
}

/// Slots as values.
pub(crate) fn from_slots(store: &Arc<StoreInner>, types: &[ValType], slots: &[u64]) -> Vec<wasm_val_t> {
    let mut at = 0;
    let mut vals = Vec::with_capacity(types.len());
    for &ty in types {
        vals.push(from_slot(store, ty, slots[at]));
        at += ty.slots() as usize;
    }
    vals
}

/// Whether values can be passed through this API to functions of a type.
pub(crate) fn has_vectors(ty: &FuncType) -> bool {
    ty.params.iter().chain(&ty.results).any(|&t| t == ValType::V128)
}
