/* A host whose guest makes its locks in one call, and waits for a signal in another. Knows nothing of checkpoints.
 * usage: waiter GUEST [GUEST]   (of a second guest, an instance with locks of its own is there, too) */
#include "host.h"

static wasm_module_inst_t make(const char *path)
{
    wasm_module_t module = host_load(path);
    wasm_module_inst_t inst = module ? wasm_runtime_instantiate(module, 16384, 0, NULL, 0) : NULL;
    if (!inst) {
        exit(3);
    }
    return inst;
}

static uint32_t call(wasm_module_inst_t inst, const char *name, uint32_t argc, uint32_t *argv)
{
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 16384);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), argc, argv)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        exit(4);
    }
    wasm_runtime_destroy_exec_env(env);
    return argv[0];
}

int main(int argc, char **argv)
{
    uint32_t setup[1] = { 0 }, lock[1] = { 64 }, park[3] = { 7, 2000000, 0 };
    if (argc < 2 || !wasm_runtime_init()) {
        return 2;
    }
    if (argc > 2) {
        call(make(argv[2]), "setup", 1, setup);
        setup[0] = 0;
    }
    wasm_module_inst_t inst = make(argv[1]);
    uint32_t made = call(inst, "setup", 1, setup);
    uint32_t waited = call(inst, "park_cond", 3, park);
    /* It gave the mutex back, which is there still. */
    uint32_t locked = call(inst, "lock", 1, lock);
    printf("%u %x %u\n", made, waited, locked);
    return 0;
}
