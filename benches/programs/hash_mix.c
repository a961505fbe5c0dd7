/* 64-bit multiplications, rotations and shifts: three well-known mixing functions over a counter. */
#include "bench.h"

static inline uint64_t rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline uint64_t splitmix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static inline uint64_t murmur(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
    return x ^ x >> 33;
}

int32_t run(int32_t n)
{
    uint64_t a = 1, b = 2, c = 3;
    for (int32_t i = 0; i < n; i++) {
        a = splitmix(a + 0x9e3779b97f4a7c15);
        b = murmur(b ^ a);
        c = rotate(c * 0x87c37b91114253d5 + b, 31) % 0xfffffffffffffc5 + a / (b | 1);
    }
    return (int32_t)(a ^ b ^ c ^ c >> 32);
}
