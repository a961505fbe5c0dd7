/* Exec envs, threads of the host, and the native stack. */
#include <pthread.h>

#include "check.h"

static struct check_guest_state guest;

/* Calls `plus_one` in an exec env that is not the one running. */
static int32_t in_another_env(wasm_exec_env_t env, int32_t n)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    wasm_exec_env_t other = wasm_runtime_create_exec_env(inst, 8192);
    uint32_t argv[1] = { (uint32_t)n };
    int failed = !wasm_runtime_call_wasm(other, wasm_runtime_lookup_function(inst, "plus_one"), 1, argv);
    wasm_runtime_destroy_exec_env(other);
    return failed ? -1 : (int32_t)argv[0];
}

static bool stack_ok, large_stack_ok;

/* Looks at the native stack, which is only known while the env runs. */
static int32_t look_at_stack(wasm_exec_env_t env)
{
    stack_ok = wasm_runtime_detect_native_stack_overflow(env);
    large_stack_ok = wasm_runtime_detect_native_stack_overflow_size(env, 0x7fffffff);
    return 1;
}

static int32_t own_boundary(wasm_exec_env_t env)
{
    uint8_t here;
    wasm_runtime_set_native_stack_boundary(env, &here + (1 << 20));
    stack_ok = wasm_runtime_detect_native_stack_overflow(env);
    wasm_runtime_set_native_stack_boundary(env, NULL);
    return 1;
}

/* Calls another instance in the exec env that runs this one. */
static wasm_module_inst_t another;
static char nested[128];

static int32_t into_another(wasm_exec_env_t env)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    uint32_t argv[1] = { 5 };
    wasm_runtime_set_module_inst(env, another);
    bool called = wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(another, "plus_one"), 1, argv);
    const char *exception = wasm_runtime_get_exception(another);
    snprintf(nested, sizeof nested, "%s", exception ? exception : "");
    wasm_runtime_clear_exception(another);
    wasm_runtime_set_module_inst(env, inst);
    return called ? (int32_t)argv[0] : -1;
}

static NativeSymbol symbols[] = {
    { "back", (void *)in_another_env, "(i)i", NULL },
    { "attached", (void *)look_at_stack, "()i", NULL },
    { "late", (void *)own_boundary, "()i", NULL },
    { "underscored", (void *)into_another, "()i", NULL },
};

/* Another instance of the guest. What it is not linked to is not what is tested here. */
static wasm_module_inst_t new_instance(void)
{
    char error[128];
    check_catch();
    wasm_module_inst_t inst = wasm_runtime_instantiate(guest.module, 8192, 0, error, sizeof error);
    check_caught();
    return inst;
}

TEST(several_envs)
{
    wasm_exec_env_t envs[3];
    wasm_function_inst_t plus_one = wasm_runtime_lookup_function(guest.inst, "plus_one");
    for (uint32_t i = 0; i < 3; i++) {
        envs[i] = wasm_runtime_create_exec_env(guest.inst, 4096 << i);
        REQUIRE(envs[i] != NULL);
        CHECK(wasm_runtime_get_module_inst(envs[i]) == guest.inst);
    }
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t argv[1] = { i };
        CHECK(wasm_runtime_call_wasm(envs[i], plus_one, 1, argv));
        CHECK_INT(argv[0], i + 1);
        wasm_runtime_destroy_exec_env(envs[i]);
    }
    wasm_exec_env_t singleton = wasm_runtime_get_exec_env_singleton(guest.inst);
    CHECK(singleton != NULL);
    CHECK(wasm_runtime_get_exec_env_singleton(guest.inst) == singleton);
}

TEST(user_data)
{
    int mine = 0;
    CHECK(wasm_runtime_get_user_data(guest.env) == NULL);
    wasm_runtime_set_user_data(guest.env, &mine);
    CHECK(wasm_runtime_get_user_data(guest.env) == &mine);
    wasm_runtime_set_user_data(guest.env, NULL);
}

TEST(an_env_for_several_instances)
{
    wasm_module_inst_t other = new_instance();
    REQUIRE(other != NULL);
    uint32_t argv[1] = { 5 };
    wasm_runtime_set_module_inst(guest.env, other);
    CHECK(wasm_runtime_get_module_inst(guest.env) == other);
    CHECK(wasm_runtime_call_wasm(guest.env, wasm_runtime_lookup_function(other, "plus_one"), 1, argv));
    CHECK_INT(argv[0], 6);
    wasm_runtime_set_module_inst(guest.env, guest.inst);
    wasm_runtime_deinstantiate(other);
    CHECK(check_call(&guest, "plus_one", 1, argv));
    CHECK_INT(argv[0], 7);
}

/* A function is run by an env of its own instance, or of one of its store. */
TEST(functions_of_another_instance)
{
    wasm_module_inst_t other = new_instance();
    REQUIRE(other != NULL);
    wasm_function_inst_t plus_one = wasm_runtime_lookup_function(other, "plus_one");
    uint32_t argv[1] = { 5 };
    wasm_val_t arg = { .kind = WASM_I32, .of = { .i32 = 5 } }, result;
    for (int i = 0; i < 2; i++) {
        CHECK(!(i ? wasm_runtime_call_wasm(guest.env, plus_one, 1, argv)
                  : wasm_runtime_call_wasm_a(guest.env, plus_one, 1, &result, 1, &arg)));
        CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: the function is of another instance");
        CHECK(wasm_runtime_get_exception(other) == NULL);
        wasm_runtime_clear_exception(guest.inst);
    }
    CHECK(check_call(&guest, "plus_one", 1, argv));
    wasm_runtime_deinstantiate(other);
}

TEST(another_instance_while_the_env_runs_one)
{
    uint32_t argv[1] = { 0 };
    another = new_instance();
    REQUIRE(another != NULL);
    /* The guest calls it twice: under its name, and under that with an underscore, times ten. */
    CHECK(check_call(&guest, "call_underscored", 0, argv));
    CHECK_INT((int32_t)argv[0], -11);
    CHECK_STR(nested, "Exception: invalid exec env: guest code of another instance is running in it");
    wasm_runtime_deinstantiate(another);
}

static void *terminate_another(void *unused)
{
    (void)unused;
    usleep(100000);
    wasm_runtime_terminate(another);
    return NULL;
}

/* What asks an instance to stop reaches it in an env that was made for another one. */
TEST(an_env_of_another_instance_hears)
{
    struct check_guest_state spin;
    pthread_t thread;
    check_catch();
    int open = check_open(&spin, "spin.wasm", 0);
    check_caught();
    REQUIRE(open);
    another = spin.inst;
    wasm_runtime_set_module_inst(guest.env, spin.inst);
    REQUIRE(pthread_create(&thread, NULL, terminate_another, NULL) == 0);
    alarm(check_slow() ? 120 : 30);
    CHECK(!wasm_runtime_call_wasm(guest.env, wasm_runtime_lookup_function(spin.inst, "spin_alone"), 0, NULL));
    alarm(0);
    pthread_join(thread, NULL);
    CHECK_STR(wasm_runtime_get_exception(spin.inst), "Exception: terminated by user");
    wasm_runtime_set_module_inst(guest.env, guest.inst);
    check_close(&spin);
    uint32_t argv[1] = { 1 };
    CHECK(check_call(&guest, "plus_one", 1, argv));
}

TEST(one_env_at_a_time)
{
    uint32_t argv[1] = { 1 };
    CHECK(!check_call(&guest, "call_back", 1, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: invalid exec env");
    wasm_runtime_clear_exception(guest.inst);
}

static void *thread_with_env(void *result)
{
    uint32_t argv[1] = { 8 };
    wasm_function_inst_t plus_one = wasm_runtime_lookup_function(guest.inst, "plus_one");
    int *steps = result;
    *steps += !wasm_runtime_thread_env_inited();
    *steps += wasm_runtime_init_thread_env();
    *steps += wasm_runtime_thread_env_inited();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(guest.inst, 8192);
    *steps += wasm_runtime_call_wasm(env, plus_one, 1, argv);
    *steps += argv[0] == 9;
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    *steps += !wasm_runtime_thread_env_inited();
    return NULL;
}

static void *thread_without_env(void *called)
{
    uint32_t argv[1] = { 8 };
    *(bool *)called =
        wasm_runtime_call_wasm(guest.env, wasm_runtime_lookup_function(guest.inst, "plus_one"), 1, argv);
    return NULL;
}

TEST(threads_of_the_host)
{
    pthread_t thread;
    int steps = 0;
    CHECK(wasm_runtime_thread_env_inited());
    REQUIRE(pthread_create(&thread, NULL, thread_with_env, &steps) == 0);
    pthread_join(thread, NULL);
    CHECK_INT(steps, 6);

    bool called = true;
    REQUIRE(pthread_create(&thread, NULL, thread_without_env, &called) == 0);
    pthread_join(thread, NULL);
    CHECK(!called);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: thread signal env not inited");
    wasm_runtime_clear_exception(guest.inst);
}

TEST(native_stack)
{
    uint32_t argv[1];
    CHECK(wasm_runtime_detect_native_stack_overflow(guest.env));
    CHECK(!check_call(&guest, "call_attached", 0, argv));
    CHECK(stack_ok);
    CHECK(!large_stack_ok);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: native stack overflow");
    wasm_runtime_clear_exception(guest.inst);

    CHECK(!check_call(&guest, "call_late", 0, argv));
    CHECK(!stack_ok);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: native stack overflow");
    wasm_runtime_clear_exception(guest.inst);
    CHECK(check_call(&guest, "plus_one", 1, argv));
}

int main(void)
{
    if (!wasm_runtime_init()
        || !wasm_runtime_register_natives("env", symbols, sizeof symbols / sizeof symbols[0])) {
        return 2;
    }
    check_catch();
    int open = check_open(&guest, "natives.wasm", 0);
    check_caught();
    if (!open) {
        return 2;
    }
    RUN(several_envs);
    RUN(user_data);
    RUN(an_env_for_several_instances);
    RUN(functions_of_another_instance);
    RUN(another_instance_while_the_env_runs_one);
    RUN(an_env_of_another_instance_hears);
    RUN(one_env_at_a_time);
    RUN(threads_of_the_host);
    RUN(native_stack);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
