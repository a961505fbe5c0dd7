/* Greatest number of prefix reversals over all permutations of n numbers. */
#include "bench.h"

#define MAX 12

int32_t run(int32_t n)
{
    int32_t first[MAX], work[MAX], count[MAX];
    int32_t most = 0, sum = 0, sign = 1;
    if (n > MAX)
        __builtin_trap();
    for (int32_t i = 0; i < n; i++)
        first[i] = count[i] = i;
    for (;;) {
        int32_t flips = 0;
        for (int32_t i = 0; i < n; i++)
            work[i] = first[i];
        while (work[0]) {
            for (int32_t low = 0, high = work[0]; low < high; low++, high--) {
                int32_t t = work[low];
                work[low] = work[high];
                work[high] = t;
            }
            flips++;
            DID_WORK();
        }
        if (flips > most)
            most = flips;
        sum += sign * flips;

        /* The next permutation: swap the first two, or rotate ever longer prefixes. */
        if (sign > 0) {
            int32_t t = first[0];
            first[0] = first[1];
            first[1] = t;
        } else {
            int32_t t = first[1];
            first[1] = first[2];
            first[2] = t;
            for (int32_t i = 2;; i++) {
                if (count[i]) {
                    count[i]--;
                    break;
                }
                count[i] = i;
                if (i == n - 1)
                    return sum * 100 + most;
                t = first[0];
                for (int32_t j = 0; j <= i; j++)
                    first[j] = first[j + 1];
                first[i + 1] = t;
            }
        }
        sign = -sign;
    }
}
