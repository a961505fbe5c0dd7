/* SHA-256 (FIPS 180-4) of a buffer, over and over. */
#include "bench.h"

/* Fractional parts of the roots of the first primes, computed rather than copied. */
static uint32_t k[64], initial[8];

static uint32_t fraction(double root)
{
    return (uint32_t)((root - (int)root) * 4294967296.0);
}

static double cube_root(double x)
{
    double root = 4;
    for (int i = 0; i < 20; i++)
        root -= (root * root * root - x) / (3 * root * root);
    return root;
}

static void init_constants(void)
{
    int found = 0;
    for (uint32_t candidate = 2; found < 64; candidate++) {
        int prime = 1;
        for (uint32_t d = 2; d * d <= candidate; d++)
            prime &= candidate % d != 0;
        if (!prime)
            continue;
        if (found < 8)
            initial[found] = fraction(__builtin_sqrt(candidate));
        k[found++] = fraction(cube_root(candidate));
    }
}

static inline uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static NOINLINE void compress(uint32_t *state, const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t t1 = s[7] + sum1 + choice + k[i] + w[i];
        uint32_t sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        for (int j = 7; j > 0; j--)
            s[j] = s[j - 1];
        s[4] += t1;
        s[0] = t1 + sum0 + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static uint8_t data[64 * 256 + 64];

int32_t run(int32_t n)
{
    init_constants();
    uint32_t sum = 0;
    for (int32_t round = 0; round < n; round++) {
        uint32_t state[8];
        for (int i = 0; i < 8; i++)
            state[i] = initial[i];
        for (uint32_t i = 0; i < 64 * 256; i++)
            data[i] = i * 7 + round;
        /* The last block: a one bit, zeros, the length in bits. */
        uint8_t *last = data + 64 * 256;
        for (int i = 0; i < 64; i++)
            last[i] = 0;
        last[0] = 0x80;
        last[61] = 64 * 256 * 8 >> 16;
        for (uint32_t block = 0; block <= 256; block++) {
            compress(state, data + 64 * block);
            DID_WORK();
        }
        sum = mix(sum, state[0] ^ state[7]);
    }
    return sum;
}
