/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_COMMON_H
#define _BH_COMMON_H

#include "platform_common.h"
#include "bh_assert.h"

/* The functions below for arguments that are known to be right: that is asserted. */
#define bh_checked_call_(call) \
    do { \
        int bh_result_ = (call); \
        (void)bh_result_; \
        bh_assert(bh_result_ == 0); \
    } while (0)
#define bh_memcpy_s(dest, dlen, src, slen) bh_checked_call_(b_memcpy_s(dest, dlen, src, slen))
#define bh_memcpy_wa(dest, dlen, src, slen) bh_checked_call_(b_memcpy_wa(dest, dlen, src, slen))
#define bh_memmove_s(dest, dlen, src, slen) bh_checked_call_(b_memmove_s(dest, dlen, src, slen))
#define bh_strcat_s(dest, dlen, src) bh_checked_call_(b_strcat_s(dest, dlen, src))
#define bh_strcpy_s(dest, dlen, src) bh_checked_call_(b_strcpy_s(dest, dlen, src))

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Copies `n` bytes, which do not overlap their destination. -1 if there is no destination; also, with the destination
 * zeroed, if there is no source or it does not fit in `s1max` bytes.
 *
 * `s1` is NULL or may be written for `s1max` bytes, `s2` is NULL or may be read for `n`.
 */
int b_memcpy_s(void *s1,
               unsigned int s1max,
               const void *s2,
               unsigned int n);

/**
 * The same, for memory that can only be read in words: reads no byte outside the source here, either. The destination's
 * size is not looked at.
 *
 * `s1` may be written, and `s2` read, for `n` bytes.
 */
int b_memcpy_wa(void *s1,
                unsigned int s1max,
                const void *s2,
                unsigned int n);

/**
 * As `b_memcpy_s`, for areas that may overlap.
 *
 * As for `b_memcpy_s`.
 */
int b_memmove_s(void *s1, unsigned int s1max, const void *s2, unsigned int n);

/**
 * Appends a string. -1, with nothing changed, if one is NULL or both and their end do not fit in `s1max` bytes.
 *
 * Both are NULL or strings; `s1` may be written for `s1max` bytes.
 */
int b_strcat_s(char *s1,
               unsigned int s1max,
               const char *s2);

/**
 * Copies a string. -1, with nothing changed, if one is NULL or the string and its end do not fit in `s1max` bytes.
 *
 * `s1` is NULL or may be written for `s1max` bytes, `s2` is NULL or a string.
 */
int b_strcpy_s(char *s1,
               unsigned int s1max,
               const char *s2);

/**
 * A copy of a string, to be freed with wasm_runtime_free. NULL for NULL.
 *
 * `s` is NULL or a string.
 */
char *bh_strdup(const char *s);

/**
 * The same.
 *
 * `s` is NULL or a string.
 */
char *wa_strdup(const char *s);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _BH_COMMON_H */
