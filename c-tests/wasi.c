/* WASI programs: arguments, environment, directories, standard streams, exit codes. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "wayfarer.h"

#include "check.h"

static char scratch[] = "/tmp/c-tests-wasi-XXXXXX";

/* What a file holds. */
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

static const char *in_scratch(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_scratch(name), "wb");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

TEST(arguments_environment_and_output)
{
    struct check_guest_state guest;
    char *argv[] = { (char *)"guest", (char *)"status", (char *)"3" };
    const char *env[] = { "COLOUR=green", "EMPTY=" };
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_args(guest.module, NULL, 0, NULL, 0, env, 2, argv, 3);
    REQUIRE(check_instantiate(&guest, 0));
    CHECK(wasm_runtime_is_wasi_mode(guest.inst));
    CHECK(wasm_runtime_lookup_wasi_start_function(guest.inst) != NULL);
    CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 0);
    check_catch();
    bool done = wasm_application_execute_main(guest.inst, 0, NULL);
    CHECK_STR(check_caught(), "guest status 3\nCOLOUR=green\n");
    CHECK(done);
    CHECK(wasm_runtime_get_exception(guest.inst) == NULL);
    CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 3);
    check_close(&guest);
}

TEST(proc_exit_through_a_plain_call)
{
    struct check_guest_state guest;
    char *argv[] = { (char *)"guest", (char *)"status", (char *)"7" };
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_args(guest.module, NULL, 0, NULL, 0, NULL, 0, argv, 3);
    REQUIRE(check_instantiate(&guest, 0));
    check_catch();
    bool done = check_call(&guest, "_start", 0, NULL);
    check_caught();
    CHECK(!done);
    CHECK_STR(wasm_runtime_get_exception(guest.inst), "Exception: wasi proc exit");
    CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 7);
    check_close(&guest);
}

TEST(directories_and_streams)
{
    struct check_guest_state guest;
    char *argv[] = { (char *)"guest", (char *)"copy", (char *)"/in/source", (char *)NULL };
    char target[256], map[256];
    write_file("source", "from a file\n");
    write_file("stdin", "from stdin\n");
    snprintf(target, sizeof target, "%s/target", scratch);
    snprintf(map, sizeof map, "/in::%s", scratch);
    argv[3] = target;
    const char *dirs[] = { scratch };
    const char *maps[] = { map };
    int in = open(in_scratch("stdin"), O_RDONLY);
    int out = open(in_scratch("stdout"), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    REQUIRE(in >= 0 && out >= 0);
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_args_ex(guest.module, dirs, 1, maps, 1, NULL, 0, argv, 4, in, out, -1);
    REQUIRE(check_instantiate(&guest, 0));
    CHECK(wasm_application_execute_main(guest.inst, 0, NULL));
    CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 0);
    CHECK_STR(contents(target), "from a file\nfrom stdin\n");
    CHECK_STR(contents(in_scratch("stdout")), "copied\n");
    /* The descriptors are the host's: they stay open, and serve the next instance. */
    wasm_runtime_deinstantiate(guest.inst);
    guest.inst = wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error);
    REQUIRE(guest.inst != NULL);
    CHECK_INT(lseek(in, 0, SEEK_SET), 0);
    CHECK(wasm_application_execute_main(guest.inst, 0, NULL));
    check_close(&guest);
    CHECK_STR(contents(target), "from a file\nfrom stdin\n");
    CHECK_STR(contents(in_scratch("stdout")), "copied\ncopied\n");
    CHECK_INT(write(out, "host\n", 5), 5);
    CHECK_STR(contents(in_scratch("stdout")), "copied\ncopied\nhost\n");
    CHECK_INT(close(in), 0);
    CHECK_INT(close(out), 0);
}

TEST(files_in_memory)
{
    struct check_guest_state guest;
    char *argv[] = { (char *)"guest", (char *)"copy", (char *)"/in/source", (char *)NULL };
    char target[256], map[256];
    write_file("source", "from a file\n");
    write_file("stdin", "from stdin\n");
    write_file("in-memory", "as it was\n");
    snprintf(target, sizeof target, "%s/in-memory", scratch);
    snprintf(map, sizeof map, "/in::%s", scratch);
    argv[3] = target;
    const char *dirs[] = { scratch };
    const char *maps[] = { map };
    REQUIRE(check_load(&guest, "program.wasm"));
    CHECK(!wayfarer_set_wasi(NULL, "memory"));
    CHECK(!wayfarer_set_wasi(guest.module, NULL));
    CHECK(!wayfarer_set_wasi(guest.module, "floppy"));
    CHECK(!wayfarer_instantiation_args_set_wasi(NULL, "memory"));
    CHECK(wayfarer_set_wasi(guest.module, "memory"));
    struct InstantiationArgs2 *args;
    REQUIRE(wasm_runtime_instantiation_args_create(&args));
    CHECK(!wayfarer_instantiation_args_set_wasi(args, "floppy"));
    /* For the module, for one instantiation, and for the module again: what is said for the instantiation counts. */
    const char *expected[] = { "as it was\n", "from a file\nfrom stdin\n", "as it was\n" };
    for (int i = 0; i < 3; i++) {
        int in = open(in_scratch("stdin"), O_RDONLY);
        int out = open("/dev/null", O_WRONLY);
        REQUIRE(in >= 0 && out >= 0);
        write_file("in-memory", "as it was\n");
        wasm_runtime_set_wasi_args_ex(guest.module, dirs, 1, maps, 1, NULL, 0, argv, 4, in, out, -1);
        CHECK(wayfarer_instantiation_args_set_wasi(args, i == 1 ? "linux" : "memory"));
        guest.inst = i == 2 ? wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error)
                            : wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
        REQUIRE(guest.inst != NULL);
        CHECK(wasm_application_execute_main(guest.inst, 0, NULL));
        CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 0);
        wasm_runtime_deinstantiate(guest.inst);
        guest.inst = NULL;
        CHECK_STR(contents(target), expected[i]);
        close(in);
        close(out);
    }
    /* The environment is only asked where the host has said nothing. */
    wasm_runtime_set_wasi_args(guest.module, dirs, 1, NULL, 0, NULL, 0, argv, 4);
    setenv("WAYFARER_WASI", "floppy", 1);
    CHECK(check_instantiate(&guest, 0));
    check_close(&guest);
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_args(guest.module, dirs, 1, NULL, 0, NULL, 0, argv, 4);
    CHECK(!wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error));
    CHECK(strstr(guest.error, "WAYFARER_WASI=floppy: there is no WASI implementation `floppy`") != NULL);
    unsetenv("WAYFARER_WASI");
    wasm_runtime_instantiation_args_destroy(args);
    check_close(&guest);
}

TEST(a_pipe_that_nobody_reads)
{
    struct check_guest_state guest;
    char *argv[] = { (char *)"guest", (char *)"flood", (char *)"1" };
    int fds[2];
    struct sigaction before;
    REQUIRE(check_load(&guest, "program.wasm"));
    REQUIRE(pipe(fds) == 0);
    close(fds[0]);
    /* The default action of SIGPIPE ends the process. */
    signal(SIGPIPE, SIG_DFL);
    wasm_runtime_set_wasi_args_ex(guest.module, NULL, 0, NULL, 0, NULL, 0, argv, 3, -1, fds[1], -1);
    REQUIRE(check_instantiate(&guest, 0));
    CHECK(wasm_application_execute_main(guest.inst, 0, NULL));
    CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 64 /* EPIPE of WASI */);
    check_close(&guest);
    CHECK_INT(sigaction(SIGPIPE, NULL, &before), 0);
    CHECK(before.sa_handler == SIG_DFL);
    close(fds[1]);
}

TEST(no_way_out_of_a_directory)
{
    struct check_guest_state guest;
    char *argv[] = { (char *)"guest", (char *)"copy", (char *)"/in/../../etc/passwd", (char *)"/in/passwd" };
    char map[256];
    snprintf(map, sizeof map, "/in::%s", scratch);
    const char *maps[] = { map };
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_args(guest.module, NULL, 0, maps, 1, NULL, 0, argv, 4);
    REQUIRE(check_instantiate(&guest, 0));
    check_catch();
    CHECK(wasm_application_execute_main(guest.inst, 0, NULL));
    check_caught();
    CHECK_INT(wasm_runtime_get_wasi_exit_code(guest.inst), 1);
    CHECK(access(in_scratch("passwd"), F_OK) != 0);
    check_close(&guest);
}

TEST(arguments_as_an_object)
{
    struct check_guest_state guest;
    struct InstantiationArgs2 *args;
    char *argv[] = { (char *)"guest", (char *)"status", (char *)"0" };
    const char *env[] = { "COLOUR=red" };
    int out = open(in_scratch("stdout"), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    REQUIRE(check_load(&guest, "program.wasm"));
    REQUIRE(wasm_runtime_instantiation_args_create(&args));
    wasm_runtime_instantiation_args_set_wasi_arg(args, argv, 3);
    wasm_runtime_instantiation_args_set_wasi_env(args, env, 1);
    wasm_runtime_instantiation_args_set_wasi_dir(args, NULL, 0, NULL, 0);
    wasm_runtime_instantiation_args_set_wasi_stdio(args, -1, out, -1);
    guest.inst = wasm_runtime_instantiate_ex2(guest.module, args, guest.error, sizeof guest.error);
    wasm_runtime_instantiation_args_destroy(args);
    REQUIRE(guest.inst != NULL);
    CHECK(wasm_application_execute_main(guest.inst, 0, NULL));
    check_close(&guest);
    CHECK_STR(contents(in_scratch("stdout")), "guest status 0\nCOLOUR=red\n");
    CHECK_INT(close(out), 0);
}

/* What instantiating with these directories says. */
static const char *error_with(const char *dir, const char *map)
{
    static char error[128];
    struct check_guest_state guest;
    strcpy(error, "none");
    if (check_load(&guest, "program.wasm")) {
        wasm_runtime_set_wasi_args(guest.module, &dir, dir != NULL, &map, map != NULL, NULL, 0, NULL, 0);
        guest.inst = wasm_runtime_instantiate(guest.module, 0, 0, error, sizeof error);
        CHECK(guest.inst == NULL);
    }
    check_close(&guest);
    return error;
}

TEST(directories_that_are_not_there)
{
    CHECK_HAS(error_with("/nonexistent", NULL), "error while pre-opening directory /nonexistent: 2\n");
    CHECK_HAS(error_with(NULL, "/in::/nonexistent"),
              "error while pre-opening mapped directory /nonexistent: 2\n");
    CHECK_HAS(error_with(NULL, "/in"), "error while pre-opening mapped directory: invalid map\n");
}

TEST(address_pools)
{
    struct check_guest_state guest;
    const char *pool[] = { "127.0.0.1/8", "nonsense" };
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_addr_pool(guest.module, pool, 1);
    guest.inst = wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error);
    CHECK(guest.inst != NULL);
    check_close(&guest);
    REQUIRE(check_load(&guest, "program.wasm"));
    wasm_runtime_set_wasi_addr_pool(guest.module, pool, 2);
    guest.inst = wasm_runtime_instantiate(guest.module, 0, 0, guest.error, sizeof guest.error);
    CHECK(guest.inst == NULL);
    CHECK_HAS(guest.error, "Invalid address pool entry: nonsense, must be in the format of ADDRESS/MASK");
    check_close(&guest);
}

int main(void)
{
    if (!mkdtemp(scratch) || !wasm_runtime_init()) {
        return 2;
    }
    RUN(arguments_environment_and_output);
    RUN(proc_exit_through_a_plain_call);
    RUN(directories_and_streams);
    RUN(files_in_memory);
    RUN(a_pipe_that_nobody_reads);
    RUN(no_way_out_of_a_directory);
    RUN(arguments_as_an_object);
    RUN(directories_that_are_not_there);
    RUN(address_pools);
    wasm_runtime_destroy();
    static const char *const files[] = { "source", "stdin", "stdout", "target", "passwd", "in-memory" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unlink(in_scratch(files[i]));
    }
    rmdir(scratch);
    return check_result();
}
