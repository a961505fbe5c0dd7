//! Parsing and validation.

use crate::module::Module;
use std::fmt;
use std::sync::Arc;

/// Why a module was refused. Displays as the text behind WAMR's `WASM module load failed: ` prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// What is wrong.
    pub message: String,
    /// Byte offset in the module, where known.
    pub offset: Option<usize>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LoadError {}

/// Parses and validates a module binary.
///
/// # Errors
/// [`LoadError`] for anything that is not a valid module of the supported feature set.
pub fn parse(bytes: Arc<[u8]>) -> Result<Module, LoadError> {
    let _ = bytes;
    todo!("helper")
}
