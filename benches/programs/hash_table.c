/* Open addressing: insertions, hits and misses in a table that outgrows the first-level cache. */
#include "bench.h"

#define SLOTS (1u << 16)
static struct {
    uint32_t key, value;
} slots[SLOTS];

static NOINLINE uint32_t *find(uint32_t key, int insert)
{
    uint32_t i = key * 2654435761u >> 16;
    while (slots[i].key) {
        if (slots[i].key == key)
            return &slots[i].value;
        i = (i + 1) & (SLOTS - 1);
    }
    if (!insert)
        return NULL;
    slots[i].key = key;
    return &slots[i].value;
}

int32_t run(int32_t n)
{
    uint32_t sum = 0, seed = 99;
    for (uint32_t i = 0; i < SLOTS; i++)
        slots[i].key = slots[i].value = 0;
    for (uint32_t i = 0; i < SLOTS / 2; i++)
        *find((random_next(&seed) & 0x1ffff) + 1, 1) += i;
    for (int32_t i = 0; i < n; i++) {
        uint32_t *value = find((random_next(&seed) & 0x1ffff) + 1, 0);
        if (value)
            sum += (*value)++;
        else
            sum ^= i;
        DID_WORK();
    }
    return sum;
}
