/* A host that calls its guest again and again: no call is long. Knows nothing of checkpoints.
 * usage: steps GUEST CALLS [terminated]   (then all calls but the last are ones that it had terminated before) */
#include <stdio.h>
#include <stdlib.h>

#include "wasm_export.h"

static uint8_t bytes[65536];

int main(int argc, char **argv)
{
    char error[1024];
    FILE *file = argc >= 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || !wasm_runtime_init()) {
        return 2;
    }
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof bytes, file), sum = 0;
    fclose(file);
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof error);
    wasm_module_inst_t inst = module ? wasm_runtime_instantiate(module, 16384, 0, error, sizeof error) : NULL;
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 16384);
    wasm_function_inst_t seed = wasm_runtime_lookup_function(inst, "seed");
    if (argc == 4) {
        wasm_runtime_terminate(inst);
    }
    for (int i = 0, calls = atoi(argv[2]); i < calls; i++) {
        uint32_t cells[1] = { 7 };
        if (argc == 4 && i < calls - 1) {
            sum += !wasm_runtime_call_wasm(env, seed, 1, cells);
            continue;
        }
        if (argc == 4) {
            wasm_runtime_clear_exception(inst);
        }
        if (!wasm_runtime_call_wasm(env, seed, 1, cells)) {
            fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
            return 4;
        }
        sum = sum * 31 + cells[0];
    }
    printf("%x\n", sum);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return 0;
}
