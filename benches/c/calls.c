/* What a call costs through the C API: from the host into the guest, and from the guest to a native function of the host's.
 * Prints CPU time a call, in nanoseconds: the median of some rounds.
 *
 * usage: calls MODULE     (calls.wat as .wasm, or as .aot) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wasm_export.h"

enum { CALLS = 1000000, ROUNDS = 9 };

static wasm_exec_env_t env;
static wasm_function_inst_t add, run;

static int32_t native_add(wasm_exec_env_t exec_env, int32_t a, int32_t b)
{
    (void)exec_env;
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static NativeSymbol symbols[] = { { "add", (void *)native_add, "(ii)i", NULL } };

static void fail(const char *why)
{
    fprintf(stderr, "calls: %s\n", why);
    exit(1);
}

static void must_be_right(uint32_t sum)
{
    if (sum != 3u * CALLS) {
        fail("the sum is wrong");
    }
}

static void to_guest(void)
{
    uint32_t argv[2] = { 0, 3 };
    for (int i = 0; i < CALLS; i++) {
        if (!wasm_runtime_call_wasm(env, add, 2, argv)) {
            fail("add");
        }
        argv[1] = 3;
    }
    must_be_right(argv[0]);
}

static void to_host(void)
{
    uint32_t argv[1] = { CALLS };
    if (!wasm_runtime_call_wasm(env, run, 1, argv)) {
        fail("run");
    }
    must_be_right(argv[0]);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *what, void (*calls)(void))
{
    double times[ROUNDS];
    calls();
    for (int i = 0; i < ROUNDS; i++) {
        double start = cpu_seconds();
        calls();
        times[i] = cpu_seconds() - start;
    }
    qsort(times, ROUNDS, sizeof *times, compare);
    printf("%-40s%8.1f\n", what, 1e9 * times[ROUNDS / 2] / CALLS);
}

static uint8_t *read_file(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    static uint8_t bytes[1 << 20];
    if (!file) {
        fail("the module cannot be opened");
    }
    *size = (uint32_t)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return bytes;
}

int main(int argc, char *argv[])
{
    char error[128];
    uint32_t size;
    if (argc != 2) {
        fail("usage: calls MODULE");
    }
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 1)) {
        fail("the runtime cannot be initialized");
    }
    uint8_t *bytes = read_file(argv[1], &size);
    wasm_module_t module = wasm_runtime_load(bytes, size, error, sizeof error);
    if (!module) {
        fail(error);
    }
    wasm_module_inst_t instance = wasm_runtime_instantiate(module, 64 << 10, 0, error, sizeof error);
    if (!instance) {
        fail(error);
    }
    env = wasm_runtime_create_exec_env(instance, 64 << 10);
    add = wasm_runtime_lookup_function(instance, "add");
    run = wasm_runtime_lookup_function(instance, "run");
    if (!env || !add || !run) {
        fail("a function is missing");
    }
    measure("host to guest", to_guest);
    measure("guest to native function", to_host);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(instance);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return 0;
}
