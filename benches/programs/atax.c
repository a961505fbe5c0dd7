/* y = A^T (A x): a matrix read twice, once by a dot product and once by a scaled sum. */
#include "bench.h"

#define ROWS 390
#define COLUMNS 410
static double a[ROWS][COLUMNS], x[COLUMNS], y[COLUMNS], between[ROWS];

static NOINLINE void atax(void)
{
    for (int j = 0; j < COLUMNS; j++)
        y[j] = 0;
    for (int i = 0; i < ROWS; i++) {
        between[i] = 0;
        for (int j = 0; j < COLUMNS; j++)
            between[i] += a[i][j] * x[j];
        for (int j = 0; j < COLUMNS; j++)
            y[j] += a[i][j] * between[i];
    }
}

int32_t run(int32_t n)
{
    for (int j = 0; j < COLUMNS; j++)
        x[j] = 1 + j / 410.0;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            a[i][j] = (i + j) % COLUMNS / (5.0 * ROWS);
    double sum = 0;
    for (int32_t round = 0; round < n; round++) {
        atax();
        x[round % COLUMNS] += 0.125;
        sum = sum * 0.5 + y[round % COLUMNS];
    }
    return (int32_t)(sum * 16);
}
