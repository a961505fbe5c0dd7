/* Sorts integers by quick sort with insertion sort for short runs. */
#include "bench.h"

#define LEN 50000
static int32_t values[LEN];

static NOINLINE void quick_sort(int32_t *a, int32_t low, int32_t high)
{
    while (high - low > 12) {
        int32_t pivot = a[low + (high - low) / 2], i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            DID_WORK();
            if (i <= j) {
                int32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            quick_sort(a, low, j);
            low = i;
        } else {
            quick_sort(a, i, high);
            high = j;
        }
    }
    for (int32_t i = low + 1; i <= high; i++) {
        int32_t moved = a[i], j = i;
        for (; j > low && a[j - 1] > moved; j--)
            a[j] = a[j - 1];
        a[j] = moved;
    }
}

int32_t run(int32_t n)
{
    uint32_t seed = 42, sum = 0;
    for (int32_t round = 0; round < n; round++) {
        for (int32_t i = 0; i < LEN; i++)
            values[i] = random_next(&seed);
        quick_sort(values, 0, LEN - 1);
        for (int32_t i = 1; i < LEN; i++)
            if (values[i - 1] > values[i])
                __builtin_trap();
        sum = mix(sum, values[round * 37 % LEN]);
    }
    return sum;
}
