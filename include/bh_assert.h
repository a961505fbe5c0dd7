/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_ASSERT_H
#define _BH_ASSERT_H

#include "platform_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the process, and says where, unless `v` is true. */
void
bh_assert_internal(int64_t v, const char *file_name, int line_number, const char *expr_string);

#ifdef __cplusplus
}
#endif

/* Looked at in hosts that are built with BH_DEBUG. */
#if BH_DEBUG != 0
#define bh_assert(expr) bh_assert_internal((int64)(uintptr_t)(expr), __FILE__, __LINE__, #expr)
#else
#define bh_assert(expr) (void)0
#endif

#ifdef __cplusplus
#define bh_static_assert(expr) static_assert(expr, #expr)
#else
#define bh_static_assert(expr) _Static_assert(expr, #expr)
#endif

#endif  /* _BH_ASSERT_H */
