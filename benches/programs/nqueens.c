/* Counts the ways to place n queens: recursion and bit sets. */
#include "bench.h"

static NOINLINE int32_t place(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
    if (columns == all)
        return 1;
    int32_t count = 0;
    for (uint32_t free = all & ~(columns | left | right); free; free &= free - 1) {
        uint32_t queen = free & -free;
        count += place(all, columns | queen, (left | queen) << 1, (right | queen) >> 1);
    }
    return count;
}

int32_t run(int32_t n)
{
    return place((1u << n) - 1, 0, 0, 0);
}
