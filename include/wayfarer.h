/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef WAYFARER_H
#define WAYFARER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wasm_export.h"

/* Checkpoint and restore: what Wayfarer has beyond WAMR's API. A checkpoint is taken at the next point where the guest's
 * state is one that the WebAssembly specification can describe; that is soon, since every loop and every function has
 * one. The image it writes can be restored in another process, on another machine, and on another architecture. */

/* Of wasm_c_api.h. */
struct wasm_extern_vec_t;
struct wasm_instance_t;
struct wasm_store_t;
struct wasm_trap_t;
struct wasm_val_vec_t;

/* Collects what a save hook writes. */
typedef struct wayfarer_writer_t wayfarer_writer_t;

/**
 * What becomes of the guest after a checkpoint.
 */
typedef enum wayfarer_then_t {
    /**
     * It goes on.
     */
    WAYFARER_CONTINUE = 0,
    /**
     * Its call ends with the exception `stopped by checkpoint`. Make no further calls of this instance.
     */
    WAYFARER_STOP = 1,
} wayfarer_then_t;

/**
 * What a watched function does.
 */
typedef enum wayfarer_watch_kind_t {
    /**
     * It was called, and is about to begin.
     */
    WAYFARER_ENTERED = 0,
    /**
     * It has returned: itself, or a function that it has called in tail position.
     */
    WAYFARER_RETURNED = 1,
    /**
     * A call in tail position has led from it to another watched function, which is about to be entered and returns in its
     * place.
     */
    WAYFARER_TAIL_CALLED = 2,
    /**
     * It will not return: its thread has ended with an exception.
     */
    WAYFARER_TRAPPED = 3,
    /**
     * It will not return: the program has ended itself.
     */
    WAYFARER_EXITED = 4,
} wayfarer_watch_kind_t;

/**
 * Whether a standard stream of the guest's may stay behind when it is checkpointed. It must not call into the guest.
 */
typedef bool (*wayfarer_leaves_t)(uint32_t fd, void *leaves_data);

/**
 * What kind of checkpoint to take. Zero it first: that is an image to memory, uncompressed, and the guest goes on. It may
 * get more fields at its end: the functions that take it are told how large it is where they are called.
 */
typedef struct wayfarer_checkpoint_args_t {
    /**
     * The file to write: the image appears there whole, or what was there stays. NULL: see `use_fd`.
     */
    const char *path;
    /**
     * Write to `fd` instead of a file by name.
     */
    bool use_fd;
    /**
     * A descriptor to write to, from where it is; it stays open.
     */
    int fd;
    /**
     * 0 for none, otherwise a zstd level: 1 is fast, 19 small.
     */
    int compression_level;
    /**
     * What becomes of the guest.
     */
    enum wayfarer_then_t then;
    /**
     * What the image holds of files that the guest has open, as `iwasm --checkpoint-files` takes it: so many texts `POLICY` or
     * `POLICY:PREFIX`. POLICY is `reopen` (path, size and time), `reopen-hash`, `carry` (all of its bytes, too) or `ignore`; that of the
     * longest PREFIX of a path counts. NULL: as the environment says (WAYFARER_CHECKPOINT_FILES), or else `reopen` for all.
     */
    const char *const *files;
    /**
     * How many these are.
     */
    uint32_t file_count;
    /**
     * The folder in which the members of a group meet (see `iwasm --checkpoint-group`): an image is taken of all of them at once, or of
     * none, and what is on its way between them is in it. Each member orders its own, but for those whose environment or flags say that
     * they are members, which are asked; who is first waits for the others. All are processes of one machine. Takes a `path`. NULL:
     * of this program alone.
     */
    const char *group;
    /**
     * How many members there are.
     */
    uint32_t group_size;
    /**
     * How long the others are waited for, in milliseconds; 0: 30 seconds.
     */
    uint32_t group_limit_ms;
    /**
     * Asked, while the guest stands still, of each of its standard streams that is an end of a pipe or a Unix stream to a program that
     * is not checkpointed with it. True: it may stay behind, with what is in it, and who restores the image gives another in its
     * place (wasm_runtime_instantiation_args_set_wasi_stdio). False: there is no image, and the report names the descriptor. NULL: all
     * may.
     */
    wayfarer_leaves_t leaves;
    /**
     * Handed to `leaves`. Valid for as long as the checkpoint can be taken.
     */
    void *leaves_data;
} wayfarer_checkpoint_args_t;

/**
 * What became of a checkpoint.
 */
typedef struct wayfarer_report_t {
    /**
     * Whether there is an image. If not, what was at the path before still is, and the guest goes on.
     */
    bool ok;
    /**
     * Why not, if not.
     */
    const char *error;
    /**
     * The image, if it was to go to memory; NULL otherwise.
     */
    const void *image;
    /**
     * Size of the image in bytes.
     */
    uint64_t image_size;
    /**
     * Bytes of linear memory the guest has.
     */
    uint64_t memory_size;
    /**
     * How long the guest stood still, in microseconds.
     */
    uint64_t paused_us;
} wayfarer_report_t;

/**
 * Called once a checkpoint was taken or failed, on the thread that runs the guest. The report and what it points to are
 * valid until it returns. It must not call into the guest.
 */
typedef void (*wayfarer_done_t)(wasm_module_inst_t module_inst,
                                const struct wayfarer_report_t *report,
                                void *user_data);

/**
 * Saves a native module's state for an instance with wayfarer_write. Returns false if that is impossible: there is no
 * checkpoint then.
 */
typedef bool (*wayfarer_save_t)(wasm_module_inst_t module_inst,
                                wayfarer_writer_t *writer,
                                void *user_data);

/**
 * Takes a native module's state back. Returns false if it can't be used: the instance is not restored then.
 */
typedef bool (*wayfarer_restore_t)(wasm_module_inst_t module_inst,
                                   const void *data,
                                   size_t size,
                                   void *user_data);

/**
 * A module that a store is restored with.
 */
typedef struct wayfarer_store_module_t {
    /**
     * The module, of the store that is restored.
     */
    const wasm_module_t *module;
    /**
     * What wasm_instance_new was given, if there were functions of the host's among it; NULL otherwise. Only functions are
     * looked at: memories, tables and globals are the image's, and functions of other instances those of the image.
     */
    const struct wasm_extern_vec_t *imports;
} wayfarer_store_module_t;

/**
 * A call that was in progress.
 */
typedef struct wayfarer_call_t {
    /**
     * Of which instance, by its number in the store.
     */
    uint32_t instance;
    /**
     * Index of its function.
     */
    uint32_t function_index;
    /**
     * The guest's number of the thread; no two calls have the same.
     */
    uint32_t thread_id;
} wayfarer_call_t;

/**
 * What is told of a watched function. It is good until the call-back returns, with all that it points to.
 */
typedef struct wayfarer_watch_event_t {
    /**
     * What it does.
     */
    enum wayfarer_watch_kind_t kind;
    /**
     * Its index in the module.
     */
    uint32_t function;
    /**
     * Its name; NULL if the module has none for it.
     */
    const char *name;
    /**
     * What it was called with.
     */
    const wasm_val_t *args;
    /**
     * How many there are.
     */
    uint32_t num_args;
    /**
     * How many results there are: 0 if it did not return.
     */
    uint32_t num_results;
    /**
     * Its results.
     */
    const wasm_val_t *results;
} wayfarer_watch_event_t;

/**
 * Told of a watched function, on the thread that runs it. It may do what a native function may that the guest has called, but not
 * raise an exception: so it may read and write the guest's memory, and ask for a checkpoint. If it calls the guest, checkpoints are
 * refused until that call has returned.
 */
typedef void (*wayfarer_watch_t)(wasm_exec_env_t exec_env,
                                 const struct wayfarer_watch_event_t *event,
                                 void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Asks for a checkpoint at the guest's next stable point, or at once if no call is in progress. `done` may be NULL.
 * May be called from any thread, also from a native function that the guest called; the checkpoint is then taken soon
 * after it has returned.
 *
 * Returns false, with the reason in `error_buf`, if the arguments are bad; everything else is in the report.
 *
 * `args_size` is the size of what `args` points to; `wayfarer_checkpoint_request` fills it in.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_checkpoint_request_sized(wasm_module_inst_t module_inst,
                                       const struct wayfarer_checkpoint_args_t *args,
                                       size_t args_size,
                                       wayfarer_done_t done,
                                       void *user_data,
                                       char *error_buf,
                                       uint32_t error_buf_size);

/**
 * Sets the permissions of images that are written to a path from now on, in this process, whatever its mask and the
 * environment say. Without it they are those of WAYFARER_IMAGE_MODE, or else 0600: an image is a guest's memory, with all
 * its secrets.
 *
 * Returns false, and changes nothing, if there are other bits in `mode` than those of permissions (0777), or if it does not
 * let the owner read.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_set_image_mode(uint32_t mode);

/**
 * Sets how long a checkpoint waits for threads that run the guest and do not come to a stable point, because they are in a
 * native function: so many milliseconds from now on, in this process (5000 at first). Then it is refused, with the name of
 * that function, and all go on. The threads that have come stand still meanwhile.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_set_stop_limit(uint64_t milliseconds);

/**
 * Has all threads of the guest stand still: at stable points, or in host calls that will be made again (WASI's, and native
 * functions that use wayfarer_call_again). Until wayfarer_resume_threads, calls of the host's wait, as do allocations; only this
 * thread may still look at the instance, change it and allocate in it, but not call it: that fails with an exception.
 * wayfarer_checkpoint takes an image of the suspended program. wasm_runtime_terminate ends the calls, and the suspension with
 * them. Instances of wasm_c_api.h in one store are suspended together.
 *
 * Returns false, with the reason in `error_buf`, if a thread is in a native function and does not come back within the stop limit
 * (wayfarer_set_stop_limit; the function is named, and all go on), if it is suspended already, or if this thread is running the
 * guest.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_suspend_threads(wasm_module_inst_t module_inst,
                              char *error_buf,
                              uint32_t error_buf_size);

/**
 * Has the guest's threads go on that wayfarer_suspend_threads has stopped; from any thread. False if it was not suspended.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_resume_threads(wasm_module_inst_t module_inst);

/**
 * Writes to a descriptor, as text, which functions are running in each thread of the guest: lines as
 * wasm_runtime_dump_call_stack prints them, innermost first, with the byte of the module each stands at, interpreted and compiled
 * alike. The threads stand still for it and go on. One in a native function that does not come back within the stop limit
 * (wayfarer_set_stop_limit) is said to be there, by the function's name. Of a thread with a native function on its stack that has
 * called back, only that is said. Instances of wasm_c_api.h in one store are shown together.
 *
 * From any thread but one that is running the guest. Returns false, with the reason in `error_buf`, if nothing was written.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_dump_stacks(wasm_module_inst_t module_inst,
                          int fd,
                          char *error_buf,
                          uint32_t error_buf_size);

/**
 * Asks for what wayfarer_dump_stacks writes: the guest's thread that comes to a stable point first writes it, or the next that
 * the host calls. Async-signal-safe: may be called from a signal handler, on any thread. The descriptor has to stay open until
 * then. False if it is none, if eight requests are waiting, or if the code cannot be stopped.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_dump_stacks_request(wasm_module_inst_t module_inst,
                                  int fd);

/**
 * Takes a checkpoint and waits until it is there. May be called from any thread but one that is running the instance's
 * guest, which would wait for itself (use wayfarer_checkpoint_request there).
 *
 * `report` may be NULL. An image in memory belongs to the caller, who gives it to wayfarer_image_free; the error text is
 * only in `error_buf`. Returns false if there is no image.
 *
 * `args_size` is the size of what `args` points to; `wayfarer_checkpoint` fills it in.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_checkpoint_sized(wasm_module_inst_t module_inst,
                               const struct wayfarer_checkpoint_args_t *args,
                               size_t args_size,
                               struct wayfarer_report_t *report,
                               char *error_buf,
                               uint32_t error_buf_size);

/**
 * Frees an image that wayfarer_checkpoint put into memory.
 */
WASM_RUNTIME_API_EXTERN void wayfarer_image_free(void *image, uint64_t image_size);

/**
 * Prepares checkpoints that wayfarer_checkpoint_trigger asks for, from then on each time. Arguments as for
 * wayfarer_checkpoint_request_sized; `wayfarer_checkpoint_prepare` fills in the size.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_checkpoint_prepare_sized(wasm_module_inst_t module_inst,
                                       const struct wayfarer_checkpoint_args_t *args,
                                       size_t args_size,
                                       wayfarer_done_t done,
                                       void *user_data,
                                       char *error_buf,
                                       uint32_t error_buf_size);

/**
 * Asks for the checkpoint that was prepared. Async-signal-safe: may be called from a signal handler, on any thread.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_checkpoint_trigger(wasm_module_inst_t module_inst);

/**
 * How many checkpoints were taken of this program, also before it was restored.
 */
WASM_RUNTIME_API_EXTERN uint64_t wayfarer_checkpoint_count(wasm_module_inst_t module_inst);

/**
 * Makes an instance from an image file. `args` (may be NULL) says what the instance finds here: stack size, preopened
 * directories, standard streams. A call that was in progress is continued by wayfarer_resume, or by calling the same
 * function again. Checkpoints of it are taken as the environment says, like of any other instance. Returns NULL on
 * failure, with the reason in `error_buf`; nothing is left behind then.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_inst_t wayfarer_restore_from_path(wasm_module_t module,
                                              const struct InstantiationArgs2 *args,
                                              const char *path,
                                              char *error_buf,
                                              uint32_t error_buf_size);

/**
 * Makes an instance from an image read from a descriptor, from where it is; it stays open.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_inst_t wayfarer_restore_from_fd(wasm_module_t module,
                                            const struct InstantiationArgs2 *args,
                                            int fd,
                                            char *error_buf,
                                            uint32_t error_buf_size);

/**
 * Makes an instance from an image in memory, which is copied.
 */
WASM_RUNTIME_API_EXTERN
wasm_module_inst_t wayfarer_restore_from_memory(wasm_module_t module,
                                                const struct InstantiationArgs2 *args,
                                                const void *image,
                                                uint64_t image_size,
                                                char *error_buf,
                                                uint32_t error_buf_size);

/**
 * Whether a restored instance has a call in progress that was not continued yet. `function_index` (may be NULL) gets
 * the index of its function.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_call_in_progress(wasm_module_inst_t module_inst,
                               uint32_t *function_index);

/**
 * Continues the call that was in progress. `argv` gets its results, as wasm_runtime_call_wasm gives them, and must have
 * room for them; it may be NULL if there are none. Returns false if the call failed: wasm_runtime_get_exception.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_resume(wasm_exec_env_t exec_env,
                     uint32_t *argv);

/**
 * Version of this library as text, such as `0.1.0`.
 */
WASM_RUNTIME_API_EXTERN const char *wayfarer_version(void);

/**
 * Lets a native module take part in checkpoints: `save` is called for every image, `restore` for every instance that is
 * made from one, before any guest code runs. `name` and `version` find the state again; a module that is registered
 * again under its name replaces the former. For all instances of the process. False if an argument is missing.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_register_state(const char *name,
                             uint32_t version,
                             wayfarer_save_t save,
                             wayfarer_restore_t restore,
                             void *user_data);

/**
 * Undoes wayfarer_register_state; false if there is nothing of this name.
 */
WASM_RUNTIME_API_EXTERN bool wayfarer_unregister_state(const char *name);

/**
 * Adds bytes to a native module's state; only in a save hook.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_write(wayfarer_writer_t *writer,
                    const void *data,
                    size_t size);

/**
 * Whether the runtime wants the guest's thread (for a checkpoint, or to end it): a native function that waits should
 * stop, and return with wayfarer_call_again.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_interrupted(wasm_module_inst_t module_inst);

/**
 * A descriptor that is readable while wayfarer_interrupted is true, to be waited for with poll beside others; -1 if
 * there is none. Do not read from it.
 */
WASM_RUNTIME_API_EXTERN
int wayfarer_wake_fd(wasm_module_inst_t module_inst);

/**
 * For a native function that stops before it had any effect: once it has returned (its result does not matter) and the
 * runtime has done what it wanted, it is called again with the same arguments, in this process or in a restored one.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_call_again(wasm_exec_env_t exec_env);

/**
 * Locks `len` bytes of a file that the guest has open as descriptor `fd`, from `start` on (0: all from there): for natives that give
 * guests what preview 1 has not. `lock` is 0 to unlock them, 1 for a lock that others may share, 2 for one of its own. It is of the
 * kernel's for open files (F_OFD_SETLK); nobody is waited for. Images hold a guest's locks, and they are taken again, in their order,
 * before it goes on. Returns false, with who holds it in `error_buf`, if another has one that does not go with it.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_lock_file(wasm_module_inst_t module_inst,
                        uint32_t fd,
                        uint32_t lock,
                        uint64_t start,
                        uint64_t len,
                        char *error_buf,
                        uint32_t error_buf_size);

/**
 * As wayfarer_lock_file, with the kind of lock that flock(2) takes: on the file as a whole, and without regard to locks on ranges.
 * One that is to become another, and cannot, stays what it was if nobody else takes it in between.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_lock_whole_file(wasm_module_inst_t module_inst,
                              uint32_t fd,
                              uint32_t lock,
                              char *error_buf,
                              uint32_t error_buf_size);

/**
 * Asks for a checkpoint of a whole store: all its instances, and the calls of all threads that are in progress in them. It is
 * taken when each of these threads has come to a stable point (see wayfarer_set_stop_limit); then all go on, or end with the
 * trap `stopped by checkpoint`. Otherwise as wayfarer_checkpoint_request_sized; `done` gets NULL for the instance.
 *
 * `args_size` is the size of what `args` points to; `wayfarer_store_checkpoint_request` fills it in.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_checkpoint_request_sized(struct wasm_store_t *store,
                                             const struct wayfarer_checkpoint_args_t *args,
                                             size_t args_size,
                                             wayfarer_done_t done,
                                             void *user_data,
                                             char *error_buf,
                                             uint32_t error_buf_size);

/**
 * wayfarer_suspend_threads for a whole store.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_suspend_threads(struct wasm_store_t *store,
                                    char *error_buf,
                                    uint32_t error_buf_size);

/**
 * wayfarer_resume_threads for a whole store.
 */
WASM_RUNTIME_API_EXTERN bool wayfarer_store_resume_threads(struct wasm_store_t *store);

/**
 * wayfarer_dump_stacks for a whole store.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_dump_stacks(struct wasm_store_t *store,
                                int fd,
                                char *error_buf,
                                uint32_t error_buf_size);

/**
 * Takes a checkpoint of a whole store and waits until it is there. May be called from any thread but one that is in a call of
 * the store. Otherwise as wayfarer_checkpoint_sized.
 *
 * `args_size` is the size of what `args` points to; `wayfarer_store_checkpoint` fills it in.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_checkpoint_sized(struct wasm_store_t *store,
                                     const struct wayfarer_checkpoint_args_t *args,
                                     size_t args_size,
                                     struct wayfarer_report_t *report,
                                     char *error_buf,
                                     uint32_t error_buf_size);

/**
 * Makes all that is in the image of a store in another one, which has no instances yet: the same instances, in the same
 * order, and the calls that were in progress, to be continued by wayfarer_store_resume. `modules` are those that the image's
 * instances are of, loaded into this store, in any order. Checkpoints are taken as the environment says, like of
 * any other store.
 *
 * Returns false on failure, with the reason in `error_buf`; the store is then good for nothing but wasm_store_delete.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_restore_from_path(struct wasm_store_t *store,
                                      const struct wayfarer_store_module_t *modules,
                                      size_t module_count,
                                      const char *path,
                                      char *error_buf,
                                      uint32_t error_buf_size);

/**
 * The same with an image read from a descriptor, from where it is; it stays open.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_restore_from_fd(struct wasm_store_t *store,
                                    const struct wayfarer_store_module_t *modules,
                                    size_t module_count,
                                    int fd,
                                    char *error_buf,
                                    uint32_t error_buf_size);

/**
 * The same with an image in memory, which is copied.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_restore_from_memory(struct wasm_store_t *store,
                                        const struct wayfarer_store_module_t *modules,
                                        size_t module_count,
                                        const void *image,
                                        uint64_t image_size,
                                        char *error_buf,
                                        uint32_t error_buf_size);

/**
 * How many instances a store has.
 */
WASM_RUNTIME_API_EXTERN size_t wayfarer_store_instance_count(const struct wasm_store_t *store);

/**
 * An instance of a store, by its number: they count from 0 in the order in which they were made. A handle for the caller to
 * delete, as wasm_instance_new gives it; NULL if there is no such instance.
 */
WASM_RUNTIME_API_EXTERN
struct wasm_instance_t *wayfarer_store_instance(const struct wasm_store_t *store,
                                                size_t index);

/**
 * How many calls were in progress in the image that a store was restored from, also those that were continued since.
 */
WASM_RUNTIME_API_EXTERN
size_t wayfarer_store_call_count(const struct wasm_store_t *store);

/**
 * What a call is that was in progress, by its number: they count from 0. `call` may be NULL. Returns false if there is no such
 * call, or if it was continued.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_store_call(const struct wasm_store_t *store,
                         size_t index,
                         struct wayfarer_call_t *call);

/**
 * Continues a call that was in progress, on this thread; others may be continued on others at the same time. `results` gets
 * its results, as wasm_func_call gives them. Returns NULL, or a trap for the caller to delete. A call can be continued once.
 */
WASM_RUNTIME_API_EXTERN
struct wasm_trap_t *wayfarer_store_resume(struct wasm_store_t *store,
                                          size_t index,
                                          struct wasm_val_vec_t *results);

/**
 * Has calls of a function of an instance told: `entered` when it begins, `left` when it was left, however that was; either may be
 * NULL. The function is named by an export, or by the name section. Only its own calls cost anything: it is interpreted from now on, in
 * every running mode, and what it calls runs as it did. So it must not be in compiled code that is there already: an `.aot` file is to be
 * made with `wamrc --watch`, and where code is compiled while it runs, the function is to be watched before that.
 *
 * Events of a thread are in the order in which things happen, and nested. A call that is in progress is not told of. In a program that
 * was restored, the host asks again, and is told of returns of calls that were watched when the checkpoint was taken, with what
 * they were called with; that is so in every running mode.
 *
 * Returns a number for wayfarer_unwatch, or 0 with the reason in `error_buf`.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wayfarer_watch_function(wasm_module_inst_t module_inst,
                                 const char *function,
                                 wayfarer_watch_t entered,
                                 wayfarer_watch_t left,
                                 void *user_data,
                                 char *error_buf,
                                 uint32_t error_buf_size);

/**
 * The same for a function by its index in the module.
 */
WASM_RUNTIME_API_EXTERN
uint64_t wayfarer_watch_function_at(wasm_module_inst_t module_inst,
                                    uint32_t function,
                                    wayfarer_watch_t entered,
                                    wayfarer_watch_t left,
                                    void *user_data,
                                    char *error_buf,
                                    uint32_t error_buf_size);

/**
 * Has a function not told of any more to those who asked with this number. An event that is on its way in another thread may still
 * come. Returns false if the instance has no such watch.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_unwatch(wasm_module_inst_t module_inst,
                      uint64_t watch);

/**
 * Has modules that are loaded from now on run in deterministic mode, or not. In it, NaNs whose bits the WebAssembly
 * specification leaves open are the canonical one, so that a program gets the same bits in every engine, at every
 * optimization level and on every architecture. Without a call, the variable WAYFARER_DETERMINISTIC decides; without that,
 * modules are not.
 *
 * A module that comes compiled for this mode (wamrc --deterministic) is always in it; in this mode, one that comes
 * compiled without it is not loaded. An image is restored only in the mode that it was taken in.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_set_deterministic(bool deterministic);

/**
 * Says whose files WASI programs of a module see that are instantiated from now on: "linux", the host's; "portable", the
 * host's by what every system has; or "memory", files in memory, which travel in images. Directories are then read into memory when an instance is made (also out of a tar file, if a
 * file is given for one); what the program changes stays in memory, and the host's files are as they were. Standard streams,
 * sockets and clocks are the host's in any case.
 *
 * Without a call, the variable WAYFARER_WASI decides; without that, files are Linux's. An image of a program whose files are in
 * memory is then restored with them; if others were asked for, the directories must have the same files, or it is refused.
 *
 * False, and nothing has changed, if there is no file system of that name.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_set_wasi(wasm_module_t module,
                       const char *name);

/**
 * wayfarer_set_wasi for one instantiation.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_instantiation_args_set_wasi(struct InstantiationArgs2 *args,
                                          const char *name);

/**
 * Says what restores of a module do about files that the program has open and that are not what they were, as `iwasm
 * --restore-files` takes it: `count` texts `CHOICE` or `CHOICE:PREFIX`. CHOICE is "same" (the restore is refused: so it is without a
 * call), "changed" (whatever is there is opened), "truncate" (one that has grown is cut off at the size that it had) or "replace"
 * (one that the image carries takes its place); that of the longest PREFIX of a path counts. For wayfarer_restore_from_path and its
 * kin, for the stores that are restored with this module, and in place of WAYFARER_RESTORE_FILES.
 *
 * False, with the reason in `error_buf` (which may be NULL), and nothing has changed, if a text is none of these.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_set_restore_files(wasm_module_t module,
                                const char *const *choices,
                                uint32_t count,
                                char *error_buf,
                                uint32_t error_buf_size);

/**
 * wayfarer_set_restore_files for one instance.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_instantiation_args_set_restore_files(struct InstantiationArgs2 *args,
                                                   const char *const *choices,
                                                   uint32_t count,
                                                   char *error_buf,
                                                   uint32_t error_buf_size);

/**
 * Has instances that are made from now on, in this process, log their WASI calls in a file, or in none if `path` is NULL, whatever
 * the environment says (WAYFARER_RECORD): each call with its arguments and result, and the bytes that it read and wrote by their
 * SHA-256. `wayfarer log` prints it. A file that is there must be the log of a program whose module is the same: it is gone on
 * with. If it cannot be, instantiation fails; what cannot be written later is said on standard error, and changes nothing else.
 * Children of this process write nothing to it.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_set_record(const char *path);

/**
 * Says which functions of modules that are loaded from now on are `fopen`, `fdopen`, `freopen` and `fclose`, by index, as
 * `iwasm --stdio-map` takes it: "fopen=17,fdopen=23,fclose=19"; or "none": open streams are not to be known. For modules whose names
 * don't say so. NULL: as if nothing had been said; then the variable WAYFARER_STDIO_MAP decides.
 *
 * False, with the reason in `error_buf` (which may be NULL), and nothing has changed, if it cannot be understood.
 */
WASM_RUNTIME_API_EXTERN
bool wayfarer_set_stdio_map(const char *map,
                            char *error_buf,
                            uint32_t error_buf_size);

/**
 * Has instances that are made from now on, in this process, log their WASI calls in a file, or in none if `path` is NULL, whatever
 * the environment says (WAYFARER_RECORD): each call with its arguments and result, and the bytes that it read and wrote by their
 * SHA-256. `wayfarer log` prints it. A file that is there must be the log of a program whose module is the same: it is gone on
 * with. If it cannot be, instantiation fails; what cannot be written later is said on standard error, and changes nothing else.
 * Children of this process write nothing to it.
 */
WASM_RUNTIME_API_EXTERN
void wayfarer_set_record(const char *path);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WAYFARER_H */


#ifndef WAYFARER_H_SIZED
#define WAYFARER_H_SIZED

/* The functions that take wayfarer_checkpoint_args_t, told the size that it has in this header: so it can grow, and a host
 * compiled with an older or newer one than the library is understood or refused, never misread. Under these names the
 * library has functions for what was compiled when the arguments had their first size. */

static inline bool
wayfarer_checkpoint_request(wasm_module_inst_t module_inst, const wayfarer_checkpoint_args_t *args,
                            wayfarer_done_t done, void *user_data, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_checkpoint_request_sized(module_inst, args, sizeof(*args), done, user_data, error_buf,
                                             error_buf_size);
}

static inline bool
wayfarer_checkpoint(wasm_module_inst_t module_inst, const wayfarer_checkpoint_args_t *args,
                    wayfarer_report_t *report, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_checkpoint_sized(module_inst, args, sizeof(*args), report, error_buf, error_buf_size);
}

static inline bool
wayfarer_checkpoint_prepare(wasm_module_inst_t module_inst, const wayfarer_checkpoint_args_t *args,
                            wayfarer_done_t done, void *user_data, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_checkpoint_prepare_sized(module_inst, args, sizeof(*args), done, user_data, error_buf,
                                             error_buf_size);
}

static inline bool
wayfarer_store_checkpoint_request(struct wasm_store_t *store, const wayfarer_checkpoint_args_t *args,
                                  wayfarer_done_t done, void *user_data, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_store_checkpoint_request_sized(store, args, sizeof(*args), done, user_data, error_buf,
                                                   error_buf_size);
}

static inline bool
wayfarer_store_checkpoint(struct wasm_store_t *store, const wayfarer_checkpoint_args_t *args,
                          wayfarer_report_t *report, char *error_buf, uint32_t error_buf_size)
{
    return wayfarer_store_checkpoint_sized(store, args, sizeof(*args), report, error_buf, error_buf_size);
}

#endif /* WAYFARER_H_SIZED */
