//! Runs guests at the level of the crates, without the C API between, so that a test can stop one anywhere,
//! look at all of its state, and bring it to life again from an image in a store of its own.
#![allow(dead_code, reason = "shared by several test programs, none of which uses all of it")]

#[cfg(target_arch = "x86_64")]
pub(crate) mod aot;
#[path = "../../../crates/native/tests/compile/mod.rs"]
pub(crate) mod compile;
pub(crate) mod compiled;
pub(crate) mod engine;
pub(crate) mod fingerprint;
pub(crate) mod folder;
pub(crate) mod guests;
pub(crate) mod host;
pub(crate) mod machine;
#[cfg(target_arch = "x86_64")]
pub(crate) mod parts;
pub(crate) mod random;
pub(crate) mod streams;
pub(crate) mod take;
