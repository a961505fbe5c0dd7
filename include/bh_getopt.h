/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Generated from the Rust source and the texts in cbindgen/ by `UPDATE_HEADERS=1 cargo test --test abi_headers`. */

#ifndef GETOPT_H__
#define GETOPT_H__

#include <getopt.h>

/* WAMR's own getopt is for systems without one. */

#endif  /* GETOPT_H__ */
