#include "platform_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Protection of mapped memory. */
enum {
    MMAP_PROT_NONE = 0,
    MMAP_PROT_READ = 1,
    MMAP_PROT_WRITE = 2,
    MMAP_PROT_EXEC = 4
};

/* Where memory is mapped. */
enum {
    MMAP_MAP_NONE = 0,
    /* In the first two gigabytes; on x86-64 only. */
    MMAP_MAP_32BIT = 1,
    /* Exactly there, in place of what is there. */
    MMAP_MAP_FIXED = 2
};

/* As printf. */
int
os_printf(const char *format, ...);

/* As vprintf. */
int
os_vprintf(const char *format, va_list ap);

/* Lowest address of this thread's stack; NULL if it is not known. */
uint8_t *
os_thread_get_stack_boundary(void);

#ifdef __cplusplus
}
#endif
