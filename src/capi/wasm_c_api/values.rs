//! Values, and their slots. As in WAMR a value is plain data, and does not own the reference in it: an externref is a pointer
//! of the host's, which comes back as it was given; a funcref is a `wasm_ref_t` of whoever got it, from a call, say.

use std::collections::BTreeSet;
use std::sync::Arc;

use wayfarer_c_data::kinds::valkind;
use wayfarer_module::{FuncType, ValType};
use wayfarer_runtime::values::{NULL_REF, slot_to_func};

use super::super::alloc;
use super::super::externref;
use super::super::ffi::{guard, put};
use super::super::types::{wasm_val_t, wasm_val_u, wasm_valkind_enum};
use super::func::from_engine;
use super::objects::{Kind, delete, object};
use super::refs::wasm_ref_t;
use super::store::{self, StoreInner};
use super::vectors::vector;

/// Deletes the funcrefs in these values, each once.
pub(crate) fn delete_funcrefs<'a>(vals: impl IntoIterator<Item = &'a wasm_val_t>) {
    let funcref = |val: &&wasm_val_t| val.kind == wasm_valkind_enum::WASM_FUNCREF as u8;
    // SAFETY: the kind says that there is a reference.
    let refs: BTreeSet<_> = vals.into_iter().filter(funcref).map(|val| unsafe { val.of.r#ref }).collect();
    for reference in refs {
        // SAFETY: the values are ours, and so are their references.
        unsafe { delete(reference) };
    }
}

/// Frees a value that the host allocated by wasm_runtime_malloc, or by malloc where that is the runtime's allocator. One on
/// the stack is not to be deleted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_val_delete(v: *mut wasm_val_t) {
    // SAFETY: as the caller promises.
    guard((), || unsafe { alloc::release(v.cast()) });
}

/// Copies a value. A reference is the same one then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_val_copy(out: *mut wasm_val_t, src: *const wasm_val_t) {
    // SAFETY: as the caller promises.
    guard((), || unsafe { src.as_ref().into_iter().for_each(|&src| put(out, src)) });
}

vector!(plain wasm_val_vec_t, wasm_val_t, *const wasm_val_t, "values";
    wasm_val_vec_new_empty wasm_val_vec_new_uninitialized wasm_val_vec_new wasm_val_vec_copy wasm_val_vec_delete);

/// A slot (two for a vector) as a value. Vectors do not fit into a value; their low half is there.
pub(crate) fn from_slot(store: &Arc<StoreInner>, ty: ValType, slot: u64) -> wasm_val_t {
    let of = match ty {
        ValType::I32 => wasm_val_u { i32: slot as i32 },
        ValType::F32 => wasm_val_u { f32: f32::from_bits(slot as u32) },
        ValType::I64 | ValType::F64 | ValType::V128 => wasm_val_u { i64: slot as i64 },
        ValType::FuncRef => wasm_val_u { r#ref: from_engine(store, slot_to_func(slot)) },
        ValType::ExternRef => wasm_val_u { r#ref: externref::slot_to_object(slot) as *mut wasm_ref_t },
    };
    wasm_val_t { kind: valkind(ty), _paddings: [0; 7], of }
}

/// A value as a slot.
///
/// # Errors
/// Why its reference can't be had.
pub(crate) fn to_slot(store: &Arc<StoreInner>, ty: ValType, val: &wasm_val_t) -> Result<u64, &'static str> {
    let is_reference = val.kind >= wasm_valkind_enum::WASM_EXTERNREF as u8;
    // SAFETY: the members are plain bits; the kind says whether there is a reference.
    unsafe {
        Ok(match ty {
            ValType::I32 => u64::from(val.of.i32 as u32),
            ValType::F32 => u64::from(val.of.f32.to_bits()),
            ValType::I64 | ValType::F64 | ValType::V128 => val.of.i64 as u64,
            ValType::FuncRef | ValType::ExternRef if is_reference => {
                return ref_to_slot(store, ty, val.of.r#ref);
            }
            ValType::FuncRef | ValType::ExternRef => NULL_REF,
        })
    }
}

/// A reference as a slot. An externref is any pointer.
///
/// # Errors
/// Why it can't be had.
///
/// # Safety
/// A funcref is NULL, or a handle that is alive.
pub(crate) unsafe fn ref_to_slot(
    store: &Arc<StoreInner>,
    ty: ValType,
    reference: *const wasm_ref_t,
) -> Result<u64, &'static str> {
    if ty == ValType::ExternRef {
        return store.pointer_to_slot(reference as usize).ok_or("there are too many externrefs");
    }
    // SAFETY: as the caller promises.
    let Some(object) = (unsafe { object(reference) }) else { return Ok(NULL_REF) };
    match object.kind() {
        Kind::Func(func) if store::is(&func.store, store) => Ok(func.to_engine(store) as usize as u64),
        Kind::Func(_) => Err("the function is of another store"),
        _ => Err("the reference is not to a function"),
    }
}

/// Values as the slots of arguments, or of results.
///
/// # Errors
/// As [`to_slot`].
pub(crate) fn to_slots(
    store: &Arc<StoreInner>,
    types: &[ValType],
    vals: &[wasm_val_t],
) -> Result<Vec<u64>, &'static str> {
    let mut slots = Vec::with_capacity(types.len());
    for (&ty, val) in types.iter().zip(vals) {
        slots.push(to_slot(store, ty, val)?);
        if ty == ValType::V128 {
            slots.push(0);
        }
    }
    Ok(slots)
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
