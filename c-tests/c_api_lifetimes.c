/* wasm_c_api.h: things in a store live as long as somebody uses them, and no longer. Made and destroyed again and again in one
 * store, they take neither memory nor address space: without an end to them, 16,000 memories would be all there is of it.
 * WAYFARER_TEST_FULL=1 has it done 200,000 times, WAYFARER_TEST_LONG=1 a million. */
#include "c_api.h"

static wasm_module_t *module;

enum { ADD, THROUGH, INDIRECT, MEMORY, TABLE, GLOBAL, EXPORTS };

static wasm_trap_t *doubled(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = (wasm_val_t)WASM_I32_VAL(args->data[0].of.i32 * 2);
    return NULL;
}

static wasm_func_t *new_host_func(wasm_func_callback_t callback)
{
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *func = wasm_func_new(store, type, callback);
    wasm_functype_delete(type);
    return func;
}

static wasm_instance_t *new_instance(wasm_func_t *host, wasm_extern_vec_t *exports)
{
    const char *message;
    wasm_extern_t *imports[] = { wasm_func_as_extern(host) };
    wasm_instance_t *instance = instance_of(store, module, 1, imports, &message);
    if (!instance) {
        check_failed(__FILE__, __LINE__);
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
    wasm_instance_exports(instance, exports);
    return instance;
}

/* An instance that only its exports keep. */
static void new_exports(wasm_extern_vec_t *exports)
{
    wasm_func_t *host = new_host_func(doubled);
    wasm_instance_delete(new_instance(host, exports));
    wasm_func_delete(host);
}

static int32_t call_with(const wasm_func_t *func, int32_t n)
{
    wasm_val_t arg = WASM_I32_VAL(n), result = WASM_INIT_VAL;
    CHECK_STR(call_func(func, 1, &arg, 1, &result), "none");
    return result.of.i32;
}

static int32_t call_nth(const wasm_extern_vec_t *exports, int which, int32_t n)
{
    return call_with(wasm_extern_as_func(exports->data[which]), n);
}

/* Others come and go, in whose place nothing of what is kept must be. */
static void others_come_and_go(int times)
{
    for (int i = 0; i < times; i++) {
        wasm_extern_vec_t exports;
        new_exports(&exports);
        memset(wasm_memory_data(wasm_extern_as_memory(exports.data[MEMORY])), 0xff, 2 * 65536);
        wasm_extern_vec_delete(&exports);
    }
}

static long resident(void)
{
    long all = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        CHECK_INT(fscanf(file, "%ld %ld", &all, &pages), 2);
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

/* Does it often, and looks what of it stays. */
static void again_and_again(void (*once)(int))
{
    int times = check_asked("WAYFARER_TEST_LONG") ? 1000000
                : check_asked("WAYFARER_TEST_FULL") ? 200000
                : getenv("CHECK_SLOW") ? 500
                                       : 20000;
    int warm = times / 10;
    long before = 0;
    int open = 0;
    for (int i = 0; i < times && !check_failures_here; i++) {
        if (i == warm) {
            before = resident();
            open = descriptors();
        }
        once(i);
    }
    CHECK_INT(descriptors(), open);
    /* Sanitizers keep what is freed for a while. */
    if (!getenv("CHECK_SLOW") && !CHECK(resident() - before < 4 << 20)) {
        fprintf(stderr, "%ld KiB more\n", (resident() - before) / 1024);
    }
}

TEST(a_function_keeps_its_instance)
{
    wasm_extern_vec_t exports;
    new_exports(&exports);
    wasm_func_t *add = wasm_func_copy(wasm_extern_as_func(exports.data[ADD]));
    wasm_func_t *through = wasm_func_copy(wasm_extern_as_func(exports.data[THROUGH]));
    CHECK_INT(call_with(add, 1), 7);
    wasm_extern_vec_delete(&exports);
    others_come_and_go(50);
    CHECK_INT(call_with(add, 2), 11);
    wasm_func_delete(add);
    others_come_and_go(50);
    /* Its import is not the host's any more, but still there. */
    CHECK_INT(call_with(through, 10), 20 + 31);
    wasm_func_delete(through);
}

TEST(each_export_can_be_kept_alone)
{
    for (int which = 0; which < EXPORTS; which++) {
        wasm_extern_vec_t exports;
        new_exports(&exports);
        CHECK_INT(call_nth(&exports, ADD, 1), 7);
        wasm_extern_t *kept = exports.data[which];
        exports.data[which] = NULL;
        wasm_extern_vec_delete(&exports);
        others_come_and_go(20);
        wasm_val_t value = WASM_INIT_VAL;
        switch (which) {
        case MEMORY:
            CHECK(wasm_memory_data_size(wasm_extern_as_memory(kept)) >= 2 * 65536);
            CHECK_INT(wasm_memory_data(wasm_extern_as_memory(kept))[70000], 1);
            break;
        case GLOBAL:
            wasm_global_get(wasm_extern_as_global(kept), &value);
            CHECK_INT(value.of.i32, 6);
            break;
        case TABLE: {
            wasm_ref_t *ref = wasm_table_get(wasm_extern_as_table(kept), 0);
            wasm_func_t *func = wasm_ref_as_func(ref);
            wasm_ref_delete(ref);
            CHECK_INT(call_with(func, 1), 9);
            wasm_func_delete(func);
            CHECK(wasm_table_set(wasm_extern_as_table(kept), 0, NULL));
            break;
        }
        default:
            CHECK_INT(call_with(wasm_extern_as_func(kept), 1), which == ADD ? 9 : which == THROUGH ? 11 : 2);
        }
        wasm_extern_delete(kept);
    }
}

TEST(a_host_function_is_called_for_an_instance_that_was_ended)
{
    wasm_func_t *host = new_host_func(doubled);
    wasm_extern_vec_t exports;
    wasm_instance_t *instance = new_instance(host, &exports);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    others_come_and_go(20);
    CHECK_INT(call_with(host, 4), 8);
    wasm_func_delete(host);
}

/* What the host deletes while the guest runs is there until it does not. */
static wasm_extern_vec_t in_use;

static wasm_trap_t *deletes(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    for (int i = 0; i < EXPORTS; i++) {
        if (i != THROUGH) {
            wasm_extern_delete(in_use.data[i]);
            in_use.data[i] = NULL;
        }
    }
    others_come_and_go(20);
    return doubled(args, results);
}

TEST(an_instance_is_ended_while_it_runs)
{
    wasm_func_t *host = new_host_func(deletes);
    wasm_instance_delete(new_instance(host, &in_use));
    wasm_func_delete(host);
    CHECK_INT(call_nth(&in_use, THROUGH, 3), 6 + 11);
    wasm_extern_vec_delete(&in_use);
    others_come_and_go(20);
}

static int ended;

static void count_end(wasm_module_inst_t inst, void *context)
{
    (void)context;
    CHECK(wasm_runtime_get_module(inst) != NULL);
    ended++;
    /* Finalizers may use the API. */
    wasm_extern_vec_t exports;
    if (ended == 1) {
        new_exports(&exports);
        CHECK_INT(call_nth(&exports, ADD, 1), 7);
        wasm_extern_vec_delete(&exports);
    }
}

TEST(what_the_host_hung_on_an_instance_ends_with_it)
{
    others_come_and_go(1);
    void *key = wasm_runtime_create_context_key(count_end);
    wasm_extern_vec_t exports;
    new_exports(&exports);
    ended = 0;
    wasm_func_t *add = wasm_func_copy(wasm_extern_as_func(exports.data[ADD]));
    wasm_extern_vec_delete(&exports);
    CHECK_INT(ended, 0);
    wasm_func_delete(add);
    CHECK(ended >= 1);
    others_come_and_go(1);
    CHECK_INT(ended, 3);
    wasm_runtime_destroy_context_key(key);
}

static void one_instance(int i)
{
    wasm_extern_vec_t exports;
    wasm_func_t *host = new_host_func(doubled);
    wasm_instance_t *instance = new_instance(host, &exports);
    /* In any order. */
    if (i % 3 == 0) {
        wasm_instance_delete(instance);
    }
    CHECK_INT(call_nth(&exports, THROUGH, 3), 6 + 11);
    if (i % 2) {
        wasm_extern_vec_delete(&exports);
        wasm_func_delete(host);
    } else {
        wasm_func_delete(host);
        wasm_extern_vec_delete(&exports);
    }
    if (i % 3) {
        wasm_instance_delete(instance);
    }
}

TEST(instances_come_and_go)
{
    again_and_again(one_instance);
}

/* Each has the other's function in its table. */
static void two_in_a_circle(int i)
{
    wasm_extern_vec_t a, b;
    new_exports(&a);
    new_exports(&b);
    wasm_ref_t *of_a = wasm_func_as_ref(wasm_extern_as_func(a.data[ADD]));
    wasm_ref_t *of_b = wasm_func_as_ref(wasm_extern_as_func(b.data[ADD]));
    CHECK(wasm_table_set(wasm_extern_as_table(a.data[TABLE]), 2, of_b));
    CHECK(wasm_table_set(wasm_extern_as_table(b.data[TABLE]), 2, of_a));
    wasm_extern_vec_delete(i % 2 ? &a : &b);
    CHECK_INT(call_nth(i % 2 ? &b : &a, INDIRECT, 2), 7);
    wasm_extern_vec_delete(i % 2 ? &b : &a);
}

TEST(circles_come_and_go)
{
    again_and_again(two_in_a_circle);
}

static wasm_table_t *shared_table;

/* One that lives stays; the others are in its table for a while. */
static void in_the_table_of_another(int i)
{
    wasm_extern_vec_t exports;
    new_exports(&exports);
    CHECK(wasm_table_set(shared_table, (uint32_t)i % 4, wasm_func_as_ref(wasm_extern_as_func(exports.data[ADD]))));
    wasm_extern_vec_delete(&exports);
    wasm_ref_t *ref = wasm_table_get(shared_table, (uint32_t)(i + 1) % 4);
    if (ref) {
        wasm_func_t *func = wasm_ref_as_func(ref);
        CHECK_INT(call_with(func, 1), 7);
        wasm_func_delete(func);
        wasm_ref_delete(ref);
    }
}

TEST(functions_in_a_table_come_and_go)
{
    wasm_limits_t limits = { 4, 4 };
    wasm_tabletype_t *type = wasm_tabletype_new(wasm_valtype_new(WASM_FUNCREF), &limits);
    shared_table = wasm_table_new(store, type, NULL);
    wasm_tabletype_delete(type);
    again_and_again(in_the_table_of_another);
    wasm_table_delete(shared_table);
}

/* Objects of the host's that no instance ever has. */
static void only_the_hosts(int i)
{
    wasm_limits_t limits = { 1, 2 };
    wasm_memorytype_t *memory_type = wasm_memorytype_new(&limits);
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new(WASM_FUNCREF), &limits);
    wasm_memory_t *memory = wasm_memory_new(store, memory_type), *copy = wasm_memory_copy(memory);
    wasm_func_t *host = new_host_func(doubled);
    wasm_table_t *table = wasm_table_new(store, table_type, NULL);
    CHECK(memory && table && host);
    wasm_memory_data(memory)[i % 65536] = 1;
    wasm_memory_delete(memory);
    CHECK_INT(wasm_memory_data(copy)[i % 65536], 1);
    CHECK(wasm_table_set(table, 0, wasm_func_as_ref(host)));
    wasm_func_delete(host);
    wasm_ref_t *ref = wasm_table_get(table, 0);
    CHECK(ref != NULL);
    wasm_ref_delete(ref);
    wasm_memory_delete(copy);
    wasm_table_delete(table);
    wasm_memorytype_delete(memory_type);
    wasm_tabletype_delete(table_type);
}

TEST(objects_of_the_hosts_come_and_go)
{
    again_and_again(only_the_hosts);
}

static wasm_module_t *trapping;

static void failing_instance(int i)
{
    const char *message;
    (void)i;
    CHECK(instance_of(store, trapping, 0, NULL, &message) == NULL);
    CHECK_HAS(message, "failed");
}

TEST(instances_that_fail_leave_nothing)
{
    trapping = module_of(store, "start_trap.wasm");
    again_and_again(failing_instance);
    wasm_module_delete(trapping);
}

int main(void)
{
    engine = wasm_engine_new();
    store = wasm_store_new(engine);
    module = module_of(store, "lifetimes.wasm");
    RUN(a_function_keeps_its_instance);
    RUN(each_export_can_be_kept_alone);
    RUN(a_host_function_is_called_for_an_instance_that_was_ended);
    RUN(an_instance_is_ended_while_it_runs);
    RUN(what_the_host_hung_on_an_instance_ends_with_it);
    RUN(instances_come_and_go);
    RUN(circles_come_and_go);
    RUN(functions_in_a_table_come_and_go);
    RUN(objects_of_the_hosts_come_and_go);
    RUN(instances_that_fail_leave_nothing);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return check_result();
}
