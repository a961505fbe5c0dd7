/* wayfarer.h: checkpoints taken from a native function, another thread and a signal handler, to memory, files and
 * descriptors; restored in the same process and in a new one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "wayfarer.h"

#include "check.h"
#include "report.h"

#define TICKS 40

static struct check_guest_state guest;
static char path[] = "/tmp/c-tests-image-XXXXXX";

/* What an undisturbed run of `ticks(TICKS)` gives, and the digest after it. */
static int64_t expected, expected_digest;

/* When the native function asks for a checkpoint (0: never), and how. */
static int64_t ask_at;
static wayfarer_checkpoint_args_t ask_how;
static atomic_int ticks;
static atomic_bool slow;

static int32_t tick(wasm_exec_env_t env, int64_t n)
{
    char error[256] = "";
    ticks++;
    if (slow) {
        struct timespec time = { 0, 5000000 };
        nanosleep(&time, NULL);
    }
    if (n == ask_at
        && !wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &ask_how, on_done, &done, error,
                                        sizeof error)) {
        check_failed("tick", 0);
        fprintf(stderr, "%s\n", error);
    }
    return (int32_t)(n * 7);
}

static int64_t nested(wasm_exec_env_t env, int64_t n)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    int64_t result;
    uint32_t argv[2];
    memcpy(argv, &n, sizeof n);
    wayfarer_checkpoint_request(inst, &ask_how, on_done, &done, NULL, 0);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "mix"), 2, argv)) {
        return -1;
    }
    memcpy(&result, argv, sizeof result);
    return result;
}

static NativeSymbol symbols[] = {
    { "tick", (void *)tick, "(I)i", NULL },
    { "nested", (void *)nested, "(I)I", NULL },
};

/* Calls a function of an instance that takes and returns an i64. False if that failed. */
static bool call_in(wasm_module_inst_t inst, const char *name, int64_t argument, int64_t *result)
{
    uint32_t argv[2];
    wasm_exec_env_t env = wasm_runtime_get_exec_env_singleton(inst);
    memcpy(argv, &argument, sizeof argument);
    bool called = wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, name), 2, argv);
    memcpy(result, argv, sizeof *result);
    return called;
}

static int64_t digest(wasm_module_inst_t inst)
{
    int64_t hash = 0;
    CHECK(call_in(inst, "digest", 0, &hash));
    return hash;
}

/* Goes on in a restored instance, and compares the end with that of the undisturbed run. */
static void finish_restored(wasm_module_inst_t inst)
{
    int64_t result = 0;
    uint32_t argv[2], function = 0;
    CHECK(inst != NULL);
    if (!inst) {
        fprintf(stderr, "%s\n", guest.error);
        return;
    }
    CHECK(wayfarer_call_in_progress(inst, &function));
    /* After two imports: step, mix, ticks. */
    CHECK_INT(function, 4);
    CHECK(wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv));
    memcpy(&result, argv, sizeof result);
    CHECK(wasm_runtime_get_exception(inst) == NULL);
    CHECK_INT(result, expected);
    CHECK(!wayfarer_call_in_progress(inst, NULL));
    CHECK_INT(digest(inst), expected_digest);
    wasm_runtime_deinstantiate(inst);
}

static wasm_module_inst_t from_memory(const void *image, uint64_t size)
{
    guest.error[0] = '\0';
    return wayfarer_restore_from_memory(guest.module, NULL, image, size, guest.error, sizeof guest.error);
}

static wasm_module_inst_t from_path(const char *path)
{
    guest.error[0] = '\0';
    return wayfarer_restore_from_path(guest.module, NULL, path, guest.error, sizeof guest.error);
}

TEST(undisturbed)
{
    wasm_module_inst_t inst = check_another(&guest);
    CHECK(call_in(inst, "ticks", TICKS, &expected));
    expected_digest = digest(inst);
    CHECK_INT(wayfarer_checkpoint_count(inst), 0);
    wasm_runtime_deinstantiate(inst);
}

TEST(from_a_native_to_memory_and_on)
{
    int64_t result;
    wasm_module_inst_t inst = check_another(&guest);
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    ask_at = 25;
    CHECK(call_in(inst, "ticks", TICKS, &result));
    ask_at = 0;
    CHECK_INT(result, expected);
    CHECK_INT(digest(inst), expected_digest);
    CHECK_INT(wayfarer_checkpoint_count(inst), 1);
    CHECK_INT(done.calls, 1);
    CHECK(done.ok);
    CHECK_STR(done.error, "");
    CHECK(done.inst == inst);
    CHECK(done.user_data == &done);
    CHECK_INT(done.memory_size, 65536);
    REQUIRE(done.image != NULL);
    wasm_runtime_deinstantiate(inst);

    ticks = 0;
    finish_restored(from_memory(done.image, done.image_size));
    /* It was not done from the beginning. */
    CHECK_INT(ticks, 24);
    /* And once more from the same image, by calling the function again. */
    inst = from_memory(done.image, done.image_size);
    REQUIRE(inst != NULL);
    CHECK_INT(wayfarer_checkpoint_count(inst), 1);
    CHECK(call_in(inst, "ticks", TICKS, &result));
    CHECK_INT(result, expected);
    CHECK_INT(digest(inst), expected_digest);
    wasm_runtime_deinstantiate(inst);
}

TEST(stop)
{
    int64_t result;
    wasm_module_inst_t inst = check_another(&guest);
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    ask_how.then = WAYFARER_STOP;
    ask_at = 10;
    CHECK(!call_in(inst, "ticks", TICKS, &result));
    ask_at = 0;
    CHECK_STR(wasm_runtime_get_exception(inst), "Exception: stopped by checkpoint");
    wasm_runtime_deinstantiate(inst);
    REQUIRE(done.image != NULL);
    finish_restored(from_memory(done.image, done.image_size));
}

TEST(to_a_path_compressed)
{
    int64_t result;
    uint64_t sizes[2];
    for (int i = 0; i < 2; i++) {
        wasm_module_inst_t inst = check_another(&guest);
        wasm_memory_inst_t memory = wasm_runtime_get_default_memory(inst);
        CHECK(wasm_memory_enlarge(memory, 4));
        memset((char *)wasm_memory_get_base_address(memory) + 65536, 'x', 4 * 65536);
        forget_done();
        memset(&ask_how, 0, sizeof ask_how);
        ask_how.path = path;
        ask_how.compression_level = i ? 19 : 0;
        ask_at = 10;
        CHECK(call_in(inst, "ticks", TICKS, &result));
        ask_at = 0;
        CHECK_INT(result, expected);
        CHECK(done.ok && done.image == NULL);
        sizes[i] = done.image_size;
        FILE *file = fopen(path, "rb");
        REQUIRE(file != NULL);
        fseek(file, 0, SEEK_END);
        CHECK_INT(ftell(file), done.image_size);
        fclose(file);
        wasm_runtime_deinstantiate(inst);
        finish_restored(from_path(path));
    }
    CHECK(sizes[1] + 3 * 65536 < sizes[0]);
}

TEST(permissions)
{
    const uint32_t modes[] = { 0644, 0400, 0600 };
    wasm_module_inst_t inst = check_another(&guest);
    mode_t mask = umask(077);
    /* None that are no permissions, or that make the image useless. */
    CHECK(!wayfarer_set_image_mode(01644) && !wayfarer_set_image_mode(0244));
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
        wayfarer_checkpoint_args_t args = { 0 };
        struct stat file;
        args.path = path;
        CHECK(wayfarer_set_image_mode(modes[i]));
        CHECK(wayfarer_checkpoint(inst, &args, NULL, guest.error, sizeof guest.error));
        REQUIRE(stat(path, &file) == 0);
        CHECK_INT(file.st_mode & 07777, modes[i]);
    }
    umask(mask);
    wasm_runtime_deinstantiate(inst);
}

TEST(to_a_descriptor)
{
    int64_t result;
    FILE *file = tmpfile();
    REQUIRE(file != NULL);
    int fd = fileno(file);
    CHECK_INT(write(fd, "before", 6), 6);
    wasm_module_inst_t inst = check_another(&guest);
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    ask_how.use_fd = true;
    ask_how.fd = fd;
    ask_at = 10;
    CHECK(call_in(inst, "ticks", TICKS, &result));
    ask_at = 0;
    CHECK(done.ok);
    CHECK_STR(done.error, "");
    CHECK_INT(lseek(fd, 0, SEEK_CUR), 6 + (int64_t)done.image_size);
    wasm_runtime_deinstantiate(inst);
    lseek(fd, 6, SEEK_SET);
    finish_restored(wayfarer_restore_from_fd(guest.module, NULL, fd, guest.error, sizeof guest.error));
    CHECK(fcntl(fd, F_GETFD) >= 0);
    fclose(file);
}

TEST(through_a_pipe)
{
    int64_t result;
    int fds[2];
    static char bytes[1 << 20];
    REQUIRE(pipe(fds) == 0);
    fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    wasm_module_inst_t inst = check_another(&guest);
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    ask_how.use_fd = true;
    ask_how.fd = fds[1];
    ask_at = 10;
    CHECK(call_in(inst, "ticks", TICKS, &result));
    ask_at = 0;
    CHECK(done.ok);
    CHECK_STR(done.error, "");
    close(fds[1]);
    wasm_runtime_deinstantiate(inst);
    finish_restored(wayfarer_restore_from_fd(guest.module, NULL, fds[0], guest.error, sizeof guest.error));
    CHECK_INT(read(fds[0], bytes, sizeof bytes), 0);
    close(fds[0]);
}

/* Waits until the guest is in the middle of its work. */
static void wait_for_ticks(int n)
{
    while (ticks < n) {
        struct timespec time = { 0, 1000000 };
        nanosleep(&time, NULL);
    }
}

struct order {
    wasm_module_inst_t inst;
    wayfarer_checkpoint_args_t args;
    wayfarer_report_t report;
    bool taken;
    char error[256];
};

static void *order_checkpoint(void *arg)
{
    struct order *order = arg;
    wait_for_ticks(5);
    order->taken =
        wayfarer_checkpoint(order->inst, &order->args, &order->report, order->error, sizeof order->error);
    return NULL;
}

TEST(from_another_thread)
{
    int64_t result;
    pthread_t thread;
    struct order order;
    memset(&order, 0, sizeof order);
    order.inst = check_another(&guest);
    ticks = 0;
    slow = true;
    REQUIRE(pthread_create(&thread, NULL, order_checkpoint, &order) == 0);
    CHECK(call_in(order.inst, "ticks", TICKS, &result));
    pthread_join(thread, NULL);
    slow = false;
    CHECK_INT(result, expected);
    CHECK(order.taken);
    CHECK_STR(order.error, "");
    CHECK(order.report.ok && order.report.image && order.report.error == NULL);
    wasm_runtime_deinstantiate(order.inst);
    ticks = 0;
    finish_restored(from_memory(order.report.image, order.report.image_size));
    CHECK(ticks > 0 && ticks <= TICKS - 5);
    wayfarer_image_free((void *)order.report.image, order.report.image_size);
}

TEST(between_two_calls)
{
    int64_t result;
    wayfarer_report_t report;
    wasm_module_inst_t inst = check_another(&guest);
    CHECK(call_in(inst, "mix", 500, &result));
    int64_t before = digest(inst);
    CHECK(wayfarer_checkpoint(inst, NULL, &report, guest.error, sizeof guest.error));
    CHECK(report.ok && report.image != NULL);
    CHECK(call_in(inst, "mix", 700, &result));
    int64_t after = digest(inst);
    wasm_runtime_deinstantiate(inst);

    inst = from_memory(report.image, report.image_size);
    REQUIRE(inst != NULL);
    CHECK(!wayfarer_call_in_progress(inst, NULL));
    CHECK_INT(digest(inst), before);
    int64_t again = 0;
    CHECK(call_in(inst, "mix", 700, &again));
    CHECK_INT(again, result);
    CHECK_INT(digest(inst), after);
    CHECK(!wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), NULL));
    CHECK_STR(wasm_runtime_get_exception(inst), "Exception: no call is in progress");
    wasm_runtime_deinstantiate(inst);
    wayfarer_image_free((void *)report.image, report.image_size);

    /* A request is served at once, too. */
    inst = check_another(&guest);
    forget_done();
    CHECK(wayfarer_checkpoint_request(inst, NULL, on_done, &done, NULL, 0));
    CHECK_INT(done.calls, 1);
    CHECK(done.ok);
    wasm_runtime_deinstantiate(inst);
}

static wasm_module_inst_t signalled;

static void on_signal(int signal)
{
    (void)signal;
    wayfarer_checkpoint_trigger(signalled);
}

TEST(from_a_signal_handler)
{
    int64_t result;
    struct sigaction action;
    struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, off = { { 0, 0 }, { 0, 0 } };
    signalled = check_another(&guest);
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    REQUIRE(wayfarer_checkpoint_prepare(signalled, &ask_how, on_done, &done, guest.error, sizeof guest.error));
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    slow = true;
    setitimer(ITIMER_REAL, &timer, NULL);
    CHECK(call_in(signalled, "ticks", TICKS, &result));
    setitimer(ITIMER_REAL, &off, NULL);
    /* valgrind may have one that it has not handed over yet. */
    signal(SIGALRM, SIG_IGN);
    slow = false;
    CHECK_INT(result, expected);
    CHECK(done.calls >= 2);
    CHECK(done.ok);
    CHECK_INT(wayfarer_checkpoint_count(signalled), done.calls);
    wasm_runtime_deinstantiate(signalled);
    REQUIRE(done.image != NULL);
    finish_restored(from_memory(done.image, done.image_size));
}

/* Path of this one. */
static const char *program;

TEST(in_a_new_process)
{
    int64_t result, theirs, their_digest;
    wasm_module_inst_t inst = check_another(&guest);
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    ask_how.path = path;
    ask_how.then = WAYFARER_STOP;
    ask_at = 17;
    CHECK(!call_in(inst, "ticks", TICKS, &result));
    ask_at = 0;
    wasm_runtime_deinstantiate(inst);
    CHECK(done.ok);

    char command[4096];
    const char *emulator = getenv("EMULATOR");
    snprintf(command, sizeof command, "exec %s %s resume %s", emulator ? emulator : "", program, path);
    FILE *child = popen(command, "r");
    REQUIRE(child != NULL);
    CHECK_INT(fscanf(child, "%" SCNd64 " %" SCNd64, &theirs, &their_digest), 2);
    CHECK_INT(pclose(child), 0);
    CHECK_INT(theirs, expected);
    CHECK_INT(their_digest, expected_digest);
}

/* What `in_a_new_process` starts. */
static int resume(const char *image)
{
    uint32_t argv[2];
    int64_t result;
    wasm_module_inst_t inst = from_path(image);
    if (!inst) {
        fprintf(stderr, "%s\n", guest.error);
        return 1;
    }
    if (!wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv)) {
        fprintf(stderr, "%s\n", wasm_runtime_get_exception(inst));
        return 1;
    }
    memcpy(&result, argv, sizeof result);
    printf("%" PRId64 " %" PRId64 "\n", result, digest(inst));
    wasm_runtime_deinstantiate(inst);
    return 0;
}

static bool from_inside_refused;

static int32_t tick_inside(wasm_exec_env_t env, int64_t n)
{
    char error[256] = "";
    (void)n;
    from_inside_refused =
        !wayfarer_checkpoint(wasm_runtime_get_module_inst(env), NULL, NULL, error, sizeof error)
        && strstr(error, "wayfarer_checkpoint_request");
    return 0;
}

TEST(waiting_for_oneself)
{
    static NativeSymbol inside[] = { { "tick", (void *)tick_inside, "(I)i", NULL } };
    struct check_guest_state other;
    int64_t result;
    CHECK(wasm_runtime_register_natives("env", inside, 1));
    if (check_open(&other, "mix.wasm", 0)) {
        CHECK(call_in(other.inst, "ticks", 1, &result));
        CHECK(from_inside_refused);
    }
    check_close(&other);
    CHECK(wasm_runtime_unregister_natives("env", inside));
}

TEST(what_cannot_be_captured)
{
    static int object;
    int64_t plain, result;
    uint32_t argv[2];
    void *p = &object;
    memset(&ask_how, 0, sizeof ask_how);

    /* A native function that called back is on the stack: an error, and the guest goes on. */
    wasm_module_inst_t inst = check_another(&guest);
    forget_done();
    CHECK(call_in(inst, "through_native", 1000, &result));
    CHECK_INT(done.calls, 1);
    CHECK(!done.ok);
    CHECK_HAS(done.error, "nested");
    wasm_runtime_deinstantiate(inst);
    inst = check_another(&guest);
    CHECK(call_in(inst, "mix", 1000, &plain));
    wasm_runtime_deinstantiate(inst);
    CHECK(result != 0 && plain != 0);

    /* An object of the host's. */
    inst = check_another(&guest);
    memcpy(argv, &p, sizeof p);
    CHECK(wasm_runtime_call_wasm(wasm_runtime_get_exec_env_singleton(inst),
                                 wasm_runtime_lookup_function(inst, "keep"), 2, argv));
    wayfarer_report_t report;
    CHECK(!wayfarer_checkpoint(inst, NULL, &report, guest.error, sizeof guest.error));
    CHECK(!report.ok);
    CHECK_HAS(guest.error, "table 0 holds a reference to an object of the host");
    wasm_runtime_deinstantiate(inst);
}

static atomic_bool parked, go_on;

/* Keeps the guest's call in progress. */
static int32_t tick_parked(wasm_exec_env_t env, int64_t n)
{
    (void)env;
    (void)n;
    parked = true;
    while (!go_on) {
        struct timespec time = { 0, 1000000 };
        nanosleep(&time, NULL);
    }
    return 0;
}

static void *call_parked(void *inst)
{
    uint32_t argv[2];
    int64_t once = 1;
    memcpy(argv, &once, sizeof once);
    wasm_runtime_init_thread_env();
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 16384);
    if (!wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, "ticks"), 2, argv)) {
        go_on = false;
    }
    wasm_runtime_destroy_exec_env(env);
    wasm_runtime_destroy_thread_env();
    return NULL;
}

TEST(a_thread_that_does_not_come_is_waited_for_and_named)
{
    static NativeSymbol waiting[] = { { "tick", (void *)tick_parked, "(I)i", NULL } };
    struct check_guest_state other;
    wayfarer_report_t report;
    pthread_t thread;
    int64_t result;
    parked = go_on = false;
    CHECK(wasm_runtime_register_natives("env", waiting, 1));
    REQUIRE(check_open(&other, "mix.wasm", 0));
    REQUIRE(pthread_create(&thread, NULL, call_parked, other.inst) == 0);
    while (!parked) {
        struct timespec time = { 0, 1000000 };
        nanosleep(&time, NULL);
    }
    forget_done();
    wayfarer_set_stop_limit(50);
    CHECK(wayfarer_checkpoint_request(other.inst, NULL, on_done, &done, NULL, 0));
    CHECK(call_in(other.inst, "mix", 100, &result));
    wayfarer_set_stop_limit(5000);
    CHECK_INT(done.calls, 1);
    CHECK(!done.ok);
    CHECK_HAS(done.error, "is in native function env.tick, and did not come back within 50ms");
    go_on = true;
    pthread_join(thread, NULL);
    CHECK(go_on);
    /* And then it can be done. */
    CHECK(wayfarer_checkpoint(other.inst, NULL, &report, guest.error, sizeof guest.error));
    wayfarer_image_free((void *)report.image, report.image_size);
    check_close(&other);
    CHECK(wasm_runtime_unregister_natives("env", waiting));
}

TEST(bad_arguments)
{
    char error[256];
    wasm_module_inst_t inst = check_another(&guest);
    wayfarer_checkpoint_args_t args;
    memset(&args, 0, sizeof args);
    args.compression_level = 99;
    CHECK(!wayfarer_checkpoint_request(inst, &args, NULL, NULL, error, sizeof error));
    CHECK_HAS(error, "99");
    memset(&args, 0, sizeof args);
    args.then = 7;
    CHECK(!wayfarer_checkpoint(inst, &args, NULL, error, sizeof error));
    CHECK_HAS(error, "7");
    memset(&args, 0, sizeof args);
    args.use_fd = true;
    args.fd = -1;
    CHECK(!wayfarer_checkpoint_prepare(inst, &args, NULL, NULL, error, sizeof error));
    CHECK_HAS(error, "descriptor -1");
    args.fd = 999;
    CHECK(!wayfarer_checkpoint(inst, &args, NULL, error, sizeof error));
    CHECK_HAS(error, "descriptor 999");
    CHECK(!wayfarer_checkpoint(NULL, NULL, NULL, error, sizeof error));
    /* A folder that is not there: no image, and the guest goes on. */
    int64_t result;
    forget_done();
    memset(&ask_how, 0, sizeof ask_how);
    ask_how.path = "/nonexistent/folder/image";
    ask_how.then = WAYFARER_STOP;
    ask_at = 3;
    CHECK(call_in(inst, "ticks", TICKS, &result));
    ask_at = 0;
    CHECK_INT(result, expected);
    CHECK_INT(done.calls, 1);
    CHECK(!done.ok);
    CHECK_HAS(done.error, "/nonexistent/folder/image");
    wasm_runtime_deinstantiate(inst);
}

/* What a later header might have. */
struct later_args {
    wayfarer_checkpoint_args_t known;
    uint64_t more;
};

_Static_assert(__builtin_types_compatible_p(__typeof__(ask_how.then), wayfarer_then_t),
               "generators of bindings see which values there are");

/* A host that was compiled with another header than the library's is understood, or refused. */
TEST(arguments_of_other_sizes)
{
    char error[256] = "";
    wayfarer_report_t report;
    wasm_module_inst_t inst = check_another(&guest);
    struct later_args later;
    memset(&later, 0, sizeof later);
    REQUIRE(wayfarer_checkpoint_sized(inst, &later.known, sizeof later, &report, error, sizeof error));
    wayfarer_image_free((void *)report.image, report.image_size);
    later.more = 1;
    CHECK(!wayfarer_checkpoint_sized(inst, &later.known, sizeof later, NULL, error, sizeof error));
    CHECK_HAS(error, "fields that this library does not know");
    CHECK(!wayfarer_checkpoint_request_sized(inst, &later.known, sizeof later, NULL, NULL, error, sizeof error));
    CHECK(!wayfarer_checkpoint_prepare_sized(inst, &later.known, sizeof later, NULL, NULL, error, sizeof error));
    CHECK(!wayfarer_checkpoint_sized(inst, &later.known, 8, NULL, error, sizeof error));
    CHECK_HAS(error, "bad size 8");

    /* What programs of today have linked looks at as many bytes as the arguments had at first: here they end where a page
     * ends, and nothing can be read behind it. */
    bool (*first)(wasm_module_inst_t, const void *, wayfarer_report_t *, char *, uint32_t) =
        (bool (*)(wasm_module_inst_t, const void *, wayfarer_report_t *, char *, uint32_t))dlsym(
            RTLD_DEFAULT, "wayfarer_checkpoint");
    REQUIRE(first);
    const size_t first_size = offsetof(wayfarer_checkpoint_args_t, then) + sizeof(uint32_t);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    CHECK_INT(mprotect(pages + page, page, PROT_NONE), 0);
    REQUIRE(first(inst, pages + page - first_size, &report, error, sizeof error));
    CHECK(report.ok && report.image_size > 0);
    wayfarer_image_free((void *)report.image, report.image_size);
    munmap(pages, 2 * page);
    wasm_runtime_deinstantiate(inst);
}

TEST(bad_images)
{
    char error[512];
    wayfarer_report_t report;
    struct check_guest_state other;
    wasm_module_inst_t inst = check_another(&guest);
    REQUIRE(wayfarer_checkpoint(inst, NULL, &report, error, sizeof error));
    wasm_runtime_deinstantiate(inst);

    for (uint64_t size = 0; size < report.image_size; size += 1 + report.image_size / 50) {
        error[0] = '\0';
        CHECK(wayfarer_restore_from_memory(guest.module, NULL, report.image, size, error, sizeof error) == NULL);
        CHECK(error[0] != '\0');
    }
    uint8_t *damaged = malloc(report.image_size);
    memcpy(damaged, report.image, report.image_size);
    for (uint64_t at = 0; at < report.image_size; at += 1 + report.image_size / 50) {
        damaged[at] ^= 0x10;
        inst = wayfarer_restore_from_memory(guest.module, NULL, damaged, report.image_size, error, sizeof error);
        /* Padding between sections holds nothing that could be wrong. */
        if (inst) {
            CHECK(!wayfarer_call_in_progress(inst, NULL));
            wasm_runtime_deinstantiate(inst);
        }
        damaged[at] ^= 0x10;
    }
    free(damaged);
    if (check_load(&other, "values.wasm")) {
        CHECK(wayfarer_restore_from_memory(other.module, NULL, report.image, report.image_size, error,
                                           sizeof error)
              == NULL);
        CHECK_HAS(error, "the image is of another module");
    }
    check_close(&other);
    CHECK(wayfarer_restore_from_memory(NULL, NULL, report.image, report.image_size, error, sizeof error)
          == NULL);
    wayfarer_image_free((void *)report.image, report.image_size);
    wayfarer_image_free(NULL, 0);
    CHECK(wayfarer_restore_from_path(guest.module, NULL, "/nonexistent/image", error, sizeof error) == NULL);
    CHECK_HAS(error, "/nonexistent/image");
    CHECK(wayfarer_restore_from_path(guest.module, NULL, NULL, error, sizeof error) == NULL);
    CHECK(wayfarer_restore_from_fd(guest.module, NULL, -1, error, sizeof error) == NULL);
    CHECK_HAS(error, "descriptor -1");
}

TEST(many_hops)
{
    int64_t result;
    uint32_t argv[2];
    wasm_module_inst_t inst = check_another(&guest);
    memset(&ask_how, 0, sizeof ask_how);
    ask_how.then = WAYFARER_STOP;
    forget_done();
    for (ask_at = TICKS; ask_at > 0; ask_at--) {
        bool ended = ask_at == TICKS
                         ? call_in(inst, "ticks", TICKS, &result)
                         : wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv);
        CHECK(!ended);
        wasm_runtime_deinstantiate(inst);
        REQUIRE(done.ok && done.image);
        inst = from_memory(done.image, done.image_size);
        REQUIRE(inst != NULL);
        CHECK_INT(wayfarer_checkpoint_count(inst), TICKS - ask_at + 1);
    }
    finish_restored(inst);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", symbols, 2)
        || !check_load(&guest, "mix.wasm")) {
        return 2;
    }
    if (argc == 3) {
        return resume(argv[2]);
    }
    close(mkstemp(path));
    RUN(undisturbed);
    RUN(from_a_native_to_memory_and_on);
    RUN(stop);
    RUN(to_a_path_compressed);
    RUN(permissions);
    RUN(to_a_descriptor);
    RUN(through_a_pipe);
    RUN(from_another_thread);
    RUN(between_two_calls);
    RUN(from_a_signal_handler);
    RUN(in_a_new_process);
    RUN(waiting_for_oneself);
    RUN(what_cannot_be_captured);
    RUN(a_thread_that_does_not_come_is_waited_for_and_named);
    RUN(bad_arguments);
    RUN(arguments_of_other_sizes);
    RUN(bad_images);
    RUN(many_hops);
    forget_done();
    check_close(&guest);
    unlink(path);
    wasm_runtime_destroy();
    return check_result();
}
