//! Handles as typedefs over the types behind them. Not in the file where those are: it is made into a header that has them in its
//! own text.

use crate::module_types::{WASMFuncType, WASMGlobalType, WASMMemory, WASMTableType};

/// A function type of a module.
pub type wasm_func_type_t = *mut WASMFuncType;
/// A table type of a module.
pub type wasm_table_type_t = *mut WASMTableType;
/// A global type of a module.
pub type wasm_global_type_t = *mut WASMGlobalType;
/// A memory type of a module.
pub type wasm_memory_type_t = *mut WASMMemory;
