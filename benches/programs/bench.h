/* What every benchmark program starts from: an exported function, integers of known width, random numbers.
 * Programs are freestanding, so that any engine can run them without a host interface. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define NOINLINE __attribute__((noinline))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The program's work; `n` scales it, the result depends on all of it. */
EXPORT(run) int32_t run(int32_t n);

/* Marsaglia's xorshift, 32 bits. The state must not be zero. */
static inline uint32_t random_next(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static inline uint32_t mix(uint32_t sum, uint32_t value)
{
    return (sum ^ value) * 16777619u;
}

#endif
