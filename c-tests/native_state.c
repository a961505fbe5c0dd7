/* Native modules in checkpoints: state of their own, and functions that wait and are called again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "wayfarer.h"

#include "check.h"
#include "report.h"

static struct check_guest_state guest;

/* A native module: a pseudo-random sequence, whose place in the sequence is its state. */
struct device {
    uint64_t state;
    bool refuse_save, refuse_restore;
    int saves, restores;
    wasm_module_inst_t inst;
};

static struct device device;
static int64_t ask_at;
static int64_t served;

static int64_t next(wasm_exec_env_t env)
{
    if (++served == ask_at) {
        wayfarer_checkpoint_args_t args;
        memset(&args, 0, sizeof args);
        args.then = WAYFARER_STOP;
        wayfarer_checkpoint_request(wasm_runtime_get_module_inst(env), &args, on_done, NULL, NULL, 0);
    }
    device.state = device.state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(device.state >> 33);
}

static bool save(wasm_module_inst_t inst, wayfarer_writer_t *writer, void *user_data)
{
    struct device *device = user_data;
    device->saves++;
    device->inst = inst;
    if (device->refuse_save) {
        return false;
    }
    /* In two pieces: they are put together. */
    wayfarer_write(writer, "state", 5);
    wayfarer_write(writer, &device->state, sizeof device->state);
    return true;
}

static bool restore(wasm_module_inst_t inst, const void *data, size_t size, void *user_data)
{
    struct device *device = user_data;
    device->restores++;
    device->inst = inst;
    if (device->refuse_restore || size != 5 + sizeof device->state || memcmp(data, "state", 5) != 0) {
        return false;
    }
    memcpy(&device->state, (const char *)data + 5, sizeof device->state);
    return true;
}

/* A native function that waits for a byte, like read(2). */
static int pipe_fds[2];
static atomic_int waits;

static int32_t read_byte(wasm_exec_env_t env, uint8_t *to, uint32_t size)
{
    wasm_module_inst_t inst = wasm_runtime_get_module_inst(env);
    struct pollfd fds[2] = { { pipe_fds[0], POLLIN, 0 }, { wayfarer_wake_fd(inst), POLLIN, 0 } };
    waits++;
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return -1;
        }
        if (fds[0].revents) {
            return (int32_t)read(pipe_fds[0], to, size);
        }
        if (wayfarer_interrupted(inst)) {
            wayfarer_call_again(env);
            return 0;
        }
    }
}

static NativeSymbol symbols[] = {
    { "next", (void *)next, "()I", NULL },
    { "read", (void *)read_byte, "(*~)i", NULL },
};

static wasm_module_inst_t restored(void)
{
    return wayfarer_restore_from_memory(guest.module, NULL, done.image, done.image_size, guest.error, sizeof guest.error);
}

static bool drain(wasm_module_inst_t inst, int64_t n, int64_t *sum)
{
    uint32_t argv[2];
    memcpy(argv, &n, sizeof n);
    bool done = wasm_runtime_call_wasm(wasm_runtime_get_exec_env_singleton(inst),
                                       wasm_runtime_lookup_function(inst, "drain"), 2, argv);
    memcpy(sum, argv, sizeof *sum);
    return done;
}

TEST(state_comes_back)
{
    int64_t expected = 0, sum = 0;
    wasm_module_inst_t inst = check_another(&guest);
    device.state = 42;
    CHECK(drain(inst, 50, &expected));
    wasm_runtime_deinstantiate(inst);

    CHECK(wayfarer_register_state("device", 1, save, restore, &device));
    inst = check_another(&guest);
    device.state = 42;
    served = 0;
    ask_at = 20;
    CHECK(!drain(inst, 50, &sum));
    CHECK_INT(device.saves, 1);
    CHECK(device.inst == inst);
    wasm_runtime_deinstantiate(inst);
    REQUIRE(done.image != NULL);

    /* Meanwhile the device was used otherwise. */
    device.state = 7;
    ask_at = 0;
    inst = restored();
    REQUIRE(inst != NULL);
    CHECK_INT(device.restores, 1);
    CHECK(device.inst == inst);
    CHECK(wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), (uint32_t *)&sum));
    CHECK_INT(sum, expected);
    CHECK_INT(served, 50);
    wasm_runtime_deinstantiate(inst);
}

TEST(state_that_does_not_fit)
{
    device.refuse_restore = true;
    CHECK(restored() == NULL);
    CHECK_HAS(guest.error, "native module 'device' refuses its state");
    device.refuse_restore = false;

    /* Another version takes the place of the first. */
    CHECK(wayfarer_register_state("device", 2, save, restore, &device));
    CHECK(restored() == NULL);
    CHECK_HAS(guest.error, "version 1 of the state of native module 'device', registered is version 2");

    CHECK(wayfarer_unregister_state("device"));
    CHECK(!wayfarer_unregister_state("device"));
    CHECK(restored() == NULL);
    CHECK_HAS(guest.error, "state of native module 'device', which is not registered here");

    CHECK(wayfarer_register_state("device", 1, save, restore, &device));
    CHECK(!wayfarer_register_state(NULL, 1, save, restore, &device));
    CHECK(!wayfarer_register_state("device", 1, NULL, restore, &device));
    CHECK(!wayfarer_register_state("device", 1, save, NULL, &device));
}

TEST(state_that_cannot_be_saved)
{
    int64_t expected = 0, sum = 0;
    wasm_module_inst_t inst = check_another(&guest);
    device.state = 42;
    CHECK(drain(inst, 50, &expected));
    wasm_runtime_deinstantiate(inst);

    inst = check_another(&guest);
    device.state = 42;
    device.refuse_save = true;
    served = 0;
    ask_at = 20;
    /* No image, and so no stop. */
    CHECK(drain(inst, 50, &sum));
    CHECK_INT(sum, expected);
    CHECK(done.image == NULL);
    CHECK_HAS(done.error, "the state of native module 'device' cannot be saved");
    CHECK_INT(wayfarer_checkpoint_count(inst), 0);
    ask_at = 0;
    device.refuse_save = false;
    wasm_runtime_deinstantiate(inst);
    CHECK(wayfarer_unregister_state("device"));
}

static struct {
    wasm_module_inst_t inst;
    uint32_t then;
    bool send, taken;
    char error[256];
} order;

static void sleep_ms(long ms)
{
    struct timespec time = { 0, ms * 1000000 };
    nanosleep(&time, NULL);
}

/* Takes a checkpoint while the guest waits, and then sends the byte it waits for. */
static void *disturb(void *unused)
{
    wayfarer_checkpoint_args_t args;
    (void)unused;
    memset(&args, 0, sizeof args);
    args.then = order.then;
    while (waits == 0) {
        sleep_ms(1);
    }
    sleep_ms(20);
    wayfarer_report_t report;
    order.taken = wayfarer_checkpoint(order.inst, &args, &report, order.error, sizeof order.error);
    on_done(order.inst, &report, NULL);
    wayfarer_image_free((void *)report.image, report.image_size);
    if (order.send) {
        sleep_ms(20);
        CHECK_INT(write(pipe_fds[1], "A", 1), 1);
    }
    return NULL;
}

static bool wait_disturbed(wasm_module_inst_t inst, uint32_t then, bool send, uint32_t *argv)
{
    pthread_t thread;
    memset(&order, 0, sizeof order);
    order.inst = inst;
    order.then = then;
    order.send = send;
    waits = 0;
    if (pthread_create(&thread, NULL, disturb, NULL) != 0) {
        exit(2);
    }
    bool done = wasm_runtime_call_wasm(wasm_runtime_get_exec_env_singleton(inst),
                                       wasm_runtime_lookup_function(inst, "wait"), 0, argv);
    pthread_join(thread, NULL);
    CHECK(order.taken);
    CHECK_STR(order.error, "");
    return done;
}

TEST(a_wait_that_goes_on)
{
    uint32_t argv[1] = { 0 };
    wasm_module_inst_t inst = check_another(&guest);
    CHECK(wait_disturbed(inst, WAYFARER_CONTINUE, true, argv));
    CHECK_INT(argv[0], 1000 + 'A');
    CHECK_INT(waits, 2);
    wasm_runtime_deinstantiate(inst);
}

TEST(a_wait_that_is_restored)
{
    uint32_t argv[1] = { 0 };
    wasm_module_inst_t inst = check_another(&guest);
    CHECK(!wait_disturbed(inst, WAYFARER_STOP, false, argv));
    CHECK_STR(wasm_runtime_get_exception(inst), "Exception: stopped by checkpoint");
    CHECK_INT(waits, 1);
    wasm_runtime_deinstantiate(inst);
    REQUIRE(done.image != NULL);

    CHECK_INT(write(pipe_fds[1], "B", 1), 1);
    inst = restored();
    REQUIRE(inst != NULL);
    CHECK(wayfarer_resume(wasm_runtime_get_exec_env_singleton(inst), argv));
    CHECK_INT(argv[0], 1000 + 'B');
    CHECK_INT(waits, 2);
    wasm_runtime_deinstantiate(inst);
}

int main(void)
{
    if (pipe(pipe_fds) != 0 || !wasm_runtime_init()
        || !wasm_runtime_register_natives("device", symbols, 2) || !check_load(&guest, "device.wasm")) {
        return 2;
    }
    RUN(state_comes_back);
    RUN(state_that_does_not_fit);
    RUN(state_that_cannot_be_saved);
    RUN(a_wait_that_goes_on);
    RUN(a_wait_that_is_restored);
    free(done.image);
    check_close(&guest);
    wasm_runtime_destroy();
    return check_result();
}
