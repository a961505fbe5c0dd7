/* What several hosts share: a guest from its file, and a call of a function that takes and gives an i64. */
#ifndef HOST_H
#define HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasm_export.h"

static uint8_t host_bytes[1 << 20];

static int32_t host_tick(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    return (int32_t)(n * 7);
}

static int64_t host_nested(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    return n;
}

static NativeSymbol host_symbols[] = {
    { "tick", (void *)host_tick, "(I)i", NULL },
    { "nested", (void *)host_nested, "(I)I", NULL },
};

/* The module in a file, or NULL. Does not see the library's messages: there are such hosts. */
static wasm_module_t host_load(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint32_t size = file ? (uint32_t)fread(host_bytes, 1, sizeof host_bytes, file) : 0;
    if (file) {
        fclose(file);
    }
    if (!wasm_runtime_register_natives("env", host_symbols, 2)) {
        return NULL;
    }
    return wasm_runtime_load(host_bytes, size, NULL, 0);
}

/* Calls a function. Ends with 4 if that fails. */
__attribute__((unused)) static int64_t host_call(wasm_module_inst_t inst, const char *name, int64_t n)
{
    uint32_t cells[2];
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 16384);
    memcpy(cells, &n, sizeof n);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), 2, cells)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        exit(4);
    }
    memcpy(&n, cells, sizeof n);
    wasm_runtime_destroy_exec_env(env);
    return n;
}

#endif
