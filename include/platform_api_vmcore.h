/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _PLATFORM_API_VMCORE_H
#define _PLATFORM_API_VMCORE_H

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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * As malloc.
 */
void *os_malloc(unsigned int size);

/**
 * As realloc.
 *
 * `ptr` is NULL or a live block of os_malloc's.
 */
void *os_realloc(void *ptr, unsigned int size);

/**
 * As free.
 *
 * `ptr` is NULL or a live block of os_malloc's.
 */
void os_free(void *ptr);

/**
 * Maps zeroed pages, with MMAP_PROT_ and MMAP_MAP_ flags. Prints why and returns NULL if that fails. A file is not
 * mapped: pass os_get_invalid_handle().
 *
 * With MMAP_MAP_FIXED, what is at `hint` now is no longer used by anybody.
 */
void *os_mmap(void *hint,
              size_t size,
              int prot,
              int flags,
              int file);

/**
 * Unmaps pages. NULL does nothing.
 *
 * `addr` is NULL or the address of such pages, and nobody uses them.
 */
void os_munmap(void *addr, size_t size);

/**
 * Sets what may be done with pages, by MMAP_PROT_ flags: 0 if it did, and for NULL.
 *
 * `addr` is NULL or the address of such pages, and nobody uses them in another way from now on.
 */
int os_mprotect(void *addr, size_t size, int prot);

/**
 * Makes a mapping larger or smaller; it may move, and is to be protected again. NULL if that fails: the old one is
 * still there then.
 *
 * `old_addr` and `old_size` are a mapping's, to which nobody holds pointers.
 */
void *os_mremap(void *old_addr,
                size_t old_size,
                size_t new_size);

/**
 * Nothing is to be done for data caches where this library runs.
 */
void os_dcache_flush(void);

/**
 * Makes code that was written to memory visible to what fetches instructions.
 *
 * The bytes may be read.
 */
void os_icache_flush(void *start, size_t len);

/**
 * Writes the process's resident memory, lines of the kernel's status file, as a string. 0 if they fit.
 *
 * `out` is NULL or may be written for `size` bytes.
 */
int os_dumps_proc_mem_info(char *out,
                           unsigned int size);

/**
 * Microseconds since boot.
 */
uint64_t os_time_get_boot_us(void);

/**
 * Microseconds of CPU time that this thread has used.
 */
uint64_t os_time_thread_cputime_us(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _PLATFORM_API_VMCORE_H */
