/* Edit distance: dynamic programming over two rows, minimum of three. */
#include "bench.h"

#define LEN 512
static uint8_t a[LEN], b[LEN];
static uint16_t row[LEN + 1];

static NOINLINE uint32_t distance(void)
{
    for (uint32_t j = 0; j <= LEN; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= LEN; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= LEN; j++) {
            uint32_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1u < best)
                best = row[j] + 1u;
            if (row[j - 1] + 1u < best)
                best = row[j - 1] + 1u;
            row[j] = best;
        }
    }
    return row[LEN];
}

int32_t run(int32_t n)
{
    uint32_t seed = 5, sum = 0;
    for (int32_t round = 0; round < n; round++) {
        for (uint32_t i = 0; i < LEN; i++) {
            a[i] = random_next(&seed) >> 8 & 3;
            b[i] = random_next(&seed) >> 8 & 3;
        }
        sum = mix(sum, distance());
    }
    return sum;
}
