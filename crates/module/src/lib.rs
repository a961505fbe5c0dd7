//! WebAssembly modules as data: parsing and validation (`wasmparser`), stable points, liveness. No engine, no host, no
//! `unsafe`.
#![forbid(unsafe_code)]

mod callees;
mod cfg;
mod diagnose;
mod features;
mod index;
mod liveness;
mod load_error;
pub mod module;
mod names;
mod operators;
pub mod parse;
mod sections;
pub mod stable_points;
mod stdio;
pub mod types;
mod walk;
mod wasi_abi;

pub use diagnose::diagnose;
pub use features::FEATURES;
pub use index::{DefinedFuncIdx, FuncIdx};
pub use module::*;
pub use operators::{UnknownOperator, check_operator, unknown_operator};
pub use parse::{LoadError, parse};
pub use stable_points::{FuncPoints, PointKind, StablePoint, stable_points, stable_points_where};
pub use stdio::{NotStdio, Stdio, StdioFunction};
pub use types::*;
pub use wasi_abi::check_wasi_abi;
