/* Follows a random cycle through 8 MiB: the cost of a memory access that misses the caches. */
#include "bench.h"

#define LEN (1u << 21)
static uint32_t next[LEN];

int32_t run(int32_t n)
{
    /* Sattolo's shuffle gives a single cycle through all elements. */
    uint32_t seed = 17;
    for (uint32_t i = 0; i < LEN; i++)
        next[i] = i;
    for (uint32_t i = LEN - 1; i > 0; i--) {
        uint32_t j = random_next(&seed) % i, t = next[i];
        next[i] = next[j];
        next[j] = t;
    }
    uint32_t at = 0;
    for (int32_t i = 0; i < n; i++)
        at = next[at];
    return at;
}
