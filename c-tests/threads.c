/* Several threads of the host in one store, and checkpoints of all of it: who comes while an image is written waits, all threads
 * that are inside are in the image, and each of their calls is continued. WAYFARER_TEST_STORM: for how many seconds the storm
 * of calls and checkpoints lasts (3). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "wayfarer.h"

#include "c_api.h"
#include "clock.h"

#define THREADS 8

static uint64_t step(uint64_t x)
{
    return x * 6364136223846793005u + 1442695040888963407u;
}

/* ---- one instance ---- */

static atomic_bool go;
static atomic_int waiting;

/* Waits until `go`, and is called again if somebody wants the thread. */
static int32_t wait_for_host(wasm_exec_env_t env)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    waiting++;
    while (!go) {
        struct pollfd woken = { wayfarer_wake_fd(inst), POLLIN, 0 };
        /* Long: a thread that is not woken fails the test. */
        poll(&woken, 1, go ? 0 : 20000);
        if (wayfarer_interrupted(inst)) {
            wayfarer_call_again(env);
            break;
        }
    }
    waiting--;
    return 1;
}

static NativeSymbol natives[] = { { "wait", (void *)wait_for_host, "()i", NULL } };

struct caller {
    pthread_t thread;
    wasm_module_inst_t inst;
    uint64_t argument, result;
    bool resumes, good;
};

static void *call_run(void *arg)
{
    struct caller *caller = arg;
    uint32_t argv[2];
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(caller->inst, 16384);
    memcpy(argv, &caller->argument, sizeof caller->argument);
    caller->good = caller->resumes
                       ? wayfarer_resume(env, argv)
                       : wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(caller->inst, "run"), 2, argv);
    memcpy(&caller->result, argv, sizeof caller->result);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

static uint64_t expected_run(uint64_t x)
{
    for (int i = 0; i < 1000; i++) {
        x = step(x);
    }
    x++;
    for (int i = 0; i < 1000; i++) {
        x = step(x);
    }
    return x;
}

static void start(struct caller *callers, int count, wasm_module_inst_t inst, bool resumes)
{
    for (int i = 0; i < count; i++) {
        callers[i] = (struct caller){ .inst = inst, .argument = (uint64_t)i + 7, .resumes = resumes };
        REQUIRE(pthread_create(&callers[i].thread, NULL, call_run, &callers[i]) == 0);
    }
}

static void until_they_wait(int count)
{
    double begun = now();
    while (waiting < count && now() - begun < 60) {
        pause_for(1);
    }
    CHECK_INT(waiting, count);
}

/* Threads of one instance, all of which wait in a native function: each is woken, and each is in the image. */
TEST(threads_of_one_instance)
{
    struct check_guest_state guest;
    struct caller callers[3];
    wayfarer_checkpoint_args_t args;
    wayfarer_report_t report;
    char error[256] = "";
    uint32_t index = 99;
    memset(&args, 0, sizeof args);
    args.then = WAYFARER_STOP;
    go = false;
    waiting = 0;
    CHECK(wasm_runtime_register_natives("env", natives, 1));
    REQUIRE(check_open(&guest, "pure.wasm", 0));
    start(callers, 3, guest.inst, false);
    until_they_wait(3);
    /* They go on behind a checkpoint, and wait again. */
    REQUIRE(wayfarer_checkpoint(guest.inst, NULL, &report, error, sizeof error));
    wayfarer_image_free((void *)report.image, report.image_size);
    until_they_wait(3);
    bool taken = wayfarer_checkpoint(guest.inst, &args, &report, error, sizeof error);
    CHECK_STR(error, "");
    if (!taken) {
        go = true;
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK(!callers[i].good);
    }
    /* The instance's, so it is looked at when nobody sets it any more. */
    CHECK_HAS(wasm_runtime_get_exception(guest.inst), "stopped by checkpoint");
    CHECK_INT(waiting, 0);
    REQUIRE(taken);

    wasm_module_inst_t again =
        wayfarer_restore_from_memory(guest.module, NULL, report.image, report.image_size, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(again);
    wayfarer_image_free((void *)report.image, report.image_size);
    /* What was not continued is in the next image as it was. */
    REQUIRE(wayfarer_checkpoint(again, NULL, &report, error, sizeof error));
    wasm_runtime_deinstantiate(again);
    again =
        wayfarer_restore_from_memory(guest.module, NULL, report.image, report.image_size, error, sizeof error);
    wayfarer_image_free((void *)report.image, report.image_size);
    CHECK_STR(error, "");
    REQUIRE(again);
    CHECK(wayfarer_call_in_progress(again, &index));
    CHECK_INT(index, 2);
    go = true;
    start(callers, 3, again, true);
    uint64_t sum = 0, expected = 0;
    for (int i = 0; i < 3; i++) {
        pthread_join(callers[i].thread, NULL);
        CHECK(callers[i].good);
        sum += callers[i].result;
        expected += expected_run((uint64_t)i + 7);
    }
    CHECK(sum == expected);
    CHECK(!wayfarer_call_in_progress(again, NULL));
    wasm_runtime_deinstantiate(again);
    check_close(&guest);
    CHECK(wasm_runtime_unregister_natives("env", natives));
}

struct writing {
    wasm_module_inst_t inst;
    int fd;
    char error[256];
    bool taken;
};

static void *write_image(void *arg)
{
    struct writing *writing = arg;
    wayfarer_checkpoint_args_t args;
    memset(&args, 0, sizeof args);
    args.use_fd = true;
    args.fd = writing->fd;
    writing->taken = wayfarer_checkpoint(writing->inst, &args, NULL, writing->error, sizeof writing->error);
    return NULL;
}

static struct check_guest_state mixing;
static atomic_int began, entered, allocated;

static int32_t tick(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    (void)n;
    entered++;
    return 1;
}

static int64_t nested(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    return n;
}

static void *enter(void *arg)
{
    uint32_t argv[2] = { 3, 0 };
    bool *good = arg;
    wasm_runtime_init_thread_env();
    began++;
    *good = check_call(&mixing, "ticks", 2, argv);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

static void *allocate(void *arg)
{
    bool *good = arg;
    wasm_runtime_init_thread_env();
    began++;
    *good = wasm_runtime_module_malloc(mixing.inst, 100, NULL) != 0;
    allocated++;
    wasm_runtime_destroy_thread_env();
    return NULL;
}

static uint64_t digest(struct check_guest_state *guest)
{
    uint64_t digest = 0;
    uint32_t argv[2] = { 0, 0 };
    CHECK(check_call(guest, "digest", 0, argv));
    memcpy(&digest, argv, sizeof digest);
    return digest;
}

/* An image goes into a pipe that is read slowly. Meanwhile a thread calls the guest, and another allocates in its memory. */
TEST(who_comes_while_an_image_is_written_waits)
{
    static NativeSymbol of_mix[] = { { "tick", (void *)tick, "(I)i", NULL },
                                     { "nested", (void *)nested, "(I)I", NULL } };
    struct writing writing = { .error = "" };
    uint32_t argv[2] = { 5000, 0 };
    bool called = false, got = false;
    pthread_t writer, caller, allocator;
    int ends[2];
    char error[256] = "";
    CHECK(wasm_runtime_register_natives("env", of_mix, 2));
    REQUIRE(check_open(&mixing, "mix.wasm", 8192));
    /* The memory is full of what cannot be left out. */
    CHECK(check_call(&mixing, "mix", 2, argv));
    uint64_t before = digest(&mixing);
    REQUIRE(pipe(ends) == 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    began = entered = allocated = 0;
    writing.inst = mixing.inst;
    writing.fd = ends[1];
    REQUIRE(pthread_create(&writer, NULL, write_image, &writing) == 0);
    static char image[1 << 20];
    size_t size = 0;
    ssize_t n = read(ends[0], image, 1);
    CHECK_INT(n, 1);
    size = 1;
    /* It has begun. */
    REQUIRE(pthread_create(&caller, NULL, enter, &called) == 0);
    REQUIRE(pthread_create(&allocator, NULL, allocate, &got) == 0);
    while (began < 2) {
        pause_for(1);
    }
    for (int i = 0; i < 20; i++) {
        pause_for(10);
        n = read(ends[0], image + size, 100);
        size += n > 0 ? (size_t)n : 0;
    }
    CHECK_INT(entered, 0);
    CHECK_INT(allocated, 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    double begun = now();
    struct pollfd more = { ends[0], POLLIN, 0 };
    bool over = false;
    while (!over && now() - begun < 60) {
        poll(&more, 1, 100);
        n = read(ends[0], image + size, sizeof image - size);
        size += n > 0 ? (size_t)n : 0;
        over = n <= 0 && (entered > 0 || allocated > 0);
    }
    pthread_join(writer, NULL);
    while ((n = read(ends[0], image + size, sizeof image - size)) > 0) {
        size += (size_t)n;
    }
    pthread_join(caller, NULL);
    pthread_join(allocator, NULL);
    CHECK_STR(writing.error, "");
    CHECK(writing.taken && called && got);
    CHECK_INT(entered, 3);
    /* The image has nothing of what came after. */
    struct check_guest_state then = mixing;
    then.inst = wayfarer_restore_from_memory(mixing.module, NULL, image, size, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(then.inst);
    then.env = wasm_runtime_create_exec_env(then.inst, 16384);
    CHECK(digest(&then) == before);
    CHECK(digest(&mixing) != before);
    wasm_runtime_destroy_exec_env(then.env);
    wasm_runtime_deinstantiate(then.inst);
    close(ends[0]);
    close(ends[1]);
    check_close(&mixing);
    CHECK(wasm_runtime_unregister_natives("env", of_mix));
}

/* ---- a store of wasm_c_api.h ---- */

/* A store with a bank and THREADS instances over its memory. */
struct whole {
    wasm_store_t *store;
    wasm_module_t *bank_module, *module;
    wasm_instance_t *bank;
    wasm_memory_t *memory;
    wasm_functype_t *move_type;
    wasm_func_t *move;
    wasm_func_t *run[THREADS];
    wasm_extern_vec_t imports;
    wasm_extern_t *given[2];
    pthread_mutex_t lock;
    byte_t *data;
};

static wasm_trap_t *move_amount(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    struct whole *whole = env;
    (void)results;
    pthread_mutex_lock(&whole->lock);
    int64_t *accounts = (int64_t *)(void *)whole->data;
    accounts[args->data[0].of.i32] -= args->data[2].of.i64;
    accounts[args->data[1].of.i32] += args->data[2].of.i64;
    pthread_mutex_unlock(&whole->lock);
    return NULL;
}

static wasm_module_t *whole_module(wasm_store_t *in, const char *name, bool compiled)
{
    char file[64];
    snprintf(file, sizeof file, "%s.%s", name, compiled ? "aot" : "wasm");
    return module_of(in, file);
}

/* A store with its modules, and the function of the host's. */
static void whole_new(struct whole *whole, bool compiled)
{
    memset(whole, 0, sizeof *whole);
    pthread_mutex_init(&whole->lock, NULL);
    whole->store = wasm_store_new(engine);
    whole->bank_module = whole_module(whole->store, "bank", compiled);
    whole->module = whole_module(whole->store, "whole", compiled);
    whole->move_type = wasm_functype_new_3_0(wasm_valtype_new_i32(), wasm_valtype_new_i32(), wasm_valtype_new_i64());
    whole->move = wasm_func_new_with_env(whole->store, whole->move_type, move_amount, whole, NULL);
    wasm_functype_delete(whole->move_type);
    whole->given[0] = wasm_func_as_extern(whole->move);
    whole->imports = (wasm_extern_vec_t){ 1, whole->given, 1, sizeof *whole->given, NULL };
}

static void whole_find_memory(struct whole *whole)
{
    wasm_extern_t *memory = export_of(whole->bank_module, whole->bank, "memory");
    whole->memory = wasm_extern_as_memory(memory);
    whole->data = wasm_memory_data(whole->memory);
    whole->given[1] = memory;
}

static bool whole_make(struct whole *whole, bool compiled)
{
    const char *message = "";
    whole_new(whole, compiled);
    if (!whole->bank_module || !whole->module) {
        return false;
    }
    whole->bank = instance_of(whole->store, whole->bank_module, 0, NULL, &message);
    if (!whole->bank) {
        return false;
    }
    whole_find_memory(whole);
    for (int i = 0; i < THREADS; i++) {
        wasm_instance_t *instance = instance_of(whole->store, whole->module, 2, whole->given, &message);
        if (!instance) {
            CHECK_STR(message, "none");
            return false;
        }
        whole->run[i] = wasm_extern_as_func(export_of(whole->module, instance, "run"));
    }
    return true;
}

static void whole_delete(struct whole *whole)
{
    wasm_store_delete(whole->store);
    pthread_mutex_destroy(&whole->lock);
}

static int64_t total_of(struct whole *whole)
{
    int64_t total = 0;
    for (int i = 0; i < THREADS; i++) {
        total += ((int64_t *)(void *)whole->data)[i];
    }
    return total;
}

static uint64_t nest(uint32_t depth, uint64_t x)
{
    return depth == 0 ? x : nest(depth - 1, x + depth) * 3 + x;
}

static uint64_t expected_whole(uint64_t seed, uint32_t rounds)
{
    uint64_t x = seed, hash = 0;
    for (uint32_t n = 0; n < rounds; n++) {
        x = step(x);
        hash = (hash << 7 | hash >> 57) ^ nest((uint32_t)(x >> 61), x);
    }
    return hash;
}

struct worker {
    pthread_t thread;
    struct whole *whole;
    int slot;
    uint64_t calls, wrong;
    char message[128];
};

static atomic_bool enough;

static void *work(void *arg)
{
    struct worker *worker = arg;
    uint64_t random = (uint64_t)worker->slot + 1;
    wasm_runtime_init_thread_env();
    while (!enough) {
        random = step(random);
        uint32_t rounds = (uint32_t)(random >> 40) % 4000 + 1;
        wasm_val_t args[3] = { WASM_I32_VAL(worker->slot), WASM_I64_VAL((int64_t)random), WASM_I32_VAL((int32_t)rounds) };
        wasm_val_t result = WASM_INIT_VAL;
        wasm_val_vec_t arg_vec = WASM_ARRAY_VEC(args), results = { 1, &result, 0, sizeof result, NULL };
        wasm_trap_t *trap = wasm_func_call(worker->whole->run[worker->slot], &arg_vec, &results);
        if (trap) {
            wasm_message_t message;
            wasm_trap_message(trap, &message);
            snprintf(worker->message, sizeof worker->message, "%s", message.data);
            wasm_byte_vec_delete(&message);
            wasm_trap_delete(trap);
            worker->wrong++;
            break;
        }
        worker->calls++;
        worker->wrong += (uint64_t)result.of.i64 != expected_whole(random, rounds);
        if (random >> 62 == 0) {
            pause_for((long)(random >> 50) % 4);
        }
    }
    wasm_runtime_destroy_thread_env();
    return NULL;
}

struct resumed {
    pthread_t thread;
    struct whole *whole;
    size_t call;
    wasm_trap_t *trap;
    int64_t result;
};

static void *resume_call(void *arg)
{
    struct resumed *resumed = arg;
    wasm_val_t result = WASM_INIT_VAL;
    wasm_val_vec_t results = { 1, &result, 0, sizeof result, NULL };
    wasm_runtime_init_thread_env();
    resumed->trap = wayfarer_store_resume(resumed->whole->store, resumed->call, &results);
    resumed->result = result.of.i64;
    wasm_runtime_destroy_thread_env();
    return NULL;
}

/* Restores an image and continues all calls of it. Gives how many there were. */
static size_t check_image(const void *image, uint64_t size, bool compiled)
{
    struct whole again;
    struct resumed resumed[THREADS];
    wayfarer_call_t call;
    char error[512] = "";
    whole_new(&again, compiled);
    wayfarer_store_module_t modules[2] = { { again.module, &again.imports }, { again.bank_module, NULL } };
    bool restored = wayfarer_store_restore_from_memory(again.store, modules, 2, image, size, error, sizeof error);
    CHECK_STR(error, "");
    if (!restored) {
        whole_delete(&again);
        return 0;
    }
    CHECK_INT(wayfarer_store_instance_count(again.store), THREADS + 1);
    again.bank = wayfarer_store_instance(again.store, 0);
    whole_find_memory(&again);
    /* No amount was on its way. */
    CHECK_INT(total_of(&again), 0);
    size_t calls = wayfarer_store_call_count(again.store);
    CHECK(calls <= THREADS);
    uint32_t ids = 0, slots = 0;
    int slot_of[THREADS] = { 0 };
    for (size_t i = 0; i < calls; i++) {
        CHECK(wayfarer_store_call(again.store, i, &call));
        CHECK(call.instance >= 1 && call.instance <= THREADS && call.thread_id < 32);
        slot_of[i] = (int)call.instance - 1;
        CHECK(!(ids & 1u << call.thread_id) && !(slots & 1u << slot_of[i]));
        ids |= 1u << call.thread_id;
        slots |= 1u << slot_of[i];
        resumed[i] = (struct resumed){ .whole = &again, .call = i };
    }
    /* Those that no call is in progress of have finished what they did. */
    for (int i = 0; i < THREADS; i++) {
        uint32_t done, rounds;
        byte_t *base = again.data + 4096 * (i + 1);
        memcpy(&rounds, base + 8, 4);
        memcpy(&done, base + 32, 4);
        if (!(slots & 1u << i)) {
            CHECK_INT(done, rounds);
        }
    }
    for (size_t i = 0; i < calls; i++) {
        CHECK_INT(pthread_create(&resumed[i].thread, NULL, resume_call, &resumed[i]), 0);
    }
    for (size_t i = 0; i < calls; i++) {
        uint64_t seed;
        uint32_t rounds;
        pthread_join(resumed[i].thread, NULL);
        byte_t *base = again.data + 4096 * (slot_of[i] + 1);
        memcpy(&seed, base, 8);
        memcpy(&rounds, base + 8, 4);
        CHECK_STR(message_of(resumed[i].trap), "none");
        CHECK((uint64_t)resumed[i].result == expected_whole(seed, rounds));
        CHECK(!wayfarer_store_call(again.store, i, NULL));
    }
    CHECK_INT(total_of(&again), 0);
    whole_delete(&again);
    return calls;
}

#define BATCH 50

TEST(a_storm_of_calls_and_checkpoints)
{
    static struct whole whole;
    static struct worker workers[THREADS];
    const char *storm = getenv("WAYFARER_TEST_STORM");
    double seconds = storm ? atof(storm) : 3, begun = now(), longest = 0;
    wayfarer_report_t images[BATCH];
    char error[512] = "";
    unsigned long taken = 0, in_progress = 0, calls = 0;
    REQUIRE(whole_make(&whole, check_compiled()));
    enough = false;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .whole = &whole, .slot = i };
        REQUIRE(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    while (now() - begun < seconds && !check_failures_here) {
        int count = 0;
        for (; count < BATCH && now() - begun < seconds; count++) {
            if (!wayfarer_store_checkpoint(whole.store, NULL, &images[count], error, sizeof error)) {
                CHECK_STR(error, "");
                break;
            }
            if ((double)images[count].paused_us > longest) {
                longest = (double)images[count].paused_us;
            }
            pause_for(5);
        }
        /* In the interpreter and compiled, while the others go on. */
        for (int i = 0; i < count; i++) {
            in_progress += check_image(images[i].image, images[i].image_size, i % 2 == 0);
            wayfarer_image_free((void *)images[i].image, images[i].image_size);
        }
        taken += (unsigned long)count;
    }
    enough = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECK_STR(workers[i].message, "");
        CHECK_INT(workers[i].wrong, 0);
        calls += workers[i].calls;
    }
    CHECK_INT(total_of(&whole), 0);
    CHECK(taken > 0 && in_progress > 0);
    fprintf(stderr, "%lu images with %lu calls in progress, among %lu calls; longest %.1f ms\n", taken, in_progress,
            calls, longest / 1000);
    whole_delete(&whole);
}

TEST(what_a_store_cannot_be_restored_from)
{
    struct whole whole, again;
    wayfarer_report_t report;
    char error[512] = "";
    REQUIRE(whole_make(&whole, check_compiled()));
    REQUIRE(wayfarer_store_checkpoint(whole.store, NULL, &report, error, sizeof error));
    whole_new(&again, false);
    CHECK(!wayfarer_store_checkpoint(again.store, NULL, NULL, error, sizeof error));
    CHECK_HAS(error, "the store has no instance");
    wayfarer_store_module_t modules[2] = { { again.module, &again.imports }, { again.bank_module, NULL } };
    CHECK(!wayfarer_store_restore_from_memory(again.store, modules, 1, report.image, report.image_size, error,
                                              sizeof error));
    CHECK_HAS(error, "none of the modules given is");
    CHECK(!wayfarer_store_restore_from_fd(again.store, modules, 2, -1, error, sizeof error));
    CHECK_HAS(error, "bad descriptor -1");
    CHECK(!wayfarer_store_restore_from_path(again.store, modules, 2, "/nowhere", error, sizeof error));
    CHECK_HAS(error, "/nowhere");
    /* The store is still as it was. */
    error[0] = 0;
    CHECK(wayfarer_store_restore_from_memory(again.store, modules, 2, report.image, report.image_size, error,
                                             sizeof error));
    CHECK_STR(error, "");
    CHECK_INT(wayfarer_store_call_count(again.store), 0);
    CHECK(!wayfarer_store_call(again.store, 0, NULL));
    CHECK_HAS(message_of(wayfarer_store_resume(again.store, 0, NULL)), "no such call is in progress");
    CHECK(wayfarer_store_instance(again.store, THREADS + 1) == NULL);
    CHECK(!wayfarer_store_restore_from_memory(again.store, modules, 2, report.image, report.image_size, error,
                                              sizeof error));
    CHECK_HAS(error, "the store has instances, memories, tables or globals already");
    whole_delete(&again);
    wayfarer_image_free((void *)report.image, report.image_size);
    whole_delete(&whole);
}

struct asked {
    atomic_int times;
    bool ok, none;
};

static void on_done(wasm_module_inst_t inst, const wayfarer_report_t *report, void *user_data)
{
    struct asked *asked = user_data;
    asked->ok = report->ok;
    asked->none = inst == NULL;
    asked->times++;
}

static void to_a_file_and_on(wasm_store_t *in, const char *path, char *error, uint32_t size)
{
    static struct asked asked;
    wayfarer_checkpoint_args_t args;
    memset(&args, 0, sizeof args);
    args.path = path;
    asked.times = 0;
    CHECK(wayfarer_store_checkpoint_request(in, &args, on_done, &asked, error, size));
    double begun = now();
    while (asked.times == 0 && now() - begun < 60) {
        pause_for(1);
    }
    CHECK(asked.ok && asked.none);
    CHECK_INT(asked.times, 1);
}

/* An image in a file is restored by path and by descriptor. */
TEST(a_store_is_asked_for_an_image_in_a_file)
{
    struct whole whole;
    char path[] = "/tmp/c-tests-store-XXXXXX", error[512] = "";
    REQUIRE(whole_make(&whole, check_compiled()));
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    to_a_file_and_on(whole.store, path, error, sizeof error);
    close(fd);
    fd = open(path, O_RDONLY);
    for (int by_path = 0; by_path < 2; by_path++) {
        struct whole again;
        whole_new(&again, by_path);
        wayfarer_store_module_t modules[2] = { { again.module, &again.imports }, { again.bank_module, NULL } };
        CHECK(by_path ? wayfarer_store_restore_from_path(again.store, modules, 2, path, error, sizeof error)
                      : wayfarer_store_restore_from_fd(again.store, modules, 2, fd, error, sizeof error));
        CHECK_STR(error, "");
        CHECK_INT(wayfarer_store_instance_count(again.store), THREADS + 1);
        whole_delete(&again);
    }
    close(fd);
    unlink(path);
    whole_delete(&whole);
}

int main(void)
{
    engine = wasm_engine_new();
    if (!engine) {
        return 2;
    }
    RUN(threads_of_one_instance);
    RUN(who_comes_while_an_image_is_written_waits);
    RUN(what_a_store_cannot_be_restored_from);
    RUN(a_store_is_asked_for_an_image_in_a_file);
    RUN(a_storm_of_calls_and_checkpoints);
    wasm_engine_delete(engine);
    return check_result();
}
