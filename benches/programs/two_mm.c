/* D = alpha A B C + beta D: two products of matrices, dot products along a column. */
#include "bench.h"

#define SIZE 96
static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE], d[SIZE][SIZE], between[SIZE][SIZE];

static NOINLINE void two_mm(double alpha, double beta)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            between[i][j] = 0;
            for (int k = 0; k < SIZE; k++)
                between[i][j] += alpha * a[i][k] * b[k][j];
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            d[i][j] *= beta;
            for (int k = 0; k < SIZE; k++)
                d[i][j] += between[i][k] * c[k][j];
        }
}

int32_t run(int32_t n)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (i * j + 1) % 23 / 23.0;
            b[i][j] = i * (j + 1) % 17 / 17.0;
            c[i][j] = (i * (j + 3) + 1) % 13 / 13.0;
            d[i][j] = i * (j + 2) % 19 / 19.0;
        }
    for (int32_t round = 0; round < n; round++)
        two_mm(0.015625, 0.5);
    double sum = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            sum += d[i][j];
    return (int32_t)(sum * 16);
}
