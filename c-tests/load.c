/* Package types, loading, unloading, import linking. */
#include "check.h"

static const uint8_t empty_module[] = { 0, 'a', 's', 'm', 1, 0, 0, 0 };
static const uint8_t compiled[] = { 0, 'a', 'o', 't', 3, 0, 0, 0 };

TEST(package_types)
{
    CHECK_INT(get_package_type(empty_module, 8), Wasm_Module_Bytecode);
    CHECK_INT(wasm_runtime_get_file_package_type(empty_module, 4), Wasm_Module_Bytecode);
    CHECK_INT(wasm_runtime_get_file_package_type(compiled, 8), Wasm_Module_AoT);
    CHECK_INT(wasm_runtime_get_file_package_type(empty_module, 3), Package_Type_Unknown);
    CHECK_INT(wasm_runtime_get_file_package_type(NULL, 8), Package_Type_Unknown);
    CHECK_INT(wasm_runtime_get_file_package_type((const uint8_t *)"what", 4), Package_Type_Unknown);
}

TEST(package_versions)
{
    CHECK_INT(wasm_runtime_get_file_package_version(empty_module, 8), 1);
    CHECK_INT(wasm_runtime_get_file_package_version(compiled, 8), 3);
    CHECK_INT(wasm_runtime_get_file_package_version(empty_module, 7), 0);
    CHECK_INT(wasm_runtime_get_file_package_version((const uint8_t *)"????\1\2\0\0", 8), 0x201);
    CHECK_INT(wasm_runtime_get_current_package_version(Wasm_Module_Bytecode), 1);
    /* Not WAMR's, whose files can't be loaded. */
    CHECK_INT(wasm_runtime_get_current_package_version(Wasm_Module_AoT), 0x57460001);
    CHECK_INT(wasm_runtime_get_current_package_version(Package_Type_Unknown), 0);
    CHECK_INT(wasm_runtime_get_module_package_type(NULL), Package_Type_Unknown);
    CHECK_INT(wasm_runtime_get_module_package_version(NULL), 0);
    CHECK(!wasm_runtime_is_xip_file(empty_module, 8));
}

TEST(module_package)
{
    struct check_guest_state guest;
    if (check_load(&guest, "values.wasm")) {
        CHECK_INT(wasm_runtime_get_module_package_type(guest.module),
                  check_compiled() ? Wasm_Module_AoT : Wasm_Module_Bytecode);
        CHECK_INT(wasm_runtime_get_module_package_version(guest.module), check_compiled() ? 0x57460001 : 1);
    }
    check_close(&guest);
}

/* What loading these bytes says. */
static const char *load_error(const void *bytes, uint32_t size)
{
    static char error[128];
    uint8_t copy[64];
    memcpy(copy, bytes, size);
    strcpy(error, "none");
    wasm_module_t module = wasm_runtime_load(copy, size, error, sizeof error);
    if (module) {
        wasm_runtime_unload(module);
        return "loaded";
    }
    return error;
}

TEST(load_errors)
{
    CHECK_STR(load_error(empty_module, 8), "loaded");
    CHECK_STR(load_error(empty_module, 3), "WASM module load failed: unexpected end");
    CHECK_STR(load_error("what????", 8), "WASM module load failed: magic header not detected");
    CHECK_STR(load_error("\0asm\2\0\0\0", 8), "WASM module load failed: unknown binary version");
    CHECK_HAS(load_error(compiled, 8), "module load failed: ");
    CHECK_STR(load_error("\0asm\1\0\0\0\x0f\0", 10), "WASM module load failed: invalid section id");
    CHECK_HAS(load_error("\0asm\1\0\0\0\x01\x05", 10), "WASM module load failed: ");

    uint8_t bytes[8];
    char error[128] = "";
    memcpy(bytes, empty_module, 8);
    CHECK(wasm_runtime_load_ex(bytes, 8, NULL, error, sizeof error) == NULL);
    CHECK_STR(error, "WASM module load failed: null load arguments");
    bytes[0] = 1;
    CHECK(wasm_runtime_load(bytes, 8, NULL, 0) == NULL);
    /* A buffer that is too small gets what fits. */
    char little[12];
    CHECK(wasm_runtime_load(bytes, 8, little, sizeof little) == NULL);
    CHECK_STR(little, "WASM module");
}

/* Exports, types and memory that WASI programs must have. */
TEST(wasi_checks)
{
    /* (module (func (export "_start") (param i32))) */
    static const char wrong_type[] = "\0asm\1\0\0\0\1\5\1\x60\1\x7f\0\3\2\1\0\7\x0a\1\6_start\0\0\x0a\4\1\2\0\x0b";
    CHECK_STR(load_error(wrong_type, sizeof wrong_type - 1),
              "WASM module load failed: the signature of builtin _start function is wrong");
    /* (module (func (export "_start"))) */
    static const char no_memory[] = "\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\7\x0a\1\6_start\0\0\x0a\4\1\2\0\x0b";
    CHECK_STR(load_error(no_memory, sizeof no_memory - 1),
              "WASM module load failed: a module with WASI apis must export memory by default");
}

TEST(names)
{
    struct check_guest_state guest;
    uint32_t size;
    uint8_t *bytes = check_guest("values.wasm", &size);
    LoadArgs args;
    char error[128];
    static char name[] = "first";
    memset(&args, 0, sizeof args);
    args.name = name;
    wasm_module_t module = wasm_runtime_load_ex(bytes, size, &args, error, sizeof error);
    REQUIRE(module != NULL);
    CHECK_STR(wasm_runtime_get_module_name(module), "first");
    char other[] = "second";
    CHECK(wasm_runtime_set_module_name(module, other, error, sizeof error));
    other[0] = 'S';
    CHECK_STR(wasm_runtime_get_module_name(module), "second");
    wasm_runtime_unload(module);
    free(bytes);
    CHECK_STR(wasm_runtime_get_module_name(NULL), "");
    if (check_load(&guest, "values.wasm")) {
        CHECK_STR(wasm_runtime_get_module_name(guest.module), "");
    }
    check_close(&guest);
}

TEST(freeable_buffer)
{
    uint32_t size;
    uint8_t *bytes = check_guest("values.wasm", &size);
    LoadArgs args;
    char error[128];
    memset(&args, 0, sizeof args);
    wasm_module_t module = wasm_runtime_load_ex(bytes, size, &args, error, sizeof error);
    REQUIRE(module != NULL);
    CHECK(!wasm_runtime_is_underlying_binary_freeable(module));
    wasm_runtime_unload(module);

    args.wasm_binary_freeable = true;
    module = wasm_runtime_load_ex(bytes, size, &args, error, sizeof error);
    REQUIRE(module != NULL);
    CHECK(wasm_runtime_is_underlying_binary_freeable(module));
    memset(bytes, 0xff, size);
    free(bytes);
    wasm_module_inst_t inst = wasm_runtime_instantiate(module, 0, 0, error, sizeof error);
    REQUIRE(inst != NULL);
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 8192);
    uint32_t argv[2] = { 1, 2 };
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "add"), 2, argv));
    CHECK_INT(argv[0], 3);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
}

TEST(from_sections)
{
    /* (module (func (export "f") (result i32) (i32.const 42))), section by section. */
    static uint8_t types[] = { 1, 0x60, 0, 1, 0x7f };
    static uint8_t functions[] = { 1, 0 };
    static uint8_t exports[] = { 1, 1, 'f', 0, 0 };
    static uint8_t code[] = { 1, 4, 0, 0x41, 42, 0x0b };
    wasm_section_t list[] = {
        { &list[1], 1, types, sizeof types },
        { &list[2], 3, functions, sizeof functions },
        { &list[3], 7, exports, sizeof exports },
        { NULL, 10, code, sizeof code },
    };
    char error[128] = "";
    wasm_module_t module = wasm_runtime_load_from_sections(list, false, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(module != NULL);
    CHECK(wasm_runtime_is_underlying_binary_freeable(module));
    wasm_module_inst_t inst = wasm_runtime_instantiate(module, 0, 0, error, sizeof error);
    REQUIRE(inst != NULL);
    uint32_t argv[1] = { 0 };
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "f"), 0, argv));
    CHECK_INT(argv[0], 42);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
}

static void tick(wasm_exec_env_t env)
{
    (void)env;
}

TEST(symbols_resolved_later)
{
    static NativeSymbol symbols[] = { { "tick", (void *)tick, "()", NULL } };
    uint32_t size;
    uint8_t *bytes = check_guest("spin.wasm", &size);
    LoadArgs args;
    char error[128];
    memset(&args, 0, sizeof args);
    args.no_resolve = true;
    wasm_module_t module = wasm_runtime_load_ex(bytes, size, &args, error, sizeof error);
    REQUIRE(module != NULL);
    check_catch();
    bool resolved = wasm_runtime_resolve_symbols(module);
    check_caught();
    CHECK(!resolved);
    CHECK(wasm_runtime_register_natives("env", symbols, 1));
    CHECK(wasm_runtime_resolve_symbols(module));
    CHECK(wasm_runtime_unregister_natives("env", symbols));
    wasm_runtime_unload(module);
    free(bytes);
}

TEST(an_unlinked_import_is_a_warning)
{
    struct check_guest_state guest;
    REQUIRE(check_load(&guest, "traps.wasm"));
    check_catch();
    check_instantiate(&guest, 0);
    CHECK_HAS(check_caught(), "]: warning: failed to link import function (nowhere, missing)\n");
    CHECK(!check_call(&guest, "unlinked", 0, NULL));
    CHECK_STR(wasm_runtime_get_exception(guest.inst),
              "Exception: failed to call unlinked import function (nowhere, missing)");
    check_close(&guest);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    RUN(package_types);
    RUN(package_versions);
    RUN(module_package);
    RUN(load_errors);
    RUN(wasi_checks);
    RUN(names);
    RUN(freeable_buffer);
    RUN(from_sections);
    RUN(symbols_resolved_later);
    RUN(an_unlinked_import_is_a_warning);
    wasm_runtime_destroy();
    return check_result();
}
