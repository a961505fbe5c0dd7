/* Calls a function whose arguments are given by register and stack word: see vectors.rs.
 *
 * In both calling conventions served here, integer arguments, float or vector arguments, and what is left over on the
 * stack fill up independently of each other. So a call that fills every register and passes 32 words on the stack looks,
 * to the callee, like any call whose arguments are where it expects them. */

#if defined(__x86_64__) || defined(__aarch64__)

#include <stdint.h>

typedef uint64_t vector __attribute__((vector_size(16)));

struct vector_call {
    vector vectors[8];
    vector result_vector;
    uint64_t integers[8];
    uint64_t stack[32];
    uint64_t result_integer;
    void *func;
};

#if defined(__x86_64__)
#define INTEGER_TYPES uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t
#define INTEGERS i[0], i[1], i[2], i[3], i[4], i[5]
#else
#define INTEGER_TYPES uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t
#define INTEGERS i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]
#endif

#define VECTOR_TYPES vector, vector, vector, vector, vector, vector, vector, vector
#define VECTORS v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
#define EIGHT(n) s[n], s[n + 1], s[n + 2], s[n + 3], s[n + 4], s[n + 5], s[n + 6], s[n + 7]
#define EIGHT_TYPES uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t
#define STACK EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24)
#define STACK_TYPES EIGHT_TYPES, EIGHT_TYPES, EIGHT_TYPES, EIGHT_TYPES

void
wayfarer_vector_call_integer(struct vector_call *call)
{
    const vector *v = call->vectors;
    const uint64_t *i = call->integers, *s = call->stack;
    uint64_t (*func)(INTEGER_TYPES, VECTOR_TYPES, STACK_TYPES) =
        (uint64_t (*)(INTEGER_TYPES, VECTOR_TYPES, STACK_TYPES))call->func;
    call->result_integer = func(INTEGERS, VECTORS, STACK);
}

void
wayfarer_vector_call_vector(struct vector_call *call)
{
    const vector *v = call->vectors;
    const uint64_t *i = call->integers, *s = call->stack;
    vector (*func)(INTEGER_TYPES, VECTOR_TYPES, STACK_TYPES) =
        (vector (*)(INTEGER_TYPES, VECTOR_TYPES, STACK_TYPES))call->func;
    call->result_vector = func(INTEGERS, VECTORS, STACK);
}

#else
typedef int no_vector_calls_on_this_architecture;
#endif
