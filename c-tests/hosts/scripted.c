/* A host that does random things, the same ones for the same seed, and prints all it sees. It knows nothing of
 * checkpoints, but that its native module may save its state.
 *
 * usage: scripted run SEED GUESTS SUFFIX LOG INPUT   does them; guests are GUESTS/NAME.SUFFIX, LOG is what guests print to
 *        scripted drive SEED COUNT GUESTS SCRATCH    runs COUNT of them, each undisturbed, and stopped and restored, and
 *                                                    compares: prints a line for each difference, and one that counts */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wasm_export.h"
#include "wayfarer.h"

/* Random numbers: splitmix64. */
typedef struct {
    uint64_t state;
} Random;

static uint64_t next(Random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t below(Random *random, uint32_t n)
{
    return (uint32_t)(next(random) % n);
}

/* What is seen goes to standard output at once, or to a thread's own text, which is printed when it ends. */
typedef struct {
    Random random;
    char *text;
    size_t length, room;
} Script;

__attribute__((format(printf, 2, 3))) static void see(Script *script, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (!script->text) {
        fputs(line, stdout);
        return;
    }
    if (script->length + (size_t)n + 1 > script->room) {
        script->room = 2 * script->room + (size_t)n + 1;
        script->text = realloc(script->text, script->room);
    }
    memcpy(script->text + script->length, line, (size_t)n + 1);
    script->length += (size_t)n;
}

enum { GENERAL, WASI, MODULES };

static const char *const module_names[MODULES] = { "scripted", "scripted_wasi" };
static wasm_module_t modules[MODULES];
static int log_fd;
static void *context_key;
static uint32_t counter;
/* A script that forks has guests that leave nothing outside: what a child did, or its parent, is done again when the other
 * one is restored. */
static bool forks;

typedef struct {
    wasm_module_inst_t inst;
    wasm_exec_env_t env;
    int module;
    uint64_t allocated[4];
    uint32_t object; /* index of the last externref it was given */
} Guest;

static char objects[16];

/* Native functions. */
static int32_t pure(wasm_exec_env_t env, int32_t n)
{
    (void)env;
    return n * 2654435761u >> 7;
}

static int32_t back(wasm_exec_env_t env, int32_t n, int32_t depth)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    const char *name = depth > 0 ? "calls_back" : "natives";
    uint32_t cells[2] = { 1 + (uint32_t)n % 3, (uint32_t)depth - 1 };
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), depth > 0 ? 2 : 1, cells)) {
        return -1;
    }
    return (int32_t)cells[0];
}

static int32_t counted(wasm_exec_env_t env, int32_t n)
{
    (void)env;
    counter = counter * 3 + (uint32_t)n;
    return (int32_t)counter;
}

static void log_number(wasm_exec_env_t env, int32_t n)
{
    char line[32];
    (void)env;
    int length = snprintf(line, sizeof line, "%d\n", n);
    if (write(log_fd, line, (size_t)length) != length) {
        abort();
    }
}

/* Waits for a while, or until the runtime wants the thread. */
static int32_t wait_a_little(wasm_exec_env_t env, int32_t n)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    struct pollfd wake = { wayfarer_wake_fd(inst), POLLIN, 0 };
    poll(&wake, wake.fd >= 0, 2);
    if (wayfarer_interrupted(inst)) {
        wayfarer_call_again(env);
        return -1;
    }
    return n * 7;
}

typedef struct {
    wasm_module_inst_t inst;
    uint32_t cells[1];
} Beside;

static void *call_beside(void *argument)
{
    Beside *beside = argument;
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(beside->inst, 65536);
    wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(beside->inst, "double"), 1, beside->cells);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

/* While it waits, another thread calls the same instance. */
static int32_t beside(wasm_exec_env_t env, int32_t n)
{
    Beside other = { wasm_runtime_get_module_inst(env), { (uint32_t)n } };
    pthread_t thread;
    pthread_create(&thread, NULL, call_beside, &other);
    pthread_join(thread, NULL);
    return (int32_t)other.cells[0];
}

static void end(wasm_exec_env_t env)
{
    wasm_runtime_terminate(wasm_runtime_get_module_inst(env));
}

static NativeSymbol symbols[] = {
    { "pure", (void *)pure, "(i)i", NULL },       { "back", (void *)back, "(ii)i", NULL },
    { "counted", (void *)counted, "(i)i", NULL }, { "log", (void *)log_number, "(i)", NULL },
    { "end", (void *)end, "()", NULL },           { "wait", (void *)wait_a_little, "(i)i", NULL },
    { "beside", (void *)beside, "(i)i", NULL },
};

static bool save_counter(wasm_module_inst_t inst, wayfarer_writer_t *writer, void *data)
{
    (void)inst;
    wayfarer_write(writer, data, sizeof counter);
    return true;
}

static bool restore_counter(wasm_module_inst_t inst, const void *saved, size_t size, void *data)
{
    (void)inst;
    if (size == sizeof counter) {
        memcpy(data, saved, size);
    }
    return size == sizeof counter;
}

static uint64_t hash(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint64_t sum = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ at[i]) * 1099511628211u;
    }
    return sum;
}

static uint8_t *read_file(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    if (file) {
        fseek(file, 0, SEEK_END);
        *size = (uint32_t)ftell(file);
        rewind(file);
        bytes = malloc(*size);
        if (fread(bytes, 1, *size, file) != *size) {
            *size = 0;
        }
        fclose(file);
    }
    return bytes;
}

/* One way to call, of three; prints what comes of it. Cells are arguments, and then results. */
static bool call(Script *script, Guest *guest, const char *name, uint32_t argc, uint32_t *cells, uint32_t results)
{
    wasm_function_inst_t function = wasm_runtime_lookup_function(guest->inst, name);
    if (!function) {
        see(script, "no %s\n", name);
        return false;
    }
    bool ok = wasm_runtime_call_wasm(guest->env, function, argc, cells);
    see(script, "%s: %d", name, ok);
    for (uint32_t i = 0; ok && i < results; i++) {
        see(script, " %x", cells[i]);
    }
    const char *exception = wasm_runtime_get_exception(guest->inst);
    see(script, "%s%s\n", exception ? " " : "", exception ? exception : "");
    if (exception) {
        if (guest->module == WASI) {
            see(script, "status %u\n", wasm_runtime_get_wasi_exit_code(guest->inst));
        }
        wasm_runtime_clear_exception(guest->inst);
    }
    return ok;
}

static void look_at_memory(Script *script, Guest *guest)
{
    wasm_memory_inst_t memory = wasm_runtime_get_default_memory(guest->inst);
    uint64_t size = wasm_memory_get_cur_page_count(memory) * wasm_memory_get_bytes_per_page(memory);
    see(script, "memory: %llu bytes, %016llx\n", (unsigned long long)size,
        (unsigned long long)hash(wasm_memory_get_base_address(memory), size));
}

static void look_at_globals(Script *script, Guest *guest)
{
    wasm_global_inst_t global;
    int64_t sum = 0;
    if (wasm_runtime_get_export_global_inst(guest->inst, "sum", &global)) {
        memcpy(&sum, global.global_data, sizeof sum);
        see(script, "sum %llx\n", (unsigned long long)sum);
    }
    if (wasm_runtime_get_export_global_inst(guest->inst, "seed", &global)) {
        see(script, "seed %x\n", *(uint32_t *)global.global_data);
    }
}

static void look_at_table(Script *script, Guest *guest)
{
    wasm_table_inst_t table;
    if (!wasm_runtime_get_export_table_inst(guest->inst, "functions", &table)) {
        return;
    }
    see(script, "table %u:", table.cur_size);
    for (uint32_t i = 0; i < table.cur_size; i++) {
        wasm_function_inst_t f = wasm_table_get_func_inst(guest->inst, &table, i);
        uint32_t cells[1] = { 9 };
        if (f && wasm_runtime_call_indirect(guest->env, i, 1, cells)) {
            see(script, " %x", cells[0]);
        } else {
            see(script, " -");
            wasm_runtime_clear_exception(guest->inst);
        }
    }
    see(script, "\n");
}

static void *end_soon(void *inst)
{
    usleep(20000);
    wasm_runtime_terminate(inst);
    return NULL;
}

static void use_general(Script *script, Guest *guest)
{
    Random *random = &script->random;
    uint32_t cells[8] = { 0 }, n = 1 + below(random, 200), what = below(random, 26);
    /* Not in threads: the counter and numbers of objects are the process's, and who comes first is not certain. */
    if ((script->text && (what == 9 || what == 12)) || ((script->text || forks) && what == 13)) {
        what = 0;
    }
    switch (what) {
    case 0 ... 3: {
        float b = (float)below(random, 1000) / 7;
        double c = below(random, 1000) * 1.5;
        int64_t a = (int64_t)next(random);
        cells[0] = n * (below(random, 8) ? 1 : 50);
        memcpy(cells + 1, &a, 8);
        memcpy(cells + 3, &b, 4);
        memcpy(cells + 4, &c, 8);
        if (call(script, guest, "work", 6, cells, 1)) {
            uint64_t there;
            memcpy(&there, wasm_runtime_addr_app_to_native(guest->inst, cells[0]), 8);
            see(script, "there %llx\n", (unsigned long long)there);
        }
        break;
    }
    case 4: {
        wasm_val_t args[2] = { { .kind = WASM_I32, .of.i32 = (int32_t)below(random, 8000) },
                               { .kind = WASM_I32, .of.i32 = (int32_t)n } };
        wasm_val_t results[1] = { { .kind = WASM_I64 } };
        bool ok = wasm_runtime_call_wasm_a(guest->env, wasm_runtime_lookup_function(guest->inst, "sum_of"), 1,
                                           results, 2, args);
        see(script, "sum_of: %d %llx\n", ok, (unsigned long long)results[0].of.i64);
        break;
    }
    case 5:
        for (int i = 0; i < 4; i++) {
            cells[i] = (uint32_t)next(random);
        }
        cells[4] = n;
        call(script, guest, "vector", 5, cells, 4);
        break;
    case 6 ... 7:
        cells[0] = below(random, 6);
        if (call(script, guest, "function", 1, cells, 1)) {
            cells[1] = n;
            cells[2] = below(random, 50);
            call(script, guest, "apply", 3, cells, 1);
        }
        break;
    case 8:
        call(script, guest, "more_functions", 0, cells, 1);
        break;
    case 9: {
        void *object = objects + below(random, 15);
        memcpy(cells, &object, sizeof object);
        cells[2] = below(random, 3) == 0;
        wasm_function_inst_t f = wasm_runtime_lookup_function(guest->inst, "object");
        bool ok = wasm_runtime_call_wasm(guest->env, f, 3, cells);
        memcpy(&object, cells, sizeof object);
        see(script, "object %d %d\n", ok, (int)((char *)object - objects));
        wasm_externref_obj2ref(guest->inst, object, &guest->object);
        ok = wasm_runtime_call_wasm(guest->env, wasm_runtime_lookup_function(guest->inst, "kept_object"), 0, cells);
        memcpy(&object, cells, sizeof object);
        see(script, "kept %d %d, number %u\n", ok, object ? (int)((char *)object - objects) : -1, guest->object);
        break;
    }
    case 10:
        cells[0] = n;
        call(script, guest, "natives", 1, cells, 1);
        break;
    case 11:
        cells[0] = 1 + n % 5;
        cells[1] = below(random, 3);
        call(script, guest, "calls_back", 2, cells, 1);
        break;
    case 12:
        cells[0] = n % 20 + 1;
        call(script, guest, "counts", 1, cells, 1);
        see(script, "counter %x\n", counter);
        break;
    case 13:
        cells[0] = n % 10 + 1;
        call(script, guest, "logs", 1, cells, 0);
        break;
    case 14:
        cells[0] = n;
        call(script, guest, "trap", 1, cells, 1);
        break;
    case 15:
        cells[0] = n;
        call(script, guest, "stopped", 1, cells, 0);
        break;
    case 16:
        cells[0] = below(random, 3);
        call(script, guest, "grow", 1, cells, 1);
        break;
    case 17:
        call(script, guest, "later", 0, cells, 0);
        break;
    case 18:
        see(script, "enlarge %d\n", wasm_runtime_enlarge_memory(guest->inst, below(random, 3)));
        break;
    case 19: {
        wasm_global_inst_t global;
        if (wasm_runtime_get_export_global_inst(guest->inst, "seed", &global)) {
            *(uint32_t *)global.global_data = (uint32_t)next(random);
        }
        break;
    }
    case 20: {
        uint8_t *to = wasm_runtime_addr_app_to_native(guest->inst, 512 + below(random, 3000));
        for (uint32_t i = 0; i < n; i++) {
            to[i] = (uint8_t)next(random);
        }
        break;
    }
    case 21:
        if (below(random, 4) == 0) {
            pthread_t ends;
            pthread_create(&ends, NULL, end_soon, guest->inst);
            call(script, guest, "spin", 0, cells, 0);
            pthread_join(ends, NULL);
        }
        break;
    case 22:
        wasm_runtime_set_exception(guest->inst, "set by the host");
        call(script, guest, "double", 1, cells, 1);
        break;
    case 25:
        /* From then on there are no checkpoints. */
        if (below(random, 6) == 0) {
            cells[0] = n;
            call(script, guest, "overlaps", 1, cells, 1);
        }
        break;
    case 24:
        cells[0] = n % 4;
        call(script, guest, "waits", 1, cells, 1);
        break;
    case 23:
        if (below(random, 2)) {
            wasm_runtime_terminate(guest->inst);
        }
        call(script, guest, "double", 1, cells, 1);
        break;
    }
}

static void use_wasi(Script *script, Guest *guest)
{
    Random *random = &script->random;
    uint32_t cells[4] = { 0 };
    switch (below(random, 8)) {
    case 0 ... 2:
        cells[0] = 1 + below(random, 12);
        call(script, guest, "say", 1, cells, 1);
        break;
    case 3 ... 5:
        cells[0] = below(random, 60);
        if (call(script, guest, "keep", 1, cells, 1)) {
            see(script, "kept %s\n", (char *)wasm_runtime_addr_app_to_native(guest->inst, cells[0]));
        }
        break;
    case 6:
        call(script, guest, "hear", 0, cells, 1);
        break;
    case 7:
        if (below(random, 4) == 0) {
            cells[0] = below(random, 100);
            call(script, guest, "leave", 1, cells, 0);
        }
        break;
    }
}

/* What hosts do between calls. */
static void tend(Script *script, Guest *guest)
{
    Random *random = &script->random;
    switch (below(random, 10)) {
    case 0 ... 1: {
        uint32_t i = below(random, 4);
        if (guest->allocated[i]) {
            wasm_runtime_module_free(guest->inst, guest->allocated[i]);
            guest->allocated[i] = 0;
        } else {
            void *native = NULL;
            uint32_t size = 1 + below(random, 300);
            guest->allocated[i] = wasm_runtime_module_malloc(guest->inst, size, &native);
            if (native) {
                memset(native, (int)below(random, 256), size);
            }
        }
        see(script, "allocated %llx %s\n", (unsigned long long)guest->allocated[i],
            wasm_runtime_get_exception(guest->inst) ? wasm_runtime_get_exception(guest->inst) : "");
        break;
    }
    case 2: {
        char text[40];
        snprintf(text, sizeof text, "text %u", below(random, 1000));
        uint64_t at = wasm_runtime_module_dup_data(guest->inst, text, strlen(text) + 1);
        see(script, "copied to %llx: %s\n", (unsigned long long)at,
            at ? (char *)wasm_runtime_addr_app_to_native(guest->inst, at) : "");
        break;
    }
    case 3:
        look_at_globals(script, guest);
        break;
    case 4:
        look_at_table(script, guest);
        break;
    case 5: {
        uint64_t value = next(random) | 1;
        void *before = wasm_runtime_get_context(guest->inst, context_key);
        wasm_runtime_set_context(guest->inst, context_key, (void *)(uintptr_t)value);
        see(script, "context %llx\n", (unsigned long long)(uintptr_t)before);
        break;
    }
    case 6: {
        wasm_runtime_destroy_exec_env(guest->env);
        guest->env = wasm_runtime_create_exec_env(guest->inst, 65536);
        break;
    }
    case 7: {
        uint32_t length = 0;
        const uint8_t *section = wasm_runtime_get_custom_section(modules[guest->module], "name", &length);
        see(script, "custom section %d\n", section != NULL);
        break;
    }
    default:
        look_at_memory(script, guest);
    }
}

static bool make(Script *script, Guest *guest)
{
    char error[256];
    memset(guest, 0, sizeof *guest);
    guest->module = forks || below(&script->random, 4) ? GENERAL : WASI;
    uint32_t heap = below(&script->random, 3) ? 8192 : 0;
    guest->inst = wasm_runtime_instantiate(modules[guest->module], 65536, heap, error, sizeof error);
    if (!guest->inst) {
        fprintf(stderr, "%s\n", error);
        exit(3);
    }
    guest->env = wasm_runtime_create_exec_env(guest->inst, 65536);
    return true;
}

static void unmake(Guest *guest)
{
    wasm_runtime_destroy_exec_env(guest->env);
    wasm_runtime_deinstantiate(guest->inst);
    guest->inst = NULL;
}

static void use(Script *script, Guest *guest)
{
    if (below(&script->random, 3) == 0) {
        tend(script, guest);
    } else if (guest->module == GENERAL) {
        use_general(script, guest);
    } else {
        use_wasi(script, guest);
    }
}

typedef struct {
    Script script;
    Guest guest;
    int turns;
} Worker;

static void *work(void *argument)
{
    Worker *worker = argument;
    wasm_runtime_init_thread_env();
    for (int i = 0; i < worker->turns; i++) {
        use(&worker->script, &worker->guest);
    }
    wasm_runtime_destroy_thread_env();
    return NULL;
}

/* Two threads, each with an instance of its own. */
static void two_threads(Script *script)
{
    Worker workers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        workers[i] = (Worker){ .script = { .random = { next(&script->random) }, .text = calloc(1, 1), .room = 1 },
                               .turns = 3 + (int)below(&script->random, 6) };
        do {
            if (workers[i].guest.inst) {
                unmake(&workers[i].guest);
            }
            make(script, &workers[i].guest);
        } while (workers[i].guest.module != GENERAL);
    }
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        see(script, "thread %d\n%s", i, workers[i].script.text);
        free(workers[i].script.text);
        unmake(&workers[i].guest);
    }
}

/* A child that has its own way with a guest, and tells what it saw. One that was stopped leaves, and its parent with it. */
static void in_a_child(Script *script, Guest *guest)
{
    Script own = { .random = { next(&script->random) }, .text = calloc(1, 1), .room = 1 };
    int turns = 1 + (int)below(&script->random, 6), pipe_fds[2], status = 0;
    char text[256];
    ssize_t n;
    fflush(NULL);
    if (pipe(pipe_fds)) {
        abort();
    }
    pid_t child = fork();
    if (child == 0) {
        close(pipe_fds[0]);
        for (int i = 0; i < turns; i++) {
            use(&own, guest);
        }
        look_at_memory(&own, guest);
        if (write(pipe_fds[1], own.text, own.length) != (ssize_t)own.length) {
            _exit(9);
        }
        _exit(0);
    }
    close(pipe_fds[1]);
    while ((n = read(pipe_fds[0], text, sizeof text - 1)) > 0) {
        text[n] = 0;
        see(script, "%s", text);
    }
    close(pipe_fds[0]);
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 86) {
        fflush(stdout);
        _exit(86);
    }
    see(script, "child: %x\n", status);
    free(own.text);
}

static int run(char **argv)
{
    static Guest guests[4];
    Script script = { .random = { strtoull(argv[2], NULL, 10) } };
    char error[256], path[4096];
    uint8_t *binaries[MODULES];
    log_fd = open(argv[5], O_WRONLY | O_APPEND);
    int input = open(argv[6], O_RDONLY), turns = 20 + (int)below(&script.random, 60);
    forks = below(&script.random, 4) == 0;
    if (log_fd < 0 || input < 0 || !wasm_runtime_init() ||
        !wasm_runtime_register_natives("env", symbols, sizeof symbols / sizeof *symbols)) {
        return 2;
    }
    /* What the library logs has the time in it. */
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_FATAL);
    wayfarer_register_state("counter", 1, save_counter, restore_counter, &counter);
    context_key = wasm_runtime_create_context_key(NULL);
    for (int i = 0; i < MODULES; i++) {
        uint32_t size = 0;
        snprintf(path, sizeof path, "%s/%s.%s", argv[3], module_names[i], argv[4]);
        binaries[i] = read_file(path, &size);
        modules[i] = wasm_runtime_load(binaries[i], size, error, sizeof error);
        if (!modules[i]) {
            fprintf(stderr, "%s: %s\n", path, error);
            return 2;
        }
    }
    wasm_runtime_set_wasi_args_ex(modules[WASI], NULL, 0, NULL, 0, NULL, 0, NULL, 0, input, log_fd, log_fd);
    for (int i = 0; i < turns; i++) {
        Guest *guest = &guests[below(&script.random, 4)];
        see(&script, "%d ", i);
        if (!guest->inst) {
            make(&script, guest);
            see(&script, "made %s\n", module_names[guest->module]);
        } else if (below(&script.random, 12) == 0) {
            unmake(guest);
            see(&script, "unmade\n");
        } else if (below(&script.random, 40) == 0) {
            see(&script, "threads\n");
            two_threads(&script);
        } else if (forks && below(&script.random, 15) == 0) {
            see(&script, "forks\n");
            in_a_child(&script, guest);
        } else {
            use(&script, guest);
        }
    }
    for (int i = 0; i < 4; i++) {
        if (guests[i].inst) {
            look_at_memory(&script, &guests[i]);
            look_at_globals(&script, &guests[i]);
            unmake(&guests[i]);
        }
    }
    see(&script, "counter %x\n", counter);
    wasm_runtime_destroy_context_key(context_key);
    for (int i = 0; i < MODULES; i++) {
        wasm_runtime_unload(modules[i]);
        free(binaries[i]);
    }
    wasm_runtime_destroy();
    return 0;
}

#include "drive.h"

int main(int argc, char **argv)
{
    if (argc == 7 && !strcmp(argv[1], "run")) {
        return run(argv);
    }
    if (argc == 6 && !strcmp(argv[1], "drive")) {
        return drive(argv);
    }
    return 2;
}
