/* Locks that a native function takes for its guest: they are the guest's again when it is restored. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/file.h>

#include "wayfarer.h"

#include "check.h"

static struct check_guest_state guest;
static char scratch[] = "/tmp/c-tests-locks-XXXXXX";
static char path[64], error[512];

static int32_t lock(wasm_exec_env_t env, uint32_t fd, uint32_t kind, uint64_t start, uint64_t len)
{
    return wayfarer_lock_file(wasm_runtime_get_module_inst(env), fd, kind, start, len, error, sizeof error);
}

static NativeSymbol natives[] = { { "lock", (void *)lock, "(iiII)i", NULL } };

static struct InstantiationArgs2 *arguments(void)
{
    static char map[128];
    static const char *maps[] = { map };
    struct InstantiationArgs2 *args = NULL;
    snprintf(map, sizeof map, "/::%s", scratch);
    if (!wasm_runtime_instantiation_args_create(&args)) {
        exit(2);
    }
    wasm_runtime_instantiation_args_set_wasi_dir(args, NULL, 0, maps, 1);
    return args;
}

static uint32_t call(wasm_module_inst_t inst, const char *name, uint32_t argc, uint32_t argv[])
{
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 65536);
    CHECK(wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), argc, argv));
    CHECK_STR(wasm_runtime_get_exception(inst), NULL);
    wasm_runtime_destroy_exec_env(env);
    return argv[0];
}

static bool guest_locks(wasm_module_inst_t inst, uint32_t fd, uint32_t kind, uint32_t start, uint32_t len)
{
    uint32_t argv[] = { fd, kind, start, 0, len, 0 };
    error[0] = '\0';
    return call(inst, "lock", 6, argv) != 0;
}

/* Whether the host could lock this byte. */
static bool is_free(short type, off_t at)
{
    struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
    int fd = open(path, O_RDWR);
    bool locked = fcntl(fd, F_OFD_SETLK, &range) == 0;
    close(fd);
    return locked;
}

TEST(locks_are_the_guests_again)
{
    uint32_t argv[1];
    char holder[64];
    wayfarer_report_t report;
    struct InstantiationArgs2 *args = arguments();
    wasm_module_inst_t inst = wasm_runtime_instantiate_ex2(guest.module, args, error, sizeof error);
    REQUIRE(inst);
    uint32_t fd = call(inst, "open", 0, argv);
    CHECK(guest_locks(inst, fd, 1, 0, 0));
    CHECK(guest_locks(inst, fd, 2, 10, 5));
    CHECK(guest_locks(inst, fd, 0, 100, 0));
    CHECK(!is_free(F_WRLCK, 0) && is_free(F_RDLCK, 0) && !is_free(F_RDLCK, 12) && is_free(F_WRLCK, 100));
    REQUIRE(wayfarer_checkpoint(inst, NULL, &report, error, sizeof error));
    /* It goes on and has them still. */
    snprintf(holder, sizeof holder, "process %d holds a lock on it", (int)getpid());
    CHECK(!wayfarer_restore_from_memory(guest.module, args, report.image, report.image_size, error, sizeof error));
    CHECK_HAS(error, holder);
    wasm_runtime_deinstantiate(inst);
    CHECK(is_free(F_WRLCK, 12));
    inst = wayfarer_restore_from_memory(guest.module, args, report.image, report.image_size, error, sizeof error);
    REQUIRE(inst);
    CHECK(!is_free(F_WRLCK, 0) && is_free(F_RDLCK, 0) && !is_free(F_RDLCK, 12) && is_free(F_WRLCK, 100));
    wayfarer_image_free((void *)report.image, report.image_size);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_instantiation_args_destroy(args);
}

TEST(what_cannot_be_locked_is_refused_with_the_reason)
{
    uint32_t argv[1];
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct InstantiationArgs2 *args = arguments();
    wasm_module_inst_t inst = wasm_runtime_instantiate_ex2(guest.module, args, error, sizeof error);
    wasm_runtime_instantiation_args_destroy(args);
    REQUIRE(inst);
    uint32_t fd = call(inst, "open", 0, argv);
    int other = open(path, O_RDWR);
    CHECK_INT(fcntl(other, F_OFD_SETLK, &range), 0);
    CHECK(!guest_locks(inst, fd, 1, 0, 1));
    CHECK_HAS(error, "holds a lock on it");
    close(other);
    CHECK(!guest_locks(inst, 77, 1, 0, 1));
    CHECK_HAS(error, "descriptor 77: it is no file of the host's");
    CHECK(!guest_locks(inst, fd, 9, 0, 1));
    CHECK_HAS(error, "bad value 9 for a lock");
    CHECK(!wayfarer_lock_file(NULL, fd, 1, 0, 1, error, sizeof error));
    CHECK_STR(error, "no instance");
    wasm_runtime_deinstantiate(inst);
}

TEST(a_whole_file_is_locked_as_flock_does)
{
    uint32_t argv[1];
    wayfarer_report_t report;
    struct InstantiationArgs2 *args = arguments();
    wasm_module_inst_t inst = wasm_runtime_instantiate_ex2(guest.module, args, error, sizeof error);
    REQUIRE(inst);
    uint32_t fd = call(inst, "open", 0, argv);
    int other = open(path, O_RDWR);
    CHECK(wayfarer_lock_whole_file(inst, fd, 2, error, sizeof error));
    CHECK(flock(other, LOCK_SH | LOCK_NB) != 0 && is_free(F_WRLCK, 0));
    REQUIRE(wayfarer_checkpoint(inst, NULL, &report, error, sizeof error));
    wasm_runtime_deinstantiate(inst);
    CHECK_INT(flock(other, LOCK_SH | LOCK_NB), 0);
    CHECK(!wayfarer_restore_from_memory(guest.module, args, report.image, report.image_size, error, sizeof error));
    CHECK_HAS(error, "holds a lock on it");
    CHECK_INT(flock(other, LOCK_UN), 0);
    inst = wayfarer_restore_from_memory(guest.module, args, report.image, report.image_size, error, sizeof error);
    REQUIRE(inst);
    CHECK(flock(other, LOCK_SH | LOCK_NB) != 0);
    CHECK(wayfarer_lock_whole_file(inst, fd, 0, error, sizeof error));
    CHECK_INT(flock(other, LOCK_EX | LOCK_NB), 0);
    CHECK(!wayfarer_lock_whole_file(inst, fd, 1, error, sizeof error));
    CHECK_HAS(error, "holds a lock on it");
    close(other);
    CHECK(!wayfarer_lock_whole_file(inst, fd, 3, error, sizeof error));
    CHECK_HAS(error, "bad value 3 for a lock");
    CHECK(!wayfarer_lock_whole_file(NULL, fd, 1, error, sizeof error));
    CHECK_STR(error, "no instance");
    wayfarer_image_free((void *)report.image, report.image_size);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_instantiation_args_destroy(args);
}

int main(void)
{
    if (!mkdtemp(scratch) || !wasm_runtime_init() || !wasm_runtime_register_natives("env", natives, 1)
        || !check_load(&guest, "locks.wasm")) {
        return 2;
    }
    snprintf(path, sizeof path, "%s/file", scratch);
    RUN(locks_are_the_guests_again);
    RUN(what_cannot_be_locked_is_refused_with_the_reason);
    RUN(a_whole_file_is_locked_as_flock_does);
    wasm_runtime_unload(guest.module);
    wasm_runtime_destroy();
    unlink(path);
    rmdir(scratch);
    return check_result();
}
