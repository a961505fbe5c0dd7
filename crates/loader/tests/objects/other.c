// The other object of calls.c.

int from_first(int x);
int other_counter = 41;

// As in the other object: local symbols are each object's own.
static int twice(int x) { return x + x + 1; }
int (*volatile local)(int) = twice;

int other_add(int a, int b) { return from_first(a) + b; }
static int other_sub(int a, int b) { return a - b; }
static int other_mul(int a, int b) { return local(a) * b; }
int (*other_table[3])(int, int) = {other_add, other_sub, other_mul};
