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

pub mod blocking;
pub(crate) mod builtin;
pub mod call;
pub mod call_stack;
pub mod context;
pub mod deterministic;
pub mod diagnostics;
pub(crate) mod engine;
pub mod exception;
pub mod exec_env;
pub mod execute;
pub mod externref;
pub mod functions;
pub mod globals_tables;
pub mod guest_threads;
mod handles;
pub mod init;
pub mod instance;
pub mod instantiate;
pub mod introspect;
pub mod lib_export;
pub(crate) mod link;
pub mod load;
pub mod memory;
pub mod native_stack;
pub(crate) mod native_state;
pub mod natives;
pub mod record;
pub mod stdio_map;
pub mod types;
pub mod unsupported;
pub mod variadic;
pub mod wasi;
pub mod wasi_files;
pub mod wasm_c_api;
pub mod wayfarer;
pub mod wayfarer_natives;
pub mod wayfarer_store;
pub mod wayfarer_watch;

// What knows nothing of WebAssembly: heap, log, and the helpers that hosts of WAMR's link to.
pub(crate) use wayfarer_platform::ffi;
pub use wayfarer_platform::{alloc, log};
