/* A host that is asked for a checkpoint before it has loaded its guest, and throws the library's messages away.
 * usage: early GUEST FUNCTION N */
#include <signal.h>

#include "host.h"

int main(int argc, char **argv)
{
    struct sigaction action;
    if (argc != 4 || !wasm_runtime_init()) {
        return 2;
    }
    if (sigaction(SIGUSR2, NULL, &action) != 0) {
        return 2;
    }
    if (getenv("WAYFARER_CHECKPOINT") && !getenv("WAYFARER_CHECKPOINT_EVERY")) {
        /* Hosts in Go insist on the first, all others on the second. */
        if (!(action.sa_flags & SA_ONSTACK) || !(action.sa_flags & SA_RESTART)) {
            return 5;
        }
        raise(SIGUSR2);
    } else if (action.sa_handler != SIG_DFL) {
        return 6;
    }
    wasm_module_t module = host_load(argv[1]);
    wasm_module_inst_t inst = module ? wasm_runtime_instantiate(module, 16384, 0, NULL, 0) : NULL;
    if (!inst) {
        return 3;
    }
    printf("%s: %lld\n", argv[2], (long long)host_call(inst, argv[2], atoll(argv[3])));
    return 0;
}
