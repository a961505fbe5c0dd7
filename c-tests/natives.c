/* Native functions: signatures, conversions, raw ones, attachments, registration. */
#include "check.h"

static struct check_guest_state guest;
static int object;
static int attachment = 0x1234;
static void *seen_pointer;
static unsigned calls;

static double sum(wasm_exec_env_t env, int32_t a, int64_t b, float c, double d)
{
    (void)env;
    return a + (double)b + c + d;
}

/* More arguments than there are registers, each weighted by its place. */
static int64_t many(wasm_exec_env_t env, int32_t a1, int64_t a2, float a3, double a4, int32_t a5, int64_t a6,
                    float a7, double a8, int32_t a9, int64_t a10, float a11, double a12, int32_t a13,
                    int64_t a14, float a15, double a16, int32_t a17, int64_t a18, float a19, double a20)
{
    (void)env;
    double total = a1 * 1.0 + a2 * 2.0 + a3 * 3.0 + a4 * 4.0 + a5 * 5.0 + a6 * 6.0 + a7 * 7.0 + a8 * 8.0
                   + a9 * 9.0 + a10 * 10.0 + a11 * 11.0 + a12 * 12.0 + a13 * 13.0 + a14 * 14.0 + a15 * 15.0
                   + a16 * 16.0 + a17 * 17.0 + a18 * 18.0 + a19 * 19.0 + a20 * 20.0;
    return (int64_t)total;
}

/* As many integers as are passed in registers, and one more. */
static int32_t digits_3(wasm_exec_env_t env, int32_t a, int64_t b, int32_t c)
{
    (void)env;
    return (int32_t)(a * 100 + b * 10 + c);
}

static int64_t digits_5(wasm_exec_env_t env, int32_t a, int64_t b, int32_t c, int64_t d, int32_t e)
{
    (void)env;
    return a * 10000 + b * 1000 + c * 100 + d * 10 + e;
}

static int64_t digits_6(wasm_exec_env_t env, int32_t a, int64_t b, int32_t c, int64_t d, int32_t e, int64_t f)
{
    (void)env;
    return a * 100000 + b * 10000 + c * 1000 + d * 100 + e * 10 + f;
}

static int32_t noted;

static void note(wasm_exec_env_t env, int32_t value)
{
    (void)env;
    noted = value;
}

static int32_t text_length(wasm_exec_env_t env, const char *text)
{
    (void)env;
    calls++;
    return (int32_t)strlen(text);
}

static int32_t buffer_sum(wasm_exec_env_t env, const uint8_t *bytes, uint32_t length)
{
    (void)env;
    int32_t total = 0;
    calls++;
    seen_pointer = (void *)bytes;
    for (uint32_t i = 0; i < length; i++) {
        total += bytes[i];
    }
    return total;
}

static int32_t one_byte(wasm_exec_env_t env, const uint8_t *byte)
{
    (void)env;
    calls++;
    return *byte;
}

static int32_t offset(wasm_exec_env_t env, uint32_t offset)
{
    wasm_module_inst_t module_inst = get_module_inst(env);
    if (!validate_app_addr((uint64_t)offset, 1)) {
        return -1;
    }
    return *(uint8_t *)addr_app_to_native((uint64_t)offset);
}

static void *same_object(wasm_exec_env_t env, void *p)
{
    (void)env;
    seen_pointer = p;
    return p;
}

static int32_t attached(wasm_exec_env_t env)
{
    return *(int *)wasm_runtime_get_function_attachment(env);
}

static void fails(wasm_exec_env_t env)
{
    wasm_runtime_set_exception(wasm_runtime_get_module_inst(env), "the native failed");
}

static int32_t underscored(wasm_exec_env_t env)
{
    (void)env;
    return 4;
}

static int32_t pair(wasm_exec_env_t env, int32_t n, int64_t *second)
{
    (void)env;
    *second = (int64_t)n << 33;
    return n + 1;
}

/* Calls the guest from within. */
static int32_t back(wasm_exec_env_t env, int32_t n)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    uint32_t argv[1] = { (uint32_t)n };
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "plus_one"), 1, argv)) {
        return -1;
    }
    if (n > 0) {
        uint32_t deeper[1] = { (uint32_t)n - 1 };
        if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "call_back"), 1, deeper)) {
            return -1;
        }
        return (int32_t)(argv[0] + deeper[0]);
    }
    return (int32_t)argv[0];
}

static int32_t func_index(wasm_exec_env_t env, uint32_t index)
{
    (void)env;
    return (int32_t)index;
}

static void raw_sum(wasm_exec_env_t env, uint64_t *args)
{
    (void)env;
    native_raw_return_type(double, args);
    native_raw_get_arg(int32_t, a, args);
    native_raw_get_arg(int64_t, b, args);
    native_raw_get_arg(float, c, args);
    native_raw_get_arg(double, d, args);
    native_raw_set_return(a + (double)b + c + d);
}

static void raw_text(wasm_exec_env_t env, uint64_t *args)
{
    native_raw_return_type(int32_t, args);
    native_raw_get_arg(char *, text, args);
    native_raw_set_return((int32_t)strlen(text) + *(int *)wasm_runtime_get_function_attachment(env));
}

static int32_t forty(wasm_exec_env_t env)
{
    (void)env;
    return 40;
}

static int32_t fifty(wasm_exec_env_t env)
{
    (void)env;
    return 50;
}

#if CHECK_VECTORS_IN_NATIVES
typedef int vector_t __attribute__((vector_size(16)));

static vector_t vector(wasm_exec_env_t env, vector_t lanes)
{
    (void)env;
    return lanes + (vector_t){ 1, 2, 3, 4 };
}
#endif

/* In no order: registering sorts them. */
static NativeSymbol symbols[] = {
    { "wrong", (void *)one_byte, "(ii)i", NULL },
    { "sum", (void *)sum, "(iIfF)F", NULL },
    { "many", (void *)many, "(iIfFiIfFiIfFiIfFiIfF)I", NULL },
    { "digits_3", (void *)digits_3, "(iIi)i", NULL },
    { "digits_5", (void *)digits_5, "(iIiIi)I", NULL },
    { "digits_6", (void *)digits_6, "(iIiIiI)I", NULL },
    { "note", (void *)note, "(i)", NULL },
    { "underscored", (void *)underscored, "()i", NULL },
    { "text_length", (void *)text_length, "($)i", NULL },
    { "buffer_sum", (void *)buffer_sum, "(*~)i", NULL },
    { "one_byte", (void *)one_byte, "(*)i", NULL },
    { "offset", (void *)offset, NULL, NULL },
    { "object", (void *)same_object, "(r)r", NULL },
    { "attached", (void *)attached, "()i", &attachment },
    { "fails", (void *)fails, "()", NULL },
    { "pair", (void *)pair, "(i)i", NULL },
    { "back", (void *)back, "(i)i", NULL },
    { "func_index", (void *)func_index, NULL, NULL },
#if CHECK_VECTORS_IN_NATIVES
    { "vector", (void *)vector, NULL, NULL },
#endif
};

static int ten = 10;
static NativeSymbol raw[] = {
    { "raw_text", (void *)raw_text, "($)i", &ten },
    { "raw_sum", (void *)raw_sum, "(iIfF)F", NULL },
};

static NativeSymbol first_late[] = { { "late", (void *)forty, "()i", NULL } };
static NativeSymbol second_late[] = { { "late", (void *)fifty, "()i", NULL } };

static const char *exception(void)
{
    static char text[256];
    const char *exception = wasm_runtime_get_exception(guest.inst);
    snprintf(text, sizeof text, "%s", exception ? exception : "none");
    wasm_runtime_clear_exception(guest.inst);
    return text;
}

/* The result of a call with one argument, or -1000 if it failed. */
static int32_t call(const char *name, uint32_t argument)
{
    uint32_t argv[2] = { argument };
    return check_call(&guest, name, 1, argv) ? (int32_t)argv[0] : -1000;
}

static double call_sum(const char *name)
{
    uint32_t argv[6];
    int32_t a = -1;
    int64_t b = 1ll << 40;
    float c = 0.5f;
    double d = 0.25;
    memcpy(&argv[0], &a, 4);
    memcpy(&argv[1], &b, 8);
    memcpy(&argv[3], &c, 4);
    memcpy(&argv[4], &d, 8);
    CHECK(check_call(&guest, name, 6, argv));
    memcpy(&d, argv, 8);
    return d;
}

TEST(numbers)
{
    CHECK(call_sum("call_sum") == (double)(1ll << 40) - 0.25);
    uint32_t argv[2];
    int64_t result;
    CHECK(check_call(&guest, "call_many", 0, argv));
    memcpy(&result, argv, 8);
    CHECK_INT(result, 2870);
}

TEST(integers)
{
    int64_t argument = 0x7fffffff00000000ll | (uint32_t)-1, result;
    uint32_t argv[2];
    memcpy(argv, &argument, 8);
    CHECK(check_call(&guest, "call_digits", 2, argv));
    memcpy(&result, argv, 8);
    CHECK_INT(noted, -1);
    CHECK_INT(result, (int64_t)(uint32_t)-123 + 12345 + 123456);
}

TEST(a_native_called_by_the_host)
{
    CHECK(call_sum("sum_again") == (double)(1ll << 40) - 0.25);
}

TEST(strings)
{
    CHECK_INT(call("call_text_length", 16), 5);
    CHECK_INT(call("call_text_length", 0), 4);
    calls = 0;
    /* Not terminated before memory ends; beyond memory. */
    CHECK_INT(call("call_text_length", 65533), -1000);
    CHECK_STR(exception(), "Exception: out of bounds memory access");
    CHECK_INT(call("call_text_length", 65536), -1000);
    CHECK_STR(exception(), "Exception: out of bounds memory access");
    CHECK_INT(calls, 0);
}

TEST(buffers)
{
    uint8_t *memory = wasm_memory_get_base_address(wasm_runtime_get_default_memory(guest.inst));
    uint32_t argv[2] = { 16, 5 };
    CHECK(check_call(&guest, "call_buffer_sum", 2, argv));
    CHECK_INT(argv[0], 'h' + 'e' + 'l' + 'l' + 'o');
    CHECK(seen_pointer == memory + 16);

    argv[0] = 0, argv[1] = 1;
    CHECK(check_call(&guest, "call_buffer_sum", 2, argv));
    CHECK(seen_pointer == memory);

    /* Nothing, right behind the end. */
    argv[0] = 65536, argv[1] = 0;
    CHECK(check_call(&guest, "call_buffer_sum", 2, argv));
    CHECK(seen_pointer == NULL);

    calls = 0;
    argv[0] = 65535, argv[1] = 2;
    CHECK(!check_call(&guest, "call_buffer_sum", 2, argv));
    CHECK_STR(exception(), "Exception: out of bounds memory access");
    argv[0] = 65537, argv[1] = 0;
    CHECK(!check_call(&guest, "call_buffer_sum", 2, argv));
    CHECK_STR(exception(), "Exception: out of bounds memory access");
    argv[0] = 16, argv[1] = 0xffffffff;
    CHECK(!check_call(&guest, "call_buffer_sum", 2, argv));
    CHECK_STR(exception(), "Exception: out of bounds memory access");
    CHECK_INT(calls, 0);

    CHECK_INT(call("call_one_byte", 65535), 'z');
    CHECK_INT(call("call_one_byte", 65536), -1000);
    CHECK_STR(exception(), "Exception: out of bounds memory access");
    /* Without a signature there is no conversion. */
    CHECK_INT(call("call_offset", 65535), 'z');
    CHECK_INT(call("call_offset", 65536), -1000);
    CHECK_STR(exception(), "Exception: out of bounds memory access");
}

TEST(references)
{
    uint32_t argv[2];
    void *p = &object;
    memcpy(argv, &p, sizeof p);
    CHECK(check_call(&guest, "call_object", 2, argv));
    memcpy(&p, argv, sizeof p);
    CHECK(p == &object);
    CHECK(seen_pointer == &object);
    /* The function after 19 imports. */
    CHECK_INT(call("call_func_index", 0), 23);
}

TEST(attachments)
{
    CHECK_INT(call("call_attached", 0), 0x1234);
    CHECK(wasm_runtime_get_function_attachment(guest.env) == NULL);
}

TEST(exceptions_of_natives)
{
    CHECK_INT(call("call_fails", 0), -1000);
    CHECK_STR(exception(), "Exception: the native failed");
}

TEST(underscores)
{
    CHECK_INT(call("call_underscored", 0), 44);
}

TEST(two_results)
{
    uint32_t argv[3] = { 3 };
    int64_t second;
    CHECK(check_call(&guest, "call_pair", 1, argv));
    memcpy(&second, &argv[1], 8);
    CHECK_INT(argv[0], 4);
    CHECK_INT(second, 3ll << 33);
}

TEST(guest_and_natives_in_turns)
{
    CHECK_INT(call("call_back", 3), 4 + 3 + 2 + 1);
}

TEST(a_signature_that_does_not_fit)
{
    calls = 0;
    CHECK_INT(call("call_wrong", 1), -1000);
    CHECK_STR(exception(), "Exception: failed to call unlinked import function (env, wrong)");
    CHECK_INT(calls, 0);
}

#if CHECK_VECTORS_IN_NATIVES
TEST(vectors)
{
    uint32_t argv[4] = { 10, 20, 30, 40 };
    CHECK(check_call(&guest, "call_vector", 4, argv));
    CHECK(argv[0] == 11 && argv[1] == 22 && argv[2] == 33 && argv[3] == 44);
}
#endif

TEST(raw_natives)
{
    CHECK(call_sum("call_raw_sum") == (double)(1ll << 40) - 0.25);
    CHECK_INT(call("call_raw_text", 16), 15);
    CHECK_INT(call("call_raw_text", 65533), -1000);
    CHECK_STR(exception(), "Exception: out of bounds memory access");
}

TEST(registrations)
{
    struct check_guest_state other;
    CHECK_INT(call("call_late", 0), 50);
    CHECK(!wasm_runtime_unregister_natives("env", raw));
    CHECK(!wasm_runtime_unregister_natives("elsewhere", second_late));
    CHECK(wasm_runtime_unregister_natives("env", second_late));
    CHECK(!wasm_runtime_unregister_natives("env", second_late));
    /* Instances keep what they have; what is loaded from now on finds the older registration. */
    CHECK_INT(call("call_late", 0), 50);
    check_catch();
    int open = check_open(&other, "natives.wasm", 0);
    check_caught();
    if (CHECK(open)) {
        uint32_t argv[1];
        CHECK(check_call(&other, "call_late", 0, argv));
        CHECK_INT(argv[0], 40);
    }
    check_close(&other);
    /* The array is sorted where it is. */
    CHECK_STR(symbols[0].symbol, "attached");
}

int main(void)
{
    if (!wasm_runtime_init()
        || !wasm_runtime_register_natives("env", symbols, sizeof symbols / sizeof symbols[0])
        || !wasm_runtime_register_natives_raw("raw", raw, 2)
        || !wasm_runtime_register_natives("env", first_late, 1)
        || !wasm_runtime_register_natives("env", second_late, 1)) {
        return 2;
    }
    check_catch();
    int open = check_open(&guest, "natives.wasm", 0);
    const char *log = check_caught();
    CHECK_HAS(log, "failed to check signature '(ii)i' and resolve pointer params for import function "
                   "(env, wrong)");
    if (!open) {
        return 2;
    }
    RUN(numbers);
    RUN(integers);
    RUN(a_native_called_by_the_host);
    RUN(strings);
    RUN(buffers);
    RUN(references);
    RUN(attachments);
    RUN(exceptions_of_natives);
    RUN(underscores);
    RUN(two_results);
    RUN(guest_and_natives_in_turns);
    RUN(a_signature_that_does_not_fit);
#if CHECK_VECTORS_IN_NATIVES
    RUN(vectors);
#endif
    RUN(raw_natives);
    RUN(registrations);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
