//! The small C library that a WAMR host offers its guests: the functions of import module `env` (WAMR's
//! "libc-builtin"), the constants of import module `global`, and the `spectest` module of the WebAssembly test suite.
//!
//! Everything here is written against [`GuestMemory`](wayfarer_guest::GuestMemory) and the [`LibcHost`] trait, and knows
//! no engine. The tables [`FUNCTIONS`], [`GLOBALS`], [`SPECTEST_FUNCTIONS`] and [`SPECTEST_GLOBALS`] are the whole
//! interface: an embedder links imports from them by name.
//!
//! Guests are 32-bit: pointers, `int`, `long` and `size_t` have four bytes, `long long` and `double` eight, `long double`
//! sixteen (IEEE binary128). No function waits or keeps state between calls, so none has anything to put into an image.

mod call;
mod ctype;
mod env;
mod float;
mod format;
mod global;
mod number;
mod spectest;
mod stdio;
mod stdlib;
mod string;
mod time;

pub use call::{LibcCall, LibcFunction, LibcHost, LibcTrap};
pub use env::FUNCTIONS;
pub use global::{GLOBALS, GlobalValue, LibcGlobal, SPECTEST_GLOBALS};
pub use spectest::SPECTEST_FUNCTIONS;
pub use stdio::CStdout;
