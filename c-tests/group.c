/* Programs that are checkpointed together, by hosts that order it themselves: each is a process of its own. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wayfarer.h"

#include "check.h"

static char scratch[] = "/tmp/c-tests-group-XXXXXX";
static char folder[64], reader_image[64], writer_image[64];

/* What the native function orders. */
static wayfarer_checkpoint_args_t order_args;
/* What became of it. */
static bool taken;
static char why[512];

static void done(wasm_module_inst_t inst, const wayfarer_report_t *report, void *user_data)
{
    (void)inst;
    (void)user_data;
    taken = report->ok;
    snprintf(why, sizeof why, "%s", report->ok ? "" : report->error);
}

static void order(wasm_exec_env_t env)
{
    char error[256];
    if (!wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &order_args, done, NULL, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        _exit(9);
    }
}

static NativeSymbol natives[] = { { "order", (void *)order, "()", NULL } };

/* What a member is to do. */
struct role {
    const char *function, *image, *group;
    int in, out;
    bool restored;
    unsigned size, limit;
    wayfarer_leaves_t leaves;
};

/* Descriptors that the host was asked for, as bits; and whether they may stay behind. */
static unsigned asked;
static bool leaves_any(uint32_t fd, void *data)
{
    asked |= 1u << fd;
    return data != NULL;
}

/* The process of a member: 0 if it ended as `role` says it must, or what went wrong. */
static int member(const struct role *role, const char *expected_why, bool stops)
{
    struct check_guest_state guest;
    struct InstantiationArgs2 *args = NULL;
    char error[512];
    uint32_t argv[1] = { 0 };
    if (!wasm_runtime_init() || !wasm_runtime_register_natives("env", natives, 1) || !check_load(&guest, "group.wasm")
        || !wasm_runtime_instantiation_args_create(&args)) {
        return 10;
    }
    order_args = (wayfarer_checkpoint_args_t){
        .path = role->image, .then = WAYFARER_STOP, .group = role->group, .group_size = role->size, .group_limit_ms = role->limit,
        .leaves = role->leaves,
    };
    wasm_runtime_instantiation_args_set_wasi_stdio(args, role->in, role->out, -1);
    wasm_module_inst_t inst =
        role->restored ? wayfarer_restore_from_path(guest.module, args, role->image, error, sizeof error)
                       : wasm_runtime_instantiate_ex2(guest.module, args, error, sizeof error);
    if (!inst) {
        fprintf(stderr, "%s\n", error);
        return 11;
    }
    wasm_exec_env_t env = wasm_runtime_create_exec_env(inst, 65536);
    bool ended = role->restored ? wayfarer_resume(env, argv)
                                : wasm_runtime_call_wasm(env, wasm_runtime_lookup_function(inst, role->function), 0, argv);
    if (stops) {
        return ended || !taken ? (fprintf(stderr, "%s: %s\n", role->function, why), 12) : 0;
    }
    if (!strstr(why, expected_why)) {
        fprintf(stderr, "%s: %s\n", role->function, why);
        return 13;
    }
    if (!ended || argv[0] != 12) {
        return 14;
    }
    if (!strcmp(role->function, "read")
        && memcmp(wasm_runtime_addr_app_to_native(inst, 1024), "hello, world", 12)) {
        return 15;
    }
    return 0;
}

static pid_t start(struct role role, const char *expected_why, bool stops, int close_too)
{
    pid_t child = fork();
    if (child == 0) {
        close(close_too);
        _exit(member(&role, expected_why, stops));
    }
    return child;
}

static int status_of(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/* Has both run with a pipe between them: whether both ended as they should. */
static bool both(struct role reader, struct role writer, const char *expected_why, bool stop)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return false;
    }
    reader.in = ends[0];
    writer.out = ends[1];
    pid_t first = start(reader, expected_why, stop, ends[1]);
    pid_t second = start(writer, expected_why, stop, ends[0]);
    close(ends[0]);
    close(ends[1]);
    int of_reader = status_of(first), of_writer = status_of(second);
    CHECK_INT(of_reader, 0);
    CHECK_INT(of_writer, 0);
    return of_reader == 0 && of_writer == 0;
}

static const struct role a_reader = { .function = "read", .image = reader_image, .group = folder, .in = -1, .out = -1, .size = 2 };
static const struct role a_writer = { .function = "write", .image = writer_image, .group = folder, .in = -1, .out = -1, .size = 2 };

TEST(what_is_on_its_way_goes_with_them)
{
    struct role reader = a_reader, writer = a_writer;
    CHECK(both(reader, writer, "", true));
    reader.restored = writer.restored = true;
    CHECK(both(reader, writer, "", false));
}

TEST(if_one_does_not_come_there_is_no_image_of_any)
{
    struct stat found;
    struct role reader = a_reader, writer = a_writer;
    unlink(reader_image);
    unlink(writer_image);
    reader.limit = writer.limit = 300;
    reader.size = writer.size = 3;
    reader.group = writer.group = scratch;
    CHECK(both(reader, writer, "of 3 members of the group are there", false));
    CHECK(stat(reader_image, &found) != 0 && stat(writer_image, &found) != 0);
}

TEST(the_host_is_asked_what_may_stay_behind)
{
    int ends[2];
    struct role writer = a_writer;
    /* Within a group nobody has to be asked: the other end goes, too. A refusal would be one. */
    struct role reader = a_reader;
    reader.leaves = writer.leaves = leaves_any;
    unlink(reader_image);
    CHECK(both(reader, writer, "", true));
    /* Alone it has. */
    REQUIRE(pipe(ends) == 0);
    writer.group = NULL;
    writer.out = ends[1];
    int status = status_of(start(writer, "descriptor 1 leads to a program that is not checkpointed with this one", false, ends[0]));
    CHECK_INT(status, 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(a_host_that_lets_it_stay_behind_gets_its_image)
{
    int ends[2];
    char error[256];
    struct check_guest_state guest;
    struct InstantiationArgs2 *args = NULL;
    wayfarer_checkpoint_args_t wanted = { .leaves = leaves_any };
    REQUIRE(pipe(ends) == 0 && wasm_runtime_init() && wasm_runtime_register_natives("env", natives, 1)
            && check_load(&guest, "group.wasm") && wasm_runtime_instantiation_args_create(&args));
    wasm_runtime_instantiation_args_set_wasi_stdio(args, ends[0], open("/dev/null", O_WRONLY), ends[1]);
    wasm_module_inst_t inst = wasm_runtime_instantiate_ex2(guest.module, args, error, sizeof error);
    REQUIRE(inst);
    /* Both ends are the guest's own: neither leaves. */
    CHECK(wayfarer_checkpoint(inst, &wanted, NULL, error, sizeof error));
    CHECK_INT(asked, 0);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_instantiation_args_set_wasi_stdio(args, ends[0], open("/dev/null", O_WRONLY), open("/dev/null", O_WRONLY));
    inst = wasm_runtime_instantiate_ex2(guest.module, args, error, sizeof error);
    REQUIRE(inst);
    CHECK(!wayfarer_checkpoint(inst, &wanted, NULL, error, sizeof error));
    CHECK_HAS(error, "descriptor 0 leads to a program");
    wanted.leaves_data = &wanted;
    CHECK(wayfarer_checkpoint(inst, &wanted, NULL, error, sizeof error));
    CHECK_INT(asked, 1);
    wasm_runtime_deinstantiate(inst);
    wasm_runtime_instantiation_args_destroy(args);
    wasm_runtime_unload(guest.module);
    wasm_runtime_destroy();
}

TEST(what_makes_no_group_is_refused)
{
    char error[256];
    struct check_guest_state guest;
    wayfarer_checkpoint_args_t args = { .group = folder, .group_size = 2 };
    REQUIRE(wasm_runtime_init() && wasm_runtime_register_natives("env", natives, 1) && check_open(&guest, "group.wasm", 0));
    CHECK(!wayfarer_checkpoint_request(guest.inst, &args, NULL, NULL, error, sizeof error));
    CHECK_STR(error, "an image of a group takes a path");
    args.path = writer_image;
    args.group_size = 0;
    CHECK(!wayfarer_checkpoint_request(guest.inst, &args, NULL, NULL, error, sizeof error));
    CHECK_STR(error, "bad group: it has a folder and 1 to 1024 members, not 0");
    args.group_size = 1;
    CHECK(wayfarer_checkpoint(guest.inst, &args, NULL, error, sizeof error));
    args.group = scratch;
    CHECK(!wayfarer_checkpoint(guest.inst, &args, NULL, error, sizeof error));
    CHECK_HAS(error, "this process is a member of group");
    check_close(&guest);
    wasm_runtime_destroy();
}

int main(void)
{
    char command[128];
    if (!mkdtemp(scratch)) {
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/group", scratch);
    snprintf(reader_image, sizeof reader_image, "%s/reader.image", scratch);
    snprintf(writer_image, sizeof writer_image, "%s/writer.image", scratch);
    RUN(what_is_on_its_way_goes_with_them);
    RUN(if_one_does_not_come_there_is_no_image_of_any);
    RUN(the_host_is_asked_what_may_stay_behind);
    RUN(a_host_that_lets_it_stay_behind_gets_its_image);
    RUN(what_makes_no_group_is_refused);
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command) == 0 ? check_result() : 2;
}
