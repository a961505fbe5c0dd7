//! WebAssembly to machine code, with LLVM. The code can be stopped at stable points, captured as a Wasm view, and
//! continued at loop headers, at no cost while nobody asks for it.
//!
//! - [`options`]: what to compile for; [`error`]: what can go wrong
//! - `target`: LLVM's machine for it, `isa`: what that can do; `unit`: one LLVM module, its types, attributes and declarations
//! - `function`: a function's body, instruction by instruction; `entries`: how the runtime calls it
//! - `compile`: a whole module to object files; `artifact`: and those to an `.aot` file; `features`: what that needs;
//!   `frames`: what is too large for a stack; `promote`: what LLVM's pipeline lacks;
//!   `nans`: what it must not do
//! - `session`: parts of a module, one by one, while it runs
//! - `disassemble`: machine code as text
//! - [`ffi`]: the functions of the shared object; `process`: LLVM's manners in a process

mod artifact;
mod compile;
mod continuations;
mod disassemble;
mod effort;
mod entries;
pub mod error;
mod features;
pub mod ffi;
mod frames;
mod function;
mod isa;
mod nans;
pub mod options;
mod process;
mod promote;
mod session;
mod target;
mod trial;
mod unit;

pub use artifact::{compile_artifact, llvm_version, producer};
pub use compile::{Output, compile};
pub use error::CompileError;
pub use features::{Known, check_target, known, llvm_options, size_level};
pub use options::{Bounds, Format, Options};
pub use session::Session;
