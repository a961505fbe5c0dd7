#include "platform_common.h"

/* An array that grows, of elements of one size. */

#define DEFAULT_VECTOR_INIT_SIZE 8
