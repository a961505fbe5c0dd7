//! Runs compiled code: the engine that prefers it, how it is entered and left, what it calls, how it is stopped.
//!
//! - [`engine`]: compiled code where there is any, the interpreter everywhere else
//! - [`code`]: a module's compiled code in this process; [`growing`]: that of a module that is compiled while it runs
//! - `enter`: into compiled code and out of it
//! - `helpers`: what compiled code calls; `stop`: how it is stopped; `capture`: its frames; `resume`: threads that were captured
//!   go on; `hop`: it takes the place of interpreted frames
//! - `signals`: accesses outside memory, `known`: of which code; `backtrace`: the functions that a trap ends

mod backtrace;
mod capture;
pub mod code;
pub mod engine;
mod enter;
pub mod growing;
mod helpers;
mod hop;
mod known;
mod resume;
mod signals;
mod stop;

pub use code::{CompiledModule, LoadError};
pub use engine::NativeEngine;
pub use growing::{GrowingModule, Part, Wanted};
