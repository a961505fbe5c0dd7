/* Encodes and decodes a buffer: table look-ups, shifts, byte stores. */
#include "bench.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static uint8_t reverse[256];
static uint8_t plain[48 * 1024], decoded[48 * 1024];
static uint8_t encoded[64 * 1024];

static NOINLINE size_t encode(const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t *start = out;
    for (size_t i = 0; i + 3 <= len; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = alphabet[group >> 6 & 63];
        *out++ = alphabet[group & 63];
    }
    return out - start;
}

static NOINLINE size_t decode(const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t *start = out;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t group = 0;
        for (int j = 0; j < 4; j++)
            group = group << 6 | reverse[in[i + j]];
        *out++ = group >> 16;
        *out++ = group >> 8;
        *out++ = group;
    }
    return out - start;
}

int32_t run(int32_t n)
{
    for (int i = 0; i < 64; i++)
        reverse[(uint8_t)alphabet[i]] = i;
    uint32_t seed = 7, sum = 0;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = random_next(&seed);
    for (int32_t round = 0; round < n; round++) {
        plain[round % sizeof plain] ^= round;
        size_t len = encode(plain, sizeof plain, encoded);
        len = decode(encoded, len, decoded);
        sum = mix(sum, encoded[(uint32_t)round * 31 % sizeof encoded]);
        for (size_t i = 0; i < len; i += 97)
            sum = mix(sum, decoded[i]);
    }
    return sum;
}
