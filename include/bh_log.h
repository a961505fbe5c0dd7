/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_LOG_H
#define _BH_LOG_H

#include "platform_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How much a message matters. */
typedef enum {
    BH_LOG_LEVEL_FATAL = 0,
    BH_LOG_LEVEL_ERROR = 1,
    BH_LOG_LEVEL_WARNING = 2,
    BH_LOG_LEVEL_DEBUG = 3,
    BH_LOG_LEVEL_VERBOSE = 4
} LogLevel;

/* Messages up to this level are printed. */
void
bh_log_set_verbose_level(uint32_t level);

/* Prints a message and the end of its line; before it a stamp, and the place in the source if `file` is not NULL. */
void
bh_log(LogLevel log_level, const char *file, int line, const char *fmt, ...);

#define LOG_ERROR(...) bh_log(BH_LOG_LEVEL_ERROR, NULL, 0, __VA_ARGS__)
#define LOG_WARNING(...) bh_log(BH_LOG_LEVEL_WARNING, NULL, 0, __VA_ARGS__)
#define LOG_VERBOSE(...) bh_log(BH_LOG_LEVEL_VERBOSE, NULL, 0, __VA_ARGS__)
#if BH_DEBUG != 0
#define LOG_FATAL(...) bh_log(BH_LOG_LEVEL_FATAL, __FILE__, __LINE__, __VA_ARGS__)
#define LOG_DEBUG(...) bh_log(BH_LOG_LEVEL_DEBUG, __FILE__, __LINE__, __VA_ARGS__)
#else
#define LOG_FATAL(...) bh_log(BH_LOG_LEVEL_FATAL, __func__, __LINE__, __VA_ARGS__)
#define LOG_DEBUG(...) (void)0
#endif
#define LOG_PROC_MEM(...) bh_log_proc_mem(__func__, __LINE__)

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

extern void wayfarer_bh_log(void);

extern void wayfarer_os_printf(void);

extern void wayfarer_os_vprintf(void);

/**
 * Prints how long it is since the last call, and since the first, if the log level is at least that for debugging.
 *
 * `prompt` is NULL or a string.
 */
void bh_print_time(const char *prompt);

/**
 * Prints the process's resident memory, if the log level is at least that for debugging.
 *
 * `prompt` is NULL or a string.
 */
void bh_print_proc_mem(const char *prompt);

/**
 * As bh_print_proc_mem, with a place in the source as the prompt.
 *
 * `function` is NULL or a string.
 */
void bh_log_proc_mem(const char *function, uint32_t line);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _BH_LOG_H */
