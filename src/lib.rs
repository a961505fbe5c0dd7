//! Wayfarer: a WebAssembly runtime with the C interface of WAMR (wasm-micro-runtime), whose guests can be checkpointed at
//! any moment and restored later, elsewhere, in another engine.
//!
//! The map, from the host inwards:
//!
//! - `builtins`: functions that are there for every guest
//! - [`capi`]: `wasm_export.h`, `lib_export.h`, `wasm_c_api.h` and `wayfarer.h`; a shell over the crates below
//! - [`compiled`]: machine code of modules, from `.aot` files, from the compiler, from the cache
//! - [`deterministic`]: which modules run in deterministic mode
//! - [`files`]: whose files WASI programs see, where the host says nothing
//! - [`stdio`]: where modules have the functions of C's streams, if somebody says so
//! - `wayfarer-program`: a program and its host: instances, calls, checkpoints, and how all that comes back
//! - `wayfarer-platform`, `wayfarer-c-data`, `wayfarer-native-call`: what of the C interface knows no instances: heap, log and
//!   helpers; types and vectors; calls of the host's native functions
//! - `wayfarer-runtime`: store, instances, memories, traps, requests; what engines run on
//! - `wayfarer-wait-queue`: queues of threads that wait for each other, as data
//! - `wayfarer-interp`: the interpreter, with its `capture` and `resume`
//! - `wayfarer-native`: runs compiled code and, beside it, the interpreter, with its `capture` and `resume`; `wayfarer-loader`: object files into memory
//! - `wayfarer-aot`: the `.aot` file; `wayfarer-abi`: what compiled code, the compiler and the runtime agree on
//! - `wayfarer-compiler`: the compiler. Not linked: it is loaded when something must be compiled
//! - `wayfarer-snapshot`: the Wasm view of a stopped program, and the image format
//! - `wayfarer-module`: modules as data; which points are stable, and what must be saved there
//! - `wayfarer-record`: the log of what programs ask of WASI, as a file
//! - `wayfarer-wasi`, `wayfarer-libc`: host functions, over `wayfarer-guest`'s view of a guest's memory; `wayfarer-files`: file
//!   systems that guests see
//!
//! A call goes `capi::call` -> `wayfarer_program::call` -> `wayfarer_runtime::Engine` -> `wayfarer_interp::exec`, and to host
//! functions through `wayfarer_runtime::HostFunc`. A checkpoint goes `exec::stop` -> `wayfarer_runtime::requests` ->
//! `wayfarer_program`'s driver -> `wayfarer_snapshot`.

mod builtins;
pub mod capi;
pub mod compiled;
pub mod deterministic;
pub mod files;
pub mod stdio;

use wayfarer_platform::log;
