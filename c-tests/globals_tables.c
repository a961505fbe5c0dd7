/* Exported globals and tables. */
#include "check.h"

static struct check_guest_state guest;

TEST(globals)
{
    wasm_global_inst_t global;
    uint32_t argv[1];
    REQUIRE(wasm_runtime_get_export_global_inst(guest.inst, "counter", &global));
    CHECK_INT(global.kind, WASM_I32);
    CHECK(global.is_mutable);
    CHECK_INT(*(int32_t *)global.global_data, 7);
    /* It is the live value: seen by the guest, and written by it. */
    *(int32_t *)global.global_data = 70;
    CHECK(check_call(&guest, "count", 0, argv));
    CHECK_INT(argv[0], 71);
    CHECK_INT(*(int32_t *)global.global_data, 71);

    REQUIRE(wasm_runtime_get_export_global_inst(guest.inst, "long", &global));
    CHECK_INT(global.kind, WASM_I64);
    CHECK(!global.is_mutable);
    CHECK_INT(*(int64_t *)global.global_data, -1);
    REQUIRE(wasm_runtime_get_export_global_inst(guest.inst, "float", &global));
    CHECK(global.kind == WASM_F32 && *(float *)global.global_data == 1.5f);
    REQUIRE(wasm_runtime_get_export_global_inst(guest.inst, "double", &global));
    CHECK(global.kind == WASM_F64 && *(double *)global.global_data == 2.25);

    REQUIRE(wasm_runtime_get_export_global_inst(guest.inst, "lanes", &global));
    CHECK_INT(global.kind, WASM_V128);
    uint64_t *halves = global.global_data;
    CHECK(halves[0] == (2ull << 32 | 1) && halves[1] == (4ull << 32 | 3));
    halves[0] = 2ull << 32 | 100;
    CHECK(check_call(&guest, "lane_sum", 0, argv));
    CHECK_INT(argv[0], 104);

    CHECK(!wasm_runtime_get_export_global_inst(guest.inst, "nothing", &global));
    CHECK(!wasm_runtime_get_export_global_inst(guest.inst, "count", &global));
}

TEST(tables)
{
    wasm_table_inst_t table;
    uint32_t argv[1];
    REQUIRE(wasm_runtime_get_export_table_inst(guest.inst, "table", &table));
    CHECK_INT(table.elem_kind, WASM_FUNCREF);
    CHECK_INT(table.cur_size, 4);
    CHECK_INT(table.max_size, 9);
    CHECK(wasm_table_get_func_inst(guest.inst, &table, 0) == NULL);
    CHECK(wasm_table_get_func_inst(guest.inst, &table, 4) == NULL);
    wasm_function_inst_t count = wasm_table_get_func_inst(guest.inst, &table, 1);
    CHECK(count != NULL);
    CHECK(count == wasm_runtime_lookup_function(guest.inst, "count"));
    CHECK(wasm_runtime_call_wasm(guest.env, count, 0, argv));
    CHECK(!wasm_runtime_get_export_table_inst(guest.inst, "counter", &table));
    CHECK(!wasm_runtime_get_export_table_inst(guest.inst, "nothing", &table));
}

int main(void)
{
    if (!wasm_runtime_init() || !check_open(&guest, "globals.wasm", 0)) {
        return 2;
    }
    RUN(globals);
    RUN(tables);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
