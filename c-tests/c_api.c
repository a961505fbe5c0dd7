/* wasm_c_api.h. Includes both headers, as hosts do that mix the two. */
#include "c_api.h"

static wasm_byte_vec_t guest_bytes(const char *name)
{
    uint32_t size;
    wasm_byte_vec_t bytes;
    uint8_t *file = check_guest(name, &size);
    wasm_byte_vec_new(&bytes, size, (const char *)file);
    free(file);
    return bytes;
}

static int called_with;

static wasm_trap_t *host_f(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    called_with = args->data[0].of.i32;
    if (called_with < 0) {
        wasm_message_t message;
        wasm_name_new_from_string_nt(&message, "the host refuses");
        wasm_trap_t *trap = wasm_trap_new(store, &message);
        wasm_name_delete(&message);
        return trap;
    }
    if (results->size != 1 || !env) {
        return NULL;
    }
    results->data[0].kind = WASM_I64;
    results->data[0].of.i64 = args->data[0].of.i32 + args->data[1].of.i64;
    return NULL;
}

TEST(vectors)
{
    CHECK_INT(sizeof(wasm_byte_vec_t), 40);
    wasm_val_vec_t vals, copy;
    wasm_val_vec_new_uninitialized(&vals, 3);
    CHECK_INT(vals.size, 3);
    CHECK_INT(vals.num_elems, 0);
    CHECK(vals.data != NULL);
    wasm_val_vec_delete(&vals);
    wasm_val_t two[] = { WASM_I32_VAL(1), WASM_F64_VAL(2.5) };
    wasm_val_vec_new(&vals, 2, two);
    CHECK_INT(vals.num_elems, 2);
    wasm_val_vec_copy(&copy, &vals);
    CHECK(copy.data != vals.data && copy.data[1].of.f64 == 2.5);
    wasm_val_vec_delete(&vals);
    wasm_val_vec_delete(&copy);
    wasm_val_vec_new_empty(&vals);
    CHECK(vals.size == 0 && vals.data == NULL);
    wasm_val_vec_delete(&vals);
}

TEST(one_engine)
{
    wasm_config_t *config = wasm_config_new();
    MemAllocOption option;
    memset(&option, 0, sizeof option);
    CHECK(wasm_config_set_mem_alloc_opt(config, Alloc_With_System_Allocator, &option) == config);
    wasm_engine_t *again = wasm_engine_new_with_config(config);
    CHECK(again == engine);
    wasm_engine_delete(again);
    wasm_config_delete(config);
}

TEST(types_of_a_module)
{
    wasm_byte_vec_t bytes = guest_bytes("imports.wasm");
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports;
    CHECK(wasm_module_validate(store, &bytes));
    wasm_module_t *module = wasm_module_new(store, &bytes);
    REQUIRE(module != NULL);
    /* The module has its own copy. */
    wasm_byte_vec_delete(&bytes);

    wasm_module_imports(module, &imports);
    REQUIRE(imports.size == 2);
    CHECK(is_name(wasm_importtype_module(imports.data[0]), "host"));
    CHECK(is_name(wasm_importtype_name(imports.data[0]), "f"));
    CHECK_INT(wasm_externtype_kind(wasm_importtype_type(imports.data[0])), WASM_EXTERN_FUNC);
    CHECK_INT(wasm_externtype_kind(wasm_importtype_type(imports.data[1])), WASM_EXTERN_GLOBAL);
    const wasm_functype_t *f = wasm_externtype_as_functype_const(wasm_importtype_type(imports.data[0]));
    CHECK_INT(wasm_functype_params(f)->size, 2);
    CHECK_INT(wasm_valtype_kind(wasm_functype_params(f)->data[1]), WASM_I64);
    CHECK_INT(wasm_functype_results(f)->size, 1);
    wasm_importtype_vec_delete(&imports);

    wasm_module_exports(module, &exports);
    REQUIRE(exports.size == 9);
    CHECK(is_name(wasm_exporttype_name(exports.data[0]), "memory"));
    const wasm_memorytype_t *memory =
        wasm_externtype_as_memorytype_const(wasm_exporttype_type(exports.data[0]));
    REQUIRE(memory != NULL);
    /* Nothing makes it grow: one page, as large as it has to be. */
    CHECK(wasm_memorytype_limits(memory)->min == 1 && wasm_memorytype_limits(memory)->max == 1);
    const wasm_tabletype_t *table = wasm_externtype_as_tabletype_const(wasm_exporttype_type(exports.data[1]));
    CHECK_INT(wasm_tabletype_limits(table)->min, 2);
    CHECK_INT(wasm_tabletype_limits(table)->max, 4);
    const wasm_globaltype_t *global =
        wasm_externtype_as_globaltype_const(wasm_exporttype_type(exports.data[2]));
    CHECK_INT(wasm_globaltype_mutability(global), WASM_VAR);
    CHECK_INT(wasm_valtype_kind(wasm_globaltype_content(global)), WASM_I32);
    wasm_exporttype_vec_delete(&exports);

    CHECK(wasm_module_set_name(module, "a name"));
    CHECK_STR(wasm_module_get_name(module), "a name");
    wasm_module_delete(module);
}

TEST(a_bad_module)
{
    wasm_byte_vec_t bytes;
    wasm_byte_vec_new(&bytes, 8, "not wasm");
    CHECK(!wasm_module_validate(store, &bytes));
    CHECK(wasm_module_new(store, &bytes) == NULL);
    wasm_byte_vec_delete(&bytes);
}

TEST(serialized)
{
    wasm_byte_vec_t bytes = guest_bytes("imports.wasm"), serialized;
    wasm_module_t *module = wasm_module_new(store, &bytes);
    REQUIRE(module != NULL);
    wasm_module_serialize(module, &serialized);
    CHECK(serialized.size == bytes.size && memcmp(serialized.data, bytes.data, bytes.size) == 0);
    wasm_module_t *again = wasm_module_deserialize(store, &serialized);
    CHECK(again != NULL);
    wasm_shared_module_t *shared = wasm_module_share(module);
    wasm_module_t *obtained = wasm_module_obtain(store, shared);
    CHECK(obtained != NULL);
    wasm_module_delete(obtained);
    wasm_shared_module_delete(shared);
    wasm_module_delete(again);
    wasm_module_delete(module);
    wasm_byte_vec_delete(&serialized);
    wasm_byte_vec_delete(&bytes);
}

static wasm_module_t *module;
static wasm_instance_t *instance;
static wasm_extern_vec_t exports;

static wasm_trap_t *call(size_t index, wasm_val_t *args, size_t n_args, wasm_val_t *results, size_t n_results)
{
    wasm_val_vec_t arg_vec = { n_args, args, n_args, sizeof(wasm_val_t), NULL };
    wasm_val_vec_t result_vec = { n_results, results, 0, sizeof(wasm_val_t), NULL };
    return wasm_func_call(wasm_extern_as_func(exports.data[index]), &arg_vec, &result_vec);
}

TEST(an_instance)
{
    wasm_byte_vec_t bytes = guest_bytes("imports.wasm");
    module = wasm_module_new(store, &bytes);
    wasm_byte_vec_delete(&bytes);
    REQUIRE(module != NULL);

    wasm_functype_t *type = wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_i64(),
                                                  wasm_valtype_new_i64());
    wasm_func_t *f = wasm_func_new_with_env(store, type, host_f, &finalized, finalize);
    wasm_functype_delete(type);
    wasm_globaltype_t *global_type = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
    wasm_val_t value = WASM_I32_VAL(1234);
    wasm_global_t *g = wasm_global_new(store, global_type, &value);
    wasm_globaltype_delete(global_type);
    REQUIRE(f != NULL && g != NULL);
    CHECK_INT(wasm_func_param_arity(f), 2);
    CHECK_INT(wasm_func_result_arity(f), 1);

    wasm_extern_t *list[] = { wasm_func_as_extern(f), wasm_global_as_extern(g) };
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(list);
    wasm_trap_t *trap = NULL;
    instance = wasm_instance_new(store, module, &imports, &trap);
    CHECK(trap == NULL);
    REQUIRE(instance != NULL);
    wasm_func_delete(f);
    CHECK_INT(finalized, 1);
    wasm_global_delete(g);
    wasm_instance_exports(instance, &exports);
    REQUIRE(exports.size == 9);
    static const wasm_externkind_t kinds[] = { WASM_EXTERN_MEMORY, WASM_EXTERN_TABLE, WASM_EXTERN_GLOBAL,
                                               WASM_EXTERN_FUNC };
    for (int i = 0; i < 4; i++) {
        CHECK_INT(wasm_extern_kind(exports.data[i]), kinds[i]);
    }
}

TEST(calls)
{
    REQUIRE(instance != NULL);
    wasm_val_t args[] = { WASM_I32_VAL(2), WASM_I64_VAL(40) };
    wasm_val_t results[2] = { WASM_INIT_VAL, WASM_INIT_VAL };
    CHECK(call(3, args, 2, results, 1) == NULL);
    CHECK_INT(results[0].kind, WASM_I64);
    CHECK_INT(results[0].of.i64, 42);
    CHECK(call(4, NULL, 0, results, 1) == NULL);
    CHECK_INT(results[0].of.i32, 1234);
    CHECK(call(7, NULL, 0, results, 2) == NULL);
    CHECK(results[0].of.i32 == 2 && results[1].of.f64 == 2.5);

    /* A vector that was made by hand, with only what counts. */
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    wasm_val_vec_t result = { 1, results, 1, 0, NULL };
    CHECK(wasm_func_call(wasm_extern_as_func(exports.data[4]), &none, &result) == NULL);
    CHECK_INT(result.size, 1);
    CHECK_INT(result.num_elems, 1);
}

TEST(traps)
{
    REQUIRE(instance != NULL);
    wasm_message_t message;
    wasm_trap_t *trap = call(6, NULL, 0, NULL, 0);
    REQUIRE(trap != NULL);
    wasm_trap_message(trap, &message);
    CHECK_STR(message.data, "Exception: unreachable");
    CHECK_INT(message.size, 23);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);

    wasm_val_t args[] = { WASM_I32_VAL(-1), WASM_I64_VAL(0) };
    wasm_val_t results[1];
    trap = call(3, args, 2, results, 1);
    REQUIRE(trap != NULL);
    wasm_trap_message(trap, &message);
    CHECK_STR(message.data, "Exception: the host refuses");
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);

    /* A trap does not spoil the next call. */
    args[0].of.i32 = 1;
    CHECK(call(3, args, 2, results, 1) == NULL);
    CHECK_INT(results[0].of.i64, 1);
}

TEST(memory_table_and_global)
{
    REQUIRE(instance != NULL);
    wasm_memory_t *memory = wasm_extern_as_memory(exports.data[0]);
    REQUIRE(memory != NULL);
    /* A memory that can't grow is one large page, with the heap of 32 KiB in it. */
    CHECK_INT(wasm_memory_size(memory), 1);
    CHECK_INT(wasm_memory_data_size(memory), 65536 + 32768);
    wasm_memory_data(memory)[77] = 'x';
    wasm_val_t args[] = { WASM_I32_VAL(77) };
    wasm_val_t results[1];
    CHECK(call(5, args, 1, results, 1) == NULL);
    CHECK_INT(results[0].of.i32, 'x');
    check_catch();
    bool grown = wasm_memory_grow(memory, 1);
    check_caught();
    CHECK(!grown);

    wasm_table_t *table = wasm_extern_as_table(exports.data[1]);
    CHECK_INT(wasm_table_size(table), 2);
    CHECK(wasm_table_get(table, 0) == NULL);
    wasm_ref_t *element = wasm_table_get(table, 1);
    REQUIRE(element != NULL);
    wasm_func_t *func = wasm_ref_as_func(element);
    CHECK(func != NULL);
    CHECK_INT(wasm_func_param_arity(func), 2);
    wasm_func_delete(func);
    wasm_ref_delete(element);
    check_catch();
    grown = wasm_table_grow(table, 1, NULL);
    check_caught();
    CHECK(!grown);

    wasm_global_t *global = wasm_extern_as_global(exports.data[2]);
    wasm_val_t value;
    wasm_global_get(global, &value);
    CHECK_INT(value.of.i32, 40);
    value.of.i32 = 99;
    wasm_global_set(global, &value);
    CHECK(call(8, NULL, 0, NULL, 0) == NULL);
    wasm_global_get(global, &value);
    CHECK_INT(value.of.i32, 100);
}

TEST(the_end_of_the_instance)
{
    REQUIRE(instance != NULL);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
}

/* What instantiating this module says, without imports. */
static const char *trap_of(const char *name)
{
    static char text[256];
    wasm_byte_vec_t bytes = guest_bytes(name);
    wasm_module_t *module = wasm_module_new(store, &bytes);
    wasm_extern_vec_t imports = WASM_EMPTY_VEC;
    wasm_trap_t *trap = NULL;
    wasm_byte_vec_delete(&bytes);
    check_catch();
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, &trap);
    check_caught();
    CHECK(instance == NULL);
    strcpy(text, "none");
    if (trap) {
        wasm_message_t message;
        wasm_trap_message(trap, &message);
        snprintf(text, sizeof text, "%s", message.data);
        wasm_byte_vec_delete(&message);
        wasm_trap_delete(trap);
    }
    wasm_module_delete(module);
    return text;
}

TEST(instances_that_fail)
{
    const char *text = trap_of("start_trap.wasm");
    CHECK_HAS(text, "wasm_instance_new_with_args_ex failed: ");
    CHECK_HAS(text, "Exception: unreachable");
}

static wasm_trap_t *refuse_at_length(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    char text[400];
    wasm_message_t message;
    (void)args;
    (void)results;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    wasm_name_new_from_string_nt(&message, text);
    wasm_trap_t *trap = wasm_trap_new(store, &message);
    wasm_name_delete(&message);
    return trap;
}

TEST(imports_left_out)
{
    wasm_module_t *module = module_of(store, "spin.wasm");
    REQUIRE(module != NULL);

    /* Only a call finds out. */
    wasm_extern_t *list[] = { NULL };
    wasm_extern_vec_t imports = { 1, list, 0, sizeof *list, NULL };
    wasm_extern_vec_t exports;
    wasm_trap_t *trap = NULL;
    check_catch();
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, &trap);
    check_caught();
    REQUIRE(instance != NULL);
    wasm_instance_exports(instance, &exports);
    REQUIRE(exports.size == 3);
    CHECK_HAS(call_func(wasm_extern_as_func(exports.data[0]), 0, NULL, 0, NULL),
              "Exception: failed to call unlinked import function (env, tick)");
    wasm_val_vec_t none = WASM_EMPTY_VEC;
    wasm_val_t one[1];
    wasm_val_vec_t results = { 1, one, 0, 0, NULL };
    CHECK(wasm_func_call(wasm_extern_as_func(exports.data[2]), &none, &results) == NULL);
    CHECK_INT(one[0].of.i32, 1);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);

    /* A message that is longer than an exception is cut. Hosts may leave num_elems behind. */
    wasm_functype_t *type = wasm_functype_new_0_0();
    wasm_func_t *func = wasm_func_new(store, type, refuse_at_length);
    wasm_functype_delete(type);
    list[0] = wasm_func_as_extern(func);
    instance = wasm_instance_new(store, module, &imports, &trap);
    REQUIRE(instance != NULL);
    wasm_instance_exports(instance, &exports);
    const char *text = call_func(wasm_extern_as_func(exports.data[0]), 0, NULL, 0, NULL);
    CHECK_HAS(text, "Exception: xxx");
    CHECK_INT(strlen(text), strlen("Exception: ") + 107);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_func_delete(func);
    wasm_module_delete(module);
}

int main(void)
{
    engine = wasm_engine_new();
    store = engine ? wasm_store_new(engine) : NULL;
    if (!store) {
        return 2;
    }
    RUN(vectors);
    RUN(one_engine);
    RUN(types_of_a_module);
    RUN(a_bad_module);
    RUN(serialized);
    RUN(an_instance);
    RUN(calls);
    RUN(traps);
    RUN(memory_table_and_global);
    RUN(the_end_of_the_instance);
    RUN(instances_that_fail);
    RUN(imports_left_out);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return check_result();
}
