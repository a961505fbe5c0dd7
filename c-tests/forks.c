/* Hosts that fork while their other threads are in a guest, or have it stopped for a checkpoint. The child has none of these
 * threads: it waits for nobody, and what can't be saved any more is refused by name. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "wayfarer.h"

#include "check.h"

#define LEFT_BEHIND "another thread of the host was running the guest when this process was forked"

static struct check_guest_state guest;
static char path[] = "/tmp/c-tests-forks-XXXXXX";

/* What the native function does, once. */
static enum { NOTHING, WAIT, FORK } todo;
/* A thread waits, until another lets it go on. */
static atomic_bool waits, go_on;
static pid_t child;

static void wait_here(void)
{
    waits = true;
    while (!go_on) {
        usleep(1000);
    }
}

static void wait_for_it(void)
{
    while (!waits) {
        usleep(1000);
    }
}

/* Starts a thread, and lets it come to where it waits. */
static bool start(pthread_t *thread, void *(*f)(void *), wasm_module_inst_t inst)
{
    waits = go_on = false;
    if (pthread_create(thread, NULL, f, inst) != 0) {
        return false;
    }
    wait_for_it();
    return true;
}

static void finish(pthread_t thread)
{
    go_on = true;
    pthread_join(thread, NULL);
}

static int32_t tick(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    int now = todo;
    if (n == 5) {
        todo = NOTHING;
    }
    if (n == 5 && now == WAIT) {
        wait_here();
    }
    if (n == 5 && now == FORK) {
        fflush(NULL);
        child = fork();
        if (child == 0) {
            alarm(60);
        }
    }
    return (int32_t)(n * 7);
}

static NativeSymbol symbols[] = { { "tick", (void *)tick, "(I)i", NULL },
                                  { "nested", (void *)tick, "(I)I", NULL } };

static int64_t ticks(wasm_module_inst_t inst)
{
    int64_t n = 40;
    uint32_t argv[2];
    memcpy(argv, &n, sizeof n);
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "ticks"), 2, argv)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        return -1;
    }
    memcpy(&n, argv, sizeof n);
    return n;
}

static void *call_ticks(void *inst)
{
    wasm_runtime_init_thread_env();
    ticks(inst);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

static void *take(void *inst)
{
    wayfarer_report_t report;
    if (wayfarer_checkpoint(inst, NULL, &report, NULL, 0)) {
        wayfarer_image_free((void *)report.image, report.image_size);
    }
    return NULL;
}

static bool save(wasm_module_inst_t inst, wayfarer_writer_t *writer, void *user_data)
{
    (void)inst, (void)writer, (void)user_data;
    wait_here();
    return true;
}

static bool load(wasm_module_inst_t inst, const void *data, size_t size, void *user_data)
{
    (void)inst, (void)data, (void)size, (void)user_data;
    return true;
}

/* Forks. The child fails if it takes long. */
static pid_t fork_child(void)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        wasm_runtime_init_thread_env();
    }
    return pid;
}

/* The child's failures are the test's. */
static void check_child(pid_t pid)
{
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

static void end_child(void)
{
    _exit(check_failures_here ? 1 : 0);
}

TEST(another_thread_was_in_the_guest)
{
    wasm_module_inst_t busy = check_another(&guest), idle = check_another(&guest), fresh = check_another(&guest);
    int64_t expected = ticks(idle);
    pthread_t thread;
    wayfarer_report_t report;
    char error[256] = "";
    todo = WAIT;
    REQUIRE(start(&thread, call_ticks, busy));
    pid_t pid = fork_child();
    if (pid == 0) {
        CHECK(!wayfarer_checkpoint(busy, NULL, &report, error, sizeof error));
        CHECK_HAS(error, LEFT_BEHIND);
        CHECK(wayfarer_checkpoint(idle, NULL, &report, error, sizeof error));
        CHECK_INT(ticks(fresh), expected);
        end_child();
    }
    check_child(pid);
    finish(thread);
    CHECK(wayfarer_checkpoint(busy, NULL, &report, error, sizeof error));
    wayfarer_image_free((void *)report.image, report.image_size);
    wasm_runtime_deinstantiate(busy);
    wasm_runtime_deinstantiate(idle);
    wasm_runtime_deinstantiate(fresh);
}

TEST(another_thread_was_taking_a_checkpoint)
{
    wasm_module_inst_t inst = check_another(&guest), fresh = check_another(&guest);
    int64_t expected = ticks(fresh);
    pthread_t thread;
    REQUIRE(wayfarer_register_state("waits", 1, save, load, NULL));
    REQUIRE(start(&thread, take, inst));
    pid_t pid = fork_child();
    if (pid == 0) {
        wayfarer_report_t report;
        char error[256] = "";
        go_on = true;
        CHECK_INT(ticks(inst), expected);
        CHECK(wayfarer_checkpoint(inst, NULL, &report, error, sizeof error));
        CHECK_STR(error, "");
        CHECK_INT(wayfarer_checkpoint_count(inst), 1);
        end_child();
    }
    check_child(pid);
    finish(thread);
    CHECK(wayfarer_unregister_state("waits"));
    CHECK_INT(ticks(inst), expected);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_deinstantiate(fresh);
}

/* The thread that forks is in the guest in both processes: with each of them it goes on, and can be checkpointed. */
TEST(the_thread_that_forked_is_in_the_guest)
{
    wasm_module_inst_t inst = check_another(&guest), busy = check_another(&guest);
    int64_t expected = ticks(inst);
    wasm_runtime_deinstantiate(inst);
    inst = check_another(&guest);
    pthread_t thread;
    wayfarer_report_t report;
    char error[256] = "";
    todo = WAIT;
    REQUIRE(start(&thread, call_ticks, busy));
    todo = FORK;
    CHECK_INT(ticks(inst), expected);
    CHECK(wayfarer_checkpoint(inst, NULL, &report, error, sizeof error));
    CHECK_STR(error, "");
    if (child == 0) {
        CHECK(!wayfarer_checkpoint(busy, NULL, &report, error, sizeof error));
        CHECK_HAS(error, LEFT_BEHIND);
        end_child();
    }
    wayfarer_image_free((void *)report.image, report.image_size);
    check_child(child);
    finish(thread);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_deinstantiate(busy);
}

/* As the environment orders it: what another thread was doing could not be repeated. In a process of its own. */
static void ordered_by_the_environment(void)
{
    wasm_module_inst_t inst = check_another(&guest), fresh = check_another(&guest), counted = check_another(&guest);
    int64_t expected = ticks(fresh);
    pthread_t thread;
    REQUIRE(wayfarer_register_state("waits", 1, save, load, NULL));
    raise(SIGUSR2);
    REQUIRE(start(&thread, call_ticks, inst));
    pid_t pid = fork_child();
    if (pid == 0) {
        go_on = true;
        FILE *said = tmpfile();
        int before = dup(2);
        dup2(fileno(said), 2);
        raise(SIGUSR2);
        CHECK_INT(ticks(counted), expected);
        dup2(before, 2);
        char text[1024] = "";
        rewind(said);
        CHECK(fread(text, 1, sizeof text - 1, said) > 0);
        CHECK_HAS(text, "no checkpoint taken: " LEFT_BEHIND);
        end_child();
    }
    check_child(pid);
    finish(thread);
    CHECK(wayfarer_unregister_state("waits"));
    CHECK_INT(ticks(counted), expected);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_deinstantiate(fresh);
    wasm_runtime_deinstantiate(counted);
}

TEST(checkpoints_of_the_environment)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        setenv("WAYFARER_CHECKPOINT", path, 1);
        execl("/proc/self/exe", "forks", "environment", NULL);
        _exit(9);
    }
    check_child(pid);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 2)
        || !check_load(&guest, "mix.wasm")) {
        return 2;
    }
    if (argc > 1) {
        ordered_by_the_environment();
        return check_failures_here ? 1 : 0;
    }
    close(mkstemp(path));
    RUN(another_thread_was_in_the_guest);
    RUN(another_thread_was_taking_a_checkpoint);
    RUN(the_thread_that_forked_is_in_the_guest);
    RUN(checkpoints_of_the_environment);
    check_close(&guest);
    unlink(path);
    wasm_runtime_destroy();
    return check_result();
}
