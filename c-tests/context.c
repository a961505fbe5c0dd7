/* Data of the host's that belongs to an instance. */
#include "check.h"

static struct check_guest_state guest;
static unsigned destroyed;
static void *destroyed_context;
static wasm_module_inst_t destroyed_inst;

static void destroy(wasm_module_inst_t inst, void *context)
{
    destroyed++;
    destroyed_inst = inst;
    destroyed_context = context;
}

TEST(custom_data)
{
    int mine = 0;
    REQUIRE(check_open(&guest, "values.wasm", 0));
    CHECK(wasm_runtime_get_custom_data(guest.inst) == NULL);
    wasm_runtime_set_custom_data(guest.inst, &mine);
    CHECK(wasm_runtime_get_custom_data(guest.inst) == &mine);
    check_close(&guest);
}

TEST(contexts)
{
    int mine = 0, other = 0;
    void *key = wasm_runtime_create_context_key(destroy);
    void *plain = wasm_runtime_create_context_key(NULL);
    REQUIRE(key != NULL && plain != NULL && key != plain);
    REQUIRE(check_open(&guest, "values.wasm", 0));
    CHECK(wasm_runtime_get_context(guest.inst, key) == NULL);
    wasm_runtime_set_context(guest.inst, key, &mine);
    wasm_runtime_set_context_spread(guest.inst, plain, &other);
    CHECK(wasm_runtime_get_context(guest.inst, key) == &mine);
    CHECK(wasm_runtime_get_context(guest.inst, plain) == &other);
    wasm_module_inst_t inst = guest.inst;
    destroyed = 0;
    check_close(&guest);
    CHECK_INT(destroyed, 1);
    CHECK(destroyed_context == &mine);
    CHECK(destroyed_inst == inst);
    /* Also of an instance that has none. */
    REQUIRE(check_open(&guest, "values.wasm", 0));
    check_close(&guest);
    CHECK_INT(destroyed, 2);
    CHECK(destroyed_context == NULL);
    wasm_runtime_destroy_context_key(key);
    wasm_runtime_destroy_context_key(plain);
}

TEST(only_so_many_keys)
{
    void *keys[9];
    unsigned made = 0;
    check_catch();
    while (made < 9 && (keys[made] = wasm_runtime_create_context_key(NULL))) {
        made++;
    }
    CHECK_HAS(check_caught(), "failed to allocate instance context key");
    CHECK_INT(made, 8);
    for (unsigned i = 0; i < made; i++) {
        wasm_runtime_destroy_context_key(keys[i]);
    }
    void *key = wasm_runtime_create_context_key(NULL);
    CHECK(key != NULL);
    wasm_runtime_destroy_context_key(key);
}

int main(void)
{
    if (!wasm_runtime_init()) {
        return 2;
    }
    RUN(custom_data);
    RUN(contexts);
    RUN(only_so_many_keys);
    wasm_runtime_destroy();
    return check_result();
}
