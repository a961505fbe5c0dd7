/* Signals of the host's while guests run, trap and are captured; and faults that are none of the guest's. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "wayfarer.h"

#include "check.h"

#define TICKS 40

static struct check_guest_state guest;

/* Faults that the host's handler was told of, and what it does about them: makes the page accessible. */
static volatile sig_atomic_t faults;
static char *volatile page;
static void *volatile fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    faults++;
    fault_address = info->si_addr;
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0) {
        _exit(99);
    }
}

/* A native function that touches what is not there, and what the guest's memory reserves but does not have. */
static int32_t touch(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    if (n == 1) {
        *(volatile char *)page = 1;
    }
    return (int32_t)n;
}

static atomic_long signals_seen, other_stack;
static char alternative[1 << 16];

static void on_signal(int signal)
{
    char here[512];
    (void)signal;
    memset(here, signal, sizeof here);
    signals_seen++;
    /* Not the address of a variable: sanitizers have other places for these. */
    char *frame = __builtin_frame_address(0);
    if (frame >= alternative && frame < alternative + sizeof alternative) {
        other_stack++;
    }
}

static volatile sig_atomic_t asks;
static wasm_module_inst_t volatile asked;

static void on_signal_ask(int signal)
{
    on_signal(signal);
    if (asks && asked) {
        wayfarer_checkpoint_trigger(asked);
    }
}

static NativeSymbol symbols[] = {
    { "tick", (void *)touch, "(I)i", NULL },
    { "nested", (void *)touch, "(I)I", NULL },
};

static int32_t host(wasm_exec_env_t env, int32_t n, int32_t what)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    uint32_t argv[2] = { (uint32_t)n, (uint32_t)what };
    return wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "level"), 2, argv) ? (int32_t)argv[0] : -1;
}

static void nothing(wasm_exec_env_t env)
{
    (void)env;
}

static NativeSymbol others[] = {
    { "host", (void *)host, "(ii)i", NULL },
    { "fail", (void *)nothing, "()i", NULL },
    { "ask", (void *)nothing, "()", NULL },
    { "ready", (void *)nothing, "()", NULL },
};

static bool mix(int64_t n, int64_t *result)
{
    uint32_t argv[2];
    memcpy(argv, &n, sizeof n);
    bool done = check_call(&guest, "ticks", 2, argv);
    memcpy(result, argv, sizeof *result);
    return done;
}

static int64_t expected(void)
{
    int64_t result = 0;
    CHECK(check_open(&guest, "mix.wasm", 0));
    CHECK(mix(TICKS, &result));
    check_close(&guest);
    return result;
}

/* The host's handler was there first. It is called for what is not the guest's; the guest's faults remain traps. */
TEST(faults_of_the_host)
{
    int64_t result, plain = 0;
    uint32_t argv[2];
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(page != MAP_FAILED);
    faults = 0;
    *(volatile char *)page = 1;
    CHECK_INT(faults, 1);
    for (int i = 0; i < 3; i++) {
        struct check_guest_state other;
        mprotect(page, 4096, PROT_NONE);
        faults = 0;
        REQUIRE(check_open(&guest, "mix.wasm", 0));
        /* In a native function that the guest called. */
        CHECK(mix(TICKS, &result));
        CHECK_INT(faults, 1);
        CHECK(fault_address == page);
        plain = plain ? plain : result;
        CHECK_INT(result, plain);
        /* Outside. */
        mprotect(page, 4096, PROT_NONE);
        *(volatile char *)page = 1;
        CHECK_INT(faults, 2);
        check_close(&guest);
        REQUIRE(check_open(&other, "unwind.wasm", 0));
        for (uint32_t depth = 0; depth < 4; depth++) {
            argv[0] = depth;
            argv[1] = 6;
            CHECK(!check_call(&other, "level", 2, argv));
            CHECK_STR(wasm_runtime_get_exception(other.inst), "Exception: out of bounds memory access");
            wasm_runtime_clear_exception(other.inst);
        }
        CHECK_INT(faults, 2);
        check_close(&other);
    }
    munmap(page, 4096);
}

/* A native function that runs into the guest's own guard: that is its own fault. */
TEST(faults_of_the_host_in_a_guest_s_memory)
{
    int64_t result;
    REQUIRE(check_open(&guest, "mix.wasm", 0));
    wasm_memory_inst_t memory = wasm_runtime_get_default_memory(guest.inst);
    /* Behind what it has; it has a page, and may have sixteen. */
    page = (char *)wasm_memory_get_base_address(memory) + 65536;
    faults = 0;
    CHECK(mix(TICKS, &result));
    CHECK_INT(faults, 1);
    CHECK(fault_address == page);
    check_close(&guest);
}

/* How a child process ends that does this. */
static int child(void (*what)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        what();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void run_then_fault(void)
{
    int64_t result;
    signal(SIGSEGV, SIG_DFL);
    if (check_open(&guest, "mix.wasm", 0) && mix(2, &result)) {
        *(volatile char *)8 = 1;
    }
}

static void run_then_be_killed(void)
{
    int64_t result;
    signal(SIGSEGV, SIG_DFL);
    if (check_open(&guest, "mix.wasm", 0) && mix(2, &result)) {
        kill(getpid(), SIGSEGV);
    }
}

/* These run before a handler of this program's is there. */
TEST(the_default_is_to_die)
{
    int status = child(run_then_fault);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = child(run_then_be_killed);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static atomic_bool over;

/* Signals for the thread that runs the guest, as fast as they can be sent. */
static void *storm(void *thread)
{
    while (!over) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        for (volatile int i = 0; i < 2000; i++) {
        }
    }
    return NULL;
}

static int taken;

static void on_done(wasm_module_inst_t inst, const wayfarer_report_t *report, void *user_data)
{
    (void)inst;
    (void)user_data;
    taken += report->ok;
}

/* Guests that compute, trap, overflow the stack and are captured while signals come in. */
static void in_a_storm(int flags, bool checkpoints)
{
    struct itimerval every = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
    struct sigaction action = { 0 };
    pthread_t self = pthread_self(), thread;
    int64_t plain = expected(), result = 0;
    uint32_t argv[2];
    struct check_guest_state other;
    signals_seen = other_stack = taken = 0;
    over = false;
    asks = checkpoints;
    action.sa_handler = on_signal_ask;
    action.sa_flags = flags;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
    REQUIRE(check_open(&guest, "mix.wasm", 0) && check_open(&other, "unwind.wasm", 0));
    if (checkpoints) {
        CHECK(wayfarer_checkpoint_prepare(guest.inst, NULL, on_done, NULL, guest.error, sizeof guest.error));
        asked = guest.inst;
    }
    /* This thread is the only one to handle them: it knows which instances there are. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    REQUIRE(pthread_create(&thread, NULL, storm, &self) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    int wanted = checkpoints ? (check_slow() ? 1 : 11) : 0;
    for (int i = 0; i < check_effort(30, 300) || (i < 10000 && (signals_seen < 200 || taken < wanted)); i++) {
        wasm_module_inst_t fresh = wasm_runtime_instantiate(guest.module, 16384, 0, guest.error, sizeof guest.error);
        CHECK(fresh != NULL);
        wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(fresh);
        int64_t n = TICKS;
        memcpy(argv, &n, sizeof n);
        if (checkpoints) {
            CHECK(wayfarer_checkpoint_prepare(fresh, NULL, on_done, NULL, guest.error, sizeof guest.error));
            asked = fresh;
        }
        CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(fresh, "ticks"), 2, argv));
        memcpy(&result, argv, sizeof result);
        CHECK_INT(result, plain);
        asked = NULL;
        wasm_runtime_deinstantiate(fresh);
        for (uint32_t what = 1; what < 15; what++) {
            argv[0] = (uint32_t)i % 4;
            argv[1] = what;
            CHECK(!check_call(&other, "level", 2, argv));
            CHECK(wasm_runtime_get_exception(other.inst) != NULL);
            wasm_runtime_clear_exception(other.inst);
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    over = true;
    pthread_join(thread, NULL);
    check_close(&guest);
    check_close(&other);
    CHECK(signals_seen >= 200);
    /* A fault of the guest's is handled on the other stack, and signals may come in meanwhile. */
    if (!CHECK((flags & SA_ONSTACK) ? other_stack == signals_seen : other_stack < signals_seen)) {
        fprintf(stderr, "%ld of %ld on the other stack\n", other_stack, signals_seen);
    }
    CHECK(taken >= wanted);
}

TEST(signals_on_the_guest_s_stack)
{
    in_a_storm(0, false);
}

TEST(signals_on_a_stack_of_their_own)
{
    in_a_storm(SA_ONSTACK | SA_RESTART, false);
}

TEST(signals_that_ask_for_checkpoints)
{
    in_a_storm(0, true);
    in_a_storm(SA_ONSTACK | SA_RESTART, true);
}

int main(void)
{
    struct sigaction action = { 0 };
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 2)
        || !wasm_runtime_register_natives("env", others, 4)) {
        return 2;
    }
    static char scratch[4096];
    page = scratch;
    RUN(the_default_is_to_die);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    if (sigaction(SIGSEGV, &action, NULL) != 0) {
        return 2;
    }
    RUN(faults_of_the_host);
    RUN(faults_of_the_host_in_a_guest_s_memory);
    page = scratch;
    stack_t stack = { .ss_sp = alternative, .ss_size = sizeof alternative };
    if (sigaltstack(&stack, NULL) != 0) {
        return 2;
    }
    RUN(signals_on_the_guest_s_stack);
    RUN(signals_on_a_stack_of_their_own);
    RUN(signals_that_ask_for_checkpoints);
    wasm_runtime_destroy();
    return check_result();
}
