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
