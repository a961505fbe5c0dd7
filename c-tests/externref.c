/* Objects of the host that guests hold. */
#include "check.h"

static struct check_guest_state guest;
static unsigned cleanups;
static void *cleaned;

static void cleanup(void *object)
{
    cleanups++;
    cleaned = object;
}

TEST(indices)
{
    static int a, b;
    uint32_t of_a, of_b, again;
    void *object = NULL;
    REQUIRE(wasm_externref_obj2ref(guest.inst, &a, &of_a));
    REQUIRE(wasm_externref_obj2ref(guest.inst, &b, &of_b));
    CHECK(of_a != of_b && of_a != 0 && of_b != 0);
    CHECK(wasm_externref_obj2ref(guest.inst, &a, &again));
    CHECK_INT(again, of_a);
    CHECK(wasm_externref_ref2obj(of_a, &object));
    CHECK(object == &a);

    CHECK(wasm_externref_obj2ref(guest.inst, (void *)-1, &again));
    CHECK_INT(again, 0xffffffff);
    object = &a;
    CHECK(wasm_externref_ref2obj(0xffffffff, &object));
    CHECK(object == NULL);
    CHECK(!wasm_externref_ref2obj(of_b + 1000, &object));

    CHECK(wasm_externref_retain(of_a));
    CHECK(!wasm_externref_retain(of_b + 1000));
    CHECK(wasm_externref_objdel(guest.inst, &a));
    CHECK(!wasm_externref_objdel(guest.inst, &a));
    CHECK(!wasm_externref_ref2obj(of_a, &object));
}

TEST(an_object_in_a_table)
{
    static int object;
    uint32_t argv[3] = { 2 };
    void *p = &object;
    memcpy(&argv[1], &p, sizeof p);
    CHECK(check_call(&guest, "keep", 3, argv));
    argv[0] = 2;
    CHECK(check_call(&guest, "kept", 1, argv));
    memcpy(&p, argv, sizeof p);
    CHECK(p == &object);
}

TEST(cleaned_up)
{
    static int a, b;
    uint32_t index;
    REQUIRE(wasm_externref_obj2ref(guest.inst, &a, &index));
    REQUIRE(wasm_externref_obj2ref(guest.inst, &b, &index));
    CHECK(wasm_externref_set_cleanup(guest.inst, &a, cleanup));
    CHECK(wasm_externref_set_cleanup(guest.inst, &b, cleanup));
    CHECK(!wasm_externref_set_cleanup(guest.inst, &index, cleanup));
    cleanups = 0;
    CHECK(wasm_externref_objdel(guest.inst, &a));
    CHECK_INT(cleanups, 1);
    CHECK(cleaned == &a);
    /* The rest ends with the instance. */
    check_close(&guest);
    CHECK_INT(cleanups, 2);
    CHECK(cleaned == &b);
    CHECK(!wasm_externref_ref2obj(index, &cleaned));
}

int main(void)
{
    if (!wasm_runtime_init() || !check_open(&guest, "values.wasm", 0)) {
        return 2;
    }
    RUN(indices);
    RUN(an_object_in_a_table);
    RUN(cleaned_up);
    wasm_runtime_destroy();
    return check_result();
}
