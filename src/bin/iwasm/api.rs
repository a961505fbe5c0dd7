//! The functions of the C API that this program calls: it is a host like any other.

use std::ffi::{c_char, c_int};

use iwasm::capi::types::{
    InstantiationArgs2, NativeSymbol, RuntimeInitArgs, wasm_module_inst_t, wasm_module_t,
};

unsafe extern "C" {
    pub(crate) fn wasm_runtime_full_init(init_args: *mut RuntimeInitArgs) -> bool;
    pub(crate) fn wasm_runtime_destroy();
    pub(crate) fn wasm_runtime_get_version(major: *mut u32, minor: *mut u32, patch: *mut u32);
    pub(crate) fn bh_log_set_verbose_level(level: u32);
    pub(crate) fn bh_read_file_to_buffer(filename: *const c_char, ret_size: *mut u32) -> *mut c_char;
    pub(crate) fn wasm_runtime_free(ptr: *mut std::ffi::c_void);
    pub(crate) fn wasm_runtime_register_natives(
        module_name: *const c_char,
        native_symbols: *mut NativeSymbol,
        n_native_symbols: u32,
    ) -> bool;
    pub(crate) fn wasm_runtime_unregister_natives(
        module_name: *const c_char,
        native_symbols: *mut NativeSymbol,
    ) -> bool;
    pub(crate) fn wasm_runtime_load(
        buf: *mut u8,
        size: u32,
        error_buf: *mut c_char,
        error_buf_size: u32,
    ) -> wasm_module_t;
    pub(crate) fn wasm_runtime_unload(module: wasm_module_t);
    pub(crate) fn wasm_runtime_instantiation_args_create(p: *mut *mut InstantiationArgs2) -> bool;
    pub(crate) fn wasm_runtime_instantiation_args_destroy(p: *mut InstantiationArgs2);
    pub(crate) fn wasm_runtime_instantiation_args_set_default_stack_size(p: *mut InstantiationArgs2, v: u32);
    pub(crate) fn wasm_runtime_instantiation_args_set_host_managed_heap_size(
        p: *mut InstantiationArgs2,
        v: u32,
    );
    pub(crate) fn wasm_runtime_instantiation_args_set_wasi_arg(
        p: *mut InstantiationArgs2,
        argv: *mut *mut c_char,
        argc: c_int,
    );
    pub(crate) fn wasm_runtime_instantiation_args_set_wasi_env(
        p: *mut InstantiationArgs2,
        env: *mut *const c_char,
        env_count: u32,
    );
    pub(crate) fn wasm_runtime_instantiation_args_set_wasi_dir(
        p: *mut InstantiationArgs2,
        dir_list: *mut *const c_char,
        dir_count: u32,
        map_dir_list: *mut *const c_char,
        map_dir_count: u32,
    );
    pub(crate) fn wasm_runtime_instantiation_args_set_wasi_addr_pool(
        p: *mut InstantiationArgs2,
        addr_pool: *mut *const c_char,
        addr_pool_size: u32,
    );
    pub(crate) fn wasm_runtime_instantiation_args_set_wasi_ns_lookup_pool(
        p: *mut InstantiationArgs2,
        ns_lookup_pool: *mut *const c_char,
        ns_lookup_pool_size: u32,
    );
    pub(crate) fn wasm_runtime_instantiate_ex2(
        module: wasm_module_t,
        args: *const InstantiationArgs2,
        error_buf: *mut c_char,
        error_buf_size: u32,
    ) -> wasm_module_inst_t;
    pub(crate) fn wasm_runtime_deinstantiate(module_inst: wasm_module_inst_t);
    pub(crate) fn wasm_runtime_terminate(module_inst: wasm_module_inst_t);
    pub(crate) fn wasm_runtime_get_exception(module_inst: wasm_module_inst_t) -> *const c_char;
    pub(crate) fn wasm_runtime_get_wasi_exit_code(module_inst: wasm_module_inst_t) -> u32;
    pub(crate) fn wasm_application_execute_main(
        module_inst: wasm_module_inst_t,
        argc: i32,
        argv: *mut *mut c_char,
    ) -> bool;
    pub(crate) fn wasm_application_execute_func(
        module_inst: wasm_module_inst_t,
        name: *const c_char,
        argc: i32,
        argv: *mut *mut c_char,
    ) -> bool;
}
