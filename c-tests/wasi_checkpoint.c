/* A WASI program that waits for input when it is checkpointed: the wait ends, and is made again once it is restored. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "wayfarer.h"

#include "check.h"

static struct check_guest_state guest;
static char scratch[] = "/tmp/c-tests-wasi-XXXXXX";
static char source[64], target[64], image[64];

static const char *contents(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[length] = '\0';
    if (file) {
        fclose(file);
    }
    return text;
}

static struct InstantiationArgs2 *arguments(int in, int out)
{
    static char *argv[] = { (char *)"guest", (char *)"copy", (char *)"/data/source", (char *)"/data/target" };
    static char map[128];
    static const char *maps[] = { map };
    struct InstantiationArgs2 *args = NULL;
    snprintf(map, sizeof map, "/data::%s", scratch);
    if (!wasm_runtime_instantiation_args_create(&args)) {
        exit(2);
    }
    wasm_runtime_instantiation_args_set_wasi_arg(args, argv, 4);
    wasm_runtime_instantiation_args_set_wasi_dir(args, NULL, 0, maps, 1);
    wasm_runtime_instantiation_args_set_wasi_stdio(args, in, out, -1);
    return args;
}

static int output(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
}

static struct {
    wasm_module_inst_t inst;
    uint32_t then;
    int input;
    bool taken;
    char error[512];
} order;

/* Gives the guest some input, and takes a checkpoint when it waits for more. */
static void *disturb(void *unused)
{
    struct timespec time = { 0, 100000000 };
    wayfarer_checkpoint_args_t args;
    (void)unused;
    memset(&args, 0, sizeof args);
    args.path = image;
    args.then = order.then;
    CHECK_INT(write(order.input, "first half, ", 12), 12);
    nanosleep(&time, NULL);
    order.taken = wayfarer_checkpoint(order.inst, &args, NULL, order.error, sizeof order.error);
    if (order.then == WAYFARER_CONTINUE) {
        nanosleep(&time, NULL);
        CHECK_INT(write(order.input, "second half\n", 12), 12);
        close(order.input);
    }
    return NULL;
}

/* Runs the guest up to its wait and through the checkpoint. */
static bool run_disturbed(uint32_t then)
{
    int pipe_fds[2];
    pthread_t thread;
    if (pipe(pipe_fds) != 0) {
        exit(2);
    }
    struct InstantiationArgs2 *args = arguments(pipe_fds[0], output("stdout"));
    memset(&order, 0, sizeof order);
    order.inst = wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
    order.then = then;
    order.input = pipe_fds[1];
    wasm_runtime_instantiation_args_destroy(args);
    if (!order.inst || pthread_create(&thread, NULL, disturb, NULL) != 0) {
        fprintf(stderr, "%s\n", guest.error);
        exit(2);
    }
    bool done = wasm_application_execute_main(order.inst, 0, NULL);
    pthread_join(thread, NULL);
    CHECK(order.taken);
    CHECK_STR(order.error, "");
    if (then == WAYFARER_STOP) {
        CHECK_STR(wasm_runtime_get_exception(order.inst), "Exception: stopped by checkpoint");
        close(order.input);
    }
    wasm_runtime_deinstantiate(order.inst);
    close(pipe_fds[0]);
    return done;
}

TEST(the_wait_goes_on)
{
    CHECK(run_disturbed(WAYFARER_CONTINUE));
    CHECK_STR(contents(target), "from a file\nfirst half, second half\n");
    unlink(target);
}

TEST(the_wait_is_restored)
{
    int pipe_fds[2];
    char out[128];
    CHECK(!run_disturbed(WAYFARER_STOP));
    REQUIRE(pipe(pipe_fds) == 0);
    CHECK_INT(write(pipe_fds[1], "the rest\n", 9), 9);
    close(pipe_fds[1]);
    struct InstantiationArgs2 *args = arguments(pipe_fds[0], output("stdout2"));
    wasm_module_inst_t inst =
        wayfarer_restore_from_path(guest.module, args, image, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    if (!inst) {
        CHECK_STR(guest.error, "");
        return;
    }
    CHECK(wayfarer_call_in_progress(inst, NULL));
    CHECK(wasm_application_execute_main(inst, 0, NULL));
    CHECK_INT(wasm_runtime_get_wasi_exit_code(inst), 0);
    wasm_runtime_deinstantiate(inst);
    CHECK_STR(contents(target), "from a file\nfirst half, the rest\n");
    snprintf(out, sizeof out, "%s/stdout2", scratch);
    CHECK_STR(contents(out), "copied\n");
}

enum { FLOOD = 400000 };

static void read_flood(int from, size_t *at, int limit)
{
    char bytes[4096];
    while (limit-- != 0) {
        ssize_t n = read(from, bytes, sizeof bytes);
        if (n <= 0) {
            return;
        }
        for (ssize_t i = 0; i < n; i++, (*at)++) {
            if (bytes[i] != (char)('a' + *at % 26)) {
                CHECK_INT(bytes[i], 'a' + *at % 26);
                return;
            }
        }
    }
}

static struct InstantiationArgs2 *flood_arguments(int out)
{
    static char *argv[] = { (char *)"guest", (char *)"flood", (char *)"400000" };
    struct InstantiationArgs2 *args = NULL;
    if (!wasm_runtime_instantiation_args_create(&args)) {
        exit(2);
    }
    wasm_runtime_instantiation_args_set_wasi_arg(args, argv, 3);
    wasm_runtime_instantiation_args_set_wasi_stdio(args, -1, out, -1);
    return args;
}

static struct {
    wasm_module_inst_t inst;
    int from;
    size_t at;
    int taken;
    int storm;
    char error[512];
} flood;

/* Reads slowly what the guest writes; a checkpoint before each piece. In the end all of it, or nothing after the one
 * checkpoint that stops the guest. */
static void *read_and_disturb(void *unused)
{
    /* It has begun to write, and can't be done. */
    struct pollfd written = { .fd = flood.from, .events = POLLIN };
    CHECK_INT(poll(&written, 1, 60000), 1);
    wayfarer_checkpoint_args_t args;
    (void)unused;
    memset(&args, 0, sizeof args);
    args.path = image;
    args.then = flood.storm ? WAYFARER_CONTINUE : WAYFARER_STOP;
    for (int i = 0; i < (flood.storm ? 20 : 1); i++) {
        flood.taken += wayfarer_checkpoint(flood.inst, &args, NULL, flood.error, sizeof flood.error);
        read_flood(flood.from, &flood.at, flood.storm ? 1 : 0);
    }
    if (flood.storm) {
        read_flood(flood.from, &flood.at, -1);
    }
    return NULL;
}

static uint32_t run_flood(int storm)
{
    int fds[2];
    pthread_t thread;
    memset(&flood, 0, sizeof flood);
    if (pipe(fds) != 0) {
        exit(2);
    }
    struct InstantiationArgs2 *args = flood_arguments(fds[1]);
    flood.inst = wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    flood.from = fds[0];
    flood.storm = storm;
    if (!flood.inst || pthread_create(&thread, NULL, read_and_disturb, NULL) != 0) {
        exit(2);
    }
    bool done = wasm_application_execute_main(flood.inst, 0, NULL);
    uint32_t status = wasm_runtime_get_wasi_exit_code(flood.inst);
    close(fds[1]);
    pthread_join(thread, NULL);
    CHECK_STR(flood.error, "");
    CHECK_INT(done, storm);
    wasm_runtime_deinstantiate(flood.inst);
    /* What is in the pipe when the guest has stopped. */
    read_flood(fds[0], &flood.at, -1);
    close(fds[0]);
    return status;
}

TEST(a_write_in_a_storm_writes_everything)
{
    CHECK_INT(run_flood(1), 0);
    CHECK_INT(flood.at, FLOOD);
    CHECK_INT(flood.taken, 20);
}

TEST(a_write_is_restored_half_way)
{
    char out[128];
    run_flood(0);
    CHECK_INT(flood.taken, 1);
    CHECK(flood.at > 0 && flood.at < FLOOD);
    int file = output("flood");
    struct InstantiationArgs2 *args = flood_arguments(file);
    wasm_module_inst_t inst =
        wayfarer_restore_from_path(guest.module, args, image, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    REQUIRE(inst != NULL);
    CHECK(wasm_application_execute_main(inst, 0, NULL));
    CHECK_INT(wasm_runtime_get_wasi_exit_code(inst), 0);
    wasm_runtime_deinstantiate(inst);
    close(file);
    snprintf(out, sizeof out, "%s/flood", scratch);
    file = open(out, O_RDONLY);
    read_flood(file, &flood.at, -1);
    CHECK_INT(flood.at, FLOOD);
    close(file);
}

/* Takes a checkpoint that carries what it is told to, and has the guest end with it. */
static void *carry(void *unused)
{
    static const char *carried[] = { "reopen-hash", "carry:/data/target" };
    static const char *wrong[] = { "carry", "keep:/data" };
    struct timespec time = { 0, 100000000 };
    wayfarer_checkpoint_args_t args;
    (void)unused;
    memset(&args, 0, sizeof args);
    args.path = image;
    args.then = WAYFARER_STOP;
    CHECK_INT(write(order.input, "first half, ", 12), 12);
    nanosleep(&time, NULL);
    args.files = wrong;
    args.file_count = 2;
    CHECK(!wayfarer_checkpoint(order.inst, &args, NULL, order.error, sizeof order.error));
    CHECK_HAS(order.error, "keep:/data: expected `reopen`, `reopen-hash`, `carry` or `ignore`");
    order.error[0] = '\0';
    args.files = carried;
    order.taken = wayfarer_checkpoint(order.inst, &args, NULL, order.error, sizeof order.error);
    return NULL;
}

/* What is restored with these choices of the module's and of the instance's; what becomes of the target then. */
static const char *restored(const char *of_module, const char *of_instance)
{
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0) {
        exit(2);
    }
    CHECK_INT(write(pipe_fds[1], "the rest\n", 9), 9);
    close(pipe_fds[1]);
    struct InstantiationArgs2 *args = arguments(pipe_fds[0], output("stdout3"));
    CHECK(wayfarer_set_restore_files(guest.module, of_module ? &of_module : NULL, of_module ? 1 : 0, NULL, 0));
    if (of_instance) {
        CHECK(wayfarer_instantiation_args_set_restore_files(args, &of_instance, 1, NULL, 0));
    }
    wasm_module_inst_t inst =
        wayfarer_restore_from_path(guest.module, args, image, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    if (inst) {
        CHECK(wasm_application_execute_main(inst, 0, NULL));
        wasm_runtime_deinstantiate(inst);
    }
    close(pipe_fds[0]);
    return inst ? contents(target) : NULL;
}

static void put_target(const char *text)
{
    FILE *file = fopen(target, "wb");
    if (!file) {
        exit(2);
    }
    fputs(text, file);
    fclose(file);
}

TEST(a_host_says_which_files_are_carried_and_what_becomes_of_others)
{
    static const char whole[] = "from a file\nfirst half, the rest\n";
    int pipe_fds[2];
    pthread_t thread;
    REQUIRE(pipe(pipe_fds) == 0);
    unlink(target);
    struct InstantiationArgs2 *args = arguments(pipe_fds[0], output("stdout"));
    memset(&order, 0, sizeof order);
    order.inst = wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
    order.input = pipe_fds[1];
    wasm_runtime_instantiation_args_destroy(args);
    REQUIRE(order.inst && pthread_create(&thread, NULL, carry, NULL) == 0);
    CHECK(!wasm_application_execute_main(order.inst, 0, NULL));
    pthread_join(thread, NULL);
    CHECK_STR(order.error, "");
    CHECK(order.taken);
    wasm_runtime_deinstantiate(order.inst);
    close(pipe_fds[0]);
    close(pipe_fds[1]);

    /* What the guest has written is in its own buffer. */
    CHECK_STR(contents(target), "");
    unlink(target);
    CHECK_STR(restored(NULL, NULL), whole);

    put_target("another");
    CHECK(restored(NULL, NULL) == NULL);
    CHECK_HAS(guest.error, "the image carries `target` in `/data`: another file is there");
    CHECK(restored("replace:/data/source", NULL) == NULL);
    CHECK_STR(contents(target), "another");
    CHECK_STR(restored("replace:/data/target", NULL), whole);

    /* The instance's wins over the module's. */
    put_target("what was written after the checkpoint, by the same program");
    CHECK(restored("truncate", "same") == NULL);
    CHECK_STR(restored("same", "truncate"), whole);
    put_target("what was written after the checkpoint, by the same program");
    CHECK_STR(restored("changed", NULL), "from a file\nfirst half, the rest\noint, by the same program");
    CHECK(wayfarer_set_restore_files(guest.module, NULL, 0, NULL, 0));
}

TEST(choices_that_are_none_change_nothing)
{
    const char *wrong[] = { "truncate", "keep" };
    struct InstantiationArgs2 *args = arguments(-1, -1);
    CHECK(!wayfarer_set_restore_files(guest.module, wrong, 2, guest.error, sizeof guest.error));
    CHECK_HAS(guest.error, "keep: expected `same`, `changed`, `truncate` or `replace`");
    guest.error[0] = '\0';
    CHECK(!wayfarer_instantiation_args_set_restore_files(args, wrong, 2, guest.error, sizeof guest.error));
    CHECK_HAS(guest.error, "keep: expected");
    CHECK(!wayfarer_set_restore_files(NULL, wrong, 1, NULL, 0));
    CHECK(!wayfarer_instantiation_args_set_restore_files(NULL, wrong, 1, NULL, 0));
    wasm_runtime_instantiation_args_destroy(args);
}

TEST(a_file_that_is_gone)
{
    unlink(target);
    CHECK(wayfarer_restore_from_path(guest.module, NULL, image, guest.error, sizeof guest.error) == NULL);
    CHECK(guest.error[0] != '\0');
    struct InstantiationArgs2 *args = arguments(-1, -1);
    CHECK(wayfarer_restore_from_path(guest.module, args, image, guest.error, sizeof guest.error) == NULL);
    CHECK_HAS(guest.error, "target");
    wasm_runtime_instantiation_args_destroy(args);
}

int main(void)
{
    if (!mkdtemp(scratch) || !wasm_runtime_init() || !check_load(&guest, "program.wasm")) {
        return 2;
    }
    snprintf(source, sizeof source, "%s/source", scratch);
    snprintf(target, sizeof target, "%s/target", scratch);
    snprintf(image, sizeof image, "%s/image", scratch);
    FILE *file = fopen(source, "wb");
    if (!file) {
        return 2;
    }
    fputs("from a file\n", file);
    fclose(file);
    RUN(the_wait_goes_on);
    RUN(the_wait_is_restored);
    RUN(a_file_that_is_gone);
    RUN(a_host_says_which_files_are_carried_and_what_becomes_of_others);
    RUN(choices_that_are_none_change_nothing);
    RUN(a_write_in_a_storm_writes_everything);
    RUN(a_write_is_restored_half_way);
    check_close(&guest);
    wasm_runtime_destroy();
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", scratch);
    return system(command) != 0 || check_result();
}
