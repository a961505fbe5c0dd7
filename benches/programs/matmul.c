/* Product of two matrices of doubles, the plain way. */
#include "bench.h"

#define SIZE 120
static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

static NOINLINE void multiply(void)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            double sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

int32_t run(int32_t n)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (i * j + 1) % 17 / 17.0;
            b[i][j] = (i + 3 * j) % 13 / 13.0;
        }
    double trace = 0;
    for (int32_t round = 0; round < n; round++) {
        a[round % SIZE][0] += 1;
        multiply();
        for (int i = 0; i < SIZE; i++)
            trace += c[i][i];
    }
    return (int32_t)trace;
}
