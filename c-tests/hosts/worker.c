/* A host that forks: the child runs the guest, and is asked for a checkpoint; the parent is not.
 * usage: worker GUEST FUNCTION N WHEN; WHEN: whether the instance is made "before" the fork or "after" it, or another
 * one was "used" before; "idle": as "before", and nobody asks. */
#include <signal.h>
#include <sys/wait.h>

#include "host.h"

int main(int argc, char **argv)
{
    if (argc != 5 || !wasm_runtime_init()) {
        return 2;
    }
    const char *when = argv[4];
    wasm_module_t module = host_load(argv[1]);
    wasm_module_inst_t inst = NULL;
    if (strcmp(when, "after") != 0) {
        inst = wasm_runtime_instantiate(module, 16384, 0, NULL, 0);
    }
    if (strcmp(when, "used") == 0) {
        host_call(inst, argv[2], 10);
        wasm_runtime_deinstantiate(inst);
        inst = NULL;
    }
    pid_t child = fork();
    if (child == 0) {
        if (!inst) {
            inst = wasm_runtime_instantiate(module, 16384, 0, NULL, 0);
        }
        wasm_runtime_init_thread_env();
        int64_t result = host_call(inst, argv[2], atoll(argv[3]));
        printf("child: %lld\n", (long long)result);
        fflush(stdout);
        _exit(0);
    }
    if (strcmp(when, "idle") != 0) {
        kill(child, SIGUSR2);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) {
        return 5;
    }
    printf("child ended: %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    if (inst && strcmp(when, "idle") != 0) {
        printf("parent: %lld\n", (long long)host_call(inst, argv[2], 10));
    }
    return 0;
}
