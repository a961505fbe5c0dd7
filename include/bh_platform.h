/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_PLATFORM_H
#define _BH_PLATFORM_H

#include "platform_common.h"
#include "platform_api_vmcore.h"
#include "platform_api_extension.h"
#include "bh_assert.h"
#include "bh_common.h"
#include "bh_hashmap.h"
#include "bh_list.h"
#include "bh_log.h"
#include "bh_queue.h"
#include "bh_vector.h"
#include "runtime_timer.h"

/* What WAMR's sources, and hosts made from its samples, include before anything else: fixed-width types, the system's
 * headers, and small helpers that libiwasm exports. */

#ifndef WA_MALLOC
#define WA_MALLOC wasm_runtime_malloc
#endif
#ifndef WA_FREE
#define WA_FREE wasm_runtime_free
#endif

#endif  /* _BH_PLATFORM_H */
