/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef LIB_BASE_RUNTIME_TIMER_H_
#define LIB_BASE_RUNTIME_TIMER_H_

#include "platform_common.h"

/* What time it is. WAMR's header of this name has timers, too; they are for its own application framework. */

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Milliseconds since boot.
 */
uint64_t bh_get_tick_ms(void);

/**
 * Milliseconds since `last_system_clock`, which is set to now.
 *
 * `last_system_clock` may be read and written.
 */
uint32_t bh_get_elpased_ms(uint32_t *last_system_clock);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LIB_BASE_RUNTIME_TIMER_H_ */
