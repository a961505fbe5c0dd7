/* wasm_c_api.h: what is given for imports, and how modules list them. */
#include "c_api.h"

static wasm_trap_t *give_h(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    results->data[0].kind = WASM_I32;
    results->data[0].of.i32 = 77;
    return NULL;
}

static wasm_trap_t *double_f(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0].kind = WASM_F64;
    results->data[0].of.f64 = args->data[0].of.f32 * 2;
    return NULL;
}

static wasm_extern_t *new_f(wasm_store_t *in)
{
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_f32(), wasm_valtype_new_f64());
    wasm_func_t *func = wasm_func_new(in, type, double_f);
    wasm_functype_delete(type);
    return wasm_func_as_extern(func);
}

static wasm_extern_t *new_h(wasm_store_t *in)
{
    wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
    wasm_func_t *func = wasm_func_new(in, type, give_h);
    wasm_functype_delete(type);
    return wasm_func_as_extern(func);
}

static wasm_extern_t *new_global(wasm_store_t *in, wasm_valkind_t kind, wasm_mutability_t mutability,
                                 int64_t value)
{
    wasm_globaltype_t *type = wasm_globaltype_new(wasm_valtype_new(kind), mutability);
    wasm_val_t init = { .kind = kind, .of = { .i64 = value } };
    wasm_global_t *global = wasm_global_new(in, type, &init);
    wasm_globaltype_delete(type);
    return wasm_global_as_extern(global);
}

static void delete_all(size_t n, wasm_extern_t *externs[])
{
    for (size_t i = 0; i < n; i++) {
        wasm_extern_delete(externs[i]);
    }
}

static int32_t call_i32(wasm_module_t *module, wasm_instance_t *instance, const char *name)
{
    wasm_val_t result = WASM_INIT_VAL;
    CHECK_STR(call_export(module, instance, name, 0, NULL, 1, &result), "none");
    return result.of.i32;
}

TEST(imports_are_listed_by_kind)
{
    static const char *const names[] = { "f", "h", "g", "m", "memory", "table" };
    static const wasm_externkind_t kinds[] = { WASM_EXTERN_FUNC,   WASM_EXTERN_FUNC,   WASM_EXTERN_GLOBAL,
                                               WASM_EXTERN_GLOBAL, WASM_EXTERN_MEMORY, WASM_EXTERN_TABLE };
    wasm_module_t *module = module_of(store, "kinds.wasm");
    REQUIRE(module != NULL);
    wasm_importtype_vec_t imports;
    wasm_module_imports(module, &imports);
    REQUIRE(imports.size == 6 && imports.num_elems == 6);
    for (size_t i = 0; i < 6; i++) {
        CHECK_STR(wasm_importtype_name(imports.data[i])->data, names[i]);
        CHECK_INT(wasm_externtype_kind(wasm_importtype_type(imports.data[i])), kinds[i]);
    }
    /* A table without a maximum gets one. */
    const wasm_tabletype_t *table = wasm_externtype_as_tabletype_const(wasm_importtype_type(imports.data[5]));
    CHECK(wasm_tabletype_limits(table)->min == 1 && wasm_tabletype_limits(table)->max == 1024);
    wasm_importtype_vec_delete(&imports);

    /* The other API has another order, and one more for compiled modules. */
    static const char *const interpreted[] = { "f", "h", "table", "memory", "g", "m" };
    static const char *const compiled[] = { "f", "h", "g", "m", "table", "memory" };
    static const wasm_import_export_kind_t in_g[] = { WASM_IMPORT_EXPORT_KIND_GLOBAL,
                                                      WASM_IMPORT_EXPORT_KIND_GLOBAL };
    CHECK_INT(wasm_runtime_get_import_count(*module), 6);
    for (int32_t i = 0; i < 6; i++) {
        wasm_import_t import;
        wasm_runtime_get_import_type(*module, i, &import);
        CHECK_STR(import.name, (check_compiled() ? compiled : interpreted)[i]);
        CHECK_STR(import.module_name, "env");
        if (i < 2) {
            CHECK_INT(import.kind, WASM_IMPORT_EXPORT_KIND_FUNC);
            CHECK_INT(wasm_func_type_get_param_count(import.u.func_type), i == 0);
        }
        if (strcmp(import.name, "m") == 0) {
            CHECK_INT(import.kind, in_g[1]);
            CHECK(wasm_global_type_get_mutable(import.u.global_type));
        }
    }
    wasm_import_t none;
    wasm_runtime_get_import_type(*module, 6, &none);
    CHECK(none.name == NULL);
    wasm_module_delete(module);
}

TEST(each_kind_is_in_order)
{
    const char *message;
    wasm_module_t *module = module_of(store, "kinds.wasm");
    REQUIRE(module != NULL);
    wasm_extern_t *f = new_f(store), *h = new_h(store);
    wasm_extern_t *g = new_global(store, WASM_I32, WASM_CONST, 11);
    wasm_extern_t *m = new_global(store, WASM_I64, WASM_VAR, 22);
    wasm_extern_t *memory = wasm_extern_new_empty(store, WASM_EXTERN_MEMORY);
    wasm_extern_t *table = wasm_extern_new_empty(store, WASM_EXTERN_TABLE);
    wasm_extern_t *orders[][6] = {
        { f, h, g, m, NULL, NULL },         /* as they are listed, without what is not needed */
        { f, h, g, m, memory, table },      /* as they are listed */
        { g, memory, f, table, m, h },      /* as they are in the file */
        { g, m, table, memory, f, h },
    };
    for (size_t i = 0; i < 4; i++) {
        wasm_instance_t *instance = instance_of(store, module, i ? 6 : 4, orders[i], &message);
        CHECK_STR(message, "none");
        REQUIRE(instance != NULL);
        wasm_val_t arg = WASM_F32_VAL(1.25f), result = WASM_INIT_VAL;
        CHECK_STR(call_export(module, instance, "call_f", 1, &arg, 1, &result), "none");
        CHECK(result.of.f64 == 2.5);
        CHECK_INT(call_i32(module, instance, "call_h"), 77);
        CHECK_INT(call_i32(module, instance, "g"), 11);
        wasm_instance_delete(instance);
    }
    wasm_extern_t *all[] = { f, h, g, m, memory, table };
    delete_all(6, all);
    wasm_module_delete(module);
}

TEST(what_is_refused)
{
    const char *message;
    wasm_module_t *module = module_of(store, "kinds.wasm");
    REQUIRE(module != NULL);
    wasm_store_t *other = wasm_store_new(engine);
    wasm_limits_t limits = { 1, 2 };
    wasm_memorytype_t *memory_type = wasm_memorytype_new(&limits);
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
    wasm_extern_t *f = new_f(store), *h = new_h(store);
    wasm_extern_t *g = new_global(store, WASM_I32, WASM_CONST, 11);
    wasm_extern_t *m = new_global(store, WASM_I64, WASM_VAR, 22);
    wasm_extern_t *other_f = new_f(other), *other_g = new_global(other, WASM_I32, WASM_CONST, 1);
    wasm_extern_t *other_memory = wasm_memory_as_extern(wasm_memory_new(other, memory_type));
    wasm_extern_t *other_table = wasm_table_as_extern(wasm_table_new(other, table_type, NULL));
    wasm_extern_t *wide = new_global(store, WASM_I64, WASM_CONST, 1);
    static const char start[] = "wasm_instance_new_with_args_ex failed: Failed to validate imports: imports[";
    struct {
        size_t n;
        wasm_extern_t *imports[5];
        const char *why;
    } cases[] = {
        { 4, { f, NULL, g, m }, "1] is NULL" },
        { 5, { f, h, g, m, h }, "4] is one function more than the module imports" },
        { 5, { f, h, g, m, g }, "4] is one global more than the module imports" },
        { 4, { h, f, g, m }, "0], for function (env, f), is of another type" },
        { 4, { f, h, wide, m }, "2], for global (env, g), is of another type" },
        { 4, { other_f, h, g, m }, "0], for function (env, f), is of another store" },
        { 4, { f, h, other_g, m }, "2], for global (env, g), is of another store" },
        { 5, { f, h, g, m, other_memory }, "4], for memory (env, memory), is of another store" },
        { 5, { f, h, g, m, other_table }, "4], for table (env, table), is of another store" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(instance_of(store, module, cases[i].n, cases[i].imports, &message) == NULL);
        CHECK_HAS(message, start);
        CHECK_STR(message + strlen(start), cases[i].why);
    }
    /* Nothing is spoiled. */
    wasm_extern_t *right[] = { f, h, g, m };
    wasm_instance_t *instance = instance_of(store, module, 4, right, &message);
    REQUIRE(instance != NULL);
    CHECK_INT(call_i32(module, instance, "g"), 11);

    wasm_extern_t *all[] = { f, h, g, m, other_f, other_g, other_memory, other_table, wide };
    delete_all(9, all);
    wasm_memorytype_delete(memory_type);
    wasm_tabletype_delete(table_type);
    wasm_store_delete(other);
    wasm_module_delete(module);
}

/* Whether a global is mutable is not compared: hosts make all mutable, and go on to set them. */
TEST(globals_of_the_other_mutability)
{
    const char *message;
    wasm_module_t *module = module_of(store, "kinds.wasm");
    wasm_extern_t *imports[] = { new_f(store), new_h(store), new_global(store, WASM_I32, WASM_VAR, 5),
                                 new_global(store, WASM_I64, WASM_CONST, 100) };
    wasm_global_t *g = wasm_extern_as_global(imports[2]), *m = wasm_extern_as_global(imports[3]);
    wasm_val_t value = WASM_F32_VAL(3.5f), new_value = WASM_I32_VAL(6);

    /* Before an instance has it, it is nowhere. */
    wasm_global_get(g, &value);
    CHECK(value.kind == WASM_F32 && value.of.f32 == 3.5f);
    wasm_global_set(g, &new_value);

    wasm_instance_t *instance = instance_of(store, module, 4, imports, &message);
    CHECK_STR(message, "none");
    REQUIRE(instance != NULL);
    CHECK_INT(call_i32(module, instance, "g"), 5);
    wasm_global_set(g, &new_value);
    CHECK_INT(call_i32(module, instance, "g"), 6);
    wasm_global_get(g, &value);
    CHECK(value.kind == WASM_I32 && value.of.i32 == 6);
    wasm_globaltype_t *type = wasm_global_type(g);
    CHECK_INT(wasm_globaltype_mutability(type), WASM_VAR);
    wasm_globaltype_delete(type);

    wasm_val_t by = WASM_I64_VAL(11);
    CHECK_STR(call_export(module, instance, "add_to_m", 1, &by, 0, NULL), "none");
    wasm_global_get(m, &value);
    CHECK(value.kind == WASM_I64 && value.of.i64 == 111);
    /* The host said that it does not change it. */
    wasm_global_set(m, &by);
    wasm_global_get(m, &value);
    CHECK_INT(value.of.i64, 111);
    wasm_extern_t *exported = export_of(module, instance, "m");
    CHECK(wasm_extern_same(exported, imports[3]));
    wasm_extern_delete(exported);
    delete_all(4, imports);
    wasm_module_delete(module);
}

TEST(a_global_of_two_instances)
{
    const char *message;
    wasm_module_t *module = module_of(store, "kinds.wasm");
    wasm_extern_t *imports[] = { new_f(store), new_h(store), new_global(store, WASM_I32, WASM_CONST, 5),
                                 new_global(store, WASM_I64, WASM_VAR, 1) };
    wasm_instance_t *a = instance_of(store, module, 4, imports, &message);
    wasm_instance_t *b = instance_of(store, module, 4, imports, &message);
    REQUIRE(a != NULL && b != NULL);
    wasm_val_t ten = WASM_I64_VAL(10), value = WASM_INIT_VAL;
    CHECK_STR(call_export(module, a, "add_to_m", 1, &ten, 0, NULL), "none");
    CHECK_STR(call_export(module, b, "add_to_m", 1, &ten, 0, NULL), "none");
    wasm_global_get(wasm_extern_as_global(imports[3]), &value);
    CHECK_INT(value.of.i64, 21);
    delete_all(4, imports);
    wasm_module_delete(module);
}

/* A function of one instance as import of another. Its instance may be deleted by then. */
TEST(a_guests_function)
{
    const char *message;
    wasm_module_t *module = module_of(store, "kinds.wasm");
    wasm_extern_t *imports[] = { new_f(store), new_h(store), new_global(store, WASM_I32, WASM_CONST, 5),
                                 new_global(store, WASM_I64, WASM_VAR, 1) };
    wasm_instance_t *first = instance_of(store, module, 4, imports, &message);
    REQUIRE(first != NULL);
    wasm_extern_t *host_f = imports[0], *host_h = imports[1];
    imports[0] = export_of(module, first, "f again");
    imports[1] = export_of(module, first, "call_h");
    wasm_instance_delete(first);
    wasm_extern_delete(host_f);
    wasm_extern_delete(host_h);
    wasm_instance_t *second = instance_of(store, module, 4, imports, &message);
    CHECK_STR(message, "none");
    delete_all(4, imports);
    REQUIRE(second != NULL);
    CHECK_INT(call_i32(module, second, "call_h"), 77);
    wasm_val_t arg = WASM_F32_VAL(4), result = WASM_INIT_VAL;
    CHECK_STR(call_export(module, second, "call_f", 1, &arg, 1, &result), "none");
    CHECK(result.of.f64 == 8);
    wasm_module_delete(module);
}

static int linked(const char *module, const char *name, int global)
{
    wasm_name_t module_name, field_name;
    wasm_name_new_from_string_nt(&module_name, module);
    wasm_name_new_from_string_nt(&field_name, name);
    wasm_externtype_t *type =
        global ? wasm_globaltype_as_externtype(wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST))
               : wasm_functype_as_externtype(wasm_functype_new_0_0());
    wasm_importtype_t *import = wasm_importtype_new(&module_name, &field_name, type);
    int linked = wasm_importtype_is_linked(import);
    wasm_importtype_delete(import);
    return linked;
}

TEST(what_is_linked_already)
{
    CHECK(linked("env", "printf", 0));
    CHECK(linked("wasi_snapshot_preview1", "fd_write", 0));
    CHECK(!linked("env", "nothing", 0));
    CHECK(!linked("env", "printf", 1));
    CHECK(linked("global", "NaN", 1));
    CHECK(!linked("global", "nothing", 1));
    CHECK(!wasm_importtype_is_linked(NULL));
}

int main(void)
{
    engine = wasm_engine_new();
    store = engine ? wasm_store_new(engine) : NULL;
    if (!store) {
        return 2;
    }
    RUN(imports_are_listed_by_kind);
    RUN(each_kind_is_in_order);
    RUN(what_is_refused);
    RUN(globals_of_the_other_mutability);
    RUN(a_global_of_two_instances);
    RUN(a_guests_function);
    RUN(what_is_linked_already);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return check_result();
}
