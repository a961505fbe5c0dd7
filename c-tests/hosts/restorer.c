/* A host that restores its guest by itself, and knows nothing else of checkpoints.
 * usage: restorer GUEST FUNCTION IMAGE */
#include "wayfarer.h"

#include "host.h"

int main(int argc, char **argv)
{
    char error[1024];
    uint32_t cells[2];
    int64_t result;
    if (argc != 4 || !wasm_runtime_init()) {
        return 2;
    }
    wasm_module_t module = host_load(argv[1]);
    wasm_module_inst_t inst =
        module ? wayfarer_restore_from_path(module, NULL, argv[3], error, sizeof error) : NULL;
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 16384);
    if (!wayfarer_resume(env, cells)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        return 4;
    }
    memcpy(&result, cells, sizeof result);
    printf("%s: %lld\n", argv[2], (long long)result);
    return 0;
}
