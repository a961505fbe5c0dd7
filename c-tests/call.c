/* Calling the guest with every kind of value, in each of the ways there are. */
#include <endian.h>

#include "check.h"

static struct check_guest_state guest;

static wasm_function_inst_t function(const char *name)
{
    wasm_function_inst_t function = wasm_runtime_lookup_function(guest.inst, name);
    if (!function) {
        fprintf(stderr, "no function %s\n", name);
        exit(2);
    }
    return function;
}

TEST(cells_of_numbers)
{
    uint32_t argv[8];
    argv[0] = 0xffffffff;
    argv[1] = 3;
    CHECK(check_call(&guest, "add", 2, argv));
    CHECK_INT(argv[0], 2);

    uint64_t longs[2] = { 1ull << 40, 5 };
    memcpy(argv, longs, 16);
    CHECK(check_call(&guest, "add64", 4, argv));
    memcpy(longs, argv, 8);
    CHECK_INT(longs[0], (1ll << 40) + 5);

    float half = 3;
    memcpy(argv, &half, 4);
    CHECK(check_call(&guest, "halve", 1, argv));
    memcpy(&half, argv, 4);
    CHECK(half == 1.5f);

    int32_t a = -1;
    int64_t b = 20;
    float c = 0.25f;
    double d = 300;
    memcpy(&argv[0], &a, 4);
    memcpy(&argv[1], &b, 8);
    memcpy(&argv[3], &c, 4);
    memcpy(&argv[4], &d, 8);
    CHECK(check_call(&guest, "weigh", 6, argv));
    memcpy(&d, argv, 8);
    CHECK(d == 319.25);
    CHECK(check_call(&guest, "nop", 0, NULL));
}

TEST(several_results)
{
    uint32_t argv[4];
    int64_t b = -2;
    float c = 8;
    argv[0] = 1;
    memcpy(&argv[1], &b, 8);
    memcpy(&argv[3], &c, 4);
    CHECK(check_call(&guest, "turn", 4, argv));
    memcpy(&c, &argv[0], 4);
    memcpy(&b, &argv[1], 8);
    CHECK(c == 8 && b == -2 && argv[3] == 1);
}

TEST(vectors)
{
    /* Bytes are where they are in the guest's memory. */
    uint32_t argv[4] = { htole32(1), htole32(2), htole32(3), htole32(0x80000000) };
    CHECK(check_call(&guest, "double_lanes", 4, argv));
    CHECK(argv[0] == htole32(2) && argv[1] == htole32(4) && argv[2] == htole32(6) && argv[3] == 0);
}

TEST(objects_of_the_host)
{
    static int object, other;
    uint32_t argv[5];
    void *p = &object;
    memcpy(argv, &p, sizeof p);
    CHECK(check_call(&guest, "same", 2, argv));
    memcpy(&p, argv, sizeof p);
    CHECK(p == &object);
    CHECK(check_call(&guest, "is_null", 2, argv));
    CHECK_INT(argv[0], 0);

    p = (void *)-1;
    memcpy(argv, &p, sizeof p);
    CHECK(check_call(&guest, "is_null", 2, argv));
    CHECK_INT(argv[0], 1);
    CHECK(check_call(&guest, "null", 0, argv));
    memcpy(&p, argv, sizeof p);
    CHECK(p == NULL);

    void *q = &other;
    p = &object;
    memcpy(&argv[0], &p, sizeof p);
    argv[2] = 7;
    memcpy(&argv[3], &q, sizeof q);
    CHECK(check_call(&guest, "second", 5, argv));
    memcpy(&p, argv, sizeof p);
    CHECK(p == &other);
}

TEST(functions_as_indices)
{
    uint32_t argv[2] = { 5 };
    CHECK(check_call(&guest, "element", 1, argv));
    CHECK_INT(argv[0], 0);
    argv[0] = 4;
    CHECK(check_call(&guest, "element", 1, argv));
    CHECK_INT(argv[0], 0xffffffff);
    argv[0] = 4;
    argv[1] = 1;
    CHECK(check_call(&guest, "set_element", 2, argv));
    argv[0] = 4;
    CHECK(check_call(&guest, "element", 1, argv));
    CHECK_INT(argv[0], 1);
}

TEST(typed_values)
{
    wasm_val_t args[4] = {
        { .kind = WASM_I32, .of.i32 = -1 },
        { .kind = WASM_I64, .of.i64 = 20 },
        { .kind = WASM_F32, .of.f32 = 0.25f },
        { .kind = WASM_F64, .of.f64 = 300 },
    };
    wasm_val_t results[3];
    memset(results, 0xff, sizeof results);
    CHECK(wasm_runtime_call_wasm_a(guest.env, function("weigh"), 1, results, 4, args));
    CHECK_INT(results[0].kind, WASM_F64);
    CHECK(results[0].of.f64 == 319.25);

    CHECK(wasm_runtime_call_wasm_a(guest.env, function("turn"), 3, results, 3, args));
    CHECK(results[0].kind == WASM_F32 && results[0].of.f32 == 0.25f);
    CHECK(results[1].kind == WASM_I64 && results[1].of.i64 == 20);
    CHECK(results[2].kind == WASM_I32 && results[2].of.i32 == -1);

    static int object;
    wasm_val_t reference = { .kind = WASM_EXTERNREF, .of.foreign = (uintptr_t)&object };
    CHECK(wasm_runtime_call_wasm_a(guest.env, function("same"), 1, results, 1, &reference));
    CHECK_INT(results[0].kind, WASM_EXTERNREF);
    CHECK(results[0].of.foreign == (uintptr_t)&object);

    wasm_val_t index = { .kind = WASM_I32, .of.i32 = 5 };
    CHECK(wasm_runtime_call_wasm_a(guest.env, function("element"), 1, results, 1, &index));
    CHECK_INT(results[0].of.i32, 0);
}

TEST(wrong_counts)
{
    wasm_val_t values[5] = { { .kind = WASM_I32, .of.i32 = 1 }, { .kind = WASM_I32, .of.i32 = 1 } };
    check_catch();
    bool called = wasm_runtime_call_wasm_a(guest.env, function("add"), 1, values, 1, values);
    CHECK_HAS(check_caught(), "The argument value number does not match the function declaration.");
    CHECK(!called);
    check_catch();
    called = wasm_runtime_call_wasm_a(guest.env, function("add"), 2, values, 2, values);
    CHECK_HAS(check_caught(), "The result value number does not match the function declaration.");
    CHECK(!called);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
}

TEST(variadic_call)
{
    wasm_val_t results[3];
    static int object;
    CHECK(wasm_runtime_call_wasm_v(guest.env, function("weigh"), 1, results, 4, -1, (int64_t)20, 0.25, 300.0));
    CHECK(results[0].kind == WASM_F64 && results[0].of.f64 == 319.25);
    CHECK(wasm_runtime_call_wasm_v(guest.env, function("nop"), 0, NULL, 0));
    CHECK(wasm_runtime_call_wasm_v(guest.env, function("same"), 1, results, 1, (uintptr_t)&object));
    CHECK(results[0].of.foreign == (uintptr_t)&object);
    CHECK(wasm_runtime_call_wasm_v(guest.env, function("set_element"), 0, NULL, 2, 8, (uint32_t)1));
    CHECK(wasm_runtime_call_wasm_v(guest.env, function("element"), 1, results, 1, 8));
    CHECK_INT(results[0].of.i32, 1);
}

TEST(through_the_table)
{
    uint32_t argv[2] = { 40, 2 };
    CHECK(wasm_runtime_call_indirect(guest.env, 5, 2, argv));
    CHECK_INT(argv[0], 42);
    argv[0] = 40, argv[1] = 2;
    CHECK(!wasm_runtime_call_indirect(guest.env, 5, 1, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst),
              "Exception: invalid argument count 1, must be no smaller than 2");
    CHECK_INT(argv[0], 40);
    wasm_runtime_clear_exception(guest.inst);
    CHECK(wasm_runtime_call_indirect(guest.env, 5, 3, argv));
    CHECK_INT(argv[0], 42);
    CHECK(!wasm_runtime_call_indirect(guest.env, 10, 0, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: undefined element");
    wasm_runtime_clear_exception(guest.inst);
    CHECK(!wasm_runtime_call_indirect(guest.env, 0, 0, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: uninitialized element");
    wasm_runtime_clear_exception(guest.inst);
}

TEST(a_stale_exception_fails_the_next_call)
{
    uint32_t argv[2] = { 1, 2 };
    CHECK(!check_call(&guest, "unreachable", 0, NULL));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: unreachable");
    CHECK(!check_call(&guest, "add", 2, argv));
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: unreachable");
    wasm_runtime_clear_exception(guest.inst);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
    CHECK(check_call(&guest, "add", 2, argv));
    CHECK_INT(argv[0], 3);
}

int main(void)
{
    if (!wasm_runtime_init() || !check_open(&guest, "values.wasm", 0)) {
        return 2;
    }
    RUN(cells_of_numbers);
    RUN(several_results);
    RUN(vectors);
    RUN(objects_of_the_host);
    RUN(functions_as_indices);
    RUN(typed_values);
    RUN(wrong_counts);
    RUN(variadic_call);
    RUN(through_the_table);
    RUN(a_stale_exception_fails_the_next_call);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
