/* A host with a thread that waits for its input, and with output in several buffers.
 * usage: reader GUEST FUNCTION N LOG */
#include <pthread.h>
#include <signal.h>

#include "host.h"

static void *read_input(void *nothing)
{
    char line[100];
    while (fgets(line, sizeof line, stdin)) {
        printf("%s", line);
    }
    return nothing;
}

static void *hold(void *file)
{
    flockfile(file);
    for (;;) {
        pause();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc != 5 || !wasm_runtime_init()) {
        return 2;
    }
    FILE *log = fopen(argv[4], "w");
    /* Another one, which a thread holds for good but has nothing in it. */
    FILE *held = fopen("/dev/null", "w");
    if (!log || !held || pthread_create(&thread, NULL, read_input, NULL) != 0 ||
        pthread_create(&thread, NULL, hold, held) != 0) {
        return 2;
    }
    /* Both wait by then. */
    usleep(100000);
    printf("standard output");
    fprintf(log, "the log");
    wasm_module_t module = host_load(argv[1]);
    wasm_module_inst_t inst = module ? wasm_runtime_instantiate(module, 16384, 0, NULL, 0) : NULL;
    if (!inst) {
        return 3;
    }
    printf("%s: %lld\n", argv[2], (long long)host_call(inst, argv[2], atoll(argv[3])));
    fflush(NULL);
    return 0;
}
