/* wayfarer_set_record: which instances log their WASI calls, where, and in which order; what children of the process write. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "wayfarer.h"

#include "check.h"

static struct check_guest_state guest;
static char folder[] = "/tmp/c-tests-record-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", folder, name);
    return made;
}

/* What the program prints that reads records, beside our compiler. */
static char shown[1 << 18];
static int show(const char *path, const char *options)
{
    char command[1024];
    const char *wamrc = getenv("WAMRC");
    const char *end = wamrc ? strrchr(wamrc, '/') : NULL;
    snprintf(command, sizeof command, "%.*swayfarer log %s %s 2>&1", end ? (int)(end + 1 - wamrc) : 0,
             wamrc ? wamrc : "", options, path);
    FILE *reader = popen(command, "r");
    size_t size = reader ? fread(shown, 1, sizeof shown - 1, reader) : 0;
    shown[size] = 0;
    return reader ? pclose(reader) : -1;
}

static int count(const char *part)
{
    int found = 0;
    for (const char *at = shown; (at = strstr(at, part)); at++) {
        found++;
    }
    return found;
}

static long size_of(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 ? (long)about.st_size : -1;
}

static void ask(uint32_t n)
{
    CHECK(check_call(&guest, "ask", 1, &n));
}

TEST(instances_made_after_it_log_their_calls)
{
    const char *path = in_folder("a");
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    REQUIRE(check_instantiate(&guest, 0));
    wayfarer_set_record(NULL);
    ask(3);
    uint32_t argv[] = { 5 };
    CHECK(check_call(&guest, "draw", 1, argv));
    CHECK_INT(argv[0], 0);
    wasm_module_inst_t other = check_another(&guest);
    wasm_runtime_deinstantiate(other);
    check_close(&guest);
    CHECK_INT(show(path, ""), 0);
    CHECK_INT(count("-- begun: module"), 1);
    CHECK_INT(count("clock_time_get(id=1, precision=0) = 0 (time="), 3);
    CHECK_HAS(shown, "random_get(buf=5) = 0, read 5 bytes sha256 ");
    CHECK_INT(count("-- ended"), 1);
    CHECK_INT(count("\n"), 6);
}

TEST(two_instances_share_a_file)
{
    const char *path = in_folder("two");
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    REQUIRE(check_instantiate(&guest, 0));
    wasm_module_inst_t other = check_another(&guest);
    wayfarer_set_record(NULL);
    ask(2);
    wasm_exec_env_t env = wasm_runtime_create_exec_env(other, 16384);
    uint32_t n = 4;
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(other, "ask"), 1, &n));
    wasm_runtime_destroy_exec_env(env);
    check_close(&(struct check_guest_state){ .inst = other });
    check_close(&guest);
    CHECK_INT(show(path, ""), 0);
    CHECK_INT(count("instance 1 thread"), 4);
    CHECK_INT(count("clock_time_get"), 6);
    CHECK_INT(count("-- begun"), 2);
    CHECK_INT(count("-- ended"), 2);
}

TEST(a_file_that_is_of_something_else_is_refused)
{
    const char *path = in_folder("text");
    FILE *file = fopen(path, "w");
    fputs("somebody's text\n", file);
    fclose(file);
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    CHECK(!wasm_runtime_instantiate(guest.module, 16384, 0, guest.error, sizeof guest.error));
    CHECK_HAS(guest.error, "text: not a record of WASI calls");
    CHECK_INT(size_of(path), 16);
    wayfarer_set_record(in_folder("no/such"));
    CHECK(!wasm_runtime_instantiate(guest.module, 16384, 0, guest.error, sizeof guest.error));
    CHECK_HAS(guest.error, "no/such: No such file");
    wayfarer_set_record(NULL);
    check_close(&guest);
}

/* Threads that take turns: what one has done comes before what the other does then. */
static sem_t turns[2];
static void *take_turns(void *which)
{
    int me = which != NULL;
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(guest.inst, 16384);
    for (int i = 0; i < 100; i++) {
        sem_wait(&turns[me]);
        uint32_t n = 1;
        CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(guest.inst, "ask"), 1, &n));
        sem_post(&turns[!me]);
    }
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

TEST(calls_are_in_the_order_in_which_they_were_made_across_threads)
{
    const char *path = in_folder("threads");
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    REQUIRE(check_instantiate(&guest, 0));
    wayfarer_set_record(NULL);
    sem_init(&turns[0], 0, 1);
    sem_init(&turns[1], 0, 0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, take_turns, i ? &turns : NULL);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    check_close(&guest);
    CHECK_INT(show(path, "--function=clock_time_get"), 0);
    CHECK_INT(count("clock_time_get"), 200);
    char numbers[2][16] = { "", "" };
    const char *at = shown;
    for (int i = 0; i < 200; i++) {
        char number[16];
        at = strstr(at, " thread ");
        REQUIRE(at && sscanf(at, " thread %15s", number) == 1);
        at++;
        if (i < 2) {
            strcpy(numbers[i], number);
        }
        REQUIRE(strcmp(number, numbers[i % 2]) == 0);
    }
    CHECK(strcmp(numbers[0], numbers[1]) != 0);
    char option[64];
    snprintf(option, sizeof option, "--thread=%s", numbers[1]);
    CHECK_INT(show(path, option), 0);
    CHECK_INT(count("\n"), 100);
}

TEST(children_write_nothing_to_their_parents_file)
{
    const char *path = in_folder("forked");
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    REQUIRE(check_instantiate(&guest, 0));
    ask(1);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        ask(50);
        /* Neither does an instance that the child makes, which works as any other. */
        wasm_module_inst_t own = check_another(&guest);
        wasm_runtime_deinstantiate(own);
        int failed = check_failures_here;
        check_close(&guest);
        wasm_runtime_destroy();
        exit(failed);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    ask(2);
    wayfarer_set_record(NULL);
    check_close(&guest);
    CHECK_INT(show(path, ""), 0);
    CHECK_INT(count("clock_time_get"), 3);
    CHECK_INT(count("-- begun"), 1);
    CHECK_INT(count("-- ended"), 1);
}

TEST(a_checkpoint_is_an_entry_and_a_restored_instance_goes_on)
{
    const char *path = in_folder("restored");
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    REQUIRE(check_instantiate(&guest, 0));
    ask(2);
    const char *image = in_folder("image");
    wayfarer_checkpoint_args_t args = { .path = image };
    CHECK(wayfarer_checkpoint(guest.inst, &args, NULL, guest.error, sizeof guest.error));
    /* It is in the file at once. */
    CHECK_INT(show(path, ""), 0);
    CHECK_HAS(shown, "-- checkpoint 1 to ");
    wasm_runtime_destroy_exec_env(guest.env);
    wasm_runtime_deinstantiate(guest.inst);
    guest.inst = wayfarer_restore_from_path(guest.module, NULL, image, guest.error, sizeof guest.error);
    wayfarer_set_record(NULL);
    REQUIRE(guest.inst);
    guest.env = wasm_runtime_create_exec_env(guest.inst, 16384);
    ask(3);
    check_close(&guest);
    CHECK_INT(show(path, ""), 0);
    CHECK_HAS(shown, "-- restored from image ");
    CHECK_INT(count("clock_time_get"), 5);
    CHECK_INT(count("-- begun"), 1);
}

TEST(a_process_that_just_exits_loses_nothing)
{
    const char *path = in_folder("exited");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        wayfarer_set_record(path);
        if (!check_load(&guest, "record.wasm") || !check_instantiate(&guest, 0)) {
            _exit(1);
        }
        ask(7);
        exit(check_failures_here);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    CHECK_INT(show(path, ""), 0);
    CHECK_INT(count("clock_time_get"), 7);
    CHECK_INT(count("-- ended"), 0);
}

/* Many calls from several threads: each is in the file, whole. */
static void *ask_often(void *unused)
{
    (void)unused;
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(guest.inst, 16384);
    uint32_t n = 500;
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(guest.inst, "ask"), 1, &n));
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

TEST(nothing_is_lost_when_threads_call_at_the_same_time)
{
    const char *path = in_folder("many");
    REQUIRE(check_load(&guest, "record.wasm"));
    wayfarer_set_record(path);
    REQUIRE(check_instantiate(&guest, 0));
    wayfarer_set_record(NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, ask_often, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    check_close(&guest);
    CHECK_INT(show(path, "--function=clock_time_get"), 0);
    CHECK_INT(count("\n"), 2000);
}

int main(void)
{
    if (!mkdtemp(folder) || !wasm_runtime_init()) {
        return 2;
    }
    RUN(instances_made_after_it_log_their_calls);
    RUN(two_instances_share_a_file);
    RUN(a_file_that_is_of_something_else_is_refused);
    RUN(calls_are_in_the_order_in_which_they_were_made_across_threads);
    RUN(children_write_nothing_to_their_parents_file);
    RUN(a_checkpoint_is_an_entry_and_a_restored_instance_goes_on);
    RUN(a_process_that_just_exits_loses_nothing);
    RUN(nothing_is_lost_when_threads_call_at_the_same_time);
    wasm_runtime_destroy();
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 ? 2 : check_result();
}
