//! The C API: `wasm_export.h`, `lib_export.h` and `wasm_c_api.h` as WAMR has them, and our own `wayfarer.h`.
//!
//! One file per section of the headers; each is a thin shell over the engine crates. The headers are generated from
//! these files (see `cbindgen/`), and `tests/abi*.rs` hold both to the facts of WAMR's interface.
//!
//! What all entry points have in common:
//! - A pointer parameter is valid for what the function does with it, or NULL where its documentation says so. Handles
//!   were made by this API and not yet destroyed. This is what "as the caller promises" refers to.
//! - No panic leaves an entry point: see [`ffi::guard`].
//! - Failure is reported as documented, never by ending the process.

// C's names and conventions, not Rust's.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]

mod alloc;
mod app_heap;
mod builtin;
mod call;
mod context;
mod diagnostics;
mod engine;
mod exception;
mod exec_env;
mod execute;
mod externref;
mod ffi;
mod globals_tables;
mod handles;
mod init;
mod instance;
mod instantiate;
mod internals;
mod introspect;
mod lib_export;
mod link;
mod load;
mod log;
mod memory;
mod native_call;
mod natives;
mod package;
mod pool;
mod signature;
mod text_values;
pub mod types;
mod unsupported;
mod variadic;
mod vector_call;
mod wasi;
pub mod wasm_c_api;
