/* Builds and walks trees whose nodes come from a free list. */
#include "bench.h"

struct node {
    struct node *left, *right;
};

static struct node pool[1 << 17];
static struct node *free_list;
static size_t fresh;

static struct node *node_new(void)
{
    struct node *node = free_list;
    if (node)
        free_list = node->left;
    else if (fresh < ARRAY_LEN(pool))
        node = &pool[fresh++];
    else
        __builtin_trap();
    return node;
}

static NOINLINE struct node *build(int depth)
{
    struct node *node = node_new();
    DID_WORK();
    node->left = depth ? build(depth - 1) : NULL;
    node->right = depth ? build(depth - 1) : NULL;
    return node;
}

static NOINLINE int32_t count(const struct node *node)
{
    return node->left ? 1 + count(node->left) + count(node->right) : 1;
}

static NOINLINE void release(struct node *node)
{
    if (node->left) {
        release(node->left);
        release(node->right);
    }
    node->left = free_list;
    free_list = node;
}

int32_t run(int32_t n)
{
    struct node *lasting = build(14);
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++) {
        for (int depth = 4; depth <= 14; depth += 2) {
            struct node *tree = build(depth);
            sum = sum * 3 + count(tree);
            release(tree);
        }
    }
    sum += count(lasting);
    release(lasting);
    return sum;
}
