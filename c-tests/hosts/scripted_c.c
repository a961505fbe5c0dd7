/* A host that does random things through wasm_c_api.h, as scripted.c does through wasm_export.h: several instances in one
 * store share a memory, a table and a global, which the host looks at and changes between its calls. They come and go; the
 * table may still hold functions of those that the host has ended. Arguments as there. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wasm_c_api.h"
#include "wasm_export.h"

typedef struct {
    uint64_t state;
} Random;

static uint64_t next(Random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint32_t below(Random *random, uint32_t n)
{
    return (uint32_t)(next(random) % n);
}

static uint8_t *read_file(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    if (file) {
        fseek(file, 0, SEEK_END);
        *size = (uint32_t)ftell(file);
        rewind(file);
        bytes = malloc(*size + 1);
        if (fread(bytes, 1, *size, file) != *size) {
            *size = 0;
        }
        fclose(file);
    }
    return bytes;
}

static uint64_t hash(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint64_t sum = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ at[i]) * 1099511628211u;
    }
    return sum;
}

static wasm_store_t *store;
static wasm_memory_t *memory;
static wasm_table_t *table;
static wasm_global_t *global;

static wasm_trap_t *add(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    results->data[0] = (wasm_val_t)WASM_I32_VAL(args->data[0].of.i32 * 3 + args->data[1].of.i32);
    return NULL;
}

static wasm_trap_t *fails(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    if (args->data[0].of.i32 % 2) {
        wasm_message_t message;
        wasm_name_new_from_string_nt(&message, "as the host wants");
        wasm_trap_t *trap = wasm_trap_new(env, &message);
        wasm_name_delete(&message);
        return trap;
    }
    results->data[0] = (wasm_val_t)WASM_I32_VAL(args->data[0].of.i32 + 1);
    return NULL;
}

typedef struct {
    wasm_instance_t *instance;
    wasm_extern_vec_t exports;
} Guest;

enum { OWN_GLOBAL, FLOAT, FUNCTIONS, TWICE, WORK, FAIL, TRAP, THROUGH, PUT, GROW };

static void call(Guest *guest, int which, size_t argc, wasm_val_t *args, size_t count)
{
    wasm_val_t values[1] = { WASM_INIT_VAL };
    wasm_val_vec_t in = { argc, args, argc, sizeof *args, NULL }, out = { count, values, 0, sizeof *values, NULL };
    wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(guest->exports.data[which]), &in, &out);
    if (trap) {
        wasm_message_t message;
        wasm_trap_message(trap, &message);
        printf("%d: %.*s\n", which, (int)message.size, message.data);
        wasm_byte_vec_delete(&message);
        wasm_trap_delete(trap);
    } else {
        bool narrow = values[0].kind == WASM_I32;
        printf("%d: %llx\n", which,
               count == 0 ? 0 : (unsigned long long)(narrow ? (uint32_t)values[0].of.i32 : values[0].of.i64));
    }
}

static void look(Guest *guest)
{
    wasm_val_t value;
    wasm_global_get(global, &value);
    printf("memory %zu, %016llx; global %llx; table", wasm_memory_data_size(memory),
           (unsigned long long)hash(wasm_memory_data(memory), wasm_memory_data_size(memory)),
           (unsigned long long)value.of.i64);
    for (uint32_t i = 0; i < wasm_table_size(table); i++) {
        wasm_ref_t *ref = wasm_table_get(table, i);
        printf(" %d", ref != NULL);
        if (ref) {
            wasm_ref_delete(ref);
        }
    }
    wasm_global_get(wasm_extern_as_global(guest->exports.data[OWN_GLOBAL]), &value);
    printf("; own %x", (unsigned)value.of.i32);
    wasm_global_get(wasm_extern_as_global(guest->exports.data[FLOAT]), &value);
    printf(" %a\n", value.of.f64);
}

static void use(Random *random, Guest *guest)
{
    wasm_val_t args[3];
    int32_t n = 1 + (int32_t)below(random, 150);
    switch (below(random, 13)) {
    case 0 ... 2:
        args[0] = (wasm_val_t)WASM_I32_VAL(n * (below(random, 8) ? 1 : 30));
        args[1] = (wasm_val_t)WASM_I64_VAL((int64_t)next(random));
        args[2] = (wasm_val_t)WASM_F64_VAL(below(random, 100) / 3.0);
        call(guest, WORK, 3, args, 1);
        break;
    case 3:
        args[0] = (wasm_val_t)WASM_I32_VAL(n);
        call(guest, below(random, 2) ? FAIL : TRAP, 1, args, 1);
        break;
    case 4:
        args[0] = (wasm_val_t)WASM_I32_VAL((int32_t)below(random, 5));
        args[1] = (wasm_val_t)WASM_I32_VAL(n);
        call(guest, THROUGH, 2, args, 1);
        break;
    case 5:
        args[0] = (wasm_val_t)WASM_I32_VAL((int32_t)below(random, 4));
        args[1] = (wasm_val_t)WASM_I32_VAL((int32_t)below(random, 6));
        call(guest, PUT, 2, args, 0);
        break;
    case 6:
        args[0] = (wasm_val_t)WASM_I32_VAL((int32_t)below(random, 2));
        call(guest, GROW, 1, args, 1);
        break;
    case 7: {
        wasm_val_t value = WASM_I64_VAL((int64_t)next(random));
        wasm_global_set(global, &value);
        wasm_val_t small = WASM_I32_VAL(n % 7);
        wasm_global_set(wasm_extern_as_global(guest->exports.data[OWN_GLOBAL]), &small);
        break;
    }
    case 8:
        for (int i = 0; i < n; i++) {
            wasm_memory_data(memory)[200 + i * 11] = (char)next(random);
        }
        break;
    default:
        look(guest);
    }
}

static int run(char **argv)
{
    static Guest guests[4];
    Random random = { strtoull(argv[2], NULL, 10) };
    char path[4096];
    uint32_t size = 0;
    int made = 0, turns = 15 + (int)below(&random, 50);
    wasm_engine_t *engine = wasm_engine_new();
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_FATAL);
    store = wasm_store_new(engine);
    snprintf(path, sizeof path, "%s/scripted_c.%s", argv[3], argv[4]);
    uint8_t *bytes = read_file(path, &size);
    wasm_byte_vec_t binary = { size, (char *)bytes, size, 1, NULL };
    wasm_module_t *module = wasm_module_new(store, &binary);
    wasm_limits_t memory_limits = { 1, 4 }, table_limits = { 4, 10 };
    wasm_memorytype_t *memory_type = wasm_memorytype_new(&memory_limits);
    wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new(WASM_FUNCREF), &table_limits);
    wasm_globaltype_t *global_type = wasm_globaltype_new(wasm_valtype_new(WASM_I64), WASM_VAR);
    wasm_val_t seven = WASM_I64_VAL(7);
    memory = wasm_memory_new(store, memory_type);
    table = wasm_table_new(store, table_type, NULL);
    global = wasm_global_new(store, global_type, &seven);
    wasm_functype_t *two = wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_functype_t *one = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_func_t *add_func = wasm_func_new(store, two, add);
    wasm_func_t *fails_func = wasm_func_new_with_env(store, one, fails, store, NULL);
    if (!module || !memory || !table || !global || !add_func || !fails_func) {
        return 2;
    }
    for (int i = 0; i < turns; i++) {
        printf("%d ", i);
        if (made == 0 || (made < 4 && below(&random, 8) == 0)) {
            wasm_extern_t *externs[] = { wasm_func_as_extern(add_func), wasm_func_as_extern(fails_func),
                                         wasm_global_as_extern(global), wasm_memory_as_extern(memory),
                                         wasm_table_as_extern(table) };
            wasm_extern_vec_t imports = { 5, externs, 5, sizeof *externs, NULL };
            wasm_trap_t *trap = NULL;
            guests[made].instance = wasm_instance_new_with_args(store, module, &imports, &trap, 65536, 0);
            if (!guests[made].instance) {
                wasm_message_t message = { 0 };
                if (trap) {
                    wasm_trap_message(trap, &message);
                }
                fprintf(stderr, "no instance: %.*s\n", (int)message.size, message.data);
                return 3;
            }
            wasm_instance_exports(guests[made].instance, &guests[made].exports);
            made++;
            printf("made\n");
        } else if (made > 1 && below(&random, 10) == 0) {
            Guest *gone = &guests[below(&random, (uint32_t)made)];
            wasm_instance_delete(gone->instance);
            wasm_extern_vec_delete(&gone->exports);
            *gone = guests[--made];
            printf("ended\n");
        } else {
            use(&random, &guests[below(&random, (uint32_t)made)]);
        }
    }
    look(&guests[0]);
    for (int i = 0; i < made; i++) {
        wasm_extern_vec_delete(&guests[i].exports);
        wasm_instance_delete(guests[i].instance);
    }
    wasm_func_delete(add_func);
    wasm_func_delete(fails_func);
    wasm_memory_delete(memory);
    wasm_table_delete(table);
    wasm_global_delete(global);
    wasm_functype_delete(one);
    wasm_functype_delete(two);
    wasm_memorytype_delete(memory_type);
    wasm_tabletype_delete(table_type);
    wasm_globaltype_delete(global_type);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    free(bytes);
    return 0;
}

#include "drive.h"

int main(int argc, char **argv)
{
    if (argc == 7 && !strcmp(argv[1], "run")) {
        return run(argv);
    }
    if (argc == 6 && !strcmp(argv[1], "drive")) {
        return drive(argv);
    }
    return 2;
}
