/* Product of two matrices of single-precision floats by 128-bit vectors. */
#include "bench.h"

#define SIZE 128
typedef float vector __attribute__((vector_size(16)));

static float a[SIZE][SIZE];
static vector b[SIZE][SIZE / 4], c[SIZE][SIZE / 4];

static NOINLINE void multiply(void)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE / 4; j += 2) {
            vector left = {0}, right = {0};
            for (int k = 0; k < SIZE; k++) {
                vector x = {a[i][k], a[i][k], a[i][k], a[i][k]};
                left += x * b[k][j];
                right += x * b[k][j + 1];
            }
            c[i][j] = left;
            c[i][j + 1] = right;
        }
}

int32_t run(int32_t n)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (float)((i * j + 1) % 17);
            b[i][j / 4][j % 4] = (float)((i + 3 * j) % 13);
        }
    float sum = 0;
    for (int32_t round = 0; round < n; round++) {
        a[round % SIZE][0] += 1;
        multiply();
        sum = sum * 0.5f + c[round % SIZE][round % (SIZE / 4)][1];
    }
    return (int32_t)sum;
}
