/* Deep recursion with two arguments and little else. */
#include "bench.h"

static NOINLINE int32_t ackermann(int32_t m, int32_t n)
{
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

int32_t run(int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++)
        sum += ackermann(2, 200 + (i & 63)) + ackermann(3, 6);
    return sum;
}
