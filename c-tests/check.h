/* What every test program shares: checks that say where they failed, guests from files, and output caught.
 *
 * A program has functions TEST(name) and runs each by RUN(name) in main, which ends with `return check_result();`. */
#ifndef CHECK_H
#define CHECK_H

#include <dirent.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wasm_export.h"

static const char *check_name;
static int check_failures_here;
static int check_failures;

#define TEST(name) static void name(void)
#define RUN(name) check_run(#name, name)

#define CHECK(condition) check_that((condition) ? 1 : 0, __FILE__, __LINE__, #condition)
#define CHECK_INT(actual, expected) \
    check_int((long long)(actual), (long long)(expected), __FILE__, __LINE__, #actual)
#define CHECK_STR(actual, expected) check_str((actual), (expected), __FILE__, __LINE__, #actual)
#define CHECK_HAS(text, part) check_has((text), (part), __FILE__, __LINE__, #text)

/* Whether native functions can have vectors among their parameters and results. */
#if defined(__x86_64__) || defined(__aarch64__)
#define CHECK_VECTORS_IN_NATIVES 1
#else
#define CHECK_VECTORS_IN_NATIVES 0
#endif

/* For what a test cannot go on without. */
#define REQUIRE(condition) \
    do { \
        if (!check_that((condition) ? 1 : 0, __FILE__, __LINE__, #condition)) { \
            return; \
        } \
    } while (0)

/* Every program includes this; not every one uses all of it. */
#define CHECK_UNUSED __attribute__((unused)) static

CHECK_UNUSED void check_failed(const char *file, int line)
{
    fprintf(stderr, "%s:%d: in %s: ", file, line, check_name ? check_name : "main");
    check_failures_here++;
}

CHECK_UNUSED int check_that(int holds, const char *file, int line, const char *what)
{
    if (!holds) {
        check_failed(file, line);
        fprintf(stderr, "not true: %s\n", what);
    }
    return holds;
}

CHECK_UNUSED int check_int(long long actual, long long expected, const char *file, int line, const char *what)
{
    if (actual != expected) {
        check_failed(file, line);
        fprintf(stderr, "%s is %lld, not %lld\n", what, actual, expected);
    }
    return actual == expected;
}

CHECK_UNUSED int check_str(const char *actual, const char *expected, const char *file, int line,
                           const char *what)
{
    int equal = actual && expected ? strcmp(actual, expected) == 0 : actual == expected;
    if (!equal) {
        check_failed(file, line);
        fprintf(stderr, "%s is \"%s\", not \"%s\"\n", what, actual ? actual : "(NULL)",
                expected ? expected : "(NULL)");
    }
    return equal;
}

CHECK_UNUSED int check_has(const char *text, const char *part, const char *file, int line, const char *what)
{
    int has = text && strstr(text, part);
    if (!has) {
        check_failed(file, line);
        fprintf(stderr, "%s is \"%s\", without \"%s\"\n", what, text ? text : "(NULL)", part);
    }
    return has;
}

CHECK_UNUSED void check_run(const char *name, void (*test)(void))
{
    check_name = name;
    check_failures_here = 0;
    test();
    fflush(stdout);
    fflush(stderr);
    printf("%s %s\n", check_failures_here ? "FAIL" : "ok  ", name);
    fflush(stdout);
    check_failures += check_failures_here;
    check_name = NULL;
}

CHECK_UNUSED int check_result(void)
{
    return check_failures ? 1 : 0;
}

/* Whether guests are compiled: files NAME.wasm are asked for, and NAME.aot are taken. */
CHECK_UNUSED int check_compiled(void)
{
    return getenv("CHECK_COMPILED") != NULL;
}

/* A file of the folder that GUESTS names, in memory that the caller frees. Ends the program if there is none. */
CHECK_UNUSED uint8_t *check_guest(const char *name, uint32_t *size)
{
    char path[4096];
    const char *suffix = strrchr(name, '.');
    int compiled = check_compiled() && suffix && strcmp(suffix, ".wasm") == 0;
    snprintf(path, sizeof path, "%s/%.*s%s", getenv("GUESTS") ? getenv("GUESTS") : ".",
             compiled ? (int)(suffix - name) : (int)strlen(name), name, compiled ? ".aot" : "");
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    uint8_t *bytes = (uint8_t *)malloc((size_t)length);
    if (!bytes || fread(bytes, 1, (size_t)length, file) != (size_t)length) {
        perror(path);
        exit(2);
    }
    fclose(file);
    *size = (uint32_t)length;
    return bytes;
}

/* A loaded module, and its instance if it has one. */
struct check_guest_state {
    uint8_t *bytes;
    uint32_t size;
    wasm_module_t module;
    wasm_module_inst_t inst;
    wasm_exec_env_t env;
    char error[256];
};

/* Loads a guest, without an instance. */
CHECK_UNUSED int check_load(struct check_guest_state *guest, const char *name)
{
    memset(guest, 0, sizeof *guest);
    guest->bytes = check_guest(name, &guest->size);
    guest->module = wasm_runtime_load(guest->bytes, guest->size, guest->error, sizeof guest->error);
    if (!guest->module) {
        check_failed(name, 0);
        fprintf(stderr, "%s\n", guest->error);
    }
    return guest->module != NULL;
}

/* Makes an instance and an exec env of a loaded guest. */
CHECK_UNUSED int check_instantiate(struct check_guest_state *guest, uint32_t heap_size)
{
    guest->inst = wasm_runtime_instantiate(guest->module, 16384, heap_size, guest->error, sizeof guest->error);
    guest->env = guest->inst ? wasm_runtime_create_exec_env(guest->inst, 16384) : NULL;
    if (!guest->env) {
        check_failed("instantiate", 0);
        fprintf(stderr, "%s\n", guest->error);
    }
    return guest->env != NULL;
}

/* Another instance of a loaded guest. Ends the program if there can be none. */
CHECK_UNUSED wasm_module_inst_t check_another(struct check_guest_state *guest)
{
    wasm_module_inst_t inst = wasm_runtime_instantiate(guest->module, 16384, 0, guest->error, sizeof guest->error);
    if (!inst) {
        check_failed("instantiate", 0);
        fprintf(stderr, "%s\n", guest->error);
        exit(2);
    }
    return inst;
}

/* Loads and instantiates it. */
CHECK_UNUSED int check_open(struct check_guest_state *guest, const char *name, uint32_t heap_size)
{
    return check_load(guest, name) && check_instantiate(guest, heap_size);
}

CHECK_UNUSED void check_close(struct check_guest_state *guest)
{
    if (guest->env) {
        wasm_runtime_destroy_exec_env(guest->env);
    }
    if (guest->inst) {
        wasm_runtime_deinstantiate(guest->inst);
    }
    if (guest->module) {
        wasm_runtime_unload(guest->module);
    }
    free(guest->bytes);
    memset(guest, 0, sizeof *guest);
}

/* Calls an export. False, with a failed check, if there is no such function; otherwise as wasm_runtime_call_wasm. */
CHECK_UNUSED int check_call(struct check_guest_state *guest, const char *name, uint32_t argc, uint32_t *argv)
{
    wasm_function_inst_t function = wasm_runtime_lookup_function(guest->inst, name);
    if (!function) {
        check_failed(name, 0);
        fprintf(stderr, "no such function\n");
        return 0;
    }
    return wasm_runtime_call_wasm(guest->env, function, argc, argv);
}

/* What this process has that a leak would make more of. */
struct check_usage {
    /* Bytes from malloc; 0 under sanitizers, which have reports of their own. */
    size_t bytes;
    int mappings;
    int descriptors;
};

CHECK_UNUSED struct check_usage check_usage(void)
{
    struct check_usage usage = { 0 };
    FILE *maps = fopen("/proc/self/maps", "r");
    for (int c; maps && (c = getc(maps)) != EOF;) {
        usage.mappings += c == '\n';
    }
    if (maps) {
        fclose(maps);
    }
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) {
        usage.descriptors++;
    }
    if (folder) {
        closedir(folder);
    }
    struct mallinfo2 heap = mallinfo2();
    usage.bytes = heap.uordblks + heap.hblkhd;
    return usage;
}

/* That there is no more of anything than there was. */
#define CHECK_USAGE(before) check_same_usage((before), __FILE__, __LINE__)
CHECK_UNUSED void check_same_usage(struct check_usage before, const char *file, int line)
{
    struct check_usage now = check_usage();
    /* What glibc keeps for the next allocation counts, and parts of its heap come and go as mappings. */
    if (now.bytes > before.bytes + 49152 || now.mappings > before.mappings + (before.bytes ? 2 : 32)
        || now.descriptors > before.descriptors) {
        check_failed(file, line);
        fprintf(stderr, "%zu bytes, %d mappings, %d descriptors; before: %zu, %d, %d\n", now.bytes, now.mappings,
                now.descriptors, before.bytes, before.mappings, before.descriptors);
    }
}

/* Whether this program runs under something that makes it many times slower. */
CHECK_UNUSED int check_slow(void)
{
    return getenv("CHECK_SLOW") != NULL;
}

CHECK_UNUSED bool check_asked(const char *variable)
{
    const char *value = getenv(variable);
    return value && strcmp(value, "0") != 0;
}

/* How often something is done: `sample` times, or thrice that if WAYFARER_TEST_FULL is set, or `full` times, which takes
 * minutes, if WAYFARER_TEST_LONG is. */
CHECK_UNUSED int check_effort(int sample, int full)
{
    if (check_slow()) {
        return sample / 10;
    }
    if (check_asked("WAYFARER_TEST_LONG")) {
        return full;
    }
    int thrice = 3 * sample;
    return !check_asked("WAYFARER_TEST_FULL") ? sample : thrice < full ? thrice : full;
}

/* Catches what is printed to stdout, by whomever, until check_caught. */
static int check_stdout = -1;
static FILE *check_file;

CHECK_UNUSED void check_catch(void)
{
    fflush(stdout);
    check_stdout = dup(1);
    check_file = tmpfile();
    if (!check_file || dup2(fileno(check_file), 1) < 0) {
        perror("tmpfile");
        exit(2);
    }
}

/* What was printed since check_catch; valid until the next call. */
CHECK_UNUSED const char *check_caught(void)
{
    static char text[65536];
    fflush(stdout);
    dup2(check_stdout, 1);
    close(check_stdout);
    rewind(check_file);
    size_t length = fread(text, 1, sizeof text - 1, check_file);
    text[length] = '\0';
    fclose(check_file);
    return text;
}

#endif
