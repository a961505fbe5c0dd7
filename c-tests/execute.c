/* Programs and functions with arguments as text. */
#include "check.h"

static struct check_guest_state guest;

/* What running a function prints, or the exception. */
static const char *run(const char *name, int argc, const char *first, const char *second)
{
    char *argv[] = { (char *)first, (char *)second };
    check_catch();
    bool done = wasm_application_execute_func(guest.inst, name, argc, argv);
    const char *printed = check_caught();
    return done ? printed : wasm_runtime_get_exception(guest.inst);
}

TEST(results_as_text)
{
    CHECK_STR(run("add", 2, "0x10", "-1"), "0xf:i32\n");
    CHECK_STR(run("add64", 2, "1099511627776", "1"), "0x10000000001:i64\n");
    CHECK_STR(run("halve", 1, "3", NULL), "1.5:f32\n");
    CHECK_STR(run("nop", 0, NULL, NULL), "\n");
    CHECK_STR(run("double_lanes", 1, "1\\2", NULL), "<0x0000000000000002 0x0000000000000004>:v128\n");
    CHECK_STR(run("element", 1, "5", NULL), "0:ref.func\n");
    CHECK_STR(run("element", 1, "0", NULL), "func:ref.null\n");
    CHECK_STR(run("null", 0, NULL, NULL), "extern:ref.null\n");
    CHECK_STR(run("is_null", 1, "null", NULL), "0x1:i32\n");
    CHECK_STR(run("same", 1, "77", NULL), "0x4d:ref.extern\n");
}

TEST(several_results_as_text)
{
    char *argv[] = { (char *)"1", (char *)"-2", (char *)"nan" };
    check_catch();
    CHECK(wasm_application_execute_func(guest.inst, "turn", 3, argv));
    CHECK_STR(check_caught(), "nan:f32,0xfffffffffffffffe:i64,0x1:i32\n");
}

TEST(bad_calls)
{
    CHECK_STR(run("nothing", 0, NULL, NULL), "Exception: lookup function nothing failed");
    CHECK_STR(run("add", 1, "1", NULL), "Exception: invalid input argument count");
    CHECK_STR(run("add", 2, "1", "2x"), "Exception: invalid input argument 1: 2x");
    CHECK_STR(run("add", 2, "", "2"), "Exception: invalid input argument 0");
    CHECK_STR(run("unreachable", 0, NULL, NULL), "Exception: unreachable");
    /* The exception before does not matter. */
    CHECK_STR(run("add", 2, "1", "2_"), "0x3:i32\n");
}

TEST(main_with_arguments)
{
    struct check_guest_state program;
    char *argv[] = { (char *)"program", (char *)"A" };
    REQUIRE(check_open(&program, "main_args.wasm", 8192));
    CHECK(wasm_application_execute_main(program.inst, 2, argv));
    CHECK_INT(*(int *)argv, 200 + 'A');
    check_close(&program);

    /* Nowhere to put the arguments. */
    REQUIRE(check_open(&program, "main_args.wasm", 0));
    argv[0] = (char *)"program";
    check_catch();
    bool done = wasm_application_execute_main(program.inst, 2, argv);
    check_caught();
    CHECK(!done);
    CHECK_STR(wasm_runtime_get_exception(program.inst), "Exception: allocate memory failed");
    check_close(&program);
}

TEST(no_main)
{
    CHECK(!wasm_application_execute_main(guest.inst, 0, NULL));
    CHECK_STR(wasm_runtime_get_exception(guest.inst),
              "Exception: lookup the entry point symbol (like _start, main, _main, __main_argc_argv) failed");
    wasm_runtime_clear_exception(guest.inst);
}

int main(void)
{
    if (!wasm_runtime_init() || !check_open(&guest, "values.wasm", 0)) {
        return 2;
    }
    RUN(results_as_text);
    RUN(several_results_as_text);
    RUN(bad_calls);
    RUN(main_with_arguments);
    RUN(no_main);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
