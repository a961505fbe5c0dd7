/* C = alpha A B + beta C, the innermost loop along rows: what vectorizes well. */
#include "bench.h"

#define ROWS 120
#define COLUMNS 140
#define DEPTH 130
static double a[ROWS][DEPTH], b[DEPTH][COLUMNS], c[ROWS][COLUMNS];

static NOINLINE void gemm(double alpha, double beta)
{
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLUMNS; j++)
            c[i][j] *= beta;
        for (int k = 0; k < DEPTH; k++)
            for (int j = 0; j < COLUMNS; j++)
                c[i][j] += alpha * a[i][k] * b[k][j];
    }
}

int32_t run(int32_t n)
{
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < DEPTH; k++)
            a[i][k] = (i * k + 1) % 23 / 23.0;
    for (int k = 0; k < DEPTH; k++)
        for (int j = 0; j < COLUMNS; j++)
            b[k][j] = (k * (j + 2)) % 19 / 19.0;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            c[i][j] = (i * j + 3) % 29 / 29.0;
    for (int32_t round = 0; round < n; round++) {
        gemm(0.03125, 0.5);
        DID_WORK();
    }
    double sum = 0;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            sum += c[i][j];
    return (int32_t)(sum * 16);
}
