/* Deep stacks: captured, and restored in compiled code and in the interpreter, with stacks of the default size; and again
 * while a part of the stack is rebuilt. */
#include <pthread.h>

#include "wayfarer.h"

#include "check.h"
#include "report.h"

static uint32_t deep = 100000;

/* Hops from home to home: at the bottom, and then on the way back. */
enum { HOPS = 5 };

/* The same module for the engines that take over from one another: compiled if the first is, and interpreted. */
static struct check_guest_state homes[2];
static int home_count;

/* At which of the host's calls to ask for a checkpoint (-1: never). */
static int ask_at;
static int calls, expected_calls;
static wayfarer_checkpoint_args_t how;

static void at(wasm_exec_env_t env, int32_t n)
{
    (void)n;
    if (calls++ == ask_at) {
        wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &how, on_done, NULL, NULL, 0);
    }
}

static NativeSymbol symbols[] = { { "at", (void *)at, "(i)", NULL } };

static void begin(int asks, uint32_t then)
{
    forget_done();
    memset(&how, 0, sizeof how);
    how.then = then;
    calls = 0;
    ask_at = asks;
}

static wasm_module_inst_t instance(int home)
{
    struct check_guest_state *guest = &homes[home];
    wasm_module_inst_t inst = wasm_runtime_instantiate(guest->module, 0, 0, guest->error, sizeof guest->error);
    if (!inst) {
        check_failed("instantiate", home);
        fprintf(stderr, "%s\n", guest->error);
    }
    return inst;
}

/* Ends with the checkpoint that was asked for, or with a result. */
static bool call(wasm_module_inst_t inst, const char *name, uint32_t n, int64_t *result)
{
    uint32_t argv[2] = { n };
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    bool ended = wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), 1, argv);
    memcpy(result, argv, sizeof *result);
    return ended;
}

static bool resume(wasm_module_inst_t inst, int64_t *result)
{
    uint32_t argv[2] = { 0 };
    bool ended = wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv);
    memcpy(result, argv, sizeof *result);
    return ended;
}

/* Without any checkpoint; in compiled code, if there is any. */
static int64_t undisturbed(const char *name, uint32_t n)
{
    int64_t result = 0;
    wasm_module_inst_t inst = instance(0);
    begin(-1, WAYFARER_CONTINUE);
    CHECK(call(inst, name, n, &result));
    CHECK(calls > HOPS);
    expected_calls = calls;
    CHECK(wasm_runtime_get_exception(inst) == NULL);
    wasm_runtime_deinstantiate(inst);
    return result;
}

/* Stopped at each of the host's calls in turn, and restored, always in the next home. */
static void from_home_to_home(const char *name, uint32_t n, int64_t expected, int home)
{
    int64_t result = 0;
    int hops = 0;
    wasm_module_inst_t inst = instance(home);
    begin(0, WAYFARER_STOP);
    bool ended = call(inst, name, n, &result);
    while (!ended) {
        CHECK_STR(wasm_runtime_get_exception(inst), "Exception: stopped by checkpoint");
        wasm_runtime_deinstantiate(inst);
        CHECK_STR(done.error, "");
        CHECK_INT(done.calls, ++hops);
        REQUIRE(done.ok && done.image);
        home = (home + 1) % home_count;
        struct check_guest_state *guest = &homes[home];
        inst = wayfarer_restore_from_memory(guest->module, NULL, done.image, done.image_size, guest->error,
                                            sizeof guest->error);
        if (!CHECK(inst != NULL)) {
            fprintf(stderr, "%s\n", guest->error);
            return;
        }
        ask_at = hops < HOPS ? calls : -1;
        ended = resume(inst, &result);
    }
    CHECK(wasm_runtime_get_exception(inst) == NULL);
    CHECK_INT(result, expected);
    CHECK_INT(hops, HOPS);
    /* Each of the host's calls was made once. */
    CHECK_INT(calls, expected_calls);
    wasm_runtime_deinstantiate(inst);
}

/* Checkpoints are taken at each of the host's calls, and the guest goes on in the same process. */
static void and_on(const char *name, uint32_t n, int64_t expected, int home)
{
    int64_t result = 0;
    for (int asks = 0; asks < 4; asks++) {
        wasm_module_inst_t inst = instance(home);
        begin(asks, WAYFARER_CONTINUE);
        CHECK(call(inst, name, n, &result));
        CHECK(wasm_runtime_get_exception(inst) == NULL);
        CHECK_STR(done.error, "");
        CHECK_INT(done.calls, 1);
        CHECK(done.ok);
        CHECK_INT(result, expected);
        wasm_runtime_deinstantiate(inst);
    }
}

static void everything(const char *name, uint32_t n)
{
    int64_t expected = undisturbed(name, n);
    for (int home = 0; home < home_count; home++) {
        from_home_to_home(name, n, expected, home);
        and_on(name, n, expected, home);
    }
}

TEST(twenty_frames)
{
    for (int home = 0; home < home_count; home++) {
        wasm_module_inst_t inst = instance(home);
        int64_t plain = 0, result = 0;
        begin(-1, WAYFARER_CONTINUE);
        CHECK(call(inst, "descend", 19, &plain));
        begin(0, WAYFARER_CONTINUE);
        CHECK(call(inst, "descend", 19, &result));
        CHECK_INT(done.calls, 1);
        CHECK(done.ok);
        CHECK_INT(result, plain);
        wasm_runtime_deinstantiate(inst);
    }
}

TEST(a_hundred_thousand_frames)
{
    everything("descend", deep - 1);
}

TEST(compiled_frames_above_captured_ones)
{
    everything("again", deep - 1);
}

/* More than the interpreter's stacks are large: they are made larger for what comes from elsewhere. */
TEST(large_frames)
{
    if (!check_compiled()) {
        everything("wide", 25000);
        return;
    }
    int64_t expected = undisturbed("wide", deep - 1);
    from_home_to_home("wide", deep - 1, expected, 0);
    and_on("wide", deep - 1, expected, 0);
}

/* What the deepest stack is depends on the engine; wherever it is, it can be captured, and restored in the other. */
TEST(as_deep_as_it_gets)
{
    int64_t result;
    uint32_t depth = 1000;
    wasm_module_inst_t inst = instance(0);
    for (;;) {
        begin(-1, WAYFARER_CONTINUE);
        if (!call(inst, "descend", depth, &result)) {
            CHECK_HAS(wasm_runtime_get_exception(inst), "stack overflow");
            wasm_runtime_clear_exception(inst);
            break;
        }
        depth += depth / 4;
    }
    wasm_runtime_deinstantiate(inst);
    depth -= depth / 5;
    CHECK(depth > deep);
    int64_t expected = undisturbed("descend", depth);
    from_home_to_home("descend", depth, expected, 0);
}

static void *run(void *unused)
{
    (void)unused;
    wasm_runtime_init_thread_env();
    RUN(twenty_frames);
    RUN(a_hundred_thousand_frames);
    RUN(compiled_frames_above_captured_ones);
    RUN(large_frames);
    if (!check_slow()) {
        RUN(as_deep_as_it_gets);
    }
    wasm_runtime_destroy_thread_env();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    if (check_slow()) {
        deep /= 4;
    }
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 1)) {
        return 2;
    }
    if (!check_load(&homes[home_count++], "deep.wasm")) {
        return 2;
    }
    if (check_compiled()) {
        unsetenv("CHECK_COMPILED");
        int loaded = check_load(&homes[home_count++], "deep.wasm");
        setenv("CHECK_COMPILED", "1", 1);
        if (!loaded) {
            return 2;
        }
    }
    /* Compiled frames are on the native stack. The main thread's is what the environment made it. */
    pthread_attr_init(&attr);
    if (pthread_attr_setstacksize(&attr, (size_t)64 << 20) || pthread_create(&thread, &attr, run, NULL)) {
        return 2;
    }
    pthread_join(thread, NULL);
    begin(-1, 0);
    check_close(&homes[0]);
    check_close(&homes[1]);
    wasm_runtime_destroy();
    return check_result();
}
