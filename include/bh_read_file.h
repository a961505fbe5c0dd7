/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_FILE_H
#define _BH_FILE_H

#include "bh_platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a file into memory that wasm_runtime_free frees. On failure prints why and returns NULL. */
char *
bh_read_file_to_buffer(const char *filename, uint32_t *ret_size);

#ifdef __cplusplus
}
#endif

#endif  /* _BH_FILE_H */
