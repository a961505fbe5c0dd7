#include "platform_common.h"

/* Messages between threads. */

typedef struct bh_queue bh_queue;
typedef struct bh_queue_node *bh_message_t;
