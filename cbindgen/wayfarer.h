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
