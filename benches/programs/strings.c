/* Byte-wise string functions: length, copy, comparison, search, and a word count. */
#include "bench.h"

#define LEN 16384
static char text[LEN + 1], copy[LEN + 1];

static NOINLINE size_t length(const char *s)
{
    const char *end = s;
    while (*end)
        end++;
    return end - s;
}

static NOINLINE void copy_string(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

static NOINLINE int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

static NOINLINE const char *search(const char *in, const char *what)
{
    for (; *in; in++) {
        size_t i = 0;
        while (what[i] && in[i] == what[i])
            i++;
        if (!what[i])
            return in;
    }
    return NULL;
}

static NOINLINE uint32_t words(const char *s)
{
    uint32_t count = 0;
    int inside = 0;
    for (; *s; s++) {
        int letter = *s != ' ';
        count += letter && !inside;
        inside = letter;
    }
    return count;
}

int32_t run(int32_t n)
{
    uint32_t seed = 3, sum = 0;
    for (size_t i = 0; i < LEN; i++)
        text[i] = "abcdefgh "[random_next(&seed) % 9];
    text[LEN] = 0;
    for (int32_t round = 0; round < n; round++) {
        char pattern[5] = {0};
        for (int i = 0; i < 4; i++)
            pattern[i] = "abcdefgh"[random_next(&seed) & 7];
        copy_string(copy, text);
        copy[random_next(&seed) % LEN] = 'z';
        const char *found = search(copy, pattern);
        sum = mix(sum, length(copy) + words(copy) + compare(copy, text) + (found ? found - copy : -1));
    }
    return sum;
}
