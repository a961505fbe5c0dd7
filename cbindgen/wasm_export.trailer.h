#ifdef __cplusplus
extern "C" {
#endif

/**
 * wasm_runtime_call_wasm_a with the arguments given one by one: i32 and funcref (as function index) as int, i64, f32 and
 * f64 as double, externref as uintptr_t.
 */
WASM_RUNTIME_API_EXTERN bool
wasm_runtime_call_wasm_v(wasm_exec_env_t exec_env, wasm_function_inst_t function, uint32_t num_results,
                         wasm_val_t results[], uint32_t num_args, ...);

#ifdef __cplusplus
}
#endif
