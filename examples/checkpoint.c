/* Runs a guest that stops half-way, with all its state in a file; run again, it goes on from there.
 *
 *   wat2wasm count.wat && gcc checkpoint.c -liwasm -o checkpoint
 *   ./checkpoint count.wasm count.image        # 1 to 5
 *   ./checkpoint count.wasm count.image        # 6 to 10 */
#include <stdio.h>
#include <unistd.h>

#include "wayfarer.h"

static const char *image;
static bool restored;

/* The guest calls this. */
static void progress(wasm_exec_env_t env, int32_t n, int32_t sum)
{
    printf("%d: %d\n", n, sum);
    if (n == 5 && !restored) {
        wayfarer_checkpoint_args_t args = { .path = image, .then = WAYFARER_STOP };
        wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &args, NULL, NULL, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    static NativeSymbol natives[] = { { "progress", (void *)progress, "(ii)", NULL } };
    static uint8_t wasm[1 << 20];
    char error[256] = "usage: checkpoint GUEST IMAGE";
    uint32_t results[1];
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    size_t size = file ? fread(wasm, 1, sizeof wasm, file) : 0;
    image = argv[2];

    wasm_runtime_init();
    wasm_runtime_register_natives("env", natives, 1);
    wasm_module_t module = size ? wasm_runtime_load(wasm, size, error, sizeof error) : NULL;
    wasm_module_inst_t inst = NULL;
    restored = module && access(image, F_OK) == 0;
    if (restored) {
        inst = wayfarer_restore_from_path(module, NULL, image, error, sizeof error);
    } else if (module) {
        inst = wasm_runtime_instantiate(module, 8192, 0, error, sizeof error);
    }
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 8192);
    wasm_function_inst_t run = wasm_runtime_lookup_function(inst, "run");
    if (restored ? wayfarer_resume(env, results) : wasm_runtime_call_wasm(env, run, 0, results)) {
        printf("result: %u\n", results[0]);
    } else {
        puts(wasm_runtime_get_exception(inst));
    }
    return 0;
}
