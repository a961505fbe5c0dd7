/* Shared memories, atomic instructions, threads that wait for each other: several threads of the host over one memory, each in an
 * instance of its own or in an exec env of its own. What they may see of each other's writes, the order in which they are woken,
 * also after a checkpoint, and how a wait ends otherwise. WAYFARER_TEST_LONG=1: a hundred times as many rounds. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "wayfarer.h"

#include "c_api.h"
#include "clock.h"

#define MOST 16

/* ---- instances over one memory ---- */

struct group {
    wasm_store_t *store;
    wasm_module_t *bank_module, *module;
    wasm_instance_t *bank;
    wasm_instance_t *instances[MOST];
    wasm_extern_t *memory[1];
    wasm_extern_vec_t imports;
    int count;
};

static wasm_module_t *file_of(wasm_store_t *in, const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.%s", name, getenv("CHECK_COMPILED") ? "aot" : "wasm");
    return module_of(in, file);
}

/* Without an app heap: one would make the memory larger than its type says. */
static wasm_instance_t *without_heap(wasm_store_t *in, wasm_module_t *module, wasm_extern_vec_t *imports)
{
    wasm_trap_t *trap = NULL;
    wasm_instance_t *instance = wasm_instance_new_with_args(in, module, imports, &trap, 16384, 0);
    CHECK_STR(message_of(trap), "none");
    return instance;
}

static void group_new(struct group *group)
{
    memset(group, 0, sizeof *group);
    group->store = wasm_store_new(engine);
    group->bank_module = file_of(group->store, "shared_bank");
    group->module = file_of(group->store, "litmus");
    group->imports = (wasm_extern_vec_t){ 1, group->memory, 1, sizeof *group->memory, NULL };
}

static int group_make(struct group *group, int count)
{
    wasm_extern_vec_t none = { 0 };
    group_new(group);
    group->count = count;
    if (!group->bank_module || !group->module) {
        return 0;
    }
    group->bank = without_heap(group->store, group->bank_module, &none);
    if (!group->bank) {
        return 0;
    }
    group->memory[0] = export_of(group->bank_module, group->bank, "memory");
    for (int i = 0; i < count; i++) {
        group->instances[i] = without_heap(group->store, group->module, &group->imports);
        if (!group->instances[i]) {
            return 0;
        }
    }
    return 1;
}

/* Calls a function with up to three numbers; the last of two is 64 bits wide. */
static const char *call(struct group *group, int instance, const char *name, size_t n, const int64_t *numbers,
                        int32_t *result)
{
    wasm_extern_t *export = export_of(group->module, group->instances[instance], name);
    wasm_func_t *func = wasm_extern_as_func(export);
    wasm_val_t args[3], value = WASM_INIT_VAL;
    for (size_t i = 0; i < n; i++) {
        args[i] = (wasm_val_t)WASM_I32_VAL((int32_t)numbers[i]);
    }
    if (strcmp(name, "park") == 0) {
        args[1] = (wasm_val_t)WASM_I64_VAL(numbers[1]);
    }
    wasm_val_vec_t given = { n, args, n, sizeof *args, NULL }, results = { 1, &value, 0, sizeof value, NULL };
    wasm_trap_t *trap = wasm_func_call(func, &given, &results);
    *result = value.of.i32;
    wasm_extern_delete(export);
    if (!trap) {
        return NULL;
    }
    wasm_message_t message;
    wasm_trap_message(trap, &message);
    char *text = strndup(message.data, message.size);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
    return text;
}

struct caller {
    pthread_t thread;
    struct group *group;
    int instance;
    const char *name;
    size_t n;
    int64_t numbers[3];
    int32_t result;
    const char *trap;
    atomic_int tid;
    atomic_bool done;
};

static void *run(void *arg)
{
    struct caller *caller = arg;
    caller->tid = gettid();
    wasm_runtime_init_thread_env();
    caller->trap = call(caller->group, caller->instance, caller->name, caller->n, caller->numbers, &caller->result);
    wasm_runtime_destroy_thread_env();
    caller->done = true;
    return NULL;
}

static void litmus(const char *name, int rounds)
{
    if (getenv("WAYFARER_TEST_LONG") && strcmp(name, "growing") != 0) {
        rounds *= 100;
    }
    for (int count = 2; count <= MOST; count *= 2) {
        struct group group;
        static struct caller callers[MOST];
        REQUIRE(group_make(&group, count));
        for (int i = 0; i < count; i++) {
            callers[i] = (struct caller){ .group = &group, .instance = i, .name = name, .n = 3,
                                          .numbers = { i, count, rounds } };
            CHECK_INT(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
        }
        for (int i = 0; i < count; i++) {
            pthread_join(callers[i].thread, NULL);
            CHECK_STR(callers[i].trap ? callers[i].trap : "none", "none");
            CHECK_INT(callers[i].result, 0);
        }
        wasm_store_delete(group.store);
    }
}

TEST(what_was_written_before_a_flag_is_seen_with_it)
{
    litmus("message_passing", 300);
}

TEST(of_two_who_write_and_read_one_sees_the_other)
{
    litmus("store_buffering", 300);
}

TEST(a_lock_of_the_guest_lets_one_in_at_a_time)
{
    litmus("lock", 1500);
}

TEST(numbers_come_through_a_ring_in_order)
{
    litmus("ring", 4000);
}

TEST(memory_that_another_thread_has_grown_can_be_used)
{
    litmus("growing", 150);
}

TEST(a_loop_that_waits_for_a_plain_load_ends)
{
    litmus("plain", 1);
}

/* ---- waiting ---- */

#define HERE 640

/* Starts threads that park at an address one after the other. The next comes when the one before has begun, and sleeps: there is
 * nothing else that it would sleep for. `other` is an instance that nobody is in. */
static void park(struct group *group, struct caller *callers, int count, int other, int64_t timeout)
{
    for (int i = 0; i < count; i++) {
        int32_t begun = 0;
        callers[i] = (struct caller){ .group = group, .instance = i, .name = "park", .n = 2,
                                      .numbers = { HERE, timeout } };
        CHECK_INT(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
        for (int asleep = 0; asleep < 5 && !callers[i].done;) {
            pause_for(5);
            call(group, other, "begun", 0, NULL, &begun);
            asleep = begun == i + 1 && sleeps(callers[i].tid) ? asleep + 1 : 0;
        }
        CHECK(!callers[i].done);
    }
}

static int32_t wake(struct group *group, int instance, int32_t count)
{
    int32_t woken = -1;
    const char *trap = call(group, instance, "wake", 2, (int64_t[]){ HERE, count }, &woken);
    CHECK_STR(trap ? trap : "none", "none");
    return woken;
}

static void until_left(struct group *group, int instance, int32_t count)
{
    int32_t left = 0;
    double begun = now();
    while (left < count && now() - begun < 60) {
        call(group, instance, "left", 0, NULL, &left);
        pause_for(1);
    }
    CHECK_INT(left, count);
}

TEST(who_parked_first_is_woken_first)
{
    struct group group;
    struct caller callers[5];
    REQUIRE(group_make(&group, 6));
    park(&group, callers, 5, 5, -1);
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(wake(&group, 5, 1), 1);
        until_left(&group, 5, i);
    }
    CHECK_INT(wake(&group, 5, -1), 2);
    CHECK_INT(wake(&group, 5, -1), 0);
    for (int i = 0; i < 5; i++) {
        pthread_join(callers[i].thread, NULL);
        if (i < 3) {
            CHECK_INT(callers[i].result, i + 1);
        }
    }
    wasm_store_delete(group.store);
}

struct resumed {
    pthread_t thread;
    wasm_store_t *store;
    size_t call;
    int32_t result;
    double ended;
    const char *trap;
};

static void *resume(void *arg)
{
    struct resumed *resumed = arg;
    wasm_val_t result = WASM_INIT_VAL;
    wasm_val_vec_t results = { 1, &result, 0, sizeof result, NULL };
    wasm_runtime_init_thread_env();
    wasm_trap_t *trap = wayfarer_store_resume(resumed->store, resumed->call, &results);
    resumed->trap = trap ? "trapped" : "none";
    resumed->result = result.of.i32;
    resumed->ended = now();
    wasm_runtime_destroy_thread_env();
    return NULL;
}

/* A checkpoint of the store, which stops. */
static wayfarer_report_t stop(struct group *group)
{
    wayfarer_checkpoint_args_t args;
    wayfarer_report_t report;
    char error[512] = "";
    memset(&args, 0, sizeof args);
    memset(&report, 0, sizeof report);
    args.then = WAYFARER_STOP;
    wayfarer_store_checkpoint(group->store, &args, &report, error, sizeof error);
    CHECK_STR(error, "");
    return report;
}

static int restore(struct group *again, const wayfarer_report_t *report)
{
    char error[512] = "";
    group_new(again);
    wayfarer_store_module_t modules[2] = { { again->bank_module, NULL }, { again->module, NULL } };
    int restored = wayfarer_store_restore_from_memory(again->store, modules, 2, report->image, report->image_size,
                                                      error, sizeof error);
    CHECK_STR(error, "");
    wayfarer_image_free((void *)report->image, report->image_size);
    if (restored) {
        again->count = (int)wayfarer_store_instance_count(again->store) - 1;
        again->bank = wayfarer_store_instance(again->store, 0);
        for (int i = 0; i < again->count; i++) {
            again->instances[i] = wayfarer_store_instance(again->store, (size_t)i + 1);
        }
    }
    return restored;
}

TEST(the_order_is_kept_by_checkpoints)
{
    enum { COUNT = 5 };
    struct group group, again;
    struct caller callers[COUNT];
    struct resumed resumed[COUNT];
    wayfarer_report_t report;
    char error[512] = "";
    REQUIRE(group_make(&group, COUNT + 1));
    park(&group, callers, COUNT, COUNT, -1);
    /* They go on behind one, and wait where they were. */
    memset(&report, 0, sizeof report);
    CHECK(wayfarer_store_checkpoint(group.store, NULL, &report, error, sizeof error));
    CHECK_STR(error, "");
    wayfarer_image_free((void *)report.image, report.image_size);
    pause_for(50);
    CHECK_INT(wake(&group, COUNT, 1), 1);
    until_left(&group, COUNT, 1);
    report = stop(&group);
    REQUIRE(report.image);
    for (int i = 0; i < COUNT; i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK(i == 0 ? callers[i].result == 1 : callers[i].trap != NULL);
    }
    wasm_store_delete(group.store);

    REQUIRE(restore(&again, &report));
    CHECK_INT(wayfarer_store_call_count(again.store), COUNT - 1);
    /* What nobody has gone on with is in the next image as it was. */
    memset(&report, 0, sizeof report);
    CHECK(wayfarer_store_checkpoint(again.store, NULL, &report, error, sizeof error));
    CHECK_STR(error, "");
    wasm_store_delete(again.store);
    REQUIRE(restore(&again, &report));
    /* One is woken before anybody is there. They come in the other order. */
    CHECK_INT(wake(&again, COUNT, 1), 1);
    for (int i = COUNT - 2; i >= 0; i--) {
        resumed[i] = (struct resumed){ .store = again.store, .call = (size_t)i };
        CHECK_INT(pthread_create(&resumed[i].thread, NULL, resume, &resumed[i]), 0);
        pause_for(50);
    }
    until_left(&again, COUNT, 2);
    for (int i = 3; i <= COUNT; i++) {
        CHECK_INT(wake(&again, COUNT, 1), 1);
        until_left(&again, COUNT, i);
    }
    CHECK_INT(wake(&again, COUNT, 1), 0);
    for (int i = 0; i < COUNT - 1; i++) {
        pthread_join(resumed[i].thread, NULL);
        CHECK_STR(resumed[i].trap, "none");
        /* Threads are in the order in which they began. */
        CHECK_INT(resumed[i].result, i + 2);
    }
    wasm_store_delete(again.store);
}

TEST(what_is_left_of_the_time_is_kept)
{
    struct group group, again;
    struct caller caller;
    REQUIRE(group_make(&group, 2));
    double begun = now();
    park(&group, &caller, 1, 1, 6000000000);
    pause_for(900);
    wayfarer_report_t report = stop(&group);
    double waited = now() - begun;
    REQUIRE(report.image);
    pthread_join(caller.thread, NULL);
    wasm_store_delete(group.store);
    /* Time in which it does not run does not count. */
    pause_for(1500);
    double restored = now();
    REQUIRE(restore(&again, &report));
    struct resumed resumed = { .store = again.store, .call = 0 };
    CHECK_INT(pthread_create(&resumed.thread, NULL, resume, &resumed), 0);
    pthread_join(resumed.thread, NULL);
    CHECK_INT(resumed.result >> 16, 2);
    CHECK(resumed.ended - restored >= 6 - waited - 0.1);
    CHECK(resumed.ended - restored < 60);
    wasm_store_delete(again.store);
}

/* Threads that work together are stopped at any moment, whatever each of them is doing, and go on elsewhere, again and again; in
 * between there are images that nobody needs. No wake-up is lost, or they would wait for ever, and none is doubled, or somebody
 * would find what is not there yet. */
static int hops(const char *name, int rounds, int most)
{
    enum { COUNT = 4 };
    struct group group;
    static struct caller callers[COUNT];
    static struct resumed resumed[COUNT];
    uint64_t random = 1;
    int finished = 0, calls = COUNT, hop;
    if (!group_make(&group, COUNT + 1)) {
        return 0;
    }
    for (int i = 0; i < COUNT; i++) {
        callers[i] = (struct caller){ .group = &group, .instance = i, .name = name, .n = 3,
                                      .numbers = { i, COUNT, rounds } };
        CHECK_INT(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
    }
    /* Who begins later would be in no image. */
    int32_t begun = 0;
    while (begun < COUNT) {
        call(&group, COUNT, "begun", 0, NULL, &begun);
        pause_for(1);
    }
    for (hop = 0; calls > 0; hop++) {
        wayfarer_report_t report;
        char error[512] = "";
        bool last = hop >= most;
        memset(&report, 0, sizeof report);
        for (int i = 0; i < 3; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            pause_for((long)(random >> 61));
            CHECK(last || wayfarer_store_checkpoint(group.store, NULL, &report, error, sizeof error));
            CHECK_STR(error, "");
            wayfarer_image_free((void *)report.image, report.image_size);
            memset(&report, 0, sizeof report);
        }
        if (!last) {
            report = stop(&group);
            if (!report.image) {
                return 0;
            }
        }
        int running = calls;
        for (int i = 0; i < running; i++) {
            bool good;
            int32_t result;
            if (hop == 0) {
                pthread_join(callers[i].thread, NULL);
                good = !callers[i].trap;
                result = callers[i].result;
            }
            else {
                pthread_join(resumed[i].thread, NULL);
                good = strcmp(resumed[i].trap, "none") == 0;
                result = resumed[i].result;
            }
            if (good) {
                finished++;
                CHECK_INT(result, 0);
            }
        }
        wasm_store_delete(group.store);
        if (last) {
            break;
        }
        if (!restore(&group, &report)) {
            return 0;
        }
        calls = (int)wayfarer_store_call_count(group.store);
        CHECK_INT(finished + calls, COUNT);
        for (int i = 0; i < calls; i++) {
            resumed[i] = (struct resumed){ .store = group.store, .call = (size_t)i };
            CHECK_INT(pthread_create(&resumed[i].thread, NULL, resume, &resumed[i]), 0);
        }
        /* Who has not begun to go on would be in the next image, and go on here, too. */
        for (int i = 0; i < calls; i++) {
            while (wayfarer_store_call(group.store, (size_t)i, NULL)) {
                pause_for(1);
            }
        }
        if (calls == 0) {
            wasm_store_delete(group.store);
        }
    }
    CHECK_INT(finished, COUNT);
    return hop;
}

TEST(threads_that_work_together_are_stopped_and_go_on)
{
    int more = getenv("WAYFARER_TEST_LONG") ? 20 : 1;
    int all = hops("lock", 1000000 * more, 20 * more);
    all += hops("ring", 200000 * more, 20 * more);
    all += hops("message_passing", 5000 * more, 20 * more);
    all += hops("store_buffering", 10000 * more, 20 * more);
    CHECK(all > 4);
}

/* ---- one instance ---- */

static int32_t number(struct check_guest_state *guest, const char *name, uint32_t argc, int64_t argument)
{
    uint32_t argv[2];
    memcpy(argv, &argument, sizeof argument);
    if (!check_call(guest, name, argc, argv)) {
        return -1;
    }
    return (int32_t)argv[0];
}

static void traps(struct check_guest_state *guest, const char *name, const char *text)
{
    uint32_t argv[2] = { 0, 0 };
    CHECK(!check_call(guest, name, 0, argv));
    CHECK_HAS(wasm_runtime_get_exception(guest->inst), text);
    wasm_runtime_clear_exception(guest->inst);
}

TEST(atomic_instructions_trap_with_these_words)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "waits.wasm", 0));
    traps(&guest, "unaligned", "unaligned atomic");
    traps(&guest, "unaligned_wait", "unaligned atomic");
    traps(&guest, "outside", "out of bounds memory access");
    traps(&guest, "outside_and_unaligned", "out of bounds memory access");
    traps(&guest, "outside_notify", "out of bounds memory access");
    CHECK_INT(number(&guest, "not_equal", 0, 0), 1);
    CHECK_INT(number(&guest, "wait", 2, 1000000), 2);
    CHECK_INT(number(&guest, "wait64", 2, 0), 2);
    CHECK_INT(number(&guest, "wake", 0, 0), 0);
    check_close(&guest);
    REQUIRE(check_open(&guest, "not_shared.wasm", 0));
    traps(&guest, "wait", "expected shared memory");
    CHECK_INT(number(&guest, "wake", 0, 0), 0);
    CHECK_INT(number(&guest, "add", 0, 0), 7);
    check_close(&guest);
}

TEST(hosts_are_told_what_is_shared)
{
    struct check_guest_state guest;
    wasm_export_t export;
    REQUIRE(check_open(&guest, "waits.wasm", 0));
    wasm_memory_inst_t memory = wasm_runtime_get_default_memory(guest.inst);
    CHECK(wasm_memory_get_shared(memory));
    CHECK_INT(wasm_memory_get_max_page_count(memory), 4);
    wasm_runtime_get_export_type(guest.module, 0, &export);
    CHECK_STR(export.name, "memory");
    CHECK(wasm_memory_type_get_shared(export.u.memory_type));
    void *base = wasm_memory_get_base_address(memory);
    CHECK(wasm_runtime_enlarge_memory(guest.inst, 3));
    CHECK(!wasm_runtime_enlarge_memory(guest.inst, 1));
    CHECK(wasm_memory_get_base_address(memory) == base);
    check_close(&guest);
    REQUIRE(check_open(&guest, "not_shared.wasm", 0));
    CHECK(!wasm_memory_get_shared(wasm_runtime_get_default_memory(guest.inst)));
    check_close(&guest);
}

TEST(a_memory_is_imported_only_as_what_it_is)
{
    const char *message = "";
    wasm_store_t *store_here = wasm_store_new(engine);
    wasm_module_t *plain = file_of(store_here, "not_shared"), *module = file_of(store_here, "litmus");
    wasm_instance_t *instance = instance_of(store_here, plain, 0, NULL, &message);
    wasm_extern_t *memory = export_of(plain, instance, "memory");
    CHECK(instance_of(store_here, module, 1, &memory, &message) == NULL);
    wasm_store_delete(store_here);
}

struct of_env {
    pthread_t thread;
    wasm_module_inst_t inst;
    const char *name;
    int64_t argument;
    uint32_t argc, result;
    bool good;
    atomic_int tid;
    atomic_bool done;
};

static void *run_env(void *arg)
{
    struct of_env *of_env = arg;
    uint32_t argv[2];
    memcpy(argv, &of_env->argument, sizeof of_env->argument);
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(of_env->inst, 16384);
    wasm_function_inst_t function = wasm_runtime_lookup_function(of_env->inst, of_env->name);
    of_env->tid = gettid();
    of_env->good = wasm_runtime_call_wasm(env, function, of_env->argc, argv);
    of_env->result = argv[0];
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    of_env->done = true;
    return NULL;
}

/* Waits until a thread that is about to call has slept for a while. */
static void until_asleep(atomic_int *tid)
{
    for (int asleep = 0; asleep < 20;) {
        pause_for(5);
        asleep = *tid != 0 && sleeps(*tid) ? asleep + 1 : 0;
    }
}

TEST(exec_envs_share_an_instance)
{
    struct check_guest_state guest;
    struct of_env threads[4];
    uint32_t most = 0;
    REQUIRE(check_open(&guest, "waits.wasm", 0));
    for (int i = 0; i < 4; i++) {
        threads[i] = (struct of_env){ .inst = guest.inst, .name = "lock", .argument = 500, .argc = 1 };
        CHECK_INT(pthread_create(&threads[i].thread, NULL, run_env, &threads[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i].thread, NULL);
        CHECK(threads[i].good);
        most = threads[i].result > most ? threads[i].result : most;
    }
    CHECK_INT(most, 2000);
    check_close(&guest);
}

/* In the last, compiled code does not poll. */
TEST(a_thread_that_waits_for_ever_is_ended)
{
    struct check_guest_state guest;
    static const char *const waits[][2] = { { "waits.wasm", "wait" }, { "waits.wasm", "wait64" },
                                            { "endless_wait.wasm", "wait" } };
    for (int i = 0; i < 3; i++) {
        REQUIRE(check_open(&guest, waits[i][0], 0));
        struct of_env thread = { .inst = guest.inst, .name = waits[i][1], .argument = -1, .argc = 2 };
        CHECK_INT(pthread_create(&thread.thread, NULL, run_env, &thread), 0);
        until_asleep(&thread.tid);
        CHECK(!thread.done);
        wasm_runtime_terminate(guest.inst);
        pthread_join(thread.thread, NULL);
        CHECK(!thread.good);
        CHECK_HAS(wasm_runtime_get_exception(guest.inst), "terminated by user");
        wasm_runtime_clear_exception(guest.inst);
        /* Its place is gone. */
        CHECK_INT(number(&guest, "wake", 0, 0), 0);
        check_close(&guest);
    }
}

TEST(threads_that_wait_stand_still_and_wait_on)
{
    struct check_guest_state guest;
    char error[256] = "";
    REQUIRE(check_open(&guest, "waits.wasm", 0));
    struct of_env thread = { .inst = guest.inst, .name = "wait", .argument = -1, .argc = 2 };
    CHECK_INT(pthread_create(&thread.thread, NULL, run_env, &thread), 0);
    until_asleep(&thread.tid);
    CHECK(wayfarer_suspend_threads(guest.inst, error, sizeof error));
    CHECK_STR(error, "");
    CHECK(wayfarer_resume_threads(guest.inst));
    /* It has its place, whether it is there again or not. */
    CHECK(!thread.done);
    CHECK_INT(number(&guest, "wake", 0, 0), 1);
    pthread_join(thread.thread, NULL);
    CHECK(thread.good);
    CHECK_INT(thread.result, 0);
    check_close(&guest);
}

int main(void)
{
    engine = wasm_engine_new();
    if (!engine) {
        return 2;
    }
    RUN(what_was_written_before_a_flag_is_seen_with_it);
    RUN(of_two_who_write_and_read_one_sees_the_other);
    RUN(a_lock_of_the_guest_lets_one_in_at_a_time);
    RUN(numbers_come_through_a_ring_in_order);
    RUN(memory_that_another_thread_has_grown_can_be_used);
    RUN(a_loop_that_waits_for_a_plain_load_ends);
    RUN(who_parked_first_is_woken_first);
    RUN(the_order_is_kept_by_checkpoints);
    RUN(what_is_left_of_the_time_is_kept);
    RUN(threads_that_work_together_are_stopped_and_go_on);
    RUN(atomic_instructions_trap_with_these_words);
    RUN(hosts_are_told_what_is_shared);
    RUN(a_memory_is_imported_only_as_what_it_is);
    RUN(exec_envs_share_an_instance);
    RUN(a_thread_that_waits_for_ever_is_ended);
    RUN(threads_that_wait_stand_still_and_wait_on);
    wasm_engine_delete(engine);
    return check_result();
}
