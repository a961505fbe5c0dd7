#include "platform_common.h"

/* A map from the host's keys to the host's values. */

#define HASH_MAP_MIN_SIZE 4
#define HASH_MAP_MAX_SIZE 65536

typedef struct HashMap HashMap;
