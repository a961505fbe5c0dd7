// What compiled code is made of, one of everything: calls within and between objects, switch tables, constants,
// variables, addresses of functions, library functions.

typedef unsigned long size_t;
void *memcpy(void *, const void *, size_t);
int memcmp(const void *, const void *, size_t);
double floor(double);

// Of the other object.
extern int other_add(int, int);
extern int other_counter;
typedef int (*binary)(int, int);
extern binary other_table[3];
int from_first(int x);

// Constants, in a section whose relocations are applied before it becomes read-only.
static int twice(int x) { return 2 * x; }
static int thrice(int x) { return 3 * x; }
int (*const unary[])(int) = {twice, thrice, from_first};

int zeros[1000];
int ones[4] = {1, 1, 1, 1};

int from_first(int x) { return x + 100; }

int call_other(int a, int b) { return other_add(a, b) + from_first(0); }

int call_table(int which, int a, int b) { return other_table[which](a, b); }

int call_unary(int which, int x) { return unary[which](x); }

int count(void) { return ++other_counter; }

int bss(int i, int x) {
  int old = zeros[i];
  zeros[i] = x;
  ones[i & 3] += x;
  return old * 1000 + ones[i & 3];
}

// A jump table.
int choose(int x, int y) {
  switch (x) {
  case 0: return y + 11;
  case 1: return y * 13;
  case 2: return y - 17;
  case 3: return y ^ 19;
  case 4: return y / 23;
  case 5: return call_other(y, 1);
  case 6: return y << 3;
  default: return -1;
  }
}

// Constants of floats.
double polynomial(double x) { return (3.25 * x + 1.0e100) * x - 2.718281828459045; }
float single(float x) { return x * 1.5f + 0.1f; }

double library(double x) { return floor(x) + 0.5; }

int copies(char *to, const char *from, size_t n) {
  memcpy(to, from, n);
  return memcmp(to, from, n);
}

__attribute__((cold, noinline)) int rarely(int x) { return from_first(x) * 7; }
int often(int x) {
  if (__builtin_expect(x < 0, 0))
    return rarely(x);
  return x;
}
