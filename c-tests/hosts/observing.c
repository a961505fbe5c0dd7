/* A host that looks at its guest, and changes it, between its calls. Knows nothing of checkpoints.
 * usage: observing GUEST WHAT ROUNDS   (WHAT: memory, global, enlarge, heap, table, jobs, functions, overlap, beside) */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasm_export.h"

static uint8_t bytes[1 << 16];
static wasm_module_t module;
static wasm_module_inst_t inst;
static wasm_exec_env_t env;

static int32_t same(wasm_exec_env_t e, int32_t n)
{
    (void)e;
    return n;
}

static int32_t second(wasm_exec_env_t e, int32_t n, int32_t m)
{
    (void)e, (void)n;
    return m;
}

static void nothing(wasm_exec_env_t e)
{
    (void)e;
}

static NativeSymbol symbols[] = { { "pure", (void *)same, "(i)i", NULL },
                                  { "back", (void *)second, "(ii)i", NULL },
                                  { "counted", (void *)same, "(i)i", NULL },
                                  { "log", (void *)nothing, "(i)", NULL },
                                  { "end", (void *)nothing, "()", NULL },
                                  { "wait", (void *)same, "(i)i", NULL },
                                  { "beside", (void *)same, "(i)i", NULL } };

static void make(void)
{
    char error[256];
    inst = wasm_runtime_instantiate(module, 65536, 8192, error, sizeof error);
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        exit(3);
    }
    env = wasm_runtime_create_exec_env(inst, 65536);
}

static void unmake(void)
{
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
}

static uint32_t call_in(wasm_exec_env_t e, const char *name, uint32_t argc, uint32_t *cells)
{
    wasm_module_inst_t i = wasm_runtime_get_module_inst(e);
    if (!wasm_runtime_call_wasm(e, wasm_runtime_lookup_function(i, name), argc, cells)) {
        fprintf(stderr, "%s: %s\n", name, wasm_runtime_get_exception(i));
        exit(4);
    }
    return cells[0];
}

static uint32_t call(const char *name, uint32_t argc, uint32_t *cells)
{
    return call_in(env, name, argc, cells);
}

/* Writes to memory; where it wrote last. */
static uint32_t work(wasm_exec_env_t e, uint32_t n)
{
    uint32_t cells[6] = { n, 1, 2, 0, 0, 0 };
    return call_in(e, "work", 6, cells);
}

static int calls = 200, rounds_each = 50;
static pthread_barrier_t both_are_there;

static void many_calls(wasm_exec_env_t e)
{
    pthread_barrier_wait(&both_are_there);
    for (int i = 0; i < calls; i++) {
        work(e, (uint32_t)rounds_each);
    }
}

static void *in_a_thread(void *e)
{
    wasm_runtime_init_thread_env();
    many_calls(e);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

static void *end_later(void *ended)
{
    usleep(300000);
    wasm_runtime_terminate(ended);
    return NULL;
}

int main(int argc, char **argv)
{
    char error[256];
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    if (!file || !wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, sizeof symbols / sizeof *symbols)) {
        return 2;
    }
    uint32_t rounds = (uint32_t)atoi(argv[3]), cells[8] = { 0 };
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    module = wasm_runtime_load(bytes, size, error, sizeof error);
    if (!module) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    const char *what = argv[2];
    make();
    if (!strcmp(what, "memory")) {
        /* What a call left in memory is looked at before the next one. */
        uint64_t sum = 0, there;
        for (int i = 0; i < 5; i++) {
            uint32_t at = work(env, i == 3 ? rounds : 10);
            memcpy(&there, wasm_runtime_addr_app_to_native(inst, at), sizeof there);
            sum = sum * 31 + there;
            printf("%d: %llx\n", i, (unsigned long long)there);
        }
        printf("sum %llx\n", (unsigned long long)sum);
    } else if (!strcmp(what, "global")) {
        wasm_global_inst_t global;
        wasm_runtime_get_export_global_inst(inst, "seed", &global);
        for (int i = 0; i < 3; i++) {
            *(uint32_t *)global.global_data = 4711u + (uint32_t)i;
            printf("%x\n", work(env, rounds));
            printf("%x\n", *(uint32_t *)global.global_data);
        }
    } else if (!strcmp(what, "enlarge")) {
        for (int i = 0; i < 3; i++) {
            printf("%d\n", wasm_runtime_enlarge_memory(inst, 1));
            printf("%x, %llu pages\n", work(env, rounds),
                   (unsigned long long)wasm_memory_get_cur_page_count(wasm_runtime_get_default_memory(inst)));
        }
    } else if (!strcmp(what, "heap")) {
        uint64_t blocks[4] = { 0 };
        for (uint32_t i = 0; i < 12; i++) {
            wasm_runtime_module_free(inst, blocks[i % 4]);
            blocks[i % 4] = wasm_runtime_module_malloc(inst, 100 + 10 * i, NULL);
            printf("%llx %x\n", (unsigned long long)blocks[i % 4], work(env, rounds / 10));
        }
    } else if (!strcmp(what, "table")) {
        for (uint32_t i = 0; i < 4; i++) {
            wasm_table_inst_t table;
            wasm_runtime_get_export_table_inst(inst, "functions", &table);
            printf("%u %d\n", table.cur_size, wasm_table_get_func_inst(inst, &table, 4) != NULL);
            work(env, rounds);
            if (i == 1) {
                printf("%u\n", call("more_functions", 0, cells));
            }
        }
    } else if (!strcmp(what, "jobs")) {
        /* An instance for each job. */
        unmake();
        for (uint32_t job = 1; job <= 4; job++) {
            make();
            memset(wasm_runtime_addr_app_to_native(inst, 1024), (int)job, 64);
            cells[0] = 1024, cells[1] = 64;
            call("sum_of", 2, cells);
            printf("job %u: %x %x", job, cells[0], work(env, rounds * job));
            printf(" %x\n", *(uint32_t *)wasm_runtime_addr_app_to_native(inst, 1024));
            unmake();
        }
        make();
    } else if (!strcmp(what, "functions")) {
        cells[0] = 2;
        uint32_t function = call("function", 1, cells);
        printf("function %u\n", function);
        for (int i = 0; i < 3; i++) {
            cells[0] = function, cells[1] = 5, cells[2] = rounds;
            printf("%x\n", call("apply", 3, cells));
        }
    } else if (!strcmp(what, "ended")) {
        /* A thread ends a call. With EARLY, which stands for a busy machine, it does so before the call begins. */
        pthread_t thread;
        printf("%x\n", work(env, 10));
        if (getenv("EARLY")) {
            wasm_runtime_terminate(inst);
        } else {
            pthread_create(&thread, NULL, end_later, inst);
        }
        wasm_function_inst_t spin = wasm_runtime_lookup_function(inst, "marks_and_spins");
        bool ok = wasm_runtime_call_wasm(env, spin, 0, NULL);
        printf("%d %s\n", ok, wasm_runtime_get_exception(inst));
        wasm_runtime_clear_exception(inst);
        if (!getenv("EARLY")) {
            pthread_join(thread, NULL);
        }
        printf("%d\n", *(int *)wasm_runtime_addr_app_to_native(inst, 500));
        printf("%x\n", work(env, rounds));
    } else if (!strcmp(what, "overlap")) {
        /* Two threads in one instance, and then a long call. */
        wasm_exec_env_t other = wasm_runtime_create_exec_env(inst, 65536);
        pthread_t thread;
        /* For so long that they meet, however busy the machine is. */
        calls = 20000, rounds_each = 10;
        pthread_barrier_init(&both_are_there, NULL, 2);
        pthread_create(&thread, NULL, in_a_thread, other);
        many_calls(env);
        pthread_join(thread, NULL);
        wasm_runtime_destroy_exec_env(other);
        cells[0] = rounds;
        printf("%x\n", call("natives", 1, cells));
    } else if (!strcmp(what, "beside")) {
        /* Another thread with another instance, all the time. */
        wasm_module_inst_t first = inst;
        wasm_exec_env_t other = env;
        pthread_t thread;
        pthread_barrier_init(&both_are_there, NULL, 1);
        make();
        pthread_create(&thread, NULL, in_a_thread, other);
        for (int i = 0; i < 50; i++) {
            printf("%x\n", work(env, rounds));
        }
        pthread_join(thread, NULL);
        printf("%x\n", work(other, 10));
        wasm_runtime_destroy_exec_env(other);
        wasm_runtime_deinstantiate(first);
    } else {
        return 2;
    }
    unmake();
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return 0;
}
