/* Threads that guests start, and exec envs for threads of the host's: how many, how they end, what they share, and that they are in images. */
#include <pthread.h>
#include <stdatomic.h>

#include "wayfarer.h"

#include "check.h"
#include "clock.h"

static atomic_int told;
static void *_Atomic custom_seen, *_Atomic context_seen;
static void *key;

static void tell(wasm_exec_env_t env, int32_t tid)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    custom_seen = wasm_runtime_get_custom_data(inst);
    context_seen = wasm_runtime_get_context(inst, key);
    told = tid;
}

static NativeSymbol natives[] = { { "tell", (void *)tell, "(i)", NULL } };

static struct check_guest_state guest;

static uint32_t call(wasm_exec_env_t env, const char *name, uint32_t argument)
{
    uint32_t argv[1] = { argument };
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), 1, argv));
    return argv[0];
}

static void open_guest(void)
{
    CHECK(wasm_runtime_register_natives("env", natives, 1));
    REQUIRE(check_open(&guest, "spawner.wasm", 0));
}

TEST(an_exec_env_has_an_instance_of_its_own_over_the_same_memory)
{
    open_guest();
    wasm_runtime_set_custom_data(guest.inst, &guest);
    CHECK_INT(call(guest.env, "add", 1), 6);
    wasm_exec_env_t env = wasm_runtime_spawn_exec_env(guest.env);
    REQUIRE(env);
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    CHECK(inst != guest.inst && wasm_runtime_get_module(inst) == guest.module);
    CHECK(wasm_runtime_get_custom_data(inst) == &guest);
    CHECK_INT(call(env, "add", 2), 7);
    CHECK_INT(call(guest.env, "add", 3), 9);
    CHECK_INT(call(env, "total", 0), 6);
    /* No image can have it. */
    char error[256] = "";
    wayfarer_report_t report;
    CHECK(!wayfarer_checkpoint(guest.inst, NULL, &report, error, sizeof error));
    CHECK_HAS(error, "the host has an exec env by wasm_runtime_spawn_exec_env");
    wasm_runtime_destroy_spawned_exec_env(env);
    CHECK(wayfarer_checkpoint(guest.inst, NULL, &report, error, sizeof error));
    wayfarer_image_free((void *)report.image, report.image_size);
    check_close(&guest);
}

static void *run_add(wasm_exec_env_t env, void *arg)
{
    CHECK(wasm_runtime_thread_env_inited());
    call(env, "add", (uint32_t)(uintptr_t)arg);
    return (char *)arg + 1;
}

TEST(a_thread_is_run_and_joined)
{
    open_guest();
    wasm_thread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++) {
        REQUIRE(wasm_runtime_spawn_thread(guest.env, &threads[i], run_add, (void *)(i + 10)) == 0);
    }
    for (uintptr_t i = 0; i < 3; i++) {
        void *result = NULL;
        CHECK_INT(wasm_runtime_join_thread(threads[i], &result), 0);
        CHECK_INT((uintptr_t)result, i + 11);
    }
    CHECK(wasm_runtime_join_thread(threads[0], NULL) != 0);
    CHECK_INT(call(guest.env, "total", 0), 33);
    CHECK(wasm_runtime_spawn_thread(guest.env, &threads[0], NULL, NULL) != 0);
    check_close(&guest);
}

TEST(there_is_a_limit_that_the_host_sets)
{
    open_guest();
    wasm_exec_env_t envs[6];
    wasm_runtime_set_max_thread_num(2);
    wasm_runtime_set_max_thread_num(0);
    for (int i = 0; i < 2; i++) {
        REQUIRE(envs[i] = wasm_runtime_spawn_exec_env(guest.env));
    }
    check_catch();
    envs[2] = wasm_runtime_spawn_exec_env(guest.env);
    const char *said = check_caught();
    CHECK_HAS(said, "maximum number of threads exceeded");
    CHECK(envs[2] == NULL);
    check_catch();
    CHECK_INT((int32_t)call(guest.env, "spawn", 0), -1);
    check_caught();
    wasm_runtime_destroy_spawned_exec_env(envs[0]);
    CHECK_INT(call(guest.env, "spawn", 0), 1);
    call(guest.env, "await", 1);
    wasm_runtime_destroy_spawned_exec_env(envs[1]);
    wasm_runtime_set_max_thread_num(4);
    check_close(&guest);
}

TEST(natives_find_in_threads_what_the_host_has_hung_on_the_instance)
{
    key = wasm_runtime_create_context_key(NULL);
    open_guest();
    wasm_runtime_set_custom_data(guest.inst, &told);
    wasm_runtime_set_context(guest.inst, key, &guest);
    CHECK_INT(call(guest.env, "spawn", 4), 1);
    call(guest.env, "await", 1);
    CHECK(told == 1 && custom_seen == &told && context_seen == &guest);
    check_close(&guest);
    wasm_runtime_destroy_context_key(key);
}

TEST(a_trap_in_a_thread_ends_the_others_and_the_call)
{
    open_guest();
    CHECK_INT(call(guest.env, "spawn", 2), 1);
    call(guest.env, "await", 1);
    CHECK_INT(call(guest.env, "spawn", 3), 2);
    CHECK(!check_call(&guest, "forever", 0, NULL));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: unreachable");
    CHECK(wasm_runtime_spawn_exec_env(guest.env) == NULL);
    wasm_runtime_get_wasi_exit_code(guest.inst);
    /* All have gone: the guest may have new ones. */
    wasm_runtime_clear_exception(guest.inst);
    CHECK_INT(call(guest.env, "spawn", 0), 1);
    call(guest.env, "await", 2);
    check_close(&guest);
}

static void *end_it(void *arg)
{
    (void)arg;
    pause_for(200);
    wasm_runtime_terminate(guest.inst);
    return NULL;
}

TEST(terminate_ends_all)
{
    pthread_t thread;
    open_guest();
    CHECK_INT(call(guest.env, "spawn", 2), 1);
    CHECK_INT(call(guest.env, "spawn", 1), 2);
    call(guest.env, "await", 2);
    REQUIRE(pthread_create(&thread, NULL, end_it, NULL) == 0);
    CHECK(!check_call(&guest, "forever", 0, NULL));
    pthread_join(thread, NULL);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: terminated by user");
    /* It waits for them. */
    check_close(&guest);
}

TEST(threads_between_the_hosts_calls_are_in_an_image)
{
    char error[256] = "";
    wayfarer_report_t report;
    open_guest();
    CHECK_INT(call(guest.env, "spawn", 1), 1);
    CHECK_INT(call(guest.env, "spawn", 1), 2);
    call(guest.env, "await", 2);
    bool taken = wayfarer_checkpoint(guest.inst, NULL, &report, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(taken);
    /* Here they go on. */
    check_call(&guest, "release", 0, NULL);
    call(guest.env, "await", 4);
    CHECK_INT(call(guest.env, "total", 0), 2);
    wasm_module_inst_t again =
        wayfarer_restore_from_memory(guest.module, NULL, report.image, report.image_size, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(again);
    wayfarer_image_free((void *)report.image, report.image_size);
    wasm_exec_env_t env = wasm_runtime_create_exec_env(again, 16384);
    REQUIRE(env);
    CHECK_INT(call(env, "total", 0), 0);
    CHECK_INT(call(env, "spawn", 0), 3);
    call(env, "await", 3);
    uint32_t none[1];
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(again, "release"), 0, none));
    call(env, "await", 5);
    CHECK_INT(call(env, "total", 0), 3);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(again);
    check_close(&guest);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 1;
    }
    RUN(an_exec_env_has_an_instance_of_its_own_over_the_same_memory);
    RUN(a_thread_is_run_and_joined);
    RUN(there_is_a_limit_that_the_host_sets);
    RUN(natives_find_in_threads_what_the_host_has_hung_on_the_instance);
    RUN(a_trap_in_a_thread_ends_the_others_and_the_call);
    RUN(terminate_ends_all);
    RUN(threads_between_the_hosts_calls_are_in_an_image);
    wasm_runtime_destroy();
    return check_result();
}
