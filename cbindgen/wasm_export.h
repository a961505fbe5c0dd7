#include <stdint.h>
#include <stdbool.h>
#include "lib_export.h"

#ifndef WASM_RUNTIME_API_EXTERN
#if defined(_MSC_BUILD)
#define WASM_RUNTIME_API_EXTERN __declspec(dllimport)
#elif defined(__GNUC__) || defined(__clang__)
#define WASM_RUNTIME_API_EXTERN __attribute__((visibility("default")))
#else
#define WASM_RUNTIME_API_EXTERN
#endif
#endif

/* Shorthands for native functions, which have a local variable `module_inst`. */
#define get_module_inst(exec_env) wasm_runtime_get_module_inst(exec_env)
#define validate_app_addr(offset, size) wasm_runtime_validate_app_addr(module_inst, offset, size)
#define validate_app_str_addr(offset) wasm_runtime_validate_app_str_addr(module_inst, offset)
#define addr_app_to_native(offset) wasm_runtime_addr_app_to_native(module_inst, offset)
#define addr_native_to_app(ptr) wasm_runtime_addr_native_to_app(module_inst, ptr)
#define module_malloc(size, p_native_addr) wasm_runtime_module_malloc(module_inst, size, p_native_addr)
#define module_free(offset) wasm_runtime_module_free(module_inst, offset)

/* For native functions that take their arguments as an array. */
#define native_raw_return_type(type, args) type *raw_ret = (type *)(args)
#define native_raw_get_arg(type, name, args) type name = *((type *)(args++))
#define native_raw_set_return(val) *raw_ret = (val)

/* What the headers have in common, so that both can be included, in either order. */
#ifndef WASM_MODULE_T_DEFINED
#define WASM_MODULE_T_DEFINED
/* A module. */
struct WASMModuleCommon;
typedef struct WASMModuleCommon *wasm_module_t;
#endif

#ifndef WASM_MEMORY_T_DEFINED
#define WASM_MEMORY_T_DEFINED
/* Type of a linear memory. */
struct WASMMemory;
typedef struct WASMMemory WASMMemoryType;
#endif
typedef WASMMemoryType *wasm_memory_type_t;

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

/* What an allocation is for; told to allocators only if WASM_MEM_ALLOC_WITH_USAGE is set. */
typedef enum { Alloc_For_Runtime, Alloc_For_LinearMemory } mem_alloc_usage_t;

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

#ifndef LOAD_ARGS_OPTION_DEFINED
#define LOAD_ARGS_OPTION_DEFINED
/* Arguments of wasm_runtime_load_ex. Zero it first. */
typedef struct LoadArgs {
    /* Name of the module, or NULL. */
    char *name;
    /* Only for wasm_module_new_ex: keep a copy of the binary. */
    bool clone_wasm_binary;
    /* The caller wants to free the buffer after loading. */
    bool wasm_binary_freeable;
    /* Leave imports unlinked until wasm_runtime_resolve_symbols. */
    bool no_resolve;
} LoadArgs;
#endif

#ifndef INSTANTIATION_ARGS_OPTION_DEFINED
#define INSTANTIATION_ARGS_OPTION_DEFINED
/* Arguments of wasm_runtime_instantiate_ex. Zero it first. */
typedef struct InstantiationArgs {
    /* Bytes of operand stack of the instance's own exec env; 0 for the default. */
    uint32_t default_stack_size;
    /* Bytes of heap put into linear memory for wasm_runtime_module_malloc; 0 for none. */
    uint32_t host_managed_heap_size;
    /* Most pages memory may grow to; 0 to keep the module's own limit. */
    uint32_t max_memory_pages;
} InstantiationArgs;
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
        /* Also the index of a function, for WASM_FUNCREF. */
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        /* Pointer of the host's, for WASM_EXTERNREF. */
        uintptr_t foreign;
        struct wasm_ref_t *ref;
    } of;
} wasm_val_t;
#endif

/* What an import or export is. Not the numbers that wasm_c_api.h has. */
typedef enum {
    WASM_IMPORT_EXPORT_KIND_FUNC,
    WASM_IMPORT_EXPORT_KIND_TABLE,
    WASM_IMPORT_EXPORT_KIND_MEMORY,
    WASM_IMPORT_EXPORT_KIND_GLOBAL
} wasm_import_export_kind_t;

struct WASMFuncType;
typedef struct WASMFuncType *wasm_func_type_t;
struct WASMTableType;
typedef struct WASMTableType *wasm_table_type_t;
struct WASMGlobalType;
typedef struct WASMGlobalType *wasm_global_type_t;

/* An import of a module; `kind` says what member of `u` counts. Strings belong to the module. */
typedef struct wasm_import_t {
    const char *module_name;
    const char *name;
    wasm_import_export_kind_t kind;
    /* Whether something to link it to is known. */
    bool linked;
    union {
        wasm_func_type_t func_type;
        wasm_table_type_t table_type;
        wasm_global_type_t global_type;
        wasm_memory_type_t memory_type;
    } u;
} wasm_import_t;

/* An export of a module; `kind` says what member of `u` counts. The name belongs to the module. */
typedef struct wasm_export_t {
    const char *name;
    wasm_import_export_kind_t kind;
    union {
        wasm_func_type_t func_type;
        wasm_table_type_t table_type;
        wasm_global_type_t global_type;
        wasm_memory_type_t memory_type;
    } u;
} wasm_export_t;

/* A thread started by wasm_runtime_spawn_thread. */
typedef uintptr_t wasm_thread_t;

struct WASMModuleInstanceCommon;
typedef struct WASMModuleInstanceCommon *wasm_module_inst_t;
struct WASMMemoryInstance;
typedef struct WASMMemoryInstance *wasm_memory_inst_t;
struct WASMExecEnv;
typedef struct WASMExecEnv *wasm_exec_env_t;
struct WASMSharedHeap;
typedef struct WASMSharedHeap *wasm_shared_heap_t;
struct InstantiationArgs2;

typedef void WASMFunctionInstanceCommon;
typedef WASMFunctionInstanceCommon *wasm_function_inst_t;
