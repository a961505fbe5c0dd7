//! `wasm_c_api.h`: the standard WebAssembly C API as WAMR has it.
//!
//! A store owns what is in it ([`store`]); handles of the host's refer to it, and are all [`objects::Object`]s. Ownership is as
//! WAMR has it where that differs from the standard API: `wasm_func_as_extern` and its like keep the pointer, `wasm_func_as_ref`
//! and its like make a new handle, values do not own their references, and modules and instances go with their store.

pub mod engine;
pub mod externs;
pub mod func;
pub mod imports;
pub mod instance;
pub mod linked;
pub mod module;
pub mod objects;
pub mod refs;
pub mod store;
pub mod trap;
pub mod values;

pub(crate) use wayfarer_c_data::owned;
pub use wayfarer_c_data::{types, vectors};
