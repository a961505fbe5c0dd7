/* wayfarer_watch_function: entries and returns of functions, in each engine, and across checkpoints. */
#include <math.h>

#include "wayfarer.h"

#include "check.h"
#include "report.h"

static struct check_guest_state guest;

/* What was told: a line for each event. */
static char told[1 << 16];
static size_t told_size;
/* How many events there were of each kind. */
static long events[5];
/* Whether `told` is written. */
static int writes = 1;

static void tell(const char *text)
{
    int n = snprintf(told + told_size, sizeof told - told_size, "%s", text);
    told_size += (size_t)n < sizeof told - told_size ? (size_t)n : 0;
}

static void tell_values(const wasm_val_t *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[64];
        switch (values[i].kind) {
        case WASM_I32: snprintf(text, sizeof text, " %d", values[i].of.i32); break;
        case WASM_I64: snprintf(text, sizeof text, " %lldL", (long long)values[i].of.i64); break;
        case WASM_F32: snprintf(text, sizeof text, " %gf", (double)values[i].of.f32); break;
        case WASM_F64: snprintf(text, sizeof text, " %g", values[i].of.f64); break;
        default: snprintf(text, sizeof text, " ?%d", values[i].kind); break;
        }
        tell(text);
    }
}

static void on_event(wasm_exec_env_t env, const wayfarer_watch_event_t *event, void *user_data)
{
    static const char *const kinds[] = { ">", "<", "~", "!", "x" };
    events[event->kind]++;
    if (!writes) {
        return;
    }
    if (!wasm_runtime_get_module_inst(env)) {
        tell("no instance ");
    }
    tell(user_data ? (const char *)user_data : "");
    tell(kinds[event->kind]);
    tell(event->name ? event->name : "(none)");
    tell_values(event->args, event->num_args);
    if (event->kind == WAYFARER_RETURNED) {
        tell(" =");
        tell_values(event->results, event->num_results);
    }
    tell("\n");
}

/* The host's function: asks for a checkpoint when it is called for the `stop_at`th time. */
static int calls_of_stop, stop_at;
static char error[512];

static void ask(wasm_exec_env_t env)
{
    wayfarer_checkpoint_args_t args;
    memset(&args, 0, sizeof args);
    args.then = WAYFARER_STOP;
    wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &args, on_done, NULL, NULL, 0);
}

static void stop(wasm_exec_env_t env)
{
    if (++calls_of_stop == stop_at) {
        ask(env);
    }
}

static NativeSymbol symbols[] = { { "stop", (void *)stop, "()", NULL } };

static void forget(void)
{
    told_size = 0;
    told[0] = 0;
    memset(events, 0, sizeof events);
    calls_of_stop = stop_at = 0;
    writes = 1;
}

static uint64_t watch(wasm_module_inst_t inst, const char *name)
{
    error[0] = 0;
    return wayfarer_watch_function(inst, name, on_event, on_event, NULL, error, sizeof error);
}

static bool call(wasm_module_inst_t inst, const char *name, uint32_t argc, uint32_t *argv)
{
    wasm_function_inst_t function = wasm_runtime_lookup_function(inst, name);
    return function && wasm_runtime_call_wasm(wasm_runtime_get_exec_env_singleton(inst), function, argc, argv);
}

static uint32_t call1(wasm_module_inst_t inst, const char *name, uint32_t arg)
{
    uint32_t argv[4] = { arg };
    return call(inst, name, 1, argv) ? argv[0] : 0xdead;
}

TEST(arguments_and_results_have_their_types)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    CHECK(watch(inst, "types") != 0);
    CHECK(watch(inst, "pair") != 0);
    int64_t b = -5000000000;
    float c = 0.5f;
    double d = 1e10, sum;
    uint32_t argv[8] = { (uint32_t)-3 };
    memcpy(argv + 1, &b, 8);
    memcpy(argv + 3, &c, 4);
    memcpy(argv + 4, &d, 8);
    CHECK(call(inst, "types", 6, argv));
    memcpy(&sum, argv, 8);
    CHECK(fabs(sum - 4999999997.5) < 1e-3);
    CHECK_INT(call1(inst, "pair", 4), 5);
    CHECK_STR(told, ">types -3 -5000000000L 0.5f 1e+10\n<types -3 -5000000000L 0.5f 1e+10 = 5e+09\n"
                    ">pair 4\n<pair 4 = 5 -12L\n");
    wasm_runtime_deinstantiate(inst);
}

TEST(recursion_is_paired_by_depth)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    CHECK(watch(inst, "fact") != 0);
    uint32_t argv[2] = { 3, 0 };
    CHECK(call(inst, "fact", 2, argv));
    CHECK_STR(told, ">fact 3L\n>fact 2L\n>fact 1L\n<fact 1L = 1L\n<fact 2L = 2L\n<fact 3L = 6L\n");
    wasm_runtime_deinstantiate(inst);
}

TEST(a_loop_in_a_watched_function_does_what_it_did)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    uint32_t expected = call1(inst, "spin", 1000000);
    CHECK(watch(inst, "spin") != 0);
    CHECK_INT(call1(inst, "spin", 1000000), expected);
    CHECK_INT(events[WAYFARER_ENTERED], 1);
    CHECK_INT(events[WAYFARER_RETURNED], 1);
    wasm_runtime_deinstantiate(inst);
}

TEST(a_call_in_tail_position_returns_for_its_caller)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    CHECK(watch(inst, "last") != 0);
    CHECK_INT(call1(inst, "last", 5), 105);
    CHECK_STR(told, ">last 5\n<last 5 = 105\n");

    /* Watched functions that call each other so take no room, however often. */
    forget();
    CHECK(watch(inst, "chain") != 0);
    CHECK(watch(inst, "inner") != 0);
    CHECK_INT(call1(inst, "chain", 2), 12);
    CHECK_STR(told, ">chain 2\n~chain 2\n>chain 1\n~chain 1\n>chain 0\n>inner 5\n<inner 5 = 12\n<chain 0 = 12\n");
    forget();
    writes = 0;
    CHECK_INT(call1(inst, "chain", 3000000), 12);
    CHECK_INT(events[WAYFARER_ENTERED], 3000002);
    CHECK_INT(events[WAYFARER_TAIL_CALLED], 3000000);
    CHECK_INT(events[WAYFARER_RETURNED], 2);
    wasm_runtime_deinstantiate(inst);
}

TEST(traps_and_exits_are_told_innermost_first)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    CHECK(watch(inst, "fall") != 0);
    CHECK_INT(call1(inst, "fall", 1), 0xdead);
    CHECK_HAS(wasm_runtime_get_exception(inst), "unreachable");
    CHECK_STR(told, ">fall 1\n>fall 0\n!fall 0\n!fall 1\n");
    wasm_runtime_clear_exception(inst);

    /* Nothing is left of them: what comes next is paired as ever. */
    forget();
    CHECK(watch(inst, "inner") != 0);
    CHECK_INT(call1(inst, "inner", 1), 8);
    CHECK_STR(told, ">inner 1\n<inner 1 = 8\n");

    forget();
    CHECK(watch(inst, "leave") != 0);
    call1(inst, "leave", 3);
    CHECK_STR(told, ">leave 3\nxleave 3\n");
    wasm_runtime_deinstantiate(inst);
}

TEST(functions_in_tables_and_without_an_export_are_watched)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    CHECK(watch(inst, "named") != 0);
    CHECK(watch(inst, "last") != 0);
    uint32_t argv[2] = { 21, 0 };
    CHECK(call(inst, "indirect", 2, argv));
    CHECK_INT(argv[0], 42);
    argv[0] = 1, argv[1] = 1;
    CHECK(call(inst, "indirect", 2, argv));
    CHECK_STR(told, ">named 21\n<named 21 = 42\n>last 1\n<last 1 = 101\n");
    wasm_runtime_deinstantiate(inst);
}

TEST(who_unwatches_is_told_no_more)
{
    wasm_module_inst_t inst = check_another(&guest), other = check_another(&guest);
    forget();
    uint64_t one = wayfarer_watch_function(inst, "inner", on_event, NULL, "one", error, sizeof error);
    uint64_t two = wayfarer_watch_function(inst, "inner", NULL, on_event, "two", error, sizeof error);
    CHECK(one && two && one != two);
    CHECK_INT(call1(inst, "inner", 1), 8);
    /* Another instance of the module is another matter. */
    CHECK_INT(call1(other, "inner", 2), 9);
    CHECK(!wayfarer_unwatch(other, one));
    CHECK(wayfarer_unwatch(inst, one));
    CHECK(!wayfarer_unwatch(inst, one));
    CHECK_INT(call1(inst, "inner", 3), 10);
    CHECK(wayfarer_unwatch(inst, two));
    CHECK_INT(call1(inst, "inner", 4), 11);
    CHECK_STR(told, "one>inner 1\ntwo<inner 1 = 8\ntwo<inner 3 = 10\n");

    /* By index: 2 imports, two of the guest's own, then `types` and `pair`. */
    forget();
    CHECK(wayfarer_watch_function_at(inst, 5, on_event, on_event, NULL, error, sizeof error) != 0);
    CHECK_INT(call1(inst, "pair", 0), 1);
    CHECK_STR(told, ">pair 0\n<pair 0 = 1 0L\n");
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_deinstantiate(other);
}

TEST(what_cannot_be_watched_is_refused_by_name)
{
    wasm_module_inst_t inst = check_another(&guest);
    CHECK(watch(inst, "nobody") == 0);
    CHECK_HAS(error, "no function of the module is called nobody");
    CHECK(wayfarer_watch_function_at(inst, 0, on_event, on_event, NULL, error, sizeof error) == 0);
    CHECK_HAS(error, "it is imported");
    CHECK(wayfarer_watch_function_at(inst, 1000, on_event, on_event, NULL, error, sizeof error) == 0);
    CHECK_HAS(error, "function 1000 cannot be watched: there is no such function");
    CHECK(watch(inst, "vector") == 0);
    CHECK_HAS(error, "vectors");
    CHECK(watch(NULL, "fact") == 0);
    CHECK(watch(inst, NULL) == 0);
    CHECK(!wayfarer_unwatch(inst, 0));
    CHECK(!wayfarer_unwatch(NULL, 1));
    /* Compiled code of which nobody said that it would be. */
    if (check_compiled()) {
        CHECK(watch(inst, "plain") == 0);
        CHECK_HAS(error, "(plain) cannot be watched: it is compiled in a way");
        CHECK_HAS(error, "wamrc --watch");
    } else {
        forget();
        CHECK(watch(inst, "plain") != 0);
        CHECK_INT(call1(inst, "call_plain", 1), 101);
        CHECK_STR(told, ">plain 1\n<plain 1 = 101\n");
    }
    wasm_runtime_deinstantiate(inst);
}

/* Calls the guest when `inner` begins, and asks for a checkpoint as soon as it is inside. */
static uint32_t called_back;

static void calls_back(wasm_exec_env_t env, const wayfarer_watch_event_t *event, void *user_data)
{
    (void)user_data;
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    uint32_t argv[2] = { 7 };
    ask(env);
    wasm_function_inst_t spin = wasm_runtime_lookup_function(inst, "spin");
    called_back = wasm_runtime_call_wasm(env, spin, 1, argv) ? argv[0] : 0;
    CHECK_INT(event->args[0].of.i32, 1);
}

TEST(a_call_back_may_call_the_guest_and_is_no_place_for_checkpoints)
{
    wasm_module_inst_t inst = check_another(&guest);
    forget();
    uint32_t expected = call1(inst, "spin", 7);
    uint64_t watched = wayfarer_watch_function(inst, "inner", calls_back, NULL, NULL, error, sizeof error);
    REQUIRE(watched != 0);
    CHECK(watch(inst, "spin") != 0);
    called_back = 0;
    CHECK_INT(call1(inst, "inner", 1), 8);
    CHECK_INT(called_back, expected);
    CHECK_HAS(done.error, "watched.inner called back into the guest");
    CHECK_HAS(told, ">spin 7\n<spin 7 = ");
    wasm_runtime_deinstantiate(inst);
}

/* The same module as `guest`, in the other form. */
static wasm_module_t other_form(uint8_t **bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/watch.%s", getenv("GUESTS") ? getenv("GUESTS") : ".",
             check_compiled() ? "wasm" : "aot");
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    *bytes = malloc(1 << 20);
    uint32_t size = (uint32_t)fread(*bytes, 1, 1 << 20, file);
    fclose(file);
    return wasm_runtime_load(*bytes, size, error, sizeof error);
}

/* Runs `name`, stops it at each call of the host's in it, and restores it in `module`: what is told is what is told of the
 * undisturbed run, and so is the result. */
static void stopped_everywhere(wasm_module_t module, const char *name, uint32_t argc, const uint32_t *args)
{
    static char expected[sizeof told], before[sizeof told];
    static const char *const all[] = { "types", "pair", "fact", "spin", "last", "chain", "inner", "fall" };
    uint32_t result[4] = { 0 };
    wasm_module_inst_t inst = check_another(&guest);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK(watch(inst, all[i]) != 0);
    }
    forget();
    memcpy(result, args, argc * sizeof *args);
    CHECK(call(inst, name, argc, result));
    memcpy(expected, told, sizeof told);
    int stops = calls_of_stop;
    CHECK(stops > 0);
    wasm_runtime_deinstantiate(inst);
    for (int at = 1; at <= stops; at++) {
        uint32_t argv[4] = { 0 };
        inst = check_another(&guest);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            CHECK(watch(inst, all[i]) != 0);
        }
        forget();
        stop_at = at;
        memcpy(argv, args, argc * sizeof *args);
        CHECK(!call(inst, name, argc, argv));
        wasm_runtime_deinstantiate(inst);
        REQUIRE(done.image != NULL);
        memcpy(before, told, sizeof told);
        size_t size = told_size;

        inst = wayfarer_restore_from_memory(module, NULL, done.image, done.image_size, error, sizeof error);
        if (!inst) {
            fprintf(stderr, "%s\n", error);
        }
        REQUIRE(inst != NULL);
        forget();
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            CHECK(watch(inst, all[i]) != 0);
        }
        CHECK(wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv));
        CHECK(memcmp(argv, result, sizeof(uint32_t) * 2) == 0);
        CHECK(strncmp(expected, before, size) == 0);
        CHECK_STR(told, expected + size);
        wasm_runtime_deinstantiate(inst);
    }
}

TEST(returns_come_after_a_restore)
{
    const uint32_t fact[2] = { 6, 0 }, spin[1] = { 50 }, run[1] = { 3 };
    stopped_everywhere(guest.module, "fact", 2, fact);
    stopped_everywhere(guest.module, "spin", 1, spin);
    stopped_everywhere(guest.module, "last", 1, spin);
    stopped_everywhere(guest.module, "run", 1, run);
}

TEST(returns_come_after_a_restore_in_the_other_engine)
{
    uint8_t *bytes = NULL;
    wasm_module_t other = other_form(&bytes);
    /* Under an emulator nothing was compiled. */
    if (other) {
        const uint32_t fact[2] = { 6, 0 }, spin[1] = { 50 }, run[1] = { 3 };
        stopped_everywhere(other, "fact", 2, fact);
        stopped_everywhere(other, "spin", 1, spin);
        stopped_everywhere(other, "last", 1, spin);
        stopped_everywhere(other, "run", 1, run);
        wasm_runtime_unload(other);
    } else {
        CHECK(getenv("EMULATOR") != NULL);
    }
    free(bytes);
}

TEST(who_does_not_ask_again_is_not_told)
{
    uint32_t argv[2] = { 4, 0 };
    wasm_module_inst_t inst = check_another(&guest);
    CHECK(watch(inst, "fact") != 0);
    forget();
    stop_at = 1;
    CHECK(!call(inst, "fact", 2, argv));
    wasm_runtime_deinstantiate(inst);
    REQUIRE(done.image != NULL);
    inst = wayfarer_restore_from_memory(guest.module, NULL, done.image, done.image_size, error, sizeof error);
    REQUIRE(inst != NULL);
    forget();
    CHECK(wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv));
    CHECK_INT(argv[0], 24);
    CHECK_STR(told, "");
    wasm_runtime_deinstantiate(inst);
}

TEST(a_host_says_where_functions_of_streams_are)
{
    static const char *const wrong[] = { "fopen", "fopen=x,fclose=1", "fopen=99999,fclose=99998" };
    struct check_guest_state other;
    char error[256];
    CHECK(!wayfarer_set_stdio_map(wrong[0], error, sizeof error));
    CHECK(error[0] != '\0');
    CHECK(!wayfarer_set_stdio_map(wrong[1], NULL, 0));
    /* What is no function of the module is found out with it. */
    CHECK(wayfarer_set_stdio_map(wrong[2], error, sizeof error));
    REQUIRE(check_load(&other, "watch.wasm"));
    CHECK(wasm_runtime_instantiate(other.module, 16384, 0, other.error, sizeof other.error) == NULL);
    CHECK_HAS(other.error, "9999");
    check_close(&other);
    CHECK(wayfarer_set_stdio_map("none", NULL, 0));
    CHECK(check_open(&other, "watch.wasm", 0));
    check_close(&other);
    CHECK(wayfarer_set_stdio_map(NULL, NULL, 0));
}

int main(void)
{
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("host", symbols, 1)) {
        return 2;
    }
    if (!check_load(&guest, "watch.wasm")) {
        return 2;
    }
    RUN(arguments_and_results_have_their_types);
    RUN(recursion_is_paired_by_depth);
    RUN(a_loop_in_a_watched_function_does_what_it_did);
    RUN(a_call_in_tail_position_returns_for_its_caller);
    RUN(traps_and_exits_are_told_innermost_first);
    RUN(functions_in_tables_and_without_an_export_are_watched);
    RUN(who_unwatches_is_told_no_more);
    RUN(what_cannot_be_watched_is_refused_by_name);
    RUN(a_call_back_may_call_the_guest_and_is_no_place_for_checkpoints);
    RUN(returns_come_after_a_restore);
    RUN(returns_come_after_a_restore_in_the_other_engine);
    RUN(who_does_not_ask_again_is_not_told);
    RUN(a_host_says_where_functions_of_streams_are);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
