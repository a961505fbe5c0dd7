/* A host on wasm_c_api.h, with a function and globals of its own, one of which it changes between calls. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "wasm_c_api.h"

static wasm_trap_t *change(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0].kind = WASM_I32;
    results->data[0].of.i32 = args->data[0].of.i32 * 3 - 7;
    return NULL;
}

static wasm_global_t *global(wasm_store_t *store, wasm_valtype_t *type, wasm_val_t value)
{
    wasm_globaltype_t *global_type = wasm_globaltype_new(type, WASM_VAR);
    wasm_global_t *made = wasm_global_new(store, global_type, &value);
    wasm_globaltype_delete(global_type);
    return made;
}

static int failed(const char *what, wasm_trap_t *trap)
{
    wasm_message_t message = WASM_EMPTY_VEC;
    wasm_trap_message(trap, &message);
    fprintf(stderr, "%s: %s\n", what, message.data);
    return 3;
}

int main(int argc, char **argv)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_byte_vec_t binary;
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) {
        return 2;
    }
    fseek(file, 0, SEEK_END);
    wasm_byte_vec_new_uninitialized(&binary, (size_t)ftell(file));
    rewind(file);
    if (fread(binary.data, binary.size, 1, file) != 1) {
        return 2;
    }
    fclose(file);
    wasm_module_t *module = wasm_module_new(store, &binary);
    wasm_byte_vec_delete(&binary);
    wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *func = wasm_func_new(store, type, change);
    wasm_functype_delete(type);
    wasm_global_t *limit = global(store, wasm_valtype_new_i32(), (wasm_val_t)WASM_I32_VAL(2000));
    wasm_global_t *total = global(store, wasm_valtype_new_i64(), (wasm_val_t)WASM_I64_VAL(5));
    wasm_extern_t *externs[] = { wasm_func_as_extern(func), wasm_global_as_extern(limit),
                                 wasm_global_as_extern(total) };
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(externs), exports;
    wasm_trap_t *trap = NULL;
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, &trap);
    if (!instance) {
        return failed("instance", trap);
    }
    wasm_func_delete(func);
    wasm_module_delete(module);
    wasm_instance_exports(instance, &exports);
    wasm_instance_delete(instance);
    for (int32_t i = 1; i <= 3; i++) {
        wasm_val_t result = WASM_INIT_VAL, read = WASM_INIT_VAL, next = WASM_I32_VAL(1000 * i);
        wasm_val_vec_t none = WASM_EMPTY_VEC, results = { 1, &result, 0, sizeof result, NULL };
        trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &none, &results);
        if (trap) {
            return failed("call", trap);
        }
        wasm_global_get(total, &read);
        printf("%" PRId64 " %" PRId64 "\n", result.of.i64, read.of.i64);
        wasm_global_set(limit, &next);
    }
    wasm_extern_vec_delete(&exports);
    wasm_global_delete(limit);
    wasm_global_delete(total);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}
