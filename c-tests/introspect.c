/* Imports and exports of a module, their types, custom sections, and looking functions up. */
#include "check.h"

static int32_t known(wasm_exec_env_t env, int32_t a, int64_t b, float c, double d)
{
    (void)env;
    return (int32_t)(a + b + (int64_t)c + (int64_t)d);
}

static double prefixed(wasm_exec_env_t env)
{
    (void)env;
    return 0.5;
}

static NativeSymbol symbols[] = {
    { "known", (void *)known, NULL, NULL },
    { "prefixed", (void *)prefixed, NULL, NULL },
};

static struct check_guest_state guest;

/* The import or export of this name. */
static wasm_import_t import_of(const char *name)
{
    wasm_import_t import;
    for (int32_t i = 0; i < wasm_runtime_get_import_count(guest.module); i++) {
        memset(&import, 0xff, sizeof import);
        wasm_runtime_get_import_type(guest.module, i, &import);
        if (strcmp(import.name, name) == 0) {
            return import;
        }
    }
    check_failed(name, 0);
    fprintf(stderr, "no such import\n");
    exit(1);
}

static wasm_export_t export_of(const char *name)
{
    wasm_export_t export;
    for (int32_t i = 0; i < wasm_runtime_get_export_count(guest.module); i++) {
        memset(&export, 0xff, sizeof export);
        wasm_runtime_get_export_type(guest.module, i, &export);
        if (strcmp(export.name, name) == 0) {
            return export;
        }
    }
    check_failed(name, 0);
    fprintf(stderr, "no such export\n");
    exit(1);
}

TEST(counts_and_order)
{
    wasm_import_t import;
    CHECK_INT(wasm_runtime_get_import_count(NULL), -1);
    CHECK_INT(wasm_runtime_get_export_count(NULL), -1);
    CHECK_INT(wasm_runtime_get_import_count(guest.module), 6);
    CHECK_INT(wasm_runtime_get_export_count(guest.module), 9);
    /* By kind, in one order from a module and in another from an .aot file. */
    static const char *const module[] = { "known", "unknown", "_prefixed", "table", "memory", "NaN" };
    static const char *const aot[] = { "known", "unknown", "_prefixed", "NaN", "table", "memory" };
    const char *const *names = getenv("CHECK_COMPILED") ? aot : module;
    for (int32_t i = 0; i < 6; i++) {
        wasm_runtime_get_import_type(guest.module, i, &import);
        CHECK_STR(import.module_name, strcmp(names[i], "NaN") ? "env" : "global");
        CHECK_STR(import.name, names[i]);
    }
    memset(&import, 0xff, sizeof import);
    wasm_runtime_get_import_type(guest.module, 6, &import);
    CHECK(import.name == NULL);
}

TEST(function_types)
{
    static const wasm_valkind_t kinds[] = { WASM_I32,  WASM_I64,       WASM_F32,    WASM_F64,
                                            WASM_V128, WASM_EXTERNREF, WASM_FUNCREF };
    wasm_import_t import = import_of("known");
    CHECK_INT(import.kind, WASM_IMPORT_EXPORT_KIND_FUNC);
    CHECK_INT(wasm_func_type_get_param_count(import.u.func_type), 7);
    for (uint32_t i = 0; i < 7; i++) {
        CHECK_INT(wasm_func_type_get_param_valkind(import.u.func_type, i), kinds[i]);
    }
    CHECK_INT(wasm_func_type_get_param_valkind(import.u.func_type, 7), 0xff);
    CHECK_INT(wasm_func_type_get_result_count(import.u.func_type), 1);
    CHECK_INT(wasm_func_type_get_result_valkind(import.u.func_type, 0), WASM_I32);
    CHECK_INT(wasm_func_type_get_result_valkind(import.u.func_type, 1), 0xff);

    wasm_export_t three = export_of("three");
    CHECK_INT(three.kind, WASM_IMPORT_EXPORT_KIND_FUNC);
    CHECK_INT(wasm_func_type_get_result_count(three.u.func_type), 3);
    CHECK_INT(wasm_func_type_get_result_valkind(three.u.func_type, 2), WASM_F64);
    CHECK_INT(wasm_func_type_get_result_valkind(export_of("object").u.func_type, 0), WASM_EXTERNREF);
}

TEST(other_types)
{
    wasm_import_t memory = import_of("memory");
    CHECK_INT(memory.kind, WASM_IMPORT_EXPORT_KIND_MEMORY);
    CHECK_INT(wasm_memory_type_get_init_page_count(memory.u.memory_type), 1);
    CHECK_INT(wasm_memory_type_get_max_page_count(memory.u.memory_type), 3);
    CHECK(!wasm_memory_type_get_shared(memory.u.memory_type));
    CHECK_INT(export_of("memory").kind, WASM_IMPORT_EXPORT_KIND_MEMORY);

    wasm_import_t table = import_of("table");
    CHECK_INT(table.kind, WASM_IMPORT_EXPORT_KIND_TABLE);
    CHECK_INT(wasm_table_type_get_elem_kind(table.u.table_type), WASM_FUNCREF);
    CHECK_INT(wasm_table_type_get_init_size(table.u.table_type), 2);
    CHECK_INT(wasm_table_type_get_max_size(table.u.table_type), 8);
    CHECK(!wasm_table_type_get_shared(table.u.table_type));
    CHECK_INT(wasm_table_type_get_elem_kind(export_of("objects").u.table_type), WASM_EXTERNREF);

    wasm_import_t nan = import_of("NaN");
    CHECK_INT(nan.kind, WASM_IMPORT_EXPORT_KIND_GLOBAL);
    CHECK_INT(wasm_global_type_get_valkind(nan.u.global_type), WASM_F64);
    CHECK(!wasm_global_type_get_mutable(nan.u.global_type));
    wasm_export_t count = export_of("count");
    CHECK_INT(count.kind, WASM_IMPORT_EXPORT_KIND_GLOBAL);
    CHECK_INT(wasm_global_type_get_valkind(count.u.global_type), WASM_I64);
    CHECK(wasm_global_type_get_mutable(count.u.global_type));
    CHECK_INT(wasm_global_type_get_valkind(export_of("pi").u.global_type), WASM_F64);
    CHECK_INT(wasm_global_type_get_valkind(export_of("lanes").u.global_type), WASM_V128);
}

TEST(what_is_linked)
{
    /* It takes a vector, too. */
    CHECK_INT(import_of("known").linked, CHECK_VECTORS_IN_NATIVES);
    CHECK(!import_of("unknown").linked);
    CHECK(import_of("_prefixed").linked);
    CHECK(import_of("NaN").linked);
    CHECK(!import_of("memory").linked);
    CHECK(!import_of("table").linked);
    CHECK(wasm_runtime_is_import_func_linked("env", "known"));
    CHECK(!wasm_runtime_is_import_func_linked("env", "unknown"));
    CHECK(!wasm_runtime_is_import_func_linked("elsewhere", "known"));
    CHECK(wasm_runtime_is_import_func_linked("env", "_puts"));
    CHECK(wasm_runtime_is_import_func_linked("wasi_snapshot_preview1", "fd_write"));
    CHECK(wasm_runtime_is_import_global_linked("global", "NaN"));
    CHECK(!wasm_runtime_is_import_global_linked("env", "nothing"));
}

TEST(custom_sections)
{
    static uint8_t bytes[] = "\0asm\1\0\0\0\0\x0f\5notessome text";
    char error[128] = "";
    uint32_t length = 0;
    wasm_module_t module = wasm_runtime_load(bytes, sizeof bytes - 1, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(module != NULL);
    const uint8_t *content = wasm_runtime_get_custom_section(module, "notes", &length);
    REQUIRE(content != NULL);
    CHECK_INT(length, 9);
    CHECK(memcmp(content, "some text", 9) == 0);
    CHECK(wasm_runtime_get_custom_section(module, "notes", NULL) == content);
    CHECK(wasm_runtime_get_custom_section(module, "note", &length) == NULL);
    wasm_runtime_unload(module);
}

TEST(looking_functions_up)
{
    wasm_function_inst_t three = wasm_runtime_lookup_function(guest.inst, "three");
    wasm_valkind_t kinds[7] = { 0 };
    REQUIRE(three != NULL);
    CHECK(wasm_runtime_lookup_function(guest.inst, "three") == three);
    CHECK(wasm_runtime_lookup_function(guest.inst, "thre") == NULL);
    CHECK(wasm_runtime_lookup_function(guest.inst, "memory") == NULL);
    CHECK_INT(wasm_func_get_param_count(three, guest.inst), 0);
    CHECK_INT(wasm_func_get_result_count(three, guest.inst), 3);
    wasm_func_get_result_types(three, guest.inst, kinds);
    CHECK_INT(kinds[0], WASM_I32);
    CHECK_INT(kinds[1], WASM_I64);
    CHECK_INT(kinds[2], WASM_F64);

    /* An import that is exported again. */
    wasm_function_inst_t again = wasm_runtime_lookup_function(guest.inst, "again");
    REQUIRE(again != NULL);
    CHECK_INT(wasm_func_get_param_count(again, guest.inst), 7);
    wasm_func_get_param_types(again, guest.inst, kinds);
    CHECK_INT(kinds[4], WASM_V128);
    CHECK_INT(kinds[6], WASM_FUNCREF);

    CHECK(!wasm_runtime_is_wasi_mode(guest.inst));
    check_catch();
    wasm_function_inst_t start = wasm_runtime_lookup_wasi_start_function(guest.inst);
    check_caught();
    CHECK(start == NULL);
}

int main(void)
{
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 2)) {
        return 2;
    }
    check_catch();
    int open = check_open(&guest, "introspect.wasm", 0);
    check_caught();
    if (!open) {
        return 2;
    }
    RUN(counts_and_order);
    RUN(function_types);
    RUN(other_types);
    RUN(what_is_linked);
    RUN(custom_sections);
    RUN(looking_functions_up);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
