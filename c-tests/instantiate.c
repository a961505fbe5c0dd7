/* Making instances: start functions, limits, the app heap, errors. Also running modes. */
#include <sys/resource.h>

#include "check.h"
#include "wayfarer.h"

static uint32_t call0(struct check_guest_state *guest, const char *name)
{
    uint32_t argv[2] = { 0xdead, 0 };
    CHECK(check_call(guest, name, 0, argv));
    return argv[0];
}

static uint64_t pages(struct check_guest_state *guest)
{
    return wasm_memory_get_cur_page_count(wasm_runtime_get_default_memory(guest->inst));
}

static uint64_t max_pages(struct check_guest_state *guest)
{
    return wasm_memory_get_max_page_count(wasm_runtime_get_default_memory(guest->inst));
}

TEST(start_functions_in_order)
{
    struct check_guest_state guest;
    if (check_open(&guest, "post_instantiate.wasm", 0)) {
        CHECK_INT(call0(&guest, "order"), 123);
        CHECK(wasm_runtime_get_module(guest.inst) == guest.module);
    }
    check_close(&guest);
}

/* What making an instance of this guest says, behind what kind of file it is. */
static const char *instantiate_error(const char *name)
{
    static char text[128], *error = text;
    const char *kind = check_compiled() ? "AOT module " : "WASM module ";
    error = text;
    struct check_guest_state guest;
    strcpy(error, "none");
    if (check_load(&guest, name)) {
        guest.inst = wasm_runtime_instantiate(guest.module, 0, 0, text, sizeof text);
        CHECK(guest.inst == NULL);
        if (CHECK(strncmp(text, kind, strlen(kind)) == 0)) {
            error += strlen(kind);
        }
    }
    check_close(&guest);
    return error;
}

TEST(errors)
{
    CHECK_STR(instantiate_error("start_trap.wasm"), "instantiate failed: Exception: unreachable");
    CHECK_STR(instantiate_error("unknown_global.wasm"),
              "instantiate failed: failed to link import global (somewhere, setting)");
    CHECK_STR(instantiate_error("unknown_memory.wasm"),
              "instantiate failed: failed to link import memory (somewhere, memory)");
    CHECK_STR(instantiate_error("unknown_table.wasm"),
              "instantiate failed: failed to link import table (somewhere, table)");
    CHECK_STR(instantiate_error("segment_outside.wasm"),
              "instantiate failed: out of bounds memory access");
    char error[128] = "";
    CHECK(wasm_runtime_instantiate(NULL, 0, 0, error, sizeof error) == NULL);
    CHECK_HAS(error, "WASM module instantiate failed: ");
}

TEST(instances_are_independent)
{
    struct check_guest_state guest;
    char error[128];
    REQUIRE(check_open(&guest, "growing.wasm", 0));
    wasm_module_inst_t other = wasm_runtime_instantiate(guest.module, 0, 0, error, sizeof error);
    REQUIRE(other != NULL);
    uint32_t argv[1] = { 1 };
    CHECK(check_call(&guest, "grow", 1, argv));
    CHECK_INT(argv[0], 1);
    CHECK_INT(pages(&guest), 2);
    CHECK_INT(wasm_memory_get_cur_page_count(wasm_runtime_get_default_memory(other)), 1);
    wasm_runtime_deinstantiate(other);
    CHECK_INT(call0(&guest, "size"), 2);
    check_close(&guest);
}

TEST(maximum_of_memory)
{
    struct check_guest_state guest;
    InstantiationArgs args;
    memset(&args, 0, sizeof args);
    REQUIRE(check_load(&guest, "growing.wasm"));
    static const struct {
        uint32_t asked, given;
        const char *warning;
    } cases[] = {
        { 0, 4, "" },
        { 2, 2, "" },
        { 9, 4, "Cannot override max memory with value greater than module max memory" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        args.max_memory_pages = cases[i].asked;
        check_catch();
        guest.inst = wasm_runtime_instantiate_ex(guest.module, &args, guest.error, sizeof guest.error);
        CHECK_HAS(check_caught(), cases[i].warning);
        REQUIRE(guest.inst != NULL);
        CHECK_INT(max_pages(&guest), cases[i].given);
        wasm_runtime_deinstantiate(guest.inst);
        guest.inst = NULL;
    }
    check_close(&guest);

    /* Below what the module begins with. */
    REQUIRE(check_load(&guest, "heap_base.wasm"));
    args.max_memory_pages = 1;
    check_catch();
    guest.inst = wasm_runtime_instantiate_ex(guest.module, &args, guest.error, sizeof guest.error);
    CHECK_HAS(check_caught(), "Cannot override max memory with value lower than module initial memory");
    REQUIRE(guest.inst != NULL);
    CHECK_INT(max_pages(&guest), 2);
    check_close(&guest);
}

TEST(heap_appended_to_a_fixed_memory)
{
    struct check_guest_state guest;
    uint64_t begin, end;
    REQUIRE(check_open(&guest, "fixed.wasm", 8192));
    CHECK(wasm_runtime_get_app_addr_range(guest.inst, 0, &begin, &end));
    CHECK_INT(begin, 0);
    CHECK_INT(end, 131072 + 8192);
    CHECK_INT(pages(&guest), 1);
    void *native = NULL;
    uint64_t block = wasm_runtime_module_malloc(guest.inst, 100, &native);
    CHECK(block >= 131072 && block + 100 <= end);
    CHECK(native == wasm_runtime_addr_app_to_native(guest.inst, block));
    check_close(&guest);
}

TEST(heap_before_heap_base)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "heap_base.wasm", 8192));
    CHECK_INT(call0(&guest, "base"), 4096 + 8192);
    wasm_global_inst_t global;
    CHECK(wasm_runtime_get_export_global_inst(guest.inst, "__heap_base", &global));
    CHECK_INT(*(int32_t *)global.global_data, 4096 + 8192);
    uint64_t block = wasm_runtime_module_malloc(guest.inst, 100, NULL);
    CHECK(block >= 4096 && block + 100 <= 4096 + 8192);
    check_close(&guest);
}

TEST(heap_in_new_pages)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "growing.wasm", 8192));
    CHECK_INT(pages(&guest), 2);
    CHECK_INT(max_pages(&guest), 5);
    uint64_t block = wasm_runtime_module_malloc(guest.inst, 100, NULL);
    CHECK(block >= 65536 && block + 100 <= 131072);
    check_close(&guest);
}

/* Lets this process have so much more memory than it has. Returns what it could have before. */
static struct rlimit limit_memory(uint64_t more)
{
    struct rlimit before, now;
    unsigned long long has = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%llu", &has) == 1);
    fclose(file);
    getrlimit(RLIMIT_AS, &before);
    now = before;
    now.rlim_cur = has * (uint64_t)sysconf(_SC_PAGESIZE) + more;
    CHECK(setrlimit(RLIMIT_AS, &now) == 0);
    return before;
}

TEST(a_table_that_there_is_no_memory_for)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "large_table.wasm", 0));
    struct rlimit before = limit_memory(48 << 20);
    uint32_t argv[1] = { 9999999 };
    bool called = check_call(&guest, "grow", 1, argv);
    wasm_module_inst_t other = wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error);
    setrlimit(RLIMIT_AS, &before);
    CHECK(called);
    CHECK_INT((int32_t)argv[0], -1);
    CHECK(other == NULL);
    CHECK_HAS(guest.error, "instantiate failed: allocate memory failed");
    argv[0] = 9999999;
    CHECK(check_call(&guest, "grow", 1, argv));
    CHECK_INT(argv[0], 1);
    argv[0] = 1;
    CHECK(check_call(&guest, "grow", 1, argv));
    CHECK_INT((int32_t)argv[0], -1);
    check_close(&guest);

    CHECK_STR(instantiate_error("too_large_table.wasm"), "instantiate failed: allocate memory failed");
}

/* A memory that is imported, and that the runtime makes, has room for the heap, too. */
TEST(heap_in_an_imported_memory)
{
    static const struct {
        const char *name;
        uint64_t size, pages, max_pages;
    } cases[] = { { "imported_fixed.wasm", 65536 + 8192, 1, 1 }, { "imported_memory.wasm", 131072, 2, 3 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct check_guest_state guest;
        uint64_t end = 0;
        REQUIRE(check_open(&guest, cases[i].name, 8192));
        CHECK(wasm_runtime_get_app_addr_range(guest.inst, 0, NULL, &end));
        CHECK_INT(end, cases[i].size);
        CHECK_INT(pages(&guest), cases[i].pages);
        CHECK_INT(max_pages(&guest), cases[i].max_pages);
        void *native = NULL;
        uint64_t block = wasm_runtime_module_malloc(guest.inst, 100, &native);
        CHECK(block >= 65536 && block + 100 <= end && native != NULL);
        uint32_t argv[2] = { (uint32_t)block, 7 };
        CHECK(check_call(&guest, "store", 2, argv));
        CHECK_INT(*(uint32_t *)native, 7);

        /* And so it has when it is restored. */
        wayfarer_report_t report;
        REQUIRE(wayfarer_checkpoint(guest.inst, NULL, &report, guest.error, sizeof guest.error));
        wasm_module_inst_t restored = wayfarer_restore_from_memory(guest.module, NULL, report.image, report.image_size,
                                                                   guest.error, sizeof guest.error);
        wayfarer_image_free((void *)report.image, report.image_size);
        CHECK_STR(guest.error, "");
        REQUIRE(restored != NULL);
        wasm_runtime_destroy_exec_env(guest.env);
        wasm_runtime_deinstantiate(guest.inst);
        guest.inst = restored;
        guest.env = wasm_runtime_create_exec_env(restored, 16384);
        CHECK(check_call(&guest, "load", 1, argv));
        CHECK_INT(argv[0], 7);
        CHECK_INT(max_pages(&guest), cases[i].max_pages);
        wasm_runtime_module_free(guest.inst, block);
        check_close(&guest);
    }
}

TEST(no_heap_beside_the_guests_own)
{
    struct check_guest_state guest;
    REQUIRE(check_open(&guest, "own_malloc.wasm", 8192));
    CHECK_INT(pages(&guest), 1);
    CHECK_INT(wasm_runtime_module_malloc(guest.inst, 10, NULL), 1024);
    CHECK_INT(wasm_runtime_module_malloc(guest.inst, 10, NULL), 1034);
    check_close(&guest);
}

TEST(a_heap_that_does_not_fit)
{
    /* (module (memory 65535) (func (drop (memory.size)))) */
    static uint8_t large[] = "\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\5\5\1\0\xff\xff\3\x0a\7\1\5\0\x3f\0\x1a\x0b";
    char error[128] = "";
    wasm_module_t module = wasm_runtime_load(large, sizeof large - 1, error, sizeof error);
    CHECK_STR(error, "");
    REQUIRE(module != NULL);
    CHECK(wasm_runtime_instantiate(module, 0, 1 << 20, error, sizeof error) == NULL);
    CHECK_STR(error, "WASM module instantiate failed: failed to insert app heap into linear memory, "
                     "try using `--heap-size=0` option");
    wasm_runtime_unload(module);
}

TEST(arguments_as_an_object)
{
    struct check_guest_state guest;
    struct InstantiationArgs2 *args = NULL;
    int mine = 0;
    REQUIRE(check_load(&guest, "growing.wasm"));
    REQUIRE(wasm_runtime_instantiation_args_create(&args));
    wasm_runtime_instantiation_args_set_default_stack_size(args, 32768);
    wasm_runtime_instantiation_args_set_host_managed_heap_size(args, 8192);
    wasm_runtime_instantiation_args_set_max_memory_pages(args, 3);
    wasm_runtime_instantiation_args_set_custom_data(args, &mine);
    guest.inst = wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    REQUIRE(guest.inst != NULL);
    CHECK(wasm_runtime_get_custom_data(guest.inst) == &mine);
    CHECK(wasm_runtime_module_malloc(guest.inst, 10, NULL) != 0);
    check_close(&guest);
}

TEST(wasi_given_twice)
{
    struct check_guest_state guest;
    struct InstantiationArgs2 *args = NULL;
    char *argv[] = { (char *)"program" };
    REQUIRE(check_load(&guest, "growing.wasm"));
    wasm_runtime_set_wasi_args(guest.module, NULL, 0, NULL, 0, NULL, 0, argv, 1);
    REQUIRE(wasm_runtime_instantiation_args_create(&args));
    wasm_runtime_instantiation_args_set_wasi_arg(args, argv, 1);
    guest.inst = wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    CHECK(guest.inst == NULL);
    CHECK_HAS(guest.error, "WASI configuration was given via both of module and InstantiationArgs2");
    check_close(&guest);
}

TEST(running_modes)
{
    struct check_guest_state guest;
    CHECK(wasm_runtime_is_running_mode_supported((RunningMode)0));
    CHECK(wasm_runtime_is_running_mode_supported(Mode_Interp));
    CHECK(!wasm_runtime_is_running_mode_supported((RunningMode)5));
    /* The others need a compiler. */
    setenv("WAYFARER_COMPILER", "/none", 1);
    CHECK(!wasm_runtime_is_running_mode_supported(Mode_Fast_JIT));
    CHECK(!wasm_runtime_is_running_mode_supported(Mode_LLVM_JIT));
    CHECK(!wasm_runtime_is_running_mode_supported(Mode_Multi_Tier_JIT));
    CHECK(!wasm_runtime_set_default_running_mode(Mode_Fast_JIT));
    CHECK(wasm_runtime_set_default_running_mode(Mode_Interp));
    if (check_open(&guest, "growing.wasm", 0)) {
        /* Of a compiled file there is no mode to choose. */
        RunningMode mode = check_compiled() ? (RunningMode)0 : Mode_Interp;
        CHECK_INT(wasm_runtime_get_running_mode(guest.inst), mode);
        CHECK(wasm_runtime_set_running_mode(guest.inst, Mode_LLVM_JIT) == check_compiled());
        CHECK(wasm_runtime_set_running_mode(guest.inst, Mode_Interp));
        CHECK_INT(wasm_runtime_get_running_mode(guest.inst), mode);
    }
    check_close(&guest);
    unsetenv("WAYFARER_COMPILER");
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    RUN(start_functions_in_order);
    RUN(errors);
    RUN(instances_are_independent);
    RUN(maximum_of_memory);
    RUN(heap_appended_to_a_fixed_memory);
    RUN(heap_before_heap_base);
    RUN(heap_in_new_pages);
    RUN(a_table_that_there_is_no_memory_for);
    RUN(heap_in_an_imported_memory);
    RUN(no_heap_beside_the_guests_own);
    RUN(a_heap_that_does_not_fit);
    RUN(arguments_as_an_object);
    RUN(wasi_given_twice);
    RUN(running_modes);
    wasm_runtime_destroy();
    return check_result();
}
