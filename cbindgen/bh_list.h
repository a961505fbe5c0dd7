#include "platform_common.h"

/* A list of elements that begin with a bh_list_link. Their memory is the host's. */
