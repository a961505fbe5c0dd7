/* Ending a guest from outside, also one that waits in a native function. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/select.h>
#include <time.h>

#include "check.h"

static struct check_guest_state guest;
static atomic_int ticks;
static atomic_bool blocks;
static atomic_int interrupted;

/* Waits as a blocking system call would: until a signal comes. */
static void tick(wasm_exec_env_t env)
{
    ticks++;
    if (!blocks) {
        return;
    }
    if (!wasm_runtime_begin_blocking_op(env)) {
        return;
    }
    struct timespec long_time = { 60, 0 };
    errno = 0;
    int woken = nanosleep(&long_time, NULL);
    int error = errno;
    wasm_runtime_end_blocking_op(env);
    if (woken < 0 && error == EINTR && errno == EINTR) {
        interrupted++;
    }
}

static NativeSymbol symbols[] = { { "tick", (void *)tick, "()", NULL } };

static void sleep_ms(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

static void *end_it(void *after_ms)
{
    sleep_ms((long)after_ms);
    wasm_runtime_terminate(guest.inst);
    return NULL;
}

static void run_and_terminate(const char *function)
{
    pthread_t thread;
    REQUIRE(check_open(&guest, "spin.wasm", 0));
    REQUIRE(pthread_create(&thread, NULL, end_it, (void *)100) == 0);
    CHECK(!check_call(&guest, function, 0, NULL));
    pthread_join(thread, NULL);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: terminated by user");
    /* It stays ended until the exception is cleared. */
    uint32_t argv[1];
    CHECK(!check_call(&guest, "one", 0, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: terminated by user");
    wasm_runtime_clear_exception(guest.inst);
    CHECK(check_call(&guest, "one", 0, argv));
    CHECK_INT(argv[0], 1);
    check_close(&guest);
}

TEST(a_loop)
{
    run_and_terminate("spin_alone");
}

TEST(a_loop_of_native_calls)
{
    blocks = false;
    ticks = 0;
    run_and_terminate("spin");
    CHECK(ticks > 0);
}

TEST(a_native_that_waits)
{
    time_t before = time(NULL);
    blocks = true;
    ticks = 0;
    interrupted = 0;
    run_and_terminate("spin");
    CHECK_INT(ticks, 1);
    CHECK_INT(interrupted, 1);
    CHECK(time(NULL) - before < 20);
}

TEST(before_the_call)
{
    uint32_t argv[1];
    REQUIRE(check_open(&guest, "spin.wasm", 0));
    wasm_runtime_terminate(guest.inst);
    CHECK(!wasm_runtime_begin_blocking_op(guest.env));
    CHECK(!check_call(&guest, "one", 0, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: terminated by user");
    check_close(&guest);
}

/* Seconds that a nap of so many milliseconds takes. */
static double nap(uint32_t ms)
{
    struct timespec before, after;
    uint32_t argv[1] = { ms };
    clock_gettime(CLOCK_MONOTONIC, &before);
    check_call(&guest, "nap", 1, argv);
    clock_gettime(CLOCK_MONOTONIC, &after);
    return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

TEST(a_nap_that_was_ended_is_not_taken_up)
{
    pthread_t thread;
    REQUIRE(check_open(&guest, "nap.wasm", 0));
    REQUIRE(pthread_create(&thread, NULL, end_it, (void *)100) == 0);
    nap(1000);
    pthread_join(thread, NULL);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: terminated by user");
    wasm_runtime_clear_exception(guest.inst);
    sleep_ms(1000);
    /* The same call, in every argument. */
    CHECK(nap(1000) >= 0.99);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
    check_close(&guest);
}

static atomic_int asked, done;

static void *end_it_when_asked(void *times)
{
    for (int i = 1; i <= (int)(intptr_t)times; i++) {
        while (asked < i) {
            /* Elsewhere than under valgrind, which has one processor for all threads, it is to be as quick as it can. */
            if (check_slow()) {
                sched_yield();
            }
        }
        wasm_runtime_terminate(guest.inst);
        done = i;
    }
    return NULL;
}

/* Whoever clears the exception of a call that was ended has a guest again, however early in the other thread's work. */
TEST(what_ends_a_call_does_not_end_the_next)
{
    pthread_t thread;
    int times = check_slow() ? 100 : 5000, ended = 0;
    REQUIRE(check_open(&guest, "spin.wasm", 0));
    REQUIRE(pthread_create(&thread, NULL, end_it_when_asked, (void *)(intptr_t)times) == 0);
    for (int i = 1; i <= times; i++) {
        uint32_t argv[1] = { 0 };
        asked = i;
        for (volatile int moment = 0; moment < i % 500; moment++) {
        }
        CHECK(!check_call(&guest, "spin", 0, NULL));
        wasm_runtime_clear_exception(guest.inst);
        ended += !check_call(&guest, "one", 0, argv);
        wasm_runtime_clear_exception(guest.inst);
        while (done < i) {
            sched_yield();
        }
    }
    pthread_join(thread, NULL);
    CHECK_INT(ended, 0);
    check_close(&guest);
}

int main(void)
{
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 1)) {
        return 2;
    }
    RUN(a_loop);
    RUN(a_loop_of_native_calls);
    RUN(a_native_that_waits);
    RUN(before_the_call);
    RUN(a_nap_that_was_ended_is_not_taken_up);
    RUN(what_ends_a_call_does_not_end_the_next);
    wasm_runtime_destroy();
    return check_result();
}
