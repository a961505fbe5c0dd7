#include "bh_platform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a file into memory that wasm_runtime_free frees. On failure prints why and returns NULL. */
char *
bh_read_file_to_buffer(const char *filename, uint32_t *ret_size);

#ifdef __cplusplus
}
#endif
