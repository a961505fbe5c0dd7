/* Functions that this version exports but does not do: each fails the way it is documented to, and says why. */
#include "check.h"

static struct check_guest_state guest;

/* The log of one call. */
#define SAYS(call, text) \
    do { \
        check_catch(); \
        call; \
        CHECK_HAS(check_caught(), text); \
    } while (0)

TEST(modules_of_modules)
{
    char error[128] = "";
    bool registered = true;
    SAYS(wasm_runtime_set_module_reader(NULL, NULL), "wasm_runtime_set_module_reader: ");
    SAYS(registered = wasm_runtime_register_module("m", guest.module, error, sizeof error),
         "wasm_runtime_register_module: ");
    CHECK(!registered);
    CHECK_HAS(error, "Register module failed: ");
    check_catch();
    registered = wasm_runtime_register_module(NULL, NULL, error, sizeof error);
    check_caught();
    CHECK(!registered);
    CHECK_STR(error, "Register module failed: module_name and module are required");
    wasm_module_t found = guest.module;
    SAYS(found = wasm_runtime_find_module_registered("m"), "wasm_runtime_find_module_registered: ");
    CHECK(found == NULL);
}

TEST(shared_heaps)
{
    SharedHeapInitArgs args = { 65536, NULL };
    wasm_shared_heap_t heap = NULL;
    bool attached = true;
    SAYS(heap = wasm_runtime_create_shared_heap(&args), "wasm_runtime_create_shared_heap: ");
    CHECK(heap == NULL);
    SAYS(attached = wasm_runtime_attach_shared_heap(guest.inst, heap), "wasm_runtime_attach_shared_heap: ");
    CHECK(!attached);
}

TEST(diagnostics)
{
    WASMCApiFrame frames[4];
    char error[128] = "";
    CHECK_INT(wasm_copy_callstack(guest.env, frames, 4, 0, error, sizeof error), 0);
    CHECK_STR(error, "No copy_callstack API was actually executed");
    double spent = 1;
    SAYS(spent = wasm_runtime_sum_wasm_exec_time(guest.inst), "wasm_runtime_sum_wasm_exec_time: ");
    CHECK(spent == 0);
    SAYS(wasm_runtime_set_instruction_count_limit(guest.env, 10),
         "wasm_runtime_set_instruction_count_limit: ");
    uint32_t port = 1;
    SAYS(port = wasm_runtime_start_debug_instance(guest.env), "wasm_runtime_start_debug_instance: ");
    CHECK_INT(port, 0);
    CHECK(wasm_runtime_is_bounds_checks_enabled(guest.inst));
    SAYS(wasm_runtime_set_bounds_checks(guest.inst, false), "bounds checks are always on");
    CHECK(wasm_runtime_is_bounds_checks_enabled(guest.inst));
    CHECK_INT(wasm_runtime_get_pgo_prof_data_size(guest.inst), 0);
}

/* It is only there in builds that measure memory, and only at the level for everything. */
TEST(memory_consumption)
{
    check_catch();
    wasm_runtime_dump_mem_consumption(guest.env);
    CHECK_STR(check_caught(), "");
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_VERBOSE);
    check_catch();
    wasm_runtime_dump_mem_consumption(guest.env);
    CHECK_HAS(check_caught(), "Memory consumption summary (bytes):");
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_WARNING);
}

int main(void)
{
    if (!wasm_runtime_init() || !check_open(&guest, "values.wasm", 0)) {
        return 2;
    }
    RUN(modules_of_modules);
    RUN(shared_heaps);
    RUN(diagnostics);
    RUN(memory_consumption);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
