/* Threads of a guest that stand still until the host has them go on, and what it is told of where they are. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "wayfarer.h"

#include "c_api.h"
#include "clock.h"

#define THREADS 8
#define ENOUGH 1024

static struct check_guest_state guest;
static atomic_bool go, here;
/* Readable when `go` is set. */
static int gone[2];

/* Does not care whether somebody wants the thread. */
static int32_t stuck(wasm_exec_env_t env, int32_t n)
{
    (void)env;
    here = true;
    while (!go) {
        pause_for(1);
    }
    return n;
}

/* Is called again if somebody wants it. */
static int32_t wait_for_host(wasm_exec_env_t env)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    here = true;
    while (!go) {
        /* Long: a thread that is not woken fails the test. */
        struct pollfd woken[] = { { wayfarer_wake_fd(inst), POLLIN, 0 }, { gone[0], POLLIN, 0 } };
        poll(woken, 2, 20000);
        if (wayfarer_interrupted(inst)) {
            wayfarer_call_again(env);
            break;
        }
    }
    return 4;
}

static NativeSymbol natives[] = { { "stuck", (void *)stuck, "(i)i", NULL },
                                  { "wait", (void *)wait_for_host, "()i", NULL } };

struct caller {
    pthread_t thread;
    wasm_module_inst_t inst;
    const char *function;
    uint32_t argument, result;
    bool resumes, good;
    atomic_bool done;
};

static void *call(void *arg)
{
    struct caller *caller = arg;
    uint32_t argv[2] = { caller->argument, 0 };
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(caller->inst, 16384);
    wasm_function_inst_t function = wasm_runtime_lookup_function(caller->inst, caller->function);
    uint32_t argc = wasm_func_get_param_count(function, caller->inst);
    caller->good = caller->resumes ? wayfarer_resume(env, argv) : wasm_runtime_call_wasm(env, function, argc, argv);
    caller->result = argv[0];
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    caller->done = true;
    return NULL;
}

static bool start(struct caller *caller, wasm_module_inst_t inst, const char *function, uint32_t argument)
{
    caller->inst = inst;
    caller->function = function;
    caller->argument = argument;
    caller->done = false;
    here = go = false;
    return pthread_create(&caller->thread, NULL, call, caller) == 0;
}

static bool finish(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    return caller->good;
}

/* Waits, not for ever. */
#define UNTIL(condition) \
    for (int waited = 0; waited < 60000 && !(condition); waited++) { \
        pause_for(1); \
    } \
    CHECK(condition)

static volatile uint64_t *counters(wasm_module_inst_t inst)
{
    return wasm_runtime_addr_app_to_native(inst, 0);
}

static void enough(wasm_module_inst_t inst)
{
    counters(inst)[ENOUGH / 8] = 1;
    go = true;
}

static bool start_all(struct caller *callers, wasm_module_inst_t inst)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        if (!start(&callers[i], inst, "count", i)) {
            return false;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        UNTIL(counters(inst)[i] > 0);
    }
    return true;
}

TEST(all_stand_still_and_go_on)
{
    struct caller callers[THREADS] = { 0 }, late = { 0 };
    uint64_t before[THREADS];
    char error[256] = "";
    wayfarer_report_t report = { 0 };
    uint32_t argv[2] = { 0, 0 };
    REQUIRE(check_open(&guest, "counters.wasm", 8192));
    REQUIRE(start_all(callers, guest.inst));
    CHECK(!wayfarer_resume_threads(guest.inst));
    bool suspended = wayfarer_suspend_threads(guest.inst, error, sizeof error);
    CHECK_STR(error, "");
    CHECK(suspended);
    memcpy(before, (void *)counters(guest.inst), sizeof before);

    /* Who comes meanwhile waits, but for this thread: it may do all but call. */
    REQUIRE(start(&late, guest.inst, "one", 0));
    CHECK(!wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK_STR(error, "the program is suspended already");
    CHECK(!check_call(&guest, "one", 0, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: this thread has suspended the program");
    wasm_runtime_clear_exception(guest.inst);
    uint64_t block = wasm_runtime_module_malloc(guest.inst, 100, NULL);
    CHECK(block != 0);
    wasm_runtime_module_free(guest.inst, block);

    /* It can be saved while it stands still. */
    error[0] = '\0';
    CHECK(wayfarer_checkpoint(guest.inst, NULL, &report, error, sizeof error));
    CHECK_STR(error, "");
    pause_for(50);
    CHECK(!late.done);
    CHECK(memcmp(before, (void *)counters(guest.inst), sizeof before) == 0);

    CHECK(wayfarer_resume_threads(guest.inst));
    CHECK(!wayfarer_resume_threads(guest.inst));
    for (int i = 0; i < THREADS; i++) {
        UNTIL(counters(guest.inst)[i] > before[i]);
    }
    CHECK(finish(&late));
    CHECK_INT(late.result, 1);
    enough(guest.inst);
    for (int i = 0; i < THREADS; i++) {
        CHECK(finish(&callers[i]));
    }

    /* All of them are in the image. */
    wasm_module_inst_t restored = wayfarer_restore_from_memory(guest.module, NULL, report.image, report.image_size,
                                                               error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(restored);
    CHECK(memcmp(before, (void *)counters(restored), sizeof before) == 0);
    enough(restored);
    for (uint32_t i = 0; i < THREADS; i++) {
        callers[i].resumes = true;
        CHECK(wayfarer_call_in_progress(restored, NULL));
        REQUIRE(start(&callers[i], restored, "count", i));
        CHECK(finish(&callers[i]));
    }
    CHECK(!wayfarer_call_in_progress(restored, NULL));
    wasm_runtime_deinstantiate(restored);
    wayfarer_image_free((void *)report.image, report.image_size);
    check_close(&guest);
}

TEST(a_checkpoint_may_be_the_end_of_who_stands_still)
{
    struct caller callers[THREADS] = { 0 };
    char error[256] = "";
    wayfarer_checkpoint_args_t args;
    memset(&args, 0, sizeof args);
    args.then = WAYFARER_STOP;
    REQUIRE(check_open(&guest, "counters.wasm", 0));
    REQUIRE(start_all(callers, guest.inst));
    CHECK(wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK(wayfarer_checkpoint(guest.inst, &args, NULL, error, sizeof error));
    CHECK(wayfarer_resume_threads(guest.inst));
    for (int i = 0; i < THREADS; i++) {
        CHECK(!finish(&callers[i]));
    }
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: stopped by checkpoint");
    check_close(&guest);
}

TEST(who_is_terminated_stands_no_longer)
{
    struct caller callers[THREADS] = { 0 };
    char error[256] = "";
    uint32_t argv[1];
    REQUIRE(check_open(&guest, "counters.wasm", 0));
    REQUIRE(start_all(callers, guest.inst));
    CHECK(wayfarer_suspend_threads(guest.inst, error, sizeof error));
    wasm_runtime_terminate(guest.inst);
    for (int i = 0; i < THREADS; i++) {
        CHECK(!finish(&callers[i]));
    }
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: terminated by user");
    CHECK(!wayfarer_resume_threads(guest.inst));
    wasm_runtime_clear_exception(guest.inst);
    CHECK(check_call(&guest, "one", 0, argv));
    check_close(&guest);
}

/* A thread that waits in a native function stands still if the function can be called again. If not, it is named. */
TEST(threads_in_native_functions)
{
    struct caller caller = { 0 }, counting = { 0 };
    char error[256] = "";
    REQUIRE(check_open(&guest, "counters.wasm", 0));
    REQUIRE(start(&caller, guest.inst, "wait", 0));
    UNTIL(here);
    CHECK(wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK_STR(error, "");
    here = false;
    CHECK(wayfarer_resume_threads(guest.inst));
    UNTIL(here);
    go = true;
    CHECK(write(gone[1], "!", 1) == 1);
    CHECK(finish(&caller));
    CHECK_INT(caller.result, 4);

    REQUIRE(start(&counting, guest.inst, "count", 0));
    REQUIRE(start(&caller, guest.inst, "stuck", 0));
    UNTIL(here);
    wayfarer_set_stop_limit(50);
    CHECK(!wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK_STR(error, "a thread that runs the guest is in native function env.stuck, and did not come back within 50ms");
    wayfarer_set_stop_limit(5000);
    CHECK(!wayfarer_resume_threads(guest.inst));
    uint64_t before = counters(guest.inst)[0];
    UNTIL(counters(guest.inst)[0] > before);
    enough(guest.inst);
    CHECK(finish(&caller) && finish(&counting));
    CHECK_INT(caller.result, 3);
    check_close(&guest);
}

static int ends[2];

/* What was written: at least until `part` has come. */
static const char *said(const char *part)
{
    static char text[65536];
    size_t length = 0;
    text[0] = '\0';
    while (!strstr(text, part) && length < sizeof text - 1) {
        struct pollfd readable = { ends[0], POLLIN, 0 };
        ssize_t got = poll(&readable, 1, 20000) == 1 ? read(ends[0], text + length, sizeof text - 1 - length) : 0;
        if (got <= 0) {
            break;
        }
        text[length += (size_t)got] = '\0';
    }
    return text;
}

/* Each line has its function: innermost first, with the place it is at, which is the same in every engine. */
static void check_hung(const char *text)
{
    unsigned at[3] = { 0, 0, 0 };
    const char *stack = strstr(text, "#00");
    CHECK(stack && sscanf(stack, "#00: 0x%x - inner\n#01: 0x%x - middle\n#02: 0x%x - outer\n", &at[0], &at[1], &at[2]) == 3);
    CHECK_HAS(text, " - inner\n");
    CHECK_HAS(text, " - middle\n");
    CHECK_HAS(text, " - outer\n\n");
    CHECK(at[0] > 0 && at[0] < at[1] && at[1] < at[2]);
}

static void on_signal(int signal)
{
    (void)signal;
    if (!wayfarer_dump_stacks_request(guest.inst, ends[1])) {
        _exit(3);
    }
}

TEST(where_a_hung_guest_is)
{
    struct caller caller = { 0 };
    char error[256] = "";
    REQUIRE(pipe(ends) == 0);
    REQUIRE(check_open(&guest, "counters.wasm", 0));
    CHECK(wayfarer_dump_stacks(guest.inst, ends[1], error, sizeof error));
    CHECK_STR(said("\n"), "no thread is in a call\n");
    CHECK(!wayfarer_dump_stacks(guest.inst, 9999, error, sizeof error));
    CHECK_HAS(error, "the stacks cannot be written: ");
    CHECK(!wayfarer_dump_stacks_request(guest.inst, -1));

    REQUIRE(start(&caller, guest.inst, "hang", 0));
    pause_for(20);
    error[0] = '\0';
    /* As often as one likes: it is where it was. */
    for (int i = 0; i < 3; i++) {
        bool dumped = wayfarer_dump_stacks(guest.inst, ends[1], error, sizeof error);
        CHECK_STR(error, "");
        const char *text = dumped ? said("outer\n\n") : "";
        if (strstr(text, "no thread is in a call")) {
            /* It has not begun: a slow machine. */
            pause_for(200), i--;
            continue;
        }
        CHECK_HAS(text, "thread ");
        check_hung(text);
    }
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    check_hung(said("outer\n\n"));
    signal(SIGUSR1, SIG_DFL);
    CHECK(wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK(wayfarer_dump_stacks(guest.inst, ends[1], error, sizeof error));
    check_hung(said("outer\n\n"));
    CHECK(wayfarer_resume_threads(guest.inst));
    enough(guest.inst);
    CHECK(finish(&caller));
    CHECK_INT(caller.result, 7);
    check_close(&guest);
    close(ends[0]);
    close(ends[1]);
}

TEST(where_all_threads_are)
{
    struct caller callers[THREADS] = { 0 }, caller = { 0 };
    char error[256] = "";
    REQUIRE(pipe(ends) == 0);
    REQUIRE(check_open(&guest, "counters.wasm", 0));
    REQUIRE(start_all(callers, guest.inst));
    CHECK(wayfarer_dump_stacks(guest.inst, ends[1], error, sizeof error));
    CHECK_STR(error, "");
    /* All of it is in the pipe. */
    close(ends[1]);
    const char *text = said("never\n");
    int threads = 0;
    for (const char *at = text; (at = strstr(at, "thread ")); at++) {
        threads++;
    }
    CHECK_INT(threads, THREADS);
    close(ends[0]);
    REQUIRE(pipe(ends) == 0);
    /* One that does not come is named, and the others are shown. */
    REQUIRE(start(&caller, guest.inst, "stuck", 0));
    UNTIL(here);
    wayfarer_set_stop_limit(50);
    CHECK(wayfarer_dump_stacks(guest.inst, ends[1], error, sizeof error));
    wayfarer_set_stop_limit(5000);
    text = said("within 50ms");
    CHECK_HAS(text, "thread ");
    CHECK_HAS(text, "#00: 0x");
    CHECK_HAS(text, "a thread that runs the guest is in native function env.stuck, and did not come back within 50ms\n");
    enough(guest.inst);
    for (int i = 0; i < THREADS; i++) {
        CHECK(finish(&callers[i]));
    }
    CHECK(finish(&caller));
    check_close(&guest);
    close(ends[0]);
    close(ends[1]);
}

/* The same by a store of wasm_c_api.h. */
TEST(a_whole_store)
{
    const char *message;
    char error[256] = "";
    REQUIRE(pipe(ends) == 0);
    engine = wasm_engine_new();
    store = wasm_store_new(engine);
    CHECK(!wayfarer_store_suspend_threads(store, error, sizeof error));
    CHECK_STR(error, "the store has no instance");
    wasm_module_t *module = module_of(store, "pure.wasm");
    wasm_instance_t *instance = instance_of(store, module, 0, NULL, &message);
    (void)instance;
    if (instance) {
        error[0] = '\0';
        CHECK(wayfarer_store_suspend_threads(store, error, sizeof error));
        CHECK_STR(error, "");
        CHECK(wayfarer_store_dump_stacks(store, ends[1], error, sizeof error));
        CHECK_STR(said("\n"), "no thread is in a call\n");
        CHECK(wayfarer_store_resume_threads(store));
        CHECK(!wayfarer_store_resume_threads(store));
        wasm_instance_delete(instance);
    }
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    close(ends[0]);
    close(ends[1]);
}

/* As the environment says. In a process of its own. */
static void with_a_limit(void)
{
    struct caller caller = { 0 };
    char error[256] = "";
    REQUIRE(check_open(&guest, "counters.wasm", 0));
    REQUIRE(start(&caller, guest.inst, "stuck", 0));
    UNTIL(here);
    CHECK(!wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK_HAS(error, "did not come back within 20ms");
    go = true;
    CHECK(finish(&caller));
    check_close(&guest);
}

TEST(a_limit_of_the_environment)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("WAYFARER_STOP_LIMIT", "20ms", 1);
        execl("/proc/self/exe", "suspend", "limit", NULL);
        _exit(9);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

int main(int argc, char **argv)
{
    (void)argv;
    alarm(300);
    if (pipe(gone) != 0 || !wasm_runtime_init() || !wasm_runtime_register_natives("env", natives, 2)) {
        return 2;
    }
    if (argc > 1) {
        with_a_limit();
        return check_failures_here ? 1 : 0;
    }
    RUN(a_limit_of_the_environment);
    RUN(all_stand_still_and_go_on);
    RUN(a_checkpoint_may_be_the_end_of_who_stands_still);
    RUN(who_is_terminated_stands_no_longer);
    RUN(threads_in_native_functions);
    RUN(where_a_hung_guest_is);
    RUN(where_all_threads_are);
    RUN(a_whole_store);
    wasm_runtime_destroy();
    return check_result();
}
