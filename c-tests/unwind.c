/* Calls that end early: in each way there is, innermost of any number of calls that go back and forth between guest and
 * host, and above frames that were captured. Nothing of them is left: the same instance and exec env can be used again. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "wayfarer.h"

#include "check.h"

static struct check_guest_state guest;

enum act { NONE, RECURSION = 14, FAIL, EXIT, SPIN, THROUGH_HOST, ACTS };

static const char *const exceptions[ACTS] = {
    NULL,
    "Exception: unreachable",
    "Exception: integer divide by zero",
    "Exception: integer overflow",
    "Exception: invalid conversion to integer",
    "Exception: integer overflow",
    "Exception: out of bounds memory access",
    "Exception: out of bounds memory access",
    "Exception: out of bounds memory access",
    "Exception: out of bounds memory access",
    "Exception: undefined element",
    "Exception: uninitialized element",
    "Exception: indirect call type mismatch",
    "Exception: out of bounds table access",
    NULL, /* One of two: whichever stack is used up first. */
    "Exception: of the host",
    "Exception: wasi proc exit",
    "Exception: terminated by user",
    NULL, /* As above. */
};

/* How often host functions that called the guest came back. */
static int entered, returned;

/* Goes on in the guest. */
static int32_t host(wasm_exec_env_t env, int32_t n, int32_t what)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    uint32_t argv[2] = { (uint32_t)n, (uint32_t)what };
    entered++;
    bool done = wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "level"), 2, argv);
    returned++;
    return done ? (int32_t)argv[0] : -1;
}

static int32_t fail(wasm_exec_env_t env)
{
    wasm_runtime_set_exception(wasm_runtime_get_module_inst(env), "of the host");
    return 0;
}

static int asked, taken;

static void on_done(wasm_module_inst_t inst, const wayfarer_report_t *report, void *user_data)
{
    (void)inst;
    (void)user_data;
    taken += report->ok && report->image != NULL;
}

static void ask(wasm_exec_env_t env)
{
    asked++;
    wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), NULL, on_done, NULL, NULL, 0);
}

static atomic_bool spinning;

static void ready(wasm_exec_env_t env)
{
    (void)env;
    spinning = true;
}

static void *terminate(void *inst)
{
    struct timespec moment = { 0, 100000 };
    while (!spinning) {
        nanosleep(&moment, NULL);
    }
    wasm_runtime_terminate(inst);
    return NULL;
}

static NativeSymbol symbols[] = {
    { "host", (void *)host, "(ii)i", NULL },
    { "fail", (void *)fail, "()i", NULL },
    { "ask", (void *)ask, "()", NULL },
    { "ready", (void *)ready, "()", NULL },
};

/* What `level` gives if nothing ends it. */
static uint32_t level(uint32_t n)
{
    uint32_t inner = n ? level(n - 1) : 7;
    return (n + 1) * 0x9e3779b1 + (inner << 3 | inner >> 29);
}

static uint32_t dive(uint32_t m, uint32_t n)
{
    return m ? m ^ dive(m - 1, n) : level(n) + (n ? level(n - 1) : 0);
}

static void check_exception(int what)
{
    const char *exception = wasm_runtime_get_exception(guest.inst);
    if (exceptions[what]) {
        CHECK_STR(exception, exceptions[what]);
    } else if (check_compiled()) {
        CHECK_STR(exception, "Exception: native stack overflow");
    } else {
        CHECK_HAS(exception, "stack overflow");
    }
}

/* One call that ends by `what`, n times through the host, and if m >= 0 above so many captured frames. */
static void end_by(int what, int m, uint32_t n)
{
    uint32_t argv[3] = { n, (uint32_t)what };
    pthread_t thread;
    bool ended;
    entered = returned = asked = taken = 0;
    spinning = false;
    if (what == SPIN) {
        REQUIRE(pthread_create(&thread, NULL, terminate, guest.inst) == 0);
    }
    if (m < 0) {
        ended = !check_call(&guest, "level", 2, argv);
    } else {
        uint32_t args[3] = { (uint32_t)m, n, (uint32_t)what };
        ended = !check_call(&guest, "dive", 3, args);
        /* Both times, whatever came afterwards. */
        CHECK_INT(asked, 2);
        CHECK_INT(taken, 2);
    }
    if (what == SPIN) {
        pthread_join(thread, NULL);
    }
    CHECK(ended);
    check_exception(what);
    CHECK_INT(returned, entered);
    if (what != THROUGH_HOST) {
        CHECK_INT(entered, n);
    }
    if (what == EXIT) {
        CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 3);
    }
    wasm_runtime_clear_exception(guest.inst);
}

/* All is as if nothing had been. */
static void still_works(void)
{
    uint32_t argv[3] = { 3, NONE };
    CHECK(check_call(&guest, "level", 2, argv));
    CHECK_INT(argv[0], level(3));
    uint32_t args[3] = { 5, 2, NONE };
    asked = taken = 0;
    CHECK(check_call(&guest, "dive", 3, args));
    CHECK_INT(args[0], dive(5, 2));
    CHECK_INT(asked, 2);
    CHECK_INT(taken, 2);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
}

/* One way to end, in all places; then again, and again, without anything being left. */
static void ends(int what)
{
    REQUIRE(check_open(&guest, "unwind.wasm", 0));
    still_works();
    for (uint32_t n = 0; n < 6; n++) {
        end_by(what, -1, n);
        still_works();
        end_by(what, (int)n * 7, n);
        still_works();
    }
    struct check_usage before = check_usage();
    int rounds = what == THROUGH_HOST ? 5 : check_effort(100, 1000);
    for (int i = 0; i < rounds; i++) {
        end_by(what, i % 4 == 0 ? i % 20 : -1, (uint32_t)i % 5);
    }
    still_works();
    CHECK_USAGE(before);
    check_close(&guest);
}

#define ENDS(name, number) \
    TEST(name) \
    { \
        ends(number); \
    }

ENDS(unreachable, 1)
ENDS(division_by_zero, 2)
ENDS(overflow_of_a_division, 3)
ENDS(conversion_of_a_nan, 4)
ENDS(conversion_of_a_large_number, 5)
ENDS(load_outside_memory, 6)
ENDS(store_across_the_end_of_memory, 7)
ENDS(vector_across_the_end_of_memory, 8)
ENDS(fill_outside_memory, 9)
ENDS(undefined_element, 10)
ENDS(uninitialized_element, 11)
ENDS(element_of_another_type, 12)
ENDS(table_get_outside, 13)
ENDS(recursion_without_end, RECURSION)
ENDS(exception_of_a_native, FAIL)
ENDS(proc_exit, EXIT)
ENDS(terminated_from_another_thread, SPIN)
ENDS(calls_through_the_host_without_end, THROUGH_HOST)

/* The same on threads with small stacks. */
static void *on_a_small_stack(void *unused)
{
    (void)unused;
    wasm_runtime_init_thread_env();
    if (check_open(&guest, "unwind.wasm", 0)) {
        for (int i = 0; i < 3; i++) {
            end_by(RECURSION, -1, 2);
            end_by(THROUGH_HOST, -1, 2);
            end_by(6, -1, 2);
            end_by(RECURSION, 10, 2);
            still_works();
        }
    }
    check_close(&guest);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

TEST(on_small_stacks)
{
    for (size_t size = 256 << 10; size <= 2 << 20; size *= 2) {
        pthread_attr_t attr;
        pthread_t thread;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, size);
        REQUIRE(pthread_create(&thread, &attr, on_a_small_stack, NULL) == 0);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attr);
    }
}

int main(void)
{
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, sizeof symbols / sizeof symbols[0])) {
        return 2;
    }
    RUN(unreachable);
    RUN(division_by_zero);
    RUN(overflow_of_a_division);
    RUN(conversion_of_a_nan);
    RUN(conversion_of_a_large_number);
    RUN(load_outside_memory);
    RUN(store_across_the_end_of_memory);
    RUN(vector_across_the_end_of_memory);
    RUN(fill_outside_memory);
    RUN(undefined_element);
    RUN(uninitialized_element);
    RUN(element_of_another_type);
    RUN(table_get_outside);
    RUN(recursion_without_end);
    RUN(exception_of_a_native);
    RUN(proc_exit);
    RUN(terminated_from_another_thread);
    RUN(calls_through_the_host_without_end);
    RUN(on_small_stacks);
    wasm_runtime_destroy();
    return check_result();
}
