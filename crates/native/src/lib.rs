//! Runs compiled code: the engine that prefers it, how it is entered and left, what it calls, how it is stopped.
//!
//! - [`engine`]: compiled code where there is any, the interpreter everywhere else
//! - [`code`]: a module's compiled code in this process; [`growing`]: that of a module that is compiled while it runs
//! - `enter`: into compiled code and out of it
//! - `helpers`: what compiled code calls; `unwind`, `area`: how its frames are captured; `signals`: accesses outside memory, `known`: of which code

mod area;
mod backtrace;
pub mod code;
pub mod engine;
mod enter;
pub mod growing;
mod helpers;
mod known;
mod signals;
mod tier;
mod unwind;

pub use code::{CompiledModule, LoadError};
pub use engine::NativeEngine;
pub use growing::{GrowingModule, Part, Wanted};
