/* LU decomposition in place, without pivots: triangular loops, short and long. */
#include "bench.h"

#define SIZE 160
static double a[SIZE][SIZE];

static NOINLINE void lu(void)
{
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < i; j++) {
            for (int k = 0; k < j; k++)
                a[i][j] -= a[i][k] * a[k][j];
            a[i][j] /= a[j][j];
        }
        for (int j = i; j < SIZE; j++)
            for (int k = 0; k < i; k++)
                a[i][j] -= a[i][k] * a[k][j];
    }
}

int32_t run(int32_t n)
{
    double sum = 0;
    for (int32_t round = 0; round < n; round++) {
        /* The diagonal outweighs the rest of its row, so no pivot is small. */
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++)
                a[i][j] = i == j ? SIZE + round % 7 : (i * 3 + j * 5) % 11 / 11.0;
        lu();
        for (int i = 0; i < SIZE; i++)
            sum += a[i][i];
    }
    return (int32_t)sum;
}
