/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _WASM_EXPORT_H
#define _WASM_EXPORT_H

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

/**
 * How code is executed.
 */
typedef enum RunningMode {
    /**
     * Interpreter.
     */
    Mode_Interp = 1,
    /**
     * Fast JIT.
     */
    Mode_Fast_JIT = 2,
    /**
     * LLVM JIT.
     */
    Mode_LLVM_JIT = 3,
    /**
     * Fast JIT first, LLVM JIT when ready.
     */
    Mode_Multi_Tier_JIT = 4,
} RunningMode;

/**
 * How much is logged: a message appears when its level is at most the one set.
 */
typedef enum log_level_t {
    /**
     * Only what ends the process.
     */
    WASM_LOG_LEVEL_FATAL = 0,
    /**
     * And errors.
     */
    WASM_LOG_LEVEL_ERROR = 1,
    /**
     * And warnings (the default).
     */
    WASM_LOG_LEVEL_WARNING = 2,
    /**
     * And notes for debugging.
     */
    WASM_LOG_LEVEL_DEBUG = 3,
    /**
     * And everything else.
     */
    WASM_LOG_LEVEL_VERBOSE = 4,
} log_level_t;

/**
 * What kind of file a buffer holds.
 */
typedef enum package_type_t {
    /**
     * WebAssembly binary format.
     */
    Wasm_Module_Bytecode = 0,
    /**
     * Compiled ahead of time.
     */
    Wasm_Module_AoT = 1,
    /**
     * Neither.
     */
    Package_Type_Unknown = 65535,
} package_type_t;

/**
 * Why a linear memory could not grow.
 */
typedef enum enlarge_memory_error_reason_t {
    /**
     * The system refused.
     */
    INTERNAL_ERROR,
    /**
     * The memory's own limit.
     */
    MAX_SIZE_REACHED,
} enlarge_memory_error_reason_t;

/**
 * Arguments of wasm_runtime_full_init. Zero it first; zero means the default for every field but `mem_alloc_type`.
 */
typedef struct RuntimeInitArgs {
    /**
     * Allocator.
     */
    mem_alloc_type_t mem_alloc_type;
    /**
     * Its arguments.
     */
    MemAllocOption mem_alloc_option;
    /**
     * Module name of `native_symbols`.
     */
    const char *native_module_name;
    /**
     * Native functions to register.
     */
    NativeSymbol *native_symbols;
    /**
     * How many.
     */
    uint32_t n_native_symbols;
    /**
     * Most threads in a cluster.
     */
    uint32_t max_thread_num;
    /**
     * Address for the debug server, empty for none.
     */
    char ip_addr[128];
    /**
     * Not used.
     */
    int unused;
    /**
     * Port for the debug server.
     */
    int instance_port;
    /**
     * Bytes of the Fast JIT's code cache.
     */
    uint32_t fast_jit_code_cache_size;
    /**
     * Bytes of each instance's heap of garbage-collected objects.
     */
    uint32_t gc_heap_size;
    /**
     * Default running mode.
     */
    enum RunningMode running_mode;
    /**
     * LLVM JIT optimization level.
     */
    uint32_t llvm_jit_opt_level;
    /**
     * LLVM JIT size level.
     */
    uint32_t llvm_jit_size_level;
    /**
     * LLVM JIT segue flags.
     */
    uint32_t segue_flags;
    /**
     * Write a map for perf(1).
     */
    bool enable_linux_perf;
} RuntimeInitArgs;

/**
 * State of the pool allocator, in bytes.
 */
typedef struct mem_alloc_info_t {
    /**
     * Size of the pool.
     */
    uint32_t total_size;
    /**
     * Bytes not in use.
     */
    uint32_t total_free_size;
    /**
     * Most bytes that were in use at one time.
     */
    uint32_t highmark_size;
} mem_alloc_info_t;

/**
 * A section of a module, for wasm_runtime_load_from_sections.
 */
typedef struct wasm_section_t {
    /**
     * Next section, or NULL.
     */
    struct wasm_section_t *next;
    /**
     * Section id.
     */
    int section_type;
    /**
     * Content, without id and size.
     */
    uint8_t *section_body;
    /**
     * Bytes of content.
     */
    uint32_t section_body_size;
} wasm_section_t;

/**
 * A linked list of sections.
 */
typedef struct wasm_section_t *wasm_section_list_t;

/**
 * Body of a thread started by wasm_runtime_spawn_thread.
 */
typedef void *(*wasm_thread_callback_t)(wasm_exec_env_t exec_env, void *arg);

/**
 * Told of each failed `memory.grow` and wasm_runtime_enlarge_memory.
 */
typedef void (*enlarge_memory_error_callback_t)(uint32_t inc_page_count,
                                                uint64_t current_memory_size,
                                                uint32_t memory_index,
                                                enum enlarge_memory_error_reason_t failure_reason,
                                                wasm_module_inst_t instance,
                                                wasm_exec_env_t exec_env,
                                                void *user_data);

/**
 * Where an exported global lives.
 */
typedef struct wasm_global_inst_t {
    /**
     * Kind of its value.
     */
    wasm_valkind_t kind;
    /**
     * Whether it may be written.
     */
    bool is_mutable;
    /**
     * The live value: 4, 8 or 16 bytes. A v128 is two uint64_t, the one with lane 0 first.
     */
    void *global_data;
} wasm_global_inst_t;

/**
 * An exported table.
 */
typedef struct wasm_table_inst_t {
    /**
     * Kind of its elements.
     */
    wasm_valkind_t elem_kind;
    /**
     * Number of elements when it was asked for.
     */
    uint32_t cur_size;
    /**
     * Most elements it can have.
     */
    uint32_t max_size;
    /**
     * Internal.
     */
    void *elems;
} wasm_table_inst_t;

/**
 * Finds the bytes of a module that another one imports from.
 */
typedef bool (*module_reader)(enum package_type_t module_type,
                              const char *module_name,
                              uint8_t **p_buffer,
                              uint32_t *p_size);

/**
 * Frees what a `module_reader` found.
 */
typedef void (*module_destroyer)(uint8_t *buffer, uint32_t size);

/**
 * One frame of a call stack.
 */
typedef struct wasm_frame_t {
    /**
     * Instance the function belongs to.
     */
    void *instance;
    /**
     * Always 0.
     */
    uint32_t module_offset;
    /**
     * Index of the function.
     */
    uint32_t func_index;
    /**
     * Offset of the instruction.
     */
    uint32_t func_offset;
    /**
     * Name of the function, if known.
     */
    const char *func_name_wp;
    /**
     * Not used.
     */
    uint32_t *sp;
    /**
     * Not used.
     */
    uint8_t *frame_ref;
    /**
     * Not used.
     */
    uint32_t *lp;
} wasm_frame_t;

/**
 * One frame of a call stack.
 */
typedef struct wasm_frame_t WASMCApiFrame;

/**
 * Arguments of wasm_runtime_create_shared_heap.
 */
typedef struct SharedHeapInitArgs {
    /**
     * Bytes.
     */
    uint32_t size;
    /**
     * The host's own buffer, or NULL.
     */
    void *pre_allocated_addr;
} SharedHeapInitArgs;

/**
 * A section of a module.
 */
typedef struct wasm_section_t aot_section_t;

/**
 * A linked list of sections.
 */
typedef struct wasm_section_t *aot_section_list_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Starts the runtime with malloc as allocator and no native functions.
 *
 * Initializations are counted: while the runtime is initialized, further calls return true and change nothing. Each
 * needs its own wasm_runtime_destroy.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_init(void);

/**
 * Starts the runtime. While it is initialized, further calls return true and ignore their arguments.
 *
 * `init_args` is NULL or valid, zeroed before its fields were set, and the pool, allocator functions and native
 * symbols it names stay valid until wasm_runtime_destroy.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_full_init(struct RuntimeInitArgs *init_args);

/**
 * Undoes one initialization; the last one tears the runtime down.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_destroy(void);

/**
 * Whether a running mode is supported; 0, the default mode, always is.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_is_running_mode_supported(enum RunningMode running_mode);

/**
 * Sets the running mode of instances made from now on. False, with nothing changed, if it is not supported.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_set_default_running_mode(enum RunningMode running_mode);

/**
 * Reports the version of the interface: 2.4.3.
 *
 * Each pointer is NULL or may be written.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_get_version(uint32_t *major,
                              uint32_t *minor,
                              uint32_t *patch);

/**
 * Sets the process-wide log level.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_set_log_level(enum log_level_t level);

/**
 * Allocates `size` bytes with the allocator chosen at initialization. Size 0 gives one byte, with a warning.
 *
 * Returns NULL before initialization or when there is not enough memory.
 */
WASM_RUNTIME_API_EXTERN
void *wasm_runtime_malloc(unsigned int size);

/**
 * Allocates `size` bytes, a multiple of `alignment`, which is a power of two from 8 to the page size. Only in pool
 * mode; otherwise logs an error and returns NULL. The result can be freed, not reallocated.
 */
WASM_RUNTIME_API_EXTERN
void *wasm_runtime_aligned_alloc(unsigned int size,
                                 unsigned int alignment);

/**
 * Resizes a block, keeping its content; it may move. NULL allocates. Returns NULL on failure, and always if the
 * host's own allocator has no realloc function; the old block is still there then.
 *
 * `ptr` is NULL or a live block of this API.
 */
WASM_RUNTIME_API_EXTERN
void *wasm_runtime_realloc(void *ptr,
                           unsigned int size);

/**
 * Frees a block. NULL does nothing but log a warning.
 *
 * `ptr` is NULL or a live block of this API.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_free(void *ptr);

/**
 * Reports how full the pool is. False, with nothing written, in any mode but pool mode.
 *
 * `mem_alloc_info` is NULL or may be written.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_get_mem_alloc_info(struct mem_alloc_info_t *mem_alloc_info);

/**
 * Kind of file in a buffer, by its first four bytes.
 *
 * `buf` is NULL or has `size` bytes.
 */
WASM_RUNTIME_API_EXTERN enum package_type_t get_package_type(const uint8_t *buf, uint32_t size);

/**
 * Kind of file in a buffer, by its first four bytes.
 *
 * `buf` is NULL or has `size` bytes.
 */
WASM_RUNTIME_API_EXTERN
enum package_type_t wasm_runtime_get_file_package_type(const uint8_t *buf,
                                                       uint32_t size);

/**
 * Version in bytes 4 to 7 of a file, or 0 if it is shorter than that. The magic number is not looked at.
 *
 * `buf` is NULL or has `size` bytes.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_get_file_package_version(const uint8_t *buf,
                                               uint32_t size);

/**
 * Version of a kind of file that is current: 1 for WebAssembly, 0 for what is unknown. That of AOT files is not WAMR's,
 * whose files hold WAMR's own structure offsets and are refused.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_get_current_package_version(enum package_type_t package_type);

/**
 * Whether a file is an AOT file whose code runs where it lies, without relocation: some of WAMR's are, none of ours.
 *
 * `buf` is NULL or has `size` bytes.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_is_xip_file(const uint8_t *buf,
                              uint32_t size);

/**
 * Loads a module: wasm_runtime_load_ex without options.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_t wasm_runtime_load(uint8_t *buf,
                                uint32_t size,
                                char *error_buf,
                                uint32_t error_buf_size);

/**
 * Loads a module from a WebAssembly binary or an `.aot` file of this runtime's. Function imports are linked to the native functions registered by now;
 * those that can't be are linked later (wasm_runtime_resolve_symbols), or trap when called.
 *
 * The buffer is copied. Hosts should still treat it as WAMR's documentation says: it belongs to the module until that
 * is unloaded, unless `wasm_binary_freeable` was set. Returns NULL on failure, with the reason in `error_buf`.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_t wasm_runtime_load_ex(uint8_t *buf,
                                   uint32_t size,
                                   const LoadArgs *args,
                                   char *error_buf,
                                   uint32_t error_buf_size);

/**
 * Loads a module from its sections, which come without the file's header.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_t wasm_runtime_load_from_sections(wasm_section_list_t section_list,
                                              bool is_aot,
                                              char *error_buf,
                                              uint32_t error_buf_size);

/**
 * Tries again to link the function imports that are not linked. False if any is left.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_resolve_symbols(wasm_module_t module);

/**
 * Unloads a module. Its instances must be gone.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_unload(wasm_module_t module);

/**
 * Whether the buffer that a module was loaded from may be freed while the module is in use: if that was asked for.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_is_underlying_binary_freeable(wasm_module_t module);

/**
 * Names a module. The string is copied. Returns false on failure, with the reason in `error_buf`.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_set_module_name(wasm_module_t module,
                                  const char *name,
                                  char *error_buf,
                                  uint32_t error_buf_size);

/**
 * Name of a module; "" if it has none. The string is valid until the module is renamed or unloaded.
 */
WASM_RUNTIME_API_EXTERN const char *wasm_runtime_get_module_name(wasm_module_t module);

/**
 * Kind of file a module was loaded from.
 */
WASM_RUNTIME_API_EXTERN
enum package_type_t wasm_runtime_get_module_package_type(wasm_module_t module);

/**
 * Version of the file a module was loaded from; 0 for NULL.
 */
WASM_RUNTIME_API_EXTERN uint32_t wasm_runtime_get_module_package_version(wasm_module_t module);

/**
 * Content, without the name, of the first custom section called `name`; NULL if there is none. It belongs to the
 * module.
 */
WASM_RUNTIME_API_EXTERN
const uint8_t *wasm_runtime_get_custom_section(wasm_module_t module_comm,
                                               const char *name,
                                               uint32_t *len);

/**
 * Sets what instances of a module made from now on find: preopened directories (`dir_list`; and `map_dir_list`, each
 * `GUEST::HOST`), environment (`KEY=VALUE`), arguments, and descriptors for the standard streams (-1 for the process's
 * own). They stay the host's: the library never closes them, and the host may not while an instance uses them.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_wasi_args_ex(wasm_module_t module,
                                   const char **dir_list,
                                   uint32_t dir_count,
                                   const char **map_dir_list,
                                   uint32_t map_dir_count,
                                   const char **env,
                                   uint32_t env_count,
                                   char **argv,
                                   int argc,
                                   int64_t stdinfd,
                                   int64_t stdoutfd,
                                   int64_t stderrfd);

/**
 * wasm_runtime_set_wasi_args_ex with the process's own standard streams.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_wasi_args(wasm_module_t module,
                                const char **dir_list,
                                uint32_t dir_count,
                                const char **map_dir_list,
                                uint32_t map_dir_count,
                                const char **env,
                                uint32_t env_count,
                                char **argv,
                                int argc);

/**
 * Sets the addresses (`ADDRESS/MASK`) that instances of a module may use. `0.0.0.0` and `::` stand for all of their kind,
 * whatever the mask.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_wasi_addr_pool(wasm_module_t module,
                                     const char **addr_pool,
                                     uint32_t addr_pool_size);

/**
 * Sets the host names that instances of a module may resolve: exact, or `*suffix`.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_wasi_ns_lookup_pool(wasm_module_t module,
                                          const char **ns_lookup_pool,
                                          uint32_t ns_lookup_pool_size);

/**
 * Sets the guest's arguments.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_wasi_arg(struct InstantiationArgs2 *p,
                                                  char **argv,
                                                  int argc);

/**
 * Sets the guest's environment: `KEY=VALUE`.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_wasi_env(struct InstantiationArgs2 *p,
                                                  const char **env,
                                                  uint32_t env_count);

/**
 * Sets the preopened directories: under their own names, and as `GUEST::HOST`.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_wasi_dir(struct InstantiationArgs2 *p,
                                                  const char **dir_list,
                                                  uint32_t dir_count,
                                                  const char **map_dir_list,
                                                  uint32_t map_dir_count);

/**
 * Sets descriptors for the standard streams, -1 for the process's own. They stay the host's: the library never closes
 * them, and the host may not while an instance uses them.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_wasi_stdio(struct InstantiationArgs2 *p,
                                                    int64_t stdinfd,
                                                    int64_t stdoutfd,
                                                    int64_t stderrfd);

/**
 * Sets the addresses (`ADDRESS/MASK`) that the guest may use. `0.0.0.0` and `::` stand for all of their kind, whatever
 * the mask.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_wasi_addr_pool(struct InstantiationArgs2 *p,
                                                        const char **addr_pool,
                                                        uint32_t addr_pool_size);

/**
 * Sets the host names that the guest may resolve: exact, or `*suffix`.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_wasi_ns_lookup_pool(struct InstantiationArgs2 *p,
                                                             const char **ns_lookup_pool,
                                                             uint32_t ns_lookup_pool_size);

/**
 * Whether the module of an instance imports anything of WASI.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_is_wasi_mode(wasm_module_inst_t module_inst);

/**
 * The exported function `_start`, if it takes and returns nothing; otherwise NULL.
 */
WASM_RUNTIME_API_EXTERN
wasm_function_inst_t wasm_runtime_lookup_wasi_start_function(wasm_module_inst_t module_inst);

/**
 * The status that the guest gave to `proc_exit`; 0 if it did not. Waits for threads that the guest has started, which may do so.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_get_wasi_exit_code(wasm_module_inst_t module_inst);

/**
 * Instantiates a module and runs its start functions. `default_stack_size` is for the instance's own exec env;
 * `host_managed_heap_size` is the size of the app heap, which is put into linear memory unless the module exports
 * `malloc` and `free`. Returns NULL on failure, with the reason in `error_buf`.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_inst_t wasm_runtime_instantiate(wasm_module_t module,
                                            uint32_t default_stack_size,
                                            uint32_t host_managed_heap_size,
                                            char *error_buf,
                                            uint32_t error_buf_size);

/**
 * Instantiates a module, with a limit on its memory.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_inst_t wasm_runtime_instantiate_ex(wasm_module_t module,
                                               const InstantiationArgs *args,
                                               char *error_buf,
                                               uint32_t error_buf_size);

/**
 * Makes a set of arguments for wasm_runtime_instantiate_ex2. False on failure.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_instantiation_args_create(struct InstantiationArgs2 **p);

/**
 * Frees what wasm_runtime_instantiation_args_create made.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_instantiation_args_destroy(struct InstantiationArgs2 *p);

/**
 * Sets the bytes of operand stack of the instance's own exec env.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_default_stack_size(struct InstantiationArgs2 *p,
                                                            uint32_t v);

/**
 * Sets the bytes of app heap.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_host_managed_heap_size(struct InstantiationArgs2 *p,
                                                                uint32_t v);

/**
 * Sets how many pages memory may have at most.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_max_memory_pages(struct InstantiationArgs2 *p,
                                                          uint32_t v);

/**
 * Sets the instance's custom data before its start functions run.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_instantiation_args_set_custom_data(struct InstantiationArgs2 *p,
                                                     void *custom_data);

/**
 * Instantiates a module with these arguments, which can be used again.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_inst_t wasm_runtime_instantiate_ex2(wasm_module_t module,
                                                const struct InstantiationArgs2 *args,
                                                char *error_buf,
                                                uint32_t error_buf_size);

/**
 * Ends an instance: its exec env goes, context destructors and cleanups of its host objects run, memory is freed.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_deinstantiate(wasm_module_inst_t module_inst);

/**
 * The module of an instance.
 */
WASM_RUNTIME_API_EXTERN wasm_module_t wasm_runtime_get_module(wasm_module_inst_t module_inst);

/**
 * Sets how an instance is run: as it is, that is; false for other modes. An instance is made for a mode: the default one
 * at that time, or that of its `.aot` file, for which any other is accepted without effect.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_set_running_mode(wasm_module_inst_t module_inst,
                                   enum RunningMode running_mode);

/**
 * How an instance is run; 0 for one of an `.aot` file.
 */
WASM_RUNTIME_API_EXTERN
enum RunningMode wasm_runtime_get_running_mode(wasm_module_inst_t module_inst);

/**
 * Keeps a pointer of the host's with an instance.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_custom_data(wasm_module_inst_t module_inst,
                                  void *custom_data);

/**
 * The pointer kept by wasm_runtime_set_custom_data; NULL at first.
 */
WASM_RUNTIME_API_EXTERN void *wasm_runtime_get_custom_data(wasm_module_inst_t module_inst);

/**
 * Number of imports of a module; -1 for NULL.
 */
WASM_RUNTIME_API_EXTERN int32_t wasm_runtime_get_import_count(wasm_module_t module);

/**
 * Describes an import: functions come first, then tables, memories and globals (of an `.aot` file: globals, tables, memories),
 * each in file order. `linked` says whether something to link a function or global to is known.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_get_import_type(wasm_module_t module,
                                  int32_t import_index,
                                  wasm_import_t *import_type);

/**
 * Number of exports of a module; -1 for NULL.
 */
WASM_RUNTIME_API_EXTERN int32_t wasm_runtime_get_export_count(wasm_module_t module);

/**
 * Describes an export, in file order.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_get_export_type(wasm_module_t module,
                                  int32_t export_index,
                                  wasm_export_t *export_type);

/**
 * Number of parameters of a function type.
 */
WASM_RUNTIME_API_EXTERN uint32_t wasm_func_type_get_param_count(wasm_func_type_t func_type);

/**
 * Kind of a parameter of a function type; 0xFF if there is no such parameter.
 */
WASM_RUNTIME_API_EXTERN
wasm_valkind_t wasm_func_type_get_param_valkind(wasm_func_type_t func_type,
                                                uint32_t param_index);

/**
 * Number of results of a function type.
 */
WASM_RUNTIME_API_EXTERN uint32_t wasm_func_type_get_result_count(wasm_func_type_t func_type);

/**
 * Kind of a result of a function type; 0xFF if there is no such result.
 */
WASM_RUNTIME_API_EXTERN
wasm_valkind_t wasm_func_type_get_result_valkind(wasm_func_type_t func_type,
                                                 uint32_t result_index);

/**
 * Kind of the value of a global type.
 */
WASM_RUNTIME_API_EXTERN wasm_valkind_t wasm_global_type_get_valkind(wasm_global_type_t global_type);

/**
 * Whether a global of this type may be written.
 */
WASM_RUNTIME_API_EXTERN bool wasm_global_type_get_mutable(wasm_global_type_t global_type);

/**
 * Whether a memory of this type is shared between threads.
 */
WASM_RUNTIME_API_EXTERN bool wasm_memory_type_get_shared(wasm_memory_type_t memory_type);

/**
 * Initial size in pages.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_memory_type_get_init_page_count(wasm_memory_type_t memory_type);

/**
 * Largest size in pages; 65536 if none is declared.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_memory_type_get_max_page_count(wasm_memory_type_t memory_type);

/**
 * Kind of the elements of a table type.
 */
WASM_RUNTIME_API_EXTERN wasm_valkind_t wasm_table_type_get_elem_kind(wasm_table_type_t table_type);

/**
 * Whether a table is shared between threads: never.
 */
WASM_RUNTIME_API_EXTERN bool wasm_table_type_get_shared(wasm_table_type_t table_type);

/**
 * Initial number of elements.
 */
WASM_RUNTIME_API_EXTERN uint32_t wasm_table_type_get_init_size(wasm_table_type_t table_type);

/**
 * Most elements; if no maximum is declared, 1024 or twice the initial number, whichever is more.
 */
WASM_RUNTIME_API_EXTERN uint32_t wasm_table_type_get_max_size(wasm_table_type_t table_type);

/**
 * Number of parameters of a function.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_func_get_param_count(wasm_function_inst_t func_inst,
                                   wasm_module_inst_t module_inst);

/**
 * Number of results of a function.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_func_get_result_count(wasm_function_inst_t func_inst,
                                    wasm_module_inst_t module_inst);

/**
 * Kinds of a function's parameters; the array has room for all.
 */
WASM_RUNTIME_API_EXTERN
void wasm_func_get_param_types(wasm_function_inst_t func_inst,
                               wasm_module_inst_t module_inst,
                               wasm_valkind_t *param_types);

/**
 * Kinds of a function's results; the array has room for all.
 */
WASM_RUNTIME_API_EXTERN
void wasm_func_get_result_types(wasm_function_inst_t func_inst,
                                wasm_module_inst_t module_inst,
                                wasm_valkind_t *result_types);

/**
 * An exported function of an instance; NULL if there is none of this name.
 */
WASM_RUNTIME_API_EXTERN
wasm_function_inst_t wasm_runtime_lookup_function(wasm_module_inst_t module_inst,
                                                  const char *name);

/**
 * Makes an exec env for an instance, with at least `stack_size` bytes of operand stack. Only one may run on a thread
 * at a time. Returns NULL on failure.
 */
WASM_RUNTIME_API_EXTERN
wasm_exec_env_t wasm_runtime_create_exec_env(wasm_module_inst_t module_inst,
                                             uint32_t stack_size);

/**
 * Destroys an exec env that wasm_runtime_create_exec_env made.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_destroy_exec_env(wasm_exec_env_t exec_env);

/**
 * The exec env that belongs to an instance, made when first asked for, with the stack size given at instantiation. It
 * is destroyed with the instance, not by the host.
 */
WASM_RUNTIME_API_EXTERN
wasm_exec_env_t wasm_runtime_get_exec_env_singleton(wasm_module_inst_t module_inst);

/**
 * Allows the calling thread to call Wasm. The thread that initialized the runtime already may.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_init_thread_env(void);

/**
 * Undoes wasm_runtime_init_thread_env.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_destroy_thread_env(void);

/**
 * Whether the calling thread may call Wasm.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_thread_env_inited(void);

/**
 * The instance an exec env runs.
 */
WASM_RUNTIME_API_EXTERN wasm_module_inst_t wasm_runtime_get_module_inst(wasm_exec_env_t exec_env);

/**
 * Makes an exec env run another instance for a while; the caller puts the old one back. Calls into it fail while guest code
 * of the old one is running in the exec env.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_module_inst(wasm_exec_env_t exec_env,
                                  wasm_module_inst_t module_inst);

/**
 * Keeps a pointer of the host's with an exec env.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_set_user_data(wasm_exec_env_t exec_env, void *user_data);

/**
 * The pointer kept by wasm_runtime_set_user_data; NULL at first.
 */
WASM_RUNTIME_API_EXTERN void *wasm_runtime_get_user_data(wasm_exec_env_t exec_env);

/**
 * Says where the native stack ends (its lowest address) that this exec env is called on from now on: for fibers and the like.
 * From there three pages are left alone; if more has to be, the host says an address above the end. NULL: find out again. That
 * is a thread's own stack, or the mapping that the stack pointer is in, if it may be a stack (private, at most 64 MiB, with nothing
 * or a guard below); of any other, calls fail with `native stack overflow`. It has to be said of stacks that are not apart from
 * each other, or from something else, in memory: else overflow would not be found.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_native_stack_boundary(wasm_exec_env_t exec_env,
                                            uint8_t *native_stack_boundary);

/**
 * Checks that there is native stack left: as much as a call of the guest needs (15,360 bytes). If not, sets the exception
 * `native stack overflow` and returns false. True when the end of the stack is not known: no guest code is running in this exec
 * env, or it was never said, and cannot be found out.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_detect_native_stack_overflow(wasm_exec_env_t exec_env);

/**
 * Checks that `required_size` bytes of native stack are left. If not, sets the exception `native stack overflow` and
 * returns false.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_detect_native_stack_overflow_size(wasm_exec_env_t exec_env,
                                                    uint32_t required_size);

/**
 * Sets how many threads a program may have at a time, beside the one that the host calls; 4 if it is not set. 0 changes nothing.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_max_thread_num(uint32_t num);

/**
 * Makes an exec env in which another thread of the host's can run the same guest: with an instance of its own over the same shared
 * memories, the same custom data and contexts. NULL if the guest has as many threads as it may, or an exception.
 */
WASM_RUNTIME_API_EXTERN
wasm_exec_env_t wasm_runtime_spawn_exec_env(wasm_exec_env_t exec_env);

/**
 * Destroys what wasm_runtime_spawn_exec_env made, with its instance.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_destroy_spawned_exec_env(wasm_exec_env_t exec_env);

/**
 * Starts a thread that calls `callback` with an exec env of its own, as wasm_runtime_spawn_exec_env makes it, and `arg`. The exec env
 * goes when that returns. 0 and the thread in `tid`, or -1.
 */
WASM_RUNTIME_API_EXTERN
int32_t wasm_runtime_spawn_thread(wasm_exec_env_t exec_env,
                                  wasm_thread_t *tid,
                                  wasm_thread_callback_t callback,
                                  void *arg);

/**
 * Waits for a thread that wasm_runtime_spawn_thread has started, once, and puts what its function returned where `retval` points, which may be
 * NULL. 0, or ESRCH for one that is not known.
 */
WASM_RUNTIME_API_EXTERN
int32_t wasm_runtime_join_thread(wasm_thread_t tid,
                                 void **retval);

/**
 * Tells the runtime that a native function is about to wait in a system call that signals interrupt. When the instance
 * is terminated meanwhile, the call ends with EINTR. False if the instance is being terminated already: don't wait.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_begin_blocking_op(wasm_exec_env_t exec_env);

/**
 * Tells the runtime that the wait is over. `errno` stays as it is.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_end_blocking_op(wasm_exec_env_t exec_env);

/**
 * Calls a function. `argv` holds the arguments in 32-bit cells, and afterwards the results: i32, f32 and funcref (as
 * function index) take one cell, i64 and f64 two, v128 four (its bytes as they are in the program's memory), externref
 * (as host pointer) two. It must have room for both; `argc` is the number of argument cells.
 *
 * Returns false if the call failed; wasm_runtime_get_exception says why.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_call_wasm(wasm_exec_env_t exec_env,
                            wasm_function_inst_t function,
                            uint32_t argc,
                            uint32_t *argv);

/**
 * Calls a function with arguments and results as arrays of values. Their numbers must be those of the function's type:
 * if not, an error is logged and false returned, without an exception. Vectors can't be passed this way.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_call_wasm_a(wasm_exec_env_t exec_env,
                              wasm_function_inst_t function,
                              uint32_t num_results,
                              wasm_val_t *results,
                              uint32_t num_args,
                              wasm_val_t *args);

/**
 * Calls the function that is element `element_index` of table 0, with arguments as for wasm_runtime_call_wasm. Here too few
 * of them, by `argc`, are an exception.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_call_indirect(wasm_exec_env_t exec_env,
                                uint32_t element_index,
                                uint32_t argc,
                                uint32_t *argv);

/**
 * Runs a program: `_start` if it is exported, else `main` under one of its names, with the arguments copied into linear
 * memory and its result put where `argv` points. A program that ends itself with `proc_exit` succeeds; see
 * wasm_runtime_get_wasi_exit_code. Returns false if there is an exception afterwards.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_application_execute_main(wasm_module_inst_t module_inst,
                                   int32_t argc,
                                   char **argv);

/**
 * Runs an exported function with arguments given as text, and prints its results on stdout. Returns false if there is
 * an exception afterwards. A previous exception is cleared first.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_application_execute_func(wasm_module_inst_t module_inst,
                                   const char *name,
                                   int32_t argc,
                                   char **argv);

/**
 * The exception of an instance, as `Exception: <text>`; NULL if there is none. The string belongs to the instance and
 * changes with the next exception.
 */
WASM_RUNTIME_API_EXTERN
const char *wasm_runtime_get_exception(wasm_module_inst_t module_inst);

/**
 * Sets the exception of an instance, without the prefix; a native function that does so fails. NULL clears it. At most
 * 127 characters are kept, prefix included.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_exception(wasm_module_inst_t module_inst,
                                const char *exception);

/**
 * Removes the exception of an instance, so that it can be called again.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_clear_exception(wasm_module_inst_t module_inst);

/**
 * Stops an instance, from any thread: running code ends with the exception `terminated by user`, and so does every
 * later call until the exception is cleared.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_terminate(wasm_module_inst_t module_inst);

/**
 * Registers native functions for imports from `module_name`. Later registrations win over earlier ones; modules that
 * are already loaded are not linked again.
 *
 * The string and the array, with all it points to, belong to the runtime from now on, until they are unregistered or
 * the runtime is destroyed: they stay valid, and the array is sorted in place.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_register_natives(const char *module_name,
                                   NativeSymbol *native_symbols,
                                   uint32_t n_native_symbols);

/**
 * Registers native functions that take their arguments as an array of 64-bit cells and put the result into the first.
 *
 * As for wasm_runtime_register_natives.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_register_natives_raw(const char *module_name,
                                       NativeSymbol *native_symbols,
                                       uint32_t n_native_symbols);

/**
 * Takes a registration back. False if there is none of this module name with this array.
 *
 * `module_name` is NULL or a string.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_unregister_natives(const char *module_name,
                                     NativeSymbol *native_symbols);

/**
 * Whether a native function of this name is registered, or built in. Its signature is not looked at.
 *
 * Both are NULL or strings.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_is_import_func_linked(const char *module_name,
                                        const char *func_name);

/**
 * Whether a global of this name is built in.
 *
 * Both are NULL or strings.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_is_import_global_linked(const char *module_name,
                                          const char *global_name);

/**
 * The attachment of the native function that is running, as it was registered. NULL when none is running, and after
 * that function has called back into Wasm code that called another native.
 *
 * `exec_env` is NULL or a live exec env.
 */
WASM_RUNTIME_API_EXTERN
void *wasm_runtime_get_function_attachment(wasm_exec_env_t exec_env);

/**
 * Allocates `size` bytes in linear memory: from the app heap, or by calling the guest's `malloc`. Returns the address,
 * and where it is natively; 0 if there is no room.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wasm_runtime_module_malloc(wasm_module_inst_t module_inst,
                                    uint64_t size,
                                    void **p_native_addr);

/**
 * Frees what wasm_runtime_module_malloc allocated. 0 is ignored.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_module_free(wasm_module_inst_t module_inst, uint64_t ptr);

/**
 * Allocates in linear memory as wasm_runtime_module_malloc does and copies `size` bytes there.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wasm_runtime_module_dup_data(wasm_module_inst_t module_inst,
                                      const char *src,
                                      uint64_t size);

/**
 * Whether `size` bytes at a guest address are inside memory 0. If not, sets `out of bounds memory access`.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_validate_app_addr(wasm_module_inst_t module_inst,
                                    uint64_t app_offset,
                                    uint64_t size);

/**
 * Whether there is a NUL-terminated string at a guest address. If not, sets `out of bounds memory access`.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_validate_app_str_addr(wasm_module_inst_t module_inst,
                                        uint64_t app_str_offset);

/**
 * Whether `size` bytes at a native address are inside memory 0. If not, sets `out of bounds memory access`.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_validate_native_addr(wasm_module_inst_t module_inst,
                                       void *native_ptr,
                                       uint64_t size);

/**
 * Native address of a guest address; NULL if it is outside memory 0.
 */
WASM_RUNTIME_API_EXTERN
void *wasm_runtime_addr_app_to_native(wasm_module_inst_t module_inst,
                                      uint64_t app_offset);

/**
 * Guest address of a native address; 0 if it is outside memory 0.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wasm_runtime_addr_native_to_app(wasm_module_inst_t module_inst,
                                         void *native_ptr);

/**
 * The range of guest addresses around one: all of memory 0. False if it is outside.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_get_app_addr_range(wasm_module_inst_t module_inst,
                                     uint64_t app_offset,
                                     uint64_t *p_app_start_offset,
                                     uint64_t *p_app_end_offset);

/**
 * The range of native addresses around one: all of memory 0. False if it is outside.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_get_native_addr_range(wasm_module_inst_t module_inst,
                                        uint8_t *native_ptr,
                                        uint8_t **p_native_start_addr,
                                        uint8_t **p_native_end_addr);

/**
 * The linear memory of an instance; the name is not looked at.
 */
WASM_RUNTIME_API_EXTERN
wasm_memory_inst_t wasm_runtime_lookup_memory(wasm_module_inst_t module_inst,
                                              const char *name);

/**
 * The first linear memory of an instance; NULL if it has none.
 */
WASM_RUNTIME_API_EXTERN
wasm_memory_inst_t wasm_runtime_get_default_memory(wasm_module_inst_t module_inst);

/**
 * A linear memory of an instance by index; NULL if there is none.
 */
WASM_RUNTIME_API_EXTERN
wasm_memory_inst_t wasm_runtime_get_memory(wasm_module_inst_t module_inst,
                                           uint32_t index);

/**
 * Size of a memory in its pages.
 */
WASM_RUNTIME_API_EXTERN uint64_t wasm_memory_get_cur_page_count(wasm_memory_inst_t memory_inst);

/**
 * Most pages a memory can have.
 */
WASM_RUNTIME_API_EXTERN uint64_t wasm_memory_get_max_page_count(wasm_memory_inst_t memory_inst);

/**
 * Bytes in a page of a memory. It is 65536, unless an app heap was added to a memory that can't grow: that is one
 * large page then.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wasm_memory_get_bytes_per_page(wasm_memory_inst_t memory_inst);

/**
 * Whether a memory is shared between threads.
 */
WASM_RUNTIME_API_EXTERN bool wasm_memory_get_shared(wasm_memory_inst_t memory_inst);

/**
 * Native address of a memory's first byte; it does not change when the memory grows.
 */
WASM_RUNTIME_API_EXTERN void *wasm_memory_get_base_address(wasm_memory_inst_t memory_inst);

/**
 * Grows a memory. False if it can't have that many pages.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_memory_enlarge(wasm_memory_inst_t memory_inst,
                         uint64_t inc_page_count);

/**
 * Grows memory 0 of an instance. False if it can't have that many pages; the callback of
 * wasm_runtime_set_enlarge_mem_error_callback is told.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_enlarge_memory(wasm_module_inst_t module_inst,
                                 uint64_t inc_page_count);

/**
 * Sets the function that is told when a memory can't grow; NULL for none. There is one for the process.
 *
 * The function may be called with `user_data` until another one is set.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_enlarge_mem_error_callback(enlarge_memory_error_callback_t callback,
                                                 void *user_data);

/**
 * Finds an exported global and where it lives. False if there is none of this name.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_get_export_global_inst(wasm_module_inst_t module_inst,
                                         const char *name,
                                         struct wasm_global_inst_t *global_inst);

/**
 * Finds an exported table. False if there is none of this name.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_get_export_table_inst(wasm_module_inst_t module_inst,
                                        const char *name,
                                        struct wasm_table_inst_t *table_inst);

/**
 * The function that is element `idx` of a table; NULL if it is null or there is no such element.
 */
WASM_RUNTIME_API_EXTERN
wasm_function_inst_t wasm_table_get_func_inst(wasm_module_inst_t module_inst,
                                              const struct wasm_table_inst_t *table_inst,
                                              uint32_t idx);

/**
 * Gives a host object an index that an externref can carry. The same object of the same instance gets the same index
 * again. `(void *)-1` is the null reference.
 *
 * `p_externref_idx` may be written.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_externref_obj2ref(wasm_module_inst_t module_inst,
                            void *extern_obj,
                            uint32_t *p_externref_idx);

/**
 * Removes a host object, calling its cleanup function. False if it is not there.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_externref_objdel(wasm_module_inst_t module_inst,
                           void *extern_obj);

/**
 * Sets the function that is called with the object when it is removed, or its instance goes away. False if the object
 * has no index.
 *
 * `extern_obj_cleanup` is NULL or a function that may be called with this object at any later time.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_externref_set_cleanup(wasm_module_inst_t module_inst,
                                void *extern_obj,
                                void (*extern_obj_cleanup)(void*));

/**
 * The host object of an index; NULL for the null reference. False if the index is not known.
 *
 * `p_extern_obj` may be written.
 */
WASM_RUNTIME_API_EXTERN bool wasm_externref_ref2obj(uint32_t externref_idx, void **p_extern_obj);

/**
 * Marks an index as held by the host. False if it is not known.
 */
WASM_RUNTIME_API_EXTERN bool wasm_externref_retain(uint32_t externref_idx);

/**
 * Makes a key; only while there are no instances. `dtor`, which may be NULL, is called with each instance that ends.
 * Returns NULL when all eight are in use.
 */
WASM_RUNTIME_API_EXTERN
void *wasm_runtime_create_context_key(void (*dtor)(wasm_module_inst_t inst, void *ctx));

/**
 * Gives a key back; only while there are no instances.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_destroy_context_key(void *key);

/**
 * Sets an instance's pointer for a key.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_context(wasm_module_inst_t inst,
                              void *key,
                              void *ctx);

/**
 * Sets the pointer for a key in all instances that share this one's threads.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_context_spread(wasm_module_inst_t inst,
                                     void *key,
                                     void *ctx);

/**
 * An instance's pointer for a key; NULL at first.
 */
WASM_RUNTIME_API_EXTERN void *wasm_runtime_get_context(wasm_module_inst_t inst, void *key);

/**
 * Logs, at the verbose level, how much memory the guest of an exec env uses.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_dump_mem_consumption(wasm_exec_env_t exec_env);

/**
 * Prints the call stack of the instance's last trap: a line for each function, innermost first, with the byte of the module
 * it was at (0 for compiled ones) and its name. Nothing if there was none.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_dump_call_stack(wasm_exec_env_t exec_env);

/**
 * Size of the text that wasm_runtime_dump_call_stack_to_buf writes, with its end; 0 if there is none.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_get_call_stack_buf_size(wasm_exec_env_t exec_env);

/**
 * Writes the call stack of the instance's last trap to `buf`, cut off to fit in `len` bytes with its end. Returns how many
 * those are; 0 if there is none. With a NULL buffer as wasm_runtime_get_call_stack_buf_size.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_dump_call_stack_to_buf(wasm_exec_env_t exec_env,
                                             char *buf,
                                             uint32_t len);

/**
 * Not implemented: sets how modules that others import from are found.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_module_reader(module_reader reader,
                                    module_destroyer destroyer);

/**
 * Not implemented: gives a module a name that others can import from. Returns false, with a reason in `error_buf`.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_register_module(const char *module_name,
                                  wasm_module_t module,
                                  char *error_buf,
                                  uint32_t error_buf_size);

/**
 * Not implemented: finds a module by the name it was registered with. Returns NULL.
 */
WASM_RUNTIME_API_EXTERN wasm_module_t wasm_runtime_find_module_registered(const char *module_name);

/**
 * Not implemented: the hash of a module in an SGX enclave. Returns NULL.
 */
WASM_RUNTIME_API_EXTERN char *wasm_runtime_get_module_hash(wasm_module_t module);

/**
 * Not implemented: copies the frames of the running guest. Returns 0, with a reason in `error_buf`.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_copy_callstack(wasm_exec_env_t exec_env,
                             WASMCApiFrame *buffer,
                             uint32_t length,
                             uint32_t skip_n,
                             char *error_buf,
                             uint32_t error_buf_size);

/**
 * Not implemented: starts a debug server on a port. Returns 0.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_start_debug_instance_with_port(wasm_exec_env_t exec_env,
                                                     int32_t port);

/**
 * Not implemented: starts a debug server. Returns 0.
 */
WASM_RUNTIME_API_EXTERN uint32_t wasm_runtime_start_debug_instance(wasm_exec_env_t exec_env);

/**
 * Bounds checks can't be switched off: enabling them does nothing, disabling them logs an error and does nothing.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_bounds_checks(wasm_module_inst_t module_inst,
                                    bool enable);

/**
 * Whether accesses to linear memory are checked: always.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_is_bounds_checks_enabled(wasm_module_inst_t module_inst);

/**
 * Not implemented: limits how many instructions a call may execute. -1 (no limit) is accepted.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_set_instruction_count_limit(wasm_exec_env_t exec_env,
                                              int instruction_count);

/**
 * Not implemented: prints how long each function ran.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_dump_perf_profiling(wasm_module_inst_t module_inst);

/**
 * Not implemented: how long guest code ran, in ms. Returns 0.
 */
WASM_RUNTIME_API_EXTERN double wasm_runtime_sum_wasm_exec_time(wasm_module_inst_t module_inst);

/**
 * Not implemented: how long a function ran, in ms. Returns 0.
 */
WASM_RUNTIME_API_EXTERN
double wasm_runtime_get_wasm_func_exec_time(wasm_module_inst_t inst,
                                            const char *func_name);

/**
 * Not implemented: size of the profile of compiled code. Returns 0.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_get_pgo_prof_data_size(wasm_module_inst_t module_inst);

/**
 * Not implemented: profile of compiled code. Returns 0.
 */
WASM_RUNTIME_API_EXTERN
uint32_t wasm_runtime_dump_pgo_prof_data_to_buf(wasm_module_inst_t module_inst,
                                                char *buf,
                                                uint32_t len);

/**
 * Not implemented: makes a heap that several instances can use. Returns NULL.
 */
WASM_RUNTIME_API_EXTERN
wasm_shared_heap_t wasm_runtime_create_shared_heap(struct SharedHeapInitArgs *init_args);

/**
 * Not implemented: joins shared heaps. Returns NULL.
 */
WASM_RUNTIME_API_EXTERN
wasm_shared_heap_t wasm_runtime_chain_shared_heaps(wasm_shared_heap_t head,
                                                   wasm_shared_heap_t body);

/**
 * Not implemented: separates joined shared heaps. Returns NULL.
 */
WASM_RUNTIME_API_EXTERN
wasm_shared_heap_t wasm_runtime_unchain_shared_heaps(wasm_shared_heap_t head,
                                                     bool entire_chain);

/**
 * Not implemented: empties joined shared heaps. Returns false.
 */
WASM_RUNTIME_API_EXTERN bool wasm_runtime_reset_shared_heap_chain(wasm_shared_heap_t shared_heap);

/**
 * Not implemented: lets an instance use a shared heap. Returns false.
 */
WASM_RUNTIME_API_EXTERN
bool wasm_runtime_attach_shared_heap(wasm_module_inst_t module_inst,
                                     wasm_shared_heap_t shared_heap);

/**
 * Not implemented: undoes wasm_runtime_attach_shared_heap.
 */
WASM_RUNTIME_API_EXTERN void wasm_runtime_detach_shared_heap(wasm_module_inst_t module_inst);

/**
 * Not implemented: allocates in an attached shared heap. Returns 0.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wasm_runtime_shared_heap_malloc(wasm_module_inst_t module_inst,
                                         uint64_t size,
                                         void **p_native_addr);

/**
 * Not implemented: frees what wasm_runtime_shared_heap_malloc allocated.
 */
WASM_RUNTIME_API_EXTERN
void wasm_runtime_shared_heap_free(wasm_module_inst_t module_inst,
                                   uint64_t ptr);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _WASM_EXPORT_H */

#ifdef __cplusplus
extern "C" {
#endif

/**
 * wasm_runtime_call_wasm_a with the arguments given one by one: i32 and funcref (as function index) as int, i64, f32 and
 * f64 as double, externref as uintptr_t.
 */
WASM_RUNTIME_API_EXTERN bool
wasm_runtime_call_wasm_v(wasm_exec_env_t exec_env, wasm_function_inst_t function, uint32_t num_results,
                         wasm_val_t results[], uint32_t num_args, ...);

#ifdef __cplusplus
}
#endif
