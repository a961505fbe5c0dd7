/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _WASM_C_API_H_
#define _WASM_C_API_H_

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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a configuration: malloc as allocator.
 */
WASM_API_EXTERN struct wasm_config_t *wasm_config_new(void);

/**
 * Sets the allocator. Returns the configuration.
 */
WASM_API_EXTERN
struct wasm_config_t *wasm_config_set_mem_alloc_opt(struct wasm_config_t *config,
                                                    mem_alloc_type_t mem_alloc_type,
                                                    MemAllocOption *mem_alloc_option);

/**
 * Asks for a map for perf(1) of compiled code. Returns the configuration.
 */
WASM_API_EXTERN
struct wasm_config_t *wasm_config_set_linux_perf_opt(struct wasm_config_t *config,
                                                     bool enable);

/**
 * Sets flags of a JIT that this version does not have. Returns the configuration.
 */
WASM_API_EXTERN
struct wasm_config_t *wasm_config_set_segue_flags(struct wasm_config_t *config,
                                                  uint32_t segue_flags);

/**
 * Makes the engine, with malloc as allocator. If there is one, it is returned again; each return needs its own
 * wasm_engine_delete.
 */
WASM_API_EXTERN
struct wasm_engine_t *wasm_engine_new(void);

/**
 * Makes the engine from a configuration, which stays the caller's. NULL stands for the default.
 */
WASM_API_EXTERN struct wasm_engine_t *wasm_engine_new_with_config(struct wasm_config_t *config);

/**
 * Makes a store for the calling thread.
 */
WASM_API_EXTERN struct wasm_store_t *wasm_store_new(struct wasm_engine_t *engine);

/**
 * Makes a value type; NULL if there is no such kind.
 */
WASM_API_EXTERN struct wasm_valtype_t *wasm_valtype_new(wasm_valkind_t kind);

/**
 * The kind of a value type; of NULL it is externref, as in WAMR.
 */
WASM_API_EXTERN wasm_valkind_t wasm_valtype_kind(const struct wasm_valtype_t *ty);

/**
 * Makes a function type, which takes both vectors over.
 */
WASM_API_EXTERN
struct wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *params,
                                          wasm_valtype_vec_t *results);

/**
 * Parameters of a function type.
 */
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_params(const struct wasm_functype_t *ty);

/**
 * Results of a function type.
 */
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_results(const struct wasm_functype_t *ty);

/**
 * Makes a global type, which takes the value type over.
 */
WASM_API_EXTERN
struct wasm_globaltype_t *wasm_globaltype_new(struct wasm_valtype_t *content,
                                              wasm_mutability_t mutability);

/**
 * Type of the value of a global type.
 */
WASM_API_EXTERN
const struct wasm_valtype_t *wasm_globaltype_content(const struct wasm_globaltype_t *ty);

/**
 * Whether globals of this type may be written.
 */
WASM_API_EXTERN wasm_mutability_t wasm_globaltype_mutability(const struct wasm_globaltype_t *ty);

/**
 * Makes a table type, which takes the element type over. NULL, with nothing taken over, if that is no type of references.
 */
WASM_API_EXTERN
struct wasm_tabletype_t *wasm_tabletype_new(struct wasm_valtype_t *element,
                                            const struct wasm_limits_t *limits);

/**
 * Element type of a table type.
 */
WASM_API_EXTERN
const struct wasm_valtype_t *wasm_tabletype_element(const struct wasm_tabletype_t *ty);

/**
 * Limits of a table type, in elements.
 */
WASM_API_EXTERN
const struct wasm_limits_t *wasm_tabletype_limits(const struct wasm_tabletype_t *ty);

/**
 * Makes a memory type.
 */
WASM_API_EXTERN struct wasm_memorytype_t *wasm_memorytype_new(const struct wasm_limits_t *limits);

/**
 * Limits of a memory type, in pages.
 */
WASM_API_EXTERN
const struct wasm_limits_t *wasm_memorytype_limits(const struct wasm_memorytype_t *ty);

/**
 * Kind of something imported or exported.
 */
WASM_API_EXTERN wasm_externkind_t wasm_externtype_kind(const struct wasm_externtype_t *ty);

/**
 * Makes an import type, which takes names and type over. What `module` and `name` point to can still be looked at.
 */
WASM_API_EXTERN
struct wasm_importtype_t *wasm_importtype_new(wasm_name_t *module,
                                              wasm_name_t *name,
                                              struct wasm_externtype_t *ty);

/**
 * Module name of an import.
 */
WASM_API_EXTERN const wasm_name_t *wasm_importtype_module(const struct wasm_importtype_t *import);

/**
 * Field name of an import.
 */
WASM_API_EXTERN const wasm_name_t *wasm_importtype_name(const struct wasm_importtype_t *import);

/**
 * Type of an import.
 */
WASM_API_EXTERN
const struct wasm_externtype_t *wasm_importtype_type(const struct wasm_importtype_t *import);

/**
 * Whether something to link an import to is known by its names without the host giving it.
 */
WASM_API_EXTERN bool wasm_importtype_is_linked(const struct wasm_importtype_t *import);

/**
 * Makes an export type, which takes name and type over. What `name` points to can still be looked at.
 */
WASM_API_EXTERN
struct wasm_exporttype_t *wasm_exporttype_new(wasm_name_t *name,
                                              struct wasm_externtype_t *ty);

/**
 * Name of an export.
 */
WASM_API_EXTERN const wasm_name_t *wasm_exporttype_name(const struct wasm_exporttype_t *export_);

/**
 * Type of an export.
 */
WASM_API_EXTERN
const struct wasm_externtype_t *wasm_exporttype_type(const struct wasm_exporttype_t *export_);

/**
 * Makes a trap with a message, which is copied.
 */
WASM_API_EXTERN
wasm_trap_t *wasm_trap_new(struct wasm_store_t *store,
                           const wasm_message_t *message);

/**
 * Copies the message of a trap. Without a trap, `out` stays as it is.
 */
WASM_API_EXTERN void wasm_trap_message(const wasm_trap_t *trap, wasm_message_t *out);

/**
 * The innermost frame of a trap: NULL, for call stacks are not recorded.
 */
WASM_API_EXTERN struct wasm_frame_t *wasm_trap_origin(const wasm_trap_t *trap);

/**
 * The frames of a trap: none, for call stacks are not recorded.
 */
WASM_API_EXTERN void wasm_trap_trace(const wasm_trap_t *trap, wasm_frame_vec_t *out);

/**
 * The instance of a frame.
 */
WASM_API_EXTERN wasm_instance_t *wasm_frame_instance(const struct wasm_frame_t *frame);

/**
 * The index of a frame's function.
 */
WASM_API_EXTERN uint32_t wasm_frame_func_index(const struct wasm_frame_t *frame);

/**
 * Offset of a frame's instruction in its function.
 */
WASM_API_EXTERN size_t wasm_frame_func_offset(const struct wasm_frame_t *frame);

/**
 * Always 0.
 */
WASM_API_EXTERN size_t wasm_frame_module_offset(const struct wasm_frame_t *frame);

/**
 * Makes a module from a binary, which is copied. NULL on failure, with the reason in the log.
 */
WASM_API_EXTERN
wasm_module_t *wasm_module_new(struct wasm_store_t *store,
                               const wasm_byte_vec_t *binary);

/**
 * Makes a module from a binary, with options. The binary is copied in any case. As in WAMR, `wasm_binary_freeable` becomes the
 * opposite of `clone_wasm_binary`.
 */
WASM_API_EXTERN
wasm_module_t *wasm_module_new_ex(struct wasm_store_t *store,
                                  wasm_byte_vec_t *binary,
                                  LoadArgs *args);

/**
 * Deletes a handle on a module. Those of a store that was deleted are deleted already; then this does nothing.
 */
WASM_API_EXTERN
void wasm_module_delete(wasm_module_t *module);

/**
 * Whether a binary is a valid module.
 */
WASM_API_EXTERN
bool wasm_module_validate(struct wasm_store_t *store,
                          const wasm_byte_vec_t *binary);

/**
 * What a module imports, for the caller to delete: functions first, then globals, memories, tables, each in file order.
 */
WASM_API_EXTERN
void wasm_module_imports(const wasm_module_t *module,
                         wasm_importtype_vec_t *out);

/**
 * What a module exports, in file order, for the caller to delete.
 */
WASM_API_EXTERN void wasm_module_exports(const wasm_module_t *module, wasm_exporttype_vec_t *out);

/**
 * Copies the binary that a module was made from, WebAssembly or `.aot`.
 */
WASM_API_EXTERN void wasm_module_serialize(wasm_module_t *module, wasm_byte_vec_t *out);

/**
 * Makes a module from what wasm_module_serialize gave.
 */
WASM_API_EXTERN
wasm_module_t *wasm_module_deserialize(struct wasm_store_t *store,
                                       const wasm_byte_vec_t *binary);

/**
 * Another handle on a module, for other stores.
 */
WASM_API_EXTERN wasm_shared_module_t *wasm_module_share(wasm_module_t *module);

/**
 * A handle, for this store, on a shared module.
 */
WASM_API_EXTERN
wasm_module_t *wasm_module_obtain(struct wasm_store_t *store,
                                  wasm_shared_module_t *shared);

/**
 * Deletes a handle on a shared module.
 */
WASM_API_EXTERN void wasm_shared_module_delete(wasm_shared_module_t *shared);

/**
 * Names a module. False on failure.
 */
WASM_API_EXTERN bool wasm_module_set_name(wasm_module_t *module, const char *name);

/**
 * Name of a module; "" if it has none.
 */
WASM_API_EXTERN const char *wasm_module_get_name(wasm_module_t *module);

/**
 * Whether the binary that a module was made from may be freed: it may, for the module has a copy or needs it no more.
 */
WASM_API_EXTERN
bool wasm_module_is_underlying_binary_freeable(const wasm_module_t *module);

/**
 * Makes a function that calls the host.
 */
WASM_API_EXTERN
wasm_func_t *wasm_func_new(struct wasm_store_t *store,
                           const struct wasm_functype_t *ty,
                           wasm_func_callback_t callback);

/**
 * Makes a function that calls the host with a pointer of its own. `finalizer` is called with it, once, when the last
 * handle on the function is deleted; as in WAMR, also while instances still have the function.
 */
WASM_API_EXTERN
wasm_func_t *wasm_func_new_with_env(struct wasm_store_t *store,
                                    const struct wasm_functype_t *type,
                                    wasm_func_callback_with_env_t callback,
                                    void *env,
                                    void (*finalizer)(void*));

/**
 * The type of a function, for the caller to delete.
 */
WASM_API_EXTERN struct wasm_functype_t *wasm_func_type(const wasm_func_t *func);

/**
 * Number of a function's parameters.
 */
WASM_API_EXTERN size_t wasm_func_param_arity(const wasm_func_t *func);

/**
 * Number of a function's results.
 */
WASM_API_EXTERN size_t wasm_func_result_arity(const wasm_func_t *func);

/**
 * Calls a function, a guest's or one that a guest was given. `results` has room for its results. Returns NULL, or a trap
 * for the caller to delete.
 *
 * Without enough room the function is called all the same, and a trap says so if it returns.
 */
WASM_API_EXTERN
wasm_trap_t *wasm_func_call(const wasm_func_t *func,
                            const wasm_val_vec_t *args,
                            wasm_val_vec_t *results);

/**
 * Makes an object that guests can hold externrefs to. It goes with the store, if it is not deleted before.
 */
WASM_API_EXTERN
wasm_foreign_t *wasm_foreign_new(struct wasm_store_t *store);

/**
 * Makes a global. It can be read and written as soon as an instance has it.
 */
WASM_API_EXTERN
wasm_global_t *wasm_global_new(struct wasm_store_t *store,
                               const struct wasm_globaltype_t *ty,
                               const wasm_val_t *val);

/**
 * The type of a global, for the caller to delete.
 */
WASM_API_EXTERN struct wasm_globaltype_t *wasm_global_type(const wasm_global_t *global);

/**
 * Reads a global. `out` stays as it is if no instance has it yet.
 */
WASM_API_EXTERN void wasm_global_get(const wasm_global_t *global, wasm_val_t *out);

/**
 * Writes a global, if its type allows that and an instance has it.
 */
WASM_API_EXTERN void wasm_global_set(wasm_global_t *global, const wasm_val_t *val);

/**
 * Makes a table whose elements are all `init`, which stays the caller's.
 */
WASM_API_EXTERN
wasm_table_t *wasm_table_new(struct wasm_store_t *store,
                             const struct wasm_tabletype_t *ty,
                             wasm_ref_t *init);

/**
 * The type of a table, for the caller to delete. Its minimum is the present size.
 */
WASM_API_EXTERN struct wasm_tabletype_t *wasm_table_type(const wasm_table_t *table);

/**
 * An element of a table: a new reference to a function, for the caller to delete, or the host's pointer that is there as
 * externref. NULL if it is null or there is no such element.
 */
WASM_API_EXTERN
wasm_ref_t *wasm_table_get(const wasm_table_t *table,
                           wasm_table_size_t index);

/**
 * Sets an element of a table. A reference to a function is taken over; one to an object of the host's stays the caller's.
 * False, with nothing taken over, if there is no such element, or the reference is of another kind or another store.
 */
WASM_API_EXTERN
bool wasm_table_set(wasm_table_t *table,
                    wasm_table_size_t index,
                    wasm_ref_t *reference);

/**
 * Number of elements of a table.
 */
WASM_API_EXTERN wasm_table_size_t wasm_table_size(const wasm_table_t *table);

/**
 * Hosts can't grow tables, as in WAMR: logs a warning and returns false.
 */
WASM_API_EXTERN
bool wasm_table_grow(wasm_table_t *table,
                     wasm_table_size_t delta,
                     wasm_ref_t *init);

/**
 * Makes a memory.
 */
WASM_API_EXTERN
wasm_memory_t *wasm_memory_new(struct wasm_store_t *store,
                               const struct wasm_memorytype_t *ty);

/**
 * The type of a memory, for the caller to delete. Its minimum is the present size.
 */
WASM_API_EXTERN struct wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *memory);

/**
 * The first byte of a memory; it stays where it is when the memory grows.
 */
WASM_API_EXTERN byte_t *wasm_memory_data(wasm_memory_t *memory);

/**
 * Bytes of a memory.
 */
WASM_API_EXTERN size_t wasm_memory_data_size(const wasm_memory_t *memory);

/**
 * Pages of a memory.
 */
WASM_API_EXTERN wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *memory);

/**
 * Hosts can't grow memories, as in WAMR: logs a warning and returns false.
 */
WASM_API_EXTERN bool wasm_memory_grow(wasm_memory_t *memory, wasm_memory_pages_t delta);

/**
 * Kind of something imported or exported. Of NULL it is none: as in WAMR, the number of the value kind externref.
 */
WASM_API_EXTERN
wasm_externkind_t wasm_extern_kind(const wasm_extern_t *handle);

/**
 * Type of something imported or exported, for the caller to delete; NULL for a placeholder.
 */
WASM_API_EXTERN struct wasm_externtype_t *wasm_extern_type(const wasm_extern_t *handle);

/**
 * Makes a placeholder for an import that something else provides: WASI, say, or a native function.
 */
WASM_API_EXTERN
wasm_extern_t *wasm_extern_new_empty(struct wasm_store_t *store,
                                     wasm_externkind_t kind);

/**
 * Instantiates a module, with 32 KiB of operand stack and of app heap.
 */
WASM_API_EXTERN
wasm_instance_t *wasm_instance_new(struct wasm_store_t *store,
                                   const wasm_module_t *module,
                                   const wasm_extern_vec_t *imports,
                                   wasm_trap_t **trap);

/**
 * Instantiates a module, with these many bytes of operand stack and of app heap.
 */
WASM_API_EXTERN
wasm_instance_t *wasm_instance_new_with_args(struct wasm_store_t *store,
                                             const wasm_module_t *module,
                                             const wasm_extern_vec_t *imports,
                                             wasm_trap_t **trap,
                                             uint32_t stack_size,
                                             uint32_t heap_size);

/**
 * Instantiates a module. The first function in `imports` is for the module's first function import, the second for its
 * second, and so on; the same with globals, memories and tables, so that both the order of wasm_module_imports and that of
 * the module's file will do. Placeholders, and what is left out at the end, are left to what is built in or registered.
 * All have to be of this store. On failure returns NULL, with a trap for the caller to delete.
 *
 * The instance lives as long as the host has a handle on it or on what it exports, or another instance, or a table, uses it.
 */
WASM_API_EXTERN
wasm_instance_t *wasm_instance_new_with_args_ex(struct wasm_store_t *store,
                                                const wasm_module_t *module,
                                                const wasm_extern_vec_t *imports,
                                                wasm_trap_t **trap,
                                                const InstantiationArgs *inst_args);

/**
 * What an instance exports, in file order, for the caller to delete.
 */
WASM_API_EXTERN void wasm_instance_exports(const wasm_instance_t *instance, wasm_extern_vec_t *out);

/**
 * Not implemented: how long guest code ran, in ms. Returns -1, as WAMR does where it was built without.
 */
WASM_API_EXTERN
double wasm_instance_sum_wasm_exec_time(const wasm_instance_t *instance);

/**
 * Not implemented: how long a function ran, in ms. Returns -1.
 */
WASM_API_EXTERN
double wasm_instance_get_wasm_func_exec_time(const wasm_instance_t *instance,
                                             const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _WASM_C_API_H_ */

#ifdef __cplusplus
extern "C" {
#endif

static inline bool
wasm_valkind_is_num(wasm_valkind_t k)
{
    return k < WASM_EXTERNREF;
}

static inline bool
wasm_valkind_is_ref(wasm_valkind_t k)
{
    return k >= WASM_EXTERNREF;
}

static inline bool
wasm_valtype_is_num(const wasm_valtype_t *t)
{
    return wasm_valkind_is_num(wasm_valtype_kind(t));
}

static inline bool
wasm_valtype_is_ref(const wasm_valtype_t *t)
{
    return wasm_valkind_is_ref(wasm_valtype_kind(t));
}

static inline own wasm_valtype_t *
wasm_valtype_new_i32(void)
{
    return wasm_valtype_new(WASM_I32);
}

static inline own wasm_valtype_t *
wasm_valtype_new_i64(void)
{
    return wasm_valtype_new(WASM_I64);
}

static inline own wasm_valtype_t *
wasm_valtype_new_f32(void)
{
    return wasm_valtype_new(WASM_F32);
}

static inline own wasm_valtype_t *
wasm_valtype_new_f64(void)
{
    return wasm_valtype_new(WASM_F64);
}

static inline own wasm_valtype_t *
wasm_valtype_new_v128(void)
{
    return wasm_valtype_new(WASM_V128);
}

static inline own wasm_valtype_t *
wasm_valtype_new_anyref(void)
{
    return wasm_valtype_new(WASM_EXTERNREF);
}

static inline own wasm_valtype_t *
wasm_valtype_new_funcref(void)
{
    return wasm_valtype_new(WASM_FUNCREF);
}

/* wasm_functype_new_P_R: a function type of P parameters and R results, which takes their types over. */

static inline own wasm_functype_t *
wasm_functype_new_0_0(void)
{
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_1_0(own wasm_valtype_t *p)
{
    wasm_valtype_t *ps[1] = { p };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 1, ps);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_2_0(own wasm_valtype_t *p1, own wasm_valtype_t *p2)
{
    wasm_valtype_t *ps[2] = { p1, p2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, ps);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_3_0(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3)
{
    wasm_valtype_t *ps[3] = { p1, p2, p3 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 3, ps);
    wasm_valtype_vec_new_empty(&results);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_0_1(own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_1_1(own wasm_valtype_t *p, own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_t *ps[1] = { p };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 1, ps);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_2_1(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_t *ps[2] = { p1, p2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, ps);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_3_1(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3, own wasm_valtype_t *r)
{
    wasm_valtype_t *rs[1] = { r };
    wasm_valtype_t *ps[3] = { p1, p2, p3 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 3, ps);
    wasm_valtype_vec_new(&results, 1, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_0_2(own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_1_2(own wasm_valtype_t *p, own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_t *ps[1] = { p };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 1, ps);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_2_2(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_t *ps[2] = { p1, p2 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 2, ps);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

static inline own wasm_functype_t *
wasm_functype_new_3_2(own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3, own wasm_valtype_t *r1, own wasm_valtype_t *r2)
{
    wasm_valtype_t *rs[2] = { r1, r2 };
    wasm_valtype_t *ps[3] = { p1, p2, p3 };
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 3, ps);
    wasm_valtype_vec_new(&results, 2, rs);
    return wasm_functype_new(&params, &results);
}

/* A host pointer as a value, as wide as a pointer is. */
static inline void
wasm_val_init_ptr(own wasm_val_t *out, void *p)
{
#if UINTPTR_MAX == UINT32_MAX
    out->kind = WASM_I32;
    out->of.i32 = (int32_t)(intptr_t)p;
#else
    out->kind = WASM_I64;
    out->of.i64 = (int64_t)(intptr_t)p;
#endif
}

static inline void *
wasm_val_ptr(const wasm_val_t *val)
{
#if UINTPTR_MAX == UINT32_MAX
    return (void *)(intptr_t)val->of.i32;
#else
    return (void *)(intptr_t)val->of.i64;
#endif
}

/* Initializers. */
#define WASM_EMPTY_VEC { 0, NULL, 0, 0, NULL }
#define WASM_ARRAY_VEC(array) \
    { sizeof(array) / sizeof(*(array)), array, sizeof(array) / sizeof(*(array)), sizeof(*(array)), NULL }

#define WASM_I32_VAL(i) { .kind = WASM_I32, ._paddings = { 0 }, .of = { .i32 = i } }
#define WASM_I64_VAL(i) { .kind = WASM_I64, ._paddings = { 0 }, .of = { .i64 = i } }
#define WASM_F32_VAL(z) { .kind = WASM_F32, ._paddings = { 0 }, .of = { .f32 = z } }
#define WASM_F64_VAL(z) { .kind = WASM_F64, ._paddings = { 0 }, .of = { .f64 = z } }
#define WASM_REF_VAL(r) { .kind = WASM_EXTERNREF, ._paddings = { 0 }, .of = { .ref = r } }
#define WASM_INIT_VAL { .kind = WASM_EXTERNREF, ._paddings = { 0 }, .of = { .ref = NULL } }

#define KILOBYTE(n) ((n) * 1024)

#ifdef __cplusplus
}
#endif
