/* Traps, their texts, and exceptions that the host sets. */
#include "check.h"

static struct check_guest_state guest;

/* The exception that a call ends with, or NULL. */
static const char *trap(const char *name, uint32_t argc, uint32_t first, uint32_t second)
{
    static char text[256];
    uint32_t argv[4] = { first, second };
    bool done = check_call(&guest, name, argc, argv);
    const char *exception = wasm_runtime_get_exception(guest.inst);
    CHECK(done == (exception == NULL));
    if (!exception) {
        return NULL;
    }
    snprintf(text, sizeof text, "%s", exception);
    wasm_runtime_clear_exception(guest.inst);
    return text;
}

static uint32_t bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Compiled guests recurse on the native stack. */
static const char *overflow(void)
{
    return check_compiled() ? "Exception: native stack overflow" : "Exception: wasm operand stack overflow";
}

TEST(texts)
{
    CHECK_STR(trap("unreachable", 0, 0, 0), "Exception: unreachable");
    CHECK_STR(trap("load", 1, 65532, 0), NULL);
    CHECK_STR(trap("load", 1, 65533, 0), "Exception: out of bounds memory access");
    CHECK_STR(trap("load", 1, 0xffffffff, 0), "Exception: out of bounds memory access");
    CHECK_STR(trap("divide", 2, 1, 0), "Exception: integer divide by zero");
    CHECK_STR(trap("divide", 2, 0x80000000, 0xffffffff), "Exception: integer overflow");
    CHECK_STR(trap("remainder", 2, 1, 0), "Exception: integer divide by zero");
    CHECK_STR(trap("truncate", 1, bits(1e20f), 0), "Exception: integer overflow");
    CHECK_STR(trap("truncate", 1, 0x7fc00000, 0), "Exception: invalid conversion to integer");
    CHECK_STR(trap("call_element", 1, 4, 0), "Exception: undefined element");
    CHECK_STR(trap("call_element", 1, 0, 0), "Exception: uninitialized element");
    CHECK_STR(trap("call_element", 1, 1, 0), "Exception: indirect call type mismatch");
    CHECK_STR(trap("table_get", 1, 4, 0), "Exception: out of bounds table access");
    CHECK_STR(trap("memory_init", 1, 4, 0), "Exception: out of bounds memory access");
    CHECK_STR(trap("table_init", 1, 2, 0), "Exception: out of bounds table access");
    CHECK_STR(trap("recurse", 2, 0, 0), overflow());
    CHECK_STR(trap("unlinked", 0, 0, 0),
              "Exception: failed to call unlinked import function (nowhere, missing)");
    /* And after all that it still works. */
    CHECK_STR(trap("divide", 2, 4, 2), NULL);
}

TEST(more_stack_lasts_longer)
{
    uint32_t argv[2];
    wasm_function_inst_t recurse = wasm_runtime_lookup_function(guest.inst, "recurse");
    for (uint32_t size = 4096; size <= 1 << 20; size <<= 4) {
        wasm_exec_env_t env = wasm_runtime_create_exec_env(guest.inst, size);
        memset(argv, 0, sizeof argv);
        CHECK(!wasm_runtime_call_wasm(env, recurse, 2, argv));
        CHECK_STR(wasm_runtime_get_exception(guest.inst), overflow());
        wasm_runtime_clear_exception(guest.inst);
        wasm_runtime_destroy_exec_env(env);
    }
}

TEST(set_by_the_host)
{
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
    wasm_runtime_set_exception(guest.inst, "of mine");
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: of mine");
    wasm_runtime_set_exception(guest.inst, NULL);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);

    char text[300];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    wasm_runtime_set_exception(guest.inst, text);
    const char *shown = wasm_runtime_get_exception(guest.inst);
    CHECK_INT(strlen(shown), 127);
    CHECK_HAS(shown, "Exception: xxx");
    wasm_runtime_clear_exception(guest.inst);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    check_catch();
    int open = check_open(&guest, "traps.wasm", 0);
    check_caught();
    if (!open) {
        return 2;
    }
    RUN(texts);
    RUN(more_stack_lasts_longer);
    RUN(set_by_the_host);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
