// Something to find the time in.
unsigned long spin(unsigned long n) {
  unsigned long x = n;
  for (unsigned long i = 0; i < n; i++)
    x = x * 6364136223846793005ul + (x >> 7);
  return x;
}

// Something to stop in: `f8` is called by `f7`, which is called by the host.
__attribute__((noinline)) int f8(int (*callback)(int), int x) { return callback(x) + 1; }
int f7(int (*callback)(int), int x) { return f8(callback, x * 2) + 10; }
