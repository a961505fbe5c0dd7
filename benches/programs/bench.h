/* What every benchmark program starts from: an exported function, integers of known width, random numbers.
 * Programs are freestanding, so that any engine can run them without a host interface. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* The same source is built for the machine itself, as a shared library, to compare with. */
#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name)))
#else
#define EXPORT(name) __attribute__((visibility("default")))
#endif
#define NOINLINE __attribute__((noinline))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The program's work; `n` scales it, the result depends on all of it. */
EXPORT(run) int32_t run(int32_t n);

/* With PROGRESS a program counts its units of work where the host can watch, which may keep compilers from a few things:
 * for measuring how its speed changes, not how high it is. */
#ifdef PROGRESS
static volatile uint64_t work_done;
EXPORT(progress) const volatile uint64_t *progress(void);
const volatile uint64_t *progress(void)
{
    return &work_done;
}
#define DID_WORK() ((void)work_done++)
#else
#define DID_WORK() ((void)0)
#endif

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
