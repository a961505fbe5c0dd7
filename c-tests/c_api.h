/* What tests of wasm_c_api.h share. */
#ifndef C_API_H
#define C_API_H

#include "wasm_c_api.h"

#include "check.h"

static wasm_engine_t *engine;
CHECK_UNUSED wasm_store_t *store;

/* A module of the folder of guests. */
CHECK_UNUSED wasm_module_t *module_of(wasm_store_t *in, const char *name)
{
    uint32_t size;
    wasm_byte_vec_t bytes;
    uint8_t *file = check_guest(name, &size);
    wasm_byte_vec_new(&bytes, size, (const char *)file);
    free(file);
    wasm_module_t *module = wasm_module_new(in, &bytes);
    wasm_byte_vec_delete(&bytes);
    return module;
}

/* A name holds its NUL. */
CHECK_UNUSED int is_name(const wasm_name_t *name, const char *text)
{
    return name->size == strlen(text) + 1 && strcmp(name->data, text) == 0;
}

/* The message of a trap, which is deleted; "none" if there is none. */
CHECK_UNUSED const char *message_of(wasm_trap_t *trap)
{
    static char text[512];
    wasm_message_t message;
    if (!trap) {
        return "none";
    }
    wasm_trap_message(trap, &message);
    snprintf(text, sizeof text, "%s", message.data);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
    return text;
}

/* Instantiates a module with these imports; NULL on failure, with the message. What is logged is not shown. */
CHECK_UNUSED wasm_instance_t *instance_of(wasm_store_t *in, wasm_module_t *module, size_t n,
                                          wasm_extern_t *imports[], const char **message)
{
    wasm_extern_vec_t vec = { n, imports, n, sizeof *imports, NULL };
    wasm_trap_t *trap = NULL;
    check_catch();
    wasm_instance_t *instance = wasm_instance_new(in, module, &vec, &trap);
    check_caught();
    *message = message_of(trap);
    return instance;
}

/* The export of this name, for the caller to delete. */
CHECK_UNUSED wasm_extern_t *export_of(wasm_module_t *module, wasm_instance_t *instance, const char *name)
{
    wasm_exporttype_vec_t types;
    wasm_extern_vec_t exports;
    wasm_extern_t *found = NULL;
    wasm_module_exports(module, &types);
    wasm_instance_exports(instance, &exports);
    for (size_t i = 0; i < types.size && i < exports.size; i++) {
        if (is_name(wasm_exporttype_name(types.data[i]), name)) {
            found = wasm_extern_copy(exports.data[i]);
        }
    }
    wasm_exporttype_vec_delete(&types);
    wasm_extern_vec_delete(&exports);
    if (!found) {
        check_failed(name, 0);
        fprintf(stderr, "no such export\n");
        exit(2);
    }
    return found;
}

/* Calls a function; the message of its trap, or "none". */
CHECK_UNUSED const char *call_func(const wasm_func_t *func, size_t n_args, wasm_val_t *args, size_t n_results,
                                   wasm_val_t *results)
{
    wasm_val_vec_t arg_vec = { n_args, args, n_args, sizeof(wasm_val_t), NULL };
    wasm_val_vec_t result_vec = { n_results, results, 0, sizeof(wasm_val_t), NULL };
    return message_of(wasm_func_call(func, &arg_vec, &result_vec));
}

/* Calls an export. */
CHECK_UNUSED const char *call_export(wasm_module_t *module, wasm_instance_t *instance, const char *name,
                                     size_t n_args, wasm_val_t *args, size_t n_results, wasm_val_t *results)
{
    wasm_extern_t *export = export_of(module, instance, name);
    const char *message = call_func(wasm_extern_as_func(export), n_args, args, n_results, results);
    wasm_extern_delete(export);
    return message;
}

/* How often finalize was called, with what it should be. */
static int finalized;
CHECK_UNUSED void finalize(void *info)
{
    finalized += info == &finalized;
}

#endif
