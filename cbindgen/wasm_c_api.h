#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <assert.h>

#ifndef WASM_API_EXTERN
#if defined(_MSC_BUILD)
#define WASM_API_EXTERN __declspec(dllimport)
#elif defined(__GNUC__) || defined(__clang__)
#define WASM_API_EXTERN __attribute__((visibility("default")))
#else
#define WASM_API_EXTERN
#endif
#endif

#if defined(__GNUC__) || defined(__clang__)
#define WASM_API_DEPRECATED __attribute__((deprecated))
#elif defined(_MSC_VER)
#define WASM_API_DEPRECATED __declspec(deprecated)
#else
#define WASM_API_DEPRECATED
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef char byte_t;
typedef float float32_t;
typedef double float64_t;

#if defined(__STDC_VERSION__) && (__STDC_VERSION__) > 199901L
/* What this API assumes of the machine. */
inline void
assertions(void)
{
    static_assert(sizeof(float) == sizeof(uint32_t), "float is not 32 bits wide");
    static_assert(sizeof(double) == sizeof(uint64_t), "double is not 64 bits wide");
    static_assert(sizeof(intptr_t) == sizeof(uint32_t) || sizeof(intptr_t) == sizeof(uint64_t),
                  "pointers are neither 32 nor 64 bits wide");
}
#endif

/* Marks who owns what a pointer is to: a result marked so is the caller's to delete, a parameter marked so is given away.
 * A parameter `own ... *out` is written with something that is the caller's to delete. */
#define own

/* A type and its _delete. */
#define WASM_DECLARE_OWN(name)                     \
    typedef struct wasm_##name##_t wasm_##name##_t; \
    WASM_API_EXTERN void wasm_##name##_delete(own wasm_##name##_t *);

/* A vector type: `size` elements of room, of which `num_elems` are there. */
#define WASM_DECLARE_VEC(name, ptr_or_none)                                                              \
    typedef struct wasm_##name##_vec_t {                                                                 \
        size_t size;                                                                                     \
        wasm_##name##_t ptr_or_none *data;                                                               \
        size_t num_elems;                                                                                \
        size_t size_of_elem;                                                                             \
        void *lock;                                                                                      \
    } wasm_##name##_vec_t;                                                                               \
    WASM_API_EXTERN void wasm_##name##_vec_new_empty(own wasm_##name##_vec_t *out);                      \
    WASM_API_EXTERN void wasm_##name##_vec_new_uninitialized(own wasm_##name##_vec_t *out, size_t);      \
    WASM_API_EXTERN void wasm_##name##_vec_new(own wasm_##name##_vec_t *out, size_t,                     \
                                               own wasm_##name##_t ptr_or_none const[]);                 \
    WASM_API_EXTERN void wasm_##name##_vec_copy(own wasm_##name##_vec_t *out, const wasm_##name##_vec_t *); \
    WASM_API_EXTERN void wasm_##name##_vec_delete(own wasm_##name##_vec_t *);

/* A type that is plain data. */
#define WASM_DECLARE_TYPE(name) \
    WASM_DECLARE_OWN(name)      \
    WASM_DECLARE_VEC(name, *)   \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);

/* A type of handles. */
#define WASM_DECLARE_REF_BASE(name)                                                            \
    WASM_DECLARE_OWN(name)                                                                     \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);          \
    WASM_API_EXTERN bool wasm_##name##_same(const wasm_##name##_t *, const wasm_##name##_t *); \
    WASM_API_EXTERN void *wasm_##name##_get_host_info(const wasm_##name##_t *);                \
    WASM_API_EXTERN void wasm_##name##_set_host_info(wasm_##name##_t *, void *);               \
    WASM_API_EXTERN void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *, void *, void (*)(void *));

/* A type of handles that can be references. */
#define WASM_DECLARE_REF(name)                                                                  \
    WASM_DECLARE_REF_BASE(name)                                                                 \
    WASM_API_EXTERN wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *);                        \
    WASM_API_EXTERN wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *);                          \
    WASM_API_EXTERN const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *);      \
    WASM_API_EXTERN const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *);

/* A type of handles that stores can share. */
#define WASM_DECLARE_SHARABLE_REF(name)                                                         \
    WASM_DECLARE_REF(name)                                                                      \
    WASM_DECLARE_OWN(shared_##name)                                                             \
    WASM_API_EXTERN own wasm_shared_##name##_t *wasm_##name##_share(const wasm_##name##_t *);   \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_obtain(wasm_store_t *, const wasm_shared_##name##_t *);

/* Names. */
typedef byte_t wasm_byte_t;
WASM_DECLARE_VEC(byte, )
typedef wasm_byte_vec_t wasm_name_t;

#define wasm_name wasm_byte_vec
#define wasm_name_new wasm_byte_vec_new
#define wasm_name_new_empty wasm_byte_vec_new_empty
#define wasm_name_new_new_uninitialized wasm_byte_vec_new_uninitialized
#define wasm_name_copy wasm_byte_vec_copy
#define wasm_name_delete wasm_byte_vec_delete

/* A name of these characters. */
static inline void
wasm_name_new_from_string(own wasm_name_t *out, const char *s)
{
    wasm_name_new(out, strlen(s), s);
}

/* A name of these characters and the NUL. */
static inline void
wasm_name_new_from_string_nt(own wasm_name_t *out, const char *s)
{
    wasm_name_new(out, strlen(s) + 1, s);
}

/* What the headers have in common, so that both can be included, in either order. */
#ifndef MEM_ALLOC_OPTION_DEFINED
#define MEM_ALLOC_OPTION_DEFINED
/* Which allocator is used by wasm_runtime_malloc and its kin. */
typedef enum {
    /* A heap inside a buffer of the host's. */
    Alloc_With_Pool = 0,
    /* Functions of the host's. */
    Alloc_With_Allocator,
    /* malloc. */
    Alloc_With_System_Allocator,
} mem_alloc_type_t;

/* Arguments of the allocator. */
typedef union MemAllocOption {
    struct {
        void *heap_buf;
        uint32_t heap_size;
    } pool;
    struct {
        void *malloc_func;  /* void *(*)(unsigned int size) */
        void *realloc_func; /* void *(*)(void *ptr, unsigned int size), or NULL */
        void *free_func;    /* void (*)(void *ptr) */
        void *user_data;    /* not used */
    } allocator;
} MemAllocOption;
#endif

#ifndef INSTANTIATION_ARGS_OPTION_DEFINED
#define INSTANTIATION_ARGS_OPTION_DEFINED
/* Arguments of wasm_instance_new_with_args_ex. Zero it first. */
typedef struct InstantiationArgs {
    /* Bytes of operand stack; 0 for the default. */
    uint32_t default_stack_size;
    /* Bytes of heap put into linear memory; 0 for none. */
    uint32_t host_managed_heap_size;
    /* Most pages memory may grow to; 0 to keep the module's own limit. */
    uint32_t max_memory_pages;
} InstantiationArgs;
#endif

#ifndef LOAD_ARGS_OPTION_DEFINED
#define LOAD_ARGS_OPTION_DEFINED
/* Arguments of wasm_module_new_ex. Zero it first. */
typedef struct LoadArgs {
    /* Name of the module, or NULL. */
    char *name;
    /* Keep a copy of the binary. */
    bool clone_wasm_binary;
    /* The caller wants to free the buffer after loading. */
    bool wasm_binary_freeable;
    /* Leave imports unlinked until they are needed. */
    bool no_resolve;
} LoadArgs;
#endif

#ifndef WASM_VALKIND_T_DEFINED
#define WASM_VALKIND_T_DEFINED
/* Kind of a value. */
typedef uint8_t wasm_valkind_t;
enum wasm_valkind_enum {
    WASM_I32,
    WASM_I64,
    WASM_F32,
    WASM_F64,
    WASM_V128,
    WASM_EXTERNREF = 128,
    WASM_FUNCREF,
};
#endif

#ifndef WASM_VAL_T_DEFINED
#define WASM_VAL_T_DEFINED
struct wasm_ref_t;

/* A value with its kind, which says what member of `of` counts. */
typedef struct wasm_val_t {
    wasm_valkind_t kind;
    uint8_t _paddings[7];
    union {
        int32_t i32;
        int64_t i64;
        float32_t f32;
        float64_t f64;
        struct wasm_ref_t *ref;
    } of;
} wasm_val_t;
#endif

#ifndef WASM_MODULE_T_DEFINED
#define WASM_MODULE_T_DEFINED
/* A module. In this API it is always behind a pointer. */
struct WASMModuleCommon;
typedef struct WASMModuleCommon *wasm_module_t;
#endif

/* Configuration. */
WASM_DECLARE_OWN(config)

struct wasm_config_t {
    mem_alloc_type_t mem_alloc_type;
    MemAllocOption mem_alloc_option;
    uint32_t segue_flags;
    bool enable_linux_perf;
};

WASM_DECLARE_OWN(engine)
WASM_DECLARE_OWN(store)

/* Types of values, functions, globals, tables, memories, imports and exports. */
typedef uint8_t wasm_mutability_t;
enum wasm_mutability_enum {
    WASM_CONST,
    WASM_VAR,
};

typedef struct wasm_limits_t {
    uint32_t min;
    uint32_t max;
} wasm_limits_t;

/* `max` of limits without a maximum. */
static const uint32_t wasm_limits_max_default = 0xffffffff;

WASM_DECLARE_TYPE(valtype)
WASM_DECLARE_TYPE(functype)
WASM_DECLARE_TYPE(globaltype)
WASM_DECLARE_TYPE(tabletype)
WASM_DECLARE_TYPE(memorytype)

typedef uint8_t wasm_externkind_t;
enum wasm_externkind_enum {
    WASM_EXTERN_FUNC,
    WASM_EXTERN_GLOBAL,
    WASM_EXTERN_TABLE,
    WASM_EXTERN_MEMORY,
};

WASM_DECLARE_TYPE(externtype)
WASM_DECLARE_TYPE(importtype)
WASM_DECLARE_TYPE(exporttype)

/* Values. */
WASM_API_EXTERN void wasm_val_delete(own wasm_val_t *v);
WASM_API_EXTERN void wasm_val_copy(own wasm_val_t *out, const wasm_val_t *);
WASM_DECLARE_VEC(val, )

/* Handles. */
typedef struct wasm_ref_t wasm_ref_t;
WASM_DECLARE_REF_BASE(ref)

WASM_DECLARE_OWN(frame)
WASM_DECLARE_VEC(frame, *)
WASM_API_EXTERN own wasm_frame_t *wasm_frame_copy(const wasm_frame_t *);

typedef wasm_name_t wasm_message_t;
WASM_DECLARE_REF(trap)
WASM_DECLARE_REF(foreign)
WASM_DECLARE_REF(func)
WASM_DECLARE_REF(global)
WASM_DECLARE_REF(table)
WASM_DECLARE_REF(memory)
WASM_DECLARE_REF(extern)
WASM_DECLARE_VEC(extern, *)
WASM_DECLARE_REF(instance)

/* A module that stores can share. */
typedef wasm_module_t wasm_shared_module_t;

/* Functions of the host's. */
typedef own wasm_trap_t *(*wasm_func_callback_t)(const wasm_val_vec_t *args, own wasm_val_vec_t *results);
typedef own wasm_trap_t *(*wasm_func_callback_with_env_t)(void *env, const wasm_val_vec_t *args,
                                                          wasm_val_vec_t *results);

typedef uint32_t wasm_table_size_t;
typedef uint32_t wasm_memory_pages_t;

/* Bytes of a page. */
static const size_t MEMORY_PAGE_SIZE = 0x10000;

/* The pointer stays the same in all of these; so does who owns it. */
#define WAYFARER_DECLARE_AS(sub, super)                                                              \
    WASM_API_EXTERN wasm_##super##_t *wasm_##sub##_as_##super(wasm_##sub##_t *);                     \
    WASM_API_EXTERN wasm_##sub##_t *wasm_##super##_as_##sub(wasm_##super##_t *);                     \
    WASM_API_EXTERN const wasm_##super##_t *wasm_##sub##_as_##super##_const(const wasm_##sub##_t *); \
    WASM_API_EXTERN const wasm_##sub##_t *wasm_##super##_as_##sub##_const(const wasm_##super##_t *);

WAYFARER_DECLARE_AS(functype, externtype)
WAYFARER_DECLARE_AS(globaltype, externtype)
WAYFARER_DECLARE_AS(tabletype, externtype)
WAYFARER_DECLARE_AS(memorytype, externtype)
WAYFARER_DECLARE_AS(func, extern)
WAYFARER_DECLARE_AS(global, extern)
WAYFARER_DECLARE_AS(table, extern)
WAYFARER_DECLARE_AS(memory, extern)

/* The engine, with an allocator. Use wasm_engine_new_with_config. */
WASM_API_DEPRECATED WASM_API_EXTERN own wasm_engine_t *wasm_engine_new_with_args(mem_alloc_type_t type,
                                                                                const MemAllocOption *opts);

#ifdef __cplusplus
}
#endif
