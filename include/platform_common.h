/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _PLATFORM_COMMON_H
#define _PLATFORM_COMMON_H

#include "platform_internal.h"
#include <stddef.h>
#include <stdint.h>

#define BHT_OK (0)
#define BHT_ERROR (-1)
#define BHT_TIMED_OUT (1)
#define BHT_WAIT_FOREVER ((uint64)-1LL)

#define BH_MAX_THREAD 32

#define BH_KB (1024)
#define BH_MB ((BH_KB) * 1024)
#define BH_GB ((BH_MB) * 1024)

/* The allocator that the runtime was initialized with. */
#ifndef BH_MALLOC
#define BH_MALLOC wasm_runtime_malloc
#endif
#ifndef BH_FREE
#define BH_FREE wasm_runtime_free
#endif

#ifndef BH_TIME_T_MAX
#define BH_TIME_T_MAX LONG_MAX
#endif

#ifndef BH_HAS_DLFCN
#define BH_HAS_DLFCN 1
#endif

/* Stack sizes of guests and threads, in bytes, unless the host says otherwise. */
#ifndef DEFAULT_WASM_STACK_SIZE
#define DEFAULT_WASM_STACK_SIZE (16 * 1024)
#endif
#ifndef APP_THREAD_STACK_SIZE_MIN
#define APP_THREAD_STACK_SIZE_MIN (24 * 1024)
#endif
#ifndef APP_THREAD_STACK_SIZE_DEFAULT
#define APP_THREAD_STACK_SIZE_DEFAULT (128 * 1024)
#endif
#ifndef APP_THREAD_STACK_SIZE_MAX
#define APP_THREAD_STACK_SIZE_MAX (8 * 1024 * 1024)
#endif

typedef uint8_t uint8;
typedef int8_t int8;
typedef uint16_t uint16;
typedef int16_t int16;
typedef uint32_t uint32;
typedef int32_t int32;
typedef uint64_t uint64;
typedef int64_t int64;
typedef float float32;
typedef double float64;

#ifdef __cplusplus
extern "C" {
#endif
void *
BH_MALLOC(unsigned int size);
void
BH_FREE(void *ptr);
#ifdef __cplusplus
}
#endif

#endif  /* _PLATFORM_COMMON_H */
