/* A host that runs a WASI program, and knows nothing of checkpoints.
 * usage: program GUEST FOLDER ARGUMENT... (the guest sees FOLDER as /data) */
#include <stdio.h>
#include <stdlib.h>

#include "wasm_export.h"

static uint8_t bytes[1 << 20];

int main(int argc, char **argv)
{
    char error[1024], map[512];
    const char *maps[] = { map };
    FILE *file = argc >= 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || !wasm_runtime_init()) {
        return 2;
    }
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof error);
    if (module) {
        snprintf(map, sizeof map, "/data::%s", argv[2]);
        wasm_runtime_set_wasi_args(module, NULL, 0, maps, 1, NULL, 0, argv + 2, argc - 2);
    }
    wasm_module_inst_t inst = module ? wasm_runtime_instantiate(module, 65536, 0, error, sizeof error) : NULL;
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    if (!wasm_application_execute_main(inst, 0, NULL)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        return 4;
    }
    int status = (int)wasm_runtime_get_wasi_exit_code(inst);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return status;
}
