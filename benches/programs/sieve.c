/* Sieve of Eratosthenes over bytes. */
#include "bench.h"

#define LEN 1000000
static uint8_t composite[LEN];

int32_t run(int32_t n)
{
    int32_t count = 0;
    for (int32_t round = 0; round < n; round++) {
        for (uint32_t i = 0; i < LEN; i++)
            composite[i] = 0;
        for (uint32_t i = 2; i * i < LEN; i++)
            if (!composite[i])
                for (uint32_t j = i * i; j < LEN; j += i)
                    composite[j] = 1;
        for (uint32_t i = 2; i < LEN; i++)
            count += !composite[i];
    }
    return count;
}
