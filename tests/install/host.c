/* A host like any other: runs a function of a module. Needs nothing but what `make install` installs. */
#include <stdio.h>
#include <string.h>
#include <wasm_export.h>

/* (module (func (export "answer") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 6)))) */
static uint8_t module_bytes[] = {
    0x00, 'a',  's',  'm',  0x01, 0x00, 0x00, 0x00, /* magic, version */
    0x01, 0x06, 0x01, 0x60, 0x01, 0x7F, 0x01, 0x7F, /* type: i32 -> i32 */
    0x03, 0x02, 0x01, 0x00,                         /* function 0 has type 0 */
    0x07, 0x0A, 0x01, 0x06, 'a',  'n',  's',  'w',  'e',  'r',  0x00, 0x00, /* export */
    0x0A, 0x09, 0x01, 0x07, 0x00, 0x20, 0x00, 0x41, 0x06, 0x6C, 0x0B,       /* code */
};

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

int main(void)
{
    char error[128] = "";
    uint32_t argv[1] = { 7 };
    uint32_t major, minor, patch;

    if (!wasm_runtime_init())
        return fail("init", "failed");
    wasm_module_t module = wasm_runtime_load(module_bytes, sizeof module_bytes, error, sizeof error);
    if (!module)
        return fail("load", error);
    wasm_module_inst_t instance = wasm_runtime_instantiate(module, 8192, 0, error, sizeof error);
    if (!instance)
        return fail("instantiate", error);
    wasm_exec_env_t env = wasm_runtime_create_exec_env(instance, 8192);
    wasm_function_inst_t function = wasm_runtime_lookup_function(instance, "answer");
    if (!env || !function)
        return fail("lookup", "failed");
    if (!wasm_runtime_call_wasm(env, function, 1, argv))
        return fail("call", wasm_runtime_get_exception(instance));
    wasm_runtime_get_version(&major, &minor, &patch);
    printf("answer %u from %u.%u.%u\n", argv[0], major, minor, patch);

    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(instance);
    wasm_runtime_unload(module);
    wasm_runtime_destroy();
    return 0;
}
