/* Guests on stacks that the host made: fibers, with the boundary said or not; and how much of a stack is left to whom. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

#define KIB 1024u

static struct check_guest_state guest;

/* What the call ended with: its result, or -1 with the exception in `exception`. */
static char exception[256];

static int call(const char *name, uint32_t argument)
{
    uint32_t argv[1] = { argument };
    wasm_runtime_clear_exception(guest.inst);
    bool done = wasm_runtime_call_wasm(guest.env, wasm_runtime_lookup_function(guest.inst, name), 1, argv);
    const char *text = wasm_runtime_get_exception(guest.inst);
    snprintf(exception, sizeof exception, "%s", text ? text : "");
    wasm_runtime_clear_exception(guest.inst);
    return done ? (int)argv[0] : -1;
}

/* A body on a stack of its own. */
static ucontext_t outside;
static void (*fiber_body)(void);

static void on_fiber(void)
{
    fiber_body();
}

static void run_on(void *stack, size_t size, void (*body)(void))
{
    ucontext_t fiber, before = outside;
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = stack;
    fiber.uc_stack.ss_size = size;
    fiber.uc_link = &outside;
    fiber_body = body;
    makecontext(&fiber, on_fiber, 0);
    swapcontext(&outside, &fiber);
    outside = before;
}

/* A mapping with a guard at its end. */
static char *map(size_t size)
{
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_NONE) != 0) {
        perror("mmap");
        exit(2);
    }
    return memory;
}

/* What natives do. */
static int32_t call_back(wasm_exec_env_t env, int32_t n)
{
    uint32_t argv[1] = { (uint32_t)n };
    wasm_function_inst_t level = wasm_runtime_lookup_function(wasm_runtime_get_module_inst(env), "level");
    return wasm_runtime_call_wasm(env, level, 1, argv) ? (int32_t)argv[0] : 0;
}

/* The calling thread's own stack, where it ends; and how much of it was left. */
static char *stack_end;
static long left;
/* Call back once so little is left (0: never), and what came of it. */
static long call_back_at;
static int called_back;

static int32_t descend(wasm_exec_env_t env)
{
    volatile char frame[64];
    frame[0] = 0;
    left = (char *)__builtin_frame_address(0) - stack_end;
    if (!wasm_runtime_detect_native_stack_overflow(env)) {
        return 0;
    }
    if (left < call_back_at) {
        uint32_t argv[1] = { 41 };
        called_back = wasm_runtime_call_indirect(env, 0, 1, argv) ? (int)argv[0] : -1;
        return called_back;
    }
    return descend(env) + frame[0];
}

static void (*inner)(void);
static char *inner_stack;
static size_t inner_size;

static int32_t use_stack(wasm_exec_env_t env, int32_t what)
{
    if (what == 0) {
        return descend(env);
    }
    run_on(inner_stack, inner_size, inner);
    return what;
}

static NativeSymbol symbols[] = {
    { "call_back", (void *)call_back, "(i)i", NULL },
    { "use_stack", (void *)use_stack, "(i)i", NULL },
};

static void everything(void)
{
    CHECK_INT(call("increment", 3), 4);
    CHECK_INT(call("trap", 0), -1);
    CHECK_STR(exception, "Exception: unreachable");
    CHECK_INT(call("outside", 0), -1);
    CHECK_STR(exception, "Exception: out of bounds memory access");
    CHECK_INT(call("deep", 100), 100);
    /* Recursion without end ends: on the native stack or on the guest's, as it was compiled or not. */
    CHECK_INT(call("endless", 0), -1);
    CHECK_HAS(exception, "stack overflow");
    CHECK_INT(call("level", 3), 3);
    CHECK_INT(call("level", 100000000), -1);
    CHECK_STR(exception, "Exception: native stack overflow");
    CHECK_INT(call("increment", 4), 5);
}

static const unsigned sizes[] = { 64, 128, 256, 1024, 8192 };
#define SIZES (sizeof sizes / sizeof *sizes)

/* The host says where the stack ends: above the guard, and wherever it likes. */
TEST(with_the_boundary_said)
{
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    for (size_t i = 0; i < SIZES; i++) {
        size_t size = sizes[i] * KIB;
        char *stack = map(size);
        wasm_runtime_set_native_stack_boundary(guest.env, (uint8_t *)stack + 4096);
        run_on(stack, size, everything);
        munmap(stack, size);
    }
    wasm_runtime_set_native_stack_boundary(guest.env, NULL);
    everything();
    check_close(&guest);
}

/* It says nothing: the mapping is the stack. */
TEST(without_a_boundary)
{
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    for (size_t i = 0; i < SIZES; i++) {
        size_t size = sizes[i] * KIB;
        char *stack = map(size);
        run_on(stack, size, everything);
        everything();
        run_on(stack, size, everything);
        munmap(stack, size);
    }
    check_close(&guest);
}

static void too_little(void)
{
    CHECK_INT(call("increment", 1), -1);
    CHECK_STR(exception, "Exception: native stack overflow");
}

TEST(above_the_boundary_there_is_nothing_left)
{
    size_t size = 256 * KIB;
    char *stack = map(size);
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    wasm_runtime_set_native_stack_boundary(guest.env, (uint8_t *)stack + size - 8 * KIB);
    run_on(stack, size, too_little);
    wasm_runtime_set_native_stack_boundary(guest.env, NULL);
    run_on(stack, size, everything);
    check_close(&guest);
    munmap(stack, size);
}

static void says_what_to_do(void)
{
    CHECK_INT(call("increment", 1), -1);
    CHECK_HAS(exception, "native stack overflow");
    CHECK_HAS(exception, "wasm_runtime_set_native_stack_boundary");
}

/* A part of something else: who overflows there, overwrites others. */
TEST(on_a_stack_that_nobody_knows)
{
    static char variable[256 * KIB] __attribute__((aligned(16)));
    char *heap = malloc(64 * KIB);
    REQUIRE(heap != NULL);
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    run_on(variable, sizeof variable, says_what_to_do);
    run_on(heap, 64 * KIB, says_what_to_do);
    wasm_runtime_set_native_stack_boundary(guest.env, (uint8_t *)variable);
    run_on(variable, sizeof variable, everything);
    wasm_runtime_set_native_stack_boundary(guest.env, (uint8_t *)heap);
    run_on(heap, 64 * KIB, everything);
    wasm_runtime_set_native_stack_boundary(guest.env, NULL);
    everything();
    check_close(&guest);
    free(heap);
}

/* A native function calls the guest again, on another stack: each has its own limit, also afterwards. */
TEST(from_one_stack_to_another)
{
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    inner = everything;
    inner_size = 512 * KIB;
    inner_stack = map(inner_size);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(call("use_stack", 1), 1);
        everything();
    }
    check_close(&guest);
    munmap(inner_stack, inner_size);
}

static void *on_thread(void *body)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0, guard = 0;
    wasm_runtime_init_thread_env();
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_getguardsize(&attributes, &guard);
    pthread_attr_destroy(&attributes);
    stack_end = (char *)low + guard;
    (*(void (**)(void))body)();
    wasm_runtime_destroy_thread_env();
    return NULL;
}

static void in_thread(size_t stack_size, void (*body)(void))
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    CHECK_INT(pthread_create(&thread, &attributes, on_thread, &body), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

static void natives_stop(void)
{
    call_back_at = 0;
    CHECK_INT(call("use_stack", 0), -1);
    CHECK_STR(exception, "Exception: native stack overflow");
    /* 15,360 bytes are left alone; frames of the function and of the check are more than nothing. */
    CHECK(left >= 15360 && left < 15360 + 1024);
    if (left < 15360 || left >= 15360 + 1024) {
        fprintf(stderr, "%ld bytes were left\n", left);
    }
}

static void natives_call_back(void)
{
    /* With so much, and with a little more than nothing. */
    static const long levels[] = { 256 * 1024, 100 * 1024, 40 * 1024, 18 * 1024 };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        call_back_at = levels[i];
        called_back = 0;
        CHECK_INT(call("use_stack", 0), 42);
        CHECK_INT(called_back, 42);
        CHECK_STR(exception, "");
    }
}

TEST(what_is_left_for_native_functions)
{
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    in_thread(8192 * KIB, natives_stop);
    in_thread(256 * KIB, natives_stop);
    check_close(&guest);
}

TEST(callbacks_far_down)
{
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    in_thread(8192 * KIB, natives_call_back);
    check_close(&guest);
}

/* The size that the host asks for counts from the end. */
static void asks_for_sizes(void)
{
    char here;
    long rest = &here - stack_end;
    CHECK(wasm_runtime_detect_native_stack_overflow(guest.env));
    CHECK_INT(call("increment", 1), 2);
    wasm_runtime_set_native_stack_boundary(guest.env, (uint8_t *)stack_end);
    CHECK(wasm_runtime_detect_native_stack_overflow_size(guest.env, (uint32_t)rest - 16 * KIB));
    CHECK(!wasm_runtime_detect_native_stack_overflow_size(guest.env, (uint32_t)rest - 8 * KIB));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: native stack overflow");
    wasm_runtime_set_native_stack_boundary(guest.env, NULL);
    wasm_runtime_clear_exception(guest.inst);
}

TEST(sizes_that_the_host_asks_for)
{
    REQUIRE(check_open(&guest, "fibers.wasm", 0));
    in_thread(512 * KIB, asks_for_sizes);
    check_close(&guest);
}

int main(void)
{
    RuntimeInitArgs args;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_System_Allocator;
    args.native_module_name = "env";
    args.native_symbols = symbols;
    args.n_native_symbols = sizeof symbols / sizeof *symbols;
    if (!wasm_runtime_full_init(&args)) {
        return 2;
    }
    RUN(with_the_boundary_said);
    RUN(without_a_boundary);
    RUN(above_the_boundary_there_is_nothing_left);
    RUN(on_a_stack_that_nobody_knows);
    RUN(from_one_stack_to_another);
    RUN(what_is_left_for_native_functions);
    RUN(callbacks_far_down);
    RUN(sizes_that_the_host_asks_for);
    wasm_runtime_destroy();
    return check_result();
}
