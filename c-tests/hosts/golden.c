/* The host of images under tests/golden, which are restored by it: what it does in which order is part of them, so add to it and
 * change nothing. golden.sh runs it.
 * usage: golden GUEST WHAT [IMAGE]
 *   history    calls that give and change something, one that fails, allocations before a long call
 *   jobs       an instance for each job, two of them alive when the last one works
 *   native     a native module with state of its own
 *   forks      a child works on, and its parent when it has ended
 *   packed1, packed19, plain, idle
 *              by wayfarer.h: from IMAGE, or until it is there; between two calls, or in one
 *   locked     likewise, with locks on a file that travels */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wayfarer.h"

static uint8_t bytes[65536];
static wasm_module_t module;
static char error[512];

/* A pseudo-random sequence, whose place in the sequence is its state. */
static uint64_t device = 42;
static const char *image;
static int level, served;

static void written(wasm_module_inst_t inst, const wayfarer_report_t *report, void *user_data)
{
    (void)inst, (void)user_data;
    if (!report->ok) {
        fprintf(stderr, "%s\n", report->error);
        exit(5);
    }
}

static void fill(wayfarer_checkpoint_args_t *args)
{
    memset(args, 0, sizeof *args);
    args->path = image;
    args->compression_level = level;
    args->then = WAYFARER_STOP;
}

static int64_t next(wasm_exec_env_t env)
{
    wayfarer_checkpoint_args_t args;
    if (image && ++served == 20) {
        fill(&args);
        wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &args, written, NULL, NULL, 0);
    }
    device = device * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(device >> 33);
}

static int32_t read_nothing(wasm_exec_env_t env, uint8_t *to, uint32_t size)
{
    (void)env, (void)to, (void)size;
    return 0;
}

static NativeSymbol symbols[] = { { "next", (void *)next, "()I", NULL },
                                  { "read", (void *)read_nothing, "(*~)i", NULL } };

static bool save(wasm_module_inst_t inst, wayfarer_writer_t *writer, void *user_data)
{
    (void)inst;
    wayfarer_write(writer, user_data, sizeof device);
    return true;
}

static bool restore(wasm_module_inst_t inst, const void *data, size_t size, void *user_data)
{
    (void)inst;
    memcpy(user_data, data, size);
    return size == sizeof device;
}

static wasm_module_inst_t make(uint32_t heap)
{
    wasm_module_inst_t inst = wasm_runtime_instantiate(module, 16384, heap, error, sizeof error);
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        exit(3);
    }
    return inst;
}

static uint32_t call(wasm_module_inst_t inst, const char *name, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t argv[3] = { a, b, c };
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    wasm_function_inst_t function = wasm_runtime_lookup_function(inst, name);
    if (!wasm_runtime_call_wasm(env, function, wasm_func_get_param_count(function, inst), argv)) {
        fprintf(stderr, "%s: %s\n", name, wasm_runtime_get_exception(inst));
        exit(4);
    }
    return argv[0];
}

static uint32_t sum_of(wasm_module_inst_t inst, uint32_t at, uint32_t size)
{
    const uint8_t *there = wasm_runtime_addr_app_to_native(inst, at);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < size; i++) {
        sum = sum * 31 + there[i];
    }
    return sum;
}

static void history(void)
{
    wasm_module_inst_t inst = make(32768);
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    printf("seed %x\n", call(inst, "seed", 5, 0, 0));
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "pristine"), 0, NULL)) {
        printf("%s\n", wasm_runtime_get_exception(inst));
        wasm_runtime_clear_exception(inst);
    }
    void *native;
    uint32_t scratch = (uint32_t)wasm_runtime_module_malloc(inst, 100, NULL);
    uint32_t text = (uint32_t)wasm_runtime_module_malloc(inst, 1000, &native);
    memset(native, 'x', 1000);
    wasm_runtime_module_free(inst, scratch);
    uint32_t copy = (uint32_t)wasm_runtime_module_dup_data(inst, "more data", 10);
    printf("short call %x, text %x\n", call(inst, "scramble", text, 1000, 2), sum_of(inst, text, 1000));
    printf("long call %x\n", call(inst, "scramble", text, 1000, 50));
    printf("text %x, copy %s\n", sum_of(inst, text, 1000), (char *)wasm_runtime_addr_app_to_native(inst, copy));
    wasm_runtime_module_free(inst, copy);
    wasm_runtime_module_free(inst, text);
    printf("seed %x\n", call(inst, "seed", 7, 0, 0));
    wasm_runtime_deinstantiate(inst);
}

static void jobs(void)
{
    wasm_module_inst_t first = make(8192);
    for (uint32_t job = 1; job <= 3; job++) {
        wasm_module_inst_t inst = make(8192);
        memset(wasm_runtime_addr_app_to_native(inst, 1024), (int)job, 64);
        printf("job %u: %x", job, call(inst, "scramble", 1024, 64, 10 * job));
        printf(" %x, first %x\n", sum_of(inst, 1024, 64), call(first, "seed", job, 0, 0));
        wasm_runtime_deinstantiate(inst);
    }
    printf("first %x\n", call(first, "scramble", 1024, 64, 30));
    wasm_runtime_deinstantiate(first);
}

static int forks(void)
{
    wasm_module_inst_t inst = make(8192);
    printf("seed %x\n", call(inst, "seed", 5, 0, 0));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("child %x", call(inst, "scramble", 1024, 64, 50));
        printf(" %x\n", sum_of(inst, 1024, 64));
        fflush(stdout);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("parent %x\n", call(inst, "scramble", 1024, 64, 2));
    wasm_runtime_deinstantiate(inst);
    return WEXITSTATUS(status);
}

static int64_t drain(wasm_module_inst_t inst, int64_t n)
{
    uint32_t argv[2];
    memcpy(argv, &n, sizeof n);
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "drain"), 2, argv)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        exit(strstr(wasm_runtime_get_exception(inst), "stopped by checkpoint") ? 86 : 4);
    }
    memcpy(&n, argv, sizeof n);
    return n;
}

static void native(void)
{
    wasm_module_inst_t inst = make(0);
    printf("drained %llx\n", (unsigned long long)drain(inst, 50));
    printf("and more %llx, device %llx\n", (unsigned long long)drain(inst, 10), (unsigned long long)device);
    wasm_runtime_deinstantiate(inst);
}

/* Three pages that can be compressed. */
static void by_api(bool between_calls)
{
    wasm_module_inst_t inst;
    int64_t sum;
    if (access(image, R_OK) == 0) {
        device = 7;
        inst = wayfarer_restore_from_path(module, NULL, image, error, sizeof error);
        image = NULL;
        if (!inst || wayfarer_call_in_progress(inst, NULL) == between_calls) {
            fprintf(stderr, "%s\n", error);
            exit(3);
        }
        if (!between_calls) {
            if (!wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), (uint32_t *)&sum)) {
                exit(4);
            }
            printf("drained %llx\n", (unsigned long long)sum);
        }
        printf("checkpoints %llu\n", (unsigned long long)wayfarer_checkpoint_count(inst));
    } else {
        inst = make(8192);
        uint8_t *there = wasm_runtime_addr_app_to_native(inst, 16384);
        for (uint32_t i = 0; i < 3 * 4096; i++) {
            there[i] = (uint8_t)(i / 7);
        }
        if (!between_calls) {
            drain(inst, 50);
            exit(5);
        }
        const char *path = image;
        wayfarer_checkpoint_args_t args;
        fill(&args);
        image = NULL;
        drain(inst, 5);
        args.path = path;
        if (!wayfarer_checkpoint(inst, &args, NULL, error, sizeof error)) {
            fprintf(stderr, "%s\n", error);
            exit(5);
        }
        exit(86);
    }
    printf("memory %x, more %llx\n", sum_of(inst, 16384, 3 * 4096), (unsigned long long)drain(inst, 10));
    wasm_runtime_deinstantiate(inst);
}

static int32_t lock(wasm_exec_env_t env, uint32_t fd, uint32_t kind, uint64_t start, uint64_t len)
{
    return wayfarer_lock_file(wasm_runtime_get_module_inst(env), fd, kind, start, len, error, sizeof error);
}

static NativeSymbol locks[] = { { "lock", (void *)lock, "(iiII)i", NULL } };

static bool guest_locks(wasm_module_inst_t inst, uint32_t fd, uint32_t kind, uint32_t start, uint32_t len)
{
    uint32_t argv[] = { fd, kind, start, 0, len, 0 };
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    return wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "lock"), 6, argv) && argv[0];
}

/* What another could lock of the file: nothing, only to read, or all of it. */
static const char *open_to_others(const char *path, off_t at)
{
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
    int fd = open(path, O_RDWR);
    const char *what = "to write";
    if (fcntl(fd, F_OFD_SETLK, &range) != 0) {
        range.l_type = F_RDLCK;
        what = fcntl(fd, F_OFD_SETLK, &range) == 0 ? "to read" : "to nobody";
    }
    close(fd);
    return what;
}

/* The file is in a folder of its own, which is empty when it is restored. */
static void locked(void)
{
    static char folder[] = "/tmp/golden-XXXXXX";
    static char map[64], path[64];
    static const char *maps[] = { map }, *files[] = { "carry" };
    struct InstantiationArgs2 *args = NULL;
    wasm_module_inst_t inst;
    if (!mkdtemp(folder) || !wasm_runtime_instantiation_args_create(&args)) {
        exit(2);
    }
    snprintf(map, sizeof map, "/::%s", folder);
    snprintf(path, sizeof path, "%s/file", folder);
    wasm_runtime_instantiation_args_set_wasi_dir(args, NULL, 0, maps, 1);
    if (access(image, R_OK) != 0) {
        inst = wasm_runtime_instantiate_ex2(module, args, error, sizeof error);
        uint32_t fd = inst ? call(inst, "open", 0, 0, 0) : 0;
        wayfarer_checkpoint_args_t order;
        if (fd != 4 || !guest_locks(inst, fd, 1, 0, 0) || !guest_locks(inst, fd, 2, 10, 5)
            || !guest_locks(inst, fd, 0, 100, 0)) {
            fprintf(stderr, "descriptor %u: %s\n", fd, error);
            exit(4);
        }
        fill(&order);
        order.files = files;
        order.file_count = 1;
        if (!wayfarer_checkpoint(inst, &order, NULL, error, sizeof error)) {
            fprintf(stderr, "%s\n", error);
            exit(5);
        }
    } else {
        inst = wayfarer_restore_from_path(module, args, image, error, sizeof error);
        if (!inst) {
            fprintf(stderr, "%s\n", error);
            rmdir(folder);
            exit(3);
        }
        printf("open %s, %s, %s\n", open_to_others(path, 0), open_to_others(path, 12), open_to_others(path, 100));
        printf("unlocked %d, open %s\n", guest_locks(inst, 4, 0, 0, 0), open_to_others(path, 12));
        image = NULL;
    }
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_instantiation_args_destroy(args);
    unlink(path);
    rmdir(folder);
    if (image) {
        exit(86);
    }
}

int main(int argc, char **argv)
{
    FILE *file = argc >= 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || !wasm_runtime_init() || !wasm_runtime_register_natives("device", symbols, 2)
        || !wasm_runtime_register_natives("env", locks, 1)) {
        return 2;
    }
    uint32_t size = (uint32_t)fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    module = wasm_runtime_load(bytes, size, error, sizeof error);
    const char *what = argv[2];
    if (!module) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    if (strcmp(what, "history") == 0) {
        history();
    } else if (strcmp(what, "jobs") == 0) {
        jobs();
    } else if (strcmp(what, "forks") == 0) {
        return forks();
    } else if (strcmp(what, "locked") == 0) {
        image = argc == 4 ? argv[3] : "";
        locked();
    } else {
        if (!wayfarer_register_state("device", 1, save, restore, &device)) {
            return 2;
        }
        image = argc == 4 ? argv[3] : NULL;
        level = strcmp(what, "packed1") == 0 ? 1 : strcmp(what, "packed19") == 0 ? 19 : 0;
        if (image) {
            by_api(strcmp(what, "idle") == 0);
        } else {
            native();
        }
    }
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return 0;
}
