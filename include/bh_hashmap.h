/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef WASM_HASHMAP_H
#define WASM_HASHMAP_H

#include "platform_common.h"

/* A map from the host's keys to the host's values. */

#define HASH_MAP_MIN_SIZE 4
#define HASH_MAP_MAX_SIZE 65536

typedef struct HashMap HashMap;

/**
 * The hash of a key.
 */
typedef uint32_t (*HashFunc)(const void *key);

/**
 * Whether two keys are equal.
 */
typedef bool (*KeyEqualFunc)(void *key1, void *key2);

/**
 * Frees a key of a map that is destroyed.
 */
typedef void (*KeyDestroyFunc)(void *key);

/**
 * Frees a value of a map that is destroyed.
 */
typedef void (*ValueDestroyFunc)(void *value);

/**
 * Called for each entry.
 */
typedef void (*TraverseCallbackFunc)(void *key, void *value, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a map of so many buckets, 4 to 65,536. NULL if a function is missing that it needs.
 */
HashMap *bh_hash_map_create(uint32_t size,
                            bool use_lock,
                            HashFunc hash_func,
                            KeyEqualFunc key_equal_func,
                            KeyDestroyFunc key_destroy_func,
                            ValueDestroyFunc value_destroy_func);

/**
 * Adds an entry. False if the key is NULL or there already.
 *
 * `map` is NULL, which is an error, or a live map, whose functions can be called with the key.
 */
bool bh_hash_map_insert(HashMap *map, void *key, void *value);

/**
 * The value of a key, or NULL.
 *
 * As for bh_hash_map_insert.
 */
void *bh_hash_map_find(HashMap *map, void *key);

/**
 * Replaces the value of a key that is there, and gives the old one to `p_old_value`, if that is not NULL.
 *
 * As for bh_hash_map_insert; `p_old_value` is NULL or may be written.
 */
bool bh_hash_map_update(HashMap *map,
                        void *key,
                        void *value,
                        void **p_old_value);

/**
 * Takes an entry out, and gives its key and value to the last two arguments, where they are not NULL. They are not
 * destroyed.
 *
 * As for bh_hash_map_insert; the last two are NULL or may be written.
 */
bool bh_hash_map_remove(HashMap *map,
                        void *key,
                        void **p_old_key,
                        void **p_old_value);

/**
 * Ends a map, and destroys its keys and values by the functions given for that.
 *
 * `map` is NULL, which is an error, or a live map that nobody else uses.
 */
bool bh_hash_map_destroy(HashMap *map);

/**
 * Bytes that a map takes, without its entries.
 *
 * `hashmap` is a live map.
 */
uint32_t bh_hash_map_get_struct_size(HashMap *hashmap);

/**
 * Bytes that an entry takes.
 */
uint32_t bh_hash_map_get_elem_struct_size(void);

/**
 * Calls a function for each entry.
 *
 * NULL is an error. Otherwise the map is alive, and the function can be called with `user_data`.
 */
bool bh_hash_map_traverse(HashMap *map, TraverseCallbackFunc callback, void *user_data);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* WASM_HASHMAP_H */
