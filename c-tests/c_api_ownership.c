/* wasm_c_api.h: who owns what, and what becomes of it. */
#include "c_api.h"

static wasm_module_t *module;
static wasm_instance_t *instance;

/* What the guest gives to the host comes back, or something else the host has for it. */
static wasm_ref_t *given, *instead;

static wasm_trap_t *pass_on(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    given = args->data[0].of.ref;
    wasm_val_copy(&results->data[0], &args->data[0]);
    if (instead) {
        results->data[0].of.ref = instead;
    }
    return NULL;
}

static wasm_func_t *new_unary(wasm_store_t *in, wasm_valkind_t kind, wasm_func_callback_t callback)
{
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new(kind), wasm_valtype_new(kind));
    wasm_func_t *func = wasm_func_new(in, type, callback);
    wasm_functype_delete(type);
    return func;
}

static wasm_instance_t *references(wasm_store_t *in, wasm_module_t **of)
{
    const char *message;
    *of = module_of(in, "references.wasm");
    wasm_func_t *object = new_unary(in, WASM_EXTERNREF, pass_on);
    wasm_func_t *function = new_unary(in, WASM_FUNCREF, pass_on);
    wasm_extern_t *imports[] = { wasm_func_as_extern(object), wasm_func_as_extern(function) };
    wasm_instance_t *made = instance_of(in, *of, 2, imports, &message);
    CHECK_STR(message, "none");
    wasm_func_delete(object);
    wasm_func_delete(function);
    return made;
}

static wasm_extern_t *export(const char *name)
{
    return export_of(module, instance, name);
}

static int32_t call_table(uint32_t index, int32_t n)
{
    wasm_val_t args[] = { WASM_I32_VAL(n), WASM_I32_VAL((int32_t)index) }, result = WASM_INIT_VAL;
    const char *message = call_export(module, instance, "call", 2, args, 1, &result);
    return strcmp(message, "none") == 0 ? result.of.i32 : -1;
}

TEST(references_are_the_hosts)
{
    wasm_extern_t *ext = export("double");
    wasm_func_t *func = wasm_extern_as_func(ext);
    /* The same pointer: nothing to delete. */
    CHECK((void *)func == (void *)ext && (void *)wasm_func_as_extern(func) == (void *)ext);
    /* Not the same pointer. */
    wasm_ref_t *ref = wasm_func_as_ref(func);
    CHECK(ref != NULL && (void *)ref != (void *)func);
    wasm_ref_t *copy = wasm_ref_copy(ref);
    CHECK(copy != ref && wasm_ref_same(copy, ref));
    wasm_func_t *again = wasm_ref_as_func(ref);
    CHECK(again != NULL && again != func && wasm_func_same(again, func));
    CHECK(wasm_ref_as_global(ref) == NULL && wasm_ref_as_table(ref) == NULL && wasm_ref_as_memory(ref) == NULL
          && wasm_ref_as_foreign(ref) == NULL);
    wasm_ref_delete(ref);
    wasm_ref_delete(copy);
    wasm_val_t arg = WASM_I32_VAL(21), result = WASM_INIT_VAL;
    CHECK_STR(call_func(func, 1, &arg, 1, &result), "none");
    wasm_extern_delete(ext);
    CHECK_STR(call_func(again, 1, &arg, 1, &result), "none");
    CHECK_INT(result.of.i32, 42);
    const wasm_ref_t *constant = wasm_func_as_ref_const(again);
    const wasm_func_t *of_constant = wasm_ref_as_func_const(constant);
    CHECK(wasm_func_same(of_constant, again));
    wasm_ref_delete((wasm_ref_t *)constant);
    wasm_func_delete((wasm_func_t *)of_constant);
    wasm_func_delete(again);

    ext = export("object");
    ref = wasm_global_as_ref(wasm_extern_as_global(ext));
    wasm_global_t *global = wasm_ref_as_global(ref);
    CHECK(wasm_ref_as_func(ref) == NULL && wasm_global_same(global, wasm_extern_as_global(ext)));
    wasm_extern_delete(ext);
    wasm_ref_delete(ref);
    wasm_global_delete(global);
    CHECK(wasm_func_as_ref(NULL) == NULL && wasm_ref_as_func(NULL) == NULL);
}

TEST(a_table_takes_functions)
{
    wasm_extern_t *ext = export("functions"), *doubled = export("double");
    wasm_table_t *table = wasm_extern_as_table(ext);
    wasm_func_t *func = wasm_extern_as_func(doubled);
    CHECK(call_table(0, 4) == -1 && call_table(1, 4) == 8);
    finalized = 0;
    wasm_ref_t *ref = wasm_func_as_ref(func);
    wasm_ref_set_host_info_with_finalizer(ref, &finalized, finalize);
    CHECK(wasm_table_set(table, 0, ref));
    CHECK_INT(finalized, 1);
    CHECK(wasm_table_set(table, 1, NULL));
    CHECK(call_table(0, 4) == 8 && call_table(1, 4) == -1);
    ref = wasm_table_get(table, 0);
    REQUIRE(ref != NULL);
    CHECK(wasm_table_set(table, 1, ref));
    CHECK(call_table(1, 5) == 10);
    CHECK(wasm_table_get(table, 3) == NULL && wasm_table_get(table, UINT32_MAX) == NULL);

    /* What is not taken stays the caller's. */
    wasm_store_t *other = wasm_store_new(engine);
    wasm_func_t *foreign_func = new_unary(other, WASM_I32, pass_on);
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    wasm_ref_t *refused[] = { wasm_func_as_ref(func), wasm_func_as_ref(foreign_func), wasm_foreign_as_ref(foreign) };
    check_catch();
    CHECK(!wasm_table_set(table, 3, refused[0]));
    CHECK(!wasm_table_set(table, 2, refused[1]));
    CHECK(!wasm_table_set(table, 2, refused[2]));
    CHECK(!wasm_table_set(NULL, 0, refused[0]));
    const char *said = check_caught();
    CHECK_HAS(said, "wasm_table_set: the function is of another store");
    CHECK_HAS(said, "wasm_table_set: the reference is not to a function");
    for (int i = 0; i < 3; i++) {
        wasm_ref_delete(refused[i]);
    }
    wasm_func_delete(foreign_func);
    wasm_foreign_delete(foreign);
    wasm_store_delete(other);
    wasm_extern_delete(ext);
    wasm_extern_delete(doubled);
}

/* Each handle has its own pointer of the host's; its finalizer runs when that handle is deleted. */
TEST(what_the_host_keeps_with_a_handle)
{
    wasm_extern_t *ext = export("double");
    wasm_func_t *func = wasm_extern_as_func(ext);
    finalized = 0;
    wasm_func_set_host_info_with_finalizer(func, &finalized, finalize);
    CHECK(wasm_func_get_host_info(func) == &finalized && wasm_extern_get_host_info(ext) == &finalized);
    wasm_func_t *copy = wasm_func_copy(func);
    wasm_ref_t *ref = wasm_func_as_ref(func);
    CHECK(wasm_func_get_host_info(copy) == NULL && wasm_ref_get_host_info(ref) == NULL);
    wasm_func_delete(copy);
    wasm_ref_delete(ref);
    CHECK_INT(finalized, 0);
    wasm_func_delete(func);
    CHECK_INT(finalized, 1);

    /* What another replaces is not finalized, and NULL is not. */
    func = wasm_extern_as_func(export("double"));
    wasm_func_set_host_info_with_finalizer(func, &finalized, finalize);
    wasm_func_set_host_info(func, &finalized);
    wasm_func_delete(func);
    func = wasm_extern_as_func(export("double"));
    wasm_func_set_host_info_with_finalizer(func, NULL, finalize);
    wasm_func_delete(func);
    CHECK_INT(finalized, 1);

    /* The one of an instance's handle, when that is deleted; once. */
    wasm_module_t *my_module;
    wasm_instance_t *my_instance = references(store, &my_module);
    REQUIRE(my_instance != NULL);
    wasm_instance_set_host_info_with_finalizer(my_instance, &finalized, finalize);
    wasm_instance_delete(my_instance);
    CHECK_INT(finalized, 2);
    wasm_instance_delete(my_instance);
    CHECK_INT(finalized, 2);
    wasm_module_delete(my_module);
}

static wasm_trap_t *with_env(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    CHECK(env == &finalized);
    return pass_on(args, results);
}

TEST(the_finalizer_of_a_host_function)
{
    const char *message;
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new(WASM_EXTERNREF), wasm_valtype_new(WASM_EXTERNREF));
    wasm_func_t *func = wasm_func_new_with_env(store, type, with_env, &finalized, finalize);
    wasm_functype_delete(type);
    finalized = 0;
    wasm_func_t *copy = wasm_func_copy(func), *function = new_unary(store, WASM_FUNCREF, pass_on);
    wasm_extern_t *imports[] = { wasm_func_as_extern(func), wasm_func_as_extern(function) };
    wasm_instance_t *mine = instance_of(store, module, 2, imports, &message);
    REQUIRE(mine != NULL);
    wasm_func_delete(func);
    wasm_func_delete(function);
    CHECK_INT(finalized, 0);
    /* With the last handle, although an instance has the function: that is when WAMR's hosts expect it. */
    wasm_func_delete(copy);
    CHECK_INT(finalized, 1);
    wasm_val_t arg = WASM_REF_VAL(NULL), result = WASM_INIT_VAL;
    CHECK_STR(call_export(module, mine, "through the host", 1, &arg, 1, &result), "none");
    wasm_instance_delete(mine);
    CHECK_INT(finalized, 1);
}

/* All the ways in which hosts end an object of their own. */
TEST(objects_of_the_host)
{
    wasm_store_t *in = wasm_store_new(engine);
    /* A handle is always the same one. */
    wasm_foreign_t *foreign = wasm_foreign_new(in);
    wasm_ref_t *ref = wasm_foreign_as_ref(foreign);
    CHECK((void *)ref != (void *)foreign);
    CHECK(wasm_ref_as_foreign(ref) == foreign);
    wasm_ref_t *another = wasm_foreign_as_ref(foreign);
    CHECK(wasm_ref_same(ref, another));
    wasm_foreign_delete(foreign);
    /* It was had twice. */
    finalized = 0;
    wasm_foreign_set_host_info_with_finalizer(foreign, &finalized, finalize);
    CHECK(wasm_foreign_get_host_info(foreign) == &finalized);
    wasm_foreign_delete(foreign);
    CHECK_INT(finalized, 1);
    /* References outlive it, and can bring it back. */
    foreign = wasm_ref_as_foreign(another);
    CHECK(foreign != NULL && wasm_foreign_get_host_info(foreign) == NULL);
    wasm_ref_delete(ref);
    wasm_ref_delete(another);

    /* Only its reference is deleted, as WAMR's hosts do; or it is, too; or neither. */
    wasm_ref_delete(wasm_foreign_as_ref(wasm_foreign_new(in)));
    wasm_foreign_t *both = wasm_foreign_new(in);
    wasm_ref_delete(wasm_foreign_as_ref(both));
    CHECK(wasm_foreign_get_host_info(both) == NULL);
    wasm_foreign_delete(both);
    wasm_foreign_t *left = wasm_foreign_new(in);
    ref = wasm_foreign_as_ref(left);
    wasm_store_delete(in);
    CHECK(wasm_ref_as_foreign(ref) == NULL);
    wasm_ref_delete(ref);
    /* Gone with the store. */
    wasm_foreign_delete(left);
    wasm_foreign_delete(foreign);
    CHECK(wasm_foreign_new(NULL) == NULL);
}

TEST(an_externref_is_the_pointer_that_was_given)
{
    int anything;
    wasm_ref_t *ref = wasm_foreign_as_ref(wasm_foreign_new(store));
    wasm_ref_t *pointers[] = { ref, NULL, (wasm_ref_t *)&anything };
    wasm_extern_t *global_ext = export("object"), *table_ext = export("objects");
    wasm_global_t *global = wasm_extern_as_global(global_ext);
    wasm_table_t *table = wasm_extern_as_table(table_ext);
    for (int i = 0; i < 3; i++) {
        wasm_val_t val = WASM_REF_VAL(pointers[i]), result = WASM_INIT_VAL, is_null = WASM_INIT_VAL;
        wasm_global_set(global, &val);
        wasm_global_get(global, &result);
        CHECK(result.kind == WASM_EXTERNREF && result.of.ref == pointers[i]);
        CHECK_STR(call_export(module, instance, "id", 1, &val, 1, &result), "none");
        CHECK(result.kind == WASM_EXTERNREF && result.of.ref == pointers[i]);
        given = NULL;
        CHECK_STR(call_export(module, instance, "through the host", 1, &val, 1, &result), "none");
        CHECK(given == pointers[i] && result.of.ref == pointers[i]);
        CHECK_STR(call_export(module, instance, "is null", 1, &val, 1, &is_null), "none");
        CHECK_INT(is_null.of.i32, i == 1);
    }
    /* A table does not take it over. */
    wasm_val_t two = WASM_I32_VAL(2), result = WASM_INIT_VAL;
    CHECK(wasm_table_get(table, 2) == NULL);
    CHECK(wasm_table_set(table, 2, ref));
    CHECK(wasm_table_get(table, 2) == ref);
    CHECK_STR(call_export(module, instance, "get", 1, &two, 1, &result), "none");
    CHECK(result.of.ref == ref);
    CHECK(wasm_table_set(table, 2, NULL) && wasm_table_get(table, 2) == NULL);
    wasm_extern_t *doubled = export("double");
    wasm_ref_t *func_ref = wasm_func_as_ref(wasm_extern_as_func(doubled));
    CHECK(!wasm_table_set(table, 2, func_ref));
    wasm_ref_delete(func_ref);
    wasm_extern_delete(doubled);
    wasm_ref_delete(ref);
    wasm_extern_delete(global_ext);
    wasm_extern_delete(table_ext);
}

TEST(function_references_in_values)
{
    wasm_extern_t *doubled = export("double");
    wasm_func_t *func = wasm_extern_as_func(doubled);
    wasm_val_t arg = { .kind = WASM_FUNCREF, .of = { .ref = wasm_func_as_ref(func) } }, result = WASM_INIT_VAL;
    static const char *const calls[] = { "function id", "function through the host", "function through the host" };
    for (int i = 0; i < 3; i++) {
        /* The host gives back what it got, or a new reference, which goes with the call. */
        instead = i == 2 ? wasm_func_as_ref(func) : NULL;
        CHECK_STR(call_export(module, instance, calls[i], 1, &arg, 1, &result), "none");
        REQUIRE(result.kind == WASM_FUNCREF && result.of.ref != NULL && result.of.ref != arg.of.ref);
        wasm_func_t *same = wasm_ref_as_func(result.of.ref);
        CHECK(wasm_func_same(same, func));
        wasm_func_delete(same);
        wasm_ref_delete(result.of.ref);
    }
    instead = NULL;
    wasm_ref_delete(arg.of.ref);
    arg.of.ref = NULL;
    CHECK_STR(call_export(module, instance, "function id", 1, &arg, 1, &result), "none");
    CHECK(result.of.ref == NULL);

    /* Of another store, or of none. */
    wasm_store_t *other = wasm_store_new(engine);
    wasm_func_t *foreign_func = new_unary(other, WASM_I32, pass_on);
    wasm_ref_t *bad[] = { wasm_func_as_ref(foreign_func), wasm_foreign_as_ref(wasm_foreign_new(store)) };
    static const char *const why[] = { "the function is of another store", "the reference is not to a function" };
    wasm_globaltype_t *global_type = wasm_globaltype_new(wasm_valtype_new_funcref(), WASM_VAR);
    wasm_limits_t limits = { 1, 2 };
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
    for (int i = 0; i < 2; i++) {
        arg.of.ref = bad[i];
        CHECK_HAS(call_export(module, instance, "function id", 1, &arg, 1, &result), why[i]);
        check_catch();
        CHECK(wasm_global_new(store, global_type, &arg) == NULL);
        CHECK(wasm_table_new(store, table_type, bad[i]) == NULL);
        const char *said = check_caught();
        CHECK_HAS(said, "wasm_global_new: ");
        CHECK_HAS(said, "wasm_table_new: ");
        CHECK_HAS(said, why[i]);
        instead = i ? bad[i] : wasm_ref_copy(bad[i]);
        arg.of.ref = NULL;
        CHECK_HAS(call_export(module, instance, "function through the host", 1, &arg, 1, &result), why[i]);
        instead = NULL;
    }
    wasm_ref_delete(bad[0]);
    wasm_func_delete(foreign_func);
    wasm_globaltype_delete(global_type);
    wasm_tabletype_delete(table_type);
    wasm_store_delete(other);
    wasm_extern_delete(doubled);
}

/* Values are plain: copies share the reference, and deleting them deletes none. */
TEST(values_do_not_own_references)
{
    wasm_ref_t *ref = wasm_foreign_as_ref(wasm_foreign_new(store));
    wasm_val_t val = WASM_REF_VAL(ref), copy = WASM_INIT_VAL;
    wasm_val_copy(&copy, &val);
    CHECK(copy.kind == WASM_EXTERNREF && copy.of.ref == ref);
    wasm_val_vec_t vec, vec_copy;
    wasm_val_vec_new(&vec, 1, &val);
    wasm_val_vec_copy(&vec_copy, &vec);
    CHECK(vec_copy.num_elems == 1 && vec_copy.data[0].of.ref == ref);
    wasm_val_vec_delete(&vec);
    wasm_val_vec_delete(&vec_copy);
    CHECK(wasm_ref_get_host_info(ref) == NULL);
    wasm_ref_delete(ref);
    /* What it deletes is the value, which was allocated. */
    wasm_val_t *allocated = wasm_runtime_malloc(sizeof *allocated);
    *allocated = copy;
    wasm_val_delete(allocated);
    wasm_val_delete(NULL);
}

TEST(what_a_type_takes_over_can_be_looked_at)
{
    wasm_valtype_t *types[] = { wasm_valtype_new_i32(), wasm_valtype_new_f64() };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, types);
    wasm_valtype_vec_new_empty(&results);
    wasm_functype_t *func_type = wasm_functype_new(&params, &results);
    CHECK(params.size == 2 && wasm_valtype_kind(params.data[1]) == WASM_F64);
    CHECK(wasm_functype_params(func_type)->data == params.data);
    wasm_functype_delete(func_type);

    wasm_name_t module_name, name;
    wasm_name_new_from_string_nt(&module_name, "env");
    wasm_name_new_from_string_nt(&name, "f");
    wasm_importtype_t *import =
        wasm_importtype_new(&module_name, &name, wasm_functype_as_externtype(wasm_functype_new_0_0()));
    CHECK(is_name(&module_name, "env") && is_name(&name, "f"));
    CHECK(is_name(wasm_importtype_module(import), "env") && is_name(wasm_importtype_name(import), "f"));
    wasm_importtype_t *import_copy = wasm_importtype_copy(import);
    wasm_importtype_delete(import);
    CHECK(is_name(wasm_importtype_name(import_copy), "f"));
    wasm_importtype_delete(import_copy);
    wasm_name_new_from_string_nt(&name, "x");
    wasm_exporttype_t *exported =
        wasm_exporttype_new(&name, wasm_functype_as_externtype(wasm_functype_new_0_0()));
    CHECK(is_name(&name, "x") && is_name(wasm_exporttype_name(exported), "x"));
    wasm_exporttype_delete(exported);
    /* Not taken over. */
    wasm_valtype_t *number = wasm_valtype_new_i32();
    wasm_limits_t limits = { 1, 2 };
    CHECK(wasm_tabletype_new(number, &limits) == NULL);
    wasm_valtype_delete(number);
}

#define ABSURD(name, bytes)                                                                           \
    do {                                                                                              \
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {                                   \
            wasm_##name##_vec_t vec = { 7, NULL, 7, 7, NULL };                                        \
            size_t n = sizes[i] / (bytes) + (sizes[i] % (bytes) != 0);                                \
            wasm_##name##_vec_new(&vec, n, NULL);                                                     \
            CHECK(vec.size == 0 && vec.num_elems == 0 && vec.data == NULL);                           \
            wasm_##name##_vec_delete(&vec);                                                           \
            wasm_##name##_vec_new_uninitialized(&vec, n);                                             \
            CHECK(vec.size == 0 && vec.num_elems == 0 && vec.data == NULL);                           \
            wasm_##name##_vec_delete(&vec);                                                           \
            wasm_##name##_vec_new_uninitialized(NULL, n);                                             \
        }                                                                                             \
        /* Its elements are not even looked at. */                                                    \
        wasm_##name##_vec_t vec;                                                                      \
        wasm_##name##_vec_new(&vec, 5000000000u / (bytes), (const void *)&vec);                       \
        CHECK(vec.size == 0 && vec.data == NULL);                                                     \
        wasm_##name##_vec_new(&vec, SIZE_MAX, (const void *)&vec);                                    \
        CHECK(vec.size == 0 && vec.data == NULL);                                                     \
    } while (0)

TEST(absurd_sizes)
{
    static const size_t sizes[] = { (size_t)UINT32_MAX + 1, 8000000000, SIZE_MAX / 2, SIZE_MAX - 7, SIZE_MAX };
    ABSURD(byte, 1);
    ABSURD(val, sizeof(wasm_val_t));
    ABSURD(valtype, sizeof(void *));
    ABSURD(functype, sizeof(void *));
    ABSURD(globaltype, sizeof(void *));
    ABSURD(tabletype, sizeof(void *));
    ABSURD(memorytype, sizeof(void *));
    ABSURD(externtype, sizeof(void *));
    ABSURD(importtype, sizeof(void *));
    ABSURD(exporttype, sizeof(void *));
    ABSURD(frame, sizeof(void *));
    ABSURD(extern, sizeof(void *));
    wasm_valtype_t *one[] = { wasm_valtype_new_i32() };
    wasm_valtype_vec_t vec;
    wasm_valtype_vec_new(&vec, 1000000000, one);
    CHECK(vec.size == 0 && vec.data == NULL);
    wasm_valtype_delete(one[0]);
    /* One that a host filled in with nonsense has no copy. */
    wasm_val_vec_t nonsense = { SIZE_MAX, (wasm_val_t *)&vec, 0, 0, NULL }, copy;
    wasm_val_vec_copy(&copy, &nonsense);
    CHECK(copy.size == 0 && copy.data == NULL);
    /* Tables and memories as well. */
    wasm_limits_t limits = { UINT32_MAX, UINT32_MAX };
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
    wasm_memorytype_t *memory_type = wasm_memorytype_new(&limits);
    CHECK(wasm_table_new(store, table_type, NULL) == NULL);
    CHECK(wasm_memory_new(store, memory_type) == NULL);
    wasm_tabletype_delete(table_type);
    wasm_memorytype_delete(memory_type);
}

/* Structs of zeros, and NULL. */
TEST(handles_that_are_none)
{
    union {
        char bytes[256];
        void *align;
    } zeros;
    memset(&zeros, 0, sizeof zeros);
    wasm_ref_t *ref = (wasm_ref_t *)&zeros;
    wasm_ref_delete(ref);
    wasm_func_delete((wasm_func_t *)&zeros);
    wasm_extern_delete((wasm_extern_t *)&zeros);
    wasm_foreign_delete((wasm_foreign_t *)&zeros);
    wasm_instance_delete((wasm_instance_t *)&zeros);
    wasm_module_delete((wasm_module_t *)&zeros);
    CHECK(wasm_ref_copy(ref) == NULL && wasm_ref_as_func(ref) == NULL && wasm_ref_get_host_info(ref) == NULL);
    CHECK(wasm_ref_same(NULL, NULL) && wasm_func_same(NULL, NULL));
    wasm_extern_t *doubled = export("double");
    CHECK(!wasm_extern_same(doubled, NULL) && !wasm_extern_same(NULL, doubled));
    wasm_extern_delete(doubled);
    CHECK_INT(wasm_extern_kind(NULL), WASM_EXTERNREF);
    CHECK_INT(wasm_valtype_kind(NULL), WASM_EXTERNREF);
    CHECK_INT(wasm_externtype_kind(NULL), WASM_EXTERN_FUNC);
    CHECK(wasm_instance_sum_wasm_exec_time(instance) == -1.0);
    CHECK(wasm_instance_get_wasm_func_exec_time(instance, "double") == -1.0);
    char untouched[] = "untouched";
    wasm_name_t message = { sizeof untouched, untouched, sizeof untouched, 1, NULL };
    wasm_trap_message(NULL, &message);
    CHECK(message.data == untouched);
}

static wasm_trap_t *throw_nothing(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    (void)results;
    return wasm_trap_new(store, NULL);
}

TEST(host_functions_are_called_through_instances)
{
    const char *message;
    wasm_func_t *object = new_unary(store, WASM_EXTERNREF, pass_on);
    wasm_func_t *function = new_unary(store, WASM_FUNCREF, throw_nothing);
    wasm_val_t arg = WASM_REF_VAL(NULL), result = WASM_INIT_VAL;
    given = (wasm_ref_t *)&arg;
    CHECK_STR(call_func(object, 1, &arg, 1, &result), "failed to call unlinked function");
    CHECK(given == (wasm_ref_t *)&arg);
    wasm_extern_t *imports[] = { wasm_func_as_extern(object), wasm_func_as_extern(function) };
    wasm_instance_t *mine = instance_of(store, module, 2, imports, &message);
    REQUIRE(mine != NULL);
    CHECK_STR(call_func(object, 1, &arg, 1, &result), "none");
    CHECK(given == NULL);
    arg.kind = WASM_FUNCREF;
    CHECK_STR(call_func(function, 1, &arg, 1, &result), "Exception: native function throw unknown exception");
    wasm_func_delete(object);
    wasm_func_delete(function);
}

/* A function is called whether or not there is room for what it returns: it may trap. */
TEST(no_room_for_results)
{
    wasm_val_t arg = WASM_I32_VAL(5);
    wasm_val_t results[3] = { WASM_I32_VAL(-1), WASM_I32_VAL(-1), WASM_I32_VAL(-1) };
    CHECK_STR(call_export(module, instance, "trap", 1, &arg, 0, NULL), "Exception: unreachable");
    CHECK_HAS(call_export(module, instance, "double", 1, &arg, 0, NULL), "1 results, and there is room for 0");
    CHECK_HAS(call_export(module, instance, "two", 0, NULL, 1, results), "2 results, and there is room for 1");
    CHECK_HAS(call_export(module, instance, "two", 0, NULL, 5, NULL), "2 results, and there is room for 0");
    CHECK(results[0].of.i32 == -1 && results[1].of.i32 == -1);
    wasm_extern_t *doubled = export("double");
    wasm_val_vec_t args = WASM_ARRAY_VEC(results);
    CHECK_HAS(message_of(wasm_func_call(wasm_extern_as_func(doubled), &args, NULL)), "room for 0");
    CHECK_HAS(call_func(wasm_extern_as_func(doubled), 0, NULL, 1, results), "1 parameters, and 0 arguments");
    wasm_extern_delete(doubled);
    CHECK_STR(call_export(module, instance, "two", 0, NULL, 3, results), "none");
    CHECK(results[0].of.i32 == 1 && results[1].of.i32 == 2 && results[2].of.i32 == -1);
}

/* Modules and instances go with their store; the host may delete them before, after, twice, or not at all. */
TEST(a_store_takes_all_along)
{
    struct check_usage before = { 0 };
    for (int round = 0; round < check_effort(60, 400); round++) {
        if (round == 20) {
            before = check_usage();
        }
        wasm_store_t *mine = wasm_store_new(engine);
        wasm_module_t *my_module;
        wasm_instance_t *my_instance = references(mine, &my_module);
        REQUIRE(my_instance != NULL);
        wasm_shared_module_t *shared = wasm_module_share(my_module);
        wasm_module_t *obtained = wasm_module_obtain(mine, shared);
        CHECK(obtained != NULL);
        wasm_extern_t *doubled = export_of(my_module, my_instance, "double");
        wasm_extern_t *table = export_of(my_module, my_instance, "functions");
        wasm_extern_t *global = export_of(my_module, my_instance, "object");
        wasm_foreign_t *foreign = wasm_foreign_new(mine);
        wasm_val_t arg = WASM_I32_VAL(4), result = WASM_INIT_VAL;
        if (round % 2) {
            /* Its exports are still good. */
            wasm_instance_delete(my_instance);
            wasm_module_delete(my_module);
            wasm_module_delete(my_module);
        }
        CHECK_STR(call_func(wasm_extern_as_func(doubled), 1, &arg, 1, &result), "none");
        CHECK_INT(result.of.i32, 8);
        wasm_store_delete(mine);
        if (round % 3 == 0) {
            wasm_module_delete(my_module);
            wasm_module_delete(obtained);
            wasm_instance_delete(my_instance);
            wasm_foreign_delete(foreign);
        }
        wasm_shared_module_delete(shared);

        /* Other handles are good for nothing but to be deleted. */
        CHECK_STR(call_func(wasm_extern_as_func(doubled), 1, &arg, 1, &result), "failed to call unlinked function");
        CHECK_INT(wasm_table_size(wasm_extern_as_table(table)), 0);
        CHECK(wasm_table_get(wasm_extern_as_table(table), 1) == NULL);
        wasm_global_get(wasm_extern_as_global(global), &result);
        CHECK_INT(result.kind, WASM_I32);
        CHECK(wasm_extern_type(table) == NULL);
        wasm_extern_delete(doubled);
        wasm_extern_delete(table);
        wasm_extern_delete(global);
    }
    if (before.mappings) {
        CHECK_USAGE(before);
    }
}

TEST(whose_the_binary_is)
{
    uint32_t size;
    uint8_t *file = check_guest("references.wasm", &size);
    wasm_byte_vec_t bytes;
    wasm_byte_vec_new(&bytes, size, (const char *)file);
    free(file);
    CHECK(wasm_module_is_underlying_binary_freeable(module));
    for (int bits = 0; bits < 4; bits++) {
        LoadArgs args = { .name = "a name", .clone_wasm_binary = bits & 1, .wasm_binary_freeable = bits >> 1 };
        wasm_module_t *mine = wasm_module_new_ex(store, &bytes, &args);
        REQUIRE(mine != NULL);
        CHECK(wasm_module_is_underlying_binary_freeable(mine));
        CHECK_INT(args.wasm_binary_freeable, !(bits & 1));
        CHECK_STR(wasm_module_get_name(mine), "a name");
        wasm_module_delete(mine);
    }
    wasm_byte_vec_delete(&bytes);
}

static int allocated, freed;

static void *count_malloc(unsigned int size)
{
    allocated++;
    /* Not the start of a block: only its own free will do. */
    char *block = malloc(size + 16);
    return block ? block + 16 : NULL;
}

static void count_free(void *block)
{
    freed++;
    free((char *)block - 16);
}

/* Vectors and values are in memory of wasm_runtime_malloc's. */
TEST(an_allocator_of_the_hosts)
{
    wasm_config_t *config = wasm_config_new();
    MemAllocOption option;
    memset(&option, 0, sizeof option);
    option.allocator.malloc_func = (void *)count_malloc;
    option.allocator.free_func = (void *)count_free;
    wasm_config_set_mem_alloc_opt(config, Alloc_With_Allocator, &option);
    wasm_engine_t *mine = wasm_engine_new_with_config(config);
    wasm_config_delete(config);
    REQUIRE(mine != NULL);
    wasm_byte_vec_t made, filled = WASM_EMPTY_VEC, late;
    wasm_byte_vec_new(&made, 3, "abc");
    CHECK_INT(allocated, 1);
    filled.data = wasm_runtime_malloc(4);
    filled.size = filled.num_elems = 4;
    wasm_byte_vec_delete(&made);
    wasm_byte_vec_delete(&filled);
    wasm_val_t *val = wasm_runtime_malloc(sizeof *val);
    wasm_val_delete(val);
    CHECK(allocated == 3 && freed == 3);
    wasm_byte_vec_new(&late, 1, "x");
    void *data = late.data;
    wasm_engine_delete(mine);
    /* Its allocator is gone. */
    wasm_byte_vec_delete(&late);
    CHECK(freed == 3 && late.data == NULL);
    count_free(data);
}

int main(void)
{
    RUN(an_allocator_of_the_hosts);
    engine = wasm_engine_new();
    store = engine ? wasm_store_new(engine) : NULL;
    instance = store ? references(store, &module) : NULL;
    if (!instance) {
        return 2;
    }
    RUN(references_are_the_hosts);
    RUN(a_table_takes_functions);
    RUN(what_the_host_keeps_with_a_handle);
    RUN(the_finalizer_of_a_host_function);
    RUN(objects_of_the_host);
    RUN(an_externref_is_the_pointer_that_was_given);
    RUN(function_references_in_values);
    RUN(values_do_not_own_references);
    RUN(what_a_type_takes_over_can_be_looked_at);
    RUN(absurd_sizes);
    RUN(handles_that_are_none);
    RUN(host_functions_are_called_through_instances);
    RUN(no_room_for_results);
    RUN(a_store_takes_all_along);
    RUN(whose_the_binary_is);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return check_result();
}
