/* An expression tree whose nodes are evaluated through function pointers. */
#include "bench.h"

struct node;
typedef int32_t eval_fn(const struct node *, int32_t x);

struct node {
    eval_fn *eval;
    const struct node *left, *right;
    int32_t value;
};

static int32_t eval_constant(const struct node *e, int32_t x)
{
    return e->value;
}

static int32_t eval_variable(const struct node *e, int32_t x)
{
    return x;
}

static int32_t eval_add(const struct node *e, int32_t x)
{
    return e->left->eval(e->left, x) + e->right->eval(e->right, x);
}

static int32_t eval_sub(const struct node *e, int32_t x)
{
    return e->left->eval(e->left, x) - e->right->eval(e->right, x);
}

static int32_t eval_mul(const struct node *e, int32_t x)
{
    return e->left->eval(e->left, x) * e->right->eval(e->right, x);
}

static int32_t eval_xor(const struct node *e, int32_t x)
{
    return e->left->eval(e->left, x) ^ e->right->eval(e->right, x);
}

static eval_fn *const leaves[] = {eval_constant, eval_variable};
static eval_fn *const operators[] = {eval_add, eval_sub, eval_mul, eval_xor};

static struct node nodes[256];
static size_t used;

static const struct node *grow(int depth, uint32_t *seed)
{
    struct node *node = &nodes[used++];
    uint32_t random = random_next(seed) >> 8;
    if (depth == 0) {
        node->eval = leaves[random % ARRAY_LEN(leaves)];
        node->value = random & 0xff;
    } else {
        node->eval = operators[random % ARRAY_LEN(operators)];
        node->left = grow(depth - 1, seed);
        node->right = grow(depth - 1, seed);
    }
    return node;
}

int32_t run(int32_t n)
{
    uint32_t seed = 2026, sum = 0;
    used = 0;
    const struct node *tree = grow(6, &seed);
    for (int32_t x = 0; x < n; x++) {
        sum = mix(sum, tree->eval(tree, x));
        DID_WORK();
    }
    return sum;
}
