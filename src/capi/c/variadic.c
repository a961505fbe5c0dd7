/* wasm_runtime_call_wasm_v: the one public function with a variable argument list, which stable Rust cannot define.
 * It collects the arguments into an array and goes on as wasm_runtime_call_wasm_a. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

#define FEW 16

/* Exported as wasm_runtime_call_wasm_v by variadic.rs. */
__attribute__((visibility("hidden"))) bool
wayfarer_call_wasm_v(wasm_exec_env_t exec_env, wasm_function_inst_t function, uint32_t num_results,
                     wasm_val_t results[], uint32_t num_args, ...)
{
    wasm_valkind_t few_kinds[FEW], *kinds = few_kinds;
    wasm_val_t few_args[FEW], *args = few_args;
    wasm_module_inst_t module_inst = wasm_runtime_get_module_inst(exec_env);
    bool ok = false;

    /* With a wrong number of arguments nothing can be known about them; call_wasm_a reports it. */
    if (num_args != wasm_func_get_param_count(function, module_inst))
        return wasm_runtime_call_wasm_a(exec_env, function, num_results, results, num_args, NULL);

    if (num_args > FEW) {
        kinds = malloc(num_args * sizeof(*kinds));
        args = malloc(num_args * sizeof(*args));
        if (!kinds || !args)
            goto out;
    }
    memset(args, 0, num_args * sizeof(*args));
    wasm_func_get_param_types(function, module_inst, kinds);

    va_list values;
    va_start(values, num_args);
    for (uint32_t i = 0; i < num_args; i++) {
        args[i].kind = kinds[i];
        switch (kinds[i]) {
            case WASM_I32:
            case WASM_FUNCREF:
                args[i].of.i32 = va_arg(values, int32_t);
                break;
            case WASM_I64:
                args[i].of.i64 = va_arg(values, int64_t);
                break;
            case WASM_F32:
                args[i].of.f32 = (float)va_arg(values, double);
                break;
            case WASM_F64:
                args[i].of.f64 = va_arg(values, double);
                break;
            case WASM_EXTERNREF:
                args[i].of.foreign = va_arg(values, uintptr_t);
                break;
            default:
                /* A vector does not fit in a wasm_val_t; call_wasm_a reports it. */
                break;
        }
    }
    va_end(values);
    ok = wasm_runtime_call_wasm_a(exec_env, function, num_results, results, num_args, args);

out:
    if (num_args > FEW) {
        free(kinds);
        free(args);
    }
    return ok;
}
