/* Mutexes, condition variables, semaphores and keys of guests: several threads of the host in one instance, each in an exec env of its
 * own. What the functions return, in which order threads go on, and that all of it is as it was behind a checkpoint, in this engine and
 * in the other. WAYFARER_TEST_LONG=1: more and longer. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "wayfarer.h"

#include "check.h"
#include "clock.h"

#define MUTEX 64
#define CONDITION 68
#define SEMAPHORE 72
#define GATE 76
#define ROOM 200
#define LATE 110

static int32_t call(struct check_guest_state *guest, const char *name, int argc, const int32_t *args)
{
    uint32_t argv[3] = { 0 };
    for (int i = 0; i < argc; i++) {
        argv[i] = (uint32_t)args[i];
    }
    return check_call(guest, name, (uint32_t)argc, argv) ? (int32_t)argv[0] : -1000;
}

#define CALL(name, ...) call(&guest, name, sizeof((int32_t[]){ __VA_ARGS__ }) / 4, (int32_t[]){ __VA_ARGS__ })
#define ASK(name) call(&guest, name, 0, NULL)

/* ---- what the functions return ---- */

TEST(mutexes_do_what_their_kind_says)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "pthreads.wasm", 0));
    CHECK_INT(CALL("lock", ROOM), -1);
    CHECK_INT(CALL("init", ROOM, 0), 0);
    CHECK_INT(CALL("load", ROOM), 1);
    CHECK_INT(CALL("lock", ROOM), 0);
    CHECK_INT(CALL("unlock", ROOM), 0);
    /* Nobody asks whose it is. */
    CHECK_INT(CALL("unlock", ROOM), 0);
    CHECK_INT(CALL("lock", ROOM), 0);
    CHECK_INT(CALL("destroy", ROOM), -1);
    CHECK_INT(CALL("lock", ROOM), -1);
    CHECK_INT(CALL("destroy", ROOM), -1);
    CHECK_INT(CALL("init", 0, 0), 0);
    CHECK_INT(CALL("lock", 0), -1);
    for (int kind = 1; kind <= 2; kind++) {
        CHECK_INT(CALL("setup", kind), 0);
        CHECK_INT(CALL("unlock", MUTEX), -1);
        CHECK_INT(CALL("lock", MUTEX), 0);
        CHECK_INT(CALL("lock", MUTEX), kind == 1 ? 0 : -1);
        CHECK_INT(CALL("unlock", MUTEX), 0);
        CHECK_INT(CALL("unlock", MUTEX), kind == 1 ? 0 : -1);
        CHECK_INT(CALL("unlock", MUTEX), -1);
        CHECK_INT(CALL("wait", CONDITION, MUTEX), -1);
        CHECK_INT(CALL("destroy", MUTEX), 0);
    }
    uint32_t argv[2] = { 65534, 0 };
    CHECK(!check_call(&guest, "lock", 1, argv));
    CHECK_HAS(wasm_runtime_get_exception(guest.inst), "out of bounds memory access");
    wasm_runtime_clear_exception(guest.inst);
    check_close(&guest);
}

TEST(conditions_and_semaphores_return_what_upstream_s_do)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "pthreads.wasm", 0));
    CHECK_INT(CALL("setup", 0), 0);
    CHECK_INT(CALL("signal", MUTEX), -1);
    CHECK_INT(CALL("wait", MUTEX, MUTEX), -1);
    CHECK_INT(CALL("wait", CONDITION, CONDITION), -1);
    CHECK_INT(CALL("signal", CONDITION), 0);
    CHECK_INT(CALL("broadcast", CONDITION), 0);
    CHECK_INT(CALL("lock", MUTEX), 0);
    CHECK_INT(CALL("late", CONDITION, MUTEX), LATE);
    CHECK_INT(CALL("unlock", MUTEX), 0);
    CHECK_INT(CALL("cond_destroy", CONDITION), 0);
    CHECK_INT(CALL("cond_destroy", CONDITION), -1);

    int32_t one = CALL("load", SEMAPHORE), gate = CALL("load", GATE);
    CHECK(one > 0 && gate > 0 && one != gate);
    CHECK_INT(CALL("open", 128, 0, 7), one);
    /* A slash in front says nothing. */
    CHECK_INT(CALL("open", 129, 0, 7), one);
    CHECK_INT(CALL("trywait", one), -1);
    CHECK_INT(CALL("post", one), 0);
    CHECK_INT(CALL("post", one), 0);
    CHECK_INT(CALL("sem_wait", one), 0);
    CHECK_INT(CALL("getvalue", one, ROOM), 0);
    CHECK_INT(CALL("load", ROOM), 1);
    CHECK_INT(CALL("trywait", one), 0);
    CHECK_INT(CALL("close", one), 0);
    CHECK_INT(CALL("post", one), -1);
    CHECK_INT(CALL("close", one), -1);
    CHECK_INT(CALL("open", 128, 0, 0), one);
    CHECK_INT(CALL("unlink", 128), 0);
    CHECK_INT(CALL("unlink", 128), -1);
    CHECK_INT(CALL("post", one), -1);
    CHECK_INT(CALL("open", 128, 0, 0), -1);
    CHECK_INT(CALL("open", 128, 64, -1), -1);
    CHECK_INT(CALL("open", 0, 64, 0), -1);
    int32_t most = CALL("open", 128, 64, INT32_MAX);
    CHECK(most > 0 && most != one);
    CHECK_INT(CALL("post", most), -1);
    /* What is no semaphore, or none any more. */
    CHECK_INT(CALL("post", CALL("load", MUTEX)), -1);
    CHECK_INT(CALL("post", 0), -1);
    CHECK_INT(CALL("getvalue", 77, ROOM), -1);
    check_close(&guest);
}

TEST(keys_have_a_value_for_each_thread)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "pthreads.wasm", 0));
    CHECK_INT(CALL("set", 0, 5), -1);
    CHECK_INT(CALL("get", 0), 0);
    for (int key = 0; key < 32; key++) {
        CHECK_INT(CALL("key_create", ROOM), 0);
        CHECK_INT(CALL("load", ROOM), key);
    }
    CHECK_INT(CALL("key_create", ROOM), -1);
    CHECK_INT(CALL("set", 31, 77), 0);
    CHECK_INT(CALL("get", 31), 77);
    CHECK_INT(CALL("get", 30), 0);
    CHECK_INT(CALL("get", 32), 0);
    wasm_exec_env_t first = guest.env;
    guest.env = wasm_runtime_create_exec_env(guest.inst, 16384);
    CHECK_INT(CALL("get", 31), 0);
    wasm_runtime_destroy_exec_env(guest.env);
    guest.env = first;
    CHECK_INT(CALL("key_delete", 31), 0);
    CHECK_INT(CALL("key_delete", 31), -1);
    CHECK_INT(CALL("key_create", ROOM), 0);
    CHECK_INT(CALL("get", 31), 0);
    check_close(&guest);
}

TEST(aligned_memory_comes_from_the_guest_s_heap)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "pthreads.wasm", 8192));
    CHECK_INT(CALL("memalign", ROOM, 100), 0);
    CHECK(CALL("load", ROOM) > 0);
    CHECK_INT(CALL("memalign", ROOM, 1 << 20), -1);
    CHECK_INT(CALL("load", ROOM), 0);
    check_close(&guest);
}

/* ---- threads ---- */

#define MOST 8

struct caller {
    pthread_t thread;
    wasm_module_inst_t inst;
    const char *name;
    int32_t me;
    int64_t how;
    bool resumes, good;
    int32_t result;
    double ended;
    atomic_int tid;
    atomic_bool done;
};

static void *run(void *arg)
{
    struct caller *caller = arg;
    uint32_t argv[3] = { (uint32_t)caller->me };
    memcpy(argv + 1, &caller->how, sizeof caller->how);
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(caller->inst, 16384);
    caller->tid = gettid();
    caller->good = caller->resumes ? wayfarer_resume(env, argv)
                                   : wasm_runtime_call_wasm(
                                         env, wasm_runtime_lookup_function(caller->inst, caller->name), 3, argv);
    caller->result = (int32_t)argv[0];
    caller->ended = now();
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    caller->done = true;
    return NULL;
}

static void start(struct caller *caller, wasm_module_inst_t inst, const char *name, int32_t me, int64_t how)
{
    *caller = (struct caller){ .inst = inst, .name = name, .me = me, .how = how };
    CHECK_INT(pthread_create(&caller->thread, NULL, run, caller), 0);
}

/* Continues all calls that were in progress, each in a thread of its own, and waits until each is. */
static void go_on(struct caller *callers, int count, wasm_module_inst_t inst)
{
    for (int i = 0; i < count; i++) {
        callers[i] = (struct caller){ .inst = inst, .resumes = true };
        CHECK_INT(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
    }
    while (wayfarer_call_in_progress(inst, NULL)) {
        pause_for(1);
    }
}

/* Starts a thread, and waits until it has begun, as so many have then, and sleeps: there is nothing else that it would sleep for. */
static void park(struct check_guest_state *guest, struct caller *caller, const char *name, int32_t me, int64_t how,
                 int begun)
{
    start(caller, guest->inst, name, me, how);
    for (int asleep = 0; asleep < 5 && !caller->done;) {
        pause_for(5);
        bool has_begun = call(guest, "begun", 0, NULL) == begun;
        asleep = has_begun && caller->tid && sleeps(caller->tid) ? asleep + 1 : 0;
    }
    CHECK(!caller->done);
}

static void until_left(struct check_guest_state *guest, int count)
{
    double begun = now();
    while (call(guest, "left", 0, NULL) < count && now() - begun < 60) {
        pause_for(1);
    }
    CHECK_INT(call(guest, "left", 0, NULL), count);
}

/* The guest as the other engine runs it, or as this one does where there is no other. */
static int load_other(struct check_guest_state *other)
{
    char path[4096];
    bool compiled = check_compiled();
    snprintf(path, sizeof path, "%s/pthreads.aot", getenv("GUESTS") ? getenv("GUESTS") : ".");
    unsetenv("CHECK_COMPILED");
    int loaded = check_load(other, compiled || access(path, R_OK) != 0 ? "pthreads.wasm" : "pthreads.aot");
    if (compiled) {
        setenv("CHECK_COMPILED", "1", 1);
    }
    return loaded;
}

static wayfarer_report_t stop(wasm_module_inst_t inst)
{
    wayfarer_checkpoint_args_t args;
    wayfarer_report_t report;
    char error[512] = "";
    memset(&args, 0, sizeof args);
    memset(&report, 0, sizeof report);
    args.then = WAYFARER_STOP;
    wayfarer_checkpoint(inst, &args, &report, error, sizeof error);
    CHECK_STR(error, "");
    return report;
}

/* Has `guest` be an instance of the image, in its own module. */
static int restore(struct check_guest_state *guest, const wayfarer_report_t *report)
{
    char error[512] = "";
    guest->inst =
        wayfarer_restore_from_memory(guest->module, NULL, report->image, report->image_size, error, sizeof error);
    CHECK_STR(error, "");
    guest->env = guest->inst ? wasm_runtime_create_exec_env(guest->inst, 16384) : NULL;
    return guest->env != NULL;
}

/* Ends the instance, keeps the module. */
static void leave(struct check_guest_state *guest)
{
    wasm_runtime_destroy_exec_env(guest->env);
    wasm_runtime_deinstantiate(guest->inst);
    guest->env = NULL;
    guest->inst = NULL;
}

/* Threads park in a known order; one goes on, and the others are stopped, and restored twice, in the engines of both modules. They go
 * on in their order, one for each call of `wake`. */
static void in_order(const char *name, const char *wake, int32_t argument)
{
    enum { COUNT = 5 };
    struct check_guest_state guest, other;
    struct caller callers[COUNT], resumed[COUNT];
    REQUIRE(check_open(&guest, "pthreads.wasm", 0) && load_other(&other));
    CHECK_INT(CALL("setup", 0), 0);
    for (int i = 0; i < COUNT; i++) {
        park(&guest, &callers[i], name, i, -1, i + 1);
    }
    int32_t handle = argument == SEMAPHORE ? CALL("load", argument) : argument;
    /* They wait on behind a checkpoint. */
    wayfarer_report_t report;
    char error[512] = "";
    memset(&report, 0, sizeof report);
    CHECK(wayfarer_checkpoint(guest.inst, NULL, &report, error, sizeof error));
    wayfarer_image_free((void *)report.image, report.image_size);
    pause_for(30);
    CHECK_INT(CALL(wake, handle), 0);
    until_left(&guest, 1);
    report = stop(guest.inst);
    REQUIRE(report.image);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK_INT(callers[i].good, i == 0);
    }
    CHECK_INT(callers[0].result, 0);
    struct check_guest_state *modules[2] = { &guest, &other };
    leave(&guest);
    for (int of = 0; of < 2; of++) {
        struct check_guest_state *again = modules[of];
        REQUIRE(restore(again, &report));
        go_on(resumed, COUNT - 1, again->inst);
        for (int i = 2; i <= COUNT; i++) {
            pause_for(20);
            CHECK_INT(call(again, "left", 0, NULL), i - 1);
            CHECK_INT(call(again, wake, 1, &handle), 0);
            until_left(again, i);
        }
        CHECK_INT(call(again, wake, 1, &handle), 0);
        for (int i = 0; i < COUNT - 1; i++) {
            pthread_join(resumed[i].thread, NULL);
            CHECK(resumed[i].good);
            /* Which of them was continued in which thread is chance; whoever came as the nth went on as the nth. */
            CHECK_INT(resumed[i].result >> 8, resumed[i].result & 255);
        }
        leave(again);
    }
    wayfarer_image_free((void *)report.image, report.image_size);
    check_close(&guest);
    check_close(&other);
}

TEST(who_waits_for_a_condition_goes_on_in_order)
{
    in_order("park_cond", "signal", CONDITION);
}

TEST(who_waits_at_a_semaphore_goes_on_in_order)
{
    in_order("park_sem", "post", SEMAPHORE);
}

/* One has the mutex, and waits at a semaphore meanwhile; the others wait for the mutex. */
TEST(a_mutex_keeps_its_owner_and_those_who_wait_their_order)
{
    enum { COUNT = 5 };
    struct check_guest_state guest, other;
    struct caller holder, callers[COUNT], resumed[COUNT + 1];
    REQUIRE(check_open(&guest, "pthreads.wasm", 0) && load_other(&other));
    CHECK_INT(CALL("setup", 2), 0);
    park(&guest, &holder, "hold", 100, 0, 1);
    for (int i = 0; i < COUNT; i++) {
        park(&guest, &callers[i], "park_mutex", i, 0, i + 2);
    }
    int32_t gate = CALL("load", GATE);
    /* It checks who gives it back: not this thread. */
    CHECK_INT(CALL("unlock", MUTEX), -1);
    wayfarer_report_t report = stop(guest.inst);
    REQUIRE(report.image);
    pthread_join(holder.thread, NULL);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK(!callers[i].good);
    }
    leave(&guest);
    struct check_guest_state *modules[2] = { &other, &guest };
    for (int of = 0; of < 2; of++) {
        struct check_guest_state *again = modules[of];
        REQUIRE(restore(again, &report));
        int32_t mutex = MUTEX;
        go_on(resumed, COUNT + 1, again->inst);
        pause_for(30);
        CHECK_INT(call(again, "unlock", 1, &mutex), -1);
        CHECK_INT(call(again, "left", 0, NULL), 0);
        CHECK_INT(call(again, "post", 1, &gate), 0);
        for (int i = 0; i <= COUNT; i++) {
            pthread_join(resumed[i].thread, NULL);
            CHECK(resumed[i].good);
            if (resumed[i].result != 100) {
                CHECK_INT(resumed[i].result >> 8, resumed[i].result & 255);
            }
        }
        CHECK_INT(call(again, "left", 0, NULL), COUNT);
        leave(again);
    }
    wayfarer_image_free((void *)report.image, report.image_size);
    check_close(&guest);
    check_close(&other);
}

/* Time in which the program does not run does not count. */
TEST(what_is_left_of_the_time_is_kept)
{
    struct check_guest_state guest;
    struct caller caller;
    REQUIRE(check_open(&guest, "pthreads.wasm", 0));
    CHECK_INT(CALL("setup", 0), 0);
    double begun = now();
    park(&guest, &caller, "park_cond", 7, 3000000, 1);
    pause_for(900);
    wayfarer_report_t report = stop(guest.inst);
    double waited = now() - begun;
    REQUIRE(report.image);
    pthread_join(caller.thread, NULL);
    leave(&guest);
    pause_for(1000);
    double restored = now();
    REQUIRE(restore(&guest, &report));
    wayfarer_image_free((void *)report.image, report.image_size);
    go_on(&caller, 1, guest.inst);
    pthread_join(caller.thread, NULL);
    CHECK_INT(caller.result, 7 | LATE << 16);
    CHECK(caller.ended - restored >= 3 - waited - 0.1);
    CHECK(caller.ended - restored < 60);
    /* It had the mutex when it went on, and gave it back. */
    CHECK_INT(CALL("lock", MUTEX), 0);
    check_close(&guest);
}

/* Threads that work together are stopped at any moment, whatever each of them is doing, and go on, in turn in this engine and in the
 * other. */
static int hops(const char *name, int rounds, int most)
{
    enum { COUNT = 4 };
    struct check_guest_state guest, other;
    static struct caller callers[COUNT];
    uint64_t random = 1;
    int calls = COUNT, hop = 0, in_the_middle = 0;
    if (!check_open(&guest, "pthreads.wasm", 0) || !load_other(&other)) {
        return 0;
    }
    struct check_guest_state *modules[2] = { &guest, &other };
    struct check_guest_state *here = &guest;
    CHECK_INT(CALL("setup", 0), 0);
    CHECK_INT(CALL("post", CALL("load", SEMAPHORE)), 0);
    for (int i = 0; i < COUNT; i++) {
        start(&callers[i], guest.inst, name, i, (int64_t)COUNT << 32 | rounds);
    }
    /* Who begins later would be in no image. */
    while (ASK("begun") < COUNT) {
        pause_for(1);
    }
    for (;; hop++) {
        wayfarer_report_t report;
        bool last = hop >= most;
        int left = 0;
        random = random * 6364136223846793005u + 1442695040888963407u;
        pause_for((long)(random >> 61));
        if (!last) {
            report = stop(here->inst);
            if (!report.image) {
                return 0;
            }
        }
        for (int i = 0; i < calls; i++) {
            pthread_join(callers[i].thread, NULL);
            left += !callers[i].good;
            CHECK(!callers[i].good || callers[i].result == 0);
        }
        if (last) {
            CHECK_INT(left, 0);
            break;
        }
        leave(here);
        here = modules[(hop + 1) % 2];
        if (!restore(here, &report)) {
            return 0;
        }
        wayfarer_image_free((void *)report.image, report.image_size);
        calls = left;
        in_the_middle += calls == COUNT;
        go_on(callers, calls, here->inst);
    }
    CHECK_INT(call(here, "counter", 0, NULL), COUNT * rounds);
    CHECK(in_the_middle > 2);
    leave(here);
    check_close(&guest);
    check_close(&other);
    return hop;
}

TEST(threads_that_work_together_are_stopped_and_go_on)
{
    int more = getenv("WAYFARER_TEST_LONG") ? 20 : 1;
    CHECK_INT(hops("work", 3000 * more, 12 * more), 12 * more);
    CHECK_INT(hops("count", 400000 * more, 12 * more), 12 * more);
}

TEST(a_thread_that_waits_for_a_lock_is_ended)
{
    static const char *const names[] = { "park_mutex", "park_cond", "park_sem" };
    struct check_guest_state guest;
    struct caller caller;
    for (int i = 0; i < 3; i++) {
        REQUIRE(check_open(&guest, "pthreads.wasm", 0));
        CHECK_INT(CALL("setup", 0), 0);
        if (i == 0) {
            CHECK_INT(CALL("lock", MUTEX), 0);
        }
        park(&guest, &caller, names[i], i, -1, 1);
        wasm_runtime_terminate(guest.inst);
        pthread_join(caller.thread, NULL);
        CHECK(!caller.good);
        CHECK_HAS(wasm_runtime_get_exception(guest.inst), "terminated by user");
        wasm_runtime_clear_exception(guest.inst);
        /* Nobody stands there any more: what is given is for whoever comes. */
        if (i == 2) {
            int32_t one = CALL("load", SEMAPHORE);
            CHECK_INT(CALL("post", one), 0);
            CHECK_INT(CALL("trywait", one), 0);
        }
        else {
            CHECK_INT(CALL("unlock", MUTEX), 0);
            CHECK_INT(CALL("lock", MUTEX), 0);
        }
        check_close(&guest);
    }
}

/* Compiled, its code does not poll. */
TEST(a_thread_that_cannot_be_stopped_is_ended_all_the_same)
{
    struct check_guest_state guest;
    struct caller caller;
    REQUIRE(check_open(&guest, "endless_lock.wasm", 0));
    park(&guest, &caller, "park", 0, 0, 1);
    wasm_runtime_terminate(guest.inst);
    pthread_join(caller.thread, NULL);
    CHECK(!caller.good);
    CHECK_HAS(wasm_runtime_get_exception(guest.inst), "terminated by user");
    check_close(&guest);
}

static void refused(struct check_guest_state *guest, const char *why)
{
    wayfarer_report_t report;
    char error[512] = "";
    memset(&report, 0, sizeof report);
    CHECK(!wayfarer_checkpoint(guest->inst, NULL, &report, error, sizeof error));
    CHECK_HAS(error, why);
}

TEST(what_would_not_be_as_it_was_is_refused)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "pthreads.wasm", 0));
    CHECK_INT(CALL("setup", 1), 0);
    CHECK_INT(CALL("lock", MUTEX), 0);
    refused(&guest, "recursive mutex");
    CHECK_INT(CALL("unlock", MUTEX), 0);
    CHECK_INT(CALL("key_create", ROOM), 0);
    CHECK_INT(CALL("set", 0, 1), 0);
    refused(&guest, "pthread_setspecific");
    CHECK_INT(CALL("set", 0, 0), 0);
    wayfarer_report_t report = stop(guest.inst);
    REQUIRE(report.image);
    leave(&guest);
    REQUIRE(restore(&guest, &report));
    wayfarer_image_free((void *)report.image, report.image_size);
    CHECK_INT(CALL("set", 0, 5), 0);
    CHECK_INT(CALL("get", 0), 5);
    CHECK_INT(CALL("lock", MUTEX), 0);
    check_close(&guest);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    RUN(mutexes_do_what_their_kind_says);
    RUN(conditions_and_semaphores_return_what_upstream_s_do);
    RUN(keys_have_a_value_for_each_thread);
    RUN(aligned_memory_comes_from_the_guest_s_heap);
    RUN(who_waits_for_a_condition_goes_on_in_order);
    RUN(who_waits_at_a_semaphore_goes_on_in_order);
    RUN(a_mutex_keeps_its_owner_and_those_who_wait_their_order);
    RUN(what_is_left_of_the_time_is_kept);
    RUN(threads_that_work_together_are_stopped_and_go_on);
    RUN(a_thread_that_waits_for_a_lock_is_ended);
    RUN(a_thread_that_cannot_be_stopped_is_ended_all_the_same);
    RUN(what_would_not_be_as_it_was_is_refused);
    wasm_runtime_destroy();
    return check_result();
}
