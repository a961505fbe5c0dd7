/* Linear memory: allocation inside it, addresses, and its size. */
#include "check.h"

static const char *exception(struct check_guest_state *guest)
{
    static char text[256];
    const char *exception = wasm_runtime_get_exception(guest->inst);
    snprintf(text, sizeof text, "%s", exception ? exception : "none");
    wasm_runtime_clear_exception(guest->inst);
    return text;
}

TEST(app_heap)
{
    struct check_guest_state guest;
    void *native[3] = { NULL, NULL, NULL };
    uint64_t block[3];
    REQUIRE(check_open(&guest, "fixed.wasm", 16384));
    for (int i = 0; i < 3; i++) {
        block[i] = wasm_runtime_module_malloc(guest.inst, 1000, &native[i]);
        REQUIRE(block[i] != 0);
        CHECK(native[i] == wasm_runtime_addr_app_to_native(guest.inst, block[i]));
        memset(native[i], i + 1, 1000);
    }
    for (int i = 0; i < 3; i++) {
        CHECK(((uint8_t *)native[i])[0] == i + 1 && ((uint8_t *)native[i])[999] == i + 1);
        uint32_t argv[1] = { (uint32_t)block[i] + 999 };
        CHECK(check_call(&guest, "load", 1, argv));
        CHECK_INT(argv[0], i + 1);
    }
    wasm_runtime_module_free(guest.inst, block[1]);
    CHECK_INT(wasm_runtime_module_malloc(guest.inst, 1000, NULL), block[1]);
    wasm_runtime_module_free(guest.inst, 0);

    check_catch();
    uint64_t too_much = wasm_runtime_module_malloc(guest.inst, 1 << 20, NULL);
    CHECK_HAS(check_caught(), "warning: allocate 1048576 bytes memory failed");
    CHECK_INT(too_much, 0);
    CHECK_STR(exception(&guest), "none");

    uint64_t copy = wasm_runtime_module_dup_data(guest.inst, "copied", 7);
    REQUIRE(copy != 0);
    CHECK_STR((char *)wasm_runtime_addr_app_to_native(guest.inst, copy), "copied");
    check_close(&guest);
}

TEST(a_heap_the_guest_overwrote)
{
    struct check_guest_state guest;
    uint64_t begin, end;
    REQUIRE(check_open(&guest, "fixed.wasm", 4096));
    uint64_t block = wasm_runtime_module_malloc(guest.inst, 64, NULL);
    REQUIRE(block != 0);
    CHECK(wasm_runtime_get_app_addr_range(guest.inst, 0, &begin, &end));
    memset(wasm_runtime_addr_app_to_native(guest.inst, 131072), 0xa5, (size_t)(end - 131072));
    check_catch();
    wasm_runtime_module_free(guest.inst, block);
    uint64_t next = wasm_runtime_module_malloc(guest.inst, 64, NULL);
    check_caught();
    CHECK_INT(next, 0);
    CHECK_STR(exception(&guest), "Exception: app heap corrupted");
    check_close(&guest);
}

TEST(the_guests_allocator)
{
    struct check_guest_state guest;
    wasm_global_inst_t freed;
    REQUIRE(check_open(&guest, "own_malloc.wasm", 0));
    uint64_t block = wasm_runtime_module_malloc(guest.inst, 100, NULL);
    CHECK_INT(block, 1024);
    CHECK(wasm_runtime_get_export_global_inst(guest.inst, "freed", &freed));
    CHECK_INT(*(int32_t *)freed.global_data, 0);
    wasm_runtime_module_free(guest.inst, block);
    CHECK_INT(*(int32_t *)freed.global_data, 1);
    check_catch();
    uint64_t none = wasm_runtime_module_malloc(guest.inst, 60001, NULL);
    CHECK_HAS(check_caught(), "warning: allocate 60001 bytes memory failed");
    CHECK_INT(none, 0);
    CHECK_STR(exception(&guest), "none");
    check_close(&guest);
}

TEST(no_allocator_and_no_memory)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "growing.wasm", 0));
    check_catch();
    uint64_t none = wasm_runtime_module_malloc(guest.inst, 10, NULL);
    CHECK_HAS(check_caught(), "warning: allocate 10 bytes memory failed");
    CHECK_INT(none, 0);
    CHECK_STR(exception(&guest), "none");
    check_close(&guest);

    REQUIRE(check_open(&guest, "values.wasm", 0));
    check_catch();
    none = wasm_runtime_module_malloc(guest.inst, 10, NULL);
    check_caught();
    CHECK_INT(none, 0);
    CHECK_STR(exception(&guest), "Exception: uninitialized memory");
    CHECK(wasm_runtime_get_default_memory(guest.inst) == NULL);
    check_close(&guest);
}

TEST(addresses)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "fixed.wasm", 0));
    wasm_module_inst_t module_inst = guest.inst;
    uint8_t *base = wasm_memory_get_base_address(wasm_runtime_get_default_memory(guest.inst));
    const uint64_t size = 131072;

    CHECK(wasm_runtime_validate_app_addr(guest.inst, 0, size));
    CHECK(wasm_runtime_validate_app_addr(guest.inst, size - 1, 1));
    CHECK_STR(exception(&guest), "none");
    CHECK(!wasm_runtime_validate_app_addr(guest.inst, size, 1));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");
    CHECK(!validate_app_addr(1, size));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");
    CHECK(!wasm_runtime_validate_app_addr(guest.inst, UINT64_MAX, 2));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");

    CHECK(wasm_runtime_validate_app_str_addr(guest.inst, 100));
    memset(base + size - 3, 'x', 3);
    CHECK(!wasm_runtime_validate_app_str_addr(guest.inst, size - 3));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");
    CHECK(!wasm_runtime_validate_app_str_addr(guest.inst, size));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");

    CHECK(wasm_runtime_validate_native_addr(guest.inst, base, size));
    CHECK(!wasm_runtime_validate_native_addr(guest.inst, base + 1, size));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");
    CHECK(!wasm_runtime_validate_native_addr(guest.inst, base - 1, 1));
    CHECK_STR(exception(&guest), "Exception: out of bounds memory access");

    CHECK(wasm_runtime_addr_app_to_native(guest.inst, 0) == base);
    CHECK(wasm_runtime_addr_app_to_native(guest.inst, size - 1) == base + size - 1);
    CHECK(wasm_runtime_addr_app_to_native(guest.inst, size) == NULL);
    CHECK_INT(wasm_runtime_addr_native_to_app(guest.inst, base + 77), 77);
    CHECK_INT(wasm_runtime_addr_native_to_app(guest.inst, base + size), 0);
    CHECK_INT(addr_native_to_app(&guest), 0);
    CHECK_STR((char *)addr_app_to_native(100), "hello");
    CHECK_STR(exception(&guest), "none");

    uint64_t begin = 9, end = 9;
    uint8_t *native_begin = NULL, *native_end = NULL;
    CHECK(wasm_runtime_get_app_addr_range(guest.inst, 5, &begin, &end));
    CHECK(begin == 0 && end == size);
    CHECK(wasm_runtime_get_app_addr_range(guest.inst, 5, NULL, NULL));
    CHECK(!wasm_runtime_get_app_addr_range(guest.inst, size, &begin, &end));
    CHECK(wasm_runtime_get_native_addr_range(guest.inst, base + 5, &native_begin, &native_end));
    CHECK(native_begin == base && native_end == base + size);
    CHECK(wasm_runtime_get_native_addr_range(guest.inst, base + 5, NULL, NULL));
    CHECK(!wasm_runtime_get_native_addr_range(guest.inst, base + size, &native_begin, &native_end));
    check_close(&guest);
}

TEST(memory_objects)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "growing.wasm", 0));
    wasm_memory_inst_t memory = wasm_runtime_get_default_memory(guest.inst);
    REQUIRE(memory != NULL);
    CHECK(wasm_runtime_lookup_memory(guest.inst, "memory") == memory);
    CHECK(wasm_runtime_lookup_memory(guest.inst, "another name") == memory);
    CHECK(wasm_runtime_get_memory(guest.inst, 0) == memory);
    CHECK(wasm_runtime_get_memory(guest.inst, 1) == NULL);
    CHECK_INT(wasm_memory_get_cur_page_count(memory), 1);
    CHECK_INT(wasm_memory_get_max_page_count(memory), 4);
    CHECK_INT(wasm_memory_get_bytes_per_page(memory), 65536);
    CHECK(!wasm_memory_get_shared(memory));

    uint8_t *base = wasm_memory_get_base_address(memory);
    CHECK(wasm_memory_enlarge(memory, 0));
    CHECK(wasm_memory_enlarge(memory, 1));
    CHECK(wasm_runtime_enlarge_memory(guest.inst, 1));
    CHECK_INT(wasm_memory_get_cur_page_count(memory), 3);
    CHECK(wasm_memory_get_base_address(memory) == base);
    base[3 * 65536 - 1] = 5;
    uint32_t argv[1] = { 3 * 65536 - 1 };
    CHECK(check_call(&guest, "load", 1, argv));
    CHECK_INT(argv[0], 5);
    CHECK(!wasm_memory_enlarge(memory, 2));
    CHECK(!wasm_runtime_enlarge_memory(guest.inst, 2));
    CHECK_INT(wasm_memory_get_cur_page_count(memory), 3);
    check_close(&guest);

    /* Also if the guest neither grows it nor asks for its size: pages of 64 KiB, not one large one. */
    REQUIRE(check_open(&guest, "fixed.wasm", 0));
    memory = wasm_runtime_get_default_memory(guest.inst);
    CHECK_INT(wasm_memory_get_cur_page_count(memory), 2);
    CHECK_INT(wasm_memory_get_max_page_count(memory), 65536);
    CHECK_INT(wasm_memory_get_bytes_per_page(memory), 65536);
    check_close(&guest);
}

static struct {
    unsigned calls;
    uint32_t pages;
    uint64_t size;
    uint32_t memory;
    enlarge_memory_error_reason_t reason;
    wasm_module_inst_t inst;
    wasm_exec_env_t env;
    void *user_data;
} failure;

static void on_failure(uint32_t pages, uint64_t size, uint32_t memory, enlarge_memory_error_reason_t reason,
                       wasm_module_inst_t inst, wasm_exec_env_t env, void *user_data)
{
    failure.calls++;
    failure.pages = pages;
    failure.size = size;
    failure.memory = memory;
    failure.reason = reason;
    failure.inst = inst;
    failure.env = env;
    failure.user_data = user_data;
}

TEST(failures_to_grow_are_reported)
{
    struct check_guest_state guest;
    int mine = 0;
    REQUIRE(check_open(&guest, "growing.wasm", 0));
    memset(&failure, 0xff, sizeof failure);
    failure.calls = 0;
    wasm_runtime_set_enlarge_mem_error_callback(on_failure, &mine);
    CHECK(wasm_runtime_enlarge_memory(guest.inst, 1));
    CHECK_INT(failure.calls, 0);
    CHECK(!wasm_runtime_enlarge_memory(guest.inst, 3));
    CHECK_INT(failure.calls, 1);
    CHECK_INT(failure.pages, 3);
    CHECK_INT(failure.size, 2 * 65536);
    CHECK_INT(failure.memory, 0);
    CHECK_INT(failure.reason, MAX_SIZE_REACHED);
    CHECK(failure.inst == guest.inst);
    CHECK(failure.user_data == &mine);

    /* By the guest. */
    uint32_t argv[1] = { 7 };
    CHECK(check_call(&guest, "grow", 1, argv));
    CHECK_INT(argv[0], 0xffffffff);
    CHECK_INT(failure.calls, 2);
    CHECK_INT(failure.pages, 7);
    CHECK_INT(failure.size, 2 * 65536);
    CHECK_INT(failure.reason, MAX_SIZE_REACHED);
    CHECK(failure.inst == guest.inst);
    CHECK(failure.env == guest.env);
    CHECK(failure.user_data == &mine);

    /* A memory alone does not know whose it is. */
    CHECK(!wasm_memory_enlarge(wasm_runtime_get_default_memory(guest.inst), 9));
    CHECK_INT(failure.calls, 2);
    argv[0] = 2;
    CHECK(check_call(&guest, "grow", 1, argv));
    CHECK_INT(argv[0], 2);
    CHECK_INT(failure.calls, 2);

    wasm_runtime_set_enlarge_mem_error_callback(NULL, NULL);
    CHECK(!wasm_runtime_enlarge_memory(guest.inst, 3));
    CHECK_INT(failure.calls, 2);
    check_close(&guest);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    RUN(app_heap);
    RUN(a_heap_the_guest_overwrote);
    RUN(the_guests_allocator);
    RUN(no_allocator_and_no_memory);
    RUN(addresses);
    RUN(memory_objects);
    RUN(failures_to_grow_are_reported);
    wasm_runtime_destroy();
    return check_result();
}
