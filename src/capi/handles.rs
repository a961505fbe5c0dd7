//! Handles as typedefs over the types behind them, and the record natives are registered with.

pub use super::exec_env::WASMExecEnv;
pub use super::instance::{WASMMemoryInstance, WASMModuleInstanceCommon};
pub use super::instantiate::InstantiationArgs2;
pub use super::lib_export::NativeSymbol;
pub use super::load::WASMModuleCommon;
pub use wayfarer_c_data::handles::{
    wasm_func_type_t, wasm_global_type_t, wasm_memory_type_t, wasm_table_type_t,
};

/// A module.
pub type wasm_module_t = *mut WASMModuleCommon;
/// An instance.
pub type wasm_module_inst_t = *mut WASMModuleInstanceCommon;
/// An execution environment.
pub type wasm_exec_env_t = *mut WASMExecEnv;
/// A linear memory of an instance.
pub type wasm_memory_inst_t = *mut WASMMemoryInstance;
/// A function of an instance.
pub type wasm_function_inst_t = *mut std::ffi::c_void;
/// A heap that several instances can use.
pub type wasm_shared_heap_t = *mut WASMSharedHeap;

/// A shared heap, behind `wasm_shared_heap_t`. There are none.
pub struct WASMSharedHeap {
    _none: [u8; 0],
}
