//! What a C host finds under a runtime that comes in WAMR's place, and what knows nothing of WebAssembly: the heap that it
//! chose, the log, and the helpers (`bh_*`, `os_*`) that WAMR's library leaks, for its own `iwasm`, its samples, and hosts
//! that were made from them.
//!
//! | module | header |
//! |---|---|
//! | [`alloc`] | `wasm_export.h`, what allocates |
//! | [`log`] | `wasm_export.h`, the level; what this library says itself goes through here, too |
//! | [`logging`] | `bh_log.h`, `bh_assert.h` |
//! | [`memory`], [`clock`] | `platform_api_vmcore.h` |
//! | [`threads`], [`sync`] | `platform_api_extension.h` |
//! | [`strings`] | `bh_common.h` |
//! | [`list`], [`vector`], [`hash_map`], [`queue`] | `bh_list.h`, `bh_vector.h`, `bh_hashmap.h`, `bh_queue.h` |
//! | [`ticks`] | `runtime_timer.h` |
//! | [`read_file`] | `bh_read_file.h` |
//!
//! [`ffi`] is what every function that C calls needs, here and in the C interface above.
//!
//! What all of those functions have in common: a pointer parameter is valid for what the function does with it, or NULL
//! where its documentation says so; handles were made by the functions beside it, and not yet destroyed. This is what
//! "as the caller promises" refers to. No panic leaves them: see [`ffi::guard`].
//!
//! A crate that depends on this one exports its functions: `src/capi` does, and nothing below it.

// C's names and conventions, not Rust's.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]

pub mod alloc;
pub mod clock;
pub mod ffi;
pub mod hash_map;
pub mod list;
pub mod log;
pub mod logging;
pub mod memory;
mod pool;
pub mod queue;
pub mod read_file;
pub mod strings;
pub mod sync;
pub mod threads;
pub mod ticks;
pub mod vector;

use std::ffi::c_int;

/// What functions of `platform_api_vmcore.h` and `platform_api_extension.h` return.
const BHT_OK: c_int = 0;
const BHT_ERROR: c_int = -1;
