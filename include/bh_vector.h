/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _WASM_VECTOR_H
#define _WASM_VECTOR_H

#include "platform_common.h"

/* An array that grows, of elements of one size. */

#define DEFAULT_VECTOR_INIT_SIZE 8

/**
 * An array of elements of one size.
 */
typedef struct Vector {
    /**
     * How many elements there is room for.
     */
    size_t max_elems;
    /**
     * The elements.
     */
    uint8_t *data;
    /**
     * How many there are.
     */
    size_t num_elems;
    /**
     * Bytes of one.
     */
    size_t size_elem;
    /**
     * A mutex, or NULL.
     */
    void *lock;
} Vector;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes an empty vector, with room for so many elements (4 if that is 0). False if there is no memory.
 *
 * `vector` is NULL, which is an error, or may be written.
 */
bool bh_vector_init(struct Vector *vector,
                    size_t init_length,
                    size_t size_elem,
                    bool use_lock);

/**
 * Sets an element that is there.
 *
 * NULL is an error. Otherwise `vector` was made by bh_vector_init, and `elem_buf` may be read for an element.
 */
bool bh_vector_set(struct Vector *vector,
                   uint32_t index,
                   const void *elem_buf);

/**
 * Copies an element that is there.
 *
 * NULL is an error. Otherwise `vector` was made by bh_vector_init, and `elem_buf` may be written for an element.
 */
bool bh_vector_get(struct Vector *vector,
                   uint32_t index,
                   void *elem_buf);

/**
 * Puts an element before one that is there.
 *
 * As for bh_vector_set.
 */
bool bh_vector_insert(struct Vector *vector, uint32_t index, const void *elem_buf);

/**
 * Puts an element behind the others.
 *
 * As for bh_vector_set.
 */
bool bh_vector_append(struct Vector *vector, const void *elem_buf);

/**
 * Takes an element out, and copies it to `old_elem_buf` if that is not NULL.
 *
 * As for bh_vector_get.
 */
bool bh_vector_remove(struct Vector *vector, uint32_t index, void *old_elem_buf);

/**
 * How many elements there are; NULL has none.
 *
 * `vector` is NULL or was made by bh_vector_init.
 */
size_t bh_vector_size(const struct Vector *vector);

/**
 * Frees a vector's memory, and makes it all zero.
 *
 * `vector` is NULL, which is an error, or was made by bh_vector_init, or is all zero.
 */
bool bh_vector_destroy(struct Vector *vector);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _WASM_VECTOR_H */
