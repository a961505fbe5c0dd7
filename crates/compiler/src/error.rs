//! What can go wrong.

use inkwell::builder::BuilderError;
use std::fmt;
use wayfarer_module::UnknownOperator;

/// Why a module could not be compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CompileError {
    /// The target triple, CPU or features are unknown to LLVM, or not supported here.
    Target(String),
    /// An LLVM function failed.
    Llvm(String),
    /// The operating system did not give a thread.
    Thread(String),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompileError::Target(what) => write!(f, "invalid target: {what}"),
            CompileError::Llvm(what) => write!(f, "compiler: {what}"),
            CompileError::Thread(what) => write!(f, "cannot start a compiler thread: {what}"),
        }
    }
}

impl std::error::Error for CompileError {}

impl From<BuilderError> for CompileError {
    fn from(error: BuilderError) -> CompileError {
        CompileError::Llvm(error.to_string())
    }
}

/// A function with an instruction that nothing here knows.
pub(crate) fn unknown(error: UnknownOperator) -> CompileError {
    CompileError::Llvm(error.to_string())
}

/// An internal error: what the validator promised does not hold, or LLVM lacks what its documentation has.
pub(crate) fn internal(what: impl Into<String>) -> CompileError {
    CompileError::Llvm(what.into())
}

pub(crate) type Result<T> = std::result::Result<T, CompileError>;
