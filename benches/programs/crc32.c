/* CRC-32 by table, one byte at a time. */
#include "bench.h"

static uint32_t table[256];
static uint8_t data[64 * 1024];

static NOINLINE uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

int32_t run(int32_t n)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        table[i] = crc;
    }
    uint32_t seed = 1, crc = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = random_next(&seed);
    for (int32_t i = 0; i < n; i++)
        crc = crc32(crc, data, sizeof data);
    return crc;
}
