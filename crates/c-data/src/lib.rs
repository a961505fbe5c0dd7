//! What C hosts hold that is nothing but data: kinds and types of values, functions, globals, tables and memories; vectors;
//! imports and exports; configurations; files of modules; values as text and in cells. All of it is made, copied, looked at
//! and deleted without a runtime: it needs only a module's types ([`wayfarer_module`]), and memory that hosts may free
//! ([`wayfarer_platform::alloc`]).
//!
//! | module | header |
//! |---|---|
//! | [`vectors`] | `wasm_c_api.h`: vectors, and the macro that declares those of other things |
//! | [`types`], [`imports`], [`exports`] | `wasm_c_api.h`: types as data |
//! | [`kinds`], [`limits`] | both: numbers of types, limits where a module declares none |
//! | [`config`] | `wasm_c_api.h`: how an engine is set up |
//! | [`module_types`], [`handles`] | `wasm_export.h`: imports, exports and their types |
//! | [`package`] | `wasm_export.h`: kinds of files, sections |
//! | [`cells`] | `wasm_export.h`: arguments and results as arrays of 32-bit cells |
//! | [`text`] | none: how `iwasm -f` reads arguments and prints results |
//! | [`owned`] | none: which handles are alive, and what they go with |
//!
//! What all functions that C calls have in common: see [`wayfarer_platform`].

// C's names and conventions, not Rust's.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]

pub mod cells;
pub mod config;
pub mod exports;
pub mod handles;
pub mod imports;
pub mod kinds;
pub mod limits;
pub mod module_types;
pub mod owned;
pub mod package;
pub mod records;
pub mod text;
pub mod types;
pub mod vectors;

// What the macro of vectors needs wherever it is used.
#[doc(hidden)]
pub use wayfarer_platform::ffi;
