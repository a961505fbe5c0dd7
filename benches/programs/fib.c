/* Nothing but calls. */
#include "bench.h"

static NOINLINE int32_t fib(int32_t n)
{
    DID_WORK();
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int32_t run(int32_t n)
{
    return fib(n);
}
