#include "platform_common.h"

/* What time it is. WAMR's header of this name has timers, too; they are for its own application framework. */
