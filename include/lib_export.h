/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef _LIB_EXPORT_H_
#define _LIB_EXPORT_H_

#include <stddef.h>
#include <stdint.h>

/* Entries of a NativeSymbol array: name, function, signature, attachment. Those ending in 2 register `<name>_wrapper`
 * under the name. */
#define EXPORT_WASM_API(symbol) { #symbol, (void *)symbol, NULL, NULL }
#define EXPORT_WASM_API2(symbol) { #symbol, (void *)symbol##_wrapper, NULL, NULL }
#define EXPORT_WASM_API_WITH_SIG(symbol, signature) { #symbol, (void *)symbol, signature, NULL }
#define EXPORT_WASM_API_WITH_SIG2(symbol, signature) { #symbol, (void *)symbol##_wrapper, signature, NULL }
#define EXPORT_WASM_API_WITH_ATT(symbol, signature, attachment) { #symbol, (void *)symbol, signature, attachment }
#define EXPORT_WASM_API_WITH_ATT2(symbol, signature, attachment) \
    { #symbol, (void *)symbol##_wrapper, signature, attachment }

/**
 * A host function offered to guests.
 */
typedef struct NativeSymbol {
    /**
     * Name guests import it by.
     */
    const char *symbol;
    /**
     * The function: `ret f(wasm_exec_env_t, args...)`, or `void f(wasm_exec_env_t, uint64_t *args)` if raw.
     */
    void *func_ptr;
    /**
     * Signature, such as `(i*~$)i`. NULL or empty: not checked, and addresses are passed as they are.
     */
    const char *signature;
    /**
     * Given back by wasm_runtime_get_function_attachment during the call.
     */
    void *attachment;
} NativeSymbol;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Native functions of a library linked in beside the runtime. There is none: sets the pointer to NULL, returns 0.
 *
 * `p_base_lib_apis` is NULL or may be written.
 */
uint32_t get_base_lib_export_apis(struct NativeSymbol **p_base_lib_apis);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* _LIB_EXPORT_H_ */
