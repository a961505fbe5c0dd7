/* A host as one writes it for WAMR: a native function, a buffer in the guest's memory, a call.
 *
 *   wat2wasm greet.wat && gcc embed.c -liwasm -o embed && ./embed greet.wasm "Hello, guest" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

static uint8_t wasm[1 << 20];

/* `$` in the signature: the guest's address arrives as a pointer to a string that ends inside its memory. */
static void print(wasm_exec_env_t env, const char *text)
{
    (void)env;
    printf("the guest says: %s\n", text);
}

int main(int argc, char **argv)
{
    static NativeSymbol natives[] = { { "print", (void *)print, "($)", NULL } };
    char error[256] = "";
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: embed GUEST TEXT\n");
        return 2;
    }
    uint32_t size = (uint32_t)fread(wasm, 1, sizeof wasm, file);
    fclose(file);

    RuntimeInitArgs args;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_System_Allocator;
    args.native_module_name = "env";
    args.native_symbols = natives;
    args.n_native_symbols = 1;
    if (!wasm_runtime_full_init(&args)) {
        return 1;
    }

    wasm_module_t module = wasm_runtime_load(wasm, size, error, sizeof error);
    wasm_module_inst_t inst =
        module ? wasm_runtime_instantiate(module, 8192, 8192, error, sizeof error) : NULL;
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 8192);

    /* The text goes into the heap of 8 KiB that was put into the guest's memory. */
    uint32_t length = (uint32_t)strlen(argv[2]);
    uint32_t text = (uint32_t)wasm_runtime_module_dup_data(inst, argv[2], length + 1);
    uint32_t cells[2] = { text, length };
    int status = 0;
    if (text && wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "reverse"), 2, cells)) {
        printf("%u characters\n", cells[0]);
    } else {
        const char *exception = wasm_runtime_get_exception(inst);
        fprintf(stderr, "%s\n", exception ? exception : "the text does not fit into the guest's heap");
        status = 1;
    }

    wasm_runtime_module_free(inst, text);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return status;
}
