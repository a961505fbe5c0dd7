/* A module is loaded once; instances come and go: made, run, checkpointed, restored, destroyed. Nothing of them stays. */
#include "wayfarer.h"

#include "check.h"
#include "report.h"

/* Rounds of the guest's loop, each of which tells the host. */
#define TICKS 3

static struct check_guest_state guest;
static wayfarer_checkpoint_args_t how;
static int64_t ask_at;

static int32_t tick(wasm_exec_env_t env, int64_t n)
{
    if (n == ask_at) {
        CHECK(wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &how, on_done, NULL, NULL, 0));
    }
    return (int32_t)n;
}

static int64_t nested(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    return n;
}

static NativeSymbol symbols[] = {
    { "tick", (void *)tick, "(I)i", NULL },
    { "nested", (void *)nested, "(I)I", NULL },
};

static wasm_module_inst_t instantiate(void)
{
    wasm_module_inst_t inst = wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error);
    if (!CHECK(inst != NULL)) {
        fprintf(stderr, "%s\n", guest.error);
        exit(1);
    }
    return inst;
}

static bool ticks(wasm_module_inst_t inst, int64_t *result)
{
    int64_t n = TICKS;
    uint32_t argv[2];
    memcpy(argv, &n, sizeof n);
    bool done = wasm_runtime_call_wasm(wasm_runtime_get_exec_env_singleton(inst),
                                       wasm_runtime_lookup_function(inst, "ticks"), 2, argv);
    memcpy(result, argv, sizeof *result);
    return done;
}

static int64_t expected;

static void plain_cycle(int nth)
{
    int64_t result;
    (void)nth;
    wasm_module_inst_t inst = instantiate();
    CHECK(ticks(inst, &result));
    CHECK_INT(result, expected);
    wasm_runtime_deinstantiate(inst);
}

/* Stopped at one of the ticks; restored from the image, and run to the end, or not. */
static void checkpoint_cycle(int nth)
{
    int64_t result;
    uint32_t argv[2];
    wasm_module_inst_t inst = instantiate();
    ask_at = nth % TICKS + 1;
    how.then = nth & 1 ? WAYFARER_STOP : WAYFARER_CONTINUE;
    bool ended = ticks(inst, &result);
    ask_at = 0;
    CHECK(ended == (how.then == WAYFARER_CONTINUE));
    CHECK(!ended || result == expected);
    wasm_runtime_deinstantiate(inst);

    CHECK_STR(done.error, "");
    inst = wayfarer_restore_from_memory(guest.module, NULL, done.image, done.image_size, guest.error, sizeof guest.error);
    if (!CHECK(inst != NULL)) {
        fprintf(stderr, "%s\n", guest.error);
        return;
    }
    if (nth & 2) {
        CHECK(wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv));
        memcpy(&result, argv, sizeof result);
        CHECK_INT(result, expected);
    }
    wasm_runtime_deinstantiate(inst);
}

/* An exec env of its own, and a run that ends in a trap. */
static void trap_cycle(int nth)
{
    uint32_t what = (uint32_t)nth % 15, argv[1] = { what };
    struct check_guest_state other = { 0 };
    other.module = guest.module;
    if (check_instantiate(&other, 0)) {
        CHECK(check_call(&other, "act", 1, argv) == (what == 0));
    }
    other.module = NULL;
    check_close(&other);
}

/* Also the module. */
static void load_cycle(int nth)
{
    struct check_guest_state other;
    int64_t n = 10;
    uint32_t argv[2];
    (void)nth;
    memcpy(argv, &n, sizeof n);
    CHECK(check_open(&other, "mix.wasm", 0) && check_call(&other, "mix", 2, argv));
    check_close(&other);
}

/* Resident memory in KiB. */
static long resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) {
        CHECK(false);
    }
    if (file) {
        fclose(file);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void cycles(const char *name, void (*cycle)(int), int rounds)
{
    REQUIRE(check_load(&guest, name));
    if (strcmp(name, "mix.wasm") == 0) {
        wasm_module_inst_t inst = instantiate();
        CHECK(ticks(inst, &expected));
        wasm_runtime_deinstantiate(inst);
    }
    for (int i = 0; i < rounds / 10; i++) {
        cycle(i);
    }
    struct check_usage before = check_usage();
    long before_kib = resident();
    for (int i = 0; i < rounds; i++) {
        cycle(i);
    }
    CHECK_USAGE(before);
    /* A page of each cycle would be more. */
    long grown = resident() - before_kib;
    if (!CHECK(before.bytes == 0 || grown < 256 + rounds)) {
        fprintf(stderr, "%ld KiB more after %d cycles\n", grown, rounds);
    }
    free(done.image);
    done.image = NULL;
    check_close(&guest);
}

TEST(instances)
{
    cycles("mix.wasm", plain_cycle, check_effort(500, 10000));
}

TEST(instances_checkpointed_and_restored)
{
    cycles("mix.wasm", checkpoint_cycle, check_effort(500, 10000));
}

TEST(instances_that_trap)
{
    cycles("unwind.wasm", trap_cycle, check_effort(500, 10000));
}

TEST(modules)
{
    cycles("mix.wasm", load_cycle, check_effort(200, 2000));
}

int main(void)
{
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 2)) {
        return 2;
    }
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_ERROR);
    RUN(instances);
    RUN(instances_checkpointed_and_restored);
    RUN(instances_that_trap);
    RUN(modules);
    wasm_runtime_destroy();
    return check_result();
}
