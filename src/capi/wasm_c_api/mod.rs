//! `wasm_c_api.h`: the standard WebAssembly C API as WAMR has it.
//!
//! Functions, globals, tables, memories, instances, traps and foreign objects are all [`refs::Object`]s, so turning one
//! into another (`wasm_func_as_extern`, `wasm_ref_as_func` and so on) checks the kind and keeps the pointer.

pub mod engine;
pub mod externs;
pub mod func;
pub mod instance;
pub mod module;
pub mod objects;
pub mod refs;
pub mod trap;
pub mod types;
pub mod values;
pub mod vectors;
