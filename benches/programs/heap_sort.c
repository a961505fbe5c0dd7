/* Sorts doubles by heap: data-dependent branches and memory accesses. */
#include "bench.h"

#define LEN 40000
static double values[LEN];

static void sift(double *a, size_t root, size_t len)
{
    double moved = a[root];
    for (size_t child; (child = 2 * root + 1) < len; root = child) {
        if (child + 1 < len && a[child] < a[child + 1])
            child++;
        if (moved >= a[child])
            break;
        a[root] = a[child];
    }
    a[root] = moved;
}

static NOINLINE void heap_sort(double *a, size_t len)
{
    for (size_t i = len / 2; i-- > 0;)
        sift(a, i, len);
    for (size_t end = len; end-- > 1;) {
        double t = a[0];
        a[0] = a[end];
        a[end] = t;
        sift(a, 0, end);
    }
}

int32_t run(int32_t n)
{
    uint32_t seed = 42, sum = 0;
    for (int32_t round = 0; round < n; round++) {
        for (size_t i = 0; i < LEN; i++)
            values[i] = random_next(&seed) * 0.25;
        heap_sort(values, LEN);
        for (size_t i = 1; i < LEN; i++)
            if (values[i - 1] > values[i])
                __builtin_trap();
        sum = mix(sum, (uint32_t)values[round * 37 % LEN]);
    }
    return sum;
}
