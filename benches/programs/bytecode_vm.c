/* An interpreter for a small register-less stack machine, dispatching through one dense switch (br_table). */
#include "bench.h"

enum op { PUSH, LOAD, STORE, ADD, MUL, AND, XOR, SHR, DUP, LESS, JUMP, JUMP_IF, HALT };

#define MAX_CODE 256

struct assembler {
    int32_t code[MAX_CODE];
    int32_t len;
};

static void emit(struct assembler *a, int32_t word)
{
    if (a->len == MAX_CODE)
        __builtin_trap();
    a->code[a->len++] = word;
}

static void emit2(struct assembler *a, int32_t op, int32_t operand)
{
    emit(a, op);
    emit(a, operand);
}

/* Emits a jump whose target is not known yet; gives the place to patch. */
static int32_t emit_forward(struct assembler *a, int32_t op)
{
    emit2(a, op, 0);
    return a->len - 1;
}

static void patch(struct assembler *a, int32_t place)
{
    a->code[place] = a->len;
}

enum variable { LIMIT, NUMBER, STEPS, SUM, CURRENT, VARIABLES };

/* for number in 1..limit: count the steps of its Collatz sequence, and mix the counts into a sum. */
static void assemble_collatz(struct assembler *a)
{
    emit2(a, PUSH, 1), emit2(a, STORE, NUMBER);
    int32_t outer = a->len;
    emit2(a, LOAD, NUMBER), emit2(a, LOAD, LIMIT), emit(a, LESS);
    int32_t enter_outer = emit_forward(a, JUMP_IF), leave_outer = emit_forward(a, JUMP);
    patch(a, enter_outer);
    emit2(a, PUSH, 0), emit2(a, STORE, STEPS);
    emit2(a, LOAD, NUMBER), emit2(a, STORE, CURRENT);

    int32_t inner = a->len;
    emit2(a, PUSH, 1), emit2(a, LOAD, CURRENT), emit(a, LESS);
    int32_t enter_inner = emit_forward(a, JUMP_IF), leave_inner = emit_forward(a, JUMP);
    patch(a, enter_inner);
    emit2(a, LOAD, STEPS), emit2(a, PUSH, 1), emit(a, ADD), emit2(a, STORE, STEPS);
    emit2(a, LOAD, CURRENT), emit(a, DUP), emit2(a, PUSH, 1), emit(a, AND);
    int32_t odd = emit_forward(a, JUMP_IF);
    emit2(a, PUSH, 1), emit(a, SHR), emit2(a, STORE, CURRENT), emit2(a, JUMP, inner);
    patch(a, odd);
    emit2(a, PUSH, 3), emit(a, MUL), emit2(a, PUSH, 1), emit(a, ADD);
    emit2(a, STORE, CURRENT), emit2(a, JUMP, inner);

    patch(a, leave_inner);
    emit2(a, LOAD, SUM), emit2(a, PUSH, 31), emit(a, MUL), emit2(a, LOAD, STEPS), emit(a, XOR);
    emit2(a, STORE, SUM);
    emit2(a, LOAD, NUMBER), emit2(a, PUSH, 1), emit(a, ADD), emit2(a, STORE, NUMBER), emit2(a, JUMP, outer);
    patch(a, leave_outer);
    emit(a, HALT);
}

static NOINLINE void interpret(const int32_t *code, uint32_t *variables)
{
    uint32_t stack[16], *top = stack;
    const int32_t *next = code;
    for (;;) {
        switch ((enum op)*next++) {
        case PUSH: *top++ = *next++; break;
        case LOAD: *top++ = variables[*next++]; break;
        case STORE: variables[*next++] = *--top; break;
        case ADD: top--; top[-1] += top[0]; break;
        case MUL: top--; top[-1] *= top[0]; break;
        case AND: top--; top[-1] &= top[0]; break;
        case XOR: top--; top[-1] ^= top[0]; break;
        case SHR: top--; top[-1] >>= top[0]; break;
        case DUP: top[0] = top[-1]; top++; break;
        case LESS: top--; top[-1] = top[-1] < top[0]; break;
        case JUMP: next = code + *next; DID_WORK(); break;
        case JUMP_IF: next = *--top ? code + *next : next + 1; break;
        case HALT: return;
        }
    }
}

int32_t run(int32_t n)
{
    static struct assembler assembler;
    assembler.len = 0;
    assemble_collatz(&assembler);
    uint32_t variables[VARIABLES] = {0};
    variables[LIMIT] = n;
    interpret(assembler.code, variables);
    return variables[SUM];
}
