//! What C hosts hold that is nothing but data: kinds and types of values, functions, globals, tables and memories; vectors;
//! imports and exports; values as text. All of it is made, copied, looked at and deleted without a runtime: it needs only a
//! module's types ([`wayfarer_module`]), and memory that hosts may free ([`wayfarer_platform::alloc`]).
//!
//! | module | header |
//! |---|---|
//! | [`vectors`] | `wasm_c_api.h`: vectors, and the macro that declares those of other things |
//! | [`types`], [`imports`], [`exports`] | `wasm_c_api.h`: types as data |
//! | [`kinds`], [`limits`] | both: numbers of types, limits where a module declares none |
//! | [`text`] | none: how `iwasm -f` reads arguments and prints results |
//! | [`owned`] | none: which handles are alive, and what they go with |
//!
//! What all functions that C calls have in common: see [`wayfarer_platform`].

// C's names and conventions, not Rust's.
#![allow(non_camel_case_types, non_snake_case, clippy::missing_safety_doc)]

pub mod exports;
pub mod imports;
pub mod kinds;
pub mod limits;
pub mod owned;
pub mod text;
pub mod types;
pub mod vectors;

// What the macro of vectors needs wherever it is used.
#[doc(hidden)]
pub use wayfarer_platform::ffi;
