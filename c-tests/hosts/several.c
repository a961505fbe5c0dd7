/* A host that prepares its guest by several calls, one of which fails, allocates in its memory and writes there, before
 * and after the call that takes long. Knows nothing of checkpoints.
 * usage: several GUEST ROUNDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

static uint8_t bytes[65536];
static wasm_module_inst_t inst;
static wasm_exec_env_t env;

static uint32_t call(const char *name, uint32_t argc, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t argv[3] = { a, b, c };
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), argc, argv)) {
        fprintf(stderr, "%s: %s\n", name, wasm_runtime_get_exception(inst));
        exit(4);
    }
    return argv[0];
}

int main(int argc, char **argv)
{
    char error[1024];
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || !wasm_runtime_init()) {
        return 2;
    }
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof error);
    inst = module ? wasm_runtime_instantiate(module, 16384, 32768, error, sizeof error) : NULL;
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    env = wasm_runtime_create_exec_env(inst, 16384);
    printf("seed %x\n", call("seed", 1, 5, 0, 0));
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "pristine"), 0, NULL)) {
        printf("%s\n", wasm_runtime_get_exception(inst));
        wasm_runtime_clear_exception(inst);
    }
    char *scratch_native, *text_native;
    uint32_t scratch = (uint32_t)wasm_runtime_module_malloc(inst, 100, (void **)&scratch_native);
    memset(scratch_native, 'x', 100);
    uint32_t text = (uint32_t)wasm_runtime_module_malloc(inst, 1000, (void **)&text_native);
    for (int i = 0; i < 1000; i++) {
        text_native[i] = (char)i;
    }
    wasm_runtime_module_free(inst, scratch);
    printf("seed %x\n", call("seed", 1, 6, 0, 0));
    uint32_t copy = (uint32_t)wasm_runtime_module_dup_data(inst, "more data", 10);
    printf("long call: %x\n", call("scramble", 3, text, 1000, (uint32_t)atoi(argv[2])));
    uint32_t sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum = sum * 31 + (uint8_t)text_native[i];
    }
    printf("text: %x\ncopy: %s\n", sum, (char *)wasm_runtime_addr_app_to_native(inst, copy));
    printf("short call: %x\n", call("scramble", 3, copy, 10, 3));
    wasm_runtime_module_free(inst, copy);
    wasm_runtime_module_free(inst, text);
    uint32_t last = (uint32_t)wasm_runtime_module_malloc(inst, 50, NULL);
    printf("again: %d\nseed %x\n", last != 0, call("seed", 1, 7, 0, 0));
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return 0;
}
