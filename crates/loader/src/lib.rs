//! ELF relocatable objects into executable memory.
//!
//! [`Code::load`] links objects against each other and against a fixed list of functions of the runtime, maps the result,
//! and registers its unwind tables, so that an unwind can pass through it. [`Code::announce`] tells tools (perf, gdb) the
//! names of what was loaded.
//!
//! - `input`: what one object says
//! - `symbols`: which symbol of which object is which
//! - `link`: where everything goes, what is patched with what
//! - `machine`: relocations of each architecture
//! - `externals`: the functions outside that compiled code may name
//! - `memory`, `unwind`: the operating system and the unwinder
//!
//! Loading is safe whatever the objects contain: every length and every patched place is checked. *Running* them is as
//! safe as their code is.

mod announce;
mod code;
mod eh_frame;
mod error;
mod externals;
mod input;
mod link;
mod machine;
mod memory;
mod symbols;
mod unwind;

#[cfg(test)]
extern crate self as wayfarer_loader;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod test_objects;
#[cfg(test)]
mod veneer_tests;

pub use announce::PerfMode;
pub use code::{Code, Function, LoadedSection};
pub use error::{Fault, LoadError};
pub use machine::Machine;
