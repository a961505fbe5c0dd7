/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _BH_LIST_H
#define _BH_LIST_H

#include "platform_common.h"

/* A list of elements that begin with a bh_list_link. Their memory is the host's. */

/**
 * Whether it worked.
 */
typedef enum bh_list_status {
    /**
     * It did.
     */
    BH_LIST_SUCCESS = 0,
    /**
     * It did not.
     */
    BH_LIST_ERROR = -1,
} bh_list_status;

/**
 * What an element begins with.
 */
typedef struct bh_list_link {
    /**
     * The next element.
     */
    struct bh_list_link *next;
} bh_list_link;

/**
 * A list.
 */
typedef struct bh_list {
    /**
     * Its first element is the next of this.
     */
    struct bh_list_link head;
    /**
     * How many elements it has.
     */
    uint32_t len;
} bh_list;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes an empty list.
 *
 * `list` is NULL, which is an error, or may be written.
 */
enum bh_list_status bh_list_init(struct bh_list *list);

/**
 * Puts an element in front of the others.
 *
 * NULL is an error. Otherwise the list is sound, and the element begins with a link, stays where it is, and is in no list.
 */
enum bh_list_status bh_list_insert(struct bh_list *list,
                                   void *elem);

/**
 * Takes an element out. An error if it is not there.
 *
 * NULL is an error. Otherwise the list is sound.
 */
enum bh_list_status bh_list_remove(struct bh_list *list, void *elem);

/**
 * How many elements a list has; NULL has none.
 *
 * `list` is NULL or a sound list.
 */
uint32_t bh_list_length(struct bh_list *list);

/**
 * The first element, or NULL.
 *
 * `list` is NULL or a sound list.
 */
void *bh_list_first_elem(struct bh_list *list);

/**
 * The element behind another, or NULL.
 *
 * `node` is NULL or an element of a sound list.
 */
void *bh_list_elem_next(void *node);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _BH_LIST_H */
