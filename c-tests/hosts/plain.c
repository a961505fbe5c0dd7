/* A host as there are many, which knows nothing of checkpoints: one long call.
 * usage: plain GUEST FUNCTION N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

static uint8_t *read_file(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    if (file) {
        fseek(file, 0, SEEK_END);
        *size = (uint32_t)ftell(file);
        rewind(file);
        bytes = malloc(*size);
        if (fread(bytes, 1, *size, file) != *size) {
            *size = 0;
        }
        fclose(file);
    }
    return bytes;
}

static int32_t tick(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    return (int32_t)(n * 7);
}

static int64_t nested(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    return n;
}

static NativeSymbol symbols[] = {
    { "tick", (void *)tick, "(I)i", NULL },
    { "nested", (void *)nested, "(I)I", NULL },
};

int main(int argc, char **argv)
{
    char error[1024];
    uint32_t size = 0, cells[2];
    int64_t n = argc == 4 ? atoll(argv[3]) : 0;
    if (argc != 4 || !wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 2)) {
        return 2;
    }
    uint8_t *bytes = read_file(argv[1], &size);
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof error);
    wasm_module_inst_t inst =
        module ? wasm_runtime_instantiate(module, 16384, 0, error, sizeof error) : NULL;
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 16384);
    memcpy(cells, &n, sizeof n);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, argv[2]), 2, cells)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        return 4;
    }
    memcpy(&n, cells, sizeof n);
    printf("%s: %lld\n", argv[2], (long long)n);
    memset(cells, 0, sizeof cells);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "digest"), 0, cells)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        return 4;
    }
    memcpy(&n, cells, sizeof n);
    printf("digest: %lld\n", (long long)n);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    free(bytes);
    return 0;
}
