//! The functions of the C API that this program calls: it is a host like any other.

pub(crate) use iwasm::capi::alloc::wasm_runtime_free;
pub(crate) use iwasm::capi::call_stack::take as take_call_stack;
pub(crate) use iwasm::capi::deterministic::wayfarer_set_deterministic;
pub(crate) use iwasm::capi::exception::{wasm_runtime_get_exception, wasm_runtime_terminate};
pub(crate) use iwasm::capi::execute::{wasm_application_execute_func, wasm_application_execute_main};
pub(crate) use iwasm::capi::init::{wasm_runtime_destroy, wasm_runtime_full_init, wasm_runtime_get_version};
pub(crate) use iwasm::capi::instance::wasm_runtime_deinstantiate;
pub(crate) use iwasm::capi::instantiate::{
    wasm_runtime_instantiate_ex2, wasm_runtime_instantiation_args_create,
    wasm_runtime_instantiation_args_destroy, wasm_runtime_instantiation_args_set_default_stack_size,
    wasm_runtime_instantiation_args_set_host_managed_heap_size,
};
pub(crate) use iwasm::capi::load::{wasm_runtime_load, wasm_runtime_unload};
pub(crate) use iwasm::capi::log::bh_log_set_verbose_level;
pub(crate) use iwasm::capi::natives::{wasm_runtime_register_natives, wasm_runtime_unregister_natives};
pub(crate) use iwasm::capi::wasi::{
    wasm_runtime_get_wasi_exit_code, wasm_runtime_instantiation_args_set_wasi_addr_pool,
    wasm_runtime_instantiation_args_set_wasi_arg, wasm_runtime_instantiation_args_set_wasi_dir,
    wasm_runtime_instantiation_args_set_wasi_env, wasm_runtime_instantiation_args_set_wasi_ns_lookup_pool,
};
pub(crate) use iwasm::capi::wasi_files::wayfarer_instantiation_args_set_wasi;
pub(crate) use iwasm::stdio::choose as choose_stdio;
pub(crate) use wayfarer_platform::read_file::bh_read_file_to_buffer;
