/* Five-point stencil over a grid of doubles. */
#include "bench.h"

#define SIZE 200
static double a[SIZE][SIZE], b[SIZE][SIZE];

static NOINLINE void sweep(double (*to)[SIZE], double (*from)[SIZE])
{
    for (int i = 1; i < SIZE - 1; i++)
        for (int j = 1; j < SIZE - 1; j++)
            to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] + from[i - 1][j] + from[i + 1][j]);
}

int32_t run(int32_t n)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            a[i][j] = b[i][j] = (double)(i * (j + 2) % 101);
    for (int32_t step = 0; step < n; step++) {
        sweep(b, a);
        sweep(a, b);
        DID_WORK();
    }
    double sum = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            sum += a[i][j];
    return (int32_t)(sum * 16);
}
