/* Call stacks of traps. */
#include "check.h"

static struct check_guest_state guest;

static void
back(wasm_exec_env_t env, int32_t value)
{
    (void)value;
    wasm_runtime_set_exception(wasm_runtime_get_module_inst(env), "raised by the host");
}

static char text[70000];

/* The call stack's lines without the offsets. */
static const char *
names(void)
{
    static char only[70000];
    size_t n = 0;
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        const char *name = *line == '#' ? strstr(line, " - ") : NULL;
        if (name)
            n += (size_t)sprintf(only + n, "%.*s", (int)(strchr(name, '\n') - name - 2), name + 3);
    }
    only[n] = 0;
    return only;
}

/* The offset in line `n`. */
static unsigned long
offset(int n)
{
    char start[16];
    sprintf(start, "\n#%02d: 0x", n);
    const char *line = strstr(text, start);
    return line ? strtoul(line + strlen(start), NULL, 16) : 0;
}

/* Calls a function that ends in a trap, and takes the text. */
static void
trap(const char *name, uint32_t arg)
{
    uint32_t argv[1] = { arg };
    CHECK(!check_call(&guest, name, strcmp(name, "outer") && strcmp(name, "load") ? 0 : 1, argv));
    CHECK(wasm_runtime_get_exception(guest.inst) != NULL);
    wasm_runtime_clear_exception(guest.inst);
    uint32_t size = wasm_runtime_get_call_stack_buf_size(guest.env);
    CHECK(size > 2 && size <= sizeof text);
    CHECK_INT(wasm_runtime_dump_call_stack_to_buf(guest.env, text, sizeof text), size);
    CHECK_INT(strlen(text) + 1, size);
}

TEST(there_is_none_before_a_trap)
{
    uint32_t argv[1] = { 1 };
    CHECK(check_call(&guest, "outer", 1, argv));
    CHECK_INT(argv[0], 3);
    CHECK_INT(wasm_runtime_get_call_stack_buf_size(guest.env), 0);
    CHECK_INT(wasm_runtime_dump_call_stack_to_buf(guest.env, text, sizeof text), 0);
    check_catch();
    wasm_runtime_dump_call_stack(guest.env);
    CHECK_STR(check_caught(), "");
}

TEST(functions_are_named_innermost_first)
{
    trap("outer", 0);
    if (getenv("CHECK_COMPILED")) {
        /* A compiler may have put one function into another. */
        CHECK_INT(strncmp(names(), "divide\n", 7), 0);
        CHECK_STR(names() + strlen(names()) - 6, "outer\n");
    } else {
        CHECK_STR(names(), "divide\nmiddle\nouter\n");
    }
    CHECK(strncmp(text, "\n#00: 0x", 8) == 0);
    CHECK_STR(text + strlen(text) - 2, "\n\n");
    check_catch();
    wasm_runtime_dump_call_stack(guest.env);
    CHECK_STR(check_caught(), text);
    char small[12];
    CHECK_INT(wasm_runtime_dump_call_stack_to_buf(guest.env, small, sizeof small), 12);
    CHECK_INT(strlen(small), 11);
    CHECK_INT(strncmp(small, text, 11), 0);
    CHECK_INT(wasm_runtime_dump_call_stack_to_buf(guest.env, NULL, 0), strlen(text) + 1);
    trap("load", 65536);
    CHECK_STR(names(), "load\n");
    trap("unnamed", 0);
    CHECK_STR(names(), "unnamed\n");
    trap("host_raises", 0);
    CHECK_STR(names(), "exported\n");
}

/* Interpreted ones: where the instruction is in the module. */
TEST(offsets_are_those_of_the_module)
{
    uint8_t *bytes = guest.bytes;
    trap("outer", 0);
    bool interpreted = offset(0) != 0;
    CHECK(interpreted == (getenv("CHECK_COMPILED") == NULL));
    if (!interpreted)
        return;
    CHECK_INT(bytes[offset(0)], 0x6e); /* i32.div_u */
    CHECK_INT(bytes[offset(1)], 0x11); /* call_indirect */
    CHECK_INT(bytes[offset(2)], 0x10); /* call */
    trap("load", 65536);
    CHECK_INT(bytes[offset(0)], 0x28); /* i32.load, although it was fused with the addition */
    trap("unnamed", 0);
    CHECK_INT(bytes[offset(0)], 0x00);
    trap("host_raises", 0);
    CHECK_INT(bytes[offset(0)], 0x10);
}

TEST(endless_recursion_has_a_bounded_one)
{
    trap("endless", 0);
    CHECK(strncmp(names(), "endless\nendless\nendless\n", 24) == 0);
    CHECK_INT(strlen(names()), 256 * strlen("endless\n"));
    CHECK_HAS(text, "\n...\n");
}

int main(void)
{
    static NativeSymbol natives[] = { { "back", back, "(i)", NULL } };
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("host", natives, 1)
        || !check_open(&guest, "stack.wasm", 0)) {
        return 2;
    }
    RUN(there_is_none_before_a_trap);
    RUN(functions_are_named_innermost_first);
    RUN(offsets_are_those_of_the_module);
    RUN(endless_recursion_has_a_bounded_one);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
