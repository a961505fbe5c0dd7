/* Ends by proc_exit in the middle of a recursion, with buffered output still to be written. */
#include <stdio.h>
#include <stdlib.h>

static void at_exit(void)
{
    printf("at exit\n");
}

static int search(int n, int depth)
{
    if (depth == 12 && n % 7 == 3) {
        printf("found %d\n", n);
        exit(n % 113);
    }
    return depth == 12 ? n : search(2 * n + 1, depth + 1) ^ search(3 * n + 2, depth + 1);
}

int main(void)
{
    atexit(at_exit);
    printf("searching");
    return search(0, 0);
}
