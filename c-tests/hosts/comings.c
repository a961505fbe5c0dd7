/* A host that knows nothing of checkpoints, through wasm_c_api.h: instances of one store come and go, then one makes a long call.
 * What was there first is gone by then; one more that the host has ended is still in a table.
 * usage: comings GUEST N TICKS; N: how many come and go */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_c_api.h"

static wasm_store_t *store;
static wasm_module_t *module;
static wasm_func_t *tick_func, *nested_func;

static wasm_trap_t *tick(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = (wasm_val_t)WASM_I32_VAL((int32_t)(args->data[0].of.i64 * 7));
    return NULL;
}

static wasm_trap_t *nested(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = args->data[0];
    return NULL;
}

static wasm_func_t *export_named(wasm_extern_vec_t *exports, const char *name)
{
    wasm_exporttype_vec_t types;
    wasm_func_t *found = NULL;
    wasm_module_exports(module, &types);
    for (size_t i = 0; i < types.size; i++) {
        if (!strcmp(wasm_exporttype_name(types.data[i])->data, name)) {
            found = wasm_func_copy(wasm_extern_as_func(exports->data[i]));
        }
    }
    wasm_exporttype_vec_delete(&types);
    return found;
}

/* A function of a new instance, which nothing else keeps. */
static wasm_func_t *new_func(const char *name)
{
    wasm_extern_t *externs[] = { wasm_func_as_extern(tick_func), wasm_func_as_extern(nested_func) };
    wasm_extern_vec_t imports = { 2, externs, 2, sizeof *externs, NULL }, exports;
    wasm_trap_t *trap = NULL;
    wasm_instance_t *instance = wasm_instance_new_with_args(store, module, &imports, &trap, 65536, 0);
    if (!instance) {
        wasm_message_t message = { 0 };
        if (trap) {
            wasm_trap_message(trap, &message);
        }
        fprintf(stderr, "no instance: %.*s\n", (int)message.size, message.data);
        exit(3);
    }
    wasm_instance_exports(instance, &exports);
    wasm_func_t *func = export_named(&exports, name);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    return func;
}

static void call(const char *what, wasm_func_t *func, int64_t n)
{
    wasm_val_t arg = WASM_I64_VAL(n), result = WASM_INIT_VAL;
    wasm_val_vec_t args = { 1, &arg, 1, sizeof arg, NULL }, results = { 1, &result, 0, sizeof result, NULL };
    wasm_trap_t *trap = wasm_func_call(func, &args, &results);
    if (trap) {
        wasm_message_t message;
        wasm_trap_message(trap, &message);
        printf("%s: %.*s\n", what, (int)message.size, message.data);
        wasm_byte_vec_delete(&message);
        wasm_trap_delete(trap);
    } else {
        printf("%s: %" PRIx64 "\n", what, (uint64_t)result.of.i64);
    }
}

int main(int argc, char **argv)
{
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    static char bytes[1 << 16];
    if (!file) {
        return 2;
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    wasm_byte_vec_t binary = { size, bytes, size, 1, NULL };
    wasm_engine_t *engine = wasm_engine_new();
    store = wasm_store_new(engine);
    module = wasm_module_new(store, &binary);
    wasm_functype_t *narrow = wasm_functype_new_1_1(wasm_valtype_new_i64(), wasm_valtype_new_i32());
    wasm_functype_t *wide = wasm_functype_new_1_1(wasm_valtype_new_i64(), wasm_valtype_new_i64());
    tick_func = wasm_func_new(store, narrow, tick);
    nested_func = wasm_func_new(store, wide, nested);
    wasm_limits_t limits = { 2, 2 };
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new(WASM_FUNCREF), &limits);
    wasm_table_t *table = wasm_table_new(store, table_type, NULL);

    int coming = atoi(argv[2]);
    for (int i = 0; i < coming; i++) {
        wasm_func_t *func = new_func("mix");
        if (i % 100 == 1) {
            call("one of many", func, 3 + i % 7);
        }
        /* For a while it is kept by a table. */
        wasm_table_set(table, 0, wasm_func_as_ref(func));
        wasm_func_delete(func);
    }
    wasm_table_set(table, 0, NULL);
    wasm_func_t *kept = new_func("mix");
    call("kept", kept, 5);
    wasm_table_set(table, 1, wasm_func_as_ref(kept));
    wasm_func_delete(kept);

    wasm_func_t *func = new_func("ticks");
    call("ticks", func, atoi(argv[3]));
    wasm_ref_t *ref = wasm_table_get(table, 1);
    kept = wasm_ref_as_func(ref);
    wasm_ref_delete(ref);
    call("kept", kept, 5);
    wasm_func_delete(kept);
    kept = new_func("ticks");
    call("another", kept, 2);
    call("ticks", func, 2);
    wasm_func_delete(kept);
    wasm_func_delete(func);

    wasm_table_delete(table);
    wasm_tabletype_delete(table_type);
    wasm_functype_delete(narrow);
    wasm_functype_delete(wide);
    wasm_func_delete(tick_func);
    wasm_func_delete(nested_func);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}
