/* All shortest paths of a graph: integers, a minimum in the innermost loop. */
#include "bench.h"

#define SIZE 180
static int32_t path[SIZE][SIZE];

static NOINLINE void shortest_paths(void)
{
    for (int k = 0; k < SIZE; k++)
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++)
                path[i][j] = path[i][j] < path[i][k] + path[k][j] ? path[i][j] : path[i][k] + path[k][j];
}

int32_t run(int32_t n)
{
    uint32_t sum = 0;
    for (int32_t round = 0; round < n; round++) {
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++) {
                path[i][j] = i * j % 7 + 1;
                if ((i + j + round) % 13 == 0 || (i + j) % 7 == 0 || (i + j) % 11 == 0)
                    path[i][j] = 999;
            }
        shortest_paths();
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++)
                sum = mix(sum, path[i][j]);
    }
    return sum;
}
