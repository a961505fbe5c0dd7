//! Handles as typedefs over the types behind them, and the record natives are registered with.


pub use super::exec_env::WASMExecEnv;
pub use super::instance::{WASMMemoryInstance, WASMModuleInstanceCommon};
pub use super::instantiate::InstantiationArgs2;
pub use super::introspect::{WASMFuncType, WASMGlobalType, WASMMemory, WASMTableType};
pub use super::load::WASMModuleCommon;
pub use super::lib_export::NativeSymbol;

