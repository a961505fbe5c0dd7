// A host in C++: all headers, in one program.
#include "lib_export.h"
#include "wasm_c_api.h"
#include "wasm_export.h"
#include "wayfarer.h"

#include "check.h"

static int32_t twice(wasm_exec_env_t env, int32_t n)
{
    int *seen = static_cast<int *>(wasm_runtime_get_function_attachment(env));
    ++*seen;
    return 2 * n;
}

static int seen;
static NativeSymbol symbols[] = {
    EXPORT_WASM_API_WITH_ATT(twice, "(i)i", &seen),
};

// (module (import "env" "twice" (func (param i32) (result i32))) (func (export "f") (param i32) (result i32)
//   (i32.add (call 0 (local.get 0)) (i32.const 1))))
static uint8_t bytes[] = "\0asm\1\0\0\0\1\6\1\x60\1\x7f\1\x7f\2\x0d\1\3env\5twice\0\0\3\2\1\0\7\5\1\1f\0\1"
                         "\x0a\x0b\1\x09\0\x20\0\x10\0\x41\1\x6a\x0b";

TEST(a_call)
{
    char error[128] = "";
    wasm_module_t module = wasm_runtime_load(bytes, sizeof bytes - 1, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(module != nullptr);
    wasm_module_inst_t inst = wasm_runtime_instantiate(module, 8192, 0, error, sizeof error);
    REQUIRE(inst != nullptr);
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 8192);
    wasm_val_t result{};
    wasm_val_t arg{};
    arg.kind = WASM_I32;
    arg.of.i32 = 20;
    CHECK(wasm_runtime_call_wasm_a(env, wasm_runtime_lookup_function(inst, "f"), 1, &result, 1, &arg));
    CHECK_INT(result.of.i32, 41);
    CHECK_INT(seen, 1);
    CHECK(!wayfarer_call_in_progress(inst, nullptr));
    CHECK_INT(wayfarer_checkpoint_count(inst), 0);
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_unload(module);
}

TEST(version)
{
    CHECK(wayfarer_version()[0] >= '0' && wayfarer_version()[0] <= '9');
}

int main()
{
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 1)) {
        return 2;
    }
    RUN(a_call);
    RUN(version);
    wasm_runtime_destroy();
    return check_result();
}
