/* Starting and ending the runtime, its allocators, and logging. */
#include "check.h"

static char heap[4 << 20];

TEST(counts_initializations)
{
    CHECK(wasm_runtime_init());
    CHECK(wasm_runtime_init());
    wasm_runtime_destroy();
    void *block = wasm_runtime_malloc(10);
    CHECK(block != NULL);
    wasm_runtime_free(block);
    wasm_runtime_destroy();
    CHECK(wasm_runtime_malloc(10) == NULL);
}

TEST(ignores_arguments_while_initialized)
{
    RuntimeInitArgs args;
    mem_alloc_info_t info;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_Pool;
    args.mem_alloc_option.pool.heap_buf = heap;
    args.mem_alloc_option.pool.heap_size = sizeof heap;
    CHECK(wasm_runtime_init());
    CHECK(wasm_runtime_full_init(&args));
    CHECK(!wasm_runtime_get_mem_alloc_info(&info));
    wasm_runtime_destroy();
    wasm_runtime_destroy();
}

TEST(a_zeroed_struct_asks_for_a_pool)
{
    RuntimeInitArgs args;
    memset(&args, 0, sizeof args);
    CHECK(!wasm_runtime_full_init(&args));
}

TEST(pool)
{
    RuntimeInitArgs args;
    mem_alloc_info_t before, during, after;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_Pool;
    args.mem_alloc_option.pool.heap_buf = heap;
    args.mem_alloc_option.pool.heap_size = sizeof heap;
    REQUIRE(wasm_runtime_full_init(&args));
    CHECK(wasm_runtime_get_mem_alloc_info(&before));
    CHECK(before.total_size > 0 && before.total_size <= sizeof heap);

    char *block = wasm_runtime_malloc(100000);
    CHECK(block >= heap && block + 100000 <= heap + sizeof heap);
    memset(block, 1, 100000);
    CHECK(wasm_runtime_get_mem_alloc_info(&during));
    CHECK(during.total_free_size + 100000 <= before.total_free_size);
    CHECK(during.highmark_size >= 100000);
    block = wasm_runtime_realloc(block, 200000);
    CHECK(block >= heap && block[0] == 1 && block[99999] == 1);
    wasm_runtime_free(block);
    CHECK(wasm_runtime_get_mem_alloc_info(&after));
    CHECK_INT(after.total_free_size, before.total_free_size);
    CHECK(after.highmark_size >= during.highmark_size);

    CHECK(wasm_runtime_malloc(sizeof heap) == NULL);

    void *aligned = wasm_runtime_aligned_alloc(256, 128);
    CHECK(aligned != NULL && (uintptr_t)aligned % 128 == 0);
    wasm_runtime_free(aligned);
    check_catch();
    void *odd_size = wasm_runtime_aligned_alloc(100, 64);
    void *odd_alignment = wasm_runtime_aligned_alloc(96, 48);
    check_caught();
    CHECK(odd_size == NULL);
    CHECK(odd_alignment == NULL);
    wasm_runtime_destroy();
}

TEST(guests_run_with_a_pool)
{
    RuntimeInitArgs args;
    struct check_guest_state guest;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_Pool;
    args.mem_alloc_option.pool.heap_buf = heap;
    args.mem_alloc_option.pool.heap_size = sizeof heap;
    REQUIRE(wasm_runtime_full_init(&args));
    if (check_open(&guest, "values.wasm", 0)) {
        uint32_t argv[2] = { 40, 2 };
        CHECK(check_call(&guest, "add", 2, argv));
        CHECK_INT(argv[0], 42);
    }
    check_close(&guest);
    wasm_runtime_destroy();
}

static unsigned mallocs, reallocs, frees;

static void *count_malloc(unsigned int size)
{
    mallocs++;
    return malloc(size);
}

static void *count_realloc(void *ptr, unsigned int size)
{
    reallocs++;
    return realloc(ptr, size);
}

static void count_free(void *ptr)
{
    frees++;
    free(ptr);
}

TEST(allocator_of_the_host)
{
    RuntimeInitArgs args;
    mem_alloc_info_t info;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_Allocator;
    args.mem_alloc_option.allocator.malloc_func = (void *)count_malloc;
    args.mem_alloc_option.allocator.realloc_func = (void *)count_realloc;
    args.mem_alloc_option.allocator.free_func = (void *)count_free;
    REQUIRE(wasm_runtime_full_init(&args));
    unsigned before[] = { mallocs, reallocs, frees };
    void *block = wasm_runtime_malloc(10);
    block = wasm_runtime_realloc(block, 20);
    wasm_runtime_free(block);
    CHECK_INT(mallocs - before[0], 1);
    CHECK_INT(reallocs - before[1], 1);
    CHECK_INT(frees - before[2], 1);
    CHECK(!wasm_runtime_get_mem_alloc_info(&info));
    check_catch();
    void *aligned = wasm_runtime_aligned_alloc(64, 64);
    check_caught();
    CHECK(aligned == NULL);
    wasm_runtime_destroy();

    /* Without realloc there is none. */
    args.mem_alloc_option.allocator.realloc_func = NULL;
    REQUIRE(wasm_runtime_full_init(&args));
    block = wasm_runtime_malloc(10);
    CHECK(wasm_runtime_realloc(block, 20) == NULL);
    wasm_runtime_free(block);
    wasm_runtime_destroy();

    args.mem_alloc_option.allocator.free_func = NULL;
    CHECK(!wasm_runtime_full_init(&args));
}

TEST(odd_allocations)
{
    REQUIRE(wasm_runtime_init());
    check_catch();
    void *empty = wasm_runtime_malloc(0);
    const char *log = check_caught();
    CHECK(empty != NULL);
    CHECK_HAS(log, "wasm_runtime_malloc with size zero");
    wasm_runtime_free(empty);
    check_catch();
    wasm_runtime_free(NULL);
    CHECK_HAS(check_caught(), "NULL");
    wasm_runtime_destroy();
    check_catch();
    void *none = wasm_runtime_malloc(1);
    log = check_caught();
    CHECK(none == NULL);
    CHECK_HAS(log, "hasn't been initialized");
}

static int32_t seven(wasm_exec_env_t env)
{
    (void)env;
    return 7;
}

TEST(natives_and_running_mode_at_start)
{
    static NativeSymbol symbols[] = { { "seven", (void *)seven, "()i", NULL } };
    RuntimeInitArgs args;
    memset(&args, 0, sizeof args);
    args.mem_alloc_type = Alloc_With_System_Allocator;
    args.native_module_name = "env";
    args.native_symbols = symbols;
    args.n_native_symbols = 1;
    args.running_mode = Mode_Interp;
    REQUIRE(wasm_runtime_full_init(&args));
    CHECK(wasm_runtime_is_import_func_linked("env", "seven"));
    wasm_runtime_destroy();

    /* What ended with the runtime is not there in the next one. */
    REQUIRE(wasm_runtime_init());
    CHECK(!wasm_runtime_is_import_func_linked("env", "seven"));
    wasm_runtime_destroy();

    /* Only where there is a compiler. */
    args.running_mode = Mode_LLVM_JIT;
    setenv("WAYFARER_COMPILER", "/none", 1);
    CHECK(!wasm_runtime_full_init(&args));
    unsetenv("WAYFARER_COMPILER");
    args.running_mode = (RunningMode)9;
    CHECK(!wasm_runtime_full_init(&args));
}

TEST(log_level_and_lines)
{
    REQUIRE(wasm_runtime_init());
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_ERROR);
    check_catch();
    wasm_runtime_free(NULL);
    CHECK_STR(check_caught(), "");
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_WARNING);
    check_catch();
    wasm_runtime_free(NULL);
    const char *line = check_caught();
    unsigned h, m, s, ms;
    unsigned long tid;
    CHECK_INT(sscanf(line, "[%2u:%2u:%2u:%3u - %lX]: warning: ", &h, &m, &s, &ms, &tid), 5);
    CHECK(line[0] && line[strlen(line) - 1] == '\n');
    wasm_runtime_destroy();
}

TEST(version)
{
    uint32_t major = 0, minor = 0, patch = 0;
    wasm_runtime_get_version(&major, &minor, &patch);
    CHECK_INT(major, 2);
    CHECK_INT(minor, 4);
    CHECK_INT(patch, 3);
}

int main(void)
{
    RUN(counts_initializations);
    RUN(ignores_arguments_while_initialized);
    RUN(a_zeroed_struct_asks_for_a_pool);
    RUN(pool);
    RUN(guests_run_with_a_pool);
    RUN(allocator_of_the_host);
    RUN(odd_allocations);
    RUN(natives_and_running_mode_at_start);
    RUN(log_level_and_lines);
    RUN(version);
    return check_result();
}
